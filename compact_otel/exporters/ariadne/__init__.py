"""Spans for the Ariadne trace viewer: `OTEL_TRACES_EXPORTER=otlp,ariadne`, or by hand."""

from compact_otel.exporters.ariadne.exporter import AriadneSpanExporter

__all__ = ["AriadneSpanExporter"]
