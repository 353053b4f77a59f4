"""Secrets that follow their name without a sign: in prose, on a command line, in `.netrc`."""

from __future__ import annotations

import re

from compact_otel.redaction.kinds import Span
from compact_otel.redaction.names import CODE
from compact_otel.redaction.shadow import Shadow

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


def spoken(shadow: Shadow) -> list[Span]:
    """Return where secrets stand that follow their name without a sign between."""
    text, found = shadow.text, list[Span]()
    words = shadow.words
    for word in (b"pass", b"secret", b"token"):
        if word not in words:
            continue
        for place in shadow.words_at(word):
            if _APART.match(text, place) is None:
                continue
            match = _typed(text, place) or _LISTED.match(text, place) or _SPOKEN.match(text, place)
            if match is None:
                continue
            sure = match.re is not _SPOKEN or bool(match["quote"])
            if sure or _looks_said(match["bare"]):
                found.append(match.span("bare"))
    for place in shadow.words_at(b"curl"):
        if match := _CURL.match(text, place):
            found.append(match.span("bare"))
    return found


def _typed(text: str, place: int) -> re.Match[str] | None:
    before = text[max(0, place - 80) : place]
    if not ("-" in before or "ssh" in before or "login" in before) or not _TYPED.search(before):
        return None
    return _OPTION.match(text, place)


def _looks_said(value: str) -> bool:
    value = value.rstrip(".,;:!?)")
    kinds = (str.isdigit, str.isalpha)
    return CODE.fullmatch(value) is None and all(any(map(kind, value)) for kind in kinds)
