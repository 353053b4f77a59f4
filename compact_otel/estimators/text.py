"""Tokens of a text: exact, safe for any string, and counted once.

A history comes back whole on every model call, so nearly every text was counted before. Strings are
immutable and carry their own hash: a dict keyed by the string itself answers in a fraction of a
microsecond, cannot go stale, and costs no copy as long as the session holds the same string.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compact_otel.estimators import vocabulary
from compact_otel.forks import mutex

if TYPE_CHECKING:
    from tiktoken import Encoding

# tiktoken panics on a million blanks in a row and is slow long before. In pieces of this size the
# worst input takes about a second per million characters, and other threads run in between. Before
# 0.13 tiktoken took quadratic time: minutes for the same input.
_PIECE_CHARS = 16_384

# Texts worth 32 million characters are remembered, in two generations; one entry beside its text
# takes about as much memory as this many characters.
_GENERATION_CHARS = 16_000_000
_ENTRY_CHARS = 100


class TextCounts(dict[str, int]):
    """Token counts by text: `counts[text]` counts a text that is not there.

    What was not asked for while 16 million characters of other texts came in is forgotten. May be
    used from several threads at once.
    """

    __slots__ = ("_lock", "_older", "_weight")

    def __init__(self) -> None:
        super().__init__()
        self._lock = mutex()
        self._older: dict[str, int] = {}
        self._weight = 0

    def __missing__(self, text: str) -> int:
        tokens = self._older.get(text)
        if tokens is None:
            tokens = count(text, vocabulary.o200k())
        with self._lock:
            self._weight += len(text) + _ENTRY_CHARS
            if self._weight > _GENERATION_CHARS:
                self._older = dict(self)
                self._weight = len(text) + _ENTRY_CHARS
                self.clear()
            self[text] = tokens
        return tokens


def count(text: str, encoding: Encoding) -> int:
    """Return the tokens of `text`; what looks like a special token is text like any other.

    A long text is cut where a piece of OpenAI's patterns begins anyway, before a blank that follows
    a non-blank, so the sum is exact. 16,384 characters without such a place are cut anywhere, which
    can cost a token or so too many.
    """
    tokens = start = 0
    while len(text) - start > _PIECE_CHARS:
        end = _cut(text, start, start + _PIECE_CHARS)
        tokens += _count_piece(text[start:end], encoding)
        start = end
    return tokens + _count_piece(text[start:], encoding)


def _cut(text: str, start: int, limit: int) -> int:
    """Return the last good place to cut in `text[start:limit]`, `limit` if there is none."""
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
    try:
        return len(encoding.encode_ordinary(piece))
    except BaseException as error:
        # A panic in Rust is no Exception: nothing above would catch it, and the run would die.
        if type(error).__name__ != "PanicException":
            raise
        return len(piece)  # rather too many than too few
