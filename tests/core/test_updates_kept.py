"""What is shown of each line of a talk, and which lines say what holds."""

from __future__ import annotations

import pytest

from compact_otel.core.facts.matching import Line
from compact_otel.core.facts.updates import GONE, _put, standing


def heard(*messages, note=()):
    """Return what is shown of each message, and which settle, change and end something.

    A message is a user's unless it begins with `A: `.
    """
    lines = [
        *(Line(-1, text) for text in note),
        *(
            Line(place, text.removeprefix("A: "), not text.startswith("A: "))
            for place, text in enumerate(messages)
        ),
    ]
    found = standing(lines)
    names = [(line.position, line.text) for line in lines]
    kinds = (found.settled, found.changing, found.ended)
    return (
        [found.changed.get(name, name[1]) for name in names],
        *([place for place, name in enumerate(names) if name in kind] for kind in kinds),
    )


def shown(*messages, note=()):
    return heard(*messages, note=note)[0]


def test_of_a_line_that_says_more_only_the_value_goes():
    for first, later, left in (
        ("The deadline is Monday, my order is A-1001.", "The deadline moved to Friday.",
         "The deadline is [now Friday], my order is A-1001."),
        ("The budget is $900 and the owner is Lena Vogt.", "The budget is $700.",
         "The budget is [now $700] and the owner is Lena Vogt."),
        ("The code is AB-1234, the port is 8080.", "The port is 9090.",
         "The code is AB-1234, the port is [now 9090]."),
        ("Monday, 9 am.", "Make that Tuesday.", "[now Tuesday], 9 am."),
    ):  # fmt: skip
        assert shown(first, later) == [left, later]


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ("The deadline is Monday, order A-1001.", "The deadline of A-1001 moved to Friday."),
        ("The budget is $900 until Monday.", "Until Monday the budget is $700."),
        ("The deadline is Monday 9 am.", "The deadline is Friday 8 am."),
        ("On Monday is the deadline.", "The deadline is Friday."),
    ],
)
def test_a_line_goes_whose_other_values_are_said_again(first, later):
    assert shown(first, later) == [GONE, later]


def test_an_amount_ends_before_the_full_stop_and_is_found_in_an_echo():
    talk = ("Our budget is $900.", "A: Of the $900 budget $5,000.50 is nothing.", "It is now $700.")
    assert shown("Our budget is $900.", talk[1], "The budget is now $700.") == [
        GONE, "Of the [now $700] budget $5,000.50 is nothing.", "The budget is now $700.",
    ]  # fmt: skip


TALKS = {
    "a setting that is changed": (
        ("The deadline is 2027-03-01.", "The deadline moved to 2027-04-15."),
        ([GONE, None], [1], [1], []),
    ),
    "one that is said again": (
        ("Our budget is $900.", "The budget is $900."),
        ([None, None], [0, 1], [], []),
    ),
    "one that is asked for": (
        ("Our budget is $900.", "Is the budget $700?"),
        ([None, None], [0], [], []),
    ),
    "one of another thing": (
        ("Our travel budget is $900.", "Our food budget is $700."),
        ([None, None], [0, 1], [], []),
    ),
    "one for less than before": (
        ("Our travel budget is $900.", "The budget is now $700."),
        ([GONE, None], [1], [1], []),
    ),
    "one with half of it in common": (
        (
            "The deadline for the big blue report is Monday.",
            "The deadline for the small blue report is now Friday.",
        ),
        ([None, None], [0, 1], [], []),
    ),
    "the least and the most": (
        ("The deadline is before Monday.", "The deadline is after Friday."),
        ([None, None], [0, 1], [], []),
    ),
    "two settings at once": (
        (
            "The budget is $900 and the deadline is Monday.",
            "The budget is $700 and the deadline is Friday.",
        ),
        ([GONE, None], [1], [1], []),
    ),
    "a value of the same kind": (
        ("Book a table for Monday at 7pm.", "Make that Tuesday."),
        (["Book a table for [now Tuesday] at 7pm.", None], [1], [1], []),
    ),
    "the number of the same things": (
        ("I need 3 chairs and 5 tables.", "Sorry, 4 chairs."),
        (["I need [now 4] chairs and 5 tables.", None], [1], [1], []),
    ),
    "a number of nothing": (
        ("Two seats and 2 bags for the trip.", "Make it three."),
        ([None, None], [1], [1], []),
    ),
    "of three values the last": (
        ("The hall in Leeds is ours on Monday.", "Make that Tuesday.", "Make that Friday."),
        (["The hall in Leeds is ours on [now Friday].", GONE, None], [2], [2], []),
    ),
    "what the assistant said of it": (
        (
            "Fly on Monday.",
            "A: Monday it is.",
            "A: I fly on Monday, flight 7.",
            "Make it Friday.",
            "Sorry, make it Sunday.",
        ),
        (
            ["Fly on [now Sunday].", None, "I fly on [now Sunday], flight 7.", GONE, None],
            [4],
            [4],
            [],
        ),
    ),
    "a code wherever it was said": (
        ("Use code HAT229.", "A: Code HAT229 it is.", "The code is now KIT330.", "A: KIT330 then."),
        ([GONE, "Code [now KIT330] it is.", None, None], [2], [2], []),
    ),
    "a number only where it was set": (
        ("Take 2 bags.", "A: I take 2 bags.", "Make it 3 bags."),
        (["Take [now 3] bags.", None, None], [2], [2], []),
    ),
    "a rule that is turned round": (
        ("Answer in bullet points.", "Don't answer in bullet points."),
        ([GONE, None], [1], [1], []),
    ),
    "and back": (
        ("Don't answer in bullet points.", "Answer in bullet points."),
        ([GONE, None], [1], [1], []),
    ),
    "but not with a maybe": (
        ("Answer in bullet points.", "Maybe don't answer in bullet points."),
        ([None, None], [], [], []),
    ),
    "a rule of one word": (
        ("Never smoke.", "You may smoke now."),
        ([GONE, None], [1], [1], []),
    ),
    "a rule that shares one word of many": (
        ("Keep the windows shut.", "The windows may be open now."),
        ([None, None], [], [], []),
    ),
    "what is likely a demand": (
        ("Parts have to be original.", "Parts don't have to be original."),
        ([GONE, None], [1], [1], []),
    ),
    "a rule that is said in less words": (
        ("Never call the supplier directly.", "Never call the supplier."),
        ([None, None], [], [], []),
    ),
    "a plan and its echoes": (
        (
            "The plan is to shard the table.",
            "A: We shard the table then.",
            "A: Table 7 is sharded.",
            "Forget the sharding of the table.",
            "Is it sharded?",
        ),
        ([GONE, GONE, None, None, None], [], [], [3]),
    ),
    "the plan that is named": (
        (
            "Let's store the sessions in Redis.",
            "Let's print the labels.",
            "Never mind storing the sessions in Redis.",
        ),
        ([GONE, None, None], [], [], [2]),
    ),
    "the last plan, where another comes in its place": (
        (
            "Let's paint the fence green.",
            "We should sell the car.",
            "Scratch that, let's plant a tree.",
        ),
        ([None, GONE, None], [2], [2], []),
    ),
    "no plan, where none is named and none comes": (
        ("Let's paint the fence green.", "We should sell the car.", "Scratch that."),
        ([None, None, None], [], [], []),
    ),
    "all plans": (
        (
            "Let's paint the fence green.",
            "We should sell the car.",
            "Forget everything. Let's plant a tree.",
        ),
        ([GONE, GONE, None], [2], [2], []),
    ),
    "a plan of some time ago": (
        (
            "Let's paint the fence green.",
            *["A: ok"] * 6,
            "Scratch that, let's plant a tree.",
        ),
        ([None] * 8, [7], [], []),
    ),
    "and a newer one": (
        (
            "Let's paint the fence green.",
            *["A: ok"] * 5,
            "Scratch that, let's plant a tree.",
        ),
        ([GONE, *[None] * 6], [6], [6], []),
    ),
}


