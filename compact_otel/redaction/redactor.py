"""Takes secrets out of texts and of JSON data, of which it makes a copy."""

from __future__ import annotations

import json
import logging
import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, Protocol

from compact_otel.redaction.data import free_key, plain
from compact_otel.redaction.kinds import ALLOWED, Span
from compact_otel.redaction.names import is_told, kind_of
from compact_otel.redaction.scan import SHORTEST, secret_spans
from compact_otel.redaction.settings import Custom, checked_kinds, compiled

_log = logging.getLogger("compact_otel")

REDACTED: Final = "<REDACTED>"

_MAYBE_JSON = re.compile(r"\s*+[{\[\"]")
# A string literal of a JSON document, with the colon behind it if it is a key.
_LITERAL = re.compile(r'("[^"\\]*+(?:\\.[^"\\]*+)*+")(\s*+:\s*+)?')
_NUMBER = re.compile(r"(-?\d++(?![\d.eE]))")
_MOST_ESCAPES = 64
_WHOLE_LITERALS = re.compile(r'(?:[^"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+')
# What hides in a JSON document what stands there: a character as an escape, a backslash.
_HIDING = ("\\u", "\\\\")

_SHORT = 64
_MOST_CLEAN = 8_192


class Gate(Protocol):
    """What adapters and exporters ask of a redactor."""

    def value(self, value: Any, /) -> Any:
        """Return a copy of JSON data without its secrets."""
        ...


class Redactor:
    """Replaces secrets and personal data by `<REDACTED>`; one serves all threads.

    Args:
        patterns: Regular expressions of your own, as text or compiled, beside what is known here;
            they run in their order. A group named `secret` marks what is replaced in a match;
            without one it is the whole match. They are yours to judge: one that takes long on some
            text holds up the archive, never the call.
        allow: Kinds of personal data that may pass, of `PERSONAL_KINDS`.
        custom: Has the last word on each text. If it raises, the text goes as a whole.
        section: What stands in front of the names of these arguments in errors.

    Raises:
        ConfigError: If a pattern is not a regular expression, or a kind is not known.
    """

    def __init__(
        self,
        patterns: Iterable[str | re.Pattern[str]] = (),
        *,
        allow: Collection[str] = ALLOWED,
        custom: Custom | None = None,
        section: str = "",
    ) -> None:
        self._patterns = tuple(compiled(f"{section}patterns", one) for one in patterns)
        self._allowed = ALLOWED if allow is ALLOWED else checked_kinds(f"{section}allow", allow)
        self._custom = custom
        self._has_own = bool(self._patterns) or custom is not None
        # Hashes of short texts without a secret: `user`, `function_call` and ids come again.
        self._clean: set[int] = set()

    def text(self, text: str) -> str:
        """Return `text` without its secrets.

        If it is a JSON document, its strings are judged as what they stand for (unescaped, and by
        their key as in `value`), and nothing but the strings that hold a secret is written anew.
        """
        return self._text(text)

    def value(self, value: Any) -> Any:
        """Return a copy of `value`, as JSON data (see `plain`), without its secrets.

        Every string goes through `text`, keys included. A string under a key that ends like the
        name of a secret (`password`, `api_key`, `client_secret`, `accessToken`) is replaced whole.
        """
        return self._data(plain(value))

    def name(self, name: str) -> str:
        """Return a name (of a session, an agent, a model) as it may go out; it may look random."""
        return self._text(name, identifier=_is_word(name))

    def _text(self, text: str, *, identifier: bool = False) -> str:
        if len(text) < SHORTEST and not self._has_own:
            return text
        mark = hash((text, identifier)) if len(text) <= _SHORT else None
        if mark is not None and mark in self._clean:
            return text
        clean = self._without_secrets(text, identifier=identifier)
        if mark is not None and clean == text:
            if len(self._clean) >= _MOST_CLEAN:
                self._clean.clear()
            self._clean.add(mark)
        return clean

    def _without_secrets(self, text: str, *, identifier: bool) -> str:
        spans = secret_spans(text, self._allowed, identifier=identifier)
        hides = "\\" in text and any(sign in text for sign in _HIDING)
        if (spans or hides or self._has_own) and _MAYBE_JSON.match(text) and _is_json(text):
            return self._document(text, spans, hides=hides)
        if "\\u" in text:
            text = self._fragment(text)
            spans = secret_spans(text, self._allowed, identifier=identifier)
        text = _replaced(text, spans)
        for pattern in self._patterns:
            text = pattern.sub(_without_secret, text)
        return text if self._custom is None else self._customised(text)

    def _customised(self, text: str) -> str:
        try:
            made = self._custom(text) if self._custom is not None else text
        except Exception as error:  # noqa: BLE001 - what it could not read must not go out
            _log.warning(
                "`redaction.custom` failed with %s: a text is redacted whole", type(error).__name__
            )
            return REDACTED
        return made if isinstance(made, str) else REDACTED

    def _data(self, data: Any, *, identifier: bool = False) -> Any:
        if isinstance(data, str):
            return self._text(data, identifier=identifier)
        if isinstance(data, list):
            return [self._data(element, identifier=identifier) for element in data]
        if not isinstance(data, dict):
            return data
        copy: dict[str, Any] = {}
        told = _named_in(data)
        for key, member in data.items():
            clean = self._member(told if told and key in _VALUES else key, member)
            name = self._text(key, identifier=_is_word(key))
            copy[name if name not in copy else free_key(copy, name)] = clean
        return copy

    def _member(self, key: str, member: Any) -> Any:
        """Return what stands under a key, judged by the key."""
        kind = self._kind_of(key)
        if isinstance(member, str):
            if kind is not None and is_told(kind, member, certain=True):
                return REDACTED
            return self._text(member, identifier=_is_identifier(key))
        if kind in _NUMBERS and isinstance(member, int) and not isinstance(member, bool):
            return REDACTED if is_told(str(kind), str(member), certain=True) else member
        return self._data(member, identifier=_is_identifier(key))

    def _kind_of(self, key: str) -> str | None:
        kind = kind_of(key)
        return None if kind in self._allowed else kind

    def _fragment(self, text: str) -> str:
        """Redact what stands in escapes between quotes, in what is no document as a whole."""

        def redacted(literal: re.Match[str]) -> str:
            if "\\u" not in literal[1]:
                return literal[0]
            try:
                string: str = json.loads(literal[1])
            except ValueError:
                return literal[0]
            clean = self._text(string)
            return literal[0] if clean == string else json.dumps(clean) + (literal[2] or "")

        return _LITERAL.sub(redacted, text)

    def _document(self, document: str, spans: list[Span], *, hides: bool) -> str:
        """Redact what a valid JSON document says where it stands.

        Args:
            document: The document.
            spans: Where secrets stand in it, as it is written.
            hides: Whether strings may say something else than what is written.
        """
        pieces: list[str] = []
        done, taken, whole = 0, dict[str, None](), set(spans)
        for literal in self._literals(document, spans, hides=hides):
            start, end = literal.span(1)
            said = json.loads(literal[1])
            is_key = literal.re is _LITERAL and bool(literal[2])
            key = "" if is_key else _key_before(document, start)
            if not is_key and (start + 1, end - 1) in whole:
                clean = REDACTED
            elif not is_key:
                clean = self._member(key, said)
            else:
                clean = self._text(said, identifier=_is_word(said))
            if clean != said:
                if is_key:  # keys that are both secrets may stand in one object
                    clean = free_key(taken, clean)
                    taken[clean] = None
                pieces += document[done:start], json.dumps(clean)
                done = end
        return "".join((*pieces, document[done:]))

    def _literals(
        self, document: str, spans: list[Span], *, hides: bool
    ) -> Iterator[re.Match[str]]:
        """Yield the literals that have to be read: all, those that hide something, those hit."""
        if not hides and not self._has_own:
            yield from _literals_hit(document, spans)
            return
        starts = [start for start, _ in spans]
        for literal in _LITERAL.finditer(document):
            if self._has_own or "\\" in literal[1] or _is_hit(starts, spans, *literal.span(1)):
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
            before = _WHOLE_LITERALS.match(document, place, at)
            reached = before.end() if before else place
            literal = _NUMBER.match(document, at) if reached >= at else None
            if literal is None:
                opening = document.find('"', reached, end)
                literal = _LITERAL.match(document, opening) if opening >= 0 else None
            if literal is None:
                break
            yield literal
            place = literal.end(1)


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


