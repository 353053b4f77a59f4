"""Plans for small histories in full: what stays, what goes, and what a summary may have."""

import pytest

from compact_otel.core.errors import InsufficientBudget
from compact_otel.core.policy import (
    Limits,
    Plan,
    aim,
    keep_all,
    limits,
    make_plan,
    must_stay,
    target_share,
    trigger_reason,
)
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import Window
from tests.histories import assistant, call, output, summary, system, talk, user

WORK = [
    system(),
    *(user(0), assistant(0)),
    *(call("a"), output("a")),
    *(call("b"), output("b")),
    *(user(1), assistant(1)),
    *(call("c"), output("c")),
    user(2),
]
"""Three turns and three calls; the system message and the last question are pinned."""


def policy(**changes):
    return CompactPolicy(**{"hard_cap_buffer": 0, "keep_user_tokens": 0, **changes})


def plan(items, target, budget=10**6, trigger="preflight", tokens=100, **options):
    """Plan for items of 100 tokens each; an empty summary costs 50."""
    beside = {"fixed_tokens": 0, "frame_tokens": 50}
    for name in ("fixed_tokens", "previous_tokens", "to_none"):
        if name in options:
            beside[name] = options.pop(name)
    return make_plan(
        items,
        [*tokens] if isinstance(tokens, list) else [tokens] * len(items),
        policy(**options),
        Limits(trigger=10**6, target=target, budget=budget, soon=10**6),
        trigger=trigger,
        **beside,
    )


@pytest.mark.parametrize(
    ("asked", "counts", "kept", "figures"),
    [
        # target, turns, calls; step and counts; what stays; summary, turns, calls, tokens
        ((1100, 1, 1), (0, 1, 1), {0, 8, 9, 10, 11}, (350, 0, 1, 500)),
        ((1100, 2, 1), (0, 2, 1), {0, 7, 8, 9, 10, 11}, (300, 1, 1, 600)),
        ((1100, 1, 2), (0, 1, 2), {0, 5, 6, 8, 9, 10, 11}, (250, 0, 2, 700)),
        ((1100, 2, 2), (0, 2, 2), {0, 5, 6, 7, 8, 9, 10, 11}, (200, 1, 2, 800)),
        ((1100, 3, 3), (1, 2, 2), {0, 5, 6, 7, 8, 9, 10, 11}, (200, 1, 2, 800)),
        ((900, 3, 3), (2, 1, 1), {0, 8, 9, 10, 11}, (350, 0, 1, 500)),
        ((675, 3, 3), (2, 1, 1), {0, 8, 9, 10, 11}, (175, 0, 1, 500)),
    ],
)
def test_what_is_kept_and_what_a_summary_of_the_rest_may_have(asked, counts, kept, figures):
    target, turns, pairs = asked
    step, keep_turns, keep_pairs = counts
    budget, recent, calls, tokens = figures
    assert plan(WORK, target, keep_recent_turns=turns, keep_tool_io_pairs=pairs) == Plan(
        kept=tuple(sorted(kept)),
        dropped=tuple(sorted(set(range(12)) - kept)),
        summary_budget=budget,
        step=step,
        keep_recent_turns=keep_turns,
        keep_tool_io_pairs=keep_pairs,
        pinned=2,
        recent_turns=recent,
        tool_pairs=calls,
        kept_tokens=tokens,
    )


@pytest.mark.parametrize(
    ("turns", "pairs", "steps"),
    [
        (1, 1, [(1, 1), (0, 1), (1, 0), (0, 0)]),
        (2, 1, [(2, 1), (1, 1), (0, 1), (1, 0), (0, 0)]),
        (8, 3, [(8, 3), (6, 2), (4, 1), (3, 1), (2, 1), (1, 1), (0, 1), (1, 0), (0, 0)]),
    ],
)
def test_the_counts_go_down_by_a_quarter_and_in_need_to_none(turns, pairs, steps):
    items = [
        item for n in range(9) for item in (user(n), call(f"{n}"), output(f"{n}"), assistant())
    ]
    seen = []
    for target in range(4000, 100, -5):
        found = plan(
            items,
            target,
            to_none=True,
            keep_recent_turns=turns,
            keep_tool_io_pairs=pairs,
        )
        if found is not None:
            counts = (found.keep_recent_turns, found.keep_tool_io_pairs)
            assert steps[found.step] == counts
            seen += [counts] if counts not in seen else []
    assert seen == [one for one in steps if one in seen]
    assert seen[-1] == (0, 0)


