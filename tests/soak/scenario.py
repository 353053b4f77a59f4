"""Conversations as no two are alike: drawn from a seed, so that each can be had again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Literal

from compact_otel.testing.window import OverflowStyle
from tests.soak.words import KINDS, Kind, looked_up, text

MODELS = ("gpt-4", "gpt-4o", "gpt-4.1-mini", "gpt-5.4", "o4-mini", "local/some-model")
STRATEGIES = ("task_state", "brief", "decision_log", "code_delta")
SIZES = {0.5: 2, 1.2: 9, 1.6: 7, 2: 3, 3: 1, 10: 0.1}
"""How many windows a conversation is long, and how often."""
WINDOWS = {3_000: 5, 4_000: 5, 6_000: 4, 9_000: 2, 16_000: 1, 32_000: 0.7, 128_000: 0.03}
"""Small ones overflow after few calls; large ones are what is used."""

Fault = Literal["rate limit", "server error", "slow", "summary fails", "summary too long"]
FAULTS: tuple[Fault, ...] = (
    *("rate limit", "server error", "slow", "summary fails", "summary too long"),
)
Summaries = Literal["extractive", "transcript", "prefix", "native"]
Kept = Literal["memory", "files", "compressed", "encrypted"]


@dataclass(frozen=True)
class Turn:
    """What a user asks, and what the agent does about it.

    Attributes:
        asked: The question.
        rounds: For each round of calls what they ask for, the same twice now and then.
        said: Words of the answer.
        hands_over: Whether the agent lets the other one answer.
        fault: What goes wrong on the provider's side, if anything.
    """

    asked: str
    rounds: tuple[tuple[dict[str, Any], ...], ...]
    said: int
    hands_over: bool
    fault: Fault | None


@dataclass(frozen=True)
class Scenario:
    """A conversation.

    Attributes:
        seed: Draws it.
        size: How many windows long it is, about.
        window: Of the model, in tokens.
        believed: The window that compact_otel is told, which may be larger.
        skew: How many tokens the provider counts for each that we count.
        overflow: How a stream learns that it is too large.
        reasons: Whether the model sends reasoning items, which are bound to their calls.
        rule: A message that is protected, None for none.
        restarts: The turn before which the program starts again, None for never.
        summaries: Who writes them.
        kept: Where originals go.
        redacts: Whether they are redacted there.
    """

    seed: int
    size: float = 0.0
    api: Literal["responses", "chat"] = "responses"
    stream: bool = False
    window: int = 0
    believed: int = 0
    model: str = ""
    skew: float = 1.0
    overflow: OverflowStyle = "http"
    reasons: bool = False
    rule: str | None = None
    restarts: int | None = None
    summaries: Summaries = "extractive"
    kept: Kept = "memory"
    redacts: bool = True
    turns: tuple[Turn, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def drawn(cls, seed: int, size: float | None = None, window: int | None = None) -> Scenario:
        """Return the scenario of a seed, of that size and window if they are given."""
        dice = random.Random(seed)
        window = window or _one_of(dice, WINDOWS)
        size = size or _one_of(dice, SIZES)
        turns = _turns(dice, size, window)
        api = dice.choice(("responses", "responses", "chat"))
        return cls(
            seed=seed,
            size=size,
            api=api,
            stream=dice.random() < 0.4,
            window=window,
            believed=int(window * dice.choice((1.0, 1.0, 1.0, 1.0, 1.1, 1.3))),
            model=dice.choice(MODELS),
            skew=dice.choice((1.0, 1.0, 0.9, 1.1, 1.25)),
            overflow=dice.choice(("http", "sse_error", "sse_error_flat", "sse_failed")),
            reasons=dice.random() < 0.3,
            rule=f"Rule {seed}: {text(dice, 30)}." if dice.random() < 0.5 else None,
            restarts=dice.randrange(len(turns)) if dice.random() < 0.15 else None,
            summaries=_summaries(dice, api),
            kept=_one_of(dice, {"memory": 4, "files": 3, "compressed": 2, "encrypted": 1}),
            redacts=dice.random() < 0.8,
            turns=turns,
            settings=_settings(dice, window),
        )

    def answer(self, number: int) -> str:
        """Return what is answered in a turn."""
        dice = random.Random(f"{self.seed}/{number}")
        return f"Answer {number}: {text(dice, self.turns[number].said)}."

    def said(self, turns: int) -> list[str]:
        """Return all that users, tools and the model say in the first turns."""
        texts = []
        for number, turn in enumerate(self.turns[: max(0, turns)]):
            outputs = [looked_up(**call) for calls in turn.rounds for call in calls]
            texts += [turn.asked, *outputs, self.answer(number)]
        return texts


def _turns(dice: random.Random, size: float, window: int) -> tuple[Turn, ...]:
    """Draw turns for a conversation of so many windows."""
    density, pair = dice.random(), dice.random() < 0.2
    most = int(window * dice.choice((0.1, 0.16, 0.22)))
    turns: list[Turn] = []
    words = 0
    while words < size * window * 0.72 or not turns:  # words of about 1.4 tokens
        turn = _turn(dice, turns, density, most, pair=pair)
        words += len(turn.asked.split()) + turn.said
        words += sum(call["words"] for calls in turn.rounds for call in calls)
        turns.append(turn)
    return tuple(turns)


def _turn(
    dice: random.Random, before: list[Turn], density: float, most: int, *, pair: bool
) -> Turn:
    number = len(before)
    rounds = []
    while dice.random() < density * 0.7 and len(rounds) < 3:
        calls = dice.choice((1, 1, 1, 2, 3))
        ids = [f"{number}.{len(rounds)}.{call}" for call in range(calls)]
        rounds.append(tuple(_call(dice, before, at, most // calls) for at in ids))
    return Turn(
        asked=f"Question {number}: {text(dice, dice.randint(3, max(60, most // 5)))}?",
        rounds=tuple(rounds),
        said=dice.randint(5, max(6, most // 2)),
        hands_over=pair and dice.random() < 0.25,
        fault=dice.choice(FAULTS) if dice.random() < 0.12 else None,
    )


def _call(dice: random.Random, before: list[Turn], at: str, most: int) -> dict[str, Any]:
    """Draw the arguments of a call: mostly new ones, else those of one that was made before."""
    made = [call for turn in before for calls in turn.rounds for call in calls]
    if made and dice.random() < 0.15:
        return dice.choice(made)
    kind: Kind = dice.choice(KINDS)
    return {"words": int(dice.betavariate(1.2, 3) * most) + 1, "at": at, "kind": kind}


def _summaries(dice: random.Random, api: str) -> Summaries:
    shares: dict[Summaries, float] = {"extractive": 6, "transcript": 2}
    if api == "responses":
        shares |= {"prefix": 1, "native": 1}
    return _one_of(dice, shares)


def _settings(dice: random.Random, window: int) -> dict[str, Any]:
    return {
        "hard_cap_buffer": window // 10,
        "on_insufficient_budget": dice.choice(("passthrough", "raise")),
        "trigger_pct": dice.choice((0.6, 0.75, 0.85, 0.9)),
        "target_pct": dice.choice((0.3, 0.4, 0.5)),
        "soft_trigger_pct": dice.choice((0, 0.5, 0.7)),
        "keep_recent_turns": dice.choice((1, 2, 4, 6)),
        "keep_tool_io_pairs": dice.choice((1, 2, 4)),
        "clear_tool_outputs": dice.choice(("off", "superseded", "stale")),
        "keep_user_tokens": dice.choice((0, 500, 20_000)),
        "strategy": dice.choice(STRATEGIES),
        "summary_role": dice.choice(("assistant", "user")),
    }


def _one_of(dice: random.Random, shares: dict[Any, float]) -> Any:
    return dice.choices(list(shares), list(shares.values()))[0]
