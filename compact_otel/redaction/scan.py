"""Where secrets and personal data stand in texts."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from compact_otel.redaction.kinds import ALLOWED, PERSONAL_KINDS, Span
from compact_otel.redaction.names import named, names
from compact_otel.redaction.personal import PLUS, addresses, numbers, phone_numbers
from compact_otel.redaction.shadow import Shadow
from compact_otel.redaction.spoken import WORDS, spoken
from compact_otel.redaction.tokens import BEGIN, Judge, key_blocks, percent_encoded, tokens

DENIED = frozenset(PERSONAL_KINDS).difference(ALLOWED)
_DEEPEST = 3
"""Encodings inside one another that are undone."""

_LONGEST_CHANGE = 400
_BLOCK = 128 * 1024
"""Characters that are looked at together: what stays in the processor's cache is fast."""

SHORTEST = 6
"""Fewer characters are no secret, and no name with one."""


def secret_spans(
    texts: Sequence[str],
    allowed: Collection[str] = ALLOWED,
    *,
    identifiers: Collection[int] = (),
    depth: int = 0,
) -> dict[int, list[Span]]:
    """Return where secrets and personal data stand in texts, from left to right and apart.

    Each text is judged as if it stood alone; those without are not in what is returned.

    Args:
        texts: The texts.
        allowed: Kinds of personal data that may stay (see `PERSONAL_KINDS`).
        identifiers: Which of them are names of something (a session, a call), which may look
            random.
        depth: How many encodings were undone to get at the texts.
    """
    denied = DENIED if allowed is ALLOWED else frozenset(PERSONAL_KINDS).difference(allowed)

    def is_leaking(inner: str) -> bool:
        return depth < _DEEPEST and bool(secret_spans((inner,), allowed, depth=depth + 1))

    found: defaultdict[int, list[Span]] = defaultdict(list)
    harmless: set[str] = set()
    for first, block in _blocks(texts):
        shadow = Shadow(block)
        for which, runs in shadow.apart(shadow.runs()):
            is_name = first + which in identifiers
            judged = tokens(block[which], runs, harmless, identifier=is_name, is_leaking=is_leaking)
            found[first + which] += judged
        for seen, find in _finders(shadow, denied, is_leaking):
            for which, here in shadow.apart(seen) if seen else ():
                found[first + which] += find(block[which], here)
    return {which: _merged(texts[which], spans) for which, spans in found.items() if spans}


def _blocks(texts: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield (place of the first, texts) of those that are looked at together."""
    ends = list(accumulate(map(len, texts)))
    first = done = 0
    while first < len(texts):
        last = max(first + 1, bisect_right(ends, done + _BLOCK))
        yield first, texts[first:last]
        first, done = last, ends[last - 1]


def _finders(
    shadow: Shadow, denied: frozenset[str], is_leaking: Judge
) -> tuple[tuple[Sequence[tuple[int, Any]], Callable[..., Iterable[Span]]], ...]:
    """Return (what was seen, what finds secrets there), but for tokens."""
    return (
        (shadow.places(BEGIN), key_blocks),
        (names(shadow, denied), named),
        (shadow.matches(*WORDS), spoken),
        (shadow.places(b"@"), partial(addresses, denied=denied)),
        (shadow.numbers(), partial(numbers, denied=denied)),
        (shadow.matches(PLUS) if "phone" in denied else (), phone_numbers),
        (shadow.places(b"%"), partial(percent_encoded, is_leaking=is_leaking)),
    )


def _end_of_change(text: str, end: int) -> int:
    """Return where a value ends that a summary of ours has brought up to date: `[now ...]`."""
    if not text.startswith(" ", end) or not text.endswith("[now", 0, end):
        return end
    return text.find("]", end, end + _LONGEST_CHANGE) + 1 or end


def _merged(text: str, spans: list[Span]) -> list[Span]:
    """Return spans in order, with those made one that overlap."""
    spans.sort()
    if "[now " in text:
        spans = [(start, _end_of_change(text, end)) for start, end in spans]
    apart: list[Span] = []
    for start, end in spans:
        if apart and start < apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((start, end))
    return apart
