"""Texts that are JSON documents: read literal by literal, and written so that they stay ones."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from compact_otel.redaction.data import REDACTED, free_key
from compact_otel.redaction.kinds import Span
from compact_otel.redaction.strings import Strings, is_word

_MAYBE_JSON = re.compile(r"\s*+[{\[\"]")
# A string literal of a JSON document, with the colon behind it if it is a key.
LITERAL = re.compile(r'("[^"\\]*+(?:\\.[^"\\]*+)*+")(\s*+:\s*+)?')
_NUMBER = re.compile(r"(-?\d++(?![\d.eE]))")
_MOST_ESCAPES = 64
_WHOLE_LITERALS = re.compile(r'(?:[^"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+')
# What hides in a JSON document what stands there: a character as an escape, a backslash.
_HIDING = re.compile(r"\\[u\\]")


def hides(text: str) -> bool:
    """Say whether a text may say something else than what is written, if it is a document."""
    return "\\" in text and _HIDING.search(text) is not None


def is_document(text: str) -> bool:
    """Say whether a text is a JSON document: an array, an object or a string."""
    if not _MAYBE_JSON.match(text):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


class Document:
    """A JSON document, and those of its literals that may hold a secret.

    Args:
        text: The document.
        spans: Where secrets stand in it, as it is written.
        every: Whether all literals are read; else those that are hit or hide something.
    """

    def __init__(self, text: str, spans: list[Span], *, every: bool) -> None:
        self._text = text
        self._spans = spans
        self._literals = list(_literals(text, spans, every=every))
        self._said: tuple[Any, ...] = tuple(json.loads(literal[1]) for literal in self._literals)
        self._clean = list(self._said)

    def add_to(self, strings: Strings) -> None:
        """Add the literals to what is looked at; what they become is put back here."""
        whole, clean = set(self._spans), self._clean
        for place, (literal, said) in enumerate(zip(self._literals, self._said, strict=True)):
            start, end = literal.span(1)
            if _is_key(literal):
                strings.add(said, clean, place, identifier=is_word(said))
            elif (start + 1, end - 1) in whole:
                strings.taken.add(str(said))
                clean[place] = REDACTED
            else:
                strings.add_member(clean, place, _key_before(self._text, start), said)

    def written(self) -> str:
        """Return the document with what its literals have become, and else as it was."""
        pieces: list[str] = []
        done = 0
        taken: dict[str, None] = {}
        for literal, said, clean in zip(self._literals, self._said, self._clean, strict=True):
            if clean == said:
                continue
            name = clean
            if _is_key(literal):  # keys that are both secrets may stand in one object
                name = free_key(taken, clean)
                taken[name] = None
            pieces += self._text[done : literal.start(1)], json.dumps(name)
            done = literal.end(1)
        return "".join((*pieces, self._text[done:]))


def _is_key(literal: re.Match[str]) -> bool:
    return literal.re is LITERAL and bool(literal[2])


def _literals(text: str, spans: list[Span], *, every: bool) -> Iterator[re.Match[str]]:
    if not every and not hides(text):
        yield from _literals_hit(text, spans)
        return
    starts = [start for start, _ in spans]
    for literal in LITERAL.finditer(text):
        if every or "\\" in literal[1] or _is_hit(starts, spans, *literal.span(1)):
            yield literal


def _is_hit(starts: list[int], spans: list[Span], start: int, end: int) -> bool:
    last = bisect_left(starts, end) - 1
    return last >= 0 and spans[last][1] > start


def _literals_hit(document: str, spans: list[Span]) -> Iterator[re.Match[str]]:
    """Yield the strings and numbers of a document that spans touch."""
    place = 0
    for start, end in spans:
        while place < end:
            at = max(place, start)
            reached = _last_opening(document, place, at)
            literal = _NUMBER.match(document, at) if reached >= at else None
            if literal is None:
                opening = document.find('"', reached, end)
                literal = LITERAL.match(document, opening) if opening >= 0 else None
            if literal is None:
                break
            yield literal
            place = literal.end(1)


def _last_opening(document: str, start: int, end: int) -> int:
    """Return where the literal opens that is open at `end`, and `end` if none is.

    Args:
        document: A JSON document.
        start: A place outside of its literals.
        end: Where to stop.
    """
    if document.find("\\", start, end) < 0:
        is_open = document.count('"', start, end) % 2
        return document.rindex('"', start, end) if is_open else end
    before = _WHOLE_LITERALS.match(document, start, end)
    return before.end() if before else start


def _key_before(document: str, start: int) -> str:
    """Return the key of the value that begins at `start`, "" if it has none."""
    colon = start - 1
    while colon > 0 and document[colon] in " \t\n\r":
        colon -= 1
    if colon < 0 or document[colon] != ":":
        return ""
    close = opening = document.rindex('"', 0, colon)
    while True:
        opening = document.rindex('"', 0, opening)
        before = document[max(0, opening - _MOST_ESCAPES) : opening]
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            break
    key: str = json.loads(document[opening : close + 1])
    return key
