"""What is decided is in the viewer at once, not when its span is over.

A span is exported when it ends, and a compaction ends after its summary, seconds after it was
decided on. So the rows that somebody waits for go ahead: the decision to compact, what failed, a
rescue, and each span of ours as soon as it is over. The exporter leaves out what went ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan

from compact_otel.exporters.ariadne.exporter import AriadneSpanExporter, in_use


class LivePath:
    """Hears of spans that are not over yet; costs whoever calls it a moment, and no more.

    Args:
        exporter: By what rows go; None for the newest one of the process that is in use. Where
            there is none nothing goes ahead.
    """

    def __init__(self, exporter: AriadneSpanExporter | None = None) -> None:
        self._exporter = exporter

    def __call__(self, span: Any) -> None:
        """Take the newest event of a span if somebody waits for it, or all of one that is over."""
        if not isinstance(span, ReadableSpan) or not span.context.trace_flags.sampled:
            return
        events = span.events
        is_over = span.end_time is not None
        if not is_over and not (events and _is_urgent(events[-1])):
            return
        exporter = self._exporter or in_use()
        if exporter is not None:
            number = span.dropped_events + len(events) - 1
            exporter.show_ahead(span, None if is_over else (number, events[-1]))


def _is_urgent(event: Event) -> bool:
    """Say whether an event is worth to be shown before its span is over."""
    if event.name == "compact.trigger_decision":
        return (event.attributes or {}).get("compact.trigger.decision") == "compact"
    return event.name in ("compact.error", "compact.rescue")


def live_path(
    environment: Mapping[str, str],
    joined: AriadneSpanExporter | None,
    *,
    wanted: bool | None = None,
) -> LivePath | None:
    """Return the live path if there is to be one.

    Args:
        environment: Without a word on it there is one where the viewer is among
            `OTEL_TRACES_EXPORTER`.
        joined: What `telemetry.exporter` made, if it names the viewer.
        wanted: What `telemetry.ariadne_live` says.
    """
    if wanted is None:
        exporters = environment.get("OTEL_TRACES_EXPORTER", "").split(",")
        wanted = joined is not None or "ariadne" in (name.strip() for name in exporters)
    return LivePath(joined) if wanted else None
