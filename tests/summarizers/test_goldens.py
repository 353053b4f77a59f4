"""Extractive summaries of seeded sessions: the same bytes every time, and worth going on from."""

import re

import pytest

from compact_otel.core.facts import Facts
from tests.summarizers.golden_summaries import FOLDER, NAMES, count, request, session, summary
from tests.summarizers.sessions import SESSIONS, held

REWRITE = "uv run python -m tests.summarizers.golden_summaries"
LOREM = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor. " * 4


def of_bare_values(text):
    """Return the share of a text's characters in entries that are lists of values.

    An entry is a bullet with the lines below it. It is such a list if it has three values or more
    and not one word for every three of them, each counted once. A value has a digit or a slash, or
    is a code in capitals; a word has only letters (`order_id` is two).
    """
    bare = 0
    for entry in re.split(r"\n(?=\S)", text):
        tokens = [token.strip(".'\"`") for token in re.split(r"[\s,;:|()=]+", entry)]
        values = {token for token in tokens if re.search(r"\d|/|^[A-Z]{2,3}$", token)}
        plain = [token for token in tokens if re.fullmatch(r"(?![A-Z]{2,3}$)[^\W\d]+", token)]
        words = {word for token in plain for word in token.casefold().split("_")}
        if len(values) >= 3 and 3 * len(words) < len(values):
            bare += len(entry)
    return bare / len(text)


@pytest.mark.parametrize("name", NAMES)
def test_a_summary_is_the_golden_one_byte_for_byte(name):
    golden = (FOLDER / f"{name}.txt").read_bytes()
    assert f"{summary(name)}\n".encode() == golden, f"changed on purpose? {REWRITE}"


def test_no_golden_is_left_over():
    assert {file.name for file in FOLDER.iterdir()} == {f"{name}.txt" for name in NAMES}, REWRITE


@pytest.mark.parametrize("name", NAMES)
def test_a_quarter_of_a_session_holds_its_key_entities(name):
    made, text = session(name.partition(".")[0]), summary(name)
    assert len(made.entities) > 20
    assert count(text) <= request(made).max_tokens
    assert held(made.entities, text) >= 0.97


@pytest.mark.parametrize("name", NAMES)
def test_a_list_of_bare_values_is_hardly_any_of_a_summary(name):
    assert of_bare_values(summary(name)) <= 0.05


@pytest.mark.parametrize("kind", SESSIONS)
def test_neither_is_it_of_what_is_put_back(kind):
    repaired = Facts(request(session(kind))).repaired(LOREM).text
    assert "## Facts from the record" in repaired
    assert of_bare_values(repaired) <= 0.05


@pytest.mark.parametrize("kind", SESSIONS)
def test_what_a_keyword_list_would_win_with_is_seen_as_one(kind):
    entities = [each for each in session(kind).entities if re.search(r"\d", each)]
    assert of_bare_values("- " + ", ".join(entities)) == 1.0
