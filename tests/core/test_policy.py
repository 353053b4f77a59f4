"""The numbers: limits, triggers, what is kept at which step, and when there is no way."""

import pytest

from compact_otel.core.errors import InsufficientBudget
from compact_otel.core.policy import Limits, limits, make_plan, partition, trigger_reason
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import Window
from tests.histories import (
    answer,
    assistant,
    call,
    output,
    reasoning,
    summary,
    system,
    talk,
    user,
)


def policy(**changes):
    return CompactPolicy(**{"hard_cap_buffer": 0, **changes})


def plan(items, tokens=100, *, target, budget=None, trigger="preflight", **changes):
    """Plan for items of `tokens` tokens each; an empty summary costs 50."""
    previous, fixed = changes.pop("previous_tokens", 0), changes.pop("fixed_tokens", 0)
    each = tokens if isinstance(tokens, list) else [tokens] * len(items)
    return make_plan(
        items,
        each,
        policy(**changes),
        Limits(trigger=10**6, target=target, budget=budget or 10**6, soon=10**6),
        trigger=trigger,
        fixed_tokens=fixed,
        frame_tokens=50,
        previous_tokens=previous,
    )


@pytest.mark.parametrize(
    ("window", "changes", "expected"),
    [
        (Window(size=10_000), {}, (8500, 5000, 10_000)),
        (Window(size=10_000, output_reserve=2000), {}, (6800, 4000, 8000)),
        (Window(size=10_000, soft_cap=2000), {}, (1700, 1000, 10_000)),
        (Window(size=10_000, soft_cap=20_000), {}, (8500, 5000, 10_000)),
        (Window(size=10_000), {"hard_cap_buffer": 1500}, (8500, 5000, 8500)),
        # The buffer is the tighter rule: trigger and target go down together.
        (Window(size=3400), {"hard_cap_buffer": 1700}, (1700, 1000, 1700)),
        (Window(size=100), {"hard_cap_buffer": 500}, (1, 0, 1)),
        (Window(size=1000), {"trigger_pct": 1.0, "target_pct": 0.9}, (1000, 900, 1000)),
    ],
)
def test_limits_come_from_the_input_limit_the_shares_and_the_buffer(window, changes, expected):
    found = limits(policy(**changes), window)
    assert (found.trigger, found.target, found.budget) == expected


@pytest.mark.parametrize("size", range(1502, 4000, 97))
def test_the_target_is_always_below_the_trigger(size):
    found = limits(CompactPolicy(), Window(size=size))
    assert found.target < found.trigger <= found.budget


@pytest.mark.parametrize(
    ("tokens", "trigger", "reason"),
    [
        (799, "preflight", "below_trigger"),
        (800, "preflight", "trigger_reached"),
        (899, "preflight", "trigger_reached"),
        (900, "preflight", "buffer_reached"),
        (1000, "preflight", "buffer_reached"),
        (1001, "preflight", "window_exceeded"),
        (1, "manual", "manual"),
        (1, "reactive", "context_overflow"),
    ],
)
def test_every_trigger_has_its_reason(tokens, trigger, reason):
    found = limits(policy(trigger_pct=0.8, hard_cap_buffer=100), Window(size=1000))
    assert trigger_reason(tokens, trigger, found, Window(size=1000)) == reason


def ranks(items, **changes):
    return [
        (entry.block.kind, entry.rank)
        for entry in partition(items, [1] * len(items), policy(**changes))
    ]


def test_a_turn_is_a_question_with_its_answer():
    items = [user(), assistant(), user(), call(), output(), assistant(), user()]
    assert ranks(items) == [
        ("user", 3),
        ("assistant", 3),
        ("user", 2),
        ("tool", 1),
        ("assistant", 2),
        ("user", 0),  # asked last: pinned, and a turn of its own
    ]


def test_messages_without_a_partner_are_turns_of_their_own():
    assert [rank for _, rank in ranks([assistant(), assistant(), assistant(), user()])] == [
        4,
        3,
        2,
        0,
    ]
    assert [rank for _, rank in ranks([user(), user(), user(), assistant()])] == [3, 2, 0, 1]


def test_calls_are_ranked_by_the_pairs_behind_them():
    items = [
        user(),
        call("a"),
        output("a"),
        call("b"),
        call("c"),
        output("b"),
        output("c"),
        call("d"),
        output("d"),
    ]
    assert [rank for kind, rank in ranks(items) if kind == "tool"] == [4, 2, 1]


