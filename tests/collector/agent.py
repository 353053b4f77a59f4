"""A program whose calls come out in every way there is; runs below `opentelemetry-instrument`.

    opentelemetry-instrument python -m tests.collector.agent

Each case is a trace of its own, with the case's name on the root. It also lets its spans tell what
none should, as somebody else's instrumentation might.
"""

import asyncio
import os
import time

from agents import Agent, OpenAIResponsesModel, Runner, SQLiteSession, set_tracing_disabled
from agents.exceptions import AgentsException
from openai import APIError
from opentelemetry import trace

import compact_otel
from compact_otel.recall import RECALL_TOOL, recall_tool
from compact_otel.testing import LocalOpenAI, Step
from tests.paths.program import MODEL, WINDOW, look_up, looks_up_then_answers, talk

KEY = "sk-" + "planted0secret0" * 2
MAIL = "clara.example@example.com"
CANARY = "canary-of-the-conversation"

ROUNDS = 2
"""How often all cases are run: from the second time on counters increase."""

PAUSE_S = 2.5
"""Between the rounds, so that each of them is exported and scraped."""


class Broken:
    """A summariser that cannot reach its model."""

    name = "broken"

    def summarize(self, request):
        raise ConnectionError(f"no connection with {KEY}")


class Forgetful:
    """A summariser that keeps no fact."""

    name = "forgetful"

    def summarize(self, request):
        return "They spoke of orders."


def answers(request):
    return Step("Goal: to answer.")


def recalls_then_answers(request):
    newest = request.items[-1]
    if newest.get("type") == "function_call_output":
        return Step("Now I know.")
    return Step(calls=[(RECALL_TOOL, {"query": "order #2"})])


async def ask(history, behave=looks_up_then_answers, window=WINDOW, tools=(look_up,), **options):
    """Ask an agent over a history, compacted as the options say."""
    compact_otel.uninstrument()
    compact_otel.instrument(**{"max_context_tokens": WINDOW, "hard_cap_buffer": 200, **options})
    with LocalOpenAI(behave, context_window=window) as api:
        os.environ.update(OPENAI_BASE_URL=api.base_url, OPENAI_API_KEY="local")
        agent = Agent("clerk", tools=list(tools), model=OpenAIResponsesModel(MODEL, api.client()))
        session = SQLiteSession(f"session-{time.monotonic_ns()}")
        await session.add_items(history[:-1])
        await Runner.run(agent, history[-1]["content"], session=session)


CASES = {
    "skipped": lambda: ask(talk(2, CANARY)),
    "compacted": lambda: ask(talk(question=CANARY)),
    "fallback": lambda: ask(talk(), summarizer=Broken(), soft_trigger_pct=0),
    # The newest message alone is too large, and must stay; the provider takes it all the same.
    "error": lambda: ask(talk(1, "word " * 7000), answers, window=20_000),
    "rescued": lambda: ask(talk(), answers, window=3000, max_context_tokens=12_000),
    "lost": lambda: ask(talk(), answers, window=150, max_context_tokens=12_000),
    "recalled": lambda: ask(
        talk(), recalls_then_answers, tools=[recall_tool()], summarizer=Forgetful()
    ),
    "written": lambda: ask(
        talk(), answers, summarizer={"model": "gpt-4.1-nano"}, soft_trigger_pct=0
    ),
}


async def main():
    set_tracing_disabled(True)
    tracer = trace.get_tracer("application")
    for _ in range(ROUNDS):
        for name, run in CASES.items():
            with tracer.start_as_current_span(name) as span:
                span.set_attribute("customer.note", f"{MAIL} uses {KEY}")
                span.add_event("note", {"keys": [KEY, "harmless"]})
                try:
                    await run()
                except (AgentsException, APIError):
                    if name != "lost":
                        raise
        await asyncio.sleep(PAUSE_S)


if __name__ == "__main__":
    asyncio.run(main())
