"""What a compaction does to the provider's prompt cache: it saves tokens, and loses a prefix.

A provider serves the longest known beginning of a request from its cache, at a fraction of the
price. A compaction changes the request from the first item it drops: what follows is read anew,
once, and from then on every call is smaller. The break-even says after how many calls that pays.
"""

from __future__ import annotations

from compact_otel.core import events
from compact_otel.core.types import Price, Usage

_CACHED_SHARE = 0.1
"""Price of a cached token, as a share of the price of another, where no price is known."""

_SMALLEST_CACHED = 1024
"""Requests below this many tokens are not cached, so they say nothing about a provider."""


def expected(
    *, before: int, after: int, prefix: int, usage: Usage | None, price: Price | None
) -> events.CacheEffect:
    """Return what a compaction will do, before anything is sent.

    Args:
        before: Tokens of the call without it.
        after: Tokens of the call with it.
        prefix: Tokens at the beginning that stay as they are.
        usage: What the provider counted for the call before, None if it is not known.
        price: What input costs, None if it is not known.
    """
    caches = usage is None or _caches(usage)
    lost = max(0, after - prefix) if caches else 0
    return _effect("expected", prefix if caches else 0, lost, before - after, price, caches=caches)


def measured(before: Usage, after: Usage, price: Price | None) -> events.CacheEffect:
    """Return what a compaction did, by what the provider counted.

    Args:
        before: For the last call before the compaction.
        after: For the first call with it.
        price: What input costs, None if it is not known.
    """
    caches = _caches(before) or after.cached_tokens > 0
    lost = after.input_tokens - after.cached_tokens if caches else 0
    saved = before.input_tokens - after.input_tokens
    return _effect("measured", after.cached_tokens, lost, saved, price, caches=caches)


def _caches(usage: Usage) -> bool:
    """Say whether the provider seems to have a prompt cache."""
    return usage.cached_tokens > 0 or usage.input_tokens < _SMALLEST_CACHED


def _effect(
    phase: events.CachePhase, kept: int, lost: int, saved: int, price: Price | None, *, caches: bool
) -> events.CacheEffect:
    share = 1.0 if not caches else _CACHED_SHARE
    if caches and price is not None and price.input > 0:
        share = price.cached / price.input
    pays = saved > 0 and share > 0
    return events.CacheEffect(
        phase=phase,
        kept=kept,
        lost=lost,
        saved=saved,
        break_even_calls=round(lost * (1 - share) / (saved * share), 1) if pays else None,
        cost_lost=None if price is None else lost * price.input * (1 - share),
        cost_saved=None if price is None else saved * price.input * share,
    )
