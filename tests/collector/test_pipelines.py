"""What becomes of a real run in the real collector: nothing is lost, no secret comes through."""

import re
from collections import Counter

import pytest

from tests.collector.agent import CANARY, CASES, KEY, MAIL, ROUNDS
from tests.collector.programs import SERVICE, attributes, get

SAMPLE = re.compile(r"^(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


@pytest.fixture(scope="module")
def samples(observed):
    """What Prometheus would scrape, as (name, labels, value)."""
    return [
        (found["name"], dict(LABEL.findall(found["labels"])), float(found["value"]))
        for found in SAMPLE.finditer(get(f"http://{observed.metrics}/metrics"))
    ]


def by_label(samples, name, label):
    counted = Counter()
    for found, labels, value in samples:
        if found == name:
            counted[labels.get(label)] += value
    return counted


def events(spans):
    return [(event["name"], attributes(event)) for s in spans for event in s.get("events", ())]


@pytest.fixture(scope="module")
def compactions(observed):
    return [span for span in observed.spans() if span["name"] == "compact_context"]


def test_every_decision_of_the_run_comes_through_with_its_numbers(compactions):
    outcomes = Counter(attributes(span)["compact.outcome"] for span in compactions)
    assert outcomes.keys() == {"skipped", "replayed", "compacted", "fallback", "error"}
    for span in compactions:
        known = attributes(span)
        assert isinstance(known["compact.tokens.before"], int), "a count was taken for a secret"
        if known["compact.outcome"] in ("compacted", "fallback"):
            before, after = known["compact.tokens.before"], known["compact.tokens.after"]
            assert before - after == known["compact.tokens.removed"] > 0


def test_each_case_is_one_trace_with_its_compactions_below_its_root(observed):
    spans = observed.spans()
    names = {span["spanId"]: span["name"] for span in spans}
    roots = {span["traceId"]: span["name"] for span in spans if not span.get("parentSpanId")}
    assert Counter(roots.values()) == dict.fromkeys(CASES, ROUNDS)
    ours = [span for span in spans if span["name"] == "compact_context"]
    assert {roots[span["traceId"]] for span in ours} == set(CASES)
    assert all(span["parentSpanId"] in names for span in ours)


def test_no_secret_and_nothing_that_was_said_comes_through(observed):
    kept = observed.kept
    assert "customer.note" in kept, "this test looks at nothing"
    assert "harmless" in kept
    for secret in (KEY, MAIL, CANARY):
        assert secret not in kept


def test_the_collector_counts_the_spans_and_events_it_sees_before_it_samples(compactions, samples):
    outcomes = Counter(attributes(span)["compact.outcome"] for span in compactions)
    assert by_label(samples, "compact_spans_calls_total", "compact_outcome") == outcomes
    told = Counter(name for name, _ in events(compactions))
    assert by_label(samples, "compact_spans_events_total", "compact_event_name") == told
    durations = by_label(samples, "compact_spans_duration_seconds_count", "compact_outcome")
    assert durations == outcomes


def test_metrics_and_traces_tell_of_the_same_calls(compactions, samples):
    outcomes = Counter(attributes(span)["compact.outcome"] for span in compactions)
    measured = by_label(samples, "compact_operation_duration_seconds_count", "compact_outcome")
    assert measured == outcomes
    failed = Counter(
        told["compact.failure.stage"]
        for name, told in events(compactions)
        if name == "compact.error"
    )
    assert by_label(samples, "compact_failures_total", "compact_failure_stage") == failed
    results = by_label(samples, "compact_rescues_total", "compact_rescue_result")
    assert results == {"recovered": ROUNDS, "failed": ROUNDS}


def test_metrics_carry_the_service_and_no_id_of_a_session(samples):
    ours = [labels for name, labels, _ in samples if name.startswith("compact_")]
    assert {labels["job"] for labels in ours} == {SERVICE}
    assert all(labels["instance"] for labels in ours)
    assert "session-" not in str(ours)
    assert len({name for name, _, _ in samples if name.startswith("compact_")}) > 20
