"""A running server per test, and raw HTTP to it: what a client library would hide is visible."""

import http.client
import json
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import pytest

from compact_otel.core.types import FixedTokens
from compact_otel.testing import Echo, LocalOpenAI


class CharsOverFour:
    """One token per four characters of JSON: fast, and easy to reckon with."""

    def count_items(self, items, call):
        return [len(json.dumps(item)) // 4 for item in items]

    def count_fixed(self, call):
        tools = len(json.dumps(list(call.tools))) // 4 if call.tools else 0
        return FixedTokens(instructions=len(call.instructions or "") // 4, tools_schema=tools)


class Raw:
    """The status and the body of an answer, as they came."""

    def __init__(self, status, text):
        self.status = status
        self.text = text

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def error(self):
        return self.json["error"]

    @property
    def events(self):
        """The `data` of each server-sent event."""
        return [line[6:] for line in self.text.splitlines() if line.startswith("data: ")]


@pytest.fixture
def estimator():
    return CharsOverFour()


@pytest.fixture
def serve(estimator):
    with ExitStack() as stack:

        def start(behaviour=None, **options):
            options.setdefault("estimator", estimator)
            return stack.enter_context(LocalOpenAI(behaviour or Echo(), **options))

        yield start


@pytest.fixture
def post():
    def send(api, path, body, *, method="POST", headers=None):
        url = urlsplit(api.base_url)
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {"Authorization": "Bearer any"} if headers is None else headers
        with closing(http.client.HTTPConnection(url.hostname, url.port, timeout=30)) as connection:
            connection.request(method, url.path + path, text, headers)
            answer = connection.getresponse()
            return Raw(answer.status, answer.read().decode())

    return send


@pytest.fixture
def respond(post):
    """POST to the Responses API."""
    return lambda api, items, **more: post(
        api, "/responses", {"model": "gpt-5.4", "input": items, **more}
    )


@pytest.fixture
def chat(post):
    """POST to Chat Completions."""
    return lambda api, messages, **more: post(
        api, "/chat/completions", {"model": "gpt-5.4", "messages": messages, **more}
    )
