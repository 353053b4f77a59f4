"""`telemetry.exporter: otlp`: spans go to a collector, as the OTEL_EXPORTER_OTLP_ variables say.

`opentelemetry-instrument` does that by itself; this is for those who switch on with one line. A
provider that sends spans by OTLP already is left as it is.
"""

from __future__ import annotations

import logging
import os
from typing import Any
from weakref import WeakSet

from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import TracerProvider

from compact_otel.core.errors import ConfigError
from compact_otel.exporters.providers import sdk_provider
from compact_otel.forks import mutex

_log = logging.getLogger("compact_otel")

_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXPORTER = "OTLPSpanExporter"
"""What both exporters of OpenTelemetry are called."""

_joining = mutex()
_joined: WeakSet[SdkTracerProvider] = WeakSet()


def with_otlp(provider: TracerProvider | None) -> TracerProvider:
    """Return a tracer provider whose spans go out by OTLP.

    A provider is joined once, and for good: OpenTelemetry takes no processor back. Where no
    exporter can be made the log says why, and calls are compacted all the same.

    Args:
        provider: The one that is used; None for the global provider. Where that is none of the SDK
            our spans get a provider of their own.
    """
    found = sdk_provider(provider)
    with _joining:
        if found not in _joined and not sends_by_otlp(found):
            try:
                found.add_span_processor(BatchSpanProcessor(_exporter()))
            except (ConfigError, ImportError) as error:
                _log.error("no spans go out by OTLP: %s", error)
            except Exception as error:  # noqa: BLE001 - telemetry never ends a run
                # Its words may be those of the address, password and all.
                _log.error("no spans go out by OTLP: %s", type(error).__name__)
        _joined.add(found)
    return found


def sends_by_otlp(provider: SdkTracerProvider) -> bool:
    """Say whether a provider has an exporter for OTLP; only of OpenTelemetry's own processors."""
    composed: Any = getattr(provider, "_active_span_processor", None)
    processors = getattr(composed, "_span_processors", ())
    exporters = (getattr(processor, "span_exporter", None) for processor in processors)
    return any(type(exporter).__name__ == _EXPORTER for exporter in exporters)


def _exporter() -> SpanExporter:
    said = (os.environ.get(name, "").strip() for name in _PROTOCOLS)
    protocol = next(filter(None, said), "grpc")
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        return Grpc()
    if protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

        return Http()
    raise ConfigError(
        f"OTEL_EXPORTER_OTLP_PROTOCOL must be one of grpc, http/protobuf, got {protocol!r}"
    )
