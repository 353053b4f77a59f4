"""Real providers of the OpenTelemetry SDK for all three signals, and what came out of them."""

import json
from dataclasses import dataclass

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import compact_otel
from compact_otel import content


@dataclass(frozen=True)
class Emitted:
    """An event, however it came out.

    Attributes:
        name: Of the event.
        attributes: Its attributes.
        severity: Of the log record, None of a span event.
        span_id: Of the span that it belongs to.
        record: The log record, None of a span event.
    """

    name: str
    attributes: dict
    severity: str | None
    span_id: int
    record: object = None


class Signals:
    """The providers of one program, with exporters that keep what they get."""

    def __init__(self, **tracing):
        self._spans, self._logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False, **tracing)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.logger_provider = LoggerProvider(shutdown_on_exit=False)
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self._logs))

    @property
    def providers(self):
        return {
            "tracer_provider": self.tracer_provider,
            "meter_provider": self.meter_provider,
            "logger_provider": self.logger_provider,
        }

    def tracer(self):
        return self.tracer_provider.get_tracer("application")

    @property
    def spans(self):
        return self._spans.get_finished_spans()

    @property
    def ours(self):
        return [span for span in self.spans if span.name == "compact_context"]

    @property
    def span_events(self):
        return [
            Emitted(event.name, dict(event.attributes), None, span.context.span_id)
            for span in self.spans
            for event in span.events
        ]

    @property
    def log_events(self):
        return [
            Emitted(
                data.log_record.event_name,
                dict(data.log_record.attributes),
                data.log_record.severity_number.name,
                data.log_record.span_id,
                data,
            )
            for data in self._logs.get_finished_logs()
        ]

    @property
    def metrics(self):
        return [metric for scope in self.scoped_metrics for metric in scope.metrics]

    @property
    def scoped_metrics(self):
        data = self._reader.get_metrics_data()
        return [
            scope
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
        ]

    @property
    def everything(self):
        """All that left, as text."""
        spans = [span.to_json() for span in self.spans]
        logs = [event.record.to_json() for event in self.log_events]
        return json.dumps([spans, logs, [metric.to_json() for metric in self.metrics]])

    def shut(self):
        for provider in self.providers.values():
            provider.shutdown()


@pytest.fixture
def signals():
    made = Signals()
    yield made
    made.shut()


@pytest.fixture
def captures(monkeypatch):
    """Let the environment ask for content."""
    monkeypatch.setattr(content, "_complained", set())
    return lambda value: monkeypatch.setenv(content.VARIABLE, value)


@pytest.fixture(autouse=True)
def _no_content_by_default(monkeypatch):
    monkeypatch.delenv(content.VARIABLE, raising=False)
    yield
    compact_otel.uninstrument()
