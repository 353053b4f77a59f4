"""`COMPACT_EVENTS`: the same events as span events, as log records, or as both."""

from importlib import metadata

import pytest
from opentelemetry._logs import NoOpLoggerProvider
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import compact_otel
from compact_otel import telemetry
from compact_otel.core.errors import SummaryError
from compact_otel.schema import SCHEMA_URL
from compact_otel.version import __version__
from tests.histories import Storage, manager, talk
from tests.telemetry.conftest import Signals
from tests.telemetry.runs import CALL, LONG, compacted, fallen_back, recalled, skipped

WHO = {
    "gen_ai.conversation.id": "conv-1",
    "gen_ai.agent.name": "Clerk",
    "gen_ai.request.model": "gpt-4o",
}


@pytest.mark.parametrize("mode", ["span", "log", "both"])
async def test_an_event_goes_where_it_was_asked_for(mode, signals):
    await compacted(events=mode, **signals.providers)
    names = [event.name for event in signals.span_events], [e.name for e in signals.log_events]
    told = [
        "compact.token_estimate",
        "compact.trigger_decision",
        "compact.summary_created",
        "compact.policy_applied",
        "compact.pruned_messages",
        "compact.token_estimate",
        "compact.cache_effect",
        "compact.archival",
    ]
    assert names == (told if mode != "log" else [], told if mode != "span" else [])


async def test_a_log_record_is_the_span_event_and_says_whose_call_it_was(signals):
    await compacted(events="both", **signals.providers)
    for event, logged in zip(signals.span_events, signals.log_events, strict=True):
        assert logged.attributes == {**WHO, **event.attributes}
        assert logged.span_id == event.span_id
        assert logged.record.log_record.trace_id == signals.ours[0].context.trace_id
        assert logged.record.log_record.body is None
    scope = signals.log_events[0].record.instrumentation_scope
    assert (scope.name, scope.version, scope.schema_url) == (
        "compact_otel",
        __version__,
        SCHEMA_URL,
    )
    span = signals.ours[0]
    times = [event.record.log_record.timestamp for event in signals.log_events]
    assert span.start_time <= times[0] <= times[-1] <= span.end_time
    assert times == sorted(times)


async def test_spans_log_records_and_metrics_say_which_version_of_us_they_are_from(signals):
    await compacted(events="both", **signals.providers)
    scopes = [span.instrumentation_scope for span in signals.ours]
    scopes += [event.record.instrumentation_scope for event in signals.log_events]
    scopes += [metrics.scope for metrics in signals.scoped_metrics]
    installed = metadata.version("compact-otel")
    assert {(scope.name, scope.version) for scope in scopes} == {("compact_otel", installed)}


async def test_what_stands_on_the_span_is_there_in_every_mode(signals):
    await compacted(events="log", **signals.providers)
    (span,) = signals.ours
    assert span.attributes["compact.outcome"] == "compacted"
    assert span.attributes["compact.tokens.removed"] > 0


async def test_severities_tell_routine_from_what_went_wrong(signals):
    await skipped(events="log", **signals.providers)
    assert [event.severity for event in signals.log_events] == ["DEBUG", "DEBUG"]
    await fallen_back(events="log", **signals.providers)
    severities = {event.name: event.severity for event in signals.log_events[2:]}
    assert severities["compact.trigger_decision"] == "INFO"
    assert severities["compact.error"] == "WARN"
    assert {event.record.log_record.severity_text for event in signals.log_events} == {
        *("DEBUG", "INFO", "WARN")
    }


def test_what_nothing_made_up_for_is_an_error(signals):
    class Unreadable(Storage):
        def load_checkpoints(self, session_id):
            raise OSError

    made = manager(10_000, storage=Unreadable(), events="log", **signals.providers)
    made.preflight("s", talk(2), call=CALL)
    (error,) = [event for event in signals.log_events if event.name == "compact.error"]
    assert error.severity == "ERROR"


async def test_log_records_come_from_calls_whose_trace_is_not_sampled():
    unsampled = Signals(sampler=ALWAYS_OFF)
    await compacted(events="log", **unsampled.providers)
    assert unsampled.spans == ()
    assert len(unsampled.log_events) == 8
    unsampled.shut()


