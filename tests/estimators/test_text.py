"""Every text is counted: exactly, whatever is in it, and once."""

import base64
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compact_otel.estimators import text, vocabulary
from compact_otel.estimators.text import TextCounts, count

MILLION = 1_000_000
PROSE = "The agent reads `config.py`, then writes 12 tests; it's Größe 世界 😀.\n    return None\n"
WHITE = [" ", "  ", "\n", " \n ", "\t", "\u3000", "\r\n", "   "]


def whole(string):
    return len(vocabulary.o200k().encode_ordinary(string))


@pytest.mark.parametrize(
    ("string", "tokens"),
    [
        ("", 0),
        ("hello world", 2),
        ("What is the weather in Paris?", 7),
        ("<|endoftext|>", 7),
        ("\ud800", 1),
    ],
)
def test_known_texts_have_known_counts(tiktoken, string, tokens):
    assert tiktoken.count_text(string) == tokens


@pytest.mark.parametrize(
    ("unit", "at_most"),
    [
        (" ", 0.02),
        ("\t", 0.1),
        ("\u3000", 0.3),
        ("\n", 0.1),
        ("a", 0.15),
        ("-", 0.02),
        ("😀", 1.1),
        ("\ud83d", 1.1),
        ("<|endoftext|>", 0.6),
        (base64.b64encode(random.Random(7).randbytes(30_000)).decode(), 0.8),
    ],
    ids=["blank", "tab", "wide", "newline", "a", "dash", "emoji", "surrogate", "special", "base64"],
)
def test_a_million_characters_of_anything_are_counted(tiktoken, unit, at_most):
    tokens = tiktoken.count_text(unit * (MILLION // len(unit)))
    assert 0 < tokens < at_most * MILLION


@pytest.mark.parametrize("unit", ["a", "-", "<|endoftext|>", "Zm9vYmFy", "😀", "\ud83d"])
def test_cutting_a_text_that_has_no_good_place_costs_next_to_nothing(unit):
    string = unit * (200_000 // len(unit))
    assert count(string, vocabulary.o200k()) == pytest.approx(whole(string), rel=0.001)


@pytest.mark.parametrize("repeats", [180, 181, 1000])
def test_cutting_prose_and_code_costs_nothing(repeats):
    assert count(PROSE * repeats, vocabulary.o200k()) == whole(PROSE * repeats)


words = st.lists(
    st.tuples(
        st.text(st.characters(exclude_categories=["Zs", "Zl", "Zp", "Cc"]), min_size=1, max_size=9),
        st.sampled_from(WHITE),
    ),
    max_size=60,
)


@settings(deadline=None)  # the first example may load the vocabulary
@given(words, st.integers(24, 60))
def test_a_cut_text_has_as_many_tokens_as_the_whole(parts, piece_chars):
    # Wherever a piece ends, a single blank behind a word is less than 24 characters back.
    string = "".join(f"{word} {word}{white}" for word, white in parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_PIECE_CHARS", piece_chars)
        assert count(string, vocabulary.o200k()) == whole(string)


@settings(deadline=None)
@given(st.text(st.sampled_from("ab \n\u3000😀")), st.integers(1, 8))
def test_pieces_are_small_and_nothing_falls_between_them(string, piece_chars):
    pieces = []

    class Recording:
        def encode_ordinary(self, piece):
            pieces.append(piece)
            return [0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_PIECE_CHARS", piece_chars)
        assert count(string, Recording()) == len(pieces)
    assert "".join(pieces) == string
    assert max(map(len, pieces)) <= piece_chars


def test_a_panic_of_the_tokeniser_becomes_a_generous_count(monkeypatch, capfd):
    monkeypatch.setattr(text, "_PIECE_CHARS", 2 * MILLION)
    assert count(" " * MILLION, vocabulary.o200k()) == MILLION
    assert "panicked" in capfd.readouterr().err  # or this test tests nothing any more


def test_an_interrupt_is_not_taken_for_a_panic():
    class Interrupted:
        def encode_ordinary(self, string):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count("text", Interrupted())


@pytest.fixture
def tokenised(monkeypatch):
    """The texts that went through the tokeniser."""
    seen = []
    monkeypatch.setattr(
        text, "count", lambda string, encoding: seen.append(string) or count(string, encoding)
    )
    return seen


def test_a_text_is_tokenised_once(tokenised):
    counts = TextCounts()
    assert [counts["one two"], counts["".join(["one", " two"])]] == [2, 2]
    assert tokenised == ["one two"]


def test_a_text_in_use_is_remembered_while_others_are_forgotten(monkeypatch, tokenised):
    monkeypatch.setattr(text, "_GENERATION_CHARS", 5_000)
    counts = TextCounts()
    for number in range(1_000):
        assert counts["in use"] == 2
        assert counts[f"text number {number}"] == whole(f"text number {number}")
    assert tokenised.count("in use") == 1
    assert len(counts) < 100
    assert counts["text number 0"] == whole("text number 0")
    assert tokenised.count("text number 0") == 2


def test_threads_share_one_memory_and_count_alike(monkeypatch):
    monkeypatch.setattr(text, "_GENERATION_CHARS", 5_000)
    counts = TextCounts()
    strings = [f"text number {number} " * (number % 7) for number in range(300)]
    expected = [whole(string) for string in strings]
    results = []
    threads = [
        threading.Thread(target=lambda: results.append([counts[string] for string in strings]))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 6