def test_pinned_is_what_the_policy_or_the_provider_forbids_to_drop():
    items = [
        user(),
        {"type": "compaction"},
        system(),
        {**assistant(), "protected": True},
        {**call("a"), "meta": {"protected": True}},
        output("a"),
        {"role": "critic"},
        call("pending"),
        user(),
    ]
    assert {rank for _, rank in ranks(items)} == {0}
    assert ranks([assistant(), user()], roles_never_prune=("assistant",)) == [
        ("assistant", 0),
        ("user", 0),
    ]


def test_a_summary_is_replaced_even_if_its_role_is_never_pruned():
    ((kind, rank), *_) = ranks([summary(), user()], roles_never_prune=("assistant",))
    assert (kind, rank > 10**6) == ("summary", True)
    ((_, protected), *_) = ranks([{**summary(), "protected": True}, user()])
    assert protected == 0


def test_what_is_configured_is_kept_if_it_fits():
    found = plan(talk(10), target=1000, keep_recent_turns=3)
    assert (found.step, found.keep_recent_turns, found.recent_turns) == (0, 3, 3)
    assert found.kept == tuple(range(14, 20))
    assert found.dropped == tuple(range(14))
    assert found.kept_tokens == 600
    assert found.summary_budget == 400  # up to the target


def test_a_summary_has_at_most_half_of_what_it_replaces_and_what_is_allowed():
    assert plan(talk(10), target=10_000, keep_recent_turns=8).summary_budget == 200
    found = plan(talk(50), target=10_000, keep_recent_turns=2, summary_max_tokens=300)
    assert found.summary_budget == 350  # with its frame


def test_keep_counts_are_reduced_step_by_step_down_to_one_and_one():
    steps = []
    for target in range(3000, 300, -100):
        found = plan(
            [item for turn in range(12) for item in (user(), call(), output(), assistant())],
            target=target,
            keep_recent_turns=6,
            keep_tool_io_pairs=5,
        )
        steps.append((found.step, found.keep_recent_turns, found.keep_tool_io_pairs))
    assert steps == sorted(steps, key=lambda step: step[0])
    assert set(steps) == {(0, 6, 5), (1, 4, 3), (2, 3, 2), (3, 2, 1), (4, 1, 1)}


def test_large_keep_counts_take_few_steps():
    found = plan(talk(400), target=600, keep_recent_turns=300, keep_tool_io_pairs=300)
    assert found.keep_recent_turns == 1
    assert found.step < 20


def test_nothing_is_planned_if_nothing_can_go():
    assert plan([system(), user()], target=10) is None
    assert plan([], target=10) is None


def test_nothing_is_planned_if_the_summary_would_eat_what_is_saved():
    assert plan([user(), assistant(), user()], target=150, keep_recent_turns=1, tokens=50) is None


def test_a_summary_alone_is_not_summarised_again():
    items = [summary(), system(), user()]
    assert plan(items, tokens=[400, 500, 500], target=700) is None
    assert plan(items[1:], target=100, previous_tokens=400) is None


def test_a_summary_alone_is_shortened_if_nothing_else_helps():
    found = plan([summary(), system(), user()], [400, 500, 500], target=700, budget=1300)
    assert (found.dropped, found.summary_budget) == ((0,), 150)


def test_by_hand_the_target_shrinks_with_the_history():
    items = talk(10)
    policy = {"keep_recent_turns": 6, "keep_user_tokens": 0}
    assert plan(items, target=10_000, **policy).kept_tokens == 1200
    found = plan(items, target=10_000, **policy, trigger="manual")
    assert found.kept_tokens + found.summary_budget <= 1000


def test_if_the_target_is_out_of_reach_what_fits_the_budget_will_do():
    found = plan([system(), *talk(4)], [1000] + [100] * 8, target=600, budget=1500)
    assert (found.keep_recent_turns, found.kept_tokens) == (1, 1200)
    assert 114 <= found.summary_budget <= 300


def test_without_room_for_a_summary_the_items_go_with_a_note():
    found = plan([system(), *talk(4)], [1000] + [100] * 8, target=600, budget=1290)
    assert (found.summary_budget, len(found.dropped)) == (0, 6)


