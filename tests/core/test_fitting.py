"""How much of what is ranked goes into a note, and what of it is for users."""

from __future__ import annotations

import pytest

from compact_otel.core.facts.fitting import fill, fit
from compact_otel.core.facts.selection import cost_of
from compact_otel.core.facts.units import Subject, Unit


def filled(lengths, most, count=len):
    """Return the lengths of the units that a note of at most so many tokens has."""
    subject = Subject("label")
    units = [Unit("x" * length, subject) for length in lengths]
    text, taken = fill(units, lambda some: "".join(unit.text for unit in some), count, most)
    assert text == "".join(unit.text for unit in taken)
    return [len(unit.text) for unit in taken]


@pytest.mark.parametrize(
    ("lengths", "most", "taken"),
    [
        ([30, 30, 30], 90, [30, 30, 30]),
        ([30, 30, 30], 89, [30, 30]),
        ([30, 30, 30], 29, []),
        ([], 29, []),
        # The next is too long, and shorter ones go into what is free.
        ([30, 200, 30, 4], 70, [30, 30, 4]),
        ([30, 200, 30, 4], 63, [30, 30]),
        ([30, 200, 300, 30], 70, [30, 30]),
        ([30, 200, 300, 400], 70, [30]),
        ([200, 30], 70, []),
    ],
)
def test_the_best_that_fit_are_taken_then_shorter_ones(lengths, most, taken):
    assert filled(lengths, most) == taken


def test_what_only_seemed_to_fit_is_left_out_when_it_is_counted():
    seen = []

    def count(text):
        seen.append(text)
        return 3 * len(text)

    assert filled([30, 200, 80], 300, count) == [30]
    assert seen[-1] == "x" * 110


def test_a_unit_without_words_costs_its_label():
    label = "label " * 6
    units = [Unit(text, Subject(label)) for text in ("x" * 30, "y" * 400, "")]
    cost = cost_of(label, 1)

    def taken(room):
        _, found = fill(
            units, lambda some: "".join(unit.text or "z" for unit in some), len, 30 + room
        )
        return len(found)

    assert (taken(int(cost)), taken(int(cost) + 1)) == (1, 2)


@pytest.mark.parametrize("most", [*range(31), 99, 100, 101])
@pytest.mark.parametrize("count", [len, lambda text: len(text) ** 2 // 100, lambda text: 7])
def test_the_longest_note_that_fits_is_found(most, count):
    sizes = []

    def note(size):
        sizes.append(size)
        return "x" * (10 * size)

    text, size = fit(9, note, count, most)
    fitting = [size for size in range(1, 10) if count("x" * (10 * size)) <= most]
    assert size == max(fitting, default=0)
    assert text == "x" * (10 * size)
    assert len(sizes) == len(set(sizes)) <= 8


@pytest.mark.parametrize(
    ("surplus", "sizes"), [(0, [1000, 999]), (10, [1000, 989]), (50, [1000, 951, 999])]
)
def test_a_note_that_is_nearly_full_is_full_enough(surplus, sizes):
    tried = []

    def note(size):
        tried.append(size)
        return "x" * size

    def count(text):
        return len(text) + surplus * (len(text) == 1000)

    assert fit(1000, note, count, 999) == ("x" * sizes[-1], sizes[-1])
    assert tried == sizes


def test_nothing_to_take_is_no_note():
    assert fit(0, lambda size: "x", len, 9) == ("", 0)
