"""Many texts are looked at together, and each is judged as if it stood alone."""

import copy
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compact_otel.adapters.fs import FileStorage
from compact_otel.redaction import REDACTED, Redactor
from tests.security.corpus import SAMPLES

TEXTS = [sample.text for sample in SAMPLES]
SECRETS = [sample.secret for sample in SAMPLES]
# What a secret may end or begin with, and what stands between texts that are looked at together.
EDGES = ["", "\0", "\n", " ", "=", ": ", '"', "\\", "@", "+", "-----BEGIN", "password", "token is"]
EDGES += ["Bearer ", "a" * 19, "0000", "phone ", "api_key\0", "\uff1a", "\U0001f511", "curl -u a:b"]
PARTS = (*TEXTS, *SECRETS, *EDGES)
PIECES = st.integers(0, len(PARTS) - 1).map(PARTS.__getitem__)
CUT = st.tuples(PIECES, st.integers(0, 40), st.integers(0, 40)).map(
    lambda cut: cut[0][cut[1] : len(cut[0]) - cut[2]]
)
STRINGS = st.lists(PIECES | CUT, max_size=3).map("".join)
KEYS = st.sampled_from(["a", "id", "call_ids", "token", "name", "value", "card_number", "notes"])
TREES = st.recursive(
    STRINGS | st.none() | st.booleans() | st.integers(0, 10**16),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS | STRINGS, inner, max_size=4)
        | inner.map(json.dumps)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=300)
@given(st.lists(STRINGS, max_size=12))
def test_a_text_among_texts_becomes_what_it_becomes_alone(texts):
    assert Redactor().values(texts) == [Redactor().text(text) for text in texts]


@settings(deadline=None, max_examples=200)
@given(st.lists(TREES, max_size=5))
def test_a_value_among_values_becomes_what_it_becomes_alone_and_is_not_changed(values):
    before = copy.deepcopy(values)
    for gate in (Redactor(), Redactor(["hunter2"], custom=str.strip, allow=["email"])):
        assert gate.values(values) == [gate.value(value) for value in values]
    assert values == before


def alone(value):
    """Redact a value string by string, as far as no key says anything of them."""
    if isinstance(value, list):
        return [alone(element) for element in value]
    return Redactor().text(value) if isinstance(value, str) else value


@settings(deadline=None, max_examples=200)
@given(st.recursive(STRINGS, lambda inner: st.lists(inner, max_size=5), max_leaves=12))
def test_a_tree_becomes_what_its_strings_become_alone(tree):
    assert Redactor().value(tree) == alone(tree)


@pytest.mark.parametrize("between", [[], ["\0"], ["a long word"], ["\n", "", "="]])
def test_every_sample_goes_when_all_stand_side_by_side(between):
    texts = [text for sample in TEXTS for text in (sample, *between)]
    clean = Redactor().values(texts)[:: 1 + len(between)]
    for sample, text in zip(SAMPLES, clean, strict=True):
        assert sample.secret not in text, sample.name


def test_what_ends_one_text_and_begins_the_next_is_no_secret():
    halves = [
        "the password",
        "= hunter2",
        "sk-proj-Ab3dEfGh1",
        "jKlMnOp4rStUvWx",
        "415-555",
        "-2671",
    ]
    assert Redactor().values(halves) == halves
    assert Redactor().value({"note": halves}) == {"note": halves}


def test_more_text_than_is_looked_at_at_once_is_judged_the_same():
    filler = "nothing to see here, move on. " * 3_000
    texts = [filler + TEXTS[0], *TEXTS * 3, filler * 3 + TEXTS[1], "", filler, TEXTS[2] + filler]
    assert Redactor().values(texts) == [Redactor().text(text) for text in texts]


def test_time_is_linear_in_the_number_of_texts():
    def seconds(texts):
        began = time.process_time()
        Redactor().values(texts)
        return time.process_time() - began

    few, many = (TEXTS * times for times in (2, 32))
    assert seconds(many) < 80 * max(seconds(few), 1e-3)


@pytest.mark.parametrize("base", [object, Redactor])
def test_a_gate_of_ones_own_is_given_one_record_at_a_time(tmp_path, base):
    class Own(base):
        def value(self, value):
            return {"seen": sorted(value)}

    items = [{"role": "user", "content": "a"}, {"type": "b"}]
    storage = FileStorage(tmp_path, redactor=Own())
    storage.save_transcript("s", items)
    assert storage.load_transcript("s", 1) == [{"seen": ["content", "role"]}, {"seen": ["type"]}]


def test_a_string_that_is_also_something_else_is_judged_by_what_it_says():
    class Word(str):
        __slots__ = ()

        def __hash__(self):
            return hash("harmless")

    redactor, word = Redactor(), Word("password=hunter2")
    assert redactor.value(["harmless"]) == ["harmless"]
    assert redactor.value(word) == "password=<REDACTED>"
    assert redactor.value([word, {word: 1}]) == [
        "password=<REDACTED>",
        {"password=<REDACTED>": 1},
    ]


def test_an_archive_holds_the_records_one_by_one_without_their_secrets(tmp_path):
    items = [{"role": "user", "content": text} for text in TEXTS]
    storage = FileStorage(tmp_path)
    storage.save_transcript("s", items)
    stored = storage.load_transcript("s", 1)
    assert stored == [Redactor().value(item) for item in items]
    assert all(REDACTED in item["content"] for item in stored)
