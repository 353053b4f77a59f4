"""Which of several earlier lines a change means, rule by rule."""

from __future__ import annotations

import pytest

from compact_otel.core.facts import matching, updates
from compact_otel.core.facts.matching import Line
from compact_otel.core.facts.sense import sense_of


def said(text, place=0):
    return matching.Heard(place, Line(place, text), sense_of(text), text)


TABLE = "Book a table for Monday under Smith."
CORNER = "The corner table is kept until Monday."
CLUB = "as Ann, Bob and the others of the old club come, too."
HALL = "The red hall has 40 chairs."

# Kind, the earlier line, the change; whether it is meant if it is recent, and if it is not.
MEANT = {
    ("weekday", TABLE, "Make that Tuesday."): (True, False),
    ("weekday", TABLE, "Make that Monday."): (False, False),
    ("weekday", "Book a table.", "Make that Tuesday."): (False, False),
    ("weekday", TABLE, "Also make another Tuesday."): (False, False),
    ("weekday", TABLE, "Move the table to Tuesday."): (True, False),
    ("weekday", TABLE, "Move the party to Tuesday."): (False, False),
    ("weekday", TABLE, "Move the party table to Tuesday."): (False, False),
    ("weekday", TABLE, "Move the big garden party table to Tuesday."): (False, False),
    ("weekday", TABLE, "Stattdessen der party table garden house auf Dienstag."): (True, False),
    ("weekday", CORNER, f"The corner table is now kept until Tuesday, {CLUB}"): (True, True),
    ("weekday", f"I think the {CORNER}", "The corner table is now kept until Tuesday."): (
        True,
        False,
    ),
    ("weekday", CORNER, "I think the corner table is now kept until Tuesday."): (True, False),
    ("number", HALL, "The red hall now has 50 chairs."): (True, True),
    ("number", HALL, "The red hall now has 50 tables."): (False, False),
    ("number", HALL, f"The red hall now has 50 tables, {CLUB}"): (False, False),
}


@pytest.mark.parametrize("case", MEANT)
def test_a_change_means_an_earlier_line(case):
    kind, old, change = case
    new = said(change, 1)
    about = matching.about(kind, new.sense)
    assert MEANT[case] == tuple(
        matching.meant(kind, said(old), new, about, recent=recent) for recent in (True, False)
    )


def test_what_a_change_is_about_is_neither_its_values_nor_its_announcement():
    sense = said("Actually, move the table of Anna Bell to Tuesday at 9 am.").sense
    assert matching.about("weekday", sense) == {"anna", "bell", "tabl"}
    assert matching.about("name", sense) == {"tabl"}


PLANS = [
    said(text, place)
    for place, text in enumerate(["Let's paint the fence green.", "Let's sell the car."])
]


@pytest.mark.parametrize(
    ("stems", "position", "named", "unnamed"),
    [
        ("fenc green", 2, [0], [0]),
        ("fenc", 2, [], [0]),
        ("car", 2, [1], [1]),
        ("fenc green car sell", 2, [1], [1]),
        ("fenc paint green car", 2, [0], [0]),
        ("other", 7, [], [1]),
        ("other", 8, [], []),
    ],
)
def test_a_plan_is_taken_back_that_is_named_else_the_last(stems, position, named, unnamed):
    found = [
        [plan.order for plan in updates._meant(PLANS, frozenset(stems.split()), position, named=by)]
        for by in (True, False)
    ]
    assert found == [named, unnamed]
    assert updates._meant([], frozenset(stems.split()), position, named=False) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("I need 3 chairs and 5 tables", "now 4 tables", True),
        ("I need 3 chairs", "I sold 4 tables", False),
        ("On 3 May chairs", "4 chairs", False),
        ("I need 3", "I need 4", False),
    ],
)
def test_numbers_are_of_the_same_things_by_the_word_behind_them(one, other, same):
    assert matching._count_the_same(said(one), said(other)) is same


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("It is late. Come on Monday.", "come on monday."),
        ("On Monday it is. Come on Tuesday. Or not.", "come on tuesday. or not."),
        ("Late on Monday. Ann comes at 9 am.", "late on monday. ann comes at 9 am."),
        ("Nothing. Of it.", "nothing. of it."),
    ],
)
def test_of_a_line_with_several_sentences_the_one_with_the_last_value_counts(text, part):
    assert matching._part_with("weekday", said(text)) == part


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The test on line 40 fails.", True),
        ("Line 40 a", True),
        ("Line 40 a b", True),
        ("The big test has 40", False),
        ("There are 40 of them", False),
        ("40 tests fail", False),
    ],
)
def test_a_number_may_be_part_of_a_name(text, label):
    (value,) = (value for value in sense_of(text).values if value.kind == "number")
    assert matching.is_label(value, text) is label


