"""What every estimator keeps, whatever it counts with."""

from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compact_otel.core.protocols import TokenEstimator
from compact_otel.core.types import CallContext, FixedTokens, Message
from compact_otel.estimators.noop import NoopEstimator
from compact_otel.estimators.tiktoken import TiktokenEstimator

ESTIMATORS = [TiktokenEstimator(), NoopEstimator()]
CALLS = [
    CallContext(model="gpt-5.2"),
    CallContext(model="gpt-4o", api="chat"),
    CallContext(model="gpt-4", api="chat"),
    CallContext(model="vertex_ai/gemini-3-pro", api="chat"),
    CallContext(model="litellm/anthropic/claude-sonnet-4-5", api="chat"),
    CallContext(),
]
HISTORY = [
    {"role": "user", "content": "Which of our 40 services still run Python 3.9?"},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "g" * 2040},
    {"type": "function_call", "call_id": "call_1", "name": "inventory", "arguments": '{"v":"3.9"}'},
    {"type": "function_call_output", "call_id": "call_1", "output": "billing, search"},
    {
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Billing and search.", "annotations": []}],
    },
]

KEYS = [
    "type",
    "role",
    "content",
    "text",
    "name",
    "arguments",
    "output",
    "tool_calls",
    "function",
    "encrypted_content",
    "refusal",
    "summary",
    "meta",
    "image_url",
    "detail",
    "source",
    "file_data",
    "id",
]
WORDS = [
    "message",
    "user",
    "assistant",
    "tool",
    "function_call",
    "function_call_output",
    "reasoning",
    "compaction",
    "input_image",
    "input_file",
    "input_audio",
    "mcp_call",
    "data:image/png;base64,iVBORw0KGgo=",
    "low",
]
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner | st.sampled_from(WORDS),
            max_size=5,
        )
    ),
    max_leaves=12,
)

pytestmark = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: one.name)


def test_it_fits_the_protocol_and_has_a_name(estimator):
    assert isinstance(estimator, TokenEstimator)
    assert isinstance(estimator.name, str)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.model}-{call.api}")
def test_every_item_gets_a_count_and_none_changes(estimator, call):
    before = repr(HISTORY)
    counts = estimator.count_items(HISTORY, call)
    assert len(counts) == len(HISTORY)
    assert all(type(tokens) is int and tokens >= 0 for tokens in counts)
    assert repr(HISTORY) == before


def test_no_items_are_no_counts(estimator):
    assert list(estimator.count_items([], CALLS[0])) == []


def test_counting_again_gives_the_same(estimator):
    first = estimator.count_items(HISTORY, CALLS[0])
    assert estimator.count_items([dict(item) for item in HISTORY], CALLS[0]) == first


def test_an_item_that_was_changed_in_place_is_counted_anew(estimator):
    item = {"role": "user", "content": "short"}
    (before,) = estimator.count_items([item], CALLS[0])
    item["content"] = "not that short any more, as the application has edited it"
    (after,) = estimator.count_items([item], CALLS[0])
    assert after > before


def test_any_mapping_will_do_for_an_item(estimator):
    frozen = [MappingProxyType(item) for item in HISTORY]
    assert estimator.count_items(frozen, CALLS[0]) == estimator.count_items(HISTORY, CALLS[0])


def test_what_only_the_application_sees_costs_nothing(estimator):
    plain = Message("user", "Deploy on Friday?")
    marked = Message("user", "Deploy on Friday?", meta={"protected": True, "note": "ask " * 50})
    counts = estimator.count_items([plain.as_item(), marked.as_item()], CALLS[0])
    assert counts[0] == counts[1]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.model}-{call.api}")
@settings(deadline=None)  # the first example may load the vocabulary
@given(history=st.lists(odd, max_size=4))
def test_no_content_is_too_odd(estimator, call, history):
    counts = estimator.count_items(history, call)
    assert len(counts) == len(history)
    assert all(type(tokens) is int and tokens >= 0 for tokens in counts)


def test_a_content_of_ten_thousand_levels_is_counted(estimator):
    content = "deep"
    for _ in range(10_000):
        content = [{"text": [content]}]
    (tokens,) = estimator.count_items([{"role": "user", "content": content}], CALLS[0])
    assert tokens > 0


def test_what_stands_beside_the_items_has_its_own_count(estimator):
    empty = estimator.count_fixed(CallContext(model="gpt-5.2"))
    full = estimator.count_fixed(
        CallContext(
            model="gpt-5.2",
            instructions="Answer briefly.",
            tools=[
                {"type": "function", "name": "lookup", "description": "Look up.", "parameters": {}}
            ],
            output_schema={"type": "object", "properties": {"answer": {"type": "string"}}},
        )
    )
    assert empty == FixedTokens(framing=empty.framing)
    assert full.instructions > 0
    assert full.tools_schema > 0
    assert full.framing == empty.framing
