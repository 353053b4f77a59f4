"""The provider fails in the agent's own calls: the user sees what would be seen without us.

The same faults hit the same requests twice, without us and with us: the same answers and errors,
the same number of requests, the same tools run, and the same items in the session.
"""

import pytest

import compact_otel
from compact_otel.testing import LocalOpenAI
from tests.chaos.program import PATHS, STALL_S, converse, looks_up_then_answers
from tests.chaos.provider import BEFORE, Fault, ModelRoad, midway
from tests.sabotage.program import EARLY, WINDOW

STATES = {
    "skipped": {"max_context_tokens": 4 * WINDOW},
    "compacted": {"max_context_tokens": WINDOW, **EARLY},
}
QUESTIONS = ["What of customer 7", "And of customer 8"]


async def played(faults, api, streamed):
    """Return what a user sees, and the number of requests, where some of them fail."""
    stalls = any(fault is not None and fault.then == "stall" for fault in faults)
    client = {"retries": 0, "timeout": STALL_S} if stalls else {}
    with (
        LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as server,
        ModelRoad(server) as road,
    ):
        road.faults[PATHS[api]] = list(faults)
        seen = await converse(road.base_url, QUESTIONS, api=api, streamed=streamed, **client)
        errors = [request.error for request in server.requests if request.error is not None]
    return seen, len(road.asked), errors


@pytest.fixture
def check(switch_on, watch):
    """Check that faults come to the same in every state of a conversation."""

    async def same(faults, **options):
        compact_otel.uninstrument()
        without = await played(faults, **options)
        assert without[2] == []
        for outcome, settings in STATES.items():
            switch_on(**settings)
            with_us = await played(faults, **options)
            compact_otel.uninstrument()
            assert with_us == without
            assert outcome in watch.outcomes
        assert watch.failures == set()
        return without[0]

    return same


each_api = pytest.mark.parametrize("api", list(PATHS))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("fault", "api"),
    [
        *((fault, "responses") for fault in BEFORE),
        *(
            (fault, "chat")
            for fault in ("no answer", "429", "half of an answer", "an empty answer")
        ),
    ],
)
async def test_an_answer_that_does_not_come_is_asked_for_as_often_as_without_us(
    fault, streamed, api, check
):
    """At first once, which the client gets over if anybody can; then it stays so for a turn."""
    once = [BEFORE[fault]]
    script = once if fault == "stall" else [*once, None, None, *once * 3]
    seen = await check(script, api=api, streamed=streamed)
    assert len(seen.turns) == 2


@each_api
@pytest.mark.parametrize("how", midway(b""))
async def test_a_stream_that_breaks_behind_its_first_words_is_not_begun_again(how, api, check):
    words = b"response.output_text.delta" if api == "responses" else b'"content": "The'
    seen = await check([None, midway(words)[how]], api=api, streamed=True)
    assert seen.turns[1] == "The record says: the record of And of customer 8"


@each_api
@pytest.mark.parametrize("how", midway(b""))
async def test_a_stream_that_breaks_in_the_call_of_a_tool_runs_it_no_second_time(how, api, check):
    words = b"function_call_arguments.delta" if api == "responses" else b'"tool_calls"'
    seen = await check([midway(words)[how]], api=api, streamed=True)
    assert len(seen.looked_up) <= 2


@pytest.mark.parametrize(
    "how", [name for name in midway(b"") if name != "says that it was too large"]
)
async def test_a_stream_that_breaks_before_its_first_words(how, check):
    await check([None, midway(b"response.in_progress")[how]], api="responses", streamed=True)


@each_api
async def test_an_answer_that_is_cut_in_the_middle(api, check):
    cut = Fault(after=b'"output": [' if api == "responses" else b'"choices": [')
    seen = await check([None, cut], api=api, streamed=False)
    assert seen.turns[0] == "The record says: the record of What of customer 7"


async def test_a_stream_that_ends_with_nothing_is_asked_for_once_more_and_teaches_nothing(
    switch_on, watch
):
    """Some servers answer so what is too large, but here it is a gateway that hiccups."""
    switch_on(max_context_tokens=WINDOW)
    ended = midway(b"response.in_progress")["ends as if that were all"]
    with LocalOpenAI(looks_up_then_answers) as server, ModelRoad(server) as road:
        road.faults[PATHS["responses"]] = [None, ended]
        questions = [f"What of customer {n}" for n in range(4)]
        seen = await converse(road.base_url, questions, streamed=True)
    assert seen.turns == [f"The record says: the record of {asked}" for asked in questions]
    assert seen.looked_up == questions
    assert (len(road.asked), len(watch.events("rescue"))) == (2 * len(questions) + 1, 1)
    calls = [span for span in watch.spans if span.attributes["compact.trigger.type"] != "reactive"]
    assert {span.attributes["compact.window.size"] for span in calls} == {WINDOW}
