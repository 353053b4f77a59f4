"""What reaches the Ariadne viewer, how soon, and what an agent's calls pay for it.

    uv run python tests/bench/ariadne.py [--json] [--viewer URL] [--rounds N]

Three measurements. *Rows*: 10,000 spans, every tenth a compaction whose decision goes ahead, and
what of them is read on the viewer's `/events`. *Soon*: from the moment that stands on a decision to
the moment at which another process reads it there, while the summary takes its time. *Delay*: what
`preflight` takes with a viewer that is well or ill, beside the same calls whose spans nobody sends.

The viewer is that of the tests (`tests/exporters/ariadne_server.py`) in a process of its own, or
with `--viewer` a real one, which then serves the first two.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from workload import call_context, history, question

from compact_otel import CompactConfig, CompactManager
from compact_otel.core.types import CallContext
from compact_otel.exporters.ariadne import AriadneSpanExporter
from compact_otel.exporters.ariadne.live import LivePath

SPANS = 10_000
SUMMARY_S = 0.5
"""How long a summary is written where the time to the viewer is measured."""

SOON_MS, DELAY_MS = 200, 5
"""What both shall be at most, at the 95th percentile."""

_SERVER = Path(__file__).parents[1] / "exporters" / "ariadne_server.py"
LONG, TURNS, ROUNDS = 120, 20, 40
"""Items of a history that is compacted; calls that are let through one after the other; rounds."""

ANSWER_S = 0.03
"""What passes between two calls, as a model has to answer."""

NOWHERE = "http://127.0.0.1:9"
LET_THROUGH, COMPACTED = "let through", "compacted"
VIEWERS: dict[str, tuple[str, ...] | None] = {
    "well": (),
    "down": None,
    "hangs": ("hang",),
    "slow, 1 s an answer": ("", "1"),
    "answers 413": ("413",),
    "answers 400": ("400",),
    "answers 500": ("500",),
    "answers 503": ("503",),
}

Row = dict[str, Any]


class Writer:
    """Writes a summary in a given time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def summarize(self, request: Any) -> str:
        """Return a summary of sorts."""
        time.sleep(self._seconds)
        return "What was said before was about an order."