SHIP = "Always ship the heavy box with paint"


@pytest.mark.parametrize(
    ("one", "other", "again"),
    [
        (f"{SHIP} on 3 May.", f"{SHIP} on 9 May.", True),
        (f"{SHIP} on 3 May.", f"{SHIP} on 3 May.", False),
        (f"{SHIP} on 3 May at 9 am.", f"{SHIP} on 9 May at 8 am.", False),
        (f"{SHIP} on 3 May at 9 am.", f"{SHIP} on 9 May at 9 am.", True),
        (f"{SHIP} before 3 May.", f"{SHIP} after 9 May.", False),
        (f"{SHIP} of oil on 3 May.", f"{SHIP} on 9 May.", True),
        (f"{SHIP} of oil and tar on 3 May.", f"{SHIP} on 9 May.", False),
        ("Always ship heavy paint on 3 May.", "Always ship heavy paint on 9 May.", True),
        ("Always ship boxes on 3 May.", "Always ship boxes on 9 May.", False),
        ("Always ship the big red box 40 of Ann.", "Always ship the big red box 50 of Ann.", False),
    ],
)  # fmt: skip
def test_a_demand_is_said_again_in_the_same_words_with_another_value(one, other, again):
    assert matching.said_again(said(one), said(other)) is again


def test_a_line_has_several_values_of_which_one_is_meant():
    old = said("I need 3 chairs and 5 tables.")
    numbers = [value for value in old.sense.values if value.kind == "number"]
    found = [
        [value.text for value in numbers if matching.is_the_one(value, numbers, old, said(new))]
        for new in ("Sorry, 4 chairs.", "Sorry, 4 tables.", "Sorry, 4.", "4 chairs, 4 tables.")
    ]
    assert found == [["3"], ["5"], [], ["3", "5"]]
    assert matching.is_the_one(numbers[0], numbers[:1], old, said("Sorry, 4."))


DEADLINE = "The deadline for the thick garden report is"


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (f"{DEADLINE} Monday.", f"{DEADLINE} Friday.", True),
        (f"{DEADLINE} Monday.", f"{DEADLINE} Monday.", False),
        (f"{DEADLINE} Monday.", "The report deadline is Friday.", False),
        (f"{DEADLINE} Monday.", "The report deadline is now Friday.", True),
        (f"{DEADLINE} Monday.", "The deadline is now Friday.", True),
        ("The report deadline is Monday.", f"{DEADLINE} Friday.", False),
        ("The report deadline is Monday.", f"{DEADLINE} now Friday.", False),
        (f"{DEADLINE} Monday.", "The deadline for the thin garden report is Friday.", False),
        (f"{DEADLINE} Monday.", "The deadline for the thin garden report is now Friday.", False),
        (f"{DEADLINE} Monday.", "The deadline for the thin city poster is now Friday.", False),
        (f"{DEADLINE} Monday.", "The deadline for the thin report poster is now Friday.", False),
        (f"{DEADLINE} before Monday.", f"{DEADLINE} after Friday.", False),
    ],
)
def test_an_attribute_is_set_anew_for_the_same_thing(old, new, same):
    found = matching.set_anew("when", [said(old)], said(new, 1))
    assert bool(found) is same


