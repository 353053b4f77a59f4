"""When to compact, and what to keep: budget, trigger, partition, reduction.

A history is divided into blocks, and every block falls into one of four groups:

* *pinned*: instructions, protected and unknown items, calls that wait, the newest user message;
* *recent turns*: the messages of the last `keep_recent_turns` turns;
* *tool I/O*: the last `keep_tool_io_pairs` calls with their outputs;
* the *remainder*, which a summary replaces.

Where there is room, users' earlier messages stay, too: the first, then the newest of which all
still holds.

If the result would not fit, both counts are reduced step by step, down to one turn and one call.
Everything is one pass over the blocks: a rescan per step or item would be quadratic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal

from compact_otel.core import frame
from compact_otel.core.errors import InsufficientBudget
from compact_otel.core.facts import outdated
from compact_otel.core.items import (
    Block,
    blocks,
    is_protected,
    newest_user,
    server_compacted,
)
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import Item, TriggerType, Window

SMALLEST_SUMMARY = 64
"""A summary below this many tokens can not say anything; the items go with a note instead."""

_NOTE_TOKENS = 32
"""Room that the note takes which stands in for a summary."""

_LARGEST_SHARE = 0.5
"""A summary may have at most this share of the tokens it replaces, or it saves too little."""

_FAIR_SHARE = 0.4
"""A summary with this share of the budget has enough, whatever it stands for."""

_USERS_SHARE = 0.25
"""What users said earlier may have at most this share of the target, word for word."""

Reason = Literal[
    "trigger_reached", "buffer_reached", "window_exceeded", "manual", "context_overflow",
    "below_trigger", "soft_trigger_reached",
]  # fmt: skip


_DEMANDS: frozenset[TriggerType] = frozenset({"manual", "reactive"})

_REASONS: dict[TriggerType, Reason] = {
    "manual": "manual",
    "reactive": "context_overflow",
    "background": "soft_trigger_reached",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The token limits of one call, items and fixed parts together.

    Attributes:
        trigger: Compact at this estimate.
        target: Aim for this estimate.
        budget: The most a result may have.
        soon: Prepare the next compaction from this estimate on; not below `trigger`, then never.
    """

    trigger: int
    target: int
    budget: int
    soon: int

    def less(self, tokens: int) -> Limits:
        """Return the limits for a result that will grow by so many tokens before it is used."""
        target, budget = self.target - tokens, self.budget - tokens
        return replace(self, target=max(1, target), budget=max(1, budget))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a compaction keeps and drops.

    Attributes:
        kept: Positions that stay, ascending.
        dropped: Positions that the summary stands for, ascending.
        summary_budget: Tokens for the summary with its frame, 0 for a note only.
        step: 0 = keep counts as configured, n = after n reductions.
        keep_recent_turns: Keep count in force at this step.
        keep_tool_io_pairs: Keep count in force at this step.
        pinned: Items kept because they are pinned.
        recent_turns: Turns kept.
        tool_pairs: Call/output pairs kept.
        kept_tokens: Tokens of the kept items and the fixed parts.
        user_messages: Users' messages kept beside these, since there was room.
        place: Position in front of which the summary stands, behind users' earlier messages; None:
            where the first item is dropped.
        cramped: Whether the summary gets too little room for what it stands for.
    """

    kept: tuple[int, ...]
    dropped: tuple[int, ...]
    summary_budget: int
    step: int
    keep_recent_turns: int
    keep_tool_io_pairs: int
    pinned: int
    recent_turns: int
    tool_pairs: int
    kept_tokens: int
    user_messages: int = 0
    place: int | None = None
    cramped: bool = False


def limits(policy: CompactPolicy, window: Window) -> Limits:
    """Return the limits that a policy sets in a window."""
    budget = _budget(policy, window)
    full = _full(policy, window, budget)
    trigger = min(budget, int(window.input_aim * policy.trigger_pct))
    return Limits(
        trigger=trigger,
        target=int(full * policy.target_pct),
        budget=budget,
        soon=int(full * policy.soft_trigger_pct) if policy.soft_trigger_pct else trigger,
    )


def _budget(policy: CompactPolicy, window: Window) -> int:
    limit, buffer = window.input_limit, policy.hard_cap_buffer
    if window.source == "learned":  # set for another window, it could leave nothing of this one
        buffer = min(buffer, limit // 4)
    return max(1, limit - buffer)


def _full(policy: CompactPolicy, window: Window, budget: int) -> float:
    """Return what the shares are shares of.

    Where the buffer lowers the trigger, the others go down with it: a result at the trigger would
    be compacted again on the next call.
    """
    return min(window.input_aim, budget / policy.trigger_pct)


def target_share(policy: CompactPolicy, window: Window, before: int, tokens: int) -> float:
    """Return the `target_pct` with which a compaction by hand aims for so many tokens.

    Args:
        policy: What else holds.
        window: The window.
        before: Tokens of the call.
        tokens: Tokens to aim for.
    """
    full = min(before, _full(policy, window, _budget(policy, window)))
    return (tokens + 0.5) / max(1.0, full)  # by a half, since `aim` rounds down


def aim(policy: CompactPolicy, limits_: Limits, trigger: TriggerType, before: int) -> int:
    """Return the tokens that a compaction of a call of `before` tokens should come to.

    By hand or after an overflow the target also shrinks with the history itself, because whoever
    asks wants less than there is.
    """
    if trigger in _DEMANDS:
        return min(limits_.target, int(before * policy.target_pct))
    return limits_.target


def trigger_reason(tokens: int, trigger: TriggerType, limits_: Limits, window: Window) -> Reason:
    """Say why a call of `tokens` is compacted, or `below_trigger` if it is not."""
    if trigger != "preflight":
        return _REASONS[trigger]
    if tokens > window.input_limit:
        return "window_exceeded"
    if tokens >= limits_.budget:
        return "buffer_reached"
    return "trigger_reached" if tokens >= limits_.trigger else "below_trigger"


def must_stay(items: Sequence[Item], policy: CompactPolicy) -> set[int]:
    """Return the indices of what no compaction may drop, whatever stands beside it.

    That is: instructions and what is marked as protected, the newest user message, and what a
    compaction by the provider speaks of. A role protects what was said in it, and a summary of
    ours only borrows one.
    """
    flag, roles = policy.protected_flag, policy.roles_never_prune
    found = {
        index
        for index, item in enumerate(items)
        if ((flag in item or "meta" in item) and is_protected(item, flag))
        or (item.get("role") in roles and frame.unwrap(item) is None)
    }
    found.update(range(server_compacted(items)))
    asked_last = newest_user(items)
    return found | {asked_last} if asked_last >= 0 else found


@dataclass(slots=True)  # not frozen: that takes four times as long to make, and there are hundreds
class _Ranked:
    """A block, its tokens, and its age among its like: 0 pinned, 1 the newest turn or call."""

    block: Block
    tokens: int
    rank: int


_FOLDED = 1 << 60  # rank that no keep count reaches: a summary, which the next one replaces


def partition(items: Sequence[Item], tokens: Sequence[int], policy: CompactPolicy) -> list[_Ranked]:
    """Rank every block of a history by how recent it is among its like, in order.

    A turn is a user message and the answer to it. Messages without a partner (two questions in a
    row, an agent that speaks unasked) make turns of their own, so no turn grows without bound.
    """
    pinned = sorted(must_stay(items, policy))
    sums = [0, *accumulate(tokens)]
    turn, asked, answered, pairs = 0, False, False, 0
    ranked = []
    for block in reversed(blocks(items)):
        start, stop, kind, paired = block
        if kind in ("user", "assistant"):
            if turn == 0 or asked or (answered and kind == "assistant"):
                turn, asked, answered = turn + 1, False, False
            asked, answered = asked or kind == "user", answered or kind == "assistant"
        stays = kind in ("pinned", "instruction")
        while pinned and pinned[-1] >= start:
            pinned.pop()
            stays = True
        if stays:
            rank = 0
        elif kind == "tool":
            rank = pairs + 1
        else:
            rank = _FOLDED if kind == "summary" else turn
        pairs += paired
        ranked.append(_Ranked(block, sums[stop] - sums[start], rank))
    return ranked[::-1]


def make_plan(
    items: Sequence[Item],
    tokens: Sequence[int],
    policy: CompactPolicy,
    limits_: Limits,
    *,
    trigger: TriggerType,
    fixed_tokens: int,
    frame_tokens: int,
    previous_tokens: int = 0,
    to_none: bool = False,
) -> Plan | None:
    """Decide what stays, with as much as fits the target; None if dropping gains nothing.

    Args:
        items: The history as it would go out, without an earlier compaction's summary.
        tokens: Tokens of each item.
        policy: What may be dropped.
        limits_: What must be reached.
        trigger: Who asks.
        fixed_tokens: Tokens of the call beside its items.
        frame_tokens: Tokens of an empty summary.
        previous_tokens: Tokens of the earlier summary, which the new one replaces.
        to_none: Whether the last turn and the last call may go, too.

    Raises:
        InsufficientBudget: If what must stay is over the budget.
    """
    ranked = partition(items, tokens, policy)
    before = fixed_tokens + previous_tokens + sum(tokens)
    previous_tokens += sum(entry.tokens for entry in ranked if entry.rank == _FOLDED)
    target = aim(policy, limits_, trigger, before)
    demanded = trigger in _DEMANDS
    plan, removed, largest, wanted = None, 0, 0, 0
    for step, (turns, pairs) in enumerate(_reductions(policy, to_none=to_none)):
        plan = _keep(ranked, fixed_tokens, turns=turns, pairs=pairs, step=step)
        removed = before - previous_tokens - plan.kept_tokens
        largest = min(
            policy.summary_max_tokens + frame_tokens,
            previous_tokens + int(removed * _LARGEST_SHARE),
        )
        wanted = max(SMALLEST_SUMMARY + frame_tokens, largest // 2)
        if removed > 0 and wanted <= largest and plan.kept_tokens + wanted <= target:
            room = min(target - plan.kept_tokens - wanted, int(target * _USERS_SHARE))
            room = min(room, policy.keep_user_tokens)
            if room:
                plan = _with_users(plan, ranked, room, items)
            return replace(plan, summary_budget=min(largest, target - plan.kept_tokens))
    assert plan is not None  # noqa: S101 - there is always a step, and types cannot say so
    room = limits_.budget - plan.kept_tokens
    gains = removed > 0 or before > limits_.budget  # a summary alone is shortened in need only
    # Over the target whatever is dropped: half of the room stays free, or the very next call would
    # compact again and break the provider's prompt cache. Whoever asks for less gets that, though.
    least = min(room, SMALLEST_SUMMARY + frame_tokens)
    spare = target - plan.kept_tokens if demanded else room // 2
    tight = min(largest, max(spare, least))
    forced = demanded or before > limits_.budget
    worth = forced or before - plan.kept_tokens - tight >= policy.min_saving_pct * before
    if plan.dropped and gains and worth and tight >= SMALLEST_SUMMARY + frame_tokens:
        fair = min(wanted, int(limits_.budget * _FAIR_SHARE))
        return replace(plan, summary_budget=tight, cramped=tight < fair)
    if before <= limits_.budget:
        return None
    note_tokens = max(frame_tokens, previous_tokens) + _NOTE_TOKENS  # it keeps the last summary
    if removed > 0 and room >= note_tokens:
        return replace(plan, cramped=True)
    raise InsufficientBudget(
        needed=plan.kept_tokens + note_tokens if removed > 0 else before,
        budget=limits_.budget,
        guidance=_guidance(plan, tokens, fixed_tokens, policy),
    )


def keep_all(
    items: Sequence[Item], tokens: Sequence[int], policy: CompactPolicy, *, fixed_tokens: int
) -> Plan:
    """Return the plan that drops nothing."""
    ranked = partition(items, tokens, policy)
    plan = _keep(ranked, fixed_tokens, turns=_FOLDED, pairs=_FOLDED, step=0)
    return replace(
        plan,
        keep_recent_turns=policy.keep_recent_turns,
        keep_tool_io_pairs=policy.keep_tool_io_pairs,
    )


def _reductions(policy: CompactPolicy, *, to_none: bool) -> Iterator[tuple[int, int]]:
    """Yield the keep counts from those configured down to one turn and one call, or to none."""
    turns, pairs = policy.keep_recent_turns, policy.keep_tool_io_pairs
    yield turns, pairs
    while turns > 1 or pairs > 1:
        # By one where counts are small, by a quarter where they are large: few steps either way.
        turns, pairs = (max(1, min(count - 1, count * 3 // 4)) for count in (turns, pairs))
        yield turns, pairs
    if to_none:
        yield from ((0, 1), (1, 0), (0, 0))


def _keep(
    ranked: Sequence[_Ranked], fixed_tokens: int, *, turns: int, pairs: int, step: int
) -> Plan:
    """Return the plan that keeps `turns` turns and `pairs` calls, yet without a summary budget."""
    staying = [
        entry for entry in ranked if entry.rank <= (pairs if entry.block.kind == "tool" else turns)
    ]
    kept = [index for entry in staying for index in range(entry.block.start, entry.block.stop)]
    everything = range(ranked[-1].block.stop if ranked else 0)
    pinned = [entry.block for entry in staying if entry.rank == 0]
    recent = {entry.rank for entry in staying if entry.rank and entry.block.kind != "tool"}
    return Plan(
        kept=tuple(kept),
        dropped=tuple(sorted(set(everything).difference(kept))),
        summary_budget=0,
        step=step,
        keep_recent_turns=turns,
        keep_tool_io_pairs=pairs,
        pinned=sum(block.stop - block.start for block in pinned),
        recent_turns=len(recent),
        tool_pairs=sum(entry.block.pairs for entry in staying),
        kept_tokens=fixed_tokens + sum(entry.tokens for entry in staying),
    )


def _with_users(plan: Plan, ranked: Sequence[_Ranked], room: int, items: Sequence[Item]) -> Plan:
    """Return a plan that also keeps users' messages: the first, then the newest that fit.

    Where a user said otherwise later the summary says what holds: word for word the old value would
    stand in the request as if it did.
    """
    staying = set(plan.kept)
    said = [
        entry
        for entry in ranked
        if entry.block.kind == "user" and entry.rank != 0 and entry.block.start not in staying
    ]
    # The first one says what all this is for. To read what holds is the dearest part of a plan, so
    # of the others only those are read that may stay.
    newest = _newest(said[1:], room)
    begin = newest[-1].block.start if newest else 0
    stale = {begin + position for position in outdated(items[begin:])} if newest else ()
    added: list[int] = []
    left = room
    for entry in (*said[:1], *newest):
        if entry.tokens <= left and (entry is said[0] or entry.block.start not in stale):
            left -= entry.tokens
            added += range(entry.block.start, entry.block.stop)
    dropped = sorted(set(plan.dropped).difference(added))
    in_front = [position for position in added if dropped and position < dropped[-1]]
    return replace(
        plan,
        kept=tuple(sorted((*plan.kept, *added))),
        dropped=tuple(dropped),
        kept_tokens=plan.kept_tokens + room - left,
        user_messages=len(added),
        place=max(in_front) + 1 if in_front else None,
    )


def _newest(said: Sequence[_Ranked], room: int) -> list[_Ranked]:
    """Return the newest entries that fit into so many tokens, the newest first.

    One that is too long is passed over, as those before it are no less worth for it.
    """
    found = []
    for entry in reversed(said):
        if entry.tokens <= room:
            room -= entry.tokens
            found.append(entry)
    return found


def _guidance(plan: Plan, tokens: Sequence[int], fixed_tokens: int, policy: CompactPolicy) -> str:
    """Say what takes the room, by position and number, and what can be done about it."""
    largest = max(plan.kept, key=lambda position: tokens[position], default=None)
    item = "" if largest is None else f"; the largest item, at {largest}, has {tokens[largest]}"
    return (
        f"instructions and tools have {fixed_tokens} tokens, what must stay besides has "
        f"{plan.kept_tokens - fixed_tokens}{item}. Shorten or unprotect one of these, "
        f"lower `policy.hard_cap_buffer` ({policy.hard_cap_buffer}), or use a larger window"
    )
