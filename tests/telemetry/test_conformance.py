"""What real runs emit is what the schema declares: each name, its type, what is required."""

from dataclasses import fields

import pytest

from compact_otel.core import events
from compact_otel.core.errors import BrokenOffError
from compact_otel.schema import (
    ATTRIBUTES,
    COMPACTED,
    LOG_ATTRIBUTES,
    METRICS,
    SCHEMA,
    SPAN_ATTRIBUTES,
)
from tests.telemetry.runs import RUNS

SPAN = {use.name: use for use in SPAN_ATTRIBUTES}
EVENTS = {
    schema.name: {use.name: use for use in schema.fields.values()} for schema in SCHEMA.values()
}
ON_LOGS = {use.name: use for use in LOG_ATTRIBUTES}
MODES = ["span", "log", "both"]


def complaints(where, attributes, declared):
    """Return what is wrong with the attributes of one span, event or record."""
    found = [f"{where}: {name} is not declared" for name in attributes if name not in declared]
    for name, value in attributes.items():
        known = ATTRIBUTES.get(name)
        if known is None:
            continue
        if type(value) is not known.type:
            found.append(f"{where}: {name} is {value!r}, not {known.type.__name__}")
        elif known.values and value not in known.values:
            found.append(f"{where}: {name} cannot be {value!r}")
    required = {name for name, use in declared.items() if use.level == "required"}
    return found + [f"{where}: {name} is missing" for name in required - attributes.keys()]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("run", RUNS)
async def test_every_run_emits_what_is_declared(run, mode, signals, captures):
    captures("SPAN_AND_EVENT")
    with signals.tracer().start_as_current_span("execute_tool"):
        await RUNS[run](events=mode, **signals.providers)
    found = []
    for span in signals.ours:
        found += complaints(span.name, span.attributes, SPAN)
    for event in signals.span_events:
        found += complaints(event.name, event.attributes, EVENTS[event.name])
    for event in signals.log_events:
        found += complaints(event.name, event.attributes, {**EVENTS[event.name], **ON_LOGS})
    for metric in signals.metrics:
        declared = METRICS[metric.name]
        assert (metric.unit, metric.description) == (declared.unit, declared.meaning)
        for point in metric.data.data_points:
            assert set(point.attributes) <= set(declared.attributes), metric.name
            found += complaints(metric.name, point.attributes, ATTRIBUTES_ANYWHERE)
            bounds = getattr(point, "explicit_bounds", ())
            assert tuple(bounds) == declared.buckets, metric.name
    assert found == []
    told = bool(signals.span_events), bool(signals.log_events)
    assert told == (mode != "log", mode != "span")


ATTRIBUTES_ANYWHERE = dict.fromkeys(ATTRIBUTES, SPAN["compact.tokens.budget"])
"""A metric's record has what is known: nothing is required."""

CONDITIONS = {
    # Of the span, by its other attributes.
    "compact.policy.strategy": lambda a: a.get("compact.trigger.reason") == "window_exceeded",
    "compact.tokens.after": lambda a: a["compact.outcome"] in ("compacted", "fallback"),
    "compact.tokens.removed": lambda a: a["compact.outcome"] in ("compacted", "fallback"),
    "compact.tokens.history": lambda a: a["compact.outcome"] == "replayed",
    "compact.summary.id": lambda a: a["compact.outcome"] in ("compacted", "replayed", "fallback"),
    "error.type": lambda a: a["compact.outcome"] in ("error", "fallback"),
}


@pytest.mark.parametrize("run", RUNS)
async def test_what_depends_on_something_is_there_just_then(run, signals):
    await RUNS[run](**signals.providers)
    for span in signals.ours:
        assert "compact.outcome" in span.attributes
        for name, holds in CONDITIONS.items():
            expected = holds(span.attributes)
            if name == "compact.policy.strategy" and not expected:
                continue  # by hand and after a refusal there is one as well
            assert (name in span.attributes) == expected, (run, name)


async def test_the_runs_show_everything_but_what_needs_a_model(signals, captures):
    """So that no declared name is one that nothing emits."""
    captures("SPAN_AND_EVENT")
    with signals.tracer().start_as_current_span("execute_tool"):
        for run in RUNS.values():
            await run(events="both", **signals.providers)
    shown = {name for span in signals.ours for name in span.attributes}
    told = {(event.name, name) for event in signals.span_events for name in event.attributes}
    declared = {(event, name) for event, uses in EVENTS.items() for name in uses}
    of_a_model = {
        "compact.summary.model",
        "compact.summary.prompt_tokens",
        "compact.summary.completion_tokens",
        "compact.summary.cached_tokens",
    }
    elsewhere = {
        "compact.summary.prepared",  # tests/ahead
        "compact.archive.delay",  # tests/engine/test_spool.py
        "compact.kept.protected",  # tests/core/test_manager.py
        "compact.messages.cleared",  # tests/core/test_clearing.py
        "compact.tokens.cleared",
        "compact.estimate.previous",  # tests/integration/test_calibration.py
        "compact.estimate.previous_error",
        "compact.tokens.counted",
        "compact.cost.lost",  # tests/core/test_caching.py
        "compact.cost.saved",
    }
    assert {name for _, name in declared - told} <= of_a_model | elsewhere
    assert set(SPAN) - shown <= of_a_model | elsewhere
    metrics = {metric.name for metric in signals.metrics}
    assert set(METRICS) - metrics <= of_a_model | {"compact.rescues", "compact.ariadne.events"}


def test_everything_declared_is_used_and_explained():
    places = [SPAN, ON_LOGS, *EVENTS.values()]
    used = {name for place in places for name in place} | {COMPACTED}
    used |= {name for metric in METRICS.values() for name in metric.attributes}
    assert used == set(ATTRIBUTES)
    assert all(attribute.meaning for attribute in ATTRIBUTES.values())
    assert all(schema.meaning for schema in SCHEMA.values())
    for uses in places:
        for use in uses.values():
            assert bool(use.when) == (use.level == "conditional"), use


def test_no_name_is_the_namespace_of_another():
    names = sorted({*ATTRIBUTES, *METRICS})
    assert not [(short, long) for short in names for long in names if long.startswith(f"{short}.")]


def test_no_metric_has_an_attribute_of_many_values():
    names = {name for metric in METRICS.values() for name in metric.attributes}
    assert not [name for name in names if name.endswith(".id") or "agent" in name]


def test_what_is_kept_of_a_failure_holds_on_to_no_frame():
    failure = events.Failure(
        stage="archive",
        fallback="passthrough",
        error_type="X",
        message="m",
        error=BrokenOffError(KeyError("secret")),
    )
    assert failure.bare().error is None
    assert {entry.name for entry in fields(failure) if entry.name != "error"} == {
        "stage",
        "fallback",
        "error_type",
        "message",
    }
