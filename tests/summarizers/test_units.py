"""How texts are cut into what can be kept or left, and which of their words count as values."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compact_otel.core.facts.fields import named
from compact_otel.core.facts.salience import Vocabulary
from compact_otel.core.facts.units import (
    joined_lines,
    label_of,
    lines_of,
    one_line,
    sentences_of,
    word_for_word,
)

LONGEST = 280

SENTENCES = {
    "One. Two! Three?": ["One.", "Two!", "Three?"],
    "It is 3.5 or 4. Not more.": ["It is 3.5 or 4. Not more."],
    "See e.g. this one. Then go.": ["See e.g. this one.", "Then go."],
    "\u597d\u3002\u884c\uff01Yes": ["\u597d\u3002", "\u884c\uff01", "Yes"],
    "Really?! Yes.": ["Really?!", "Yes."],
    "- --- ...": [],
}


@pytest.mark.parametrize("line", SENTENCES)
def test_a_line_is_cut_into_sentences(line):
    assert sentences_of(line) == SENTENCES[line]


def test_a_long_sentence_is_cut_behind_its_clauses():
    clauses = [f"clause number {number} of many," for number in range(40)]
    pieces = sentences_of(" ".join(clauses))
    assert len(pieces) > 3
    assert all(piece.endswith(",") and len(piece) <= LONGEST for piece in pieces)
    assert " ".join(pieces) == " ".join(clauses)


def test_a_clause_that_is_too_long_is_cut_anywhere():
    assert [len(piece) for piece in sentences_of("x" * 600)] == [280, 280, 40]


@pytest.mark.parametrize("mark", [",", ";", "|"])
def test_a_cut_is_made_at_the_last_clause_that_fits(mark):
    first, second = "a" * 100 + mark, "b" * 100 + mark
    long = f"{first} {second} {'c' * 100}"
    assert sentences_of(long) == [f"{first} {second}", "c" * 100]
    assert sentences_of(long.replace(" ", "")) == [f"{first} {second}", "c" * 100]


@pytest.mark.parametrize("length", [280, 281])
def test_a_line_is_cut_only_if_it_is_longer_than_a_unit(length):
    rest = ("Worded" + " worded" * 40)[: length - 5]
    assert lines_of(f"One. {rest}") == ([f"One. {rest}"] if length == LONGEST else ["One.", rest])


WORD_FOR_WORD = {
    "One. Two!": ["One.", "Two!"],
    "One. ... Two": ["One. ...", "Two"],
    "- One. -": ["- One. -"],
    "--- ...": [],
    "\u597d\u3002\u884c": ["\u597d\u3002", "\u884c"],
    "ab " * 95 + "end.": [("ab " * 93).strip(), "ab ab end."],
    "x" * 300 + ".": ["x" * 280, "x" * 20 + "."],
    "One. " + "Word " * 60: ["One.", ("Word " * 55).strip(), ("Word " * 5).strip()],
}


@pytest.mark.parametrize("line", WORD_FOR_WORD)
def test_what_users_say_is_cut_into_sentences_that_give_it_again(line):
    assert word_for_word(line) == WORD_FOR_WORD[line]


@given(st.lists(st.text("ab.,;| ", min_size=1, max_size=90), max_size=30))
def test_of_what_is_said_no_letter_is_lost(parts):
    line = one_line("".join(parts))
    pieces = sentences_of(line)
    assert all(0 < len(piece) <= LONGEST for piece in pieces)
    letters = [letter for letter in line if letter.isalpha()]
    assert [letter for piece in pieces for letter in piece if letter.isalpha()] == letters


@pytest.mark.parametrize(
    "line", ["x" * 1_000_000, "a, " * 300_000, "word " * 200_000, "1" * 500_000, "-" * 1_000_000]
)
def test_a_line_of_a_million_characters_does_not_take_long(line):
    start = time.perf_counter()
    lines_of(line)
    # It takes 0.2; from the start again for each piece it would take minutes.
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("name: API_KEY\n  value: s3cr3t\nlast", ["name: API_KEY value: s3cr3t", "last"]),
        ("field port\n'default' = 80", ["field port 'default' = 80"]),
        ("region\nvalue: eu", ["region", "value: eu"]),
        ("value: eu\nname: x", ["value: eu", "name: x"]),
        ("name: a\n" + "value: " + "x" * 202, ["name: a", "value: " + "x" * 202]),
    ],
)
def test_a_value_stands_behind_the_line_that_names_it(text, lines):
    assert joined_lines(text) == lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" a \n  b\tc ", "a b c"),
        ("x" * 120, "x" * 120),
        ("see " + "x" * 121 + " here", "see " + "x" * 40 + "...(121 characters) here"),
        ("word " * 30, ("word " * 30).strip()),
    ],
)
def test_a_line_is_squeezed_and_a_blob_is_shortened(text, shown):
    assert one_line(text) == shown


def test_a_label_has_none_of_the_marks_by_which_a_note_is_read_back():
    assert label_of("run(password: x; y: z;  now)") == "run(password=x, y=z, now)"


def test_lines_lose_their_numbers_and_those_that_say_nothing_go():
    text = "   1\tdef run():\n   2\t\n  3: -----\n 4 | return 7\n===\nlast"
    assert lines_of(text) == ["def run():", "return 7", "last"]


@given(st.text(st.characters(max_codepoint=126), max_size=80))
def test_a_letter_that_is_not_ascii_changes_no_other_word(text):
    assert Vocabulary().values_in(f"{text} \u00e9") == Vocabulary().values_in(text)


def test_values_are_words_without_the_marks_around_them():
    text = "Write to ana@mail.com, (order #W12-9), see ./src/app.py. And on 2024-05-26!"
    assert Vocabulary().values_in(text) == (
        "write", "ana@mail.com", "#w12-9", "src/app.py", "and", "2024-05-26",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("order_id", "order A1"),
        ("orderId", "order A1"),
        ("ORDER-NUMBER", "ORDER A1"),
        ("sku", "sku A1"),
        ("amount", None),
        ("idea", None),
    ],
)
def test_what_a_result_is_about_is_known_by_its_key(key, label):
    found = named("look_up", {key: "A1"}, {})
    assert found == (None if label is None else (label, "A1"))
