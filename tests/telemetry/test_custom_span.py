"""A compaction as a `custom_span` of the Agents SDK, for OpenAI's own dashboard."""

import pytest
from agents import Agent, RunConfig, Runner, TracingProcessor, set_tracing_disabled
from agents.tracing import get_trace_provider, set_trace_provider
from agents.tracing.provider import DefaultTraceProvider

import compact_otel
from compact_otel import CompactManager, hooks
from tests.histories import Summarizer, manager, talk
from tests.telemetry.runs import Failing
from tests.telemetry.test_marking import Traced, ask

LONG = talk(16)
CANARY = "xylophone-4711"
WORDS = [*LONG, {"role": "user", "content": f"What about {CANARY}?"}]


class Kept(TracingProcessor):
    """Keeps what the SDK traces."""

    def __init__(self):
        self.begun, self.ended = [], []

    def on_trace_start(self, trace):
        pass

    def on_trace_end(self, trace):
        pass

    def on_span_start(self, span):
        self.begun.append(span)

    def on_span_end(self, span):
        self.ended.append(span)

    def shutdown(self):
        pass

    def force_flush(self):
        pass

    @property
    def ours(self):
        assert {id(span) for span in self.begun} == {id(span) for span in self.ended}
        return [span for span in self.ended if span.span_data.type == "custom"]


@pytest.fixture
def sdk():
    """Give the test a tracing of the SDK of its own, with what it tells."""
    before, kept = get_trace_provider(), Kept()
    set_trace_provider(DefaultTraceProvider())
    get_trace_provider().register_processor(kept)
    yield kept
    set_trace_provider(before)


@pytest.fixture
def switch_on(signals):
    def instrument(*, custom_span=True, agent_spans="off", **options):
        defaults = {
            "max_context_tokens": 1500,
            "hard_cap_buffer": 0,
            "soft_trigger_pct": 0,
            "storage": {"adapter": "none"},
            "summarizer": Summarizer(),
            "tracer_provider": signals.tracer_provider,
            "telemetry": {"custom_span": custom_span, "agent_spans": agent_spans},
        }
        return compact_otel.instrument(**{**defaults, **options})

    return instrument


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_the_sdk_traces_a_compaction_with_the_facts_of_our_span(
    streamed, sdk, signals, switch_on
):
    switch_on()
    await ask(Traced(signals.tracer()), WORDS, streamed=streamed)
    (custom,), (ours,) = sdk.ours, signals.ours
    assert custom.span_data.name == "compact_context"
    assert custom.span_data.data["compact.outcome"] == "compacted"
    assert custom.span_data.data["compact.tokens.removed"] > 0
    told = {name: v for name, v in ours.attributes.items() if not name.startswith("gen_ai.")}
    assert custom.span_data.data == told
    parents = {span.span_id: span.span_data.type for span in sdk.begun}
    assert parents[custom.parent_id] in ("turn", "agent")
    assert custom.error is None
    assert CANARY not in str([span.export() for span in sdk.ours])


async def test_it_is_off_unless_asked_for(sdk, signals, switch_on):
    switch_on(custom_span=False)
    await ask(Traced(signals.tracer()), LONG)
    assert sdk.ours == []


async def test_what_was_let_through_replayed_or_only_observed_is_not_in_the_sdks_trace(
    sdk, signals, switch_on
):
    switch_on()
    for history in (talk(2), LONG, LONG):
        await ask(Traced(signals.tracer()), history)
    assert [span.attributes["compact.outcome"] for span in signals.ours] == [
        "skipped", "compacted", "replayed",
    ]  # fmt: skip
    assert len(sdk.ours) == 1
    compact_otel.uninstrument()
    switch_on(mode="observe")
    await ask(Traced(signals.tracer()), LONG)
    assert len(sdk.ours) == 1


async def test_our_own_bridge_does_not_show_it_a_second_time(sdk, signals, switch_on):
    switch_on(agent_spans="on")
    await ask(Traced(signals.tracer()), LONG)
    assert len(sdk.ours) == 1
    names = [span.name for span in signals.spans]
    assert names.count("compact_context") == 1
    assert {"invoke_agent Clerk", "model"} <= set(names)


async def test_what_went_wrong_is_there_by_name_only(sdk, signals, switch_on):
    switch_on(summarizer=Failing(ValueError(CANARY)))
    await ask(Traced(signals.tracer()), WORDS)
    compact_otel.uninstrument()
    switch_on(max_context_tokens=50)
    await ask(Traced(signals.tracer()), WORDS)
    fallback, error = sdk.ours
    assert fallback.span_data.data["compact.outcome"] == "fallback"
    assert fallback.span_data.data["error.type"] == "ValueError"
    assert error.span_data.data["compact.outcome"] == "error"
    assert error.span_data.data["error.type"] == "InsufficientBudget"
    assert error.error == {"message": "the call went out as it came", "data": None}
    assert CANARY not in str([span.export() for span in sdk.ours])


@pytest.mark.parametrize("disabled", ["run", "process"])
async def test_a_run_that_the_sdk_does_not_trace_has_none(
    disabled, sdk, signals, switch_on, caplog
):
    switch_on()
    if disabled == "process":
        set_tracing_disabled(True)
    agent = Agent("Clerk", model=Traced(signals.tracer()))
    await Runner.run(agent, LONG, run_config=RunConfig(tracing_disabled=disabled == "run"))
    assert sdk.begun == []
    assert len(signals.ours) == 1
    assert caplog.records == []


async def test_a_model_that_is_called_outside_of_any_trace_has_none(
    sdk, signals, switch_on, caplog
):
    switch_on()
    await Traced(signals.tracer()).get_response(
        None, LONG, None, [], None, [], None, previous_response_id=None, conversation_id=None,
        prompt=None,
    )  # fmt: skip
    assert sdk.begun == []
    assert signals.ours[0].attributes["compact.outcome"] == "compacted"
    assert caplog.records == []


@pytest.mark.parametrize("where", ["on_span_start", "on_span_end"])
async def test_a_tracing_that_fails_costs_a_line_in_the_log(where, sdk, signals, switch_on, caplog):
    """The newest SDK catches what its processors raise, older ones do not."""

    class Failing(DefaultTraceProvider):
        def create_span(self, span_data, *given, **named):
            span = super().create_span(span_data, *given, **named)
            if span_data.type == "custom":
                span._processor = self
            return span

        def __getattr__(self, name):
            return lambda span: self._fail() if name == where else None

        def _fail(self):
            raise RuntimeError(CANARY)

    set_trace_provider(Failing())
    switch_on()
    await ask(Traced(signals.tracer()), LONG)
    assert signals.ours[0].attributes["compact.outcome"] == "compacted"
    assert [record.getMessage() for record in caplog.records] == [
        "the tracing beside the span failed with RuntimeError; calls go on without it"
    ]


async def test_the_way_without_patching_shows_it_too(sdk, signals):
    made = manager(900, custom_span=True, tracer_provider=signals.tracer_provider)
    assert isinstance(made, CompactManager)
    config = RunConfig(call_model_input_filter=hooks.before_model_call(made))
    agent = Agent("Clerk", model=Traced(signals.tracer()))
    await Runner.run(agent, LONG, run_config=config)
    (custom,) = sdk.ours
    assert custom.span_data.data["compact.outcome"] == "compacted"
