"""A provider that counts otherwise than we do, through the real SDK: the estimate follows it."""

import statistics
from itertools import pairwise

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
)

import compact_otel
from compact_otel.testing import LocalOpenAI, Step

WINDOW = 9_000
TURNS = 26
MODELS = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}


def looks_up_then_answers(request):
    newest = request.items[-1]
    if newest.get("role") == "user":
        return Step(calls=[("look_up", {"question": request.newest_user_text})])
    return Step("It says that all is well with them, and that nothing is open. " * 3)


@function_tool
def look_up(question: str) -> str:
    """Return a record."""
    number = question.rsplit(maxsplit=1)[-1]
    return "\n".join(f"order #{number}{line:03d} of c_{number}: paid" for line in range(40))


async def converse(api, form, *, streamed=False, turns=TURNS):
    agent = Agent(
        name="clerk",
        instructions="Answer from the records.",
        model=MODELS[form]("gpt-4.1-mini", openai_client=api.client()),
        model_settings=ModelSettings(include_usage=True),
        tools=[look_up],
    )
    session = SQLiteSession("s")
    for turn in range(turns):
        question = f"What do you know of customer {turn}"
        if streamed:
            result = Runner.run_streamed(agent, question, session=session)
            async for _ in result.stream_events():
                pass
        else:
            await Runner.run(agent, question, session=session)


def estimates(exporter):
    """Return the events of all calls before what a compaction did to them, in order."""
    return [
        event.attributes
        for span in exporter.get_finished_spans()
        for event in span.events
        if event.name == "compact.token_estimate"
        and event.attributes["compact.estimate.phase"] == "before"
        and span.attributes["compact.trigger.type"] == "preflight"
    ]


@pytest.mark.parametrize("skew", [1.0, 1.15, 1.41])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("form", list(MODELS))
async def test_the_estimate_follows_the_provider_and_no_call_is_refused(
    form, streamed, skew, exporter, tracer_provider
):
    compact_otel.instrument(
        max_context_tokens=WINDOW, storage={"adapter": "none"}, tracer_provider=tracer_provider
    )
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW, token_skew=skew) as api:
        await converse(api, form, streamed=streamed)
    assert {request.status for request in api.requests} == {200}
    told = estimates(exporter)
    assert len(told) == len(api.requests) == 2 * TURNS
    actual = [event["compact.estimate.previous"] for event in told[1:]]
    assert actual == [request.tokens for request in api.requests[:-1]]
    errors = [abs(event["compact.estimate.previous_error"]) for event in told[2:]]
    assert statistics.median(errors) <= (0.0 if skew == 1.0 else 0.02)
    assert max(errors) <= (0.01 if skew == 1.0 else 0.3)
    assert {event["compact.estimate.calibration"] for event in told} >= {"none", "anchor"}


def thinks_hard(request):
    """Play a model that reasons at length before each call and before the answer."""
    looked = sum(item.get("type") == "function_call_output" for item in request.items) % 3
    if looked or request.items[-1].get("role") == "user":
        step = {"question": f"{request.newest_user_text} {looked}"}
        return Step(calls=[("look_up", step)], reasoning=True, reasoning_tokens=700)
    return Step("It says that all is well.", reasoning=True, reasoning_tokens=300)


async def test_reasoning_that_only_the_provider_can_see_is_in_the_estimate(
    exporter, tracer_provider
):
    """As the SDK keeps it by default: in the history stands its id, and OpenAI has the text."""
    compact_otel.instrument(storage={"adapter": "none"}, tracer_provider=tracer_provider)
    with LocalOpenAI(thinks_hard) as api:
        await converse(api, "responses", turns=5)
    told = estimates(exporter)
    assert [event["compact.tokens.before"] for event in told] == [
        request.tokens for request in api.requests
    ]
    growth = [after.tokens - before.tokens for before, after in pairwise(api.requests)]
    assert max(growth) > 700  # it is there
    assert min(growth) < -1500  # and goes with the next question
