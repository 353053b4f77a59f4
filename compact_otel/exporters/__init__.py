"""Where events go beside OpenTelemetry: JSON lines on stderr (`console`)."""

from compact_otel.exporters.console import ConsoleExporter

__all__ = ["ConsoleExporter"]
