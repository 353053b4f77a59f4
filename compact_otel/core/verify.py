"""The invariants of a compaction, checked before anything leaves.

They are computed from the items anew, without the plan, so that a fault in planning is found here
and not by the provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from compact_otel.core.assemble import View
from compact_otel.core.errors import VerificationError
from compact_otel.core.frame import unwrap
from compact_otel.core.items import blocks, output_text, role_of, unpaired
from compact_otel.core.policy import must_stay
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import Item


def verify(items: Sequence[Item], before: View, after: View, policy: CompactPolicy) -> None:
    """Raise if the compaction of `before` to `after` broke a rule.

    Raises:
        VerificationError: With the name of the rule and a position.
    """
    for rule in (
        _in_order,
        _pinned_stay,
        _sealed_stays,
        _cleared_outputs,
        _no_torn_blocks,
        _one_summary,
    ):
        rule(items, before, after, policy)


def _in_order(items: Sequence[Item], before: View, after: View, policy: CompactPolicy) -> None:  # noqa: ARG001 - one signature for all rules
    """What survives was there, and keeps its order."""
    if any(left >= right for left, right in pairwise(after.kept)):
        raise VerificationError("survivors are out of order or doubled")
    if not set(after.kept) <= set(before.kept):
        raise VerificationError("an item came back that had been dropped")


def _pinned_stay(items: Sequence[Item], before: View, after: View, policy: CompactPolicy) -> None:
    """Instructions, protected items, the newest user message, and the provider's own compaction."""
    dropped = set(before.kept) - set(after.kept)
    lost = dropped & must_stay(items, policy)
    if lost:
        raise VerificationError(f"the item at {min(lost)} may not be dropped, and was")


def _sealed_stays(items: Sequence[Item], before: View, after: View, policy: CompactPolicy) -> None:  # noqa: ARG001 - one signature for all rules
    """What only the provider can read is replaced by the provider or stays: no text can tell it."""
    if before.opaque is not None and after.opaque is None:
        raise VerificationError("what the provider has sealed was dropped")


def _cleared_outputs(
    items: Sequence[Item], before: View, after: View, policy: CompactPolicy
) -> None:
    """Only outputs of tools are cleared, none that may not be dropped, and none comes back."""
    cleared = {entry.index for entry in after.cleared}
    if not cleared:
        return
    if not cleared <= set(after.kept) or cleared & must_stay(items, policy):
        raise VerificationError("an item was cleared that may not be")
    if any(output_text(items[index]) is None for index in cleared):
        raise VerificationError("an item was cleared that is no output of a tool")
    back = {entry.index for entry in set(before.cleared) - set(after.cleared)}
    if back & set(after.kept):
        raise VerificationError("an output came back that had been cleared")


def _no_torn_blocks(
    items: Sequence[Item],
    before: View,
    after: View,
    policy: CompactPolicy,  # noqa: ARG001 - one signature for all rules
) -> None:
    """No call without its output, no output without its call, no reasoning without its follower."""
    survivors = [items[index] for index in after.kept]
    if unpaired(survivors) != unpaired([items[index] for index in before.kept]):
        raise VerificationError("a call and its output were torn apart")
    kept = set(after.kept)
    for index, follower in pairwise(before.kept):
        follows = items[index].get("type") == "reasoning" and _is_generated(items[follower])
        if follows and (index in kept) != (follower in kept):
            raise VerificationError(f"the reasoning item at {index} was torn from what follows it")


def _is_generated(item: Item) -> bool:
    kind = item.get("type")
    if isinstance(kind, str) and kind.endswith(("_output", "_response")):
        return False
    return role_of(item) in (None, "assistant") and unwrap(item) is None


def _one_summary(items: Sequence[Item], before: View, after: View, policy: CompactPolicy) -> None:
    """The new summary has replaced every other one that is not pinned."""
    if after.summary is None:
        if len(after.kept) < len(before.kept):
            raise VerificationError("need a summary in the result")
        return  # outputs were cleared, and nothing else has changed
    if not any(unwrap(items[index]) for index in after.kept):
        return
    replaced = set(after.kept) - must_stay(items, policy)
    for block in blocks([items[index] for index in before.kept]):
        index = before.kept[block.start]
        if block.kind == "summary" and index in replaced:
            raise VerificationError(f"the summary at {index} was replaced, and is still there")
