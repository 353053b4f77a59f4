"""`telemetry.exporter: ariadne`: the viewer listens to a tracer provider, with a short delay."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import TracerProvider

from compact_otel.config import TelemetryConfig
from compact_otel.exporters.ariadne.exporter import AriadneSpanExporter
from compact_otel.exporters.ariadne.payload import MOST_ROWS
from compact_otel.exporters.providers import sdk_provider
from compact_otel.forks import mutex
from compact_otel.redaction import Gate

_DELAY_MS = 100
"""A viewer is looked at while the agent runs; OpenTelemetry's own delay is five seconds."""

_joining = mutex()
_joined: WeakKeyDictionary[SdkTracerProvider, AriadneSpanExporter] = WeakKeyDictionary()


def with_viewer(
    provider: TracerProvider | None,
    gate: Gate | None = None,
    settings: TelemetryConfig | None = None,
) -> tuple[TracerProvider, AriadneSpanExporter]:
    """Return a tracer provider whose spans go to the Ariadne viewer, too, and by what they go.

    A provider is joined once, and for good: OpenTelemetry takes no processor back.

    Args:
        provider: The one that is used; None for the global provider. Where that is none of the SDK
            there are no spans to be shown but ours, and they get a provider of their own.
        gate: What every string goes through; None for what the configuration says.
        settings: Where the viewer is, and what it shows; None likewise.
    """
    found = sdk_provider(provider)
    with _joining:
        if found not in _joined:
            exporter = _joined[found] = AriadneSpanExporter(redactor=gate, settings=settings)
            found.add_span_processor(
                BatchSpanProcessor(
                    exporter, schedule_delay_millis=_DELAY_MS, max_export_batch_size=MOST_ROWS
                )
            )
        return found, _joined[found]
