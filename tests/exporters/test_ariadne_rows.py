"""What the viewer shows: rows, their names, and nothing that was said."""

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, Status, StatusCode

from compact_otel.exporters.ariadne.rows import Look, Rows
from compact_otel.redaction import Redactor
from tests.exporters.ariadne_server import complaints

BEGIN = 1_790_000_000_000_000_000
ICON_WORDS = ("handoff", "fetch", "check", "send", "post", "get")
TOLD = {
    "compact.tokens.before": 41_210,
    "compact.tokens.after": 9_870,
    "compact.window.size": 128_000,
    "compact.trigger.type": "preflight",
    "compact.trigger.reason": "trigger_reached",
}


@pytest.fixture
def spans():
    """Return what makes finished spans, each below the one before it."""

    def make(*all_attributes, name="a span", events=(), **options):
        kept = InMemorySpanExporter()
        provider = TracerProvider(resource=Resource({"service.name": "shop"}))
        provider.add_span_processor(SimpleSpanProcessor(kept))
        open_spans = []
        for attributes in all_attributes:
            span = provider.get_tracer("t", "1").start_as_current_span(
                name, attributes=attributes, end_on_exit=False, start_time=BEGIN, **options
            )
            open_spans.append((span, span.__enter__()))
        for event, (told, after_ms) in events:
            open_spans[-1][1].add_event(event, told, timestamp=BEGIN + after_ms * 1_000_000)
        for manager, span in reversed(open_spans):
            manager.__exit__(None, None, None)
            span.end(BEGIN + 1_800_000_000)
        return kept.get_finished_spans()

    return make


def rows(spans, **look):
    made = Rows(Look(**look), Redactor())
    found = [row for span in spans for row in made.of(span)]
    assert [each for row in found for each in complaints(row)] == []
    return found


def ours(outcome, **more):
    named = {f"compact.{name}".replace("_", "."): value for name, value in more.items()}
    return {"gen_ai.operation.name": "compact_context", "compact.outcome": outcome, **TOLD, **named}


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        (ours("skipped"), "context 41.2k / 128k tok (32%)"),
        (ours("compacted"), "⟲ compact  41.2k → 9.9k tok (-76%)"),
        (ours("prepared"), "⟲ ahead  41.2k → 9.9k tok (-76%)"),
        (ours("replayed", tokens_history=180_400), "⟲ replay  180k → 41.2k tok (-77%)"),
        (ours("fallback"), "⟲ compact  41.2k → 9.9k tok FALLBACK"),
        (ours("noop"), "⟲ compact  41.2k tok, no change"),
        (ours("error"), "⟲ compact  41.2k tok, FAILED"),
        (ours("compacted", mode="observe"), "⟲ would compact  41.2k → 9.9k tok (-76%)"),
        ({"gen_ai.operation.name": "compact_context"}, "⟲ compact  broken off"),
    ],
)
def test_the_name_of_a_compaction_says_what_it_did(spans, attributes, name):
    (row,) = rows(spans(attributes))
    assert row["name"] == name
    assert len(name) <= 40
    assert not any(word in name.lower() for word in ICON_WORDS)


def test_a_call_that_was_let_through_is_one_row(spans):
    found = spans(ours("skipped"), events=[("compact.token_estimate", ({}, 1))])
    (row,) = rows(found)
    assert row["kind"] == "compaction"
    assert [event["name"] for event in row["data"]["events"]] == ["compact.token_estimate"]


@pytest.mark.parametrize("outcome", ["skipped", "replayed"])
def test_a_call_that_nothing_happens_to_shows_only_what_went_wrong(spans, outcome):
    events = [
        ("compact.token_estimate", ({}, 1)),
        ("compact.trigger_decision", ({"compact.trigger.decision": "skip"}, 2)),
        (
            "compact.error",
            ({"compact.failure.stage": "summarize", "compact.failure.fallback": "extractive"}, 3),
        ),
    ]
    _, error = rows(spans(ours(outcome), events=events))
    assert error["name"] == "· error summarize → extractive"
    assert error["span_id"].endswith(".e2")


