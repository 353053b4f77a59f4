"""The program of these tests: an agent with a tool, and all that its user sees of a run."""

from __future__ import annotations

import asyncio
import gc
from contextlib import contextmanager
from dataclasses import dataclass, field

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
)
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from compact_otel.testing import Step
from tests.sabotage.program import earlier

MODEL = "gpt-4.1-mini"
MODELS = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}
PATHS = {"responses": "/v1/responses", "chat": "/v1/chat/completions"}

HANGS_S = 30
"""Far above what all time limits together allow; what takes longer hangs."""

STALL_S = 1.0
"""What the program's own client waits for bytes where it has to wait in vain."""


def more(number):
    """Return another history of about 4,000 tokens; enough for one more compaction."""
    ids = {"call_id": f"_{number}"}
    return [
        {name: f"{value}{ids.get(name, '')}" for name, value in item.items()}
        for item in earlier()[:-1]
    ]


def looks_up_then_answers(request):
    """Play a model that calls a tool after each question and answers from its output."""
    newest = request.items[-1]
    if newest.get("role") == "user":
        return Step(calls=[("look_up", {"question": request.newest_user_text})])
    said = newest.get("output") or newest.get("content")
    return Step(f"The record says: {str(said)[:200]}")


def client_of(base_url, retries=2, timeout=HANGS_S):
    """Return a client that asks again as any other does, only sooner."""
    client = AsyncOpenAI(
        base_url=base_url,
        api_key="local",
        max_retries=retries,
        timeout=timeout,
        http_client=DefaultAsyncHttpxClient(trust_env=False, verify=False),
    )
    client._calculate_retry_timeout = lambda *_: 0.001
    return client


@dataclass
class Seen:
    """What the user of a program sees.

    Attributes:
        turns: Of each turn its answer, or the error that ended it.
        looked_up: What the tool was asked, in its order.
        shown: Types of the events of streamed answers.
        items: What the session holds in the end, without what the server makes up.
    """

    turns: list = field(default_factory=list)
    looked_up: list = field(default_factory=list)
    shown: list = field(default_factory=list)
    items: list = field(default_factory=list)


async def converse(
    base_url, questions, *, api="responses", streamed=False, session=None, **client_options
):
    """Lead a conversation that goes on after a turn that failed; return what is seen of it."""
    seen = Seen()

    @function_tool
    def look_up(question: str) -> str:
        """Return the record."""
        seen.looked_up.append(question)
        return f"the record of {question}"

    if session is None:
        session = SQLiteSession("chaos")
        await session.add_items(earlier()[:-1])
    async with asyncio.timeout(HANGS_S), client_of(base_url, **client_options) as client:
        agent = Agent("clerk", tools=[look_up], model=MODELS[api](MODEL, client))
        with _collected_here():
            for question in questions:
                try:
                    seen.turns.append(await _answer(agent, question, session, seen, streamed))
                except Exception as error:  # noqa: BLE001 - whatever a program is told
                    seen.turns.append(_told(error))
    seen.items = [_plain(item) for item in await session.get_items()]
    return seen


@contextmanager
def _collected_here():
    """Let no other thread collect what the client leaves of a stream that broke.

    These are generators in a cycle, with us and without. The first that is collected is closed by
    the loop it belongs to, and closes the others; a collection in the server's thread may come to
    one of them just then, and tells that it is "already executing".
    """
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.enable()


async def _answer(agent, question, session, seen, streamed):
    if not streamed:
        return (await Runner.run(agent, question, session=session)).final_output
    result = Runner.run_streamed(agent, question, session=session)
    async for event in result.stream_events():
        if event.type == "raw_response_event":
            seen.shown.append(event.data.type)
    return result.final_output


def _told(error):
    """Return what a program can tell an error by."""
    return type(error).__name__, getattr(error, "status_code", None), getattr(error, "code", None)


def _plain(item):
    made_up = ("id", "call_id", "provider_data")
    return {key: value for key, value in item.items() if key not in made_up}
