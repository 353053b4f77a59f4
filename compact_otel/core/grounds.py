"""Why an item stays or goes, in a word each: what a plan decided, told item by item.

The rules are those of `core.policy`; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from compact_otel.core.items import Block, is_protected, newest_user, role_of
from compact_otel.core.policy import must_stay, partition
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import Item

Ground = Literal[
    "instruction", "role", "protected", "newest question", "provider's compaction", "open",
    "tied", "recent turn", "recent call", "user's words", "room",
    "older turn", "older call", "earlier summary",
]  # fmt: skip
"""Why an item stays or goes.

What may never be dropped is an `instruction`, of a `role` that the policy never prunes,
`protected`, the `newest question`, what a `provider's compaction` speaks of, `open` (a call without
its output, an output without its call, a kind that we do not know), or `tied`: in one block with
one of these. Of the rest a `recent turn` and a `recent call` stay, a `user's words` as far as there
is room, and whatever else there was `room` for. What goes is an `older turn`, an `older call` or an
`earlier summary`.
"""


def grounds(
    items: Sequence[Item],
    kept: Collection[int],
    policy: CompactPolicy,
    *,
    keep_recent_turns: int,
    keep_tool_io_pairs: int,
) -> list[Ground]:
    """Return for each item of a history why a plan keeps it, or why it goes.

    Args:
        items: The history that was planned for.
        kept: Positions that the plan keeps.
        policy: The policy.
        keep_recent_turns: Keep count that the plan was made with.
        keep_tool_io_pairs: Keep count that the plan was made with.
    """
    pinned, staying = _pinned(items, policy), frozenset(kept)
    found: list[Ground] = []
    for entry in partition(items, [0] * len(items), policy):
        block, is_call = entry.block, entry.block.kind == "tool"
        for index in range(block.start, block.stop):
            if entry.rank == 0:
                found.append(pinned.get(index) or _in_pinned(block))
            elif index not in staying:
                found.append(_gone(block))
            elif entry.rank <= (keep_tool_io_pairs if is_call else keep_recent_turns):
                found.append("recent call" if is_call else "recent turn")
            else:
                spared = block.kind == "user" and len(staying) < len(items)
                found.append("user's words" if spared else "room")
    return found


def _pinned(items: Sequence[Item], policy: CompactPolicy) -> dict[int, Ground]:
    newest = newest_user(items)
    found: dict[int, Ground] = {}
    for index in must_stay(items, policy):
        role = role_of(items[index])
        if is_protected(items[index], policy.protected_flag):
            found[index] = "protected"
        elif index == newest:
            found[index] = "newest question"
        elif role in policy.roles_never_prune:
            found[index] = "instruction" if role in ("system", "developer") else "role"
        else:
            found[index] = "provider's compaction"
    return found


def _in_pinned(block: Block) -> Ground:
    if block.kind == "instruction":
        return "instruction"
    return "open" if block.kind == "pinned" else "tied"


def _gone(block: Block) -> Ground:
    if block.kind == "summary":
        return "earlier summary"
    return "older call" if block.kind == "tool" else "older turn"