@pytest.mark.parametrize(
    ("more", "figures"),
    [
        ({}, (900, 200, None, 0, {18, 19})),
        ({"keep_user_tokens": 99}, (900, 200, None, 0, {18, 19})),
        ({"keep_user_tokens": 100}, (900, 300, 1, 1, {0, 18, 19})),
        ({"keep_user_tokens": 320}, (900, 500, 17, 3, {0, 14, 16, 18, 19})),
        # A quarter of the target of 1,600.
        ({"keep_user_tokens": 1000}, (900, 600, 17, 4, {0, 12, 14, 16, 18, 19})),
    ],
)
def test_what_users_said_earlier_stays_where_there_is_room(more, figures):
    budget, tokens, place, users, kept = figures
    found = plan(talk(10), 1600, keep_recent_turns=1, **more)
    assert (found.summary_budget, found.kept_tokens) == (budget, tokens)
    assert (found.place, found.user_messages, set(found.kept)) == (place, users, kept)
    assert set(found.dropped) == set(range(20)) - kept


def test_the_first_message_stays_or_is_passed_over_where_it_is_too_long():
    tokens = [350, *[100] * 19]
    found = plan(talk(10), 1600, keep_recent_turns=1, keep_user_tokens=340, tokens=tokens)
    assert set(found.kept) == {12, 14, 16, 18, 19}
    found = plan(talk(10), 1800, keep_recent_turns=1, keep_user_tokens=350, tokens=tokens)
    assert set(found.kept) == {0, 18, 19}
    # Behind all that is dropped no place has to be named.
    items = [assistant(), *talk(1), user(2)]
    found = plan(items, 800, keep_recent_turns=1, keep_user_tokens=100, tokens=[900, 50, 800, 50])
    assert (found.kept, found.dropped, found.place) == ((1, 3), (0, 2), 2)


