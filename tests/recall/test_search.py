"""Words, phrases and ids: what is found, what is not, in which order, and what is cut out."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compact_otel.recall.search import excerpt, fold, rank, spans_of, terms_of


def found(query, *texts):
    """Return the texts that answer a query, best first."""
    return [texts[index] for index in rank(texts, terms_of(query))]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("warehouse", "It left the WAREHOUSE."),
        ("strasse", "Lange Straße 5"),
        ("cafe", "Café Zürich"),
        ("CAFÉ", "cafe\u0301 zurich"),
        ("ship", "It was shipped on Monday."),
        ("user", "def get_user(ident):"),
        ("天気", "東京の天気はどうですか"),
        ("A-17", "Parcel a-17, two days late."),
        ("A-17", "See (A-17)."),
        ("A-17", "订单A-17已发货"),
        ("ship", "请ship这个"),
        ('"天気は"', "東京の天気はどうですか"),
        ("주문", "주문을 받았습니다"),
        ("istanbul", "İSTANBUL is far"),
        ("src/app.py", "edited ./src/app.py:12"),
        ("17", "order #17 is paid"),
        ("bob@example.com", "from bob@example.com."),
        ("C:\\temp\\x.txt", "wrote C:\\temp\\x.txt"),
        ('"left the warehouse"', "it left\n  the warehouse"),
        ("“left the warehouse”", "It LEFT THE WAREHOUSE"),
        ('an "unclosed quote', "a quote that never ends"),
        ("it", "so it was"),
    ],
)
def test_this_is_found(query, text):
    assert found(query, "something else", text) == [text]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("A-17", "A-170 and BA-17 and A-17-2 and A-17.5"),
        ("17", "2017 and 17.5 and 170"),
        ("port", "the airport, a transport"),
        ("in", "inside, into"),
        ('"the warehouse left"', "left the warehouse"),
        ('"ware house"', "warehouse"),
        ("user_id", "user_ids"),
    ],
)
def test_this_is_not(query, text):
    assert found(query, text) == []


@pytest.mark.parametrize(
    "query", ["", "   ", '""', "?!", ".*", "((((", "\ud800", "\x00", '"', "''"]
)
def test_a_query_without_words_asks_for_nothing(query):
    assert terms_of(query) == []


@pytest.mark.parametrize(
    "query", ["a.c", "x+", "[a-z]+1", "(?:a+)+9", "a|b", "^a$", "\\d+", "9{3}"]
)
def test_characters_of_regular_expressions_mean_themselves(query):
    words = "abc xx 123 aaaaaa 999"
    assert all(words.find(term.literal) >= 0 for term in terms_of(query) if found(query, words))
    literal = f"see {query} there"
    assert found(f'"{query}"', words) == []
    assert found(f'"{query}"', literal) == [literal]


def test_the_text_with_more_of_the_query_comes_first():
    both = "refund of order A-17"
    assert found("refund A-17", "refund " * 9, both, "A-17")[0] == both


def test_a_rare_word_weighs_more_than_one_that_stands_everywhere():
    common = [f"order {n} order order" for n in range(20)]
    assert found("order voucher", *common, "voucher of an order")[0] == "voucher of an order"


def test_texts_that_have_only_the_common_words_are_left_out():
    common = [f"order {n}" for n in range(20)]
    lost = "order A-17 was lost " + "on its way " * 50
    assert found("order A-17", *common, lost) == [lost]


def test_of_equals_the_newest_comes_first():
    assert rank(["same words", "other", "same words", "same words"], terms_of("same")) == [3, 2, 0]


def test_a_short_text_beats_a_long_one_that_says_it_as_often():
    long, short = "voucher " + "and so on " * 200, "voucher"
    assert found("voucher", long, short) == [short, long]


def test_a_very_long_query_costs_no_more_than_its_beginning():
    query = "voucher " + "word" * 250_000
    start = time.perf_counter()
    assert found(query, "a voucher") == ["a voucher"]
    assert time.perf_counter() - start < 0.5
    assert len(terms_of(" ".join(f"w{n}" for n in range(500)))) <= 16


@pytest.mark.parametrize(
    "text", ["a " * 500_000, "-" * 10**6, "a-" * 500_000, "é" * 500_000, "17" + " " * 10**6]
)
def test_time_is_linear_whatever_stands_in_a_text(text):
    terms = terms_of('"a b c" a-a-b 17 "17 x" é .*')
    start = time.perf_counter()
    rank([text], terms)
    excerpt(text, spans_of(text, terms), 200)
    assert time.perf_counter() - start < 5


def test_folding_twice_is_folding_once():
    odd = [chr(code) for code in range(0x20000) if fold(fold(chr(code))) != fold(chr(code))]
    assert odd == []


@given(st.text(), st.text())
def test_a_text_is_folded_letter_by_letter(left, right):
    """Places in folded text are counted back letter by letter, so nothing may join over a seam."""
    assert fold(left + right) == "".join(map(fold, left + right))


@given(st.text(), st.text(alphabet="abÀß ﬁİ-1", max_size=30))
def test_spans_lie_in_the_text_and_hold_what_was_asked_for(query, text):
    terms = terms_of(query + " " + text[3:9])
    for start, end, which in spans_of(text, terms):
        assert 0 <= start < end <= len(text)
        assert terms[which].pattern.search(fold(text))


def test_places_are_those_of_the_text_itself_where_folding_changes_lengths():
    text = "ﬁne Straße e\u0301 İstanbul: voucher V-1"
    ((start, end, _),) = spans_of(text, terms_of("V-1"))
    assert text[start:end] == "V-1"
    ((start, end, _),) = spans_of(text, terms_of("strasse"))
    assert text[start:end] == "Straße"


def cut(query, text, width):
    return excerpt(text, spans_of(text, terms_of(query)), width)


def test_a_text_that_fits_stays_whole():
    assert cut("a", "a b c", 5) == "a b c"


def test_an_excerpt_stands_where_most_terms_are_together():
    filler = "lorem ipsum " * 50
    text = f"voucher {filler} A-17 {filler} voucher V-9 of A-17 is valid {filler}"
    piece = cut("voucher A-17", text, 80)
    assert "voucher V-9 of A-17 is valid" in piece
    assert piece[0] == piece[-1] == "…"


def test_an_excerpt_shows_more_of_what_follows():
    text = "x " * 300 + "A-17 left on Monday with the truck " + "y " * 300
    assert "A-17 left on Monday with the truck" in cut("A-17", text, 60)


def test_no_id_is_cut_in_half():
    text = " ".join(f"order-{n:06}" for n in range(500))
    for width in range(60, 120):
        ids = cut("order-000250", text, width).strip("…").split()
        assert "order-000250" in ids
        assert all(re.fullmatch(r"order-\d{6}", ident) for ident in ids)


@given(st.text(max_size=400), st.integers(0, 60), st.text(max_size=5))
def test_an_excerpt_is_a_piece_of_the_text_and_no_longer_than_asked(text, width, query):
    piece = cut(query, text, width)
    if len(text) <= width:
        assert piece == text
    else:
        inner = piece.removeprefix("…") if not text.startswith(piece[:1]) else piece
        assert piece.strip("…") in text or inner.removesuffix("…") in text
        assert len(piece) <= width + 2


def test_what_stands_at_both_ends_of_a_long_text_is_quoted_from_both():
    text = f"Paper 7: a nickel alloy. {'Sintered as before. ' * 300}Porosity of it: 31.4 percent."
    piece = cut("paper 7 porosity", text, 600)
    assert "Paper 7: a nickel alloy." in piece
    assert piece.endswith("Porosity of it: 31.4 percent.")
    assert " … " in piece
    assert len(piece) <= 610


def test_one_piece_is_enough_where_all_stands_together():
    text = f"{'Nothing of it here. ' * 100}Paper 7 has a porosity of 31.4.{' Nor here.' * 300}"
    assert " … " not in cut("paper 7 porosity", text, 600)


@given(
    st.text("ab \n", min_size=1200, max_size=3000),
    st.integers(400, 900),
    st.text("ab ", max_size=9),
)
def test_the_pieces_of_an_excerpt_are_of_the_text_in_its_order(text, width, query):
    at = 0
    excerpt_ = cut(query, text, width)
    assert len(excerpt_) <= width + 5 * 3
    for piece in excerpt_.strip("…").split(" … "):
        at = text.index(piece, at) + len(piece)


def test_words_that_stand_side_by_side_in_the_query_should_do_so_in_the_text():
    samples = "Sample 3 took 3 minutes, cooled at 3 kelvin. " * 5
    texts = [f"Paper {n}: porosity {n * 7} percent. {samples}" for n in range(1, 9)]
    assert found("porosity of paper 3", *texts)[0] == texts[2]
