"""`--target`: what a compaction aims for, as a share of the input limit or in tokens."""

from __future__ import annotations

import re
from dataclasses import replace
from math import nextafter

from compact_otel.core.clearing import without_superseded
from compact_otel.core.measure import Measured
from compact_otel.core.policy import aim, limits, target_share
from compact_otel.core.settings import CompactPolicy
from compact_otel.printable import printable

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")
_SHARE = re.compile(r"0?\.\d+")
_TOKENS = re.compile(r"[1-9]\d{0,11}")


class TargetError(ValueError):
    """No compaction can aim for that. The message is for the user."""


def parsed(text: str) -> float | int:
    """Return a share as a float, or tokens as an int.

    Raises:
        TargetError: If the text is neither.
    """
    found = text.strip()
    if match := _PERCENT.fullmatch(found):
        share = float(match[1]) / 100
    elif _SHARE.fullmatch(found):
        share = float(found)
    elif _TOKENS.fullmatch(found):
        return int(found)
    else:
        share = 0.0
    if share <= 0:
        raise TargetError(
            f"need a share of the input limit (0.4 or 40%) or a number of tokens (12000), "
            f"got {printable(text, 40)!r}"
        )
    return share


def aiming(state: Measured, target: float | int | None) -> CompactPolicy:
    """Return the policy of a call with another target.

    Args:
        state: The call.
        target: As `parsed` returns it; None changes nothing.

    Raises:
        TargetError: If no compaction can aim for that.
    """
    policy, window, before = state.scale.policy, state.scale.window, state.total
    if target is None:
        return policy
    if isinstance(target, int):
        share = target_share(policy, window, before, target)
        if share >= policy.trigger_pct:
            most = int(policy.trigger_pct * target / share)
            raise TargetError(
                f"need fewer than {most:,} tokens for this call of {before:,} "
                f"({policy.trigger_pct:.0%} of it, `policy.trigger_pct`), got {target:,}"
            )
        # The share is of what is left when outputs that were superseded are cleared.
        share = target_share(policy, window, without_superseded(state).total, target)
        return replace(policy, target_pct=min(share, nextafter(policy.trigger_pct, 0.0)))
    if target >= policy.trigger_pct:
        raise TargetError(
            f"need a share below {policy.trigger_pct:g} (`policy.trigger_pct`, or every turn would "
            f"compact again), got {target:g}"
        )
    return replace(policy, target_pct=target)


def aimed_for(state: Measured, policy: CompactPolicy) -> int:
    """Return the tokens that a compaction of a call by hand with a policy aims for."""
    bounds = limits(policy, state.scale.window)
    return aim(policy, bounds, "manual", without_superseded(state).total)