@pytest.mark.parametrize(
    ("one", "other", "opposed"),
    [
        ("before 9 am", "after 8 pm", True),
        ("after 8 pm", "before 9 am", True),
        ("before 9 am", "before 8 am", False),
        ("after 8 pm", "after 9 pm", False),
        ("before 9 am", "at 8 am", False),
        ("before 9 am", "after 8 am and before 9 am", False),
        ("after 9 am", "after 8 am and before 9 am", False),
    ],
)
def test_the_least_and_the_most_hold_both(one, other, opposed):
    assert matching.oppose(said(one), said(other)) is opposed


def shown(*messages):
    lines = [
        Line(place, text.removeprefix("A: "), not text.startswith("A: "))
        for place, text in enumerate(messages)
    ]
    changed = updates.standing(lines).changed
    return [changed.get((line.position, line.text), line.text) for line in lines]


def test_a_change_without_a_word_for_it_means_no_line_of_the_same_words():
    talk = ("The corner table is kept until Monday.", "Please keep the corner table until Friday.")
    assert shown(*talk) == list(talk)


def test_how_long_ago_a_line_was_said_counts_from_the_change():
    old, change = said("Book a table for Monday.", 60), "Make that Tuesday."
    found = [
        matching.meant("weekday", old, said(change, place), frozenset(), recent=True)
        for place in (99, 100, 101)
    ]
    assert found == [True, True, False]


def test_all_of_a_message_takes_back_unless_it_is_a_document():
    plan, back = "Let's paint the fence green.", "Scratch that, let's plant a tree."

    def gone(around):
        message = ["Hello.", "It rains.", *["Nice here."] * around, back, *["And so on."] * around]
        lines = [Line(0, plan), *(Line(1, text) for text in message)]
        return (0, plan) in updates.standing(lines).changed

    assert [gone(around) for around in (2, 10, 11, 12)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("rule", "lifted"),
    [
        ("Never smoke indoors.", "You may smoke now."),
        ("Never call the supplier of red paint about prices.", "You may call the supplier now."),
    ],
)
def test_a_rule_stays_of_which_less_is_lifted(rule, lifted):
    assert shown(rule, lifted) == [rule, lifted]


def test_two_values_of_two_kinds_are_changed_at_once():
    old, new = "Book the window seat for 3 guests.", "Sorry, make it the aisle seat for 4 guests."
    left = shown(old, new)[0]
    assert "window" not in left
    assert "3" not in left


def test_what_a_plan_is_for_stays_if_it_is_more_than_a_word():
    back = "Actually, scratch that, let's buy a library instead."
    assert shown("For the dashboard migration, let's rewrite the charts.", back)[0] == (
        "For the dashboard migration, let's [changed later]"
    )
    assert shown("For the dashboard, let's rewrite the charts.", back)[0] == ""


def test_who_takes_back_a_plan_in_part_does_not_only_say_what_is_off():
    lines = [Line(0, "Let's paint the fence green."), Line(1, "Forget the green paint.")]
    found = updates.standing(lines)
    assert found.changed == {(0, lines[0].text): ""}
    assert found.ended == frozenset()


@pytest.mark.parametrize(("between", "gone"), [(23, True), (24, False)])
def test_of_plans_the_last_are_known(between, gone):
    plans = [f"Let's sell car number {place}." for place in range(between)]
    left = shown("Let's paint the fence green.", *plans, "Never mind painting the fence green.")
    assert (left[0] == "") is gone


def test_a_rule_is_lifted_behind_others_that_stay():
    assert shown("Never smoke.", "Keep the windows shut.", "You may smoke now.") == [
        "", "Keep the windows shut.", "You may smoke now.",
    ]  # fmt: skip


def test_what_has_a_word_of_a_plan_is_no_echo_of_it():
    talk = ("Let's paint the fence green.", "A: A green car.", "A: The fence in green paint.")
    assert shown(*talk, "Scratch that, let's plant a tree.")[:3] == ["", "A green car.", ""]
