"""Which words are values, and how likely each of them is needed again by how it was used."""

from __future__ import annotations

import math

import pytest

from compact_otel.core.facts.salience import Salience, Vocabulary
from compact_otel.core.facts.units import Subject, Unit
from compact_otel.core.facts.weights import BIAS, FORMS, WEIGHTS

FORM_OF = {
    "identifier": ("A123", "2024-05-26T", "4og6t3", "v1.2.3-rc1"),
    "path": ("a/b", "ana@mail.com", "src/app.py"),
    "date": ("2024-05-26",),
    "code name": ("load_settings", "app.py", "camelCase", "loadX"),
    "acronym": ("API", "ÉLAN"),
    "number": ("123", "12.50", "1,200", "2100", "1899"),
    "short code": ("A12", "a1"),
    "year": ("1999", "2024"),
    "timestamp": ("2024-05-26T10:00", "2024-05-26T10:00:07.5"),
    "name": ("Name", "A", "OK", "Größe", "HTTPServer"),
    "small number": ("12", "3.5", "1-2"),
}


@pytest.mark.parametrize("form", FORM_OF)
def test_a_value_is_known_by_its_form(form):
    for word in FORM_OF[form]:
        vocabulary = Vocabulary()
        assert vocabulary[word] == word.lower()
        assert vocabulary.forms == {word.lower(): form}


def test_the_harder_a_form_is_to_guess_the_more_it_weighs():
    vocabulary = Vocabulary()
    forms = ("A123", "a/b", "2024-05-26", "API", "1999", "2024-05-26T10:00", "12")
    weights = [vocabulary.form_weights[vocabulary[word]] for word in forms]
    assert weights == sorted(weights, reverse=True) == [5.5, 4.0, 3.0, 2.0, 1.0, 0.8, 0.3]


@pytest.mark.parametrize("word", ["word", "_quiet_", "./-", "@", "élan", ""])
def test_an_ordinary_word_is_no_value(word):
    vocabulary = Vocabulary()
    assert vocabulary[word] == ""
    assert vocabulary.values_in(word) == ()
    assert list(vocabulary.places_in(word)) == []


def test_of_two_spellings_the_one_that_is_harder_to_guess_counts():
    for text in ("Api API api", "API Api api"):
        vocabulary = Vocabulary()
        assert vocabulary.values_in(text) == ("api",)
        assert vocabulary.forms == {"api": "acronym"}


@pytest.mark.parametrize("more", ["", " für"])
def test_values_stand_in_a_text_in_order_each_once(more):
    vocabulary = Vocabulary()
    text = f"See ./src/app.py: A123 and /etc/x-. Then a123{more}"
    assert vocabulary.values_in(text) == ("see", "src/app.py", "a123", "etc/x", "then")
    places = list(vocabulary.places_in(text))
    assert places == [
        (0, 3, "see"), (6, 16, "src/app.py"), (18, 22, "a123"), (28, 33, "etc/x"),
        (36, 40, "then"), (41, 45, "a123"),
    ]  # fmt: skip


ASKED = Subject("User", origin="user", position=0, prose=True)
ANSWER = Subject("Assistant", origin="assistant", position=1, prose=True)
CALL = Subject("get(A100)", ("a100",), origin="call", position=2)
LATER = Subject("get(A100)", ("a100",), origin="call", position=12)
OLDER = Subject("Summary", origin="summary")
ENTITY = Subject("order A100", ("a100",), section="state", position=2)
ROW = Subject("line L-4", ("l-4",), parent=ENTITY, section="state", position=2)
LOG = Subject("log", position=3)

UNITS = [
    Unit("It is about A100.", ASKED, ("a100",)),
    Unit("I saw B200.", ANSWER, ("b200",)),
    Unit("", CALL),
    Unit("count C300", ROW, ("c300",)),
    Unit("", ROW),
    Unit("D400 failed", LOG, ("d400",), on_own_line=True),
    Unit("E500 was said", OLDER, ("e500",)),
    Unit("", LATER),
]

FEATURES = {
    # Said by the user, then used by two calls and named by a row and two labels.
    "a100": {"user": 1, "calls": 2, "head": 1, "mentions": 2, "age": 2, "focus": 0, "place": 0},
    "b200": {"assistant": 1, "sibling": 1, "age": 3, "place": 2},
    "c300": {"sibling": 1, "focus": 1, "age": 3, "place": 0},
    "l-4": {"head": 1, "alike": 0, "age": 3, "place": 0},
    "d400": {"sibling": 1, "age": 3, "place": 1},
    "e500": {"sibling": 1, "age": 3, "place": 0},
}


def learnt(units=UNITS, length=30, **options):
    vocabulary = Vocabulary()
    vocabulary.values_in("A100 B200 C300 D400 E500 L-4 F600")
    salience = Salience(vocabulary, length=length, **options)
    salience.learn(units)
    return salience


@pytest.mark.parametrize("value", FEATURES)
def test_how_a_value_was_used_is_counted(value):
    plain = dict.fromkeys(WEIGHTS, 0) | {"alike": 1}
    assert learnt().features(value) == plain | FEATURES[value]


def test_weights_are_those_of_the_uses_taken_together():
    salience = learnt()
    for value in ("a100", "b200", "c300"):
        logit = BIAS + FORMS["identifier"]
        logit += sum(WEIGHTS[name][index] for name, index in salience.features(value).items())
        assert salience.weight(value) == pytest.approx(1 / (1 + math.exp(-logit)))
    assert salience.weight("f600") == 0.0  # known, and never used
    assert salience.weight("word") == 0.0


def test_what_the_last_summary_chose_weighs_more():
    told = Unit("E500 was said", Subject("Summary", position=-1), ("e500",))
    assert learnt().weight("e500") > learnt([*UNITS[:6], told, UNITS[7]]).weight("e500")


