"""The real Agents SDK with one real bridge, and a program that runs two agents."""

import time

import pytest
from agents.tracing import get_trace_provider, set_trace_provider
from agents.tracing.provider import DefaultTraceProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import compact_otel
from tests.bridges.bridges import BRIDGES, CHOSEN
from tests.bridges.trees import Tree
from tests.paths.program import WINDOW


@pytest.fixture(params=CHOSEN)
def bridge(request):
    return BRIDGES[request.param]


@pytest.fixture(autouse=True)
def _tracing_of_its_own():
    """Give each test a tracing of the SDK that no other test has touched, and no upload."""
    before = get_trace_provider()
    set_trace_provider(DefaultTraceProvider())
    yield
    set_trace_provider(before)


class Tracing:
    """The bridge's tracing and ours.

    Attributes:
        provider: The bridge's tracer provider.
        exporter: Where it exports to.
        bridge_on: Switches the bridge on.
    """

    def __init__(self, bridge, exporter, provider, bridge_on):
        self._bridge = bridge
        self.exporter, self.provider, self.bridge_on = exporter, provider, bridge_on

    def compact_on(self, provider=None, **options):
        """Switch us on, for a window of WINDOW, or as the options say."""
        compact_otel.instrument(
            tracer_provider=provider or self.provider,
            **{
                "max_context_tokens": WINDOW,
                "storage": {"adapter": "none"},
                "telemetry": {"agent_spans": self._bridge.agent_spans},
                **options,
            },
        )

    def application(self):
        return self.provider.get_tracer("application").start_as_current_span("application")

    def wait_for(self, count, name):
        """Wait until so many spans of a name have been exported, ten seconds at most."""
        end = time.monotonic() + 10
        while [span.name for span in self.exporter.get_finished_spans()].count(name) < count:
            assert time.monotonic() < end, f"{count} spans {name} within ten seconds"
            time.sleep(0.01)

    def tree(self, *others):
        """Return what was exported since the last time, here and by other exporters."""
        spans = [span for each in (self.exporter, *others) for span in each.get_finished_spans()]
        self.exporter.clear()
        return Tree(spans, self._bridge)


@pytest.fixture
def tracing(bridge, caplog):
    exporter = InMemorySpanExporter()
    with bridge.making(exporter) as (provider, bridge_on):
        yield Tracing(bridge, exporter, provider, bridge_on)
        compact_otel.uninstrument()
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    torn = [record for record in records if record.name == "opentelemetry.context"]
    assert not torn, "whatever is attached to a context is detached in it"
