"""As much of a note as a budget holds."""

from __future__ import annotations

from collections.abc import Callable

_CLOSE_ENOUGH = 0.98
_GUESSES = 4


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