class Nobody(SpanExporter):
    """Takes spans, and sends none."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Return success."""
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Do nothing."""


@contextmanager
def server(*wrong: str) -> Iterator[str]:
    """Run the viewer of the tests in a process of its own; give its address."""
    with subprocess.Popen(
        [sys.executable, str(_SERVER), *wrong],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


class Reader:
    """Reads a viewer's stream in a process of its own, with the time at which each row came."""

    def __init__(self, endpoint: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--read", endpoint], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._lines = self._process.stdout
        self._lines.readline()  # it is connected: what comes now is seen

    def rows(self) -> list[Row]:
        """Return what came until the row `over`."""
        found = [json.loads(line) for line in self._lines]
        self._process.wait()
        return found


def read(endpoint: str) -> None:
    """Tell that a stream begins, and what came on it when the row `over` has come."""
    found: list[Row] = []  # to print at once would wait for whoever reads that
    with urllib.request.urlopen(f"{endpoint}/events") as stream:
        for line in stream:
            received = time.time()
            if not line.startswith(b"data:"):
                continue
            row = json.loads(line[5:])
            if row["type"] == "connected":
                print("connected", flush=True)
            elif row.get("name") == "over":
                break
            else:
                found.append({**row, "received": received})
    for row in found:
        kept = ("type", "span_id", "name", "started_at", "ended_at", "received")
        print(json.dumps({name: row.get(name) for name in kept}))


def provided(exporter: SpanExporter) -> TracerProvider:
    """Return a provider that exports as `telemetry.exporter: ariadne` does, and loses no span."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter,
            schedule_delay_millis=100,
            max_export_batch_size=200,
            max_queue_size=2 * SPANS,
        )
    )
    return provider


def over(provider: TracerProvider) -> None:
    """Send what is left, and a last row behind it."""
    provider.force_flush()
    provider.get_tracer("bench").start_span("over").end()
    provider.force_flush()


def rows(endpoint: str) -> Row:
    """Return how many of 10,000 spans, and of the events that are rows, were lost or doubled."""
    reader = Reader(endpoint)
    exporter = AriadneSpanExporter(endpoint)
    provider, path = provided(exporter), LivePath(exporter)
    tracer = provider.get_tracer("bench")
    expected = []
    ours = {"gen_ai.operation.name": "compact_context", "compact.outcome": "compacted"}
    for number in range(SPANS):
        span: Any = tracer.start_span("step", attributes=ours if number % 10 == 0 else {})
        ident = f"{span.context.span_id:016x}"
        expected.append(ident)
        if number % 10 == 0:
            facts = {"compact.trigger.decision": "compact"}
            span.add_event("compact.trigger_decision", facts)
            path(span)
            expected.append(f"{ident}.e0")
        span.end()
        if number % 10 == 0:
            path(span)
    over(provider)
    came = Counter(row["span_id"] for row in reader.rows() if row["type"] == "span")
    provider.shutdown()
    return {
        "spans": SPANS,
        "rows": len(expected),
        "lost": len(set(expected) - came.keys()),
        "doubled": sum(came.values()) - len(came),
    }


def soon(endpoint: str, rounds: int) -> list[Row]:
    """Return how long decisions take to the stream, in milliseconds."""
    reader = Reader(endpoint)
    provider = TracerProvider(shutdown_on_exit=False)
    made = manager(provider, SUMMARY_S, endpoint)
    items, call = history(LONG), call_context()
    for number in range(rounds):
        _taken(made, f"short {number}", items[:4], call, "skipped")
        _taken(made, f"long {number}", about(items, number), call, "compacted")
    over(provider)
    found = reader.rows()
    provider.shutdown()
    kinds = {
        "call that is let through": ("context ", "ended_at"),
        "decision to compact, before its summary": ("· trigger_decision", "started_at"),
        "compaction, when it is over": ("⟲ compact ", "ended_at"),
    }
    return [
        {"row": kind, **_spread(found, beginning, field)}
        for kind, (beginning, field) in kinds.items()
    ]


def _spread(found: list[Row], beginning: str, field: str) -> Row:
    late = sorted(
        (row["received"] - datetime.fromisoformat(row[field]).timestamp()) * 1_000
        for row in found
        if row["name"].startswith(beginning)
    )
    return {"count": len(late), "p50_ms": late[len(late) // 2], **_tail(late)}


def _tail(ordered: Sequence[float]) -> Row:
    return {"p95_ms": ordered[int(len(ordered) * 0.95)], "max_ms": ordered[-1]}


def about(items: list[Row], number: int) -> list[Row]:
    """Return a history that is like no other one."""
    return [{"role": "user", "content": f"This is about order {number}."}, *items]


def manager(provider: TracerProvider, seconds: float, endpoint: str | None) -> CompactManager:
    """Return a manager whose summaries take so long, and whose spans go to a viewer, or nowhere."""
    if endpoint is None:
        provider.add_span_processor(BatchSpanProcessor(Nobody(), schedule_delay_millis=100))
    else:
        os.environ["COMPACT_ARIADNE_URL"] = endpoint
    config = CompactConfig.load(
        max_context_tokens=8_000,
        soft_trigger_pct=0,
        storage={"adapter": "none"},
        telemetry={"exporter": "ariadne" if endpoint else "none", "agent_spans": "off"},
        summarizer={"verify": False},
    )
    return CompactManager(config, summarizer=Writer(seconds), tracer_provider=provider)


def delays(rounds: int) -> list[Row]:
    """Return what viewers add to a call, in milliseconds; all take turns."""
    taken: dict[tuple[str, str], list[float]] = defaultdict(list)
    with ExitStack() as stack:
        managers = {}
        for name, wrong in {"nobody": None, **VIEWERS}.items():
            address = None if name == "nobody" else NOWHERE
            if wrong is not None:
                address = stack.enter_context(server(*wrong))
            managers[name] = manager(TracerProvider(shutdown_on_exit=False), 0, address)
        for number in range(rounds + 1):
            for name, made in managers.items():
                for kind, milliseconds in _calls(made, number):
                    if number:
                        taken[name, kind].append(milliseconds)
                    time.sleep(ANSWER_S)
    return [_added(name, kind, taken) for name in VIEWERS for kind in (LET_THROUGH, COMPACTED)]


def _calls(made: CompactManager, number: int) -> Iterator[tuple[str, float]]:
    items, call = history(LONG), call_context()
    start = items[:4]
    for turn in range(TURNS):
        start = [*start, question(number * TURNS + turn)]
        yield LET_THROUGH, _taken(made, f"short {number}", start, call, "skipped")
    for turn in range(TURNS // 4):
        longer = about(items, number * TURNS + turn)
        yield COMPACTED, _taken(made, f"long {number} {turn}", longer, call, "compacted")


def _taken(
    made: CompactManager, session: str, items: list[Row], call: CallContext, outcome: str
) -> float:
    began = time.perf_counter()
    result = made.preflight(session, items, call=call)
    taken = time.perf_counter() - began
    assert result.outcome == outcome, result.outcome
    return taken * 1_000


def _added(name: str, kind: str, taken: dict[tuple[str, str], list[float]]) -> Row:
    ordered, ruler = sorted(taken[name, kind]), sorted(taken["nobody", kind])
    return {
        "viewer": name,
        "call": kind,
        "count": len(ordered),
        "added_mean_ms": statistics.fmean(ordered) - statistics.fmean(ruler),
        "added_p50_ms": statistics.median(ordered) - statistics.median(ruler),
        "added_p95_ms": _tail(ordered)["p95_ms"] - _tail(ruler)["p95_ms"],
        "call_p50_ms": statistics.median(ruler),
    }


def _judged(row: Row) -> str:
    """Return by what a row is judged: a compaction's own time differs by more than is added."""
    return "added_p95_ms" if row["call"] == LET_THROUGH else "added_p50_ms"


def markdown(made: dict[str, Any]) -> str:
    """Return all of it as Markdown."""
    told = made["rows"]
    lines = [
        "{spans:,} spans, {rows:,} rows: {lost} lost, {doubled} doubled".format_map(told),
        "",
        "| from | count | p50, ms | p95, ms | max, ms |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in made["soon"]:
        figures = " | ".join(f"{row[name]:.1f}" for name in ("p50_ms", "p95_ms", "max_ms"))
        lines.append(f"| {row['row']} | {row['count']} | {figures} |")
    lines += [
        "",
        f"| viewer | {LET_THROUGH}: p50 | p95, ms | {COMPACTED}: p50 | p95, ms |",
        "|---|--:|--:|--:|--:|",
    ]
    for name in VIEWERS:
        mine = [row for row in made["delay"] if row["viewer"] == name]
        figures = " | ".join(
            f"{row[field]:+.2f}" for row in mine for field in ("added_p50_ms", "added_p95_ms")
        )
        lines.append(f"| {name} | {figures} |")
    return "\n".join(lines)


def main() -> None:
    """Print what was measured, or with `--read` a stream."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--viewer", metavar="URL", help="a real one, with nobody else's spans")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--read", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read(options.read)
        return
    logging.getLogger("compact_otel").setLevel(logging.ERROR)  # of what is ill on purpose
    with server() as own:
        endpoint = options.viewer or own
        made: dict[str, Any] = {"rows": rows(endpoint), "soon": soon(endpoint, options.rounds)}
    made["delay"] = delays(max(options.rounds // 8, 1))
    made["meets"] = {
        "rows": made["rows"]["lost"] == made["rows"]["doubled"] == 0,
        "soon": all(row["p95_ms"] < SOON_MS for row in made["soon"]),
        "delay": all(row[_judged(row)] < DELAY_MS for row in made["delay"]),
    }
    print(json.dumps(made) if options.json else markdown(made))


if __name__ == "__main__":
    main()
