"""An agent that reads far more than its model's window holds, and goes on.

    python examples/agents_sdk_minimal.py           # offline, some seconds
    python examples/agents_sdk_minimal.py --live    # with OPENAI_API_KEY: 48 calls of a model

Offline the model is a strict local imitation of OpenAI whose `gpt-4` refuses, as the real one does,
whatever exceeds 8,192 tokens. The lines marked below are the whole integration. They may even go:
zero_code/ shows how.
"""

import asyncio
import sys

from agents import (
    Agent,
    Model,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)

import compact_otel
from compact_otel.testing import LocalOpenAI, ModelRequest, Step

# --- the integration: begin ---
compact_otel.instrument(
    max_context_tokens=8_192,  # left out: what the model is known to hold
    telemetry={"exporter": "console"},  # one JSON line per decision on stderr
    storage={"adapter": "fs", "path": ".compact/archive"},  # what was compacted away
)
# --- the integration: end ---

CHAPTERS = 24


@function_tool
def read_chapter(number: int) -> str:
    """Return a chapter of the report."""
    return f"Chapter {number}: the budget of department D-{number}00 is {number * 137} euros. " * 30


def play(request: ModelRequest) -> Step:
    """Play the model: read the chapter that was asked for, then answer."""
    newest = request.items[-1]
    if newest.get("role") == "user":
        number = int(newest["content"].split()[-1])
        return Step(calls=[("read_chapter", {"number": number})])
    return Step(f"I have read it: {newest['output'][:60]}")


async def main(model: Model | None) -> None:
    """Read the report, chapter by chapter; None is the SDK's own default model."""
    set_tracing_disabled(True)  # the SDK would send its own traces to OpenAI
    agent = Agent(
        name="reader",
        instructions="You read reports and remember every figure.",
        model=model,
        tools=[read_chapter],
    )
    session, sizes = SQLiteSession("report"), []
    for number in range(1, CHAPTERS + 1):
        result = await Runner.run(agent, f"Please read chapter {number}", session=session)
        sizes += [response.usage.input_tokens for response in result.raw_responses]
    print(result.final_output)
    print(f"{len(sizes)} model calls, the largest had {max(sizes):,} tokens")


if __name__ == "__main__":
    if "--live" in sys.argv:
        asyncio.run(main(None))
    else:
        with LocalOpenAI(play, context_window=8_192) as api:
            asyncio.run(main(OpenAIResponsesModel("gpt-4", api.client())))
