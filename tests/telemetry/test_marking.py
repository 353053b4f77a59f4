"""`gen_ai.conversation.compacted` on the span of the model call that goes out compacted."""

import asyncio

import pytest
from agents import Agent, Model, ModelResponse, Runner, Usage, set_tracing_disabled
from openai.types.responses import Response, ResponseCompletedEvent, ResponseOutputMessage
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider

import compact_otel
from compact_otel.schema import COMPACTED
from compact_otel.telemetry import serves_compacted
from tests.histories import Summarizer, answer, talk
from tests.telemetry.runs import Failing

LONG = talk(16)


@pytest.fixture(autouse=True, scope="module")
def _no_sdk_trace_upload():
    set_tracing_disabled(True)


class Traced(Model):
    """A model whose client starts a span, as instrumentations have it.

    Args:
        tracer: Makes the span.
        inside: Called while the span is current.
    """

    def __init__(self, tracer, inside=None, operation="chat", **start):
        self._tracer, self._inside, self._operation = tracer, inside, operation
        self._start = start

    async def get_response(self, *arguments, **options):
        attributes = {"gen_ai.operation.name": self._operation}
        with self._tracer.start_as_current_span("model", attributes=attributes, **self._start):
            if self._inside is not None:
                await self._inside()
        return ModelResponse([_message()], Usage(), None)

    async def stream_response(self, *arguments, **options):
        attributes = {"gen_ai.operation.name": self._operation}
        with self._tracer.start_as_current_span("model", attributes=attributes):
            made = Response(
                id="r", created_at=0, model="m", object="response", output=[_message()],
                parallel_tool_calls=False, tool_choice="auto", tools=[],
            )  # fmt: skip
            yield ResponseCompletedEvent(
                response=made, type="response.completed", sequence_number=0
            )


def _message():
    return ResponseOutputMessage.model_validate(answer("yes"))


@pytest.fixture
def switch_on(signals):
    def instrument(**options):
        defaults = {
            "max_context_tokens": 1500,
            "hard_cap_buffer": 0,
            "storage": {"adapter": "none"},
            "tracer_provider": signals.tracer_provider,
        }
        return compact_otel.instrument(**{**defaults, **options})

    return instrument


def marks(signals, name="model"):
    return [span.attributes.get(COMPACTED) for span in signals.spans if span.name == name]


async def ask(model, history, *, streamed=False):
    agent = Agent("Clerk", model=model)
    if not streamed:
        return await Runner.run(agent, history)
    result = Runner.run_streamed(agent, history)
    async for _ in result.stream_events():
        pass
    return result


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_a_call_that_goes_out_compacted_is_marked_and_no_other_one(
    streamed, signals, switch_on
):
    switch_on(summarizer=Summarizer())
    model = Traced(signals.tracer())
    for history in (talk(2), LONG, LONG, talk(2)):  # skipped, compacted, replayed, skipped
        await ask(model, [*history, {"role": "user", "content": "So?"}], streamed=streamed)
    assert marks(signals) == [None, True, True, None]
    assert [span.attributes["compact.outcome"] for span in signals.ours] == [
        "skipped", "compacted", "replayed", "skipped",
    ]  # fmt: skip
    assert marks(signals, "compact_context") == [None] * 4
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert not serves_compacted()


async def test_a_fallback_counts_and_an_observed_call_does_not(signals, switch_on):
    switch_on(summarizer=Failing(ValueError()))
    await ask(Traced(signals.tracer()), LONG)
    compact_otel.uninstrument()
    switch_on(mode="observe")
    await ask(Traced(signals.tracer()), LONG)
    assert marks(signals) == [True, None]


async def test_only_spans_of_models_are_marked(signals, switch_on):
    switch_on()
    await ask(Traced(signals.tracer(), operation="execute_tool"), LONG)
    assert marks(signals) == [None]


async def test_a_call_inside_a_compacted_one_speaks_for_itself(signals, switch_on):
    switch_on(summarizer=Summarizer())
    inner = Traced(signals.tracer())

    async def asks_somebody():
        await ask(inner, talk(1))

    await ask(Traced(signals.tracer(), asks_somebody), LONG)
    assert marks(signals) == [None, True]  # the inner one ends first


async def test_a_models_own_wrapper_is_the_same_call(signals, switch_on):
    """A model that hands its call on to another one is looked at once; both are compacted."""
    switch_on(summarizer=Summarizer())
    inner = Traced(signals.tracer())

    class Wrapping(Model):
        async def get_response(self, *arguments, **options):
            return await inner.get_response(*arguments, **options)

        def stream_response(self, *arguments, **options):
            raise NotImplementedError

    await ask(Wrapping(), LONG)
    assert len(signals.ours) == 1
    assert marks(signals) == [True]


async def test_a_summarisers_own_call_is_not_the_one_that_goes_out_compacted(signals, switch_on):
    class Calling(Summarizer):
        async def summarize(self, request):
            attributes = {"gen_ai.operation.name": "chat"}
            with signals.tracer().start_as_current_span("summary", attributes=attributes):
                await asyncio.sleep(0)
            return "in short"

    switch_on(summarizer=Calling())

    async def asks_somebody():
        await ask(Traced(signals.tracer()), [*LONG, *talk(3)])

    await ask(Traced(signals.tracer(), asks_somebody), LONG)
    assert marks(signals) == [True, True]
    assert set(marks(signals, "summary")) == {None}


async def test_a_span_with_a_context_of_its_own_is_marked_too(signals, switch_on):
    """Bridges give their spans a parent that they remember; what counts is when it starts."""
    switch_on()
    await ask(Traced(signals.tracer(), context=context.Context()), LONG)
    assert marks(signals) == [True]


async def test_switched_off_nothing_is_marked(signals, switch_on):
    switch_on()
    await ask(Traced(signals.tracer()), LONG)
    compact_otel.uninstrument()
    await ask(Traced(signals.tracer()), LONG)
    assert marks(signals) == [True, None]


async def test_a_provider_is_joined_once_by_all_managers_and_none_by_looking(signals, switch_on):
    added = []

    class Counting(TracerProvider):
        __hash__ = None  # logfire's has none

        def add_span_processor(self, span_processor):
            added.append(span_processor)

    provider = Counting(shutdown_on_exit=False)
    for history in (talk(2), LONG, LONG):
        switch_on(tracer_provider=provider)
        await ask(Traced(signals.tracer()), history)
        compact_otel.uninstrument()
        assert len(added) == (0 if history is not LONG else 1)
    provider.shutdown()
