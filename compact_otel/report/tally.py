"""Tokens of a history at any of its calls, by what they are spent on.

Each item is counted once; a call is a difference of prefix sums. Reasoning is the one exception: it
costs something only until the user speaks again, so that is kept in sums of its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final, Literal

from compact_otel.core.assemble import whole
from compact_otel.core.items import role_of
from compact_otel.core.measure import Measured, Scale
from compact_otel.core.types import Checkpoint, FixedTokens, Item
from compact_otel.tokens.figures import LayerName, layer_of, pieces_of

Group = Literal["fixed", "summary", "user", "assistant", "tools", "other"]
Layers = dict[Group, int]

GROUPS: Final[tuple[Group, ...]] = ("fixed", "summary", "user", "assistant", "tools", "other")
"""From the bottom of the chart to its top: what never changes first."""

_GROUP_OF: Mapping[LayerName, Group] = {
    "instructions": "fixed",
    "system": "fixed",
    "developer": "fixed",
    "tools_schema": "fixed",
    "framing": "fixed",
    "summaries": "summary",
    "compaction": "summary",
    "user": "user",
    "assistant": "assistant",
    "reasoning": "assistant",
    "tool_calls": "assistant",
    "tool_outputs": "tools",
}


class Tally:
    """Counts a history once, and answers for each of its calls.

    Args:
        items: The whole history.
        scale: What it is measured with.
        fixed: Tokens beside the items.

    Attributes:
        tokens: Tokens of each item, once the user has spoken again.
    """

    def __init__(self, items: Sequence[Item], scale: Scale, fixed: FixedTokens) -> None:
        self._scale = scale
        self._fixed = fixed.total
        names = [layer_of(item, scale.policy.protected_flag) for item in items]
        self.tokens = scale.items(items)
        state = Measured.of(
            scale, whole(items), items=items, counts=self.tokens, fixed=fixed, instructions=()
        )
        pieces = [_grouped(piece) for piece in pieces_of(state, names)]
        self._pieces = pieces
        self._sums: dict[Group, list[int]] = {
            group: list(accumulate((piece.get(group, 0) for piece in pieces), initial=0))
            for group in GROUPS
        }
        self._users = [n for n, item in enumerate(items) if role_of(item) == "user"]
        self._thought = list(accumulate(_thought(items, self.tokens, scale), initial=0))
        self._summaries: dict[str, int] = {}

    def whole(self, stop: int) -> int:
        """Return the tokens of the call with the first `stop` items and no compaction."""
        return sum(self.layers(stop, None).values())

    def layers(self, stop: int, record: Checkpoint | None) -> Layers:
        """Return the tokens of the call with the first `stop` items, as a compaction left them."""
        covered = 0 if record is None else min(record.covered, stop)
        layers: Layers = {group: sums[stop] - sums[covered] for group, sums in self._sums.items()}
        layers["fixed"] += self._fixed
        spoken = bisect_left(self._users, stop)
        turn = self._users[spoken - 1] if spoken else 0
        layers["assistant"] += self._thought[stop] - self._thought[max(turn, covered)]
        if record is not None:
            self._add(layers, record, stop, turn)
        return layers

    def _add(self, layers: Layers, record: Checkpoint, stop: int, turn: int) -> None:
        """Add what a compaction left of what it covers."""
        for index in record.kept:
            if index < stop:
                for group, tokens in self._pieces[index].items():
                    layers[group] += tokens
                if index >= turn:
                    layers["assistant"] += self._thought[index + 1] - self._thought[index]
        for entry in record.cleared:
            if entry.index < stop:
                layers["tools"] += entry.tokens - self.tokens[entry.index]
        if record.opaque is not None:
            layers["summary"] += record.opaque.tokens
        if record.summary is not None:
            if record.summary not in self._summaries:
                counted = self._scale.summary(max(1, record.version), record.summary)
                self._summaries[record.summary] = counted
            layers["summary"] += self._summaries[record.summary]


def _grouped(piece: Mapping[LayerName, int]) -> Layers:
    layers: Layers = {}
    for name, tokens in piece.items():
        group = _GROUP_OF.get(name, "other")
        layers[group] = layers.get(group, 0) + tokens
    return layers


def _thought(items: Sequence[Item], tokens: Sequence[int], scale: Scale) -> list[int]:
    """Return what each item costs more as long as the user has not spoken again."""
    more = [0] * len(items)
    start = 0
    while start < len(items):
        stop = next(
            (n for n in range(start + 1, len(items)) if role_of(items[n]) == "user"), len(items)
        )
        turn = items[start:stop]
        if any(item.get("type") == "reasoning" for item in turn):
            for index, count in enumerate(scale.items(turn), start):
                more[index] = max(0, count - tokens[index])
        start = stop
    return more


def fitted(layers: Layers, total: int) -> Layers:
    """Return layers that add up to what was measured, each in proportion."""
    counted = sum(layers.values())
    if not counted or counted == total:
        return layers
    made: Layers = {group: tokens * total // counted for group, tokens in layers.items()}
    made["fixed"] += total - sum(made.values())
    return made
