"""Why an item stays or goes is told as the plan decided it, whatever the history."""

from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from compact_otel.core.errors import InsufficientBudget
from compact_otel.core.grounds import grounds
from compact_otel.core.items import as_mapping
from compact_otel.core.policy import (
    aim,
    keep_all,
    limits,
    make_plan,
    must_stay,
    partition,
    target_share,
)
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import Window
from tests.histories import (
    Estimator,
    approval,
    approved,
    assistant,
    call,
    histories,
    is_summary,
    output,
    reasoning,
    settings_of_a_window,
    summary,
    system,
    user,
)

PINNED = {
    "instruction", "role", "protected", "newest question", "provider's compaction", "open", "tied"
}  # fmt: skip
GONE = {"older turn", "older call", "earlier summary"}


def planned(history, setting, *, to_none=False):
    """Return items, policy and a plan; what cannot be planned is no example."""
    items = [as_mapping(item) for item in history]
    tokens = Estimator().count_items(items, None)
    policy = CompactPolicy(
        keep_recent_turns=setting.keep_recent_turns,
        keep_tool_io_pairs=setting.keep_tool_io_pairs,
        hard_cap_buffer=0,
    )
    window = Window(size=max(1, int(sum(tokens) * setting.share)))
    try:
        plan = make_plan(
            items,
            tokens,
            policy,
            limits(policy, window),
            trigger="manual",
            fixed_tokens=5,
            frame_tokens=50,
            to_none=to_none,
        )
    except InsufficientBudget:
        plan = None
    assume(plan is not None)
    return items, policy, plan


def told(items, policy, plan):
    return grounds(
        items,
        plan.kept,
        policy,
        keep_recent_turns=plan.keep_recent_turns,
        keep_tool_io_pairs=plan.keep_tool_io_pairs,
    )


@given(history=histories(), setting=settings_of_a_window, to_none=st.booleans())
def test_each_item_has_a_reason_and_it_is_that_of_the_plan(history, setting, to_none):
    items, policy, plan = planned(history, setting, to_none=to_none)

    why = told(items, policy, plan)

    assert tuple(index for index, reason in enumerate(why) if reason in GONE) == plan.dropped
    counts = Counter(why)
    assert sum(counts[reason] for reason in PINNED) == plan.pinned
    assert counts["user's words"] == plan.user_messages
    assert counts["room"] == 0 or not plan.dropped
    turns = {
        entry.rank
        for entry in partition(items, [0] * len(items), policy)
        if why[entry.block.start] == "recent turn"
    }
    assert len(turns) == plan.recent_turns
    assert all(why[index] in PINNED for index in must_stay(items, policy))
    assert all(is_summary(items[n]) for n, reason in enumerate(why) if reason == "earlier summary")


@given(history=histories())
def test_where_all_stays_there_was_room(history):
    items, policy = [as_mapping(item) for item in history], CompactPolicy(keep_recent_turns=1)
    plan = keep_all(items, [1] * len(items), policy, fixed_tokens=0)

    assert not GONE & set(told(items, policy, plan))
    assert "user's words" not in told(items, policy, plan)


def test_each_reason_by_example():
    by_hand = [
        (user("before"), "provider's compaction"),
        ({"type": "compaction", "encrypted_content": "x"}, "provider's compaction"),
        (system(), "instruction"),
        ({"role": "developer", "content": "style"}, "instruction"),
        ({"role": "critic", "content": "x"}, "role"),
        (user("first " * 9), "user's words"),
        (assistant("long ago " * 200), "older turn"),
        (summary(), "earlier summary"),
        (call("c1"), "older call"),
        (output("c1", "row " * 200), "older call"),
        ({**assistant("mark"), "protected": True}, "protected"),
        (call("c2"), "open"),
        (user("and now?"), "newest question"),
        (reasoning(), "recent call"),
        (call("c3"), "recent call"),
        (output("c3"), "recent call"),
        (assistant("so"), "recent turn"),
    ]
    items = [item for item, _ in by_hand]
    policy = CompactPolicy(
        keep_recent_turns=1,
        keep_tool_io_pairs=1,
        hard_cap_buffer=0,
        roles_never_prune=("system", "developer", "critic"),
    )
    plan = make_plan(
        items,
        Estimator().count_items(items, None),
        policy,
        limits(policy, Window(size=2000)),
        trigger="manual",
        fixed_tokens=5,
        frame_tokens=50,
    )

    assert told(items, policy, plan) == [reason for _, reason in by_hand]


def test_what_stands_between_a_call_that_asks_and_its_answer_is_tied_to_it():
    items = [approval(), user("yes, pay"), approved(), assistant("paid")]

    why = told(items, CompactPolicy(), keep_all(items, [1] * 4, CompactPolicy(), fixed_tokens=0))

    assert why == ["tied", "newest question", "tied", "recent turn"]


@pytest.mark.parametrize("buffer", [0, 1500])
@pytest.mark.parametrize("before", [3_000, 90_000, 200_000])
@pytest.mark.parametrize("tokens", [1, 777, 2_000])
def test_a_target_in_tokens_is_aimed_for_to_the_token(before, tokens, buffer):
    policy, window = CompactPolicy(hard_cap_buffer=buffer), Window(size=100_000)

    share = target_share(policy, window, before, tokens)

    changed = CompactPolicy(hard_cap_buffer=buffer, target_pct=share)
    assert aim(changed, limits(changed, window), "manual", before) == tokens
