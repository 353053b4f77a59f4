"""The trace is found where people look for it: in a real Jaeger behind the real collector."""

import pytest

from tests.collector.programs import SERVICE, get_json, program, wait_for


@pytest.fixture(scope="module")
def ask(jaeger, observed):
    """Return what asks Jaeger's query API."""
    program("JAEGER")
    return lambda path, **query: get_json(f"{jaeger[1]}/api/{path}", **query)["data"]


def tags(record, field="tags"):
    return {tag["key"]: tag["value"] for tag in record[field]}


def test_the_service_is_there(ask):
    assert SERVICE in wait_for("service", lambda: ask("services"))


def test_a_compaction_is_found_by_what_became_of_it_with_its_events_in_order(ask):
    found = wait_for(
        "trace",
        lambda: ask(
            "traces",
            service=SERVICE,
            operation="compact_context",
            tags='{"compact.outcome":"compacted","compact.trigger.type":"preflight"}',
        ),
    )
    spans = [span for trace in found for span in trace["spans"]]
    (span, *_) = [s for s in spans if tags(s).get("compact.outcome") == "compacted"]
    known = tags(span)
    assert known["compact.tokens.removed"] > 0
    events = sorted(span["logs"], key=lambda event: event["timestamp"])
    assert [tags(event, "fields")["event"] for event in events] == [
        "compact.token_estimate",
        "compact.trigger_decision",
        "compact.summary_created",
        "compact.policy_applied",
        "compact.pruned_messages",
        "compact.token_estimate",
        "compact.cache_effect",
        "compact.archival",
    ]


def test_it_stands_below_the_programs_own_span(ask, observed):
    (root, *_) = [span for span in observed.spans() if span["name"] == "compacted"]
    (trace,) = wait_for("trace", lambda: ask(f"traces/{root['traceId']}"))
    (span, *_) = [s for s in trace["spans"] if s["operationName"] == "compact_context"]
    assert [reference["spanID"] for reference in span["references"]] == [root["spanId"]]
