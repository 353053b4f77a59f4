"""The real Agents SDK and the real OpenTelemetry SDK; only the language model is imitated."""

import pytest
from agents import set_tracing_disabled
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import compact_otel
from compact_otel.estimators.tiktoken import TiktokenEstimator


@pytest.fixture(autouse=True, scope="session")
def _no_sdk_trace_upload():
    set_tracing_disabled(True)


@pytest.fixture(autouse=True, scope="session")
def _warm():
    """Load the vocabulary: a client would wait for the server's, and a cold call only guesses."""
    TiktokenEstimator().warm_up()


@pytest.fixture(autouse=True)
def _asks_again_soon(monkeypatch):
    """The client would wait half a second at least, most of the time that these tests took."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.02)


class Watch:
    """What our spans tell.

    Attributes:
        provider: Where they go.
    """

    def __init__(self, provider, exporter):
        self.provider = provider
        self._exporter = exporter

    @property
    def spans(self):
        found = self._exporter.get_finished_spans()
        return [span for span in found if span.name == "compact_context"]

    @property
    def outcomes(self):
        return [span.attributes["compact.outcome"] for span in self.spans]

    def events(self, name):
        """Return the attributes of all events of a name."""
        return [
            dict(event.attributes)
            for span in self.spans
            for event in span.events
            if event.name == f"compact.{name}"
        ]

    @property
    def failures(self):
        return {
            (told["compact.failure.stage"], told["error.type"]) for told in self.events("error")
        }


@pytest.fixture
def watch():
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Watch(provider, exporter)
    compact_otel.uninstrument()
    provider.shutdown()


@pytest.fixture
def switch_on(watch):
    """Switch compact_otel on; the storage is none unless the options say so."""

    def instrument(**options):
        options = {"storage": {"adapter": "none"}, "tracer_provider": watch.provider, **options}
        return compact_otel.instrument(**options)

    return instrument
