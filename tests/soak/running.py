"""One conversation with the real SDK against the strict local server, and what came of it."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
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
from tests.soak import archives
from tests.soak.playing import WRITER, Playing, is_for_summary
from tests.soak.scenario import Scenario
from tests.soak.words import Kind, looked_up

OVERFLOW, WORDS = "context_length_exceeded", "context window"
PASSING = (429, 500)
"""What the provider answers now and then; its client asks again."""
OURS = ("estimate", "decide", "assemble", "verify", "archive")
"""Stages in which nobody else can fail here."""
_TLS = ssl.create_default_context()  # reading all certificates anew takes longer than ten calls
_KEY = b64encode(bytes(range(32))).decode()


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
        lacking: Requests without the newest question, or without what is protected.
        over_budget: Compactions whose result was larger than it may be.
        ours: What failed in a stage of ours, and was passed over.
        archive: What is wrong with the archive.
        events: How many of each.
        calls: Requests for the agent.
        largest: The largest of them, as a share of the window.
        worker: The process that led it.
        memory: Bytes that it had resident afterwards.
    """

    seed: int
    turns: int = 0
    failed: str | None = None
    overflows: int = 0
    rescued: int = 0
    illegal: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    over_budget: int = 0
    ours: list[str] = field(default_factory=list)
    archive: list[str] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    largest: float = 0.0
    worker: int = 0
    memory: int = 0


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
        if name == "compact.error" and event["compact.failure.stage"] in OURS:
            self._outcome.ours.append(
                "{compact.failure.stage}: {error.type}: {compact.failure.message}".format(**event)
            )


@function_tool
def look_up(words: int, at: str, kind: Kind) -> str:
    """Return what is known of something."""
    return looked_up(words, at, kind)


async def run(scenario: Scenario) -> Outcome:
    """Lead a conversation to its end."""
    # What a thread of ours still writes when all is over must not end the other conversations.
    with TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        return await _Conversation(scenario, Path(folder)).led()


class _Conversation:
    """A conversation that is led once."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self._scenario = scenario
        self._name = f"soak-{scenario.seed}"
        self._folder = folder
        self._outcome = Outcome(scenario.seed)
        self._playing = Playing(scenario)
        self._storages: list[Any] = []
        self._client: AsyncOpenAI

    async def led(self) -> Outcome:
        scenario, outcome = self._scenario, self._outcome
        serving = LocalOpenAI(
            self._playing,
            context_window=scenario.window,
            token_skew=scenario.skew,
            overflow=scenario.overflow,
        )
        with serving as api:
            self._client = AsyncOpenAI(
                base_url=api.base_url,
                api_key="local",
                max_retries=2,
                http_client=DefaultAsyncHttpxClient(trust_env=False, verify=_TLS),
            )
            self._client._calculate_retry_timeout = lambda *_: 0.001  # type: ignore[method-assign]
            try:
                await self._converse()
            except Exception as error:  # noqa: BLE001 - it is what is looked for
                outcome.failed = f"{type(error).__name__}: {error}"[:300]
                outcome.overflows += getattr(error, "code", None) == OVERFLOW or WORDS in str(error)
            finally:
                compact_otel.uninstrument()
                await self._client.close()
            self._look_at_requests(api)
        outcome.lacking = self._playing.lacking
        if self._storages:
            outcome.archive = archives.faults(
                self._storages,
                self._name,
                self._folder,
                self._dropped(),
                redacts=scenario.redacts,
            )
        return outcome

    def _switch_on(self) -> None:
        """Start the program, again if it has run before."""
        scenario = self._scenario
        compact_otel.uninstrument()
        manager = compact_otel.instrument(
            **scenario.settings,
            max_context_tokens=scenario.believed,
            storage=self._storage(),
            redaction={"enabled": scenario.redacts},
            exporters=[Watching(self._outcome)],
            **self._summarizer(),
        )
        if manager is not None and manager.storage is not None:
            self._storages.append(manager.storage)

    def _storage(self) -> dict[str, Any]:
        kept = self._scenario.kept
        if kept == "memory":
            return {"adapter": "memory"}
        how = {"encrypted": {"encryption_key": _KEY}, "compressed": {"compress": True}}
        return {"adapter": "fs", "path": str(self._folder), **how.get(kept, {})}

    def _summarizer(self) -> dict[str, Any]:
        asked = {"client": self._client, "timeout": 5.0}
        match self._scenario.summaries:
            case "transcript":
                return {"summarizer": compact_otel.OpenAISummarizer(WRITER, **asked)}
            case "prefix":
                model = self._scenario.model
                asked = {**asked, "shape": "prefix"}
                return {"summarizer": compact_otel.OpenAISummarizer(model, **asked)}
            case "native":
                return {"summarizer": {"native": True, "timeout": 5.0}}
        return {}

    async def _converse(self) -> None:
        scenario, outcome = self._scenario, self._outcome
        agent = self._agents()
        session = SQLiteSession(self._name)
        if scenario.rule is not None:
            await session.add_items([compact_otel.protect(scenario.rule, "rule")])
        self._switch_on()
        for number, turn in enumerate(scenario.turns):
            self._playing.turn = number
            if number == scenario.restarts:
                self._switch_on()
            if scenario.stream:
                result: Any = Runner.run_streamed(agent, turn.asked, session=session)
                async for _ in result.stream_events():
                    pass
            else:
                result = await Runner.run(agent, turn.asked, session=session)
            assert result.final_output == scenario.answer(number), result.final_output
            agent = result.last_agent
            outcome.turns += 1
        session.close()

    def _agents(self) -> Agent[Any]:
        """Return an agent that may hand over to another one, if that is ever done."""
        scenario = self._scenario
        kind = OpenAIResponsesModel if scenario.api == "responses" else OpenAIChatCompletionsModel
        first, second = (
            Agent[Any](
                name,
                instructions=f"You are the {name}. Answer, and look up what you do not know.",
                model=kind(scenario.model, self._client),
                tools=[look_up],
            )
            for name in ("clerk", "expert")
        )
        if any(turn.hands_over for turn in scenario.turns):
            first.handoffs, second.handoffs = [second], [first]
        return first

    def _look_at_requests(self, api: LocalOpenAI) -> None:
        outcome = self._outcome
        for request in api.requests:
            body = request.body
            is_agents = not request.path.endswith("/compact") and not is_for_summary(
                body["model"], body.get("instructions"), request.items
            )
            if is_agents:
                outcome.calls += 1
                outcome.largest = max(outcome.largest, request.tokens / self._scenario.window)
            if request.error is None or request.status in PASSING:
                continue  # answered, or asked again by the client
            if request.error_code == OVERFLOW:
                outcome.rescued += is_agents  # a summary is asked for again in smaller parts
            else:
                outcome.illegal.append(str(request.error)[:300])

    def _dropped(self) -> list[str]:
        """Return what was said in turns that are over, and is not in the last request."""
        said = self._scenario.said(self._outcome.turns - 1)
        return [one for one in said if one not in self._playing.newest]
