"""Which texts answer a query, and where in them.

A query is words, "quoted phrases" and ids. Case and diacritics do not matter. A word is also found
as the beginning of a longer one (`ship` in `shipped`); a phrase stands as it was written, but for
blanks; what holds a digit or punctuation is an id and counts only whole (`A-17` is not in `A-170`,
nor in `A-17-2`). Texts are ranked by BM25: https://doi.org/10.1561/1500000019, in which two words
that stand side by side in the query count once more where they do so in a text: `paper 3` is rather
a text about paper 3 than one about a paper and three of something.

Nothing of a query is taken for a regular expression, and time is linear in the texts.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TypeAlias

_LONGEST_QUERY = 1000
_MOST_TERMS = 16
_WHOLE_BELOW = 3
"""Letters below which a word must match whole: too many words begin with `in`."""

_TERM = re.compile(r'["“”„«»]([^"“”„«»]*)["“”„«»]|(\w(?:[\w./:@#+=~%&\\-]*\w)?)')
_LETTERS = re.compile(r"[^\W\d_]+")
# Thai to Khmer, and everything from the CJK radicals on: written without blanks between words.
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ufaff\U00020000-\U0003ffff"
_WITHOUT_BLANKS = re.compile(f"[{_UNSPACED}]")
# What goes on with an id, and with a word: not the script that an id may be quoted in.
_OF_ID = rf"[^\W{_UNSPACED}]"
_OF_WORD = rf"[^\W_{_UNSPACED}]"

_SATURATION = 1.2
_LENGTH_WEIGHT = 0.75
_MOST_COUNTED = 8
"""Occurrences in one text that are counted; BM25 hardly tells more of them apart."""
_WORTH = 0.25
"""Share of the best score below which a text is not worth the space."""

_SMALLEST_PIECE = 400
"""Characters below which a quotation is not divided."""

_SNAP = 40
"""Characters that a cut may move to fall between words: half an id would be a wrong id."""


Span: TypeAlias = tuple[int, int, int]
"""Start and end in a text, and which of the terms stands there."""


@dataclass(frozen=True, slots=True)
class Term:
    """One thing to look for in folded text.

    Attributes:
        pattern: Finds it.
        literal: Part of it that stands in every text that has it; much faster to look for.
    """

    pattern: re.Pattern[str]
    literal: str


def fold(text: str) -> str:
    """Return `text` without case and diacritics; other forms of a letter become the plain one."""
    return text.lower() if text.isascii() else "".join(map(_folded, text))


@lru_cache(maxsize=8192)
def _folded(letter: str) -> str:
    plain = unicodedata.normalize("NFKD", letter).casefold()
    return "".join(one for one in plain if not unicodedata.combining(one))


def terms_of(query: str) -> list[Term]:
    """Return what a query asks for; of a long one, its beginning. Any string is a query.

    Behind the words and phrases stand pairs of words that are side by side in the query.
    """
    found: dict[str, Term] = {}
    pairs: dict[str, Term] = {}
    last = None
    for match in _TERM.finditer(fold(query[:_LONGEST_QUERY])):
        phrase, word = match.groups()
        term = _phrase(phrase) if word is None else _word(word)
        if term is not None:
            found.setdefault(term.pattern.pattern, term)
        if last and word and (pair := _phrase(f"{last} {word}")):
            pairs.setdefault(pair.pattern.pattern, pair)
        last = word
    singles = list(islice(found.values(), _MOST_TERMS))
    return [*singles, *islice(pairs.values(), _MOST_TERMS - len(singles))]


def _phrase(text: str) -> Term | None:
    words = text.split()
    if not words:
        return None
    first, *others = map(re.escape, words)
    before = [_OF_ID] if words[0][0].isalnum() else []
    behind = f"(?!{_OF_ID})" if words[-1][-1].isalnum() else ""
    inner = r"\s++".join([_not_behind(first, *before), *others])
    return Term(re.compile(inner + behind), max(words, key=len))


def _word(text: str) -> Term:
    literal = re.escape(text)
    if _WITHOUT_BLANKS.search(text):
        pattern = literal
    elif _LETTERS.fullmatch(text):
        whole = f"(?!{_OF_WORD})" if len(text) < _WHOLE_BELOW else ""
        pattern = _not_behind(literal, _OF_WORD) + whole
    else:
        pattern = _not_behind(literal, _OF_ID, f"{_OF_ID}[-.]") + f"(?![-.]?{_OF_ID})"
    return Term(re.compile(pattern), text)


def _not_behind(literal: str, *before: str) -> str:
    """Return a pattern of `literal` that has none of `before` in front of it.

    It looks back from behind the literal: `re` jumps from one occurrence to the next only if a
    pattern begins with what it looks for.
    """
    return literal + "".join(f"(?<!{one}{literal})" for one in before)


def rank(texts: Sequence[str], terms: Sequence[Term]) -> list[int]:
    """Return the indices of the texts that answer a query, best first; of equals the last first."""
    counts: dict[int, list[int]] = {}
    for index, text in enumerate(texts):
        folded = fold(text)
        occurrences = [_count(folded, term) for term in terms]
        if any(occurrences):
            counts[index] = occurrences
    if not counts:
        return []
    weights = []
    for column in zip(*counts.values(), strict=True):
        having = sum(map(bool, column))
        weights.append(math.log(1 + (len(texts) - having + 0.5) / (having + 0.5)))
    average = sum(map(len, texts)) / len(texts)
    scores = {
        index: _score(occurrences, weights, len(texts[index]) / average)
        for index, occurrences in counts.items()
    }
    least = max(scores.values()) * _WORTH
    ranked = sorted(scores, key=lambda index: (-scores[index], -index))
    return [index for index in ranked if scores[index] >= least]


def _count(folded: str, term: Term) -> int:
    if term.literal not in folded:
        return 0
    return sum(1 for _ in islice(term.pattern.finditer(folded), _MOST_COUNTED))


def _score(occurrences: Sequence[int], weights: Sequence[float], length: float) -> float:
    """Return the BM25 score of a text that is `length` times as long as the average.

    It is scaled by how much of the query the text has: often "order" is no match for one `A-17`.
    """
    damping = _SATURATION * (1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * length)
    pairs = list(zip(occurrences, weights, strict=True))
    score = sum(weight * count * (_SATURATION + 1) / (count + damping) for count, weight in pairs)
    return score * sum(weight for count, weight in pairs if count) / sum(weights)


def spans_of(text: str, terms: Sequence[Term]) -> list[Span]:
    """Return where terms stand in `text`, in order of place."""
    folded = fold(text)
    found = [
        (match.start(), match.end(), which)
        for which, term in enumerate(terms)
        if term.literal in folded
        for match in term.pattern.finditer(folded)
        if match.end() > match.start()
    ]
    found.sort()
    if text.isascii():
        return found
    # A letter may fold to several or none, so places in the folded text are others than here.
    places = [place for place, letter in enumerate(text) for _ in _folded(letter)]
    return [(places[start], places[end - 1] + 1, which) for start, end, which in found]


def excerpt(text: str, spans: Sequence[Span], width: int) -> str:
    """Return about `width` characters of `text`, around where most terms stand together.

    Args:
        text: The whole text.
        spans: What `spans_of` found in it.
        width: The longest result, without the dots that mark a cut.
    """
    if len(text) <= width:
        return text
    pieces: list[tuple[int, int]] = []
    for left, right in sorted(_pieces(text, spans, width)):
        if pieces and left <= pieces[-1][1]:
            pieces[-1] = (pieces[-1][0], max(right, pieces[-1][1]))
        else:
            pieces.append((left, right))
    said = " … ".join(text[left:right].strip() for left, right in pieces)
    return f"{'…' if pieces[0][0] else ''}{said}{'…' if pieces[-1][1] < len(text) else ''}"


def _pieces(text: str, spans: Sequence[Span], width: int) -> Iterator[tuple[int, int]]:
    """Yield places of pieces that together have about `width` characters.

    One, if it can hold all that was found; else what it does not hold has pieces of its own, each
    half as wide as what is left.
    """
    stretch = _densest(spans, width)
    missing = _outside(spans, stretch)
    if missing and width >= _SMALLEST_PIECE:
        width -= width // 2
        stretch = _densest(spans, width)
        yield from _pieces(text, _outside(spans, stretch), width)
    yield _piece(text, stretch, width)


def _outside(spans: Sequence[Span], stretch: tuple[int, int]) -> list[Span]:
    """Return where those terms stand that a stretch has not."""
    inside = {which for start, end, which in spans if start >= stretch[0] and end <= stretch[1]}
    return [span for span in spans if span[2] not in inside]


def _piece(text: str, stretch: tuple[int, int], width: int) -> tuple[int, int]:
    """Return where a piece around a stretch begins and ends: between words, if that is near."""
    start, end = stretch
    before = max(0, width - (end - start)) // 4  # what is said of a thing stands behind its name
    left = max(0, min(start - before, len(text) - width))
    right = min(len(text), left + width)
    if left:
        left = next(
            (at for at in range(left, min(left + _SNAP, start + 1)) if text[at - 1].isspace()), left
        )
    if right < len(text):
        right = next(
            (at for at in range(right, max(right - _SNAP, end), -1) if text[at].isspace()), right
        )
    return left, right


def _densest(spans: Sequence[Span], width: int) -> tuple[int, int]:
    """Return the shortest stretch with the most different terms that `width` characters hold."""
    best, most = (0, 0), 0
    inside: Counter[int] = Counter()
    first = 0
    for _, end, which in spans:
        inside[which] += 1
        # The first one goes if its term comes again, or if it is too far away.
        while inside[spans[first][2]] > 1 or (end - spans[first][0] > width and inside.total() > 1):
            inside[spans[first][2]] -= 1
            first += 1
        terms, start = len(+inside), spans[first][0]
        if terms > most or (terms == most and end - start < best[1] - best[0]):
            best, most = (start, end), terms
    return best
