"""Conversations played in processes of their own, and what they come to."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable

from agents import set_tracing_disabled

from tests.soak.running import Outcome, run
from tests.soak.scenario import Scenario

SUCCESS = 0.995


def played(seed: int, size: float | None) -> Outcome:
    """Return what came of the conversation of a seed."""
    set_tracing_disabled(True)
    logging.getLogger("compact_otel").setLevel(logging.CRITICAL)
    logging.getLogger("openai").setLevel(logging.CRITICAL)
    return asyncio.run(run(Scenario.drawn(seed, size)))


def figures_of(outcomes: Iterable[Outcome]) -> dict[str, object]:
    """Return what is to be told of them."""
    all_ = list(outcomes)
    events: Counter[str] = Counter()
    for outcome in all_:
        events.update(outcome.events)
    return {
        "runs": len(all_),
        "reached their end": sum(one.failed is None for one in all_),
        "context-limit errors": sum(one.overflows for one in all_),
        "illegal requests": sum(len(one.illegal) for one in all_),
        "results over budget": sum(one.over_budget for one in all_),
        "turns": sum(one.turns for one in all_),
        "model calls": sum(one.calls for one in all_),
        "refused and rescued": sum(one.rescued for one in all_),
        "events": dict(events.most_common()),
        "failed": {one.seed: one.failed for one in all_ if one.failed},
        "illegal": {one.seed: one.illegal for one in all_ if one.illegal},
    }


def is_good(figures: dict[str, object]) -> bool:
    """Say whether what was promised holds."""
    ended, runs = figures["reached their end"], figures["runs"]
    broken = ("context-limit errors", "illegal requests", "results over budget")
    return ended >= SUCCESS * runs and not any(figures[name] for name in broken)  # type: ignore[operator]
