"""The real Agents SDK and the real OpenTelemetry SDK; only the language model is imitated."""

import pytest
from agents import set_tracing_disabled
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import compact_otel


@pytest.fixture(autouse=True, scope="session")
def _no_sdk_trace_upload():
    set_tracing_disabled(True)


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def tracer_provider(exporter):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


@pytest.fixture(autouse=True)
def _switched_off_afterwards():
    yield
    compact_otel.uninstrument()
