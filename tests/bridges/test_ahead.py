"""A summary that is written ahead, beside the model call, is told in the run's own trace."""

import asyncio

import pytest
from agents import Agent

from compact_otel.summarizers.extractive import ExtractiveSummarizer
from compact_otel.testing import LocalOpenAI
from tests.bridges.program import MODELS
from tests.paths.program import (
    MODEL,
    WAYS,
    WINDOW,
    CountingSummarizer,
    look_up,
    looks_up_then_answers,
    talk,
)


class InThread:
    """A summariser that may block, so it is asked in a thread."""

    name = "in-thread"

    def summarize(self, request):
        return ExtractiveSummarizer().summarize(request)


@pytest.mark.parametrize("way", ["run", "run_streamed"])
@pytest.mark.parametrize("summarizer", [CountingSummarizer, InThread])
async def test_a_summary_written_ahead_is_below_the_agents_span(summarizer, way, bridge, tracing):
    tracing.bridge_on()
    tracing.compact_on(summarizer=summarizer())
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        async with api.client() as client:
            agent = Agent("Clara", tools=[look_up], model=MODELS["responses"](MODEL, client))
            with tracing.application():
                await WAYS[way](agent, talk(9))
                # No call waits for it, so it may end after the run.
                await asyncio.to_thread(tracing.wait_for, 3, "compact_context")
    tree = tracing.tree()
    outcomes = [span.attributes["compact.outcome"] for span in tree.decisions]
    assert sorted(outcomes) == ["prepared", "skipped", "skipped"]
    assert len(tree.trace_ids) == 1
    assert tree.agents == {"Clara" if bridge.shows_agents else "application": 3}
