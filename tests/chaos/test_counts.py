"""The provider counts nonsense: in its answers, where it is asked to count, and when it refuses."""

import json
from dataclasses import replace

import pytest

from compact_otel.testing import LocalOpenAI, Step
from tests.chaos.program import converse, looks_up_then_answers
from tests.chaos.provider import Fault, ModelRoad, answered
from tests.sabotage.program import WINDOW

QUESTIONS = [f"What of customer {number}" for number in range(9)]
ANSWERS = [f"The record says: the record of {asked}" for asked in QUESTIONS]
NONSENSE = [0, -7, 2 * WINDOW + 1, 10**9, 10**400]
"""Numbers of tokens that no call has."""

COUNT = "/v1/responses/input_tokens"


def long_answers(usage=None):
    """Play a model whose answers fill the window within the questions, with the usage said."""

    def play(request):
        step = looks_up_then_answers(request)
        more = {} if step.text is None else {"text": step.text + " indeed" * 330}
        return replace(step, **more, usage=usage or {}, reasoning=True, reasoning_tokens=0)

    return play


async def survives(base_url, watch, **options):
    """Check that a session of more than a window gets through, and is compacted on the way."""
    seen = await converse(base_url, QUESTIONS, retries=0, **options)
    assert [answer.removesuffix(" indeed" * 330) for answer in seen.turns] == ANSWERS
    assert "compacted" in watch.outcomes


async def test_without_us_the_session_dies_of_its_window():
    with LocalOpenAI(long_answers(), context_window=WINDOW) as server:
        seen = await converse(server.base_url, QUESTIONS, retries=0)
    assert seen.turns[-1] == ("BadRequestError", 400, "context_length_exceeded")


@pytest.mark.parametrize("api", ["responses", "chat"])
@pytest.mark.parametrize("number", NONSENSE)
async def test_usage_that_no_call_has_is_passed_over(number, api, switch_on, watch, caplog):
    names = ("input_tokens", "output_tokens") if api == "responses" else ("prompt_tokens",)
    switch_on(max_context_tokens=WINDOW)
    play = long_answers(dict.fromkeys(names, number))
    with LocalOpenAI(play, context_window=WINDOW) as server:
        await survives(server.base_url, watch, api=api)
        assert [request.error for request in server.requests if request.error] == []
    assert ("no call has twice" in caplog.text) == (number > 0)
    assert watch.failures == set()


@pytest.mark.parametrize(
    "said", [*map(json.dumps, NONSENSE[:4]), "1e999", "null", "true", '"many"', "2.5", "[]"]
)
async def test_an_exact_count_that_is_none_gives_way_to_our_own(said, switch_on, watch):
    switch_on(max_context_tokens=WINDOW, estimator={"exact": True})
    count = Fault(answered(200, b'{"object": "x", "input_tokens": %b}' % said.encode()))
    with (
        LocalOpenAI(long_answers(), context_window=WINDOW) as server,
        ModelRoad(server) as road,
    ):
        road.faults[COUNT] = [count] * 99
        await survives(road.base_url, watch)
        assert road.count(COUNT)
        assert [request.error for request in server.requests if request.error] == []
    assert {stage for stage, _ in watch.failures} == {"estimate"}
    assert {told["compact.failure.fallback"] for told in watch.events("error")} == {
        "local_estimate"
    }


@pytest.mark.parametrize("limit", [1, 7, 10**30])
async def test_a_refusal_that_makes_no_sense_holds_until_more_is_taken(limit, switch_on, watch):
    """The session goes on in its true window, as the calls that are taken prove it."""
    message = f"This model's maximum context length is {limit} tokens."
    error = {"message": message, "code": "context_length_exceeded"}
    refused = []

    def play(request):
        if not refused:
            refused.append(request.number)
            return Step(status=400, error=error)
        return long_answers()(request)

    switch_on(max_context_tokens=WINDOW)
    with LocalOpenAI(play, context_window=WINDOW) as server:
        seen = await converse(server.base_url, QUESTIONS, retries=0)
        assert len([request for request in server.requests if request.error]) == 1
    assert all(turn.startswith("The record") for turn in seen.turns[1:])
    assert watch.events("rescue")
    assert "compacted" in watch.outcomes[2:]
