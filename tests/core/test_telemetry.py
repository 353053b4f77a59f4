"""What is told: events in their order, spans with exact names and types, and never a word."""

import json
from dataclasses import fields, is_dataclass
from itertools import pairwise

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider, StatusCode

from compact_otel import __version__
from compact_otel.core import events
from compact_otel.core.errors import InsufficientBudget, SummaryError
from compact_otel.core.types import CallContext, Message
from compact_otel.schema import ATTRIBUTES, SCHEMA, SCHEMA_URL, SPAN_ATTRIBUTES
from compact_otel.telemetry import ON_SPAN, attributes_of
from tests.histories import (
    Estimator,
    Exporter,
    Storage,
    Summarizer,
    assistant,
    call,
    chat_calls,
    chat_output,
    manager,
    output,
    system,
    talk,
    user,
)

CALL = CallContext(
    model="gpt-4o", provider="openai", agent="Clerk", conversation="conv-1", instructions="Be brief"
)


class Failing:
    name = "failing"

    def __init__(self, error):
        self._error = error

    def summarize(self, request):
        raise self._error


@pytest.fixture
def spans():
    return InMemorySpanExporter()


@pytest.fixture
def traced(spans):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))

    def make(limit, **options):
        return manager(limit, tracer_provider=provider, **options)

    make.provider = provider
    return make


# The schema.


def test_every_event_has_a_name_for_every_field():
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type)]
    assert set(SCHEMA) == {kind for kind in kinds if issubclass(kind, events.Event)} - {
        events.Event
    }
    for kind, schema in SCHEMA.items():
        assert is_dataclass(kind)
        named = {"exception_text", "exception_trace"} if kind is events.Failure else set()
        known = {entry.name for entry in fields(kind)} - ({"error"} if named else set())
        assert known | named == set(schema.fields)
        assert len({use.name for use in schema.fields.values()}) == len(schema.fields)


def test_no_attribute_is_the_namespace_of_another():
    names = sorted(ATTRIBUTES)
    assert not [(short, long) for short in names for long in names if long.startswith(f"{short}.")]
    assert {schema.name for schema in SCHEMA.values()}.isdisjoint(names)


def test_what_stands_on_the_span_is_an_attribute_of_an_event():
    known = {use.name for schema in SCHEMA.values() for use in schema.fields.values()}
    assert known >= ON_SPAN
    assert {use.name for use in SPAN_ATTRIBUTES} >= ON_SPAN


def test_a_field_that_does_not_apply_is_left_out():
    skipped = events.TriggerDecision(decision="skip", trigger="preflight", reason="server_managed")
    assert attributes_of(skipped) == {
        "compact.trigger.decision": "skip",
        "compact.trigger.type": "preflight",
        "compact.trigger.reason": "server_managed",
    }


# The order of events.

DECIDED = ["token_estimate", "trigger_decision"]
DONE = [
    "summary_created",
    "policy_applied",
    "pruned_messages",
    "token_estimate",
    "cache_effect",
    "archival",
]


def told(limit, history=None, **options):
    exporter = Exporter()
    try:
        made = manager(limit, exporters=[exporter], **{"storage": Storage(), **options})
        result = made.preflight("s", talk(12) if history is None else history)
    except InsufficientBudget:
        result = None
    return exporter, result


def test_a_call_below_the_trigger_tells_estimate_and_decision():
    exporter, _ = told(10**6)
    assert exporter.names == DECIDED


def test_a_compaction_tells_its_events_in_order():
    exporter, result = told(900)
    assert exporter.names == [*DECIDED, *DONE]
    before, after = exporter.named("token_estimate")
    assert (before["compact.estimate.phase"], after["compact.estimate.phase"]) == (
        "before",
        "after",
    )
    assert before["compact.tokens.before"] == result.tokens_before
    assert after["compact.tokens.after"] == result.tokens_after
    assert "compact.tokens.after" not in before
    assert "compact.tokens.before" not in after
    (pruned,) = exporter.named("pruned_messages")
    assert pruned["compact.messages.pruned"] == result.dropped
    assert pruned["compact.tokens.removed"] == result.tokens_before - result.tokens_after
    assert pruned["compact.messages.after"] == len(result.messages)
    (archived,) = exporter.named("archival")
    assert archived["compact.archive.messages"] == 24


def test_without_a_storage_nothing_is_archived():
    exporter, _ = told(900, storage=None)
    assert exporter.names == [*DECIDED, *DONE[:-1]]


