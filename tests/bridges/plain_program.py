"""A program that knows neither OpenTelemetry nor us: a clerk with a tool is asked twice."""

import asyncio

from agents import Agent, OpenAIResponsesModel, Runner, function_tool

from compact_otel.testing import LocalOpenAI, Step


@function_tool
def look_up(question: str) -> str:
    """Return the record."""
    return f"the record of {question}"


def model(request):
    if request.items[-1].get("role") == "user":
        return Step(calls=[("look_up", {"question": "7"})])
    return Step("I found it.")


async def main():
    with LocalOpenAI(model) as api:
        async with api.client() as client:
            agent = Agent("Clara", model=OpenAIResponsesModel("gpt-4.1-mini", client))
            agent.tools.append(look_up)
            await Runner.run(agent, "What of customer 7?")
            streamed = Runner.run_streamed(agent, "And of customer 8?")
            async for _ in streamed.stream_events():
                pass


asyncio.run(main())