@pytest.mark.parametrize("talk", TALKS)
def test_a_talk_leaves(talk):
    said, (left, settled, changing, ended) = TALKS[talk]
    texts = [
        text.removeprefix("A: ") if one is None else one
        for text, one in zip(said, left, strict=True)
    ]
    assert heard(*said) == (texts, settled, changing, ended)


@pytest.mark.parametrize(("items", "left"), [(40, "[now Tuesday]"), (41, "Monday")])
def test_a_change_that_names_nothing_finds_what_was_said_a_while_ago(items, left):
    said = ["Book a table for Monday at 7pm.", *["A: ok"] * (items - 1), "Make that Tuesday."]
    assert shown(*said)[0] == f"Book a table for {left} at 7pm."


def test_a_change_that_says_all_of_it_again_finds_what_was_said_long_ago():
    between = [f"Thing {number} came in on Friday." for number in range(30)]
    said = ["The big corner table is kept until Monday.", *between]
    assert shown(*said, "The big corner table is now kept until Tuesday.")[0] == GONE
    assert shown(*said, "It is now kept until Tuesday.")[0] == said[0]


def test_each_line_of_a_note_is_a_message_that_may_be_changed():
    note = ["The deadline is Monday.", "The deadline moved to Tuesday.", "Ann pays."]
    assert shown(note=note) == [GONE, note[1], note[2]]
    assert shown("The deadline moved to Friday.", note=note) == [
        GONE, GONE, "Ann pays.", "The deadline moved to Friday.",
    ]  # fmt: skip


def test_lines_of_one_message_change_what_was_said_before_and_not_each_other():
    lines = [Line(0, "The deadline is Monday."), Line(0, "The deadline is Friday.")]
    assert standing(lines).changed == {}
    apart = [lines[0], Line(1, lines[1].text)]
    assert standing(apart).changed == {(0, lines[0].text): GONE}


@pytest.mark.parametrize(
    ("text", "stale", "left"),
    [
        ("2 of 12, 2a and 2.", "2", "[now 3] of 12, 2a and [now 3]."),
        ("It is [now 2], or 2.", "2", "It is [now 3], or [now 3]."),
        ("For $2 and US$2.", "$2", "For [now 3] and US[now 3]."),
        ("a_2 b-2", "2", "a_[now 3] b-[now 3]"),
        ("\u6708\u66dc\u65e5\u306b", "\u6708\u66dc\u65e5", "[now 3]\u306b"),
    ],
)
def test_a_value_is_replaced_where_it_stands_by_itself(text, stale, left):
    assert _put(text, stale, "3") == left
