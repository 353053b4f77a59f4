"""Another process: takes up a run that waits for an approval, from the JSON of its state.

python resuming.py BASE_URL STATE_FILE ARCHIVE_FOLDER
"""

import asyncio
import json
import sys
from pathlib import Path

from agents import Agent, OpenAIResponsesModel, Runner, RunState, set_tracing_disabled
from openai import AsyncOpenAI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

sys.path.insert(0, str(Path(__file__).parents[2]))

import compact_otel
from tests.paths.program import MODEL, WINDOW, CountingSummarizer, pay


async def resume(base_url, waiting, archive):
    """Return the answer, how often a summariser was asked, and the outcome of each decision."""
    exporter, summarizer, provider = InMemorySpanExporter(), CountingSummarizer(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    compact_otel.instrument(
        max_context_tokens=WINDOW,
        storage={"adapter": "fs", "path": archive},
        summarizer=summarizer,
        tracer_provider=provider,
    )
    async with AsyncOpenAI(base_url=base_url, api_key="local", max_retries=0) as client:
        agent = Agent("clerk", tools=[pay], model=OpenAIResponsesModel(MODEL, client))
        state = await RunState.from_string(agent, waiting)
        for interruption in state.get_interruptions():
            state.approve(interruption)
        result = await Runner.run(agent, state)
    outcomes = [span.attributes["compact.outcome"] for span in exporter.get_finished_spans()]
    return [result.final_output, summarizer.calls, outcomes]


if __name__ == "__main__":
    set_tracing_disabled(True)
    url, state_file, folder = sys.argv[1:]
    answer = asyncio.run(resume(url, Path(state_file).read_text(), folder))
    sys.stdout.write(json.dumps(answer))
