"""`COMPACT_SPANS=triggered`: no span for a call that is let through, the same for all others."""

import asyncio

import pytest
from opentelemetry import trace

import compact_otel
from tests.histories import Storage, Summarizer, manager, talk
from tests.telemetry.runs import CALL, LONG, RUNS, compacted, skipped
from tests.telemetry.test_marking import Traced, ask

CHANCE = {"compact.summary.id", "compact.archive.id", "compact.summary.duration"}
PRICED = {"compact.cost.lost", "compact.cost.saved", "compact.cache.break_even_calls"}
"""By a table of prices that is loaded beside the first compaction."""


def facts(attributes):
    return {name: value for name, value in attributes.items() if name not in CHANCE | PRICED}


def told(span):
    events = [(event.name, facts(event.attributes)) for event in span.events]
    return span.name, facts(span.attributes), events, span.status.status_code, span.kind


@pytest.mark.parametrize("run", RUNS)
async def test_what_has_a_span_has_the_very_one_that_it_would_have_anyway(run, signals):
    options = {"soft_trigger_pct": 0, **signals.providers}  # a summary ahead takes its own time
    await RUNS[run](**options)
    always = [told(span) for span in signals.ours]
    await RUNS[run](spans="triggered", **options)
    triggered = [told(span) for span in signals.ours[len(always) :]]
    worth_one = [
        each
        for each in always
        if each[1]["compact.outcome"] != "skipped"
        or "compact.redaction_off" in dict(each[2])  # a warning is never left out
    ]
    assert triggered == worth_one


@pytest.mark.parametrize("run", [skipped, RUNS["stood_back"]])
async def test_a_call_that_is_let_through_is_counted_and_has_no_span(run, signals):
    await run(spans="triggered", **signals.providers)
    assert signals.spans == ()
    (decisions,) = [metric for metric in signals.metrics if metric.name == "compact.decisions"]
    assert [point.value for point in decisions.data.data_points] == [1]


async def test_a_span_begins_when_the_call_was_looked_at_and_holds_all_that_came_of_it(signals):
    parents = []

    class Looking(Summarizer):
        def summarize(self, request):
            parents.append(trace.get_current_span().get_span_context().span_id)
            return super().summarize(request)

    with signals.tracer().start_as_current_span("turn") as turn:
        await compacted(spans="triggered", summarizer=Looking(), **signals.providers)
        assert trace.get_current_span() is turn
    (span,) = signals.ours
    assert parents == [span.context.span_id]
    assert span.parent.span_id == turn.get_span_context().span_id
    times = [event.timestamp for event in span.events]
    assert span.start_time <= times[0] <= times[-1] <= span.end_time
    assert times == sorted(times)


async def test_log_records_are_told_of_every_call_and_belong_to_the_span_if_there_is_one(signals):
    await skipped(spans="triggered", events="log", **signals.providers)
    assert [event.name for event in signals.log_events] == [
        "compact.token_estimate",
        "compact.trigger_decision",
    ]
    assert {event.span_id for event in signals.log_events} == {0}
    await compacted(spans="triggered", events="log", **signals.providers)
    (span,) = signals.ours
    assert {event.span_id for event in signals.log_events[2:]} == {span.context.span_id}
    assert len(signals.log_events) == 2 + 8


def test_a_call_that_is_let_through_after_something_failed_has_a_span(signals):
    class Unreadable(Storage):
        def load_checkpoints(self, session_id):
            raise OSError

    made = manager(10_000, storage=Unreadable(), spans="triggered", **signals.providers)
    assert made.preflight("s", talk(2), call=CALL).outcome == "skipped"
    (span,) = signals.ours
    assert [event.name for event in span.events] == [
        "compact.error",
        "compact.token_estimate",
        "compact.trigger_decision",
    ]


async def test_a_call_that_is_cancelled_while_it_is_compacted_has_a_span(signals):
    began = asyncio.Event()

    class Slow(Summarizer):
        async def summarize(self, request):
            began.set()
            await asyncio.sleep(30)

    made = manager(900, summarizer=Slow(), spans="triggered", **signals.providers)
    before = asyncio.all_tasks()
    asking = asyncio.ensure_future(made.apreflight("s", LONG, call=CALL))
    await asyncio.wait_for(began.wait(), 10)
    for task in asyncio.all_tasks() - before:
        task.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await asyncio.sleep(0)
    (span,) = signals.ours
    assert span.attributes["compact.trigger.reason"] == "window_exceeded"


async def test_a_tracer_that_fails_costs_the_span_only(signals, caplog):
    class Broken:
        def get_tracer(self, *_, **__):
            return self

        def start_span(self, *_, **__):
            raise RuntimeError("CANARY")

    providers = {**signals.providers, "tracer_provider": Broken()}
    result = await manager(900, spans="triggered", **providers).apreflight("s", LONG, call=CALL)
    assert result.outcome == "compacted"
    assert [record.getMessage() for record in caplog.records] == [
        "the span failed with RuntimeError; calls go on without it"
    ]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_in_a_run_of_the_sdk_the_span_stands_below_the_caller_and_leaves_nothing_behind(
    streamed, signals, caplog
):
    compact_otel.instrument(
        max_context_tokens=1500,
        hard_cap_buffer=0,
        storage={"adapter": "none"},
        summarizer=Summarizer(),
        telemetry={"spans": "triggered", "agent_spans": "off"},
        **signals.providers,
    )
    with signals.tracer().start_as_current_span("application") as application:
        for history in (talk(2), talk(16), talk(2)):
            await ask(Traced(signals.tracer()), history, streamed=streamed)
        assert trace.get_current_span() is application
    (span,) = signals.ours
    assert span.attributes["compact.outcome"] == "compacted"
    assert span.parent.span_id == application.get_span_context().span_id
    models = [span for span in signals.spans if span.name == "model"]
    assert {model.parent.span_id for model in models} == {span.parent.span_id}
    assert caplog.records == []
