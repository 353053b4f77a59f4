"""An agent that reads far more than its model's window holds, and goes on.

    python examples/agents_sdk_minimal.py

Runs offline: the model is a strict local imitation of OpenAI whose `gpt-4` refuses, as the real one
does, whatever exceeds 8,192 tokens. The lines marked below are the whole integration. Or leave them
out and change nothing at all:

    opentelemetry-instrument --traces_exporter console python examples/agents_sdk_minimal.py
"""

import asyncio

from agents import (
    Agent,
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
    telemetry={"exporter": "console"},  # one JSON line per decision on stderr
    storage={"adapter": "fs", "path": ".compact/archive"},  # what was compacted away
)
# --- the integration: end ---

CHAPTERS = 24


@function_tool
def read_chapter(number: int) -> str:
    """Return a chapter of the report."""
    return f"Chapter {number}: the budget of department D-{number}00 is {number * 137} euros. " * 30


def model(request: ModelRequest) -> Step:
    """Play the model: read the chapter that was asked for, then answer."""
    newest = request.items[-1]
    if newest.get("role") == "user":
        number = int(newest["content"].split()[-1])
        return Step(calls=[("read_chapter", {"number": number})])
    return Step(f"I have read it: {newest['output'][:60]}")


async def main() -> None:
    set_tracing_disabled(True)  # the SDK would send its own traces to OpenAI
    with LocalOpenAI(model, context_window=8_192) as api:
        agent = Agent(
            name="reader",
            instructions="You read reports and remember every figure.",
            model=OpenAIResponsesModel("gpt-4", openai_client=api.client()),
            tools=[read_chapter],
        )
        session = SQLiteSession("report")
        for number in range(1, CHAPTERS + 1):
            result = await Runner.run(agent, f"Please read chapter {number}", session=session)
        sizes = [request.tokens for request in api.requests]
    print(result.final_output)
    print(f"{len(sizes)} model calls, the largest had {max(sizes):,} tokens")


asyncio.run(main())
