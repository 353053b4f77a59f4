"""Conversations as no two are alike: drawn from a seed, so that each can be had again."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from compact_otel.testing import ModelRequest, Step

MODELS = ("gpt-4", "gpt-4o", "gpt-4.1-mini", "gpt-5.4", "o4-mini", "local/some-model")
STRATEGIES = ("task_state", "brief", "decision_log", "code_delta")
SIZES = (0.5, 1.2, 1.6, 2, 3, 10)
"""Windows that a conversation is long."""

WRITER = "writer-of-summaries"
"""The model that is asked for summaries, where one is."""

WORDS = re.findall(
    r"\S+",
    "order invoice parcel pump seal valve customer refund date price branch commit test module "
    "file error retry server window token Vienna Lisbon Osaka 2026-03-14 A-1771 41.50 EUR",
)

Fault = Literal["rate limit", "server error", "slow", "summary fails", "summary too long"]


@dataclass(frozen=True)
class Turn:
    """What a user asks, and what the agent does about it.

    Attributes:
        asked: The question.
        outputs: For each round of calls, the sizes of what the tools return, in words.
        said: Words of the answer.
        fault: What goes wrong on the provider's side, if anything.
    """

    asked: str
    outputs: tuple[tuple[int, ...], ...]
    said: int
    fault: Fault | None


@dataclass(frozen=True)
class Scenario:
    """A conversation.

    Attributes:
        seed: Draws it.
        size: How many windows long it is, about.
    """

    seed: int
    size: float = 0.0
    api: Literal["responses", "chat"] = "responses"
    stream: bool = False
    window: int = 0
    model: str = ""
    skew: float = 1.0
    turns: tuple[Turn, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def drawn(cls, seed: int, size: float | None = None) -> Scenario:
        """Return the scenario of a seed."""
        dice = random.Random(seed)
        window = dice.choice((3_000, 4_000, 6_000, 9_000))
        size = size or dice.choices(SIZES, (3, 8, 8, 4, 2, 0.3))[0]
        density = dice.random()
        turns, words = [], 0
        while words < size * window * 0.72 or not turns:  # words of about 1.4 tokens
            turn = _turn(dice, len(turns), density, int(window * 0.16))
            words += len(turn.asked.split()) + turn.said + sum(map(sum, turn.outputs))
            turns.append(turn)
        return cls(
            seed=seed,
            size=size,
            api=dice.choice(("responses", "responses", "chat")),
            stream=dice.random() < 0.4,
            window=window,
            model=dice.choice(MODELS),
            skew=dice.choice((1.0, 1.0, 0.9, 1.1, 1.25)),
            turns=tuple(turns),
            settings=_settings(dice, window),
        )


def _turn(dice: random.Random, number: int, density: float, most: int) -> Turn:
    rounds = []
    while dice.random() < density * 0.7 and len(rounds) < 3:
        calls = dice.choice((1, 1, 1, 2, 3))
        rounds.append(tuple(int(dice.betavariate(1.2, 3) * most / calls) + 1 for _ in range(calls)))
    faults: tuple[Fault, ...] = (
        *("rate limit", "server error", "slow", "summary fails", "summary too long"),
    )
    return Turn(
        asked=f"Question {number}: {text(dice, dice.randint(3, 60))}?",
        outputs=tuple(rounds),
        said=dice.randint(5, max(6, most // 3)),
        fault=dice.choice(faults) if dice.random() < 0.12 else None,
    )


def _settings(dice: random.Random, window: int) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "max_context_tokens": window,
        "hard_cap_buffer": window // 10,
        "trigger_pct": dice.choice((0.6, 0.75, 0.85, 0.9)),
        "target_pct": dice.choice((0.3, 0.4, 0.5)),
        "soft_trigger_pct": dice.choice((0, 0.5, 0.7)),
        "keep_recent_turns": dice.choice((1, 2, 4, 6)),
        "keep_tool_io_pairs": dice.choice((1, 2, 4)),
        "clear_tool_outputs": dice.choice(("off", "superseded", "stale")),
        "keep_user_tokens": dice.choice((0, 500, 20_000)),
        "strategy": dice.choice(STRATEGIES),
        "summary_role": dice.choice(("assistant", "user")),
        "storage": {"adapter": "memory"},
    }
    if dice.random() < 0.3:
        settings["summarizer"] = {"model": WRITER, "timeout": 5.0}
    return settings


def text(dice: random.Random, words: int) -> str:
    """Return so many words."""
    return " ".join(dice.choice(WORDS) for _ in range(words))


class Playing:
    """The model of a scenario: it calls the tools of a turn, then answers."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._failed: set[str] = set()
        self._rounds: Counter[int] = Counter()

    def __call__(self, request: ModelRequest) -> Step:
        """Return what the model does."""
        if request.model == WRITER:
            return self._summary(request)
        number = int(request.newest_user_text.partition(":")[0].removeprefix("Question "))
        turn = self._scenario.turns[number]
        if turn.fault in ("rate limit", "server error") and self._once(f"{number}"):
            limited = turn.fault == "rate limit"
            return Step(status=429 if limited else 500, error={"message": "try again"})
        made = self._rounds[number]  # what it did before may have been compacted away
        self._rounds[number] += 1
        delay = 0.05 if turn.fault == "slow" else 0.0
        dice = random.Random(f"{self._scenario.seed}/{number}/{made}")
        if made < len(turn.outputs):
            calls = [("look_up", {"words": words, "at": f"{number}.{made}.{n}"})
                     for n, words in enumerate(turn.outputs[made])]  # fmt: skip
            return Step(calls=calls, delay_s=delay)
        return Step(f"Answer {number}: {text(dice, turn.said)}.", delay_s=delay)

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
