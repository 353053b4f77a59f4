"""The provider fails in the calls that we make: the agent's own one goes out, in time."""

import time

import pytest

import compact_otel
from compact_otel.testing import LocalOpenAI
from tests.chaos.program import client_of, converse, looks_up_then_answers
from tests.chaos.provider import BEFORE, Fault, ModelRoad
from tests.sabotage.program import EARLY, WINDOW

ANSWER = "The record says: the record of What of customer 7"
SOON_S = 15.0
"""Above all time limits here; a machine is busy at times."""

COUNT, COMPACT, WRITE = "/v1/responses/input_tokens", "/v1/responses/compact", "/v1/responses"
CUT = Fault(after=b'"output": [')
CASES = [
    *((COUNT, fault) for fault in ("no answer", "no HTTP", "500", "a page of HTML", "stall")),
    *((COUNT, fault) for fault in ("a page of HTML that says it is fine", "half of an answer")),
    *((COMPACT, fault) for fault in ("reset", "half a head", "JSON of another kind")),
    (COMPACT, "a page of HTML that says it is fine"),
    (COMPACT, "is cut"),
    *((WRITE, fault) for fault in ("reset", "no HTTP", "half a head", "is cut")),
]
STAGES = {COUNT: "estimate", COMPACT: "summarize", WRITE: "summarize"}


def settings(path, writer):
    """Return what makes us ask there in the first call already."""
    if path == COUNT:
        # The history has 3,810 tokens: near the trigger, not above.
        policy = {"trigger_pct": 0.67, "soft_trigger_pct": 0}
        return {**policy, "estimator": {"exact": True, "timeout": 0.5}}
    if path == COMPACT:
        return {**EARLY, "summarizer": {"native": True, "timeout": 5.0}}
    asked = compact_otel.OpenAISummarizer(
        "writer", client=lambda: client_of(writer.base_url), timeout=5.0, window=50_000
    )
    return {**EARLY, "summarizer": asked}


@pytest.mark.parametrize(("path", "fault"), CASES)
async def test_the_call_goes_out_and_says_what_failed(path, fault, switch_on, watch):
    with (
        LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as server,
        ModelRoad(server) as road,
        ModelRoad(server) as writer,
    ):
        failing = writer if path == WRITE else road
        failing.faults[path] = [CUT if fault == "is cut" else BEFORE[fault]] * 99
        switch_on(max_context_tokens=WINDOW, **settings(path, writer))
        began = time.monotonic()
        seen = await converse(road.base_url, ["What of customer 7"])
        assert time.monotonic() - began < SOON_S
        assert failing.count(path)
    assert seen.turns == [ANSWER]
    assert seen.looked_up == ["What of customer 7"]
    assert {stage for stage, _ in watch.failures} == {STAGES[path]}
    if path != COUNT:
        assert "compacted" in watch.outcomes or "fallback" in watch.outcomes
        (made, *_) = watch.events("summary_created")
        assert made["compact.summarizer.name"] == "extractive"