class Unredacted:
    """Lets everything pass, as JSON data: what `redaction.enabled` switched off is replaced by."""

    def value(self, value: Any) -> Any:
        """Return a copy of `value` as JSON data (see `plain`)."""
        return plain(value)


def clean_name(gate: Gate, name: str) -> str:
    """Return a name as it may go out: a redactor is told that it is one, another gate is not."""
    return gate.name(name) if isinstance(gate, Redactor) else str(gate.value(name))


_NUMBERS = frozenset(("card", "national_id", "bank_account", "phone", "code"))
_PAIRS = ("name", "key", "variable", "header", "field", "parameter", "Name", "Key")
_VALUES = frozenset(("value", "Value", "val", "default"))


def _named_in(data: dict[str, Any]) -> str | None:
    """Return the name in `{"name": "DB_PASSWORD", "value": "..."}`, if it tells a secret."""
    if not _VALUES.isdisjoint(data):
        for pair in _PAIRS:
            name = data.get(pair)
            if isinstance(name, str) and kind_of(name) not in (None, "key"):
                return name
    return None


def _is_word(text: str) -> bool:
    return len(text) <= _SHORT and " " not in text and "\n" not in text


def _is_identifier(key: str) -> bool:
    return key.endswith(("id", "Id", "ID", "ids", "encrypted_content", "hash", "digest"))


def _replaced(text: str, spans: list[Span]) -> str:
    if not spans:
        return text
    pieces: list[str] = []
    end_before = 0
    for start, end in spans:
        pieces += text[end_before:start], REDACTED
        end_before = end
    return "".join((*pieces, text[end_before:]))


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
