"""What is run under the bridges: a clerk with a tool, an expert it hands over to or asks."""

import asyncio

from agents import (
    Agent,
    GuardrailFunctionOutput,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    input_guardrail,
)

from compact_otel.testing import Step
from tests.paths.program import MODEL, look_up, looks_up_then_answers

MODELS = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}


@input_guardrail
async def harmless(context, agent, input):
    """Pass everything. Beside a guardrail the first model call runs in a task of its own."""
    await asyncio.sleep(0.01)
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)


def looks_up_then_hands_over(request):
    """Play a clerk that calls a tool and hands over, and an expert that answers."""
    if "transfer_to_edgar" not in request.tools:
        return Step("The expert answers.")
    if request.items[-1].get("role") == "user":
        return looks_up_then_answers(request)
    return Step(calls=[("transfer_to_edgar", {})], reasoning=True)


def clerk_with_handoff(kind, client):
    model = MODELS[kind](MODEL, client)
    expert = Agent("Edgar", model=model)
    return Agent(
        "Clara", model=model, tools=[look_up], handoffs=[expert], input_guardrails=[harmless]
    )


def asks_twice_at_once(request):
    """Play a clerk that asks the expert two things at once, and an expert that looks both up."""
    if "ask" not in request.tools:
        return looks_up_then_answers(request)
    if request.items[-1].get("role") == "user":
        return Step(calls=[("ask", {"input": name}) for name in ("alpha", "beta")], reasoning=True)
    return Step("Both are known.")


def clerk_with_expert(kind, client):
    model = MODELS[kind](MODEL, client)
    tool = Agent("Edgar", model=model, tools=[look_up]).as_tool("ask", "Asks the expert.")
    return Agent("Clara", model=model, tools=[tool])
