"""A run to look at in the Ariadne viewer: turns, tools, a handoff, compactions and what fails.

    uv run python tests/bench/viewer.py [--requests N]

Open the page of the viewer first: it shows what comes while it is open. The agents are those of the
real SDK, the model is a local imitation, and a summary takes one and a half seconds, so that it can
be seen that the decision stands there before its compaction is over. The second summary fails.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

from agents import Agent, OpenAIResponsesModel, RunConfig, Runner, SQLiteSession, function_tool
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import compact_otel
from compact_otel.testing import LocalOpenAI, ModelRequest, Step

ANSWER_S, SUMMARY_S = 0.2, 1.5
BROKEN_ORDER, FAILING_SUMMARY = 7732, 2


class Writer:
    """Writes summaries slowly, and one of them not at all."""

    def __init__(self) -> None:
        self._asked = 0

    def summarize(self, request: Any) -> str:
        """Return a summary of sorts."""
        self._asked += 1
        time.sleep(SUMMARY_S)
        if self._asked == FAILING_SUMMARY:
            raise TimeoutError("the model that writes summaries is away")
        return "The customer asks about orders, and wants refunds within 30 days of delivery."


@function_tool
def read_order(number: int) -> str:
    """Return an order."""
    return f"Order {number}: item A-{number}, paid {number * 3} euros, delivered. " * 60


@function_tool
def refund(number: int) -> str:
    """Pay an order back."""
    raise ConnectionError(f"the payment service is away, order {number} waits")


def model(request: ModelRequest) -> Step:
    """Play the model: hand over, use a tool, answer."""
    time.sleep(ANSWER_S)
    newest = request.items[-1]
    if "transfer_to_orders" in request.tools:
        return Step(calls=[("transfer_to_orders", {})])
    if newest.get("type") == "function_call_output" and "assistant" not in str(newest["output"]):
        return Step(f"I have seen to it: {str(newest['output'])[:30]}")
    number = int(request.newest_user_text.split()[-1])
    return Step(calls=[("refund" if number == BROKEN_ORDER else "read_order", {"number": number})])


async def run(requests: int) -> None:
    """Answer so many requests of a customer."""
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    compact_otel.instrument(
        max_context_tokens=8_192,
        soft_trigger_pct=0,
        storage={"adapter": "none"},
        summarizer=Writer(),
        telemetry={"exporter": "ariadne", "agent_spans": "on"},
        tracer_provider=provider,
    )
    with LocalOpenAI(model, context_window=8_192) as api:
        speaks = OpenAIResponsesModel("gpt-4", openai_client=api.client())
        orders = Agent(name="orders", model=speaks, tools=[read_order, refund])
        reception = Agent(name="reception", model=speaks, handoffs=[orders])
        session = SQLiteSession("customer-1")
        for number in range(7_730, 7_730 + requests):
            await Runner.run(
                reception,
                f"Please look at order {number}",
                session=session,
                run_config=RunConfig(group_id="customer-1"),
            )
    provider.shutdown()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=11, help="of the customer, in one session")
    asyncio.run(run(parser.parse_args().requests))


if __name__ == "__main__":
    main()
