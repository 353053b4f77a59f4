"""`telemetry={"exporter": "ariadne"}`: a run is in the viewer a moment after it happened."""

from datetime import datetime

import pytest
from agents import Agent, OpenAIResponsesModel, Runner, SQLiteSession
from opentelemetry.sdk.trace import TracerProvider

import compact_otel
from compact_otel.exporters import providers
from compact_otel.exporters.ariadne import joining
from compact_otel.testing import LocalOpenAI, Script, Step
from tests.exporters.ariadne_server import AriadneServer

SOON_S = 2.5
"""Half of OpenTelemetry's own delay; how fast it is tells `tests/bench/ariadne.py`."""


@pytest.fixture
def viewer(monkeypatch):
    monkeypatch.setattr(providers, "_own", None)
    with AriadneServer() as server:
        monkeypatch.setenv("COMPACT_ARIADNE_URL", server.endpoint)
        yield server
        compact_otel.uninstrument()


async def converse(turns=12):
    with LocalOpenAI(Script([Step("word " * 400)] * turns), context_window=4_000) as api:
        agent = Agent(
            name="talker", model=OpenAIResponsesModel("gpt-4", openai_client=api.client())
        )
        session = SQLiteSession("s")
        for turn in range(turns):
            await Runner.run(agent, f"question {turn}", session=session)


def decisions(viewer):
    return [row for row in viewer.spans() if row["kind"] in ("compaction", "compaction.handoff")]


@pytest.mark.parametrize(
    "provider", [None, TracerProvider()], ids=["none of the SDK", "a given one"]
)
async def test_each_decision_of_a_run_is_shown_soon(viewer, provider):
    compact_otel.instrument(
        max_context_tokens=4_000,
        soft_trigger_pct=0,
        telemetry={"exporter": "ariadne"},
        storage={"adapter": "none"},
        tracer_provider=provider,
    )
    await converse()
    assert viewer.wait_for(lambda: len(decisions(viewer)) >= 12)
    assert viewer.complaints == []
    assert len({row["span_id"] for row in decisions(viewer)}) == len(decisions(viewer)) == 12
    assert viewer.named("⟲ compact ")
    late = sorted(row["received"] - at(row["ended_at"]) for row in decisions(viewer))
    assert late[len(late) // 2] < SOON_S


def at(moment):
    return datetime.fromisoformat(moment).timestamp()


async def test_a_provider_is_joined_once_whoever_asks(viewer):
    provider = TracerProvider()
    for _ in range(3):
        assert joining.with_viewer(provider)[0] is provider
    provider.get_tracer("t").start_span("once").end()
    provider.force_flush()
    assert [row["name"] for row in viewer.spans()] == ["once"]
    assert len(viewer.requests) == 1
