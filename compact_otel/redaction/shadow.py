"""Where in a text something may stand that is worth a closer look.

Python looks for a short run of bytes fifty times as fast as for a regular expression, so a text is
looked at as bytes first: one byte a character, folded until few runs of bytes tell all places.
Whoever finds a place looks at the text itself from there on, and no further than a bound.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Final


def _table(*classes: tuple[str, str], other: str | None = None) -> bytes:
    """Return a table for `bytes.translate`.

    Args:
        *classes: (sign, characters): each of the characters becomes the sign.
        other: What all other characters become, None if they stay.
    """
    table = bytearray(range(256)) if other is None else bytearray(other.encode() * 256)
    for sign, characters in classes:
        for character in characters.encode():
            table[character] = ord(sign)
    return bytes(table)


_CASE = tuple(zip(string.ascii_lowercase, string.ascii_uppercase, strict=True))
_WORDS = _table(("=", ":=>"), (" ", "\"'`\\ \t\n\r\f\v[])"), ("_", "-."), *_CASE)
_RUNS = _table(("a", string.ascii_letters + string.digits + "_-+/"), other="\0")
_DIGITS = _table(("0", string.digits), ("-", " -./()\t"), other="\0")

_RUN: Final = b"a" * 20
_LONG: Final = 32
_NUMBERS: Final = (b"00-0000", b"00-00-00", b"000000000")


_BLOCK = 64 * 1024
"""Characters that are looked at together: what stays in the processor's cache is fast."""


class Shadow:
    """A stretch of a text, and what tells where to look at it.

    Args:
        text: The text.
        start: Where the stretch begins.
        end: Where it ends; None at the end of the text.

    Attributes:
        text: The text.
        start: Where the stretch begins; places that are told are places of the text.
        words: The stretch in lower case, with one sign for all that stands between a name and its
            value.
    """

    __slots__ = ("_bytes", "_digits", "start", "text", "words")

    def __init__(self, text: str, start: int = 0, end: int | None = None) -> None:
        self.text = text
        self.start = start
        stretch = text if end is None and not start else text[start:end]
        if not stretch.isascii():  # the signs as Chinese and Japanese write them
            stretch = stretch.replace("\uff1a", ":").replace("\uff1d", "=").replace("\uff20", "@")
        self._bytes = stretch.encode("ascii", "replace")  # one byte a character, so places agree
        self.words = self._bytes.translate(_WORDS)
        self._digits = self._bytes.translate(_DIGITS)

    def has(self, anchor: bytes) -> bool:
        """Say whether a short string stands in it, as it is."""
        return anchor in self._bytes

    def places(self, anchor: str) -> list[int]:
        """Return where a short string stands, as it is."""
        return _places(self._bytes, anchor.encode(), self.start)

    def words_at(self, word: bytes) -> list[int]:
        """Return where a word in lower case stands, in any case."""
        return _places(self.words, word, self.start)

    def mirrored(self) -> bytearray:
        """Return `words` from right to left."""
        mirrored = bytearray(self.words)
        mirrored.reverse()  # faster than a slice
        return mirrored

    def runs(self) -> list[tuple[int, int]]:
        """Return (start, end) of the long runs of letters, digits, `_`, `-`, `+` and `/`.

        Only of those that may be tokens: with a digit, or without `_` and very long, in front of
        the `=` of base64, or behind `Bearer`.
        """
        shadow, digits, offset = self._bytes.translate(_RUNS), self._digits, self.start
        found: list[tuple[int, int]] = []
        start = shadow.find(_RUN)
        while start >= 0:
            end = shadow.find(0, start + 20)
            if end < 0:
                end = len(shadow)
            if digits.find(b"0", start, end) >= 0 or self._may_do_without(start, end):
                found.append((offset + start, offset + end))
            start = shadow.find(_RUN, end)
        return found

    def _may_do_without(self, start: int, end: int) -> bool:
        """Say whether a run without a digit is worth a look."""
        words = self.words
        if words.find(b"_", start, end) >= 0 or words.find(b"/", start, end) >= 0:
            return False
        is_told = words[end : end + 1] == b"=" or words.endswith(b"bearer ", 0, start)
        return is_told or end - start >= _LONG

    def numbers(self) -> list[int]:
        """Return a place in each group of digits that may be a number of a person, ascending."""
        shadow, found = self._digits, list[int]()
        for shape in _NUMBERS:
            found += _places(shadow, shape, self.start)
        found.sort()
        return found


def shadows(text: str) -> Iterator[Shadow]:
    """Yield the shadows of a text, one a block; blocks end at the end of a line if they can."""
    if len(text) <= _BLOCK:
        yield Shadow(text)
        return
    start = 0
    while start < len(text):
        end = min(len(text), start + _BLOCK)
        if end < len(text):
            end = (text.rfind("\n", start, end) + 1) or (text.rfind(" ", start, end) + 1) or end
        yield Shadow(text, start, end)
        start = end


def _places(shadow: bytes, needle: bytes, offset: int) -> list[int]:
    found: list[int] = []
    place = shadow.find(needle)
    while place >= 0:
        found.append(offset + place)
        place = shadow.find(needle, place + len(needle))
    return found
