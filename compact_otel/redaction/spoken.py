"""Secrets that follow their name without a sign: in prose, on a command line, in `.netrc`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from compact_otel.redaction.kinds import Span
from compact_otel.redaction.names import CODE

# `the password is hunter2`, `token: "..."` without its colon.
_SPOKEN = re.compile(
    r"(?i:pass(?:word|wd|phrase|code|wort|e)?|secret(?:[ _-]?key)?|token)"
    r"(?:\s(?:for|of|to|on)\s(?:the\s|my\s|our\s)?[\w.@-]{1,40})?"
    r"(?:[\"'`]?\s{1,4}(?:is|was|are|ist|lautet|est|es|è|é|jest|to|be|as|now|set|changed)\b){0,3}"
    r"[ \t]{1,4}(?P<quote>[\"'`]?)(?P<bare>[^\s\"'`]{4,256})"
)
_LISTED = re.compile(
    r"(?i:pass(?:word|wd|phrase|code)|secret(?:[ _-]?key)?|token)[\"']\s{0,8},\s{0,8}"
    r"[\"'](?P<bare>[^\"'\n]{1,256})[\"']"
)
_TYPED = re.compile(
    r"(?:\A|[\s\"'])(?:ssh|--?[a-z-]{0,40})\Z|\blogin\s{1,4}\S{1,64}\s{1,4}\Z", re.IGNORECASE
)
_OPTION = re.compile(
    r"(?:pass\s{1,4}-p|[a-z-]{0,20}[ \t])[ \t]{0,4}[\"']?(?P<bare>[^\s\"'-][^\s\"']{0,255})",
    re.IGNORECASE,
)
_CURL = re.compile(
    r"curl\b[^\n]{0,400}?\s(?:-u|-U|--user|--proxy-user)[ =]?[\"']?[^\s:\"']{1,64}:"
    r"(?P<bare>[^\s\"']{1,256})"
)


# A blank or a comma has to follow, which ends most words (`passed`, `tokens`, `pass` and a line).
_APART = re.compile(r"[A-Za-z_-]{4,24}[\"'`]?[ \t,]")


# Python looks for one letter five times as fast as for a word, so `token` is found by its `k`, and
# `secret` by its `c`, which `curl` has, too.
WORDS: Final = (
    re.compile(b"pass"),
    re.compile(b"k(?<=tok)en"),
    re.compile(b"c(?:url|(?<=sec)ret)"),
)
_IN_FRONT: Final = {b"ken": 2, b"cret": 2}


def spoken(text: str, words: Iterable[tuple[int, bytes]]) -> Iterator[Span]:
    """Yield secrets that follow their name without a sign between.

    Args:
        text: The text.
        words: Where which of `WORDS` matches.
    """
    for place, word in words:
        start = place - _IN_FRONT.get(word, 0)
        match = _CURL.match(text, start) if word == b"curl" else _said(text, start)
        if match is not None:
            yield match.span("bare")


def _said(text: str, place: int) -> re.Match[str] | None:
    if _APART.match(text, place) is None:
        return None
    match = _typed(text, place) or _LISTED.match(text, place)
    if match is None:
        match = _SPOKEN.match(text, place)
        if match and not match["quote"] and not _looks_said(match["bare"]):
            return None
    return match


def _typed(text: str, place: int) -> re.Match[str] | None:
    before = text[max(0, place - 80) : place]
    if before[-1:].isspace():
        is_typed = "login" in before.lower()
    else:
        is_typed = "-" in before or "ssh" in before.lower()
    if not is_typed or not _TYPED.search(before):
        return None
    return _OPTION.match(text, place)


def _looks_said(value: str) -> bool:
    value = value.rstrip(".,;:!?)")
    kinds = (str.isdigit, str.isalpha)
    return CODE.fullmatch(value) is None and all(any(map(kind, value)) for kind in kinds)