def test_what_was_asked_for_or_is_stressed_weighs_more():
    plain = learnt()
    asked = learnt(note=frozenset({"b200"}))
    assert asked.weight("b200") == pytest.approx(10 * plain.weight("b200"))
    assert asked.weight("a100") == plain.weight("a100")
    stressed = plain.stressing(["b200"])
    assert stressed.weight("b200") == pytest.approx(3 * plain.weight("b200"))
    assert stressed.weight("a100") == plain.weight("a100")
    assert plain.stressing([]).weight("b200") == plain.weight("b200")


def test_what_is_at_stake_is_less_where_it_was_said_anew_later():
    salience = learnt()
    whole = 40.0 * salience.weight("a100")
    assert salience.stakes(["a100"], 12) == [("a100", pytest.approx(whole))]
    assert salience.stakes(["a100"], 2) == [("a100", pytest.approx(0.85 * whole))]
    assert [value for value, _ in salience.stakes(["b200", "a100"], 2)] == ["b200", "a100"]


def test_words_are_worth_the_same_beside_few_likely_values_and_beside_many():
    salience = learnt()
    salience.settle([])
    assert salience.stakes(["b200"], 9)[0][1] == pytest.approx(40 * salience.weight("b200"))
    other = learnt()
    other.settle([0.1, 0.3])
    assert other.stakes(["b200"], 9)[0][1] == pytest.approx(200 * other.weight("b200"))
    assert other.stressing([]).scale == other.scale


def test_values_of_which_nothing_was_learnt_do_not_change_that():
    salience = learnt()
    usual = salience.scale
    salience.settle([salience.weight("NEVER-SEEN-1"), 0.0])
    assert salience.scale == usual


def test_only_what_is_not_found_again_easily_is_telling():
    vocabulary = Vocabulary()
    vocabulary.values_in("A123 1999 Name 12")
    salience = Salience(vocabulary, length=1)
    words = ("a123", "1999", "name", "12", "unknown")
    assert [word for word in words if salience.is_telling(word)] == ["a123", "1999"]


@pytest.mark.parametrize(
    ("origin", "section", "text", "pin", "rate"),
    [
        ("user", "goal", "Do it.", 0, 0.30),
        ("user", "constraints", "Never.", 4, 0.45),
        ("user", "goal", "Thanks!", -1, 0.015),
        ("user", "constraints", "Thanks!", -1, 0.015),
        ("summary", "facts", "It was.", 0, 0.08),
        ("assistant", "done", "I looked.", 0, 0.03),
        ("assistant", "done", "I DECIDED to go.", 0, 0.06),
        ("call", "done", "", 0, 0.02),
        ("result", "facts", "It failed.", 0, 0.01),
        ("result", "state", "status open", 0, 0.07),
    ],
)
def test_words_are_worth_what_says_them(origin, section, text, pin, rate):
    unit = Unit(text, Subject("x", section=section, origin=origin), pin=pin)
    assert Salience(Vocabulary(), length=1).prose(unit) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("ord-12", "abc-7", True),
        ("ord-12", "ord_12", False),
        ("4og6t3", "9xxaz1", True),
        ("4og6t3", "fq8ape", True),
        ("4og6t3", "4og6t33", False),
        ("order12", "x12", True),
        ("order12", "order12b", False),
    ],
)
def test_values_are_of_one_kind_by_the_runs_of_letters_and_digits_in_them(one, other, alike):
    vocabulary = Vocabulary()
    vocabulary.values_in(f"{one} {other}")
    salience = Salience(vocabulary, length=1)
    said = Subject("User", origin="user", position=0, prose=True)
    salience.learn([Unit("x", said, (one,)), Unit("y", said, (other,))])
    assert salience.features(one)["alike"] == int(alike)


@pytest.mark.parametrize(
    ("mentions", "feature"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (10, 3), (11, 4)]
)
def test_mentions_are_counted_in_steps(mentions, feature):
    said = [Unit("x", ASKED, ("a100",))] * mentions
    assert learnt(said).features("a100")["mentions"] == feature


@pytest.mark.parametrize(
    ("age", "feature"), [(4, 0), (5, 1), (10, 1), (25, 2), (26, 3), (60, 3), (61, 4)]
)
def test_so_is_what_came_since(age, feature):
    assert learnt([Unit("x", ASKED, ("a100",))], length=age).features("a100")["age"] == feature


def test_two_uses_of_one_call_are_one_and_the_third_call_is_as_good_as_the_second():
    def used(*positions):
        calls = [Subject("f", ("a100",), origin="call", position=place) for place in positions]
        return learnt([Unit("", call) for call in calls]).features("a100")["calls"]

    assert [used(1), used(1, 1), used(1, 2), used(1, 2, 3)] == [1, 1, 2, 2]


def test_what_belongs_to_what_a_call_or_a_user_named_is_in_focus():
    def in_focus(origin, subject):
        named = Unit("x", Subject("n", origin=origin, position=0), ("a100",))
        return learnt([named, Unit("y", subject, ("b200",))]).features("b200")["focus"]

    row = Subject("line", (), parent=ENTITY)
    assert [in_focus(origin, ENTITY) for origin in ("user", "call", "result")] == [1, 1, 0]
    assert [in_focus(origin, row) for origin in ("user", "call", "assistant")] == [1, 1, 0]
    assert in_focus("user", Subject("other", ("c300",))) == 0


def test_what_is_stressed_is_weighed_anew():
    plain = learnt()
    ((_, before),) = plain.stakes(["b200"], 9)
    ((_, after),) = plain.stressing(["b200"]).stakes(["b200"], 9)
    assert after == pytest.approx(3 * before)
    assert plain.stakes(["b200"], 9) == [("b200", before)]
