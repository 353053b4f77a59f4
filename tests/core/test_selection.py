"""Which units are chosen, with worths and costs that can be told beforehand."""

from __future__ import annotations

import pytest

from compact_otel.core.facts.selection import Chooser, cost_of
from compact_otel.core.facts.units import Subject, Unit


class Worths:
    """Says what is at stake: so much for each value, and so much for each token of words."""

    def __init__(self, stakes, words=0.0):
        self._stakes, self._words = stakes, words

    def prose(self, unit):
        return self._words

    def stakes(self, values, position):
        return [(value, self._stakes.get(value, 0.0)) for value in values]


def unit(text, subject, *values):
    return Unit(text, subject, values)


def chosen(units, stakes, budget=1000.0, *, words=0.0, said=()):
    for order, one in enumerate(units):
        one.order = order
    chooser = Chooser(units, Worths(stakes, words), said)
    chooser.take_best(budget)
    return [one.text for one in chooser.chosen]


def subjects(number):
    return [Subject(f"s{place}", position=place) for place in range(number)]


@pytest.mark.parametrize(
    ("text", "values", "cost"),
    [
        ("", 3, 0.0),
        ("word", 0, 1.72),
        ("two words", 0, 2.62),
        ("word", 2, 2.58),
        ("abc123", 0, 3.43),
        ("a-b_c", 0, 2.4),
        ("\u00e9", 0, 1.68),
        ("\ud83d", 0, 1.43),
    ],
)
def test_a_cost_is_of_letters_values_digits_and_marks(text, values, cost):
    assert cost_of(text, values) == pytest.approx(cost)


def test_the_most_at_stake_per_token_is_chosen_first():
    a, b, c, d, e = subjects(5)
    units = [
        unit("long words around the value", a, "v1"),
        unit("short", b, "v2"),
        unit("short", c, "v3"),
        unit("nothing", d),
        unit("dear words that are chosen for their value", e, "v5"),
    ]
    stakes = {"v1": 10.0, "v2": 8.0, "v3": 9.0, "v5": 90.0}
    texts = [one.text for one in units]
    for budget, best in ((0.0, []), (1.0, [4]), (20.0, [4, 2, 1]), (999.0, [4, 2, 1, 0])):
        assert chosen(units, stakes, budget) == [texts[place] for place in best]


def test_nothing_that_is_worth_nothing_is_chosen_however_much_room_there_is():
    a, b = subjects(2)
    units = [unit("words", a), unit("words", b, "v1")]
    assert chosen(units, {}) == []
    assert chosen(units, {"v1": 1.0}) == ["words"]
    assert len(chosen(units, {}, words=0.1)) == 2


def test_a_value_counts_once_and_little_when_it_is_said_again():
    a, b, c = subjects(3)
    units = [unit("first", a, "v1"), unit("again", b, "v1"), unit("other", c, "v2")]
    assert chosen(units, {"v1": 10.0, "v2": 0.7}) == ["first", "other", "again"]
    assert chosen(units, {"v1": 10.0, "v2": 0.5}) == ["first", "again", "other"]
    assert chosen(units, {"v1": 10.0, "v2": 0.7}, said=["v1"]) == ["other", "first", "again"]


def test_a_label_counts_like_any_value_and_is_paid_once():
    shown, other = Subject("a long label A1", ("a1",)), Subject("a long label B1", ("b1",))
    units = [
        unit("first", shown, "v1"),
        unit("other", other, "v3"),
        unit("second", shown, "v2"),
    ]
    stakes = {"v1": 5.0, "v2": 4.0, "v3": 5.1}
    # Beside its label, which is there by now, the second is cheaper than the other.
    assert chosen(units, stakes | {"a1": 0.5}) == ["first", "second", "other"]
    assert chosen(units, stakes | {"b1": 0.5}) == ["other", "first", "second"]