EVENTS = [
    ("compact.token_estimate", ({"compact.tokens.before": 41_210}, 1), "token_estimate 41.2k tok"),
    (
        "compact.trigger_decision",
        ({"compact.trigger.decision": "compact"}, 2),
        "trigger_decision compact",
    ),
    (
        "compact.error",
        ({"compact.failure.stage": "summarize", "compact.failure.fallback": "retry_brief"}, 3),
        "error summarize → retry_brief",
    ),
    ("compact.summary_created", ({"compact.summary.tokens": 780}, 4), "summary_created 780 tok"),
    ("compact.policy_applied", ({"compact.reduction.step": 1}, 5), "policy_applied step 1"),
    ("compact.pruned_messages", ({"compact.messages.pruned": 47}, 6), "pruned_messages 47"),
    ("compact.archival", ({}, 7), "archival"),
    ("compact.cache_effect", ({"compact.cache.saved": 4_460}, 7), "cache_effect -4.5k tok a call"),
    ("compact.rescue", ({"compact.rescue.attempt": 1}, 8), "rescue attempt 1"),
    ("compact.recall", ({"compact.recall.result": "hit"}, 9), "recall hit"),
]


def test_each_event_of_a_compaction_is_a_row_below_it(spans):
    found = spans(ours("compacted"), events=[event[:2] for event in EVENTS])
    span, *below = rows(found)
    assert [row["name"] for row in below] == [f"· {event[2]}" for event in EVENTS]
    assert [row["span_id"] for row in below] == [
        f"{span['span_id']}.e{n}" for n in range(len(EVENTS))
    ]
    assert {row["parent_id"] for row in below} == {span["span_id"]}
    assert [row["status"] for row in below].count("error") == 1
    assert below[2]["status"] == "error"
    assert all(row["started_at"] == row["ended_at"] for row in below)
    assert below[1]["started_at"].endswith(".002000Z")
    names = [row["name"] for row in below]
    assert not [name for name in names if any(word in name.lower() for word in ICON_WORDS)]
    assert below[4]["data"]["output_text"] == "reduction.step: 1"


@pytest.mark.parametrize(("shown", "count"), [("compact", 2), ("all", 3), ("none", 0)])
def test_whose_events_are_rows(spans, shown, count):
    events = [("compact.error", ({}, 1)), ("exception", ({}, 2)), ("note", ({}, 3))]
    _, *below = rows(spans(ours("compacted"), events=events), event_rows=shown)
    assert len(below) == count


def test_the_inspector_opens_with_the_numbers(spans):
    more = {
        "messages.before": 120,
        "messages.after": 44,
        "messages.pruned": 76,
        "kept.pinned": 2,
        "kept.recent_turns": 3,
        "kept.tool_pairs": 4,
        "policy.strategy": "task_state",
        "summary.version": 2,
    }
    told = {**ours("compacted"), **{f"compact.{name}": value for name, value in more.items()}}
    row, *_ = rows(spans(told, events=[("compact.archival", ({}, 12))]))
    assert row["data"]["output_text"].splitlines() == [
        "41,210 → 9,870 tokens (-76%)",
        "window: 128,000 tokens",
        "outcome: compacted, by preflight: trigger_reached",
        "messages: 120 → 44, 76 removed",
        "kept: 2 pinned, 3 turns, 4 tool calls; strategy task_state",
        "summary: v2",
        "+12.0 ms  archival",
    ]
    assert list(row["data"])[-1] == "output_text"


