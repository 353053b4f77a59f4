"""What a user says later takes the place of what was said before, and of nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compact_otel.core.facts.kinds import values_of
from compact_otel.core.facts.matching import Line
from compact_otel.core.facts.updates import GONE, standing


def heard(*messages):
    """Return what is shown of each message; a user's unless it begins with `A: `."""
    lines = [
        Line(place, text.removeprefix("A: "), not text.startswith("A: "))
        for place, text in enumerate(messages)
    ]
    found = standing(lines)
    return [found.changed.get((line.position, line.text), line.text) for line in lines]


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ("The deadline is 2027-03-01.", "The deadline moved to 2027-04-15."),
        ("Our budget is $900.", "Keep spending under six hundred dollars from now on."),
        ("Lena Vogt owns the release.", "Amir Khan is now the release owner."),
        ("Report all times in UTC.", "Please show times in Pacific time."),
        ("The codename is HERON-11.", "We renamed it, the codename is OSPREY-12."),
        ("Answers should be terse.", "I would rather have friendly answers."),
        ("Das Budget beträgt 500 Euro.", "Das Budget liegt jetzt bei 650 Euro."),
        ("La reunión es el lunes.", "La reunión es ahora el martes."),
        ("La livraison est prévue dimanche.", "Finalement, la livraison est prévue mardi."),
        ("We work on branch feat/login.", "We switched development to branch feat/oauth."),
    ],
)
def test_a_setting_that_is_changed_stands_as_it_was_changed_only(first, later):
    assert heard(first, later) == [GONE, later]


def test_only_the_value_goes_from_a_line_that_says_more():
    shown = heard("Book a table for Monday at 7pm under Smith.", "Make that Tuesday.")
    assert shown[0] == "Book a table for [now Tuesday] at 7pm under Smith."


def test_what_the_assistant_repeated_is_changed_as_well():
    shown = heard(
        "Please book the small hall for Monday.",
        "A: The hall is booked for Monday.",
        "Make that Friday.",
    )
    assert "Monday" not in " ".join(shown)
    assert shown[1] == "The hall is booked for [now Friday]."


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (
            "The keynote is given by Dr Ramos.",
            "Dr Ramos cancelled, the keynote is given by Dr Iyer.",
        ),
        ("The workshop is in the barn.", "The barn is taken, the workshop is in the gym."),
        ("We use green paint for the door.", "Not green, we use blue paint for the door."),
        ("The bus leaves at 7:50.", "I looked it up again, the bus leaves at 8:05."),
        ("We meet at the north gate.", "We meet at the south gate instead."),
        ("Der Kurs beginnt am Montag.", "Der Kurs wurde verlegt und beginnt am Mittwoch."),
        ("Il treno parte alle 9:10.", "No, il treno parte alle 9:40."),
    ],
)
def test_a_sentence_said_again_with_something_else_in_it_replaces_the_first(first, later):
    assert heard(first, later) == [GONE, later]


def test_a_value_said_again_changes_only_its_clause_of_a_longer_line():
    shown = heard(
        "Two nights are booked, room price 120 euros.", "The room price is now 140 euros."
    )
    assert "120" not in shown[0]
    assert shown[0].startswith("Two nights are booked")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Add milk to the list.", "Add eggs to the list."),
        ("Never call before 9 am.", "Never call after 8 pm."),
        ("The test on line 40 fails.", "The test on line 90 fails."),
        ("The small tent sleeps two people.", "The large tent sleeps six people."),
        ("The morning shift starts at 6:00.", "The evening shift starts at 14:00."),
        ("Version 2.1 ships in May.", "Version 2.2 ships in June."),
        ("Die Rechnung von Mai ist offen.", "Die Rechnung von Juni ist offen."),
        ("Book a room for Anna Bell.", "Book a room for Tom Bell."),
        ("I don't have the ticket with me.", "I don't have the passport with me right now."),
    ],
)
def test_what_only_sounds_alike_stands_beside_it(one, other):
    assert heard(one, other) == [one, other]


def test_what_the_assistant_says_changes_nothing():
    said = ("The deadline is 2027-03-01.", "A: Actually, the deadline moved to 2027-04-15.")
    assert heard(*said)[0] == said[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The production region is eu-north-1.", "The staging region is us-west-2."),
        ("Travel budget: at most $400.", "The hardware budget is $900."),
        ("Ann Lee reviews the design.", "Bo Chan reviews the contract."),
        ("I have 3 bags.", "I also have 2 dogs."),
        ("My flight is on May 3.", "Now I'd like to book a new flight on May 9."),
        ("Cancel order A-1001.", "Cancel order B-2002."),
        ("Send it to ann@example.org.", "Does bob@example.org get a copy?"),
    ],
)
def test_what_is_said_of_another_thing_changes_nothing(one, other):
    assert heard(one, other) == [one, other]


@pytest.mark.parametrize(
    ("rule", "lifted"),
    [
        ("Never call the supplier directly.", "You may call the supplier directly after all."),
        ("No deploys on Fridays.", "Deploys on Fridays are fine now."),
        ("Keep the report under two pages.", "Forget the page limit of the report."),
        ("Always ask before merging to main.", "You no longer have to ask before merging to main."),
    ],
)
def test_a_demand_that_is_lifted_is_gone(rule, lifted):
    assert heard(rule, lifted) == [GONE, lifted]


def test_a_second_ban_does_not_lift_the_first():
    said = ("Never call the supplier directly.", "Don't write to the supplier directly either.")
    assert heard(*said) == list(said)


