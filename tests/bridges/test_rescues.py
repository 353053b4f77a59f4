"""A rescue stands beside the model span that failed, not inside it."""

import pytest
from agents import Agent

from compact_otel.testing import LocalOpenAI, Step
from tests.bridges.program import MODELS
from tests.paths.program import MODEL, WAYS, talk

# A stream that fails by an event is suspended inside the model's span while we rescue the call.
REFUSALS = [
    ("responses", "run", "http"),
    ("responses", "run_streamed", "http"),
    ("responses", "run_streamed", "sse_error"),
    ("responses", "run_streamed", "sse_error_flat"),
    ("responses", "run_streamed", "sse_failed"),
    ("responses", "run_streamed", "empty_stream"),
    ("chat", "run", "http"),
    ("chat", "run_streamed", "sse_error"),
    ("chat", "run_streamed", "empty_stream"),
]


@pytest.mark.parametrize(("kind", "way", "overflow"), REFUSALS)
async def test_a_rescue_is_the_sibling_of_both_attempts(kind, way, overflow, bridge, tracing):
    tracing.bridge_on()
    tracing.compact_on(max_context_tokens=12_000, hard_cap_buffer=200)
    with LocalOpenAI(lambda request: Step("done"), context_window=3000, overflow=overflow) as api:
        async with api.client() as client:
            with tracing.application():
                await WAYS[way](Agent("Clara", model=MODELS[kind](MODEL, client)), talk())
    tree = tracing.tree()
    triggers = [span.attributes["compact.trigger.type"] for span in tree.decisions]
    assert triggers == ["preflight", "reactive"]
    assert len(tree.trace_ids) == 1
    if not bridge.shows_agents:
        assert tree.agents == {"application": 2}
    else:
        assert tree.agents == {"Clara": 2}
        assert len(tree.model_spans) == 2
        tree.check_each_decision_is_right_before_its_model_span()
