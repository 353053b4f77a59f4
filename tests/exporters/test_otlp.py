"""`telemetry={"exporter": "otlp"}`: spans reach a collector once, and nothing ends a run."""

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from compact_otel import CompactConfig, CompactManager
from compact_otel.exporters import providers
from compact_otel.exporters.otlp import sends_by_otlp, with_otlp
from tests.otlp_receiver import OtlpReceiver


@pytest.fixture
def collector(monkeypatch):
    """Listen where spans go; give the names of those that came."""
    monkeypatch.setattr(providers, "_own", None)
    with OtlpReceiver() as receiver:
        host, port = receiver.address
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{host}:{port}")
        yield receiver.names


@pytest.mark.parametrize("given", [None, TracerProvider()], ids=["none of the SDK", "a given one"])
def test_each_decision_reaches_the_collector(collector, given):
    config = CompactConfig.load(telemetry={"exporter": "otlp"}, storage={"adapter": "none"})
    made = CompactManager(config, tracer_provider=given)
    made.preflight("s", [{"role": "user", "content": "hi"}])
    provider = made.tracer_provider
    assert provider is (given or providers.sdk_provider(None))
    provider.shutdown()
    assert collector == ["compact_context"]


def test_a_provider_that_sends_by_otlp_is_left_as_it_is(collector):
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    for _ in range(2):
        assert with_otlp(provider) is provider
    provider.get_tracer("t").start_span("once").end()
    provider.shutdown()
    assert collector == ["once"]


def test_a_provider_is_joined_once_whoever_asks(collector):
    provider = TracerProvider()
    assert not sends_by_otlp(provider)
    for _ in range(3):
        with_otlp(provider)
    assert sends_by_otlp(provider)
    provider.get_tracer("t").start_span("once").end()
    provider.shutdown()
    assert collector == ["once"]


def test_a_protocol_that_is_none_is_told_and_calls_go_on(collector, monkeypatch, caplog):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    provider = TracerProvider()
    assert with_otlp(provider) is provider
    assert "must be one of grpc, http/protobuf, got 'http/json'" in caplog.text
    assert not sends_by_otlp(provider)


def test_without_a_word_it_is_grpc_as_everywhere_in_python(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_PROTOCOL", raising=False)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    provider = TracerProvider()
    with_otlp(provider)
    (processor,) = provider._active_span_processor._span_processors
    assert ".grpc." in type(processor.span_exporter).__module__
    provider.shutdown()
