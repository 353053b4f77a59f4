"""The gate that everything passes on its way out of the process: plain JSON data, no secrets.

Rules it keeps:

1. Nothing that is given is changed; what comes out is a copy of the same structure.
2. Whatever goes in, JSON data comes out: `plain` knows models, dates and bytes, and never raises.
3. A secret is replaced by `<REDACTED>`, its name stays: `api_key=<REDACTED>`.
4. A text that is a JSON document stays one: it is redacted literal by literal, and its layout is
   kept. In a fragment (a log line, a document cut short) the patterns stop at the closing quote.
5. Time is linear in the length of a text, whatever stands in it: no pattern here can look at a
   character more than a fixed number of times. Patterns of the user's own are the user's to judge.

In doubt more is redacted: a word too much costs a word, a word too little costs a key.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date, time
from enum import Enum
from typing import Any, Final, Protocol

from compact_otel.core.errors import ConfigError

REDACTED: Final = "<REDACTED>"

MAX_DEPTH: Final = 100
"""Levels of nesting that `plain` follows: far above what an API takes, far below Python's limit."""

# Names of secrets, by how they end: `client_secret` and `accessToken` are such names, `max_tokens`,
# `token_count` and `secret_name` are not. The first letter stands apart, here and below, because
# `re` finds one of a set of letters ten times as fast as alternatives that ignore case.
_SENSITIVE = (
    r"[APSTapst](?i:ass(?:word|wd|phrase)|ecret(?:[_-]?key)?|oken|uthorization"
    r"|(?:pi|ccess|rivate)[_-]?key)"
)
_SENSITIVE_KEY = re.compile(rf"{_SENSITIVE}\Z")

_IS = r"\s*+[:=]++>?+\s*+"  # `:`, `=`, and also `:=`, `==`, `=>`
# JSON in JSON in JSON writes a quote as `\\\"`; three levels down it has seven backslashes.
_QUOTE = r"\\{0,7}[\"']"
# Up to the quote that matches the opening one. A text cut short has none: up to the line's end.
_QUOTED = (
    rf"(?P<quotes>(?P<quote>{_QUOTE})(?:(?P=quote){{2}})?)"
    r"(?P<secret>[^\n]*?)(?:(?<!\\)(?P=quotes)|(?=\n)|\Z)"
)
# Up to the next blank, or to a quote that closes the string around it: one before something that
# can follow a string. Any other quote belongs to the secret.
_BARE = rf"(?P<secret>(?!{_QUOTE})(?:(?!{_QUOTE}(?:[\s,:;}}\])\\\"']|\Z))\S)++)"


def _at_start(prefix: str, inside: str) -> str:
    r"""Return `prefix` where it begins a run of the characters `inside`.

    It does so behind a JSON escape too, such as the two characters `\n`, which end in a letter.
    """
    before = (rf"(?<![{inside}]{prefix})", rf"(?<=\\[bfnrt]{prefix})", rf"(?<=\\u....{prefix})")
    return f"{prefix}(?:{'|'.join(before)})"


