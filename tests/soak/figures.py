"""Conversations played in processes of their own, and what they come to."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from agents import set_tracing_disabled
from openai._utils import is_given
from openai.resources.chat.completions import completions
from openai.resources.responses import responses

from tests.soak.running import Outcome, run
from tests.soak.scenario import Scenario

SUCCESS = 0.995
BROKEN = {
    "context-limit errors": "overflows",
    "illegal requests": "illegal",
    "requests without what must be in them": "lacking",
    "results over budget": "over_budget",
    "failures of ours": "ours",
    "faults of archives": "archive",
}
"""What must be nowhere, by the attribute of an outcome that tells of it."""
GROWTH = 500
"""KiB that a conversation may leave behind in its process.

A large conversation raises the process for good, so that less says nothing: this finds large leaks
only. That a manager goes with its conversation is one of the tests.
"""
_WARM = 150
"""Conversations after which a process has loaded and cached most of what it ever will."""

_played = count()


def played(seed: int, size: float | None = None, window: int | None = None) -> Outcome:
    """Return what came of the conversation of a seed."""
    if not next(_played):
        set_tracing_disabled(True)
        for name in ("compact_otel", "openai", "openai.agents"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        gc.freeze()  # what is imported stays, and need not be looked at again and again
    outcome = asyncio.run(run(Scenario.drawn(seed, size, window)))
    outcome.worker, outcome.memory = os.getpid(), _resident()
    return outcome


def hurry() -> None:
    """Let the client of this process send the bodies of requests as they are.

    It looks at each value of each body for names that it has to write otherwise. There are none in
    what the SDK makes, and half of all time would be spent on it.
    """
    completions.async_maybe_transform = responses.async_maybe_transform = _as_it_is  # type: ignore[attr-defined, assignment]


async def _as_it_is(data: dict[str, Any], _: object) -> dict[str, Any]:
    return {name: value for name, value in data.items() if is_given(value)}


def _resident() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # other systems have no such file
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def figures_of(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Return what is to be told of them."""
    all_ = list(outcomes)
    events: Counter[str] = Counter()
    for outcome in all_:
        events.update(outcome.events)
    broken = {name: [getattr(one, field) for one in all_] for name, field in BROKEN.items()}
    return {
        "runs": len(all_),
        "reached their end": sum(one.failed is None for one in all_),
        **{
            name: sum(found if isinstance(found, int) else len(found) for found in each)
            for name, each in broken.items()
        },
        "turns": sum(one.turns for one in all_),
        "model calls": sum(one.calls for one in all_),
        "refused and rescued": sum(one.rescued for one in all_),
        "KiB that each leaves": growth(all_),
        "events": dict(events.most_common()),
        "replay with --only": {one.seed: what for one in all_ if (what := _wrong(one))},
    }


def is_good(figures: dict[str, Any]) -> bool:
    """Say whether what was promised holds."""
    grows = figures["KiB that each leaves"]
    return (
        figures["reached their end"] >= SUCCESS * figures["runs"]
        and not any(figures[name] for name in BROKEN)
        and (grows is None or grows <= GROWTH)
    )


def growth(outcomes: Sequence[Outcome]) -> float | None:
    """Return by how many KiB a process grows with each conversation, None for too few of them.

    That is the slope of a line through what it had resident after each, once it is warm; of the
    worst process.
    """
    by_worker: defaultdict[int, list[int]] = defaultdict(list)
    for outcome in outcomes:
        by_worker[outcome.worker].append(outcome.memory)
    slopes = [_slope(all_[_WARM:]) for all_ in by_worker.values() if len(all_) >= 2 * _WARM]
    return round(max(slopes) / 1024, 1) if slopes else None


def _slope(values: Sequence[int]) -> float:
    middle, mean = (len(values) - 1) / 2, sum(values) / len(values)
    above = sum((place - middle) * (value - mean) for place, value in enumerate(values))
    return above / sum((place - middle) ** 2 for place in range(len(values)))


def _wrong(outcome: Outcome) -> list[str]:
    wrong = [outcome.failed] if outcome.failed else []
    for name, field in BROKEN.items():
        found: int | list[str] = getattr(outcome, field)
        wrong += [f"{name}: {found}"] * bool(found) if isinstance(found, int) else found[:2]
    return wrong
