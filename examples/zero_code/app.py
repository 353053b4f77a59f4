"""An ordinary program with the Agents SDK, which knows nothing of compact_otel.

    opentelemetry-instrument --traces_exporter console python examples/zero_code/app.py

asks OpenAI, with OPENAI_API_KEY, or the server that OPENAI_BASE_URL names; OPENAI_DEFAULT_MODEL is
the model. `run.py` beside it runs this program offline, as it is and instrumented from outside.
"""

import asyncio

from agents import Agent, Runner, SQLiteSession, function_tool

CHAPTERS = 24


@function_tool
def read_chapter(number: int) -> str:
    """Return a chapter of the report."""
    return f"Chapter {number}: the budget of department D-{number}00 is {number * 137} euros. " * 30


async def main() -> None:
    agent = Agent("reader", instructions="You read reports, briefly.", tools=[read_chapter])
    session = SQLiteSession("report")
    for number in range(1, CHAPTERS + 1):
        result = await Runner.run(agent, f"Please read chapter {number}", session=session)
        print(f"chapter {number}: {result.final_output}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