def test_a_row_shows_what_it_is_a_row_of_and_the_rows_of_a_list_share_its_key():
    entity = Subject("order A1", ("a1",))
    first, last = (
        Subject(f"lines sku {name}", (name,), entity, key="lines") for name in ("L-1", "L-2")
    )
    units = [unit("count 2", first, "2"), unit("count 3", last, "3")]
    for order, one in enumerate(units):
        one.order = order
    chooser = Chooser(units, Worths({}), ())
    chooser.take(units[0])
    row, key = cost_of(" sku L-1", 1) + 1, cost_of("lines", 0)
    paid = cost_of("count 2", 1) + row + key + cost_of("order A1", 1) + 1
    assert chooser.cost == pytest.approx(paid)
    chooser.take(units[0])
    assert chooser.cost == pytest.approx(paid)
    chooser.take(units[1])
    assert chooser.cost == pytest.approx(paid + cost_of("count 3", 1) + row)
    assert chooser.chosen == units


def test_what_labels_say_is_at_stake_with_each_unit_below_them():
    entity = Subject("order A1", ("a1",))
    row = Subject("lines sku L-1", ("l-1",), entity, key="lines")
    other = Subject("order B2", ("b2",))
    units = [unit("count", row), unit("count ", other), unit("date", row)]
    assert chosen(units, {"a1": 9.0, "b2": 4.0}) == ["date", "count "]
    assert chosen(units, {"l-1": 9.0, "b2": 3.0}) == ["date", "count "]
    assert chosen(units, {"a1": 2.0, "b2": 4.0}) == ["count ", "date"]
    assert chosen(units, {"a1": 2.0, "b2": 4.0}, said=["b2"]) == ["date", "count "]


def test_a_value_with_too_few_words_takes_its_neighbours_along():
    subject, far = Subject("f"), Subject("g")
    units = [
        unit("what comes before", subject),
        unit("V1 is", subject, "v1"),
        unit("what comes behind", subject),
        unit("what comes later", subject),
        unit("what is elsewhere", far, "v2"),
    ]
    both = ["V1 is", "what comes before", "what comes behind"]
    assert chosen(units, {"v1": 40.0}) == both
    assert chosen(units, {"v1": 40.0, "v2": 1.0}) == [*both, "what is elsewhere"]
    assert chosen(units, {"v1": 40.0, "v2": 30.0}) == ["V1 is", "what is elsewhere", *both[1:]]
    # Two words that are long enough tell of it.
    units[1] = unit("V1 seems broken", subject, "v1")
    assert chosen(units, {"v1": 40.0}) == ["V1 seems broken"]
    # They are no words if they are the value.
    units[1] = unit("broken_things were", subject, "broken_things")
    assert chosen(units, {"broken_things": 40.0}) == [
        "broken_things were", *both[1:],
    ]  # fmt: skip


def test_a_value_that_is_said_already_takes_nothing_along():
    subject = Subject("f")
    units = [unit("before", subject), unit("V1 is", subject, "v1")]
    assert chosen(units, {"v1": 40.0}, said=["v1"]) == ["V1 is"]


def test_rows_of_one_entry_are_neighbours_and_two_entries_are_none():
    entity = Subject("order A1")
    row, next_row, other = Subject("a", (), entity), Subject("b", (), entity), Subject("c")
    beside = [unit("V1 is", row, "v1"), unit("plain", next_row)]
    assert chosen(beside, {"v1": 40.0}) == ["V1 is", "plain"]
    apart = [unit("V1 is", row, "v1"), unit("plain", other)]
    assert chosen(apart, {"v1": 40.0}) == ["V1 is"]


def test_where_a_neighbour_stands_already_no_other_is_taken_along():
    subject = Subject("f")
    units = [
        unit("V1 is", subject, "v1"),
        unit("V2 is", subject, "v2"),
        unit("plain words here", subject),
    ]
    assert chosen(units, {"v1": 40.0, "v2": 39.0}) == ["V1 is", "V2 is"]


def test_what_was_taken_beforehand_is_not_chosen_again_and_counts_against_the_budget():
    a, b = subjects(2)
    units = [unit("first", a, "v1"), unit("second", b, "v2")]
    units[1].order = 1
    chooser = Chooser(units, Worths({"v1": 9.0, "v2": 1.0}), ())
    chooser.take(units[1])
    chooser.take_best(chooser.cost)
    assert chooser.chosen == [units[1]]
    chooser.take_best(chooser.cost + 0.1)
    assert chooser.chosen == [units[1], units[0]]
    assert chooser.cost == pytest.approx(
        cost_of("first", 1) + cost_of("second", 1) + 2 * (cost_of("s0", 0) + 1)
    )
