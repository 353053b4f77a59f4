"""The model of a scenario, which also holds each request against what has to be in it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from compact_otel.summarizers.prompts import PROMPTS
from compact_otel.testing import ModelRequest, Step
from tests.histories import is_summary
from tests.soak.scenario import Scenario
from tests.soak.words import text

WRITER = "writer-of-summaries"
"""The model that is asked for summaries, where another one than the agent's is."""

_BEHIND = PROMPTS.prefix_frame[:40]
_ABOVE = PROMPTS.frame[:40]


class Playing:
    """Calls the tools of a turn, then answers.

    Attributes:
        turn: The number of the turn that is led.
        newest: The text of the last request for the agent.
        lacking: Requests for the agent without their question or the rule.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.turn = 0
        self.newest = ""
        self.lacking: list[str] = []
        self._scenario = scenario
        self._failed: set[str] = set()
        self._rounds: Counter[int] = Counter()

    def __call__(self, request: ModelRequest) -> Step:
        """Return what the model does."""
        if is_for_summary(request.model, request.instructions, request.items):
            return self._summary(request)
        self._look_at(request)
        turn = self._scenario.turns[self.turn]
        if turn.fault in ("rate limit", "server error") and self._once(f"{self.turn}"):
            limited = turn.fault == "rate limit"
            return Step(status=429 if limited else 500, error={"message": "try again"})
        made = self._rounds[self.turn]  # what it did before may have been compacted away
        self._rounds[self.turn] += 1
        how: dict[str, Any] = {
            "delay_s": 0.05 if turn.fault == "slow" else 0.0,
            "reasoning": self._scenario.reasons,
        }
        if turn.hands_over:
            if not made:
                other = next(name for name in request.tools if name.startswith("transfer_to_"))
                return Step(calls=[(other, {})], **how)
            made -= 1
        if made < len(turn.rounds):
            return Step(calls=[("look_up", call) for call in turn.rounds[made]], **how)
        return Step(self._scenario.answer(self.turn), **how)

    def _look_at(self, request: ModelRequest) -> None:
        self.newest = request.text
        if _said_last(request) != self._scenario.turns[self.turn].asked:
            self.lacking.append(f"request {request.number} lacks the question")
        rule = self._scenario.rule
        if rule is not None and {"role": "user", "content": rule} not in request.items:
            self.lacking.append(f"request {request.number} lacks the rule")

    def _summary(self, request: ModelRequest) -> Step:
        faults = {turn.fault for turn in self._scenario.turns}
        if "summary fails" in faults and self._once("summary"):
            return Step(status=500, error={"message": "no summary today"})
        words = 9_000 if "summary too long" in faults and self._once("long") else 60
        return Step(f"So far: {text(random.Random(request.number), words)}")

    def _once(self, what: str) -> bool:
        first = what not in self._failed
        self._failed.add(what)
        return first


def _said_last(request: ModelRequest) -> str:
    """Return what the user said last; a summary behind it may be a user's message, too."""
    said = [item for item in request.items if not is_summary(item)]
    return replace(request, items=said).newest_user_text


def is_for_summary(model: object, instructions: object, items: Any) -> bool:
    """Say whether a request is no call of the agent, but asks for a summary."""
    if model == WRITER or str(instructions).startswith(_ABOVE):
        return True
    newest = items[-1] if items else {}
    content = newest.get("content") if isinstance(newest, Mapping) else None
    if isinstance(content, list) and content:
        content = content[0].get("text")
    return newest.get("role") == "user" and str(content).startswith(_BEHIND)
