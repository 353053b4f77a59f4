"""How much of a note is for what users said, and which of it."""

from __future__ import annotations

import pytest

from compact_otel.core.facts.constraints import Strength
from compact_otel.core.facts.selection import cost_of
from compact_otel.core.facts.shares import demanded, fitting, rate_of, users_words
from compact_otel.core.facts.units import Subject, Unit

TEN = "x" * 32  # a text that costs ten tokens: eight of words, and two of what is around


def said(name, pin=0, position=0, **subject):
    """Return a unit of ten tokens that is known by its first letter."""
    told = {"origin": "user", "prose": True, "section": "goal"} | subject
    return Unit(name + TEN[1:], Subject("User", position=position, **told), pin=pin)


def names(units):
    return "".join(unit.text[0] for unit in units)


@pytest.mark.parametrize(
    ("room", "share"),
    [(0, 0.8), (350, 0.8), (675, 0.6), (1000, 0.4), (100_000, 0.4), (480, 0.72)],
)
def test_the_smaller_a_note_the_more_of_it_is_for_demands(room, share):
    assert demanded(room) == pytest.approx(share)


def test_a_counter_that_counts_more_than_is_estimated_has_a_rate():
    units = [Unit("some words here", Subject("x"), ("a",)), Unit("", Subject("y"))]
    estimated = cost_of("some words here", 1)
    assert rate_of(units, lambda text: 30) == pytest.approx(30 / estimated)
    assert rate_of(units, len) == pytest.approx(15 / estimated)
    assert rate_of(units, lambda text: 1) == 1.0
    assert rate_of([], len) == 1.0
    assert rate_of(units[1:], lambda text: 30) == 1.0


def test_the_rate_is_told_by_some_forty_of_the_units_in_one_text():
    units = [Unit(f"unit {number:03}", Subject("x")) for number in range(120)]
    counted = []
    rate_of(units, lambda text: counted.append(text) or 1)
    (text,) = counted
    assert text.split("\n") == [f"unit {number:03}" for number in range(0, 120, 3)]


def test_the_strongest_demand_comes_first_then_the_newest():
    units = [
        said("a", pin=Strength.WISH, position=9, section="constraints"),
        said("b", pin=Strength.RULE, position=1),
        said("c", pin=Strength.RULE, position=2),
        said("d", pin=Strength.RULE, position=1, section="constraints"),
        said("e", pin=Strength.RULE, position=2),
    ]
    for order, unit in enumerate(units):
        unit.order = order
    assert names(fitting(list(reversed(units)), 1000)) == "dceba"
    assert names(fitting(units, 30)) == "dce"
    assert names(fitting(units, 29.9)) == "dc"
    assert names(fitting(units, 0)) == ""


def test_what_is_too_long_gives_way_to_what_fits():
    long = said("a", pin=Strength.RULE)
    long.text += TEN
    assert names(fitting([long, said("b", pin=Strength.WISH)], 17)) == "b"
    assert names(fitting([long, said("b", pin=Strength.WISH)], 28)) == "ab"
    assert names(fitting([long, said("b", pin=Strength.WISH)], 27)) == "a"


def test_of_what_else_users_said_all_stays_in_order_where_it_fits():
    units = [
        said("a", position=1),
        said("b", position=2, pin=Strength.HINT),
        said("c", position=3),
        said("d", position=4, pin=Strength.LIKELY),
        said("e", position=5, pin=-1),
        said("f", position=6, origin="assistant"),
        said("g", position=7, prose=False),
    ]
    assert names(users_words(units, 30)) == "abc"
    assert names(users_words(units, 29)) == "bc"
    assert names(users_words(units, 10)) == "b"
    assert names(users_words(units, 9)) == ""


def test_sentences_of_one_message_stay_in_order():
    units = [said("a"), said("b"), said("c")]
    for order, unit in enumerate(units):
        unit.order = order
    assert names(users_words(reversed(units), 20)) == "ab"
