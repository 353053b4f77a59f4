"""Several agents over one conversation, each with the window and the rules that suit it.

    python examples/multi_agent.py           # offline, some seconds
    python examples/multi_agent.py --live    # with OPENAI_API_KEY: some 90 calls of a model

A clerk hands customers over to the workshop or to billing; billing asks an auditor, which is an
agent used as a tool, with a history of its own. The workshop runs on a model with a smaller window,
and billing keeps more calls of its tools: both are settings by the name of the agent. What each of
them compacted is read from the spans, as an operator would see it.
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
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import compact_otel
from compact_otel.testing import LocalOpenAI, ModelRequest, Step

ROUNDS = 20


@function_tool
def invoice(number: int) -> str:
    """Return an invoice."""
    rows = "\n".join(
        f"position {row}: pump seal {row * 7}, {row * 3} euros" for row in range(1, 30)
    )
    return f"Invoice {number}, customer C-{number * 11}\n{rows}\ntotal: {number * 100} euros"


@function_tool
def repair_log(machine: str) -> str:
    """Return what was done to a machine."""
    return "\n".join(
        f"day {day}: {machine} ran {day * 5} hours, oil at {day}" for day in range(1, 60)
    )


def play(request: ModelRequest) -> Step:
    """Play the models of all agents: told apart by the instructions they get."""
    who, asked = request.instructions or "", request.newest_user_text
    number = int("".join(filter(str.isdigit, asked.split(":")[0])))
    if "auditor" in who:
        return Step(f"Invoice {number} is right.")
    wanted = "workshop" if "machine" in asked else "billing"
    if wanted not in who:
        return Step(calls=[(f"transfer_to_{wanted}", {})])
    newest = request.items[-1]
    found = str(newest["output"]) if newest.get("type") == "function_call_output" else ""
    return in_workshop(number, found) if wanted == "workshop" else in_billing(number, found)


def in_workshop(number: int, found: str) -> Step:
    """Look at the log of the machine, then answer."""
    if "ran 5 hours" in found:
        return Step(f"Machine M-{number} is fine; {'it was looked after every day. ' * 12}")
    return Step(calls=[("repair_log", {"machine": f"M-{number}"})])


def in_billing(number: int, found: str) -> Step:
    """Look at the invoice, ask the auditor, then answer."""
    if "is right" in found:
        return Step(f"Invoice {number} comes to {number * 100} euros, says the auditor, too.")
    if "total" in found:
        return Step(calls=[("ask_auditor", {"input": f"Invoice {number}: is it right?"})])
    return Step(calls=[("invoice", {"number": number})])


async def main(model: Model | None) -> None:
    """Serve customers by turns, then say who compacted what; None is the SDK's default model."""
    set_tracing_disabled(True)  # the SDK would send its own traces to OpenAI
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    compact_otel.instrument(
        max_context_tokens=8_000,
        agents={
            "workshop": {"max_context_tokens": 6_000, "strategy": "decision_log"},
            "billing": {"keep_tool_io_pairs": 8},
        },
        tracer_provider=provider,
    )
    auditor = Agent("auditor", instructions="You are the auditor.", model=model)
    as_tool = auditor.as_tool("ask_auditor", "Ask whether an invoice is right.")
    billing = Agent(
        "billing", instructions="You are billing.", model=model, tools=[invoice, as_tool]
    )
    workshop = Agent(
        "workshop", instructions="You are the workshop.", model=model, tools=[repair_log]
    )
    clerk = Agent(
        "clerk",
        instructions="You are the clerk.",
        model=model,
        handoffs=[billing, workshop],
    )
    session = SQLiteSession("shop")
    for number in range(1, ROUNDS + 1):
        what = "is the machine all right?" if number % 2 else "what does the invoice come to?"
        result = await Runner.run(clerk, f"Customer {number}: {what}", session=session)
        print(f"{result.last_agent.name:9}{result.final_output[:60]}")
    print("\ncompacted:")
    for span in spans.get_finished_spans():
        told = span.attributes or {}
        if told.get("compact.outcome") == "compacted":
            print(
                f"  for {told['gen_ai.agent.name']:9}"
                f"{told['compact.tokens.before']:6,} -> {told['compact.tokens.after']:6,} tokens"
            )


if __name__ == "__main__":
    if "--live" in sys.argv:
        asyncio.run(main(None))
    else:
        with LocalOpenAI(play, context_window=8_192) as api:
            asyncio.run(main(OpenAIResponsesModel("gpt-4", api.client())))
        refused = sum(request.error is not None for request in api.requests)
        print(f"{len(api.requests)} model calls, {refused} refused")
        if refused:
            sys.exit("a call did not fit")
