"""What is said again with something else in one place, and whether that takes back the first.

    "The hall opens at nine."    ... "I asked again, the hall opens at ten."
    "Judge Keller presides."     ... "Judge Keller is ill, Judge Moreau presides."

The words around stay the same, so it needs no list of attributes, and what changes may be of any
kind. But "Add eggs to the list" takes nothing back that "Add milk to the list" says: beside the
frame there has to be a sign of change. That is a word of change, the old value said by itself in
another clause ("Keller is ill"), or a value of the same kind at the end of a definite statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from compact_otel.core.facts import cues
from compact_otel.core.facts.constraints import is_talk
from compact_otel.core.facts.kinds import values_of

_TOKEN = re.compile(r"\d[\d.,:/]*\d|\w+(?:['\u2019]\w+)?")
_CLAUSE_END = re.compile(
    r"\s?[,;:.!?>\u2013\u2014]\s+|\s+(?:so|and|but|because|und|sondern|et|donc|mais|y|e|ma|pero|en)\s+"
)
_SENTENCE_END = re.compile(r"[.!?>]\s+")
_LEAST, _LONGEST = 2, 24
"""Words of what may be said again."""
_MANY = 8
"""Clauses of a sentence that are looked at."""
_PLACE = 3
"""Words of what stands in one place."""
_DEFINITE = re.compile(
    r"(?:the|my|our|his|her|their|der|die|das|mein\w*|unser\w*|le|la|les|l'|mon|ma|mes|notre|nos|"
    r"el|los|las|mi|mis|nuestr\w+|il|lo|gli|os|as|de|het|mijn|onze|"
    r"(?!let's|it's|that's|there's|here's|what's|he's|she's)\w+'s)\b"
)
# What has happened, happened also when the same happens again.
_PAST = re.compile(
    r"(?<!is )(?<!are )(?<!be )(?<!been )\b(?!need|speed|feed|weed|bed|red|shed)\w{2,}ed\b|"
    r"\b(?:was|were|did|had|paid|sent|went|came|got|took|gave|bought|sold|wrote|left|fell|ran|broke|"
    r"spent|lost|won|met|saw|said|told|made)\b"
)
_CODE = frozenset("()[]{}=*<>_\\|^`/")
_INDEFINITE = frozenset({"a", "an", "another", "one", "second", "also", "too", "ein", "eine"})


End = tuple[str, ...]
"""The first word of a part or the last, with its neighbour where alone it says nothing. What says
another again with something else in one place has one of them in common with it."""


class _Part(NamedTuple):
    """A part of a sentence.

    Attributes:
        text: What it says.
        words: Its words without those that say nothing.
        ends: How it begins and ends.
        definite: It speaks of something that is known.
    """

    text: str
    words: tuple[str, ...]
    ends: frozenset[End]
    definite: bool


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """A folded sentence, taken apart once for all sentences that it is held against.

    Attributes:
        text: The sentence.
        sentences: What it consists of, where that is more than one.
        parts: What of it may be said again: all of it, its sentences, its clauses.
        clauses: What of it may say another again.
        part_ends: How the parts begin and end.
        clause_ends: How the clauses do.
        definite: One of the parts speaks of something that is known.
    """

    text: str
    sentences: Sequence[str]
    parts: Sequence[_Part]
    clauses: Sequence[_Part]
    part_ends: frozenset[End]
    clause_ends: frozenset[End]
    definite: bool = False


NO_FRAMES = Frames("", (), (), (), frozenset(), frozenset())


def frames_of(text: str) -> Frames:
    """Take a folded sentence apart."""
    clauses = tuple(filter(None, map(str.strip, _CLAUSE_END.split(text.rstrip(" .!?")))))[:_MANY]
    sentences = _SENTENCE_END.split(text)[-_MANY:]
    parts = [_part(part) for part in dict.fromkeys((text, *sentences, *clauses))]
    # A subject and what is said of it, in words.
    told = [part for part in parts if _LEAST <= len(part.words) <= _LONGEST and _is_prose(part)]
    read = [_part(clause) for clause in clauses]
    definite = any(part.definite for part in told)
    return Frames(text, sentences, told, read, _ends_of(told), _ends_of(read), definite)


def _ends_of(parts: Iterable[_Part]) -> frozenset[End]:
    return frozenset[End]().union(*(part.ends for part in parts))


def _ends(words: Sequence[str]) -> Iterator[End]:
    if words:
        yield ("", words[0]) if words[0] not in cues.STOP else ("", *words[:2])
        yield (words[-1], "") if words[-1] not in cues.STOP else (*words[-2:], "")


def _part(text: str) -> _Part:
    words = tuple(word for word in _TOKEN.findall(text) if word not in cues.FILLING)
    return _Part(text, words, frozenset(_ends(words)), _DEFINITE.match(text) is not None)


def _is_prose(part: _Part) -> bool:
    return _CODE.isdisjoint(part.text)


class Restated(NamedTuple):
    """What a sentence says otherwise.

    Attributes:
        stale: What stood there, folded.
        now: What stands there now, folded.
        whole: Whether that was all there was to say.
        kind: The kind of value that changed; none where it is other words.
    """

    stale: str
    now: str
    whole: bool
    kind: str = ""


def restated(old: Frames, new: Frames, *, announced: bool) -> Restated | None:
    """Say what a sentence says again with something else in one place, and so takes back.

    Args:
        old: What was said first.
        new: What was said later.
        announced: Whether a word of change stands in it.

    Returns:
        None if it takes nothing back.
    """
    alone = len(new.clauses) == 1 and not announced
    if (alone and not old.definite) or old.text in new.text:
        return None
    for part in old.parts:
        if alone and not part.definite:
            continue  # nothing says that it changed
        if part.ends.isdisjoint(new.clause_ends):
            continue
        before, length = part.words, len(part.words)
        for place, clause in enumerate(new.clauses):
            after = clause.words
            if abs(len(after) - length) >= _PLACE or part.ends.isdisjoint(clause.ends):
                continue
            found = _places(before, after)
            if found is None or not _is_prose(clause):
                continue
            first, last, behind = found
            stale, now = before[first:last], after[first:behind]
            others = (other.words for n, other in enumerate(new.clauses) if n != place)
            aside = frozenset[str]().union(*others)
            put_aside = aside.issuperset(stale) and aside.isdisjoint(now)
            kind, other = _kinds(" ".join(before[first:]), " ".join(after[first:]))
            if kind and kind == other:
                definite = part.definite and _INDEFINITE.isdisjoint(_TOKEN.findall(clause.text))
                at_the_end = len(new.clauses) > 1 or last == length
                holds = _PAST.search(part.text) is None and not _is_label(part.text, stale)
                changed = announced or put_aside or (definite and at_the_end and holds)
            elif not {*map(_kind, stale)}.isdisjoint({*map(_kind, now)} - {""}):
                changed = False  # the port is 8080, the port of the database is 5432
            else:
                whole = part.text == old.text or part.text in old.sentences
                named = whole and _names(stale) and _names(now) and not is_talk(part.text)
                changed = named and (put_aside or (announced and place + 1 == len(new.clauses)))
            if changed:
                same = kind if kind == other else ""
                return Restated(" ".join(stale), " ".join(now), part.text == old.text, same)
    return None


def _is_label(text: str, stale: Sequence[str]) -> bool:
    """Say whether a number stands right behind a word, as part of a name: "it fails on line 40"."""
    found = re.search(rf"(\w+) {re.escape(stale[0])}\b", text) if stale[0].isdigit() else None
    return found is not None and found[1] not in cues.STOP


def _names(words: Sequence[str]) -> bool:
    return cues.STOP.isdisjoint(words)


def put(text: str, changed: Restated, said: str) -> str:
    """Return a text with what stands there now; as it is where the stale words are not found.

    Args:
        text: What was said first.
        changed: What changed of it.
        said: What was said later, for the new words as they stand there.
    """
    found = _form(changed.now).search(said)
    now = found[0] if found else changed.now
    return _form(changed.stale).sub(lambda _: f"[now {now}]", text, count=1)


def _form(words: str) -> re.Pattern[str]:
    form = r"\W+(?:\w+\W+)?".join(map(re.escape, words.split()))
    return re.compile(rf"(?:[$\u20ac\u00a3\u00a5]\s?)?(?<!\w){form}(?!\w)", re.IGNORECASE)


def _places(before: Sequence[str], after: Sequence[str]) -> tuple[int, int, int] | None:
    """Return where two sentences differ: from, to in the first, to in the second; None if more."""
    shorter = min(len(before), len(after))
    first = 0
    while first < shorter and before[first] == after[first]:
        first += 1
    same = max(0, len(before) - first - _PLACE)  # so many at least, or more than one place differs
    if same and before[-same:] != after[-same:]:
        return None
    while same < shorter - first and before[-1 - same] == after[-1 - same]:
        same += 1
    last, behind = len(before) - same, len(after) - same
    told = [*before[:first], *before[last:]]
    if not first < last <= first + _PLACE or not first < behind <= first + _PLACE:
        return None
    if len(told) < last - first or not any(word not in cues.STOP for word in told):
        return None
    return first, last, behind


@lru_cache(maxsize=4096)  # each compaction asks what the one before it has asked
def _kinds(*parts: str) -> tuple[str, ...]:
    """Return with which kind of value each part of a sentence begins; none if with other words."""
    return tuple(map(_kind, parts))


def _kind(part: str) -> str:
    values = values_of(part)
    return values[0].kind if values and values[0].start == 0 else ""