def test_a_failing_summariser_is_told_before_the_summary_that_replaces_it():
    exporter, result = told(900, summarizer=Failing(SummaryError("no", reason="refusal")))
    assert exporter.names == [*DECIDED, "error", *DONE]
    (error,) = exporter.named("error")
    assert error["error.type"] == "refusal"
    assert error["compact.failure.fallback"] == "extractive"
    assert error["compact.failure.message"] == "a summariser gave nothing usable"
    assert exporter.named("summary_created")[0]["compact.summarizer.name"] == "extractive"
    assert result.outcome == "fallback"


def test_a_failing_archive_is_told_and_does_not_cost_the_compaction():
    class Full(Storage):
        def save_transcript(self, session_id, messages):
            raise OSError("no space")

    exporter, result = told(900, storage=Full())
    assert exporter.names == [*DECIDED, *DONE, "error"]
    assert exporter.named("archival")[0]["error.type"] == "OSError"
    assert exporter.named("error")[0]["compact.failure.stage"] == "archive"
    assert (result.outcome, result.archive) == ("compacted", None)


def test_an_estimator_that_fails_leaves_nothing_but_its_error():
    class Broken(Estimator):
        def count_items(self, items, call):
            return ["many"] * len(items)

    exporter, result = told(900, estimator=Broken())
    assert exporter.names == ["error"]
    assert exporter.events[0]["compact.failure.stage"] == "estimate"
    assert (result.outcome, len(result.messages)) == ("error", 24)


def test_what_does_not_fit_is_told_with_what_happens():
    exporter, result = told(50)
    assert result is None
    assert exporter.names == [*DECIDED, "error"]
    assert exporter.events[-1]["compact.failure.fallback"] == "raise"
    assert exporter.events[-1]["error.type"] == "InsufficientBudget"


async def test_a_call_that_is_not_ours_tells_the_decision_alone():
    exporter = Exporter()
    made = manager(900, exporters=[exporter])
    result = await made.apreflight("s", talk(12), stand_back="server_managed")
    assert exporter.names == ["trigger_decision"]
    assert (result.outcome, len(result.messages)) == ("skipped", 24)


def test_the_four_parts_of_an_estimate_add_up():
    history = [system("rules " * 20), {"role": "developer", "content": "style " * 9}, *talk(12)]
    exporter, _ = told(900, history)
    for estimate in exporter.named("token_estimate"):
        parts = [
            estimate[f"compact.tokens.{part}"]
            for part in ("system", "developer", "tools_schema", "messages")
        ]
        whole = estimate.get("compact.tokens.before", estimate.get("compact.tokens.after"))
        assert sum(parts) == whole
        assert parts[0] > 30
        assert parts[1] > 10


def test_a_replayed_call_tells_how_large_the_whole_history_was():
    exporter = Exporter()
    made = manager(900, exporters=[exporter])
    first = made.preflight("s", talk(12))
    made.preflight("s", talk(12))
    replayed = exporter.named("token_estimate")[-1]
    assert replayed["compact.tokens.history"] == first.tokens_before
    assert replayed["compact.tokens.before"] == first.tokens_after


def test_events_name_their_session_and_time_and_are_json():
    exporter, _ = told(900)
    for event in exporter.events:
        assert event["session_id"] == "s"
        assert event["ts"].endswith("Z")
        assert json.loads(json.dumps(event)) == event


# Spans, by the real SDK.


def attributes(span):
    return dict(span.attributes)


def test_a_skipped_call_is_a_span_with_these_attributes(traced, spans):
    made = traced(10_000)
    made.preflight("s", talk(2), call=CALL)
    (span,) = spans.get_finished_spans()
    tokens = Estimator().total(talk(2))
    assert span.name == "compact_context"
    assert span.kind.name == "INTERNAL"
    assert span.status.status_code is StatusCode.UNSET
    assert span.instrumentation_scope.name == "compact_otel"
    assert span.instrumentation_scope.version == __version__
    assert span.instrumentation_scope.schema_url == SCHEMA_URL
    assert attributes(span) == {
        "gen_ai.operation.name": "compact_context",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.agent.name": "Clerk",
        "gen_ai.conversation.id": "conv-1",
        "compact.trigger.type": "preflight",
        "compact.trigger.reason": "below_trigger",
        "compact.outcome": "skipped",
        "compact.tokens.before": tokens,
        "compact.tokens.budget": 10_000,
        "compact.window.size": 10_000,
        "compact.window.utilization": tokens / 10_000,
        "compact.estimator.name": "ruler",
    }


