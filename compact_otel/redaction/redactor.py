"""Takes secrets out of texts and of JSON data, of which it makes a copy."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any, Protocol

from compact_otel.redaction.data import REDACTED, plain
from compact_otel.redaction.documents import LITERAL, Document, hides, is_document
from compact_otel.redaction.kinds import ALLOWED, Span
from compact_otel.redaction.scan import SHORTEST, secret_spans
from compact_otel.redaction.settings import Custom, checked_kinds, compiled
from compact_otel.redaction.strings import Strings, is_word, renamed

_log = logging.getLogger("compact_otel")

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
        self._shortest = 0 if self._has_own else SHORTEST
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
        return self._text(plain(value)) if isinstance(value, str) else self.values((value,))[0]

    def values(self, values: Iterable[Any]) -> list[Any]:
        """Return what `value` returns of each; faster, since they are looked at together."""
        data = list(map(plain, values))
        strings, names = self._gathered(data)
        self._clean_all(strings)
        others = {key: name for key, name in names.items() if key != name}
        return [renamed(one, others) for one in data] if others else data

    def taken(self, values: Iterable[Any]) -> set[str]:
        """Return the texts that `values` would replace, but for what `custom` would."""
        strings, _ = self._gathered(list(map(plain, values)))
        self._clean_all(strings)
        return strings.taken

    def _gathered(self, data: list[Any]) -> tuple[Strings, dict[str, str]]:
        """Return the strings of data, and its keys, which become what they are called then."""
        strings = Strings(self._allowed, self._shortest)
        strings.add_data(data)
        names = {key: key for key in strings.keys}
        for key in names:
            strings.add(key, names, key, identifier=is_word(key))
        return strings, names

    def name(self, name: str) -> str:
        """Return a name (of a session, an agent, a model) as it may go out; it may look random."""
        return self._text(name, identifier=is_word(name))

    def passes_as_name(self, name: str) -> bool | None:
        """Say whether a name may go out as it is; None if only `custom` did not say, but failed."""
        own, failed = self._custom, False

        def watched(text: str) -> str:
            nonlocal failed
            try:
                return text if own is None else own(text)
            except Exception as error:  # noqa: BLE001 - whatever it raises, it did not say
                _log.warning(
                    "`redaction.custom` failed with %s on the id of a session", type(error).__name__
                )
                failed = True
                return text

        judge = Redactor(
            self._patterns, allow=self._allowed, custom=None if own is None else watched
        )
        passes = judge.name(name) == name
        return None if passes and failed else passes

    def _text(self, text: str, taken: set[str] | None = None, *, identifier: bool = False) -> str:
        if len(text) < self._shortest or self._is_known((text, identifier)):
            return text
        strings, clean = Strings(self._allowed, self._shortest, taken), [text]
        strings.add(text, clean, 0, identifier=identifier)
        self._clean_all(strings)
        return clean[0]

    def _is_known(self, string: tuple[str, bool]) -> bool:
        return len(string[0]) <= _SHORT and hash(string) in self._clean

    def _clean_all(self, strings: Strings) -> None:
        """Put what strings become where they stand."""
        for known in [*filter(self._is_known, strings.places)]:
            del strings.places[known]
        if not strings.places:
            return
        texts = [text for text, _ in strings.places]
        identifiers = {which for which, (_, is_one) in enumerate(strings.places) if is_one}
        found = secret_spans(texts, self._allowed, identifiers=identifiers)
        clean: dict[int, str] = {}
        documents: dict[int, Document] = {}
        for which, text in enumerate(texts):
            if which not in found and not self._has_own and not hides(text):
                continue
            spans = found.get(which, [])
            if is_document(text):
                documents[which] = Document(text, spans, every=self._has_own)
            else:
                clean[which] = self._without_secrets(
                    text, spans, strings.taken, identifier=which in identifiers
                )
        if documents:
            inner = Strings(self._allowed, self._shortest, strings.taken)
            for document in documents.values():
                document.add_to(inner)
            self._clean_all(inner)
            clean.update((which, document.written()) for which, document in documents.items())
        strings.put(clean)
        short = [
            one
            for which, one in enumerate(strings.places)
            if which not in clean and len(one[0]) <= _SHORT
        ]
        if len(self._clean) + len(short) > _MOST_CLEAN:
            self._clean.clear()
        self._clean.update(map(hash, short))

    def _without_secrets(
        self, text: str, spans: list[Span], taken: set[str], *, identifier: bool
    ) -> str:
        """Return what becomes of a text that is no JSON document."""
        if "\\u" in text:
            text = self._fragment(text, taken)
            identifiers = (0,) if identifier else ()
            spans = secret_spans((text,), self._allowed, identifiers=identifiers).get(0, [])
        taken.update(text[start:end] for start, end in spans)
        text = _replaced(text, spans)
        for pattern in self._patterns:
            text = pattern.sub(partial(_without_secret, taken), text)
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

    def _fragment(self, text: str, taken: set[str]) -> str:
        """Redact what stands in escapes between quotes, in what is no document as a whole."""

        def redacted(literal: re.Match[str]) -> str:
            if "\\u" not in literal[1]:
                return literal[0]
            try:
                string: str = json.loads(literal[1])
            except ValueError:
                return literal[0]
            clean = self._text(string, taken)
            return literal[0] if clean == string else json.dumps(clean) + (literal[2] or "")

        return LITERAL.sub(redacted, text)


class Unredacted:
    """Lets everything pass, as JSON data: what `redaction.enabled` switched off is replaced by."""

    def value(self, value: Any) -> Any:
        """Return a copy of `value` as JSON data (see `plain`)."""
        return plain(value)


def clean_name(gate: Gate, name: str) -> str:
    """Return a name as it may go out: a redactor is told that it is one, another gate is not."""
    return gate.name(name) if isinstance(gate, Redactor) else str(gate.value(name))


def _replaced(text: str, spans: list[Span]) -> str:
    if not spans:
        return text
    pieces: list[str] = []
    end_before = 0
    for start, end in spans:
        pieces += text[end_before:start], REDACTED
        end_before = end
    return "".join((*pieces, text[end_before:]))


def _without_secret(taken: set[str], match: re.Match[str]) -> str:
    start, end = match.span("secret" if "secret" in match.re.groupindex else 0)
    if start == end:
        return match[0]
    taken.add(match.string[start:end])
    return match[0][: start - match.start()] + REDACTED + match[0][end - match.start() :]
