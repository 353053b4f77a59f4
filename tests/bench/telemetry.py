"""What telemetry costs a model call that is left alone, beside the same call without any.

    uv run python tests/bench/telemetry.py [--json] [--rounds N]

Each way of telling is a manager of its own, with real providers of OpenTelemetry's SDK whose
processors drop what they get: what is timed is ours and the SDK's part in the call, not a network.
All ways take turns, each with a history of 20 items and one item more; a figure is the lowest of
all rounds minus the lowest of the ruler, a manager whose telemetry was taken out. Metrics are
collected now and then, as by an exporter; what that takes for each call since is a figure of its
own, as it is another thread's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from opentelemetry._logs import LoggerProvider, NoOpLoggerProvider
from opentelemetry.metrics import MeterProvider, NoOpMeterProvider
from opentelemetry.sdk._logs import LoggerProvider as SdkLoggerProvider
from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import NoOpTracerProvider, TracerProvider
from workload import call_context, history, question

from compact_otel import CompactConfig, CompactManager
from compact_otel.config import StorageConfig, TelemetryConfig

ITEMS, ROUNDS = 20, 2_000
HUGE = 100_000_000
BARS = {"sampled out": 50, "sampled out, no metrics": 50, "recorded": 300, "triggered": 50}
"""Microseconds that may be added."""

WARM, COLLECTED = 20, 250
"""Rounds that do not count, and after how many metrics are collected."""

Row = dict[str, Any]

READERS: dict[MeterProvider, InMemoryMetricReader] = {}


class Dropped(LogRecordProcessor):
    """Takes log records, and keeps none."""

    def on_emit(self, log_record: Any) -> None:
        """Do nothing."""

    def shutdown(self) -> None:
        """Do nothing."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return true."""
        return True


def tracers(sampler: Sampler) -> SdkTracerProvider:
    """Return a provider whose spans go nowhere."""
    provider = SdkTracerProvider(sampler, shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor())
    return provider


def meters() -> SdkMeterProvider:
    """Return a provider whose metrics nobody reads before they are collected."""
    reader = InMemoryMetricReader()
    provider = SdkMeterProvider([reader], shutdown_on_exit=False)
    READERS[provider] = reader
    return provider


def logs() -> SdkLoggerProvider:
    """Return a provider whose records go nowhere."""
    provider = SdkLoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(Dropped())
    return provider


def manager(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    logger_provider: LoggerProvider | None = None,
    events: Any = "span",
    spans: Any = "always",
) -> CompactManager:
    """Return a manager that tells what it is given providers for."""
    config = CompactConfig(
        max_context_tokens=HUGE,
        storage=StorageConfig(adapter="none"),
        telemetry=TelemetryConfig(events=events, spans=spans),
    )
    return CompactManager(
        config,
        exporters=(),
        tracer_provider=tracer_provider or NoOpTracerProvider(),
        meter_provider=meter_provider or NoOpMeterProvider(),
        logger_provider=logger_provider or NoOpLoggerProvider(),
    )


class Silent:
    """Stands in for telemetry and meters, and for what they make: does nothing at all."""

    is_recording = False
    is_off = True

    def tell(self, *_: Any) -> None:
        """Do nothing, of an event."""

    def end(self, *_: Any) -> None:
        """Do nothing, of the end."""

    def span(self, *_: Any, **__: Any) -> AbstractContextManager[Silent]:
        """Return the span of one call."""
        return nullcontext(self)


def without_any() -> CompactManager:
    """Return a manager whose telemetry was taken out."""
    made = manager()
    runs = made._service.runs
    runs._shared = replace(runs._shared, telemetry=Silent(), meters=Silent())
    return made


WAYS: dict[str, Callable[[], CompactManager]] = {
    "nothing": without_any,
    "no providers": manager,
    "sampled out": lambda: manager(tracers(ALWAYS_OFF), meters()),
    "sampled out, no metrics": lambda: manager(tracers(ALWAYS_OFF)),
    "recorded": lambda: manager(tracers(ALWAYS_ON), meters()),
    "spans only": lambda: manager(tracers(ALWAYS_ON)),
    "triggered": lambda: manager(tracers(ALWAYS_ON), meters(), spans="triggered"),
    "metrics only": lambda: manager(None, meters()),
    "logs only": lambda: manager(None, None, logs(), "log"),
    "log mode": lambda: manager(tracers(ALWAYS_ON), meters(), logs(), "log"),
    "span and log": lambda: manager(tracers(ALWAYS_ON), meters(), logs(), "both"),
}


def rows(rounds: int) -> list[Row]:
    """Return what each way adds to a call, in microseconds."""
    items, call = history(ITEMS), call_context()
    managers = {name: make() for name, make in WAYS.items()}
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    collecting: list[float] = []
    for number in range(rounds + WARM):
        longer = [*items, question(number % 2)]
        for name, made in managers.items():
            start = time.perf_counter()
            result = made.preflight("s", longer, call=call)
            seconds = time.perf_counter() - start
            assert result.outcome == "skipped"
            if number >= WARM:
                taken[name].append(seconds)
        if number == WARM - 1 or number % COLLECTED == COLLECTED - 1:
            collecting.append(seconds_of_collection(managers["sampled out"]))
    ruler = taken.pop("nothing")
    return [
        {
            "telemetry": name,
            "added_us": (min(seconds) - min(ruler)) * 1e6,
            "added_median_us": (statistics.median(seconds) - statistics.median(ruler)) * 1e6,
            "bar_us": BARS.get(name),
            "call_us": min(seconds) * 1e6,
            "collection_us": min(collecting[2:], default=0.0) / COLLECTED * 1e6
            if name == "sampled out"
            else None,
        }
        for name, seconds in taken.items()
    ]


def seconds_of_collection(watched: CompactManager) -> float:
    """Collect from all, and return the seconds that one of them took."""
    found = 0.0
    for provider, reader in READERS.items():
        start = time.perf_counter()
        reader.get_metrics_data()
        if provider is watched._providers[1]:
            found = time.perf_counter() - start
    return found


def markdown(made: list[Row]) -> str:
    """Return rows as Markdown."""
    lines = [
        "| telemetry | added, µs | bar, µs | the whole decision, µs | collected later, µs |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in made:
        added = f"{row['added_us']:.0f} ({row['added_median_us']:.0f})"
        later = "" if row["collection_us"] is None else f"{row['collection_us']:.0f}"
        lines.append(
            f"| {row['telemetry']} | {added} | {row['bar_us'] or ''} | {row['call_us']:.0f} "
            f"| {later} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    made = rows(options.rounds)
    print("\n".join(map(json.dumps, made)) if options.json else markdown(made))


if __name__ == "__main__":
    main()
