"""With the limits as they are shipped: all that can hang hangs for ten seconds, at once."""

import asyncio

import pytest
from agents import Agent, OpenAIResponsesModel, RunConfig, Runner
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from compact_otel import CompactManager
from compact_otel.adapters import MemoryStorage
from compact_otel.config import CompactConfig, StorageConfig
from compact_otel.core.settings import CompactPolicy
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.hooks import before_model_call
from tests.paths.program import MODEL
from tests.sabotage.parts import Listener, Sleep, Writer, sabotaged
from tests.sabotage.program import EARLY, WINDOW, answer, client_of, earlier, look_up, timed

HANG_S = 10
BOUND_S = 60
"""One hang each of the span, the exporters, the storage, the summariser, 5 s of the estimator."""

PARTS = {
    "estimator": (TiktokenEstimator, ["count_items", "count_fixed"]),
    "summarizer": (Writer, ["summarize"]),
    "storage": (
        MemoryStorage,
        [
            "load_checkpoints",
            "claim",
            "save_transcript",
            "save_summary",
            "save_checkpoint",
            "save_event",
        ],
    ),
    "exporter": (Listener, ["export"]),
    "processor": (SpanProcessor, ["on_start", "on_end"]),
}


async def run(api, hang, names):
    """Run the agent beside a manager whose parts hang; return its answer."""
    made = {
        name: sabotaged(kind, **dict.fromkeys(methods, hang))
        for name, (kind, methods) in PARTS.items()
        if name in names
    }
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(made.pop("processor"))
    manager = CompactManager(
        CompactConfig(
            max_context_tokens=WINDOW,
            policy=CompactPolicy(**EARLY),
            storage=StorageConfig(adapter="none"),
        ),
        exporters=[made.pop("exporter")],
        tracer_provider=provider,
        **made,
    )
    config = RunConfig(call_model_input_filter=before_model_call(manager))
    async with client_of(api.base_url) as client:
        agent = Agent("clerk", tools=[look_up], model=OpenAIResponsesModel(MODEL, client))
        return (await Runner.run(agent, earlier(), run_config=config)).final_output


@pytest.mark.slow
async def test_a_run_is_as_without_us_although_everything_hangs(api):
    """Twice beside each other: without an estimator nothing else is asked, so with our own, too."""
    expected, _ = await answer(api)
    kinds = [list(PARTS), [name for name in PARTS if name != "estimator"]]
    runs = [
        asyncio.to_thread(asyncio.run, timed(run(api, Sleep(HANG_S), names))) for names in kinds
    ]
    for given, seconds in await asyncio.gather(*runs):
        assert given == expected
        assert seconds < BOUND_S
