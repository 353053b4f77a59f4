"""Where in texts something may stand that is worth a closer look.

Python looks for a short run of bytes fifty times as fast as for a regular expression, so texts are
looked at as bytes first: one byte a character, folded until few runs of bytes tell all places.
Short texts are looked at together, with a zero between them that no place reaches across. Whoever
is told a place looks at the text itself from there on, and no further than a bound.
"""

from __future__ import annotations

import re
import string
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, TypeVar

_T = TypeVar("_T")


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


_WORDS = _table(
    *(("=", ":=>"), (" ", "\"'`\\ \t\n\r\f\v[])"), ("_", "-."), ("0", string.digits)),
    *zip(string.ascii_lowercase, string.ascii_uppercase, strict=True),
)
_RUNS = _table(("a", string.ascii_letters + string.digits + "_-+/"), other="\0")

_LETTERS_ONLY: Final = (
    *(b"hf_", b"api_org_", b"ghp_", b"gho_", b"ghs_", b"glpat_", b"glffct_"),
    *(b"sk_live_", b"rk_live_", b"sk_test_", b"rk_test_"),
)
"""Beginnings of tokens that have, or may have, no digit; `_` stands for `-`, too."""

_RUN: Final = b"a" * 20
_LONG: Final = 32
_NUMBER = re.compile(rb"00[ _/(](?=00(?:00|[ _/(]00))")
_LONG_NUMBER: Final = b"000000000"


class Shadow:
    """Texts side by side, and what tells where to look at them.

    What is told are (place, what), in ascending order: a place in all of them together, and what
    was seen there. `apart` sorts them by text.

    Args:
        texts: The texts.

    Attributes:
        words: They in lower case, with one sign for all digits, one for all that may stand between
            a name and its value, and one for all that assign it.
    """

    __slots__ = ("_bytes", "_starts", "words")

    def __init__(self, texts: Sequence[str]) -> None:
        self._starts = [0, *accumulate(map((1).__add__, map(len, texts)))]
        self._bytes = b"\0".join(map(_bytes, texts))
        self.words = self._bytes.translate(_WORDS)

    def apart(self, seen: Sequence[tuple[int, _T]]) -> Iterator[tuple[int, list[tuple[int, _T]]]]:
        """Yield (which text, what was seen in it), with places of that text."""
        starts, at = self._starts, 0
        while at < len(seen):
            which = bisect_right(starts, seen[at][0]) - 1
            start, end = starts[which : which + 2]
            here = at
            while at < len(seen) and seen[at][0] < end:
                at += 1
            yield which, [(place - start, what) for place, what in seen[here:at]]

    def places(self, anchor: bytes) -> list[tuple[int, bytes]]:
        """Tell where a short string stands, as it is."""
        return _places(self._bytes, anchor) if anchor in self._bytes else []

    def matches(self, *patterns: re.Pattern[bytes]) -> list[tuple[int, bytes]]:
        """Tell where in `words` a pattern matches; one that begins with a letter is fast."""
        found = [
            (match.start(), match[0])
            for pattern in patterns
            for match in pattern.finditer(self.words)
        ]
        found.sort()
        return found

    def runs(self) -> list[tuple[int, int]]:
        """Tell (place, length) of long runs of letters, digits, `_`, `-`, `+` and `/`.

        Only of those that may be tokens: with a digit, or without `_` and very long, in front of
        the `=` of base64, behind `Bearer`, or behind a beginning that only tokens have.
        """
        runs, words = self._bytes.translate(_RUNS) + b"\0", self.words
        found: list[tuple[int, int]] = []
        start = runs.find(_RUN)
        while start >= 0:
            end = runs.find(b"\0", start)
            if words.find(b"0", start, end) >= 0 or self._may_do_without(start, end):
                found.append((start, end - start))
            start = runs.find(_RUN, end)
        return found

    def _may_do_without(self, start: int, end: int) -> bool:
        """Say whether a run without a digit is worth a look."""
        words = self.words
        if words.find(b"_", start, end) >= 0:
            begin = next((one for one in _LETTERS_ONLY if words.startswith(one, start)), None)
            return begin is not None and words.find(b"_", start + len(begin), end) < 0
        if words.find(b"/", start, end) >= 0:
            return False
        is_told = words.startswith(b"=", end) or words.endswith(b"bearer ", 0, start)
        return is_told or end - start >= _LONG

    def numbers(self) -> list[tuple[int, bytes]]:
        """Tell a place in each group of digits that may be a number of a person."""
        if b"00" not in self.words:
            return []
        found = self.matches(_NUMBER)
        if _LONG_NUMBER in self.words:
            found += _places(self.words, _LONG_NUMBER)
            found.sort()
        return found


def _bytes(text: str) -> bytes:
    """Return a byte a character, so that places agree."""
    if not text.isascii():  # the signs as Chinese and Japanese write them
        text = text.replace("\uff1a", ":").replace("\uff1d", "=").replace("\uff20", "@")
    return text.encode("ascii", "replace")


def _places(shadow: bytes, needle: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    place = shadow.find(needle)
    while place >= 0:
        found.append((place, needle))
        place = shadow.find(needle, place + len(needle))
    return found
