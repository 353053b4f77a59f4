"""Tokens of a text: exact, safe for any string, and counted once.

A history comes back whole on every model call, so nearly every text was counted before. Strings are
immutable and carry their own hash: a dict keyed by the string itself answers in a fraction of a
microsecond, cannot go stale, and costs no copy as long as the session holds the same string.
"""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from hashlib import blake2b
from typing import TYPE_CHECKING, Generic, TypeVar

from compact_otel.estimators import vocabulary
from compact_otel.exits import UNBROKEN
from compact_otel.forks import mutex

if TYPE_CHECKING:
    from tiktoken import Encoding

    from compact_otel.model_names import EncodingName

# tiktoken panics on a million blanks in a row and is slow long before. In pieces of this size the
# worst input takes a third of a second per million characters, and other threads run in between.
# Before 0.13 tiktoken took quadratic time: minutes for the same input.
_PIECE_CHARS = 16_384

# Texts worth 32 million characters are remembered, in two generations; one entry beside its text
# takes about as much memory as this many characters.
_GENERATION_CHARS = 16_000_000
_ENTRY_CHARS = 100

_SURROGATE = re.compile("[\ud800-\udfff]")
_LONE = re.compile("[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]")

_Value = TypeVar("_Value")


class ByText(dict[str, _Value], Generic[_Value]):
    """What is worked out of a text: `by_text[text]` works it out for one that is not there.

    What was not asked for while 16 million characters of other texts came in is forgotten. May be
    used from several threads at once.
    """

    __slots__ = ("_lock", "_older", "_weight")

    def __init__(self) -> None:
        super().__init__()
        self._lock = mutex()
        self._older: dict[str, _Value] = {}
        self._weight = 0

    def __missing__(self, text: str) -> _Value:
        value = self._older[text] if text in self._older else self._worked_out(text)
        with self._lock:
            self._weight += len(text) + _ENTRY_CHARS
            if self._weight > _GENERATION_CHARS:
                self._older = dict(self)
                self._weight = len(text) + _ENTRY_CHARS
                self.clear()
            self[text] = value
        return value

    @abstractmethod
    def _worked_out(self, text: str) -> _Value: ...


class TextCounts(ByText[int]):
    """Token counts by text, of one vocabulary.

    Args:
        encoding: Its name; it is loaded with the first text.
    """

    __slots__ = ("_encoding",)

    def __init__(self, encoding: EncodingName = "o200k_base") -> None:
        super().__init__()
        self._encoding: EncodingName = encoding

    def _worked_out(self, text: str) -> int:
        return count(text, vocabulary.encoding(self._encoding))


class ScaledCounts(ByText[int]):
    """Token counts by text for a tokeniser of which only is known how it compares.

    Each text is rounded up or down, and how likely either is tells the fraction: were all short
    texts rounded alike, a history of many of them would come out wrong by some per cent. The text
    itself decides, so it costs the same wherever it stands.

    Args:
        counts: Counts with a known vocabulary.
        ratio: Tokens of the other one for each of them.
    """

    __slots__ = ("_counts", "_ratio")

    def __init__(self, counts: TextCounts, ratio: float) -> None:
        super().__init__()
        self._counts = counts
        self._ratio = ratio

    def _worked_out(self, text: str) -> int:
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest()
        drawn = int.from_bytes(digest) / 2**32
        return math.floor(self._counts[text] * self._ratio + drawn)


def count(text: str, encoding: Encoding) -> int:
    """Return the tokens of `text`; what looks like a special token is text like any other.

    A long text is cut where a piece of OpenAI's patterns begins anyway, before a blank that follows
    a non-blank, so the sum is exact. 16,384 characters without such a place are cut anywhere, which
    can cost a token or so too many.
    """
    if len(text) <= _PIECE_CHARS:
        return _count_piece(text, encoding)
    known: dict[str, int] = {}  # a long run of blanks or dashes is one piece over and over
    tokens = start = 0
    while start < len(text):
        end = _cut(text, start, start + _PIECE_CHARS)
        piece = text[start:end]
        if piece not in known:
            known[piece] = _count_piece(piece, encoding)
        tokens += known[piece]
        start = end
    return tokens


def _without_surrogates(text: str) -> str:
    """Return the text as tiktoken reads it; tiktoken takes a second per million to find out."""
    paired = _LONE.sub("\ufffd", text)
    return paired.encode("utf-16", "surrogatepass").decode("utf-16")


def _cut(text: str, start: int, limit: int) -> int:
    """Return the last good place to cut in `text[start:limit]`, `limit` if there is none."""
    if limit >= len(text):
        return len(text)
    end = limit
    while (blank := text.rfind(" ", start + 1, end + 1)) > 0:
        # The blank may stand in a longer run of white space: go to where that begins.
        end = start + len(text[start:blank].rstrip())
        if end == start:
            break
        if text[end] == " ":
            return end
    return limit


def _count_piece(piece: str, encoding: Encoding) -> int:
    if not piece.isascii() and _SURROGATE.search(piece):
        piece = _without_surrogates(piece)
    try:
        with UNBROKEN:
            return len(encoding.encode_ordinary(piece))
    except BaseException as error:
        # A panic in Rust is no Exception: nothing above would catch it, and the run would die.
        if type(error).__name__ != "PanicException":
            raise
        return len(piece)  # rather too many than too few
