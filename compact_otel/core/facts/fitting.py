"""As much of a note as a budget holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compact_otel.core.facts.selection import cost_of
from compact_otel.core.facts.units import Unit

_CLOSE_ENOUGH = 0.98
_GUESSES = 4


def fill(
    ranked: Sequence[Unit],
    note: Callable[[Sequence[Unit]], str],
    count_text: Callable[[str], int],
    max_tokens: int,
) -> tuple[str, list[Unit]]:
    """Return the note of the best units that fit, and which they are.

    The longest run of the best comes first. What it leaves free, since the next one is too long,
    goes to shorter ones behind it.

    Args:
        ranked: Units, best first.
        note: Renders some of them.
        count_text: Counts the tokens of a note.
        max_tokens: Tokens it may have.
    """
    text, size = fit(len(ranked), lambda size: note(ranked[:size]), count_text, max_tokens)
    taken, used = list(ranked[:size]), count_text(text) if text else 0
    if not text or size == len(ranked):
        return text, taken
    room, shorter = float(max_tokens - used), []
    for unit in ranked[size + 1 :]:
        cost = cost_of(unit.text, len(unit.values)) or cost_of(unit.subject.label, 1)
        if cost < room:
            room -= cost
            shorter.append(unit)
    if not shorter:
        return text, taken
    fuller, more = fit(
        len(shorter), lambda size: note([*taken, *shorter[:size]]), count_text, max_tokens
    )
    return (fuller, taken + shorter[:more]) if fuller else (text, taken)


def fit(
    largest: int, note: Callable[[int], str], count_text: Callable[[str], int], max_tokens: int
) -> tuple[str, int]:
    """Return the longest note that fits, and how many units it is made of; "" and 0 if none does.

    Args:
        largest: Units there are, best first.
        note: Renders the first so many of them.
        count_text: Counts the tokens of a note.
        max_tokens: Tokens it may have.
    """
    best, low, high = "", 0, largest + 1
    size, guesses = largest, 0
    while low < size < high:
        text = note(size)
        tokens = count_text(text)
        if tokens <= max_tokens:
            best, low = text, size
            if tokens >= max_tokens * _CLOSE_ENOUGH:
                break
        else:
            high = size
        # Tokens grow about evenly with units: aim at the budget. A counter with which that does not
        # close in soon gets a bisection.
        guesses += 1
        aim = int(size * max_tokens / max(1, tokens))
        if guesses > _GUESSES:
            aim = (low + high) // 2
        size = min(max(aim, low + 1), high - 1)
    return best, low
