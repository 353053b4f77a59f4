"""How much of a note may go to what users said, before all else is weighed.

In a small note most room is for what users demanded: what an agent finds in the world it can look
for again, what it was told it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from compact_otel.core.facts.constraints import Strength
from compact_otel.core.facts.selection import cost_of
from compact_otel.core.facts.units import Unit

LIKELY = 0.1
"""Share of a note for what is likely a demand: one in two is none."""
SETTLED = 0.1
"""For what users settled: values that they gave or changed, and where the work stands."""
WRITTEN = 0.25
"""Share of the whole request for what users wrote."""
WRITTEN_MOST = 0.5
"""The same of the note alone, where the rest of the request is large."""

_DEMANDED, _DEMANDED_OF_SCANT = 0.4, 0.8
_SCANT, _AMPLE = 350.0, 1000.0
"""Tokens of a small note and of a large one."""
_CHARS_PER_TOKEN = 4
_SAMPLE = 40
"""Units that tell how dear the writing is."""


def demanded(room: float) -> float:
    """Return the share of a note of so many tokens for what users demanded, before all else."""
    scant = min(1.0, max(0.0, (_AMPLE - room) / (_AMPLE - _SCANT)))
    return _DEMANDED + scant * (_DEMANDED_OF_SCANT - _DEMANDED)


def rate_of(units: Sequence[Unit], count_text: Callable[[str], int]) -> float:
    """Return how many tokens a request counts for one that is estimated.

    Estimates are fitted to o200k. Other vocabularies give more tokens, and some count characters; a
    rate below one would be a counter's guess rather than a cheaper vocabulary.
    """
    sample, cost = [], 0.0
    for unit in units[:: max(1, len(units) // _SAMPLE)]:
        if unit.text:
            sample.append(unit.text)
            cost += cost_of(unit.text, len(unit.values))
    return max(1.0, count_text("\n".join(sample)) / cost) if cost else 1.0


def fitting(units: list[Unit], budget: float) -> list[Unit]:
    """Return as many units as fit: strongest first, demands before the settled, then newest."""

    def rank(unit: Unit) -> tuple[int, bool, int, int]:
        subject = unit.subject
        return -unit.pin, subject.section != "constraints", -subject.position, unit.order

    units.sort(key=rank)
    chosen: list[Unit] = []
    for unit in units:
        if _cost(unit) <= budget:
            budget -= _cost(unit)
            chosen.append(unit)
    return chosen


def users_words(units: Iterable[Unit], budget: float) -> list[Unit]:
    """Return what else users said, hints first, then the newest, as far as it fits."""
    said = [
        unit
        for unit in units
        if unit.subject.prose
        and unit.subject.origin == "user"
        and Strength.NONE <= unit.pin <= Strength.HINT
    ]
    if sum(map(_cost, said)) > budget:  # else all of it stays, message by message
        said.sort(key=lambda unit: (-unit.pin, -unit.subject.position, unit.order))
    costs = accumulate(map(_cost, said))
    return [unit for unit, cost in zip(said, costs, strict=True) if cost <= budget]


def _cost(unit: Unit) -> float:
    return len(unit.text) / _CHARS_PER_TOKEN + 2
