"""The program of these tests: an agent with a history and a tool, or in a session of many turns."""

import time

from agents import Agent, OpenAIResponsesModel, SQLiteSession, function_tool
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from compact_otel.testing import Step
from tests.paths.program import MODEL, WAYS

WINDOW = 6000

EARLY = {"trigger_pct": 0.4, "target_pct": 0.25, "keep_recent_turns": 2, "keep_tool_io_pairs": 1}
"""Compacts the history of `earlier()`, which fits: with us and without us the run gets through."""

BOUND_S = 20
"""Far above what a run takes here, far below what a `Hang` lasts."""

TURNS = 5
QUESTION = "What do you know of customer 7"


def earlier(rounds=9):
    """Return a history of about 420 tokens a round, tool calls in it, and a question behind it."""
    items = []
    for n in range(rounds):
        items += [
            {"role": "user", "content": f"Look up order #{n}. " + "please " * 120},
            {
                "type": "function_call",
                "call_id": f"call_{n}",
                "name": "look_up",
                "arguments": f'{{"question": "order #{n}"}}',
            },
            {
                "type": "function_call_output",
                "call_id": f"call_{n}",
                "output": f"order #{n} is paid " + "indeed " * 120,
            },
            {"role": "assistant", "content": f"Order #{n} is paid. " + "really " * 120},
        ]
    return [*items, {"role": "user", "content": QUESTION}]


@function_tool
def look_up(question: str) -> str:
    """Return a long record."""
    number = question.rsplit(maxsplit=1)[-1]
    return "\n".join(f"order #{number}{n:03d} of customer c_{number}: paid" for n in range(140))


def looks_up_then_answers(request):
    """Play a model that calls a tool after each question and answers from its output."""
    newest = request.items[-1]
    if newest.get("role") == "user":
        asked = [("look_up", {"question": request.newest_user_text})]
        return Step(calls=asked, reasoning=True, reasoning_tokens=0)
    said = f"The record says: {str(newest.get('output'))[:60]}"
    return Step(said, reasoning=True, reasoning_tokens=0)


def client_of(base_url):
    """Return a client without certificates: to load them takes as long as a run does here."""
    http = DefaultAsyncHttpxClient(trust_env=False, verify=False)
    return AsyncOpenAI(base_url=base_url, api_key="local", max_retries=0, http_client=http)


async def answer(api, way="run"):
    """Run the agent over the history of `earlier()`; return all that a program sees of the run."""
    history = earlier()
    async with client_of(api.base_url) as client:
        agent = Agent("clerk", tools=[look_up], model=OpenAIResponsesModel(MODEL, client))
        result = await WAYS[way](agent, history)
    assert history == earlier(), "the program's own list"
    return result.final_output, [_plain(item) for item in result.to_input_list()]


async def converse(api, way="run", turns=TURNS):
    """Run the agent turn by turn in a session; return the answers and what the session holds."""
    session = SQLiteSession("many turns")
    answers = []
    async with client_of(api.base_url) as client:
        agent = Agent("clerk", tools=[look_up], model=OpenAIResponsesModel(MODEL, client))
        for turn in range(turns):
            result = await WAYS[way](agent, f"What of customer {turn}", session=session)
            answers.append(result.final_output)
    return answers, [_plain(item) for item in await session.get_items()]


def _plain(item):
    """Return an item without what the server makes up."""
    return {key: value for key, value in item.items() if key not in ("id", "call_id")}


async def timed(running):
    """Return what a run gives, and the seconds it took."""
    began = time.monotonic()
    return await running, time.monotonic() - began
