"""Where secrets and personal data stand in a text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from compact_otel.redaction.kinds import ALLOWED, PERSONAL_KINDS, Span
from compact_otel.redaction.names import SECRET_NAMES, has_names, named
from compact_otel.redaction.personal import addresses, numbers, phone_numbers
from compact_otel.redaction.shadow import Shadow, shadows
from compact_otel.redaction.spoken import spoken
from compact_otel.redaction.tokens import Judge, key_blocks, percent_encoded, tokens

DENIED = frozenset(PERSONAL_KINDS).difference(ALLOWED)
_DEEPEST = 3
"""Encodings inside one another that are undone."""

_LONGEST_CHANGE = 400

SHORTEST = 6
"""Fewer characters are no secret, and no name with one."""


def secret_spans(
    text: str, allowed: Collection[str] = ALLOWED, *, identifier: bool = False, depth: int = 0
) -> list[Span]:
    """Return where secrets and personal data stand in a text, from left to right and apart.

    Args:
        text: The text.
        allowed: Kinds of personal data that may stay (see `PERSONAL_KINDS`).
        identifier: Whether the text is the name of something (a session, a call), which may look
            random.
        depth: How many encodings were undone to get at the text.
    """
    if len(text) < SHORTEST:
        return []
    denied = DENIED if allowed is ALLOWED else frozenset(PERSONAL_KINDS).difference(allowed)

    def is_leaking(inner: str) -> bool:
        return depth < _DEEPEST and bool(secret_spans(inner, allowed, depth=depth + 1))

    found: list[Span] = []
    for shadow in shadows(text):
        if found and found[-1][1] >= shadow.start + len(shadow.words):
            continue
        for spans in _finders(shadow, denied, identifier=identifier, is_leaking=is_leaking):
            found += spans
        found.sort()
    if "[now " in text:
        found = [(start, _end_of_change(text, end)) for start, end in found]
    return _apart(found)


def _finders(
    shadow: Shadow, denied: frozenset[str], *, identifier: bool, is_leaking: Judge
) -> Iterator[Iterable[Span]]:
    """Yield what finds something in a text, of those for which there is a sign of it."""
    text = shadow.text
    if shadow.has(b"-----BEGIN"):
        yield key_blocks(shadow)
    mirrored = shadow.mirrored()
    if has_names(mirrored):
        yield named(shadow, mirrored, denied | SECRET_NAMES)
    yield spoken(shadow)
    if runs := shadow.runs():
        yield tokens(text, runs, identifier=identifier, is_leaking=is_leaking)
    if shadow.has(b"@"):
        yield addresses(shadow, denied)
    if places := shadow.numbers():
        yield numbers(text, places, denied)
    if "phone" in denied and shadow.has(b"+"):
        yield phone_numbers(shadow)
    if shadow.has(b"%"):
        yield percent_encoded(shadow, is_leaking)


def _end_of_change(text: str, end: int) -> int:
    """Return where a value ends that a summary of ours has brought up to date: `[now ...]`."""
    if not text.startswith(" ", end) or not text.endswith("[now", 0, end):
        return end
    return text.find("]", end, end + _LONGEST_CHANGE) + 1 or end


def _apart(spans: list[Span]) -> list[Span]:
    """Return sorted spans with those made one that overlap."""
    apart: list[Span] = []
    for start, end in spans:
        if apart and start < apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((start, end))
    return apart
