"""What the package promises: its example runs, its imports are few, and no input breaks it."""

import ast
import asyncio
import json
import textwrap
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import compact_otel.testing
from compact_otel.core.types import FixedTokens
from compact_otel.testing.behaviour import Echo
from compact_otel.testing.engine import Engine
from compact_otel.testing.metering import Meter
from compact_otel.testing.stream import event_text
from compact_otel.testing.window import Window


def test_the_example_in_the_documentation_runs():
    lines = compact_otel.testing.__doc__.splitlines()[1:]
    code = textwrap.dedent("\n".join(line for line in lines if not line or line.startswith(" ")))
    assert "Runner.run_sync" in code
    loop = asyncio.new_event_loop()  # `run_sync` takes the default one, and leaves it open
    asyncio.set_event_loop(loop)
    try:
        names = {}
        exec(code, names)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert len(names["api"].requests) == 2


def test_the_package_does_not_import_the_agents_sdk():
    for path in Path(compact_otel.testing.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in getattr(node, "names", ())]
            module = getattr(node, "module", None) or ""
            assert not any(name.split(".")[0] == "agents" for name in [*names, module]), path


def test_every_public_name_is_there():
    for name in compact_otel.testing.__all__:
        assert hasattr(compact_otel.testing, name)


class Flat:
    def count_items(self, items, call):
        return [1] * len(items)

    def count_fixed(self, call):
        return FixedTokens()


def words(text):
    return st.sampled_from(text.split())


NAMES = words(
    """type role content id call_id name arguments output tool_calls tool_call_id summary text
    function encrypted_content input status refusal"""
)
VALUES = words(
    """message reasoning function_call function_call_output item_reference compaction user
    assistant tool input_text output_text call_1 rs_1 tool_search_call tool_search_output"""
)
BODY_NAMES = words(
    """model input messages instructions tools tool_choice text response_format stream store
    previous_response_id conversation include prompt stream_options max_output_tokens truncation"""
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | VALUES | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=12,
)
ITEMS = st.lists(st.dictionaries(NAMES, JSON, max_size=6), max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    api=st.sampled_from(["responses", "chat"]),
    body=JSON | st.dictionaries(BODY_NAMES, JSON, max_size=6),
    items=ITEMS,
)
def test_whatever_comes_in_is_answered_in_the_form_of_the_api(api, body, items):
    engine = Engine(Echo(), meter=Meter(Flat(), 1.0), window=Window(3, "sse_failed"), max_string=50)
    name = "input" if api == "responses" else "messages"
    for given_body in (body, {"model": "m", name: items}):
        reply = engine.respond(api, "/", json.loads(json.dumps(given_body)))
        json.dumps(reply.body)
        assert all(event_text(event) for event in reply.events or ())
        if reply.status != 200:
            assert reply.status in (400, 404)
            assert set(reply.body["error"]) == {"message", "type", "param", "code"}