DEFAULT_PATTERNS: Final[tuple[str, ...]] = (
    # private key blocks, with or without their end
    (
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?P<secret>(?:[A-Za-z0-9+/=\s:,]|-(?!----)|\\{1,7}[nrt])++)"
    ),
    # AWS access key ids, GitHub tokens
    r"A(?:KI|SI)A[A-Z0-9]{16}",
    r"gh[opsur]_[A-Za-z0-9]{20,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    # JSON Web Tokens: header and payload are JSON objects, so they begin with `{"` in base64
    (_at_start("eyJ", "A-Za-z0-9_-") + r"[A-Za-z0-9_-]{4,}\.eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*"),
    # bearer tokens, told from prose ("bearer authentication") by a digit, punctuation or length
    (
        r"[Bb](?i:earer)\s++(?=[A-Za-z]*+(?:\d|[._~+/-]++[A-Za-z0-9])|[A-Za-z]{20})"
        r"(?P<secret>[A-Za-z0-9._~+/=-]{8,})"
    ),
    # `sk-...` of model providers, told from hyphenated words by a digit or length
    (
        _at_start("sk-", "A-Za-z0-9")
        + r"(?:(?=[A-Za-z_-]*+\d)[A-Za-z0-9_-]{16,}|[A-Za-z0-9_-]{32,})"
    ),
    # `api_key = ...` and `password: ...` anywhere, the other names as a quoted key
    rf"[APap](?i:pi[_-]?key|assword){_IS}{_QUOTED}",
    rf"[APap](?i:pi[_-]?key|assword){_IS}{_BARE}",
    rf"{_SENSITIVE}{_QUOTE}{_IS}{_QUOTED}",
)
"""What a secret looks like. A group named `secret` marks what is replaced in a match; without one
it is the whole match."""

_MAYBE_JSON = re.compile(r"\s*+[{\[\"]")
# A string literal of a JSON document, with the colon behind it if it is a key.
_LITERAL = re.compile(r'("(?:[^"\\]|\\.)*+")(\s*+:\s*+)?')


class Gate(Protocol):
    """What adapters and exporters ask of a redactor."""

    def value(self, value: Any, /) -> Any:
        """Return a copy of JSON data without its secrets."""
        ...


class Redactor:
    """Replaces secrets by `<REDACTED>`. Has no state: one serves all threads.

    Args:
        patterns: Regular expressions, as text or compiled; they run in their order. A group named
            `secret` marks what is replaced, without one it is the whole match. To add one:
            `Redactor([*DEFAULT_PATTERNS, r"acme-[0-9a-f]{8}"])`.

    Raises:
        ConfigError: If a pattern is not a regular expression.
    """

    def __init__(self, patterns: Iterable[str | re.Pattern[str]] = DEFAULT_PATTERNS) -> None:
        self._patterns = tuple(map(_compiled, patterns))

    def text(self, text: str) -> str:
        """Return `text` without its secrets.

        If it is a JSON document, its strings are judged as what they stand for (unescaped, and by
        their key as in `value`), and nothing but the strings that hold a secret is written anew.
        """
        if _MAYBE_JSON.match(text) and _is_json(text):
            return self._document(text)
        for pattern in self._patterns:
            text = pattern.sub(_without_secret, text)
        return text

    def value(self, value: Any) -> Any:
        """Return a copy of `value`, as JSON data (see `plain`), without its secrets.

        Every string goes through `text`, keys included. A string under a key that ends like the
        name of a secret (`password`, `api_key`, `client_secret`, `accessToken`) is replaced whole.
        """
        return self._data(plain(value))

    def _data(self, data: Any) -> Any:
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, list):
            return [self._data(element) for element in data]
        if not isinstance(data, dict):
            return data
        copy: dict[str, Any] = {}
        for key, member in data.items():
            clean = self._member(key, member) if isinstance(member, str) else self._data(member)
            copy[_free_key(copy, self.text(key))] = clean
        return copy

    def _member(self, key: str, text: str) -> str:
        return REDACTED if text and _SENSITIVE_KEY.search(key) else self.text(text)

    def _document(self, document: str) -> str:
        """Redact the literals of a valid JSON document where they stand."""
        key, value_start = "", -1

        def redacted(literal: re.Match[str]) -> str:
            nonlocal key, value_start
            string: str = json.loads(literal[1])
            is_value = literal.start() == value_start
            clean = self._member(key, string) if is_value else self.text(string)
            if literal[2]:
                key, value_start = string, literal.end()
            return literal[0] if clean == string else json.dumps(clean) + (literal[2] or "")

        return _LITERAL.sub(redacted, document)


def plain(value: Any) -> Any:
    r"""Return `value` as JSON data that shares no container with it.

    Models (pydantic) and dataclasses become objects; sequences and sets arrays; bytes text, with
    `\xNN` for what is not UTF-8; dates and times ISO 8601; NaN, infinities and integers beyond 600
    digits text; anything else its `str`. What contains itself, is nested deeper than `MAX_DEPTH`
    or cannot be read becomes a short note in angle brackets. Never raises.
    """
    return _plain(value, ())


def _plain(value: Any, above: tuple[int, ...]) -> Any:
    """Copy `value`; `above` holds the ids of what it lies in."""
    if value is None or isinstance(value, str | int | float):
        return _scalar(value)
    if id(value) in above:
        return "<contains itself>"
    if len(above) == MAX_DEPTH:
        return f"<nested deeper than {MAX_DEPTH} levels>"
    try:
        return _contents(value, (*above, id(value)))
    except Exception:  # noqa: BLE001 - the value's own code runs here and may raise anything
        return f"<unreadable {type(value).__name__}>"


def _scalar(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and value.bit_length() > 2000:  # noqa: PLR2004 - some 600 digits
        return hex(value)  # Python may refuse to write more than 640 decimal digits
    return value


def _contents(value: Any, above: tuple[int, ...]) -> Any:
    if isinstance(value, Mapping):
        copy: dict[str, Any] = {}
        for key, member in value.items():
            name = key if isinstance(key, str) else str(key)
            copy[_free_key(copy, name)] = _plain(member, above)
        return copy
    if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray):
        return [_plain(element, above) for element in value]
    return _plain(_opened(value), above)


def _opened(value: Any) -> Any:
    """Return what `value` is written as, one step nearer to JSON."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(warnings=False)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {part.name: getattr(value, part.name) for part in dataclasses.fields(value)}
    return str(value)


def _free_key(taken: Mapping[str, Any], key: str) -> str:
    """Return `key`, with its place if it is taken (by 1 and "1", or by two secrets as keys)."""
    place = len(taken)
    free = key
    while free in taken:
        place += 1
        free = f"{key} ({place})"
    return free


def _compiled(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        rule = "need regular expressions in `patterns`"
        raise ConfigError(f"{rule}, got {pattern!r}: {error}") from error


def _without_secret(match: re.Match[str]) -> str:
    start, end = match.span("secret" if "secret" in match.re.groupindex else 0)
    if start == end:
        return match[0]
    return match[0][: start - match.start()] + REDACTED + match[0][end - match.start() :]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