def test_what_saves_too_little_is_left_alone_before_a_summariser_is_asked():
    items, tokens = [system(), *talk(4)], [9000] + [100] * 8
    assert plan(items, tokens, target=5000, min_saving_pct=0.1) is None
    assert plan(items, tokens, target=5000, min_saving_pct=0.01).dropped
    assert plan(items, tokens, target=5000, budget=9700).dropped, "it does not fit, so it is forced"
    assert plan(items, tokens, target=5000, trigger="manual").dropped, "somebody asked for it"


def test_a_note_needs_room_for_the_last_summary_that_it_keeps():
    items, tokens = [system(), *talk(4)], [1000] + [100] * 8
    kept = {"target": 600, "previous_tokens": 60}
    assert plan(items, tokens, budget=1295, **kept).summary_budget == 0
    with pytest.raises(InsufficientBudget) as caught:
        plan(items, tokens, budget=1290, **kept)
    assert caught.value.needed == 1292
    with pytest.raises(InsufficientBudget) as caught:
        plan([summary()], [400], target=50, budget=100)
    assert caught.value.needed == 400


def test_what_does_not_fit_is_an_error_with_numbers_and_a_way_out():
    with pytest.raises(InsufficientBudget) as caught:
        plan(
            [system(), user(), assistant(), user()],
            [900, 100, 100, 300],
            target=500,
            budget=1280,
            fixed_tokens=70,
            hard_cap_buffer=33,
        )
    assert caught.value.needed > caught.value.budget == 1280
    message = str(caught.value)
    for known in (
        "the budget is 1280",
        "instructions and tools have 70",
        "at 0, has 900",
        "`policy.hard_cap_buffer` (33)",
        "larger window",
    ):
        assert known in message


@pytest.mark.parametrize("budget", range(100, 1400, 50))
@pytest.mark.parametrize("items", [[system(), *talk(3)], [summary(), system(), user()]])
def test_the_numbers_of_an_error_never_contradict_each_other(items, budget):
    tokens = [300] * len(items)
    try:
        found = plan(items, tokens, target=50, budget=budget)
    except InsufficientBudget as error:
        needed = error.needed
    else:
        needed = found.kept_tokens + found.summary_budget if found else 300 * len(items)
        budget += 1
    assert (needed > budget) == (budget % 50 == 0)


def test_reasoning_goes_with_its_call():
    items = [user(), reasoning(), call("a"), output("a"), answer(), call("b"), output("b"), user()]
    found = plan(items, 200, target=900, keep_recent_turns=1, keep_tool_io_pairs=1)
    assert found.dropped == (0, 1, 2, 3)


def said(index, text):
    return {**user(index), "content": text}


def with_changes(*texts):
    """Return a long talk in which a user says these things, and much else before."""
    talked = [item for n in range(10) for item in (user(n), assistant(n))]
    told = [item for n, text in enumerate(texts) for item in (said(n, text), assistant(n))]
    return [*talked, *told, user(0), assistant(0)]


def test_a_message_of_which_something_holds_no_longer_goes_into_the_summary():
    items = with_changes("Book the hall for Monday.", "Nice weather.", "Make that Tuesday.")
    made = plan(items, target=3600, keep_recent_turns=1, keep_tool_io_pairs=1)
    texts = [items[position]["content"] for position in made.kept]
    assert "Book the hall for Monday." not in texts
    assert "Nice weather." in texts
    assert "Make that Tuesday." in texts


def test_the_first_message_stays_whatever_was_changed_in_it():
    items = [said(0, "Book the hall for Monday."), *with_changes("Make that Tuesday.")]
    made = plan(items, target=3600, keep_recent_turns=1, keep_tool_io_pairs=1)
    assert made.kept[0] == 0


def test_a_message_that_says_much_besides_stays_word_for_word():
    letter = " ".join(f"Point {place} of it is as we said." for place in "abcdefghij")
    items = with_changes(f"Book the hall for Monday. {letter}", "Make that Tuesday.")
    made = plan(items, target=3600, keep_recent_turns=1, keep_tool_io_pairs=1)
    assert any(letter in str(items[position]["content"]) for position in made.kept)


def test_a_pasted_document_does_not_push_out_what_was_said_before_it():
    items = with_changes("Nice weather.", "Here is the log: ...")
    pasted = next(n for n, item in enumerate(items) if "the log" in str(item["content"]))
    tokens = [2000 if n == pasted else 100 for n in range(len(items))]
    made = plan(items, tokens, target=3600, keep_recent_turns=1, keep_tool_io_pairs=1)
    texts = [items[position]["content"] for position in made.kept]
    assert "Nice weather." in texts
    assert pasted in made.dropped
