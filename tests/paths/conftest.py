"""The real Agents SDK and the real OpenTelemetry SDK; only the language model is imitated."""

import pytest
from agents import set_tracing_disabled
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import compact_otel
from tests.paths.program import WINDOW, Observed


@pytest.fixture(autouse=True, scope="session")
def _no_sdk_trace_upload():
    set_tracing_disabled(True)


@pytest.fixture
def observed():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Observed(provider, exporter)
    provider.shutdown()


@pytest.fixture
def switch_on(observed):
    """Switch compact_otel on for a window of WINDOW, or as the options say."""

    def instrument(**options):
        options = {"max_context_tokens": WINDOW, "storage": {"adapter": "none"}, **options}
        return compact_otel.instrument(tracer_provider=observed.provider, **options)

    yield instrument
    compact_otel.uninstrument()
