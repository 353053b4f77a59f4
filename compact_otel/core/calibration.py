"""Held against what the provider counted, the estimate corrects itself.

Two things are learned. The last call of the same conversation is an *anchor*: what the provider
counted for it is known, so only what came since has to be estimated, and constants that nobody
knows (hidden instructions, files, tools of another server) are in it already. Where there is none -
the first call, after a compaction, after an edit - the *ratio* helps: how many of the provider's
tokens one of ours was so far, for this model, by how much calls grew on either side.
"""

from __future__ import annotations

from dataclasses import dataclass

from compact_otel.core.types import Window

_WEIGHT = 0.3
"""Of the newest observation in the ratio; the rest is what was known."""

_SMALLEST_GROWTH = 200
"""Tokens; what grew by less says more about rounding than about the model."""

_RATIOS = (0.5, 4.0)
"""No tokeniser is further from ours than this; what says so is a mistake or a fake."""

_TRUSTED = 0.05
"""A ratio this near to 1 is noise: of a model that we know the formula is better than that."""

_SMALLEST_FACTOR = 0.5
"""Less than this share of what we count nobody charges; a server that says so leaves things out."""

_MOST_WINDOWS = 2
"""No call that was taken has more than its window; ours may be set too small, not by so much."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What the provider counted for a call.

    Attributes:
        tokens: By its own count.
        counted: By our estimator's count.
    """

    tokens: int
    counted: int


@dataclass(frozen=True, slots=True)
class Heard:
    """How an estimate came out.

    Attributes:
        tokens: What the provider counted.
        expected: What was said before.
    """

    tokens: int
    expected: int

    @property
    def error(self) -> float:
        """By how much the estimate was off, as a share of the truth; below 0 if too low."""
        return (self.expected - self.tokens) / self.tokens


def is_believable(tokens: int, window: Window, counted: int = 0) -> bool:
    """Say whether a provider may have counted so many tokens, or counts nothing of the kind.

    Args:
        tokens: What it says of a call.
        window: What the call's model takes.
        counted: What the estimator counts for it; 0 if unknown.
    """
    return max(1, _SMALLEST_FACTOR * counted) <= tokens <= _MOST_WINDOWS * window.size


def factor(counted: int, truth: Truth | None, ratio: float) -> float:
    """Return how many of the provider's tokens one of ours is, for a call.

    Args:
        counted: What the estimator counts for it.
        truth: The anchor: for the beginning of this very conversation; None without one.
        ratio: What was learned of the model.
    """
    if truth is None or counted <= 0:
        return applied(ratio)
    return max(_SMALLEST_FACTOR, (truth.tokens + ratio * (counted - truth.counted)) / counted)


def applied(ratio: float) -> float:
    """Return the factor that a ratio stands for where there is no anchor."""
    return ratio if abs(ratio - 1) > _TRUSTED else 1.0


def has_grown(before: Truth, after: Truth) -> bool:
    """Say whether a conversation grew enough between two calls to learn from it."""
    return after.counted - before.counted >= _SMALLEST_GROWTH


def learned(ratio: float, before: Truth, after: Truth) -> float:
    """Return a ratio with one more observation: two calls of a conversation that grew."""
    seen = (after.tokens - before.tokens) / (after.counted - before.counted)
    return _clamped((1 - _WEIGHT) * ratio + _WEIGHT * _clamped(seen))


def refused(ratio: float, truth: Truth) -> float:
    """Return a ratio after a refusal that names the provider's count: there is no second chance."""
    if truth.counted < _SMALLEST_GROWTH:
        return ratio
    return _clamped(truth.tokens / truth.counted)


def _clamped(ratio: float) -> float:
    return min(max(ratio, _RATIOS[0]), _RATIOS[1])
