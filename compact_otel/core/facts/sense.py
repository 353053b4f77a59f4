"""What a sentence says by itself: its values, and what it demands, changes, plans or takes back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from compact_otel.core.facts import cues
from compact_otel.core.facts.attributes import ATTRIBUTES, STOPS, WORD, stems_in
from compact_otel.core.facts.constraints import Strength, strength
from compact_otel.core.facts.cues import in_any_language, one_of
from compact_otel.core.facts.kinds import Value, values_of
from compact_otel.core.facts.restating import NO_FRAMES, Frames, frames_of

_LONGEST = 600

# Compiled with the module: many sessions may compact at once, and would each do it.
_CHANGE = re.compile(in_any_language(cues.CHANGES))
_ANNOUNCED = re.compile(in_any_language(cues.ANNOUNCED))
_TAKEN_BACK = re.compile(in_any_language(cues.TAKEN_BACK))
_LIFTED = re.compile(in_any_language(cues.LIFTED))
_STANDS = re.compile(rf"\b(?:{one_of(cues.STANDS)})")
_PLAN = re.compile(
    r"\b(?:let's (?:instead |just |now )?(?!not\b|see\b|say\b|dig\b|talk\b|hear\b|plan\b|"
    r"swap\b|switch\b|start\b)|"
    r"(?:i think |maybe |yeah )?we (?:should|could|will|can) (?:instead |just )?(?!not\b)|"
    r"we'll (?:instead |just )?|we(?:'re| are) going to|we're |i'm going to|"
    r"(?:(?:the|our|my|current|new|final|revised) )*(?:plan|approach|decision|proposal|"
    r"strategy|idea)"
    r"(?: (?:for|with) [^:.]{1,60})?(?: is(?: to)?|:))\s*(?P<what>[^.!?\n]{3,160})"
)
_BANS = re.compile(
    r"\b(?:never|not|don't|no|avoid|without|nie|jamais|nunca|non|mai più|nooit|nigdy|никогда)\b"
)
_COPULA = re.compile(r"\b(?:is|are|must|stays?|remains?|runs?|lives?|costs?|takes?)\b")
_UNSURE = re.compile(r"^if |\b(?:could|would|might|maybe|perhaps)\b")
# A line that lifts by a "not" says: "you do not have to ...", "forget the ...".
_LIFTING = re.compile(
    r"\b(?:no longer|forget|ignore|drop|lift|waive|skip|disregard|never ?mind|scrap|relax|lifted|"
    r"dropped|gone|void|waived|removed|obsolete|relaxed)\b|"
    r"(?:\bnot|n't) (?:\w+ ){0,2}(?:need to|have to|matter|apply)"
)
_CLAUSE_END = re.compile(r"[;:\u2014](?=\s)")
_LABEL_WORDS = 3
_DEFINING = frozenset({"email", "url", "money", "date", "path", "ident", "version", "zone", "name"})
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
} | {"twelve": "12"}
# What comes beside, or under a condition, changes nothing.
_BESIDES = re.compile(
    r"^(?:if|when|unless|in case) |\b(?:also|another|additional|as well|a second|separate(?:ly)?|"
    r"a new (?:one|\w+ight|order|booking|reservation|ticket|request|trip|task))\b"
)
# A change that is asked for is one.
_ASKED_CHANGE = re.compile(
    r"(?:can|could|would) (?:we|you) (?:please |just |maybe )?(?:switch|move|change|make|push|swap|"
    r"reschedule|shift|postpone|bump)\b"
)


@dataclass(slots=True, eq=False)
class Sense:
    """What a sentence says by itself, wherever it stands: read once, and asked in each compaction.

    Attributes:
        text: The sentence.
        values: Its values.
        spoken: The values as they are compared, by kind, in order.
        named: Stems of its values.
        scopes: For each attribute that it sets, what else it names.
        plan: Stems of what it proposes.
        plan_at: Where that begins in the text.
        demand: How much it demands.
        asks: It is a question, and no request for a change.
        changes: It announces a change.
        announcing: Stems of the words that do.
        frames: Its parts, which may be said again with something else in one place.
        most: It sets an upper limit.
        least: It sets a lower one.
        apart: What it announces comes beside what there is, or under a condition.
        plainly: It is in words whose endings are known.
        takes_back: It takes something back.
        lifts: It lifts a demand.
        by_ban: It lifts with a word that forbids.
        bans: It forbids.
        unsure: It demands nothing for sure.
        states: It says what something is, or where it stands.
        settles: It says what holds.
    """

    text: str
    values: Sequence[Value] = ()
    spoken: Mapping[str, Sequence[str]] = field(default_factory=dict)
    named: frozenset[str] = frozenset()
    scopes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    plan: frozenset[str] = frozenset()
    plan_at: int = 0
    demand: Strength = Strength.NONE
    asks: bool = False
    changes: bool = False
    announcing: frozenset[str] = frozenset()
    frames: Frames = NO_FRAMES
    most: bool = False
    least: bool = False
    apart: bool = False
    plainly: bool = False
    takes_back: bool = False
    lifts: bool = False
    by_ban: bool = False
    bans: bool = False
    unsure: bool = False
    states: bool = False
    settles: bool = False
    _low: str | None = None
    _words: frozenset[str] | None = None

    @property
    def low(self) -> str:
        """Its text, folded."""
        if self._low is None:
            text = self.text[:_LONGEST]
            self._low = " ".join(text.lower().replace("\u2019", "'").split())
        return self._low

    @property
    def words(self) -> frozenset[str]:
        """Stems of the words that carry something; of most lines nobody asks for them."""
        if self._words is None:
            stems = stems_in(self.low)
            self._words = frozenset(stem for stem in stems if stem not in STOPS and len(stem) > 1)
        return self._words


@lru_cache(maxsize=4096)  # each compaction reads what the one before it has read
def sense_of(sentence: str) -> Sense:
    """Read a sentence of a user."""
    text, sense = sentence[:_LONGEST], Sense(sentence)
    low = sense.low
    sense.values = values_of(text)
    sense.demand = strength(text)
    sense.asks = low.endswith("?") and _ASKED_CHANGE.match(low) is None
    sense.takes_back = _says(_TAKEN_BACK, low)
    sense.bans = _says(_BANS, low)
    sense.states = _says(_COPULA, low)
    said = WORD.findall(low)
    sense.most, sense.least = (not limits.isdisjoint(said) for limits in (cues.UPPER, cues.LOWER))
    if sense.values:
        _read_values(sense, text)
    sense.frames = frames_of(low)
    if sense.asks:
        return sense
    _read_change(sense)
    sense.settles = sense.settles or bool(sense.scopes) or _says(_STANDS, low)
    sense.lifts = _says(_LIFTED, low)
    sense.by_ban = sense.lifts and _says(_LIFTING, low)
    sense.unsure = _says(_UNSURE, low)
    match = _PLAN.search(low) if len(low) == len(text) and not low.endswith("?") else None
    if match:
        sense.plan = sense.words.intersection(stems_in(match["what"]))
        sense.plan_at = match.start("what")
    return sense


def _read_values(sense: Sense, text: str) -> None:
    """Add what a sentence says of its values."""
    spoken: dict[str, list[str]] = {}
    for value in sense.values:
        word = value.text.lower()
        spoken.setdefault(value.kind, []).append(_NUMBERS.get(word, word))
    sense.spoken = spoken
    sense.named = stems_of(sense.values)
    sense.scopes = dict(_scopes_of(sense, text))
    # A name, a place, a number that is no guess.
    defines = sense.states and not _DEFINING.isdisjoint(spoken)
    sense.settles = defines or _says(_ANNOUNCED, sense.low)


def _read_change(sense: Sense) -> None:
    """Add whether a sentence announces a change, and how."""
    low = sense.low
    sense.changes = _says(_CHANGE, low)
    sense.apart = _says(_BESIDES, low)
    if sense.changes:
        cues_found = _CHANGE.finditer(low)
        sense.announcing = frozenset(stem for cue in cues_found for stem in stems_in(cue[0]))
        # Endings, and signs in pairs, hide what is the same in other languages.
        sense.plainly = low.isascii() and _ANNOUNCED.match(low) is None


def stems_of(values: Iterable[Value]) -> frozenset[str]:
    """Return the stems of the words in some values."""
    return frozenset(stem for value in values for stem in stems_in(value.text.lower()))


def _says(form: re.Pattern[str], low: str) -> bool:
    return form.search(low) is not None


def _scopes_of(sense: Sense, text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield which attributes a line sets, and of what."""
    stems = frozenset(stems_in(sense.low))
    for attribute in ATTRIBUTES:
        if not attribute.kinds.isdisjoint(sense.spoken) and not attribute.telling.isdisjoint(stems):
            near = _clause(text, [value for value in sense.values if value.kind in attribute.kinds])
            about = sense.words.intersection(stems_in(near.lower()))
            yield attribute.name, about - attribute.words - sense.named


def _clause(text: str, values: Sequence[Value]) -> str:
    """Return the part of a sentence that speaks of its first value, without a label before it."""
    start = 0
    for mark in _CLAUSE_END.finditer(text):
        if mark.start() > values[0].start:
            return text[start : mark.start()]
        is_label = (
            mark[0].startswith(":") and len(WORD.findall(text[: mark.start()])) <= _LABEL_WORDS
        )
        if not mark[0].startswith(":") or is_label:
            start = mark.end()
    return text[start:]