TYPES = {
    "gen_ai.operation.name": str,
    "gen_ai.provider.name": str,
    "gen_ai.request.model": str,
    "gen_ai.agent.name": str,
    "gen_ai.conversation.id": str,
    "compact.outcome": str,
    "compact.trigger.type": str,
    "compact.trigger.reason": str,
    "compact.policy.strategy": str,
    "compact.tokens.before": int,
    "compact.tokens.after": int,
    "compact.tokens.removed": int,
    "compact.tokens.budget": int,
    "compact.window.size": int,
    "compact.window.utilization": float,
    "compact.estimator.name": str,
    "compact.messages.before": int,
    "compact.messages.after": int,
    "compact.messages.pruned": int,
    "compact.kept.pinned": int,
    "compact.kept.recent_turns": int,
    "compact.kept.tool_pairs": int,
    "compact.reduction.step": int,
    "compact.summary.id": str,
    "compact.summary.version": int,
    "compact.summary.duration": float,
    "compact.cache.phase": str,
    "compact.cache.kept": int,
    "compact.cache.lost": int,
    "compact.cache.saved": int,
    "compact.cache.break_even_calls": float,
}


def test_a_compaction_is_a_span_with_these_names_and_types(traced, spans):
    result = traced(900, storage=Storage()).preflight("s", talk(12), call=CALL)
    (span,) = spans.get_finished_spans()
    found = attributes(span)
    # Costs are there once a price table is installed and loaded.
    named = {name: type(value) for name, value in found.items() if ".cost." not in name}
    assert named == TYPES
    assert found["compact.outcome"] == "compacted"
    assert found["compact.tokens.before"] == result.tokens_before
    assert found["compact.tokens.after"] == result.tokens_after
    assert found["compact.window.utilization"] == result.tokens_before / 900
    assert found["compact.messages.before"] == 24
    assert found["compact.summary.version"] == 1
    assert span.status.status_code is StatusCode.UNSET


def test_span_events_are_the_exported_events_with_scalars_only(traced, spans):
    exporter = Exporter()
    traced(900, storage=Storage(), exporters=[exporter]).preflight("s", talk(12), call=CALL)
    (span,) = spans.get_finished_spans()
    assert [event.name for event in span.events] == [event["event"] for event in exporter.events]
    for event, record in zip(span.events, exporter.events, strict=True):
        told = dict(event.attributes)
        assert told == {
            key: record[key] for key in record if key not in ("ts", "session_id", "event")
        }
        assert all(type(value) in (str, int, float, bool) for value in told.values())


def test_a_replayed_call_says_so(traced, spans):
    made = traced(900)
    first = made.preflight("s", talk(12))
    made.preflight("s", talk(12))
    found = attributes(spans.get_finished_spans()[-1])
    assert found["compact.outcome"] == "replayed"
    assert found["compact.tokens.history"] == first.tokens_before
    assert "error.type" not in found


def test_a_failure_that_shaped_the_result_is_the_error_of_the_span(traced, spans):
    class Full(Storage):
        def save_transcript(self, session_id, messages):
            raise PermissionError("later, and without consequence")

    traced(900, summarizer=Failing(KeyError("x")), storage=Full()).preflight("s", talk(12))
    (span,) = spans.get_finished_spans()
    assert attributes(span)["compact.outcome"] == "fallback"
    assert attributes(span)["error.type"] == "KeyError"
    assert span.status.status_code is StatusCode.UNSET


def test_a_failure_without_consequence_is_not(traced, spans):
    class Unreadable(Storage):
        def load_checkpoints(self, session_id):
            raise OSError("x")

    traced(900, storage=Unreadable()).preflight("s", talk(12))
    (span,) = spans.get_finished_spans()
    assert attributes(span)["compact.outcome"] == "compacted"
    assert "error.type" not in attributes(span)


def test_an_error_sets_the_status_without_a_text(traced, spans):
    with pytest.raises(InsufficientBudget):
        traced(50).preflight("s", talk(12))
    (span,) = spans.get_finished_spans()
    assert attributes(span)["compact.outcome"] == "error"
    assert attributes(span)["error.type"] == "InsufficientBudget"
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    assert not [event for event in span.events if event.name == "exception"]


