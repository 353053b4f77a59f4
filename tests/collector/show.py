"""Sends the demo through a real collector; prints the metrics and the trace found behind it.

    uv run python -m tests.collector.show

The programs are those on the path, or those that `.ci/programs` makes. With Jaeger among them the
trace is asked of Jaeger, else it is read from what the collector let through.
"""

import contextlib
import re
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import click
import pytest

from tests.collector.programs import (
    Collector,
    attributes,
    find,
    get,
    get_json,
    program,
    run_instrumented,
    running_jaeger,
    wait_for,
)


def main():
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        collector, jaeger = Collector(folder), None
        if find("JAEGER"):
            jaeger = stack.enter_context(running_jaeger(folder))
            backends = {"JAEGER_OTLP_GRPC": jaeger[0], "TEMPO_OTLP_HTTP": "http://127.0.0.1:9"}
            files = ["otelcol.yaml", "otelcol-backends.yaml"]
        else:
            backends, files = {}, ["otelcol.yaml"]
        stack.enter_context(collector.running(*files, **backends))
        click.echo(f"$ opentelemetry-instrument compactctl demo   # to {collector.otlp}\n")
        said = run_instrumented(collector, folder, "compactctl", "demo")
        click.echo(next(line for line in said.splitlines() if line.startswith("Survived")))

        click.echo(
            f"\n$ curl http://{collector.metrics}/metrics   # the counters in it, in short\n"
        )
        click.echo("\n".join(wait_for("metrics", lambda: counters(collector))))

        trace_id = wait_for("compaction", lambda: first_compaction(collector))
        click.echo("\nThe turn of the first compaction:\n")
        if jaeger is None:
            told = of_collector(collector, trace_id)
        else:
            click.echo(f"$ curl {jaeger[1]}/api/traces/{trace_id}\n")
            told = wait_for("trace", lambda: of_jaeger(jaeger[1], trace_id))
        click.echo("\n".join(told))


def counters(collector):
    """Return one line for each counter: its name, the labels that tell it apart, and its value."""
    found = defaultdict(list)
    text = get(f"http://{collector.metrics}/metrics")
    for name, labels, value in re.findall(
        r"^(compact_\w+(?:_total|_count))\{(.*)\} (\S+)$", text, re.MULTILINE
    ):
        found[name].append((dict(re.findall(r'(\w+)="([^"]*)"', labels)), value))
    told = []
    for name, series in found.items():
        shared = set.intersection(*(set(labels.items()) for labels, _ in series))
        for labels, value in series:
            own = ", ".join(v for pair in labels.items() if pair not in shared for v in pair[1:])
            told.append(f"{name:45} {own:50} {float(value):>10,.0f}")
    return told if "compact_spans_calls_total" in found else None


def first_compaction(collector):
    for span in collector.spans():
        if attributes(span).get("compact.outcome") == "compacted":
            return span["traceId"]
    return None


def of_collector(collector, trace_id):
    """Return a trace as lines: its spans by their start, with their events."""
    for span in collector.spans():
        if span["traceId"] == trace_id:
            yield from lines(
                span["name"],
                attributes(span),
                [(event["name"], attributes(event)) for event in span.get("events", ())],
                deep=bool(span.get("parentSpanId")),
            )


def of_jaeger(address, trace_id):
    """Return the same of what Jaeger's query API gives, None if it has no such trace yet."""
    (trace,) = get_json(f"{address}/api/traces/{trace_id}")["data"]

    def tags(pairs):
        return {pair["key"]: pair["value"] for pair in pairs}

    told = []
    for span in sorted(trace["spans"], key=lambda span: span["startTime"]):
        events = [tags(log["fields"]) for log in span["logs"]]
        named = [(event.pop("event"), event) for event in events]
        told += lines(
            span["operationName"], tags(span["tags"]), named, deep=bool(span["references"])
        )
    return told or None


def lines(name, facts, events, *, deep):
    """Return the lines of one span, with some of its facts."""
    yield "  " * deep + name + some(facts, "outcome", "tokens.before", "tokens.after")
    for event, told in events:
        yield "    · " + event + some(told, "trigger.reason", "summary.tokens", "messages.pruned")


def some(facts, *names):
    known = {name: facts.get(f"compact.{name}") for name in names}
    return "".join(f"  {name}={value}" for name, value in known.items() if value is not None)


if __name__ == "__main__":
    try:
        program("OTELCOL")
    except pytest.skip.Exception as missing:
        sys.exit(f"{missing}, and so does `env $(bash .ci/programs) uv run python -m ...`")
    main()
