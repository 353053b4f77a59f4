"""How the tables of words become expressions and attributes."""

from __future__ import annotations

import re

import pytest

from compact_otel.core.facts import attributes, constraints, cues

TABLE = """
budget | deal[- ]?breaker | by no
    means
(?:red|firm) line | no (?:more|less)
(?:a|b)? odd
\u00e9lan
"""


def test_a_table_is_an_expression_for_each_of_its_alternatives():
    form = re.compile(cues.one_of(TABLE, "blue | black"))
    found = [
        "budget", "dealbreaker", "deal-breaker", "by nomeans", "red line", "firm line", "no more",
        "no less", " odd", "a odd", "\u00e9lan", "blue", "black",
    ]  # fmt: skip
    assert [text for text in found if not form.fullmatch(text)] == []
    for text in ("red", "line", "blueblack", "no", "XX", "deal", "", "c odd"):
        assert not form.fullmatch(text)


def test_what_begins_alike_stands_behind_its_letter_once():
    assert cues.one_of("blue | black | 3d | red") == "b(?:lue|lack)|r(?:ed)|3d"
    assert cues.one_of("b? | b") == "b(?:)|b?"
    assert cues.one_of("(?:red|blue) line | (?:a)? b") == "r(?:ed line)|b(?:lue line)|(?:a)? b"


def test_a_table_of_words_is_a_set_of_them():
    assert cues.words(" one two\n  one ") == {"one", "two"}


def test_words_are_parted_in_most_languages_and_not_in_all():
    form = re.compile(cues.in_any_language({"en": "now | new", "de": "nun", "cjk": "改 | 新"}))
    assert form.findall("now knew new news nun 正在改了") == ["now", "new", "nun", "改"]
    tables = {"en": "now", "de": "nun"}
    assert cues.in_any_language(tables) == r"\b(?:n(?:ow|un))\b"
    assert cues.in_any_language(tables | {"cjk": "改"}) == r"\b(?:n(?:ow|un))\b|改(?:)"


def test_alternatives_that_begin_with_a_plain_word_have_a_first_word():
    assert cues.first_words("one two | three\nfour | (?:five|six)") == {"one", "three", "four"}


def test_an_attribute_is_told_by_its_words_and_by_what_it_is_said_of():
    found = attributes._attribute(
        "when", "date time", says="due dates", of="launches", beside="planned"
    )
    assert found == attributes.Attribute(
        "when",
        frozenset({"due", "date"}),
        frozenset({"due", "date", "launch"}),
        frozenset({"due", "date", "plann"}),
        frozenset({"date", "time"}),
    )
    plain = attributes._attribute("port", "number", says="port")
    assert plain == attributes.Attribute(
        "port",
        frozenset({"port"}),
        frozenset({"port"}),
        frozenset({"port"}),
        frozenset({"number"}),
    )


def test_what_an_attribute_is_said_of_counts_where_no_word_for_it_stands():
    when = attributes.BY_NAME["when"]
    assert when.told_in(frozenset({"deadlin", "launch"})) == {"deadlin"}
    assert when.told_in(frozenset({"launch", "green"})) == {"launch"}
    assert when.told_in(frozenset({"green"})) == frozenset()


def test_a_colleague_on_call_is_nobody_to_call():
    assert "oncall" in attributes.telling_stems("who is on-call, who on call")
    assert "oncall" not in attributes.telling_stems("please call bob smith")
    assert "named" not in attributes.telling_stems("please call bob smith")
    assert "named" in attributes.telling_stems("please call me bob")
    assert "answer" in attributes.telling_stems("reply in german")


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("meetings", "meet"),
        ("meeting", "meet"),
        ("parties", "party"),
        ("carried", "carry"),
        ("planned", "plann"),
        ("boxes", "boxe"),
        ("launches", "launch"),
        ("dates", "date"),
        ("date", "date"),
        ("ann's", "ann"),
        ("sing", "sing"),
        ("users", "user"),
        ("費用変更", ["費用", "用変", "変更"]),
        ("費", ["費"]),
    ],
)
def test_endings_that_say_nothing_are_left_out(word, stem):
    assert list(attributes.stems_in(word)) == ([stem] if isinstance(stem, str) else stem)


def test_what_has_an_accent_is_a_word_like_others():
    assert list(attributes.stems_in("el café, die größe")) == ["el", "café", "die", "größ"]


ENGLISH = {
    "never": (),
    "under no circumstances": ("rule",),
    "stick to it": ("rule", "order"),
    "i prefer trains": ("wish",),
    "please answer in german": ("order",),
    "so list at most all": ("rule", "order", "hint"),
    "you could answer in german": (),
    "they should answer in german": ("order", "hint"),
    "treat it": ("order",),
    "he will treat it": (),
    "and please, treat it": ("order",),
    "answer it": (),
    "answer now: one two three four five in german": ("order",),
    "answer one two three four five six seven in german": (),
    "it should be": ("hint",),
    "our next step is": ("hint",),
}


@pytest.mark.parametrize("text", ENGLISH)
def test_the_tables_of_demands_are_read_as_they_are_meant(text):
    names = ("rule", "wish", "order", "hint")
    found = zip(names, constraints._english(), strict=True)
    assert tuple(name for name, form in found if form.search(text)) == ENGLISH[text]
