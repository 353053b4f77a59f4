"""Our span in a bridge's trace: below the agent, right before the model span it serves."""

import pytest
from agents import RunConfig
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider

import compact_otel
from compact_otel.testing import LocalOpenAI
from tests.bridges.bridges import CHOSEN
from tests.bridges.program import (
    MODELS,
    asks_twice_at_once,
    clerk_with_expert,
    clerk_with_handoff,
    looks_up_then_hands_over,
)
from tests.paths.program import WAYS, WINDOW, talk

kinds = pytest.mark.parametrize("kind", list(MODELS))
ways = pytest.mark.parametrize("way", list(WAYS))
others = pytest.mark.parametrize(
    "bridge", [name for name in CHOSEN if name != "own"], indirect=True
)


async def hand_over(way, kind="responses", window=WINDOW, **options):
    """Run the clerk that hands over: two calls of a model for it, one for the expert."""
    with LocalOpenAI(looks_up_then_hands_over, context_window=window) as api:
        async with api.client() as client:
            await WAYS[way](clerk_with_handoff(kind, client), talk(), **options)
    assert len(api.requests) == 3


def check(tree, bridge, agents):
    """Check one trace with a decision for each model call, below the agents that made them.

    Without a bridge there is no span of an agent, and the application's takes its place.
    """
    assert len(tree.trace_ids) == 1
    assert None not in [span.parent for span in tree.decisions]
    if not bridge.shows_agents:
        assert tree.agents == {"application": sum(agents.values())}
    else:
        assert tree.agents == agents
        assert len(tree.model_spans) == sum(agents.values())
        tree.check_each_decision_is_right_before_its_model_span()


@ways
@kinds
async def test_our_span_is_the_sibling_right_before_its_model_span(kind, way, bridge, tracing):
    tracing.bridge_on()
    tracing.compact_on()
    with tracing.application():
        await hand_over(way, kind)
    tree = tracing.tree()
    check(tree, bridge, {"Clara": 2, "Edgar": 1})
    assert "compacted" in {span.attributes["compact.outcome"] for span in tree.decisions}


@pytest.mark.parametrize("way", ["run", "run_streamed"])
async def test_concurrent_agents_have_ours_below_their_own_spans(way, bridge, tracing):
    tracing.bridge_on()
    tracing.compact_on()
    with LocalOpenAI(asks_twice_at_once, context_window=WINDOW) as api:
        async with api.client() as client:
            with tracing.application():
                await WAYS[way](clerk_with_expert("responses", client), talk())
    check(tracing.tree(), bridge, {"Clara": 2, "Edgar": 4})


@ways
async def test_a_run_with_nothing_around_it_is_one_trace(way, bridge, tracing):
    tracing.bridge_on()
    tracing.compact_on()
    await hand_over(way)
    tree = tracing.tree()
    if not bridge.shows_agents:  # there is nothing that could hold them together
        assert [span.parent for span in tree.spans] == [None] * 3
    else:
        check(tree, bridge, {"Clara": 2, "Edgar": 1})


async def test_it_does_not_matter_who_is_switched_on_first(bridge, tracing):
    tracing.compact_on()
    tracing.bridge_on()
    with tracing.application():
        await hand_over("run_streamed")
    check(tracing.tree(), bridge, {"Clara": 2, "Edgar": 1})


@others
async def test_a_bridge_with_a_provider_of_its_own_has_us_in_its_trace(bridge, tracing):
    """As logfire does: spans go to two places, and their ids still make one tree."""
    ours = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(ours))
    tracing.bridge_on()
    tracing.compact_on(provider)
    with tracing.application():
        await hand_over("run")
    assert {span.name for span in ours.get_finished_spans()} == {"compact_context"}
    assert len(ours.get_finished_spans()) == 3
    check(tracing.tree(ours), bridge, {"Clara": 2, "Edgar": 1})
    provider.shutdown()


async def test_with_the_sdks_tracing_off_ours_falls_to_the_application(bridge, tracing):
    tracing.bridge_on()
    tracing.compact_on()
    with tracing.application():
        await hand_over("run", run_config=RunConfig(tracing_disabled=True))
    assert tracing.tree().agents == {"application": 3}


@others
@pytest.mark.parametrize("way", ["run", "run_streamed"])
async def test_the_bridges_own_tree_is_as_it_is_without_us(way, bridge, tracing):
    tracing.bridge_on()
    shapes = []
    for switch_on in (
        lambda: None,
        tracing.compact_on,
        lambda: tracing.compact_on(NoOpTracerProvider()),
    ):
        switch_on()
        with tracing.application():
            await hand_over(way, window=None)
        shapes.append(tracing.tree().shape)
        compact_otel.uninstrument()
    without, beside, unrecorded = shapes
    assert without == beside
    assert without == unrecorded
