"""Below `opentelemetry-instrument` the demo is a program like any other: its spans are exported."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, DEFAULT_ON

from compact_otel.demo import run as demo
from tests.demo.runs import play, settings


@pytest.fixture
def environment(monkeypatch):
    """Return what sets up the provider of the environment, and gives what is exported there."""

    def set_up(sampler):
        exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        monkeypatch.setattr(demo, "get_tracer_provider", lambda: provider)
        return exporter

    return set_up


def test_what_the_demo_sees_is_what_the_environment_exports(environment, tmp_path):
    exporter = environment(DEFAULT_ON)
    figures = play(settings(tmp_path))
    assert figures.compactions
    assert exporter.get_finished_spans() == figures.spans


def test_a_sampled_environment_does_not_thin_out_what_the_demo_shows(environment):
    environment(ALWAYS_OFF)
    assert demo._provider().sampler is ALWAYS_ON
