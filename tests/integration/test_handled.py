"""A program's fallback stands in `except`; what fails there is not what is being handled there."""

import asyncio

import pytest
from agents import (
    Agent,
    Model,
    ModelSettings,
    ModelTracing,
    OpenAIResponsesModel,
    Runner,
    set_tracing_disabled,
)
from openai import (
    APIError,
    AsyncOpenAI,
    DefaultAsyncHttpxClient,
    InternalServerError,
)

import compact_otel
from compact_otel.core.errors import SummaryError
from compact_otel.overflow import Overflow, overflow_in
from compact_otel.summarizers.openai_call import Caller, Question
from compact_otel.testing import LocalOpenAI, Step

HISTORY = [{"role": "user", "content": f"item {n}: " + "talk " * 300} for n in range(21)]
TRUE_WINDOW = 3000
OPTIONS = dict.fromkeys(("previous_response_id", "conversation_id", "prompt"))
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@pytest.fixture(autouse=True)
def _no_sdk_trace_upload():
    set_tracing_disabled(True)


def switch_on():
    compact_otel.instrument(storage={"adapter": "none"})


async def called(model, *, streamed):
    """Call a model as a program does that has no agents."""
    given = (None, HISTORY, ModelSettings(), [], None, [], ModelTracing.DISABLED)
    if not streamed:
        return await model.get_response(*given, **OPTIONS)
    return [event async for event in model.stream_response(*given, **OPTIONS)]


def too_long(used=900, limit=500):
    raise ValueError(f"prompt is too long: {used} tokens > {limit} maximum")


async def after_an_overflow(model, *, streamed):
    """Call a model where a program handles that another one's window was too small."""
    try:
        too_long()
    except ValueError:
        return await called(model, streamed=streamed)


class Lost(DefaultAsyncHttpxClient):
    """Fails where no release of `openai` gives the error a cause of its own."""

    def build_request(self, *args, **kwargs):
        raise OSError("lost")


def unreachable():
    return AsyncOpenAI(api_key="none", max_retries=0, http_client=Lost())


@streamed
async def test_a_fallback_that_fails_is_not_sent_again_and_teaches_nothing(streamed):
    switch_on()
    steps = [Step(status=500, error={"message": "The server had an error"}), Step("Well.")]
    with LocalOpenAI(lambda request: steps.pop(0)) as api:
        model = OpenAIResponsesModel("gpt-4.1", api.client())
        with pytest.raises(InternalServerError, match="had an error"):
            await after_an_overflow(model, streamed=streamed)
        await called(model, streamed=streamed)
    assert [len(request.items) for request in api.requests] == [len(HISTORY)] * 2


@streamed
async def test_nor_is_one_whose_connection_is_lost(streamed):
    switch_on()
    with pytest.raises(OSError, match="lost") as caught:
        await after_an_overflow(OpenAIResponsesModel("gpt-4.1", unreachable()), streamed=streamed)
    assert overflow_in(caught.value) is not None, "Python links what is being handled"
    with LocalOpenAI(lambda request: Step("Well.")) as api:
        await called(OpenAIResponsesModel("gpt-4.1", api.client()), streamed=streamed)
    assert [len(request.items) for request in api.requests] == [len(HISTORY)]


def test_nor_a_whole_loop_that_runs_inside_of_except():
    switch_on()
    slow = Step(status=429, error={"code": "rate_limit_exceeded", "message": "slow down"})
    with LocalOpenAI(lambda request: slow) as api:
        agent = Agent("b", model=OpenAIResponsesModel("gpt-4.1", api.client()))
        try:
            too_long()
        except ValueError:
            with pytest.raises(APIError, match="slow down"):
                asyncio.run(Runner.run(agent, HISTORY))
    assert [len(request.items) for request in api.requests] == [len(HISTORY)]


@streamed
async def test_a_fallback_that_is_refused_as_too_large_is_rescued(streamed):
    switch_on()
    with LocalOpenAI(lambda request: Step("Well."), context_window=TRUE_WINDOW) as api:
        await after_an_overflow(OpenAIResponsesModel("gpt-4.1", api.client()), streamed=streamed)
    first, second = api.requests
    assert (first.error_code, second.error) == ("context_length_exceeded", None)
    assert 500 < second.tokens <= TRUE_WINDOW, "not the limit of what was being handled"


class Raising(Model):
    """Raises one error after the other, then answers with the number of items."""

    model = "gpt-4.1"

    def __init__(self, *raising):
        self.raising = list(raising)

    async def get_response(self, system_instructions, input, *args, **kwargs):
        if self.raising:
            self.raising.pop(0)()
        return len(input)

    async def stream_response(self, system_instructions, input, *args, **kwargs):
        if self.raising:
            self.raising.pop(0)()
        yield len(input)


def translated():
    try:
        too_long(3500, TRUE_WINDOW)
    except ValueError as error:
        raise RuntimeError("the model failed") from error


def in_passing():
    try:
        too_long(3500, TRUE_WINDOW)
    except ValueError:
        raise RuntimeError("the model failed")  # noqa: B904 - what is under test


@pytest.mark.parametrize("fails", [translated, in_passing])
@streamed
async def test_what_a_model_handles_inside_of_the_call_is_about_the_call(fails, streamed):
    switch_on()
    answer = await after_an_overflow(Raising(fails), streamed=streamed)
    assert 0 < (answer[0] if streamed else answer) < len(HISTORY)


def hidden():
    try:
        too_long()
    except ValueError:
        raise RuntimeError("a tool of the model failed") from None


@streamed
async def test_what_a_model_takes_back_is_not_read(streamed):
    switch_on()
    with pytest.raises(RuntimeError, match="a tool of"):
        await called(Raising(hidden), streamed=streamed)


def lost():
    raise ConnectionError("lost")


@streamed
async def test_an_error_of_the_second_attempt_is_not_linked_to_the_first(streamed):
    """Or whoever called, another wrapper of ours say, would take it for a refusal."""
    switch_on()
    with pytest.raises(ConnectionError) as caught:
        await called(Raising(translated, lost), streamed=streamed)
    assert overflow_in(caught.value) is None


async def test_a_summariser_that_fails_in_a_rescue_has_no_smaller_window():
    question = Question(
        model="gpt-4.1", instructions="", message="", tokens=9, seed=None, timeout=9
    )
    caller, client = Caller("responses", None), unreachable()
    try:
        too_long()
    except ValueError:
        with caller.span(client, "gpt-4.1") as told, pytest.raises(SummaryError) as asked:
            await caller.ask(client, question, told)
        with caller.span(client, "gpt-4.1") as told, pytest.raises(SummaryError) as compacted:
            await caller.compact(client, {"model": "gpt-4.1", "input": []}, told)
    assert [asked.value.reason, compacted.value.reason] == ["OSError"] * 2


def test_by_hand_what_was_handled_before_the_call_is_left_out():
    first, failed = ValueError("prompt is too long: 900 tokens > 500 maximum"), OSError("lost")
    failed.__context__ = first
    assert overflow_in(failed) == Overflow(limit=500, used=900)
    assert overflow_in(failed, handled=first) is None
    assert overflow_in(first, handled=first) is not None, "what itself is asked about"
