"""What a sentence says by itself, before it is held against any other."""

from __future__ import annotations

import dataclasses

import pytest

from compact_otel.core.facts.kinds import values_of
from compact_otel.core.facts.sense import Sense, sense_of

YES = True
NOT_READ = ("text", "values", "frames", "demand", "_low", "_words")


def said(sentence):
    """Return what a sentence says, without what it does not; sets as words in order."""
    sense = sense_of(sentence)
    found = {
        field.name: getattr(sense, field.name)
        for field in dataclasses.fields(Sense)
        if field.name not in NOT_READ
    }
    found["scopes"] = {name: _words(of) for name, of in sense.scopes.items()}
    found["tells"] = {name: _words(by) for name, by in sense.tells.items()}
    return {
        name: _words(value) if isinstance(value, frozenset) else value
        for name, value in found.items()
        if value
    }


def _words(stems):
    return " ".join(sorted(stems))


SENTENCES = {
    "The launch is on 3 May.": {
        "spoken": {"date": ["3 may"]},
        "named": "3 may",
        "scopes": {"when": "launch"},
        "tells": {"when": "launch"},
        "states": YES,
        "settles": YES,
    },
    "Actually, make that Tuesday.": {
        "spoken": {"weekday": ["tuesday"]},
        "named": "tuesday",
        "changes": YES,
        "announcing": "actually make that",
        "settles": YES,
    },
    "Can you move it to Friday?": {
        "spoken": {"weekday": ["friday"]},
        "named": "friday",
        "changes": YES,
        "announcing": "move",
        "plainly": YES,
    },
    "Is the launch on Friday?": {
        "spoken": {"weekday": ["friday"]},
        "named": "friday",
        "scopes": {"when": "launch"},
        "tells": {"when": "launch"},
        "states": YES,
        "asks": YES,
    },
    "You don't have to stay under $500 any more.": {
        "spoken": {"money": ["$500"]},
        "named": "500",
        "changes": YES,
        "announcing": "any more",
        "plainly": YES,
        "most": YES,
        "least": YES,
        "lifts": YES,
        "by_ban": YES,
        "bans": YES,
        "states": YES,
        "settles": YES,
    },
    "You may use the old card after all.": {
        "changes": YES,
        "announcing": "after all",
        "plainly": YES,
        "least": YES,
        "lifts": YES,
    },
    "Never book before 9 am.": {
        "spoken": {"time": ["9 am"]},
        "named": "9 am",
        "most": YES,
        "bans": YES,
    },
    "Two or twelve bags, at 3 pm or 4 pm.": {
        "spoken": {"number": ["2", "12"], "time": ["3 pm", "4 pm"]},
        "named": "3 4 pm twelv two",
    },
    "Let's cache the pages for ever.": {"plan": "cach page", "plan_at": 6},
    "So our plan is to use a lease.": {"plan": "leas", "plan_at": 18, "states": YES},
    "We could also take a new order.": {
        "plan": "order take",
        "plan_at": 9,
        "apart": YES,
        "unsure": YES,
        "states": YES,
    },
    "Should we use a cache, or let's wait?": {"asks": YES},
    "Das Budget beträgt stattdessen 650 Euro.": {
        "spoken": {"money": ["650 euro"]},
        "named": "650 euro",
        "scopes": {"money": ""},
        "tells": {"money": "budget"},
        "changes": YES,
        "announcing": "stattdessen",
        "settles": YES,
    },
    "The current step is awaiting review.": {"states": YES, "settles": YES},
    "The limit costs two.": {"spoken": {"number": ["2"]}, "named": "two", "states": YES},
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_says(sentence):
    assert said(sentence) == SENTENCES[sentence]


@pytest.mark.parametrize(
    ("sentence", "scope"),
    [
        ("The travel budget is $400; lodging costs $90.", "travel"),
        ("Food is very dear: the travel budget is $400.", "dear food travel"),
        ("Note: the travel budget is $400.", "travel"),
        ("Here is all of it: the travel budget is $400.", "travel"),
        ("It is cheap; the travel budget is $400.", "travel"),
        ("Travel budget in May: $400.", "travel"),
        ("Budget for the travel of all guests: $400.", "guest travel"),
    ],
)
def test_an_attribute_is_set_for_what_its_clause_names(sentence, scope):
    assert said(sentence)["scopes"]["money"] == scope


def test_a_sentence_is_folded_and_read_as_far_as_six_hundred_characters():
    assert Sense("Don\u2019t\n WAIT").low == "don't wait"
    assert Sense("Don\u2019t buy the boxes").words == {"don't", "buy", "boxe"}
    long = "x" * 599
    assert Sense(f"{long}yz").low == f"{long}y"
    assert [value.text for value in sense_of("a " * 295 + "on 3 May or 4 May").values] == ["3 May"]


KINDS = {
    "email": "Write to ana.b+c@mail.example.com now",
    "url": "See https://a.example/b?c=d, please",
    "money": "It costs $1,200.50 or so",
    "date": "By 2027-03-01 at last",
    "time": "At 9:30 am sharp",
    "percent": "About 12 % off",
    "path": "In src/app/main.py there",
    "version": "With v2.10.3 only",
    "ident": "Ticket AB-1234 is it",
    "zone": "set to eastern time then",
    "number": "All 42 of them",
    "weekday": "it is on Monday then",
    "colour": "In green then",
    "name": "Ask Lena Vogt first",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_is_of_a_kind(kind):
    (value,) = values_of(KINDS[kind])
    assert value.kind == kind
    assert KINDS[kind][value.start :].startswith(value.text)


def test_a_name_begins_behind_what_is_none():
    assert values_of("The Lena Vogt said so") == (("name", "Lena Vogt", 4),)
    assert values_of("Monday Lena said so")[0].kind == "weekday"
    assert [value.text for value in values_of("Monday Support said so")] == ["Monday"]
    assert values_of("月曜日 and 火曜日") == (("weekday", "月曜日", 0), ("weekday", "火曜日", 8))
