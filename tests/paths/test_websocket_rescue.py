"""A refusal over the websocket comes as a frame; it is rescued like one over HTTP."""

from importlib.metadata import version

import pytest
from agents import Agent, OpenAIResponsesWSModel

from compact_otel.testing import LocalOpenAI
from tests.paths.program import (
    MODEL,
    QUESTION,
    WAYS,
    WINDOW,
    look_up,
    looks_up_then_answers,
    talk,
    unchanged,
)


@pytest.mark.parametrize("way", ["run", "run_streamed"])
@pytest.mark.parametrize(
    "overflow", ["http", "sse_error", "sse_error_flat", "sse_failed", "llama_cpp"]
)
async def test_every_shape_of_frame_is_rescued(overflow, way, observed, switch_on):
    if (overflow, way) == ("sse_failed", "run") and version("openai-agents").startswith("0.14."):
        pytest.skip("this SDK takes a failed response over the websocket for an empty answer")
    switch_on(max_context_tokens=2 * WINDOW)
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW, overflow=overflow) as api:
        async with api.client() as client:
            agent = Agent("clerk", tools=[look_up], model=OpenAIResponsesWSModel(MODEL, client))
            with unchanged(talk()) as history, observed.program():
                result = await WAYS[way](agent, history)
        refused, *answered = api.requests
    assert result.final_output == f"I found the record of {QUESTION}"
    assert refused.error is not None
    assert [request.error for request in answered] == [None, None]
    assert observed.outcomes == ["skipped", "compacted", "replayed"]
    assert observed.values("compact.trigger.type")[1] == "reactive"
    observed.check_parents()
