"""One conversation with the real SDK against the strict local server, and what came of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
)
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

import compact_otel
from compact_otel.testing import LocalOpenAI
from tests.soak.scenario import WRITER, Playing, Scenario, text

OVERFLOW, WORDS = "context_length_exceeded", "context window"
PASSING = (429, 500)
"""What the provider answers now and then; its client asks again."""


@dataclass
class Outcome:
    """What came of a conversation.

    Attributes:
        seed: Which one it was.
        turns: Turns that were answered.
        failed: What ended it, None if nothing did.
        overflows: Calls that the agent saw fail because of the context window.
        rescued: Calls that the server refused as too large, and that went through smaller.
        illegal: What the server said of requests that broke its rules.
        over_budget: Compactions whose result was larger than it may be.
        events: How many of each.
        calls: Requests for the agent.
        tokens: Tokens of all that was said.
    """

    seed: int
    turns: int = 0
    failed: str | None = None
    overflows: int = 0
    rescued: int = 0
    illegal: list[str] = field(default_factory=list)
    over_budget: int = 0
    events: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    largest: float = 0.0


class Watching:
    """An exporter that counts events, and holds each result against its budget."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._budget = 0

    def export(self, event: Mapping[str, Any]) -> None:
        """Take an event."""
        name = event["event"]
        self._outcome.events[name] += 1
        if name == "compact.trigger_decision" and event["compact.trigger.decision"] == "compact":
            self._budget = event["compact.tokens.budget"]
        if name == "compact.token_estimate" and event.get("compact.tokens.after"):
            self._outcome.over_budget += event["compact.tokens.after"] > self._budget


@function_tool
def look_up(words: int, at: str) -> str:
    """Return what is known of something."""
    return text(random.Random(at), words)


async def run(scenario: Scenario) -> Outcome:
    """Lead a conversation to its end."""
    outcome = Outcome(scenario.seed)
    playing = LocalOpenAI(
        Playing(scenario), context_window=scenario.window, token_skew=scenario.skew
    )
    with playing as api:
        client = AsyncOpenAI(
            base_url=api.base_url,
            api_key="local",
            max_retries=2,
            http_client=DefaultAsyncHttpxClient(trust_env=False),
        )
        client._calculate_retry_timeout = lambda *_: 0.001  # type: ignore[method-assign]
        settings = dict(scenario.settings)
        if settings.pop("summarizer", None):
            settings["summarizer"] = compact_otel.OpenAISummarizer(WRITER, client=client, timeout=5)
        compact_otel.instrument(**settings, exporters=[Watching(outcome)])
        try:
            await _converse(scenario, client, outcome)
        except Exception as error:  # noqa: BLE001 - it is what is looked for
            outcome.failed = f"{type(error).__name__}: {error}"[:300]
            outcome.overflows += getattr(error, "code", None) == OVERFLOW or WORDS in str(error)
        finally:
            compact_otel.uninstrument()
            await client.close()
        for request in api.requests:
            if request.body["model"] == WRITER:
                continue  # it asks again in smaller parts
            outcome.calls += 1
            outcome.largest = max(outcome.largest, request.tokens / scenario.window)
            if request.error is None or request.status in PASSING:
                continue  # answered, or asked again by the client
            if request.error_code == OVERFLOW:
                outcome.rescued += 1
            else:
                outcome.illegal.append(str(request.error)[:300])
    return outcome


async def _converse(scenario: Scenario, client: AsyncOpenAI, outcome: Outcome) -> None:
    kind = OpenAIResponsesModel if scenario.api == "responses" else OpenAIChatCompletionsModel
    agent = Agent(
        "soaked",
        instructions="Answer questions, and look up what you do not know.",
        model=kind(scenario.model, client),
        tools=[look_up],
    )
    session = SQLiteSession(f"soak-{scenario.seed}")
    for turn in scenario.turns:
        if scenario.stream:
            result = Runner.run_streamed(agent, turn.asked, session=session)
            async for _ in result.stream_events():
                pass
        else:
            result = await Runner.run(agent, turn.asked, session=session)
        assert str(result.final_output).startswith("Answer "), result.final_output
        outcome.turns += 1
    session.close()
