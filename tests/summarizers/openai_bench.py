"""A summariser that asks a local imitation of OpenAI, and histories for it to summarise."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from compact_otel.core.types import SummaryRequest
from compact_otel.summarizers.openai import OpenAISummarizer
from compact_otel.testing import Step
from tests.histories import Estimator, assistant, call, manager, output, user

STRATEGIES = ("task_state", "brief", "decision_log", "code_delta")
APIS = ("responses", "chat")

NOTE = '## Goal\nOrder A-17 to Leeds.\n## Constraints\n- turn 1: "Never call me."'


def errand(turns=6, words=60):
    """Return a conversation about orders: a question, a call, its output, an answer, each turn."""
    items = []
    for turn in range(1, turns + 1):
        items += [
            user(f"Where is order A-{turn}? Never call me about it. " + "It matters. " * words),
            call(f"c{turn}", name="find_order", arguments=json.dumps({"order": f"A-{turn}"})),
            output(f"c{turn}", f"A-{turn} left depot {turn} on Monday. " + "Row of data. " * words),
            assistant(f"A-{turn} is on its way. " + "I am sure of that. " * words),
        ]
    return items


def request(items=None, **options):
    options.setdefault("max_tokens", 400)
    options.setdefault("count_text", lambda text: (len(text) + 3) // 4)
    return SummaryRequest(items=errand() if items is None else items, **options)


def summarizer(server, **options):
    """Return a summariser over a server; retries once, or tests would wait for the client."""
    return OpenAISummarizer(
        **{"client": server.client, "max_retries": 1, "timeout": 20.0, **options}
    )


def in_turn(*steps):
    """Return a behaviour that plays steps in their order, and the last one from then on."""
    played = []

    def behave(model_request):
        played.append(model_request)
        step = steps[min(len(played), len(steps)) - 1]
        return step if isinstance(step, Step) else Step(step)

    behave.requests = played
    return behave


def by_model(**steps):
    """Return a behaviour by model; `_` in a name stands for `-`."""
    return lambda asked: steps[asked.model.replace("-", "_").replace(".", "_")]


def desk(summarize, **options):
    """Return a manager that has to compact `errand()`, and the tokens it may send at most."""
    limit = int(Estimator().total(errand()) * 0.8)
    options.setdefault("keep_recent_turns", 1)
    options.setdefault("keep_tool_io_pairs", 1)
    return manager(limit, summarizer=summarize, **options), limit


class RawServer:
    """An HTTP server that answers a POST with bytes, or with nothing at all; keeps connections.

        with RawServer(b"<html>", content_type="text/html") as server: ...

    Args:
        body: What is answered; None closes the connection, an Exception stalls until the end.
        status: The HTTP status.
        content_type: As in the header.
        headers: More of them.
    """

    def __init__(self, body, *, status=200, content_type="application/json", headers=()):
        over = self._over = threading.Event()
        self.calls = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.calls += 1
                self.rfile.read(int(self.headers["content-length"]))
                if isinstance(body, Exception):
                    over.wait(30)
                if not isinstance(body, bytes):
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in (*headers, ("content-type", content_type)):
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def client(self):
        return AsyncOpenAI(
            base_url=f"http://127.0.0.1:{self._server.server_address[1]}/v1",
            api_key="local",
            http_client=DefaultAsyncHttpxClient(trust_env=False),
        )


def completion(text, **more):
    """Return a Chat completion as bytes."""
    message = {"role": "assistant", "content": text, **more.pop("message", {})}
    choice = {"index": 0, "message": message, "finish_reason": "stop", **more}
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m"}
    return json.dumps({**body, "choices": [choice]}).encode()
