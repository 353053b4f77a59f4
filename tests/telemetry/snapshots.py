"""All names and types that a run emits, as text.

    uv run python -m tests.telemetry.snapshots     writes them anew; look at the difference

One file a run in `snapshots/`. They are what dashboards, queries and alerts of users rest on.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from tests.telemetry.conftest import Signals
from tests.telemetry.runs import RUNS

FOLDER = Path(__file__).parent / "snapshots"
SHOWN = (
    *("skipped", "compacted", "replayed", "fallen_back", "uncounted", "rescued", "recalled"),
    *("observed", "stood_back"),
)


def path_of(run):
    return FOLDER / f"{run}.txt"


def _types(attributes):
    for name in sorted(attributes):
        if ".cost." not in name:  # there with a table of prices only
            yield f"  {name}: {type(attributes[name]).__name__}"


def _lines(signals) -> Iterator[str]:
    for span in signals.ours:
        yield f"span {span.name} {span.kind.name} {span.status.status_code.name}"
        yield from _types(span.attributes)
    for event in signals.span_events:
        yield f"event {event.name}"
        yield from _types(event.attributes)
    for event in signals.log_events:
        yield f"record {event.name} {event.severity}"
        yield from _types(event.attributes)
    for metric in sorted(signals.metrics, key=lambda each: each.name):
        yield f"{type(metric.data).__name__.lower()} {metric.name} {metric.unit}"
        labels = {
            name: value for p in metric.data.data_points for name, value in p.attributes.items()
        }
        yield from _types(labels)


async def emitted(run, signals):
    """Return what a run emits in all signals."""
    with signals.tracer().start_as_current_span("execute_tool"):
        await RUNS[run](events="both", **signals.providers)
    return "\n".join(_lines(signals)) + "\n"


def main():
    FOLDER.mkdir(exist_ok=True)
    for run in SHOWN:
        signals = Signals()
        path_of(run).write_text(asyncio.run(emitted(run, signals)), encoding="utf-8")
        signals.shut()


if __name__ == "__main__":
    main()