def test_the_span_hangs_below_the_current_one_and_the_summariser_below_it(traced, spans):
    tracer = traced.provider.get_tracer("test")

    class Tracing(Summarizer):
        async def summarize(self, request):
            with tracer.start_as_current_span("chat"):
                return super().summarize(request)

    with tracer.start_as_current_span("agent"):
        traced(900, summarizer=Tracing()).preflight("s", talk(12))
    chat, ours, agent = spans.get_finished_spans()
    assert [span.name for span in (chat, ours, agent)] == ["chat", "compact_context", "agent"]
    assert ours.parent.span_id == agent.context.span_id
    assert chat.parent.span_id == ours.context.span_id


def test_nobody_listening_changes_nothing():
    made = manager(900, tracer_provider=NoOpTracerProvider())
    assert made.preflight("s", talk(12)).outcome == "compacted"


def test_a_span_that_fails_costs_nothing_but_a_line_in_the_log(traced, caplog, monkeypatch):
    from opentelemetry.sdk.trace import Span

    def broken(self, *args, **kwargs):
        raise RuntimeError("CANARY")

    monkeypatch.setattr(Span, "add_event", broken)
    result = traced(900).preflight("s", talk(12))
    assert result.outcome == "compacted"
    (record,) = caplog.records
    assert record.getMessage() == "the span failed with RuntimeError; calls go on without it"


def test_an_exporter_that_fails_is_named_once(caplog):
    class Broken:
        def export(self, event):
            raise ValueError("CANARY")

    made = manager(900, exporters=[Broken()])
    for _ in range(3):
        assert made.preflight("s", talk(12)).error is None
    (record,) = caplog.records
    assert record.getMessage() == "exporter Broken failed with ValueError; calls go on without it"


# No word of the conversation.

CANARY = "canary-7f3a"


def secretive():
    """Return a history with a canary in every place where a user's or a tool's text can be."""
    item = {"meta": {"note": CANARY}, "provider_data": {"x": CANARY}}
    part = {"type": "input_text", "text": f"{CANARY} " * 40}
    return [
        system(CANARY),
        {**user(f"{CANARY} " * 40), **item, "name": CANARY},
        user([part, {"type": "input_image", "image_url": CANARY}]),
        assistant(f"{CANARY} " * 40),
        {
            "type": "reasoning",
            "id": "rs1",
            "summary": [{"text": CANARY}],
            "encrypted_content": CANARY,
        },
        call(CANARY, arguments=CANARY, id=CANARY),
        output(CANARY, [{"type": "input_text", "text": CANARY}]),
        {**chat_calls(CANARY), "refusal": CANARY},
        chat_output(CANARY, f"{CANARY} " * 40),
        {"type": CANARY, CANARY: CANARY},
        Message("user", f"{CANARY} " * 40, {CANARY: CANARY}),
        assistant(f"{CANARY} " * 40),
        user(CANARY),
    ]


class Leaking(Summarizer):
    def summarize(self, request):
        raise ValueError(f"could not read {CANARY}")


class LeakingEstimator(Estimator):
    def count_items(self, items, call):
        raise ValueError(CANARY)


class LeakingStorage(Storage):
    def save_transcript(self, session_id, messages):
        raise OSError(CANARY)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"summarizer": Leaking()},
        {"estimator": LeakingEstimator()},
        {"storage": LeakingStorage()},
        {"limit": 60},
    ],
    ids=["compacted", "summariser", "estimator", "storage", "budget"],
)
def test_no_word_of_a_conversation_is_told(options, traced, spans, caplog):
    exporter = Exporter()
    call_ = CallContext(
        model="gpt-4o",
        instructions=CANARY,
        tools=({"type": "function", "name": CANARY, "description": CANARY, "parameters": {}},),
        output_schema={"title": CANARY},
        tool_choice=CANARY,
    )
    made = traced(**{"limit": 700, "exporters": [exporter], **options})
    raised = ""
    try:
        made.manual_compact("s", secretive(), CANARY, call=call_)
    except InsufficientBudget as error:
        raised = str(error)
    assert bool(raised) == (options == {"limit": 60})
    assert CANARY not in raised
    assert "error" in exporter.names or not options
    assert CANARY not in json.dumps(exporter.events)
    assert CANARY not in "".join(span.to_json() for span in spans.get_finished_spans())
    assert CANARY not in "".join(record.getMessage() for record in caplog.records)


def test_timestamps_do_not_run_backwards(traced, spans):
    traced(900).preflight("s", talk(12))
    (span,) = spans.get_finished_spans()
    assert all(left.timestamp <= right.timestamp for left, right in pairwise(span.events))