def test_a_plan_that_is_taken_back_goes_with_what_repeats_it():
    shown = heard(
        "Let's store the sessions in Redis.",
        "A: Storing sessions in Redis then.",
        "Scratch that, let's keep the sessions in signed cookies.",
    )
    assert shown[:2] == [GONE, GONE]
    assert "signed cookies" in shown[2]


def test_who_takes_part_stays_when_the_plan_goes():
    shown = heard(
        "For Priya's dashboard migration, let's rewrite the charts.",
        "Actually, scratch that, let's buy a chart library instead.",
    )
    assert shown[0] == "For Priya's dashboard migration, let's [changed later]"


def test_everything_planned_goes_with_a_total_reset():
    shown = heard(
        "The plan is to shard the table.",
        "We'll archive old rows.",
        "Ignore everything we've said so far. New plan: partition by month.",
    )
    assert "shard" not in " ".join(shown)
    assert "archive" not in " ".join(shown)


def test_scratch_that_takes_back_the_last_plan_and_no_other():
    said = [
        "Let's go through the invoices on Monday.",
        *["A: Here is the next one.", "Fine, thanks."] * 10,
        "Let's print the labels.",
        "Scratch that, we'll email them.",
    ]
    shown = heard(*said)
    assert shown[0] == said[0]
    assert shown[-2] == GONE


def test_the_newest_of_three_values_stands():
    shown = heard(
        "The room is booked for Monday.", "Make it Tuesday.", "Sorry, make it Thursday instead."
    )
    assert "Monday" not in " ".join(shown)
    assert "Tuesday" not in " ".join(shown)
    assert "Thursday" in shown[-1]


def test_two_values_that_one_message_changes_are_both_changed():
    shown = heard(
        "Two seats in business class for the trip, and 2 bags to check in.",
        "Sorry, make it economy class for the trip, and 3 bags to check in.",
    )
    assert (
        shown[0] == "Two seats in [now economy] class for the trip, and [now 3] bags to check in."
    )


def test_every_process_hears_the_same():
    """A set of kinds is gone through by the process's hash seed."""
    told = (
        "from compact_otel.core.facts.matching import Line\n"
        "from compact_otel.core.facts.updates import standing\n"
        "said = ['Fly on Monday at 9 am for $300, 2 bags, window seat, red tag.',"
        " 'Sorry, make it Friday at 7 am for $200, 3 bags, aisle seat, blue tag.']\n"
        "print(standing([Line(n, text) for n, text in enumerate(said)]).changed)"
    )
    shown = {
        subprocess.run(
            [sys.executable, "-c", told],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(shown) == 1
    assert b"[now " in shown.pop()


def test_lines_that_set_or_change_something_are_settled():
    lines = [
        Line(0, "The deadline is 2027-03-01."),
        Line(1, "Nice weather today."),
        Line(2, "The deadline moved to 2027-04-15."),
    ]
    assert standing(lines).settled == {(2, "The deadline moved to 2027-04-15.")}


def test_where_the_work_stands_is_settled():
    lines = [Line(0, "The next step is the token refresh."), Line(1, "The sky is blue.")]
    assert standing(lines).settled == {(0, lines[0].text)}


def test_a_short_value_is_not_changed_inside_of_another():
    shown = heard(
        "Take option 2 of flight HAT229 for the trip home.",
        "Actually make it option 1 for the trip home.",
    )
    assert "HAT229" in shown[0]
    assert "option [now 1]" in shown[0]


def test_a_pasted_document_changes_nothing_but_what_is_said_around_it():
    first = Line(0, "The deadline is 2027-03-01.")
    pasted = [Line(1, f"Line {place} of the log.") for place in range(30)]
    inside = [*pasted, Line(1, "The deadline moved to 2027-04-15."), *pasted]
    behind = [*pasted, Line(1, "The deadline moved to 2027-04-15.")]
    assert (0, first.text) not in standing([first, *inside]).changed
    assert standing([first, *behind]).changed == {(0, first.text): GONE}


def test_values_are_told_by_kind():
    text = "On 2027-03-01 at 9:30, $40 for ABC-123, see https://a.example/b or x@y.org, port 8080"
    kinds = {value.kind: value.text for value in values_of(text)}
    assert kinds["date"] == "2027-03-01"
    assert kinds["time"] == "9:30"
    assert kinds["money"].startswith("$40")
    assert kinds["ident"] == "ABC-123"
    assert kinds["url"] == "https://a.example/b"
    assert kinds["email"] == "x@y.org"
    assert kinds["number"] == "8080"


@given(st.lists(st.tuples(st.text(max_size=120), st.booleans()), max_size=12))
@settings(max_examples=150, deadline=None)
def test_any_talk_is_followed_and_always_in_the_same_way(talk):
    lines = [Line(place, text, by_user) for place, (text, by_user) in enumerate(talk)]
    assert standing(lines) == standing(lines)


def test_a_long_talk_full_of_changes_takes_linear_time():
    def seconds(turns):
        lines = [
            Line(
                place, f"Actually, make that {place} units of part {turns} on Monday for $3{place}."
            )
            for place in range(turns)
        ]
        started = time.perf_counter()
        standing(lines)
        return time.perf_counter() - started

    seconds(50)
    assert seconds(2_000) < 40 * max(0.01, seconds(200))


@pytest.mark.parametrize("piece", ["1,", "a-", "the ", "x/", "@", "no ", "Ab "])
def test_a_hostile_line_costs_no_more_than_its_length(piece):
    started = time.perf_counter()
    standing([Line(place, piece * 20_000 + str(place)) for place in range(100)])
    assert time.perf_counter() - started < 20
