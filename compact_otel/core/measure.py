"""How large a call is, and what the policy says about it.

A `Measured` call knows its tokens item by item, so every later question (what would stay, what
would it save) is a sum and not a new count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil
from operator import index
from typing import Any, Literal

from compact_otel.core import events, frame
from compact_otel.core.assemble import View, summary_item
from compact_otel.core.calibration import Heard, Truth, factor, is_believable
from compact_otel.core.policy import Limits, Reason, limits, trigger_reason
from compact_otel.core.protocols import TokenEstimator
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import (
    CallContext,
    FixedTokens,
    Item,
    TriggerType,
    Window,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What a call is measured with.

    Attributes:
        estimator: Counts tokens.
        call: What stands beside the items.
        policy: The shares of the window.
        window: The window.
        recall: Whether the agent can look up what a summary stands for.
        factor: How many of the provider's tokens one of the estimator's is.
    """

    estimator: TokenEstimator
    call: CallContext
    policy: CompactPolicy
    window: Window
    recall: bool = False
    factor: float = 1.0

    def items(self, items: Sequence[Item]) -> list[int]:
        """Return the tokens of each item, as the estimator counts.

        Raises:
            TypeError: If the estimator does not give one whole number per item.
            ValueError: If it gives one that no item has.
        """
        counts = self.estimator.count_items(items, self.call)
        tokens = [_tokens(count) for count in islice(counts, len(items) + 1)]  # it may never end
        if len(tokens) != len(items):
            raise TypeError(f"the estimator gave {len(tokens)} counts or more for {len(items)}")
        return tokens

    def fixed(self) -> FixedTokens:
        """Return the tokens beside the items, as the estimator counts.

        Raises:
            TypeError: If the estimator gives no whole numbers.
            ValueError: If it gives one that nothing has.
        """
        fixed = self.estimator.count_fixed(self.call)
        return FixedTokens(
            instructions=_tokens(fixed.instructions),
            tools_schema=_tokens(fixed.tools_schema),
            framing=_tokens(fixed.framing),
        )

    def counted_summary(self, version: int, text: str) -> int:
        """Return the tokens of a summary as a message, frame included, as the estimator counts."""
        content = frame.wrap(version, text, recall=self.recall)
        role, api = self.policy.summary_role, self.call.api
        return sum(self.items([summary_item(content, role, api)]))

    def summary(self, version: int, text: str) -> int:
        """Return the tokens of a summary as a message, its frame included."""
        return self.calibrated(self.counted_summary(version, text))

    def calibrated(self, counted: int) -> int:
        """Return the provider's tokens for a count of the estimator; rather too many."""
        return counted if self.factor == 1.0 else ceil(counted * self.factor)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A view of a history with its tokens, as the provider will count them as far as we know.

    Attributes:
        scale: What it was measured with.
        items: The whole history.
        view: What of it goes out.
        counts: Tokens of each item of `items` as the estimator counts, also of those that do not
            go out.
        counted_fixed: Tokens beside the items, as the estimator counts.
        counted: Tokens of the call, as the estimator counts.
        instructions: Indices of the system and developer messages.
        summary_tokens: Tokens of the view's summary, 0 without one.
        total: Tokens of the call.
        limits: The limits that the policy sets.
        calibration: By what the estimator's count was corrected.
    """

    scale: Scale
    items: Sequence[Item]
    view: View
    counts: Sequence[int]
    counted_fixed: FixedTokens
    counted: int
    instructions: Sequence[int]
    summary_tokens: int
    total: int
    limits: Limits
    calibration: events.Calibration

    def known_to_have(self, tokens: int) -> Measured:
        """Return the same call with the tokens that the provider counted for it.

        Raises:
            TypeError: If that is no whole number.
            ValueError: If it is one that no call has.
        """
        if not is_believable(_tokens(tokens), self.scale.window, self.counted):
            raise ValueError("no call has as many tokens as the provider counted")
        scale = replace(self.scale, factor=tokens / max(1, self.counted))
        return replace(self, scale=scale, total=tokens, calibration="exact")

    def seen_as(self, view: View) -> Measured:
        """Return the same history in another view, without counting its items again."""
        return self.of(
            self.scale,
            view,
            items=self.items,
            counts=self.counts,
            fixed=self.counted_fixed,
            instructions=self.instructions,
        )

    @classmethod
    def of(
        cls,
        scale: Scale,
        view: View,
        *,
        items: Sequence[Item],
        counts: Sequence[int],
        fixed: FixedTokens,
        instructions: Sequence[int],
        truth: Truth | None = None,
    ) -> Measured:
        """Add up a view whose items are counted.

        Args:
            scale: What it is measured with.
            view: The view.
            items: The whole history.
            counts: Tokens of each item, as the estimator counts.
            fixed: Tokens beside them, as the estimator counts.
            instructions: Indices of the system and developer messages.
            truth: What the provider counted for the beginning of this view, None if unknown.

        Raises:
            Exception: Whatever the estimator raises about the summary.
        """
        summary = 0 if view.summary is None else scale.counted_summary(view.version, view.summary)
        is_whole = len(view.kept) == len(counts)  # as nearly always
        kept = counts if is_whole else map(counts.__getitem__, view.kept)
        opaque = 0 if view.opaque is None else view.opaque.tokens
        counted = fixed.total + opaque + summary + sum(kept)
        counted += sum(entry.tokens - counts[entry.index] for entry in view.cleared)
        if truth is not None:
            scale = replace(scale, factor=factor(counted, truth, scale.factor))
        return cls(
            scale=scale,
            items=items,
            view=view,
            counts=counts,
            counted_fixed=fixed,
            counted=counted,
            instructions=instructions,
            summary_tokens=scale.calibrated(summary),
            total=round(counted * scale.factor),
            limits=limits(scale.policy, scale.window),
            calibration=_calibration(scale, truth),
        )

    @property
    def item_tokens(self) -> Sequence[int]:
        """Tokens of each item of `items` as it goes out, or would."""
        if self.scale.factor == 1.0 and not self.view.cleared:
            return self.counts
        # Only a compaction asks. No cached_property: its lock, in Python 3.11, is the class's, and
        # a child forked while another thread holds it would wait for ever.
        known: Sequence[int] | None = self.__dict__.get("_item_tokens")
        if known is None:
            known = [self.scale.calibrated(count) for count in self.counts]
            for entry in self.view.cleared:
                known[entry.index] = self.scale.calibrated(entry.tokens)
            self.__dict__["_item_tokens"] = known
        return known

    @property
    def fixed(self) -> FixedTokens:
        """Tokens beside the items."""
        counted, calibrated = self.counted_fixed, self.scale.calibrated
        if self.scale.factor == 1.0:
            return counted
        return FixedTokens(
            instructions=calibrated(counted.instructions),
            tools_schema=calibrated(counted.tools_schema),
            framing=calibrated(counted.framing),
        )

    @property
    def opaque_tokens(self) -> int:
        """Tokens of what the provider has sealed."""
        opaque = self.view.opaque
        return 0 if opaque is None else self.scale.calibrated(opaque.tokens)

    @property
    def length(self) -> int:
        """How many messages go out."""
        opaque = () if self.view.opaque is None else self.view.opaque.items
        return len(opaque) + len(self.view.kept) + (self.view.summary is not None)

    def estimate(
        self, phase: Literal["before", "after"], heard: Heard | None = None
    ) -> events.TokenEstimate:
        """Return the measurement as an event.

        Args:
            phase: Before or after a compaction.
            heard: How the call before came out, None if it is not known.
        """
        system, developer = self.fixed.instructions, 0
        for spoken in self._kept_instructions():
            if self.items[spoken].get("role") == "system":
                system += self.scale.calibrated(self.counts[spoken])
            else:
                developer += self.scale.calibrated(self.counts[spoken])
        changed = self.view.summary is not None or bool(self.view.cleared)
        replayed = phase == "before" and changed
        window = self.scale.window
        return events.TokenEstimate(
            phase=phase,
            tokens_before=self.total if phase == "before" else None,
            tokens_after=self.total if phase == "after" else None,
            window=window.size,
            utilization=self.total / window.size,
            window_source=window.source,
            estimator=name_of(self.scale.estimator),
            system=system,
            developer=developer,
            tools_schema=self.fixed.tools_schema,
            messages=self.total - system - developer - self.fixed.tools_schema,
            history=self._history if replayed else None,
            counted=self.counted if self.scale.factor != 1.0 else None,
            calibration=self.calibration,
            previous=None if heard is None else heard.tokens,
            previous_error=None if heard is None else heard.error,
        )

    @property
    def _history(self) -> int:
        counted = self.counted_fixed.total + sum(self.counts)
        return round(counted * self.scale.factor)

    def _kept_instructions(self) -> Sequence[int]:
        if not self.instructions or len(self.view.kept) == len(self.items):
            return self.instructions
        kept = set(self.view.kept)
        return [index for index in self.instructions if index in kept]

    def reason(self, trigger: TriggerType) -> Reason:
        """Say why the call is compacted, or `below_trigger` if it is not."""
        return trigger_reason(self.total, trigger, self.limits, self.scale.window)

    def decision(self, trigger: TriggerType) -> events.TriggerDecision:
        """Return whether the call is compacted, as an event."""
        policy = self.scale.policy
        reason = self.reason(trigger)
        return events.TriggerDecision(
            decision="skip" if reason == "below_trigger" else "compact",
            trigger=trigger,
            reason=reason,
            tokens_before=self.total,
            budget=self.limits.budget,
            trigger_pct=float(policy.trigger_pct),  # 1 is a share, too
            target_pct=float(policy.target_pct),
            hard_cap_buffer=policy.hard_cap_buffer,
            keep_recent_turns=policy.keep_recent_turns,
            keep_tool_io_pairs=policy.keep_tool_io_pairs,
            strategy=policy.strategy,
        )


_MOST = 10**12
"""Tokens; nothing has more, and what a million items have fits into the 64 bits of telemetry."""


def _tokens(count: Any) -> int:
    tokens = index(count)
    if not 0 <= tokens <= _MOST:
        raise ValueError(f"nothing has {tokens} tokens")
    return tokens


def name_of(part: object) -> str:
    """Return what telemetry calls an estimator, a summariser or a storage adapter."""
    name = getattr(part, "name", None)
    return name if isinstance(name, str) and name else type(part).__name__


def _calibration(scale: Scale, truth: Truth | None) -> events.Calibration:
    if truth is not None:
        return "anchor"
    return "none" if scale.factor == 1.0 else "ratio"
