"""`suppress_instrumentation()`: what is done is done, and OpenTelemetry hears nothing of it."""

import subprocess
import sys

import pytest
from agents import Agent, Runner
from agents.tracing import get_trace_provider, set_trace_provider
from agents.tracing.provider import DefaultTraceProvider
from opentelemetry import context, trace
from opentelemetry.instrumentation.utils import (
    is_instrumentation_enabled,
    suppress_http_instrumentation,
    suppress_instrumentation,
)

import compact_otel
from tests.histories import Summarizer, manager
from tests.telemetry.runs import CALL, LONG, RUNS
from tests.telemetry.test_marking import Traced


@pytest.mark.parametrize("spans", ["always", "triggered"])
@pytest.mark.parametrize("run", RUNS)
async def test_nothing_is_told_of_what_runs_inside(run, spans, signals):
    with signals.tracer().start_as_current_span("execute_tool"), suppress_instrumentation():
        await RUNS[run](events="both", spans=spans, **signals.providers)
    (tool,) = signals.spans
    assert (tool.name, tool.events) == ("execute_tool", ())
    assert signals.log_events == []
    assert signals.metrics == []


async def test_calls_are_compacted_inside_and_told_of_again_afterwards(signals):
    exported = []

    class Exporter:
        name = "own"

        def export(self, record):
            exported.append(record["event"])

    made = manager(900, exporters=(Exporter(),), **signals.providers)
    with signals.tracer().start_as_current_span("turn") as turn, suppress_instrumentation():
        result = await made.apreflight("s", LONG, call=CALL)
        assert trace.get_current_span() is turn
    assert result.outcome == "compacted"
    assert "compact.summary_created" in exported  # what somebody added by hand is no signal
    assert (await made.apreflight("s", LONG, call=CALL)).outcome == "replayed"
    assert [span.attributes["compact.outcome"] for span in signals.ours] == ["replayed"]
    assert signals.metrics


@pytest.mark.parametrize(
    "key",
    [context._SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation"],
    ids=["of the SDK", "of earlier days"],
)
async def test_either_of_the_two_keys_will_do(key, signals):
    token = context.attach(context.set_value(key, True))
    assert not is_instrumentation_enabled()
    await RUNS["compacted"](**signals.providers)
    context.detach(token)
    assert signals.spans == ()


async def test_where_only_http_is_to_be_silent_we_are_not(signals):
    with suppress_http_instrumentation():
        await RUNS["compacted"](**signals.providers)
    assert len(signals.ours) == 1


async def test_agents_are_not_shown_either(signals):
    before = get_trace_provider()
    set_trace_provider(DefaultTraceProvider())
    compact_otel.instrument(
        max_context_tokens=1500,
        hard_cap_buffer=0,
        storage={"adapter": "none"},
        summarizer=Summarizer(),
        telemetry={"agent_spans": "on"},
        **signals.providers,
    )
    agent = Agent("Clerk", model=Traced(signals.tracer()))
    with suppress_instrumentation():
        await Runner.run(agent, LONG)
    assert [span.name for span in signals.spans] == ["model"]  # somebody else's, who does not ask
    await Runner.run(agent, LONG)
    assert "invoke_agent Clerk" in [span.name for span in signals.spans]
    set_trace_provider(before)


def test_asking_loads_nothing_of_the_instrumentations():
    code = (
        "import sys, compact_otel.engine.service; "
        "sys.exit('opentelemetry.instrumentation' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