@pytest.mark.parametrize(
    ("attributes", "name", "kind"),
    [
        ({"gen_ai.operation.name": "invoke_agent"}, "invoke_agent clerk", "agent"),
        ({"gen_ai.operation.name": "chat"}, "chat gpt-5", "llm"),
        ({"gen_ai.operation.name": "execute_tool"}, "execute_tool look_up", "function"),
        ({"openinference.span.kind": "TOOL"}, "look_up", "function"),
        ({"traceloop.span.kind": "agent"}, "clerk.agent", "agent"),
        ({}, "Handoff to billing", "handoff"),
        ({}, "anything", "span"),
        (ours("compacted"), "compact_context", "compaction.handoff"),
    ],
)
def test_the_kind_is_what_the_viewer_has_an_icon_for(spans, attributes, name, kind):
    (row,) = rows(spans(attributes, name=name))
    assert row["kind"] == kind


def test_without_the_icon_a_compaction_is_one_by_its_own_name(spans):
    (row,) = rows(spans(ours("compacted")), icon=False)
    assert row["kind"] == "compaction"


def test_a_tree_holds_together_and_the_root_names_the_trace(spans):
    found = spans(
        {"gen_ai.agent.name": "clerk", "gen_ai.conversation.id": "s1"},
        {"gen_ai.operation.name": "chat"},
    )
    child, root = rows(found)
    assert child["parent_id"] == root["span_id"]
    assert "parent_id" not in root
    assert root["data"]["resource"]["service.name"] == "shop"
    assert "resource" not in child["data"]
    trace = Rows(Look(group="session"), Redactor()).trace([found[1], found[0]])
    assert complaints(trace) == []
    assert (trace["name"], trace["group_id"]) == ("clerk · s1", "s1")
    assert trace["metadata"]["agent_id"] == "s1"
    assert trace["metadata"]["service.name"] == "shop"


def test_a_trace_without_agent_and_conversation_has_the_name_of_the_service(spans):
    (found,) = spans({})
    trace = Rows(Look(), Redactor()).trace([found])
    assert trace["name"] == f"shop · {trace['trace_id'][:8]}"
    assert "group_id" not in trace


def test_long_names_are_cut_and_stand_whole_in_the_data(spans):
    (row,) = rows(spans({}, name="a very long name " * 5))
    assert len(row["name"]) == 40
    assert row["data"]["name"] == "a very long name " * 5


CONTENT = {
    "gen_ai.input.messages": '[{"role": "user", "parts": ["canary"]}]',
    "gen_ai.prompt.0.content": "canary",
    "llm.input_messages.0.message.content": "canary",
    "input.value": "canary",
    "traceloop.entity.output": "canary",
    "compact.summary.content": "canary",
}


@pytest.mark.parametrize("content", [False, True])
def test_what_was_said_is_left_out_unless_it_was_asked_for(spans, content):
    events = [("gen_ai.content.prompt", ({"gen_ai.prompt": "canary"}, 1))]
    found = rows(
        spans({"gen_ai.operation.name": "chat", **CONTENT}, events=events), content=content
    )
    assert ("canary" in str(found)) == content


def test_secrets_are_left_out_wherever_they_stand(spans):
    key = "sk-proj-abcdefgh12345678"
    found = spans(
        {"note": key, "api_key": "hunter2hunter2"},
        name=f"call with {key}",
        events=[("exception", ({"exception.message": f"bad key {key}"}, 1))],
        links=[Link(spans({})[0].context, {"note": key})],
    )
    assert key not in str(rows(found, event_rows="all"))
    assert "hunter2" not in str(rows(found))


def test_an_error_is_one_with_its_message(spans):
    provider = TracerProvider()
    span = provider.get_tracer("t").start_span("failing")
    span.set_status(Status(StatusCode.ERROR, "it broke"))
    span.end()
    (row,) = rows([span])
    assert row["status"] == "error"
    assert row["data"]["error"] == {"message": "it broke"}


def test_a_clock_that_was_set_back_does_not_end_a_row_before_its_begin():
    span = TracerProvider().get_tracer("t").start_span("odd", start_time=BEGIN)
    span.end(BEGIN - 1_000_000_000)
    (row,) = rows([span])
    assert row["ended_at"] == row["started_at"]
