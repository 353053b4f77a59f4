"""The collector and the viewer vanish in the middle of a session, and come back."""

import logging
import time

import pytest
from agents import SQLiteSession
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import compact_otel
from compact_otel.adapters import FileStorage
from compact_otel.exporters.ariadne import AriadneSpanExporter
from compact_otel.testing import LocalOpenAI
from tests.chaos.program import converse, looks_up_then_answers, more
from tests.exporters.ariadne_server import AriadneServer
from tests.otlp_receiver import OtlpReceiver
from tests.road import Road
from tests.sabotage.program import EARLY, WINDOW, earlier

SOON_S = 15.0
"""Above what both exporters take until they give up; a machine is busy at times."""


@pytest.fixture
def provider(monkeypatch):
    """A provider that `instrument()` joins with the collector, whose patience is short."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    provider = TracerProvider(shutdown_on_exit=False)
    yield provider
    compact_otel.uninstrument()
    provider.shutdown()


async def test_a_session_goes_on_and_both_get_what_comes_after_their_return(
    provider, monkeypatch, tmp_path, caplog
):
    archive, session = FileStorage(tmp_path), SQLiteSession("chaos")
    await session.add_items(earlier()[:-1])
    with (
        OtlpReceiver() as collector,
        AriadneServer() as viewer,
        LocalOpenAI(looks_up_then_answers) as server,
    ):
        viewer_address = ("127.0.0.1", int(viewer.endpoint.rpartition(":")[2]))
        roads = [Road(collector.address), Road(viewer_address)]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", roads[0].endpoint)
        exporter = AriadneSpanExporter(roads[1].endpoint)
        now = [100.0]
        monkeypatch.setattr(exporter._delivery, "_clock", lambda: now[0])
        provider.add_span_processor(BatchSpanProcessor(exporter))
        compact_otel.instrument(
            max_context_tokens=WINDOW,
            storage=archive,
            tracer_provider=provider,
            telemetry={"exporter": "otlp", "ariadne_live": False},
            **EARLY,
        )

        async def ask(number):
            began = time.monotonic()
            seen = await converse(server.base_url, [f"What of {number}"], session=session)
            assert seen.turns == [f"The record says: the record of What of {number}"]
            assert time.monotonic() - began < SOON_S
            began = time.monotonic()
            provider.force_flush(5_000)
            assert time.monotonic() - began < SOON_S
            await session.add_items(more(number))
            return len(collector.names), len(viewer.spans())

        with caplog.at_level(logging.WARNING):
            before = await ask(0)
            assert min(before) >= 2
            for road in roads:
                road.close()
            assert await ask(1) == before
            for road in roads:
                road.open()
            now[0] += 60
            after = await ask(2)
        assert min(now - then for now, then in zip(after, before, strict=True)) >= 2
        for road in roads:
            road.close()
    said = [record.getMessage() for record in caplog.records]
    assert any("[Ariadne] nothing is sent" in line for line in said)
    assert any("Failed to export" in line or "Transient error" in line for line in said)
    assert archive.steps("chaos") == [1, 2, 3], "whatever becomes of telemetry"
    assert archive.verify("chaos") == []