@pytest.mark.parametrize("mode", ["span", "log"])
async def test_nothing_is_spelled_out_that_nobody_sees(mode, monkeypatch):
    """Neither a span that is not sampled nor a log without a reader is worth a dictionary."""
    unsampled = Signals(sampler=ALWAYS_OFF)
    spelled = []
    monkeypatch.setattr(telemetry, "attributes_of", lambda event: spelled.append(event) or {})
    await compacted(
        events=mode,
        tracer_provider=unsampled.tracer_provider,
        logger_provider=NoOpLoggerProvider(),
    )
    assert spelled == []
    unsampled.shut()


async def test_a_processor_that_wants_warnings_only_gets_those(signals):
    """The SDK asks its processors before a record is made, from 1.45 on."""

    class Picky(LogRecordProcessor):
        asked, got = [], []

        def enabled(self, *, severity_number=None, event_name=None, **_):
            self.asked.append(event_name)
            return severity_number.value >= 13

        def on_emit(self, log_record):
            self.got.append(log_record.log_record.event_name)

        def shutdown(self):
            pass

        def force_flush(self, timeout_millis=30_000):
            return True

    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(Picky())
    await fallen_back(events="log", **{**signals.providers, "logger_provider": provider})
    if not Picky.asked:
        pytest.skip("this version of the SDK does not ask")
    assert Picky.got == ["compact.error"]


def test_a_processor_that_fails_costs_the_records_and_a_line_in_the_log(signals, caplog):
    class Leaking(LogRecordProcessor):
        def on_emit(self, log_record):
            raise RuntimeError("CANARY")

        def shutdown(self):
            pass

        def force_flush(self, timeout_millis=30_000):
            return True

    signals.logger_provider.add_log_record_processor(Leaking())
    made = manager(900, events="log", **signals.providers)
    assert made.preflight("s", LONG, call=CALL).outcome == "compacted"
    (record,) = caplog.records
    assert record.getMessage() == ("the event log failed with RuntimeError; calls go on without it")


async def test_a_span_has_thirty_events_at_most_and_failures_give_way(signals):
    class Talkative:
        name = "talkative"

        def summarize(self, request):
            for _ in range(16):
                request.tell("empty", "retry_brief")
            raise SummaryError("no", reason="empty")

    made = manager(900, summarizer=Talkative(), events="both", **signals.providers)
    for _ in range(2):  # what one span had does not count for the next
        result = await made.amanual_compact("s", LONG, call=CALL)
    assert result.outcome == "fallback"
    for span in signals.ours:
        names = [event.name for event in span.events]
        assert len(names) <= 30
        assert names.count("compact.error") == 16
        assert names[-2:] == ["compact.token_estimate", "compact.cache_effect"]
    logged = [event.name for event in signals.log_events]
    assert logged.count("compact.error") == 2 * 17


async def test_a_recall_is_told_on_the_span_of_its_tool_or_as_a_record(signals):
    with signals.tracer().start_as_current_span("execute_tool") as tool:
        await recalled(events="both", **signals.providers)
    on_tool = [e for e in signals.span_events if e.span_id == tool.get_span_context().span_id]
    assert [(e.name, e.attributes["compact.recall.result"]) for e in on_tool] == [
        ("compact.recall", "hit"),
        ("compact.recall", "miss"),
        ("compact.recall", "error"),
    ]
    logged = [event for event in signals.log_events if event.name == "compact.recall"]
    assert [event.attributes for event in logged] == [event.attributes for event in on_tool]


async def test_instrument_takes_the_provider_and_the_mode(signals):
    manager = compact_otel.instrument(
        telemetry={"events": "log"}, storage={"adapter": "none"}, **signals.providers
    )
    manager.preflight("s", talk(2))
    assert [event.name for event in signals.log_events] == [
        "compact.token_estimate",
        "compact.trigger_decision",
    ]


def test_without_any_provider_calls_are_compacted_and_nobody_is_told(caplog):
    made = manager(900, events="both")
    assert made.preflight("s", LONG, call=CALL).outcome == "compacted"
    assert caplog.records == []
