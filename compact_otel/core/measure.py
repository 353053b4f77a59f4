"""How large a call is, and what the policy says about it.

A `Measured` call knows its tokens item by item, so every later question (what would stay, what
would it save) is a sum and not a new count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from operator import index
from typing import Any, Literal

from compact_otel.core import events, frame
from compact_otel.core.assemble import View, summary_item
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
    """

    estimator: TokenEstimator
    call: CallContext
    policy: CompactPolicy
    window: Window
    recall: bool = False

    def items(self, items: Sequence[Item]) -> list[int]:
        """Return the tokens of each item.

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
        """Return the tokens beside the items.

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

    def summary(self, version: int, text: str) -> int:
        """Return the tokens of a summary as a message, its frame included."""
        content = frame.wrap(version, text, recall=self.recall)
        role, api = self.policy.summary_role, self.call.api
        return sum(self.items([summary_item(content, role, api)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A view of a history with its tokens.

    Attributes:
        scale: What it was measured with.
        items: The whole history.
        view: What of it goes out.
        item_tokens: Tokens of each item of `items`, also of those that do not go out.
        fixed: Tokens beside the items.
        instructions: Indices of the system and developer messages.
        summary_tokens: Tokens of the view's summary, 0 without one.
        total: Tokens of the call.
        limits: The limits that the policy sets.
    """

    scale: Scale
    items: Sequence[Item]
    view: View
    item_tokens: Sequence[int]
    fixed: FixedTokens
    instructions: Sequence[int]
    summary_tokens: int
    total: int
    limits: Limits

    def seen_as(self, view: View) -> Measured:
        """Return the same history in another view, without counting its items again."""
        return self.of(
            self.scale,
            view,
            items=self.items,
            item_tokens=self.item_tokens,
            fixed=self.fixed,
            instructions=self.instructions,
        )

    @classmethod
    def of(
        cls,
        scale: Scale,
        view: View,
        *,
        items: Sequence[Item],
        item_tokens: Sequence[int],
        fixed: FixedTokens,
        instructions: Sequence[int],
    ) -> Measured:
        """Add up a view whose items are counted.

        Raises:
            Exception: Whatever the estimator raises about the summary.
        """
        summary = 0 if view.summary is None else scale.summary(view.version, view.summary)
        is_whole = len(view.kept) == len(item_tokens)  # as nearly always
        kept = item_tokens if is_whole else map(item_tokens.__getitem__, view.kept)
        return cls(
            scale=scale,
            items=items,
            view=view,
            item_tokens=item_tokens,
            fixed=fixed,
            instructions=instructions,
            summary_tokens=summary,
            total=fixed.total + summary + sum(kept),
            limits=limits(scale.policy, scale.window),
        )

    @property
    def length(self) -> int:
        """How many messages go out."""
        return len(self.view.kept) + (self.view.summary is not None)

    def estimate(self, phase: Literal["before", "after"]) -> events.TokenEstimate:
        """Return the measurement as an event."""
        system, developer = self.fixed.instructions, 0
        for spoken in self._kept_instructions():
            if self.items[spoken].get("role") == "system":
                system += self.item_tokens[spoken]
            else:
                developer += self.item_tokens[spoken]
        replayed = phase == "before" and self.view.summary is not None
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
            history=self.fixed.total + sum(self.item_tokens) if replayed else None,
        )

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
            trigger_pct=policy.trigger_pct,
            target_pct=policy.target_pct,
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
        raise ValueError(f"the estimator gave {tokens} tokens")
    return tokens


def name_of(part: object) -> str:
    """Return what telemetry calls an estimator, a summariser or a storage adapter."""
    name = getattr(part, "name", None)
    return name if isinstance(name, str) and name else type(part).__name__
