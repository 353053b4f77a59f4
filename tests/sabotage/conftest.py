"""The real Agents SDK and the real OpenTelemetry SDK; only the language model is imitated."""

import logging

import pytest
from agents import set_tracing_disabled
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import compact_otel
from compact_otel import patience
from compact_otel.config import CompactConfig, StorageConfig, SummarizerConfig
from compact_otel.core.settings import CompactPolicy
from compact_otel.engine import performing, runs
from compact_otel.testing import LocalOpenAI
from tests.sabotage.parts import Hang
from tests.sabotage.program import WINDOW, looks_up_then_answers


@pytest.fixture(autouse=True, scope="session")
def _no_sdk_trace_upload():
    set_tracing_disabled(True)


class Bench:
    """Where a sabotaged part is put in, and where it shows what is said of it.

    Attributes:
        monkeypatch: Undone after the test.
        hang: Ended after the test.
        provider: The tracer provider of the program.
    """

    def __init__(self, monkeypatch, caplog, provider, exporter):
        self.monkeypatch = monkeypatch
        self.hang = Hang()
        self.provider = provider
        self._caplog = caplog
        self._exporter = exporter
        self._limits = {}

    def hurry(self, *what, limit=0.5):
        """Let the limits named be short: `step`, `slow`, `summarizer`, `storage`."""
        if "step" in what:
            for module in (performing, runs):
                self.monkeypatch.setattr(module, "STEP_LIMIT", limit)
        if "slow" in what:
            self.monkeypatch.setattr(patience, "SLOW", 0.4)
        self._limits = {name: {"timeout": limit} for name in what}

    def switch_on(self, policy=(), **parts):
        """Switch compact_otel on, for a window of WINDOW tokens."""
        config = CompactConfig(
            max_context_tokens=WINDOW,
            policy=CompactPolicy(**dict(policy)),
            summarizer=SummarizerConfig(**self._limits.get("summarizer", {})),
            storage=StorageConfig(adapter="none", **self._limits.get("storage", {})),
        )
        return compact_otel.instrument(
            **{"config": config, "tracer_provider": self.provider, **parts}
        )

    @property
    def spans(self):
        """Our finished spans."""
        spans = self._exporter.get_finished_spans()
        return [span for span in spans if span.name == "compact_context"]

    @property
    def outcomes(self):
        return [span.attributes.get("compact.outcome") for span in self.spans]

    @property
    def compactions(self):
        """How many there were, with whichever summary."""
        return sum(outcome in ("compacted", "fallback") for outcome in self.outcomes)

    @property
    def said(self):
        """What the spans and the log say of failures: `stage: error type`, or the log's line."""
        told = [
            f"{event.attributes['compact.failure.stage']}: {event.attributes['error.type']}"
            for span in self.spans
            for event in span.events
            if event.name == "compact.error"
        ]
        logged = [
            record.getMessage()
            for record in self._caplog.records
            if record.name == "compact_otel" and record.levelno >= logging.WARNING
        ]
        return [*told, *logged]


@pytest.fixture
def bench(monkeypatch, caplog):
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    bench = Bench(monkeypatch, caplog, provider, exporter)
    yield bench
    bench.hang.end()
    compact_otel.uninstrument()
    provider.shutdown()


@pytest.fixture
def api():
    """A server with a window of WINDOW tokens, which must have had legal requests only."""
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        yield api
    assert [request.error for request in api.requests if request.error is not None] == []