@pytest.mark.parametrize(
    ("items", "options", "budget"),
    [
        # A summary that stood there before is replaced: as much of the next, and half of the rest.
        ([summary(), *talk(10)], {"tokens": [300, *[100] * 20]}, 300 + 1800 // 2),
        (talk(10), {"previous_tokens": 200, "fixed_tokens": 70}, 200 + 1800 // 2),
        (talk(10), {"summary_max_tokens": 500}, 550),
        (talk(10), {"fixed_tokens": 800}, 1600 - 800 - 200),
        (talk(10), {"fixed_tokens": 950}, 1600 - 950 - 200),
    ],
)
def test_a_summary_has_half_of_what_goes_and_no_more_than_there_is_room_for(items, options, budget):
    found = plan(items, 1600, keep_recent_turns=1, **options)
    assert found.summary_budget == budget
    assert found.kept_tokens == 200 + options.get("fixed_tokens", 0)
    assert not found.cramped


RULED = [system(), *talk(8)]
RULES = [1000, *[100] * 16]
"""1,200 tokens stay whatever the target is; 1,400 go."""


@pytest.mark.parametrize(
    ("budget", "options", "summary_budget", "cramped"),
    [
        (1281, {}, None, None),
        (1282, {}, 0, True),  # a note of 32 tokens in its frame
        (1313, {}, 0, True),
        (1314, {}, 114, True),
        (1500, {}, 150, True),
        (1898, {}, 349, True),
        (1900, {}, 350, False),  # half of the most that it could have
        (2599, {}, 699, False),
        (2600, {"min_saving_pct": 0.27}, None, None),
        (2600, {"min_saving_pct": 0.26}, 700, False),
        (2599, {"min_saving_pct": 0.9}, 699, False),  # it has to go
        (2000, {"trigger": "manual"}, 114, True),
        (2000, {"trigger": "manual", "min_saving_pct": 0.9}, 114, True),
        (2000, {"summary_max_tokens": 64}, 114, False),
        (2000, {"previous_tokens": 700}, 400, True),
        (1300, {"previous_tokens": 60}, 0, True),
        (1291, {"previous_tokens": 60}, None, None),
    ],
)
def test_where_the_target_is_out_of_reach_half_of_the_room_stays_free(
    budget, options, summary_budget, cramped
):
    given = {"tokens": RULES, "keep_recent_turns": 1, **options}
    if summary_budget is None:
        if budget > 2000:
            assert plan(RULED, 600, budget, **given) is None
            return
        with pytest.raises(InsufficientBudget) as caught:
            plan(RULED, 600, budget, **given)
        assert caught.value.needed == budget + 1
        return
    found = plan(RULED, 600, budget, **given)
    assert (found.kept, found.kept_tokens) == ((0, 15, 16), 1200)
    assert (found.summary_budget, found.cramped) == (summary_budget, cramped)


@pytest.mark.parametrize(("budget", "cramped"), [(900, True), (1100, False)])
def test_a_share_of_the_budget_is_enough_for_what_a_summary_stands_for(budget, cramped):
    found = plan(talk(41), 100, budget, keep_recent_turns=1)
    assert (found.summary_budget, found.cramped) == ((budget - 200) // 2, cramped)


def test_what_takes_the_room_is_named_by_its_place():
    with pytest.raises(InsufficientBudget) as caught:
        plan(RULED, 600, 1200, tokens=RULES, keep_recent_turns=1, fixed_tokens=40)
    assert str(caught.value) == (
        "need at least 1322 tokens, the budget is 1200: instructions and tools have 40 tokens, "
        "what must stay besides has 1200; the largest item, at 0, has 1000. Shorten or unprotect "
        "one of these, lower `policy.hard_cap_buffer` (0), or use a larger window"
    )
    with pytest.raises(InsufficientBudget) as caught:
        plan([], 600, 1200, fixed_tokens=1300)
    assert caught.value.needed == 1300
    assert "what must stay besides has 0. Shorten" in str(caught.value)


def test_where_all_stays_nothing_is_counted_down():
    found = keep_all(WORK, [100] * 12, policy(keep_recent_turns=2), fixed_tokens=7)
    assert found == Plan(
        kept=tuple(range(12)),
        dropped=(),
        summary_budget=0,
        step=0,
        keep_recent_turns=2,
        keep_tool_io_pairs=4,
        pinned=2,
        recent_turns=2,
        tool_pairs=3,
        kept_tokens=1207,
    )


# Limits.


@pytest.mark.parametrize(
    ("window", "changes", "found"),
    [
        (Window(size=10_000), {}, Limits(8500, 5000, 10_000, 7000)),
        (Window(size=10_000), {"soft_trigger_pct": 0}, Limits(8500, 5000, 10_000, 8500)),
        (Window(size=10_000, soft_cap=2000), {}, Limits(1700, 1000, 10_000, 1400)),
        (Window(size=3400), {"hard_cap_buffer": 1700}, Limits(1700, 1000, 1700, 1400)),
        # Of a window that was learned a quarter is kept free at most.
        (
            Window(size=4000, source="learned"),
            {"hard_cap_buffer": 1500},
            Limits(3000, 1764, 3000, 2470),
        ),
        (
            Window(size=8000, source="learned"),
            {"hard_cap_buffer": 1500},
            Limits(6500, 3823, 6500, 5352),
        ),
        (Window(size=100), {"hard_cap_buffer": 500}, Limits(1, 0, 1, 0)),
    ],
)
def test_the_limits_of_a_window(window, changes, found):
    assert limits(policy(**changes), window) == found


def test_what_will_come_yet_is_taken_off_the_target_and_the_budget():
    given = Limits(trigger=850, target=500, budget=1000, soon=700)
    assert given.less(40) == Limits(trigger=850, target=460, budget=960, soon=700)
    assert given.less(999) == Limits(trigger=850, target=1, budget=1, soon=700)


@pytest.mark.parametrize(
    ("trigger", "before", "tokens"),
    [
        ("preflight", 600, 500),
        ("background", 600, 500),
        ("manual", 601, 300),
        ("reactive", 600, 300),
        ("manual", 2000, 500),
    ],
)
def test_whoever_asks_aims_lower_than_there_is(trigger, before, tokens):
    given = Limits(trigger=850, target=500, budget=1000, soon=700)
    assert aim(policy(), given, trigger, before) == tokens


@pytest.mark.parametrize("before", [1, 700, 5000, 90_000])
@pytest.mark.parametrize("tokens", [1, 200, 699])
@pytest.mark.parametrize("buffer", [0, 2000])
def test_a_share_is_found_for_any_number_of_tokens(before, tokens, buffer):
    window, rules = Window(size=10_000), policy(hard_cap_buffer=buffer)
    share = target_share(rules, window, before, tokens)
    if not 0 < share < rules.trigger_pct:
        assert tokens >= int(before * 0.85)
        return
    aimed = policy(hard_cap_buffer=buffer, target_pct=share)
    assert aim(aimed, limits(aimed, window), "manual", before) == tokens


@pytest.mark.parametrize(
    ("trigger", "reason"),
    [
        ("manual", "manual"),
        ("reactive", "context_overflow"),
        ("background", "soft_trigger_reached"),
        ("preflight", "window_exceeded"),
    ],
)
def test_each_trigger_has_its_reason(trigger, reason):
    window = Window(size=1000)
    assert trigger_reason(1001, trigger, limits(policy(), window), window) == reason


@pytest.mark.parametrize(
    ("items", "places"),
    [
        ([], set()),
        ([assistant()], set()),
        ([user(), assistant()], {0}),
        ([system(), user(), user(), assistant()], {0, 2}),
        ([{**assistant(), "keep": True}, {**assistant(), "meta": {"keep": True}}], {0, 1}),
        ([{**assistant(), "protected": True}, {**assistant(), "meta": {"keep": 1}}], set()),
        ([assistant(), {"type": "compaction"}, assistant()], {0, 1}),
        ([{"role": "critic", "content": "x"}, summary(role="user"), user()], {0, 2}),
    ],
)
def test_what_no_compaction_may_drop(items, places):
    rules = policy(protected_flag="keep", roles_never_prune=("system", "critic"))
    assert must_stay(items, rules) == places
