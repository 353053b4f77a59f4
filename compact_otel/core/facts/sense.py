"""What a sentence says by itself: its values, and what it demands, changes, plans or takes back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from compact_otel.core.facts import cues
from compact_otel.core.facts.attributes import (
    ATTRIBUTES,
    BY_NAME,
    STOPS,
    WORD,
    stems_in,
    telling_stems,
)
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
# What is said before, or why, says nothing of what an attribute is set for.
_ASIDE = re.compile(
    r"(?:since|because|as|i|we|he|she|they|by the way|good news|bad news|sadly|unfortunately|ok|"
    r"okay|right|well|hi|hello|thanks|thank you|update|correction|sorry|no|yes|actually)\b"
    r"[^,]{0,80},\s|"
    r"(?:[\w'\u2019]+ ){1,5}?(?:replac|rais|lower|increas|reduc|chang|mov|switch|updat|extend|"
    r"postpon|reschedul|shift|push|cut|bump)\w* (?=(?:the|my|our|his|her|their|your) )",
    re.IGNORECASE,
)
# What tells things apart, and is too short or too frequent to be looked at otherwise.
_WHICH = re.compile(
    r"(?<=\w )(?:\d|[A-HJ-Z])\b|\b(?:[Ff]irst|[Ll]ast|[Hh]is|[Hh]er|[Tt]heir|[Yy]our)\b"
)
# "05-12 (May 12)", "Friday (5/12)": the same day in figures.
_DAY_AGAIN = re.compile(r"\b\d{1,2}[-/.]\d{1,2}(?= ?\( +\))|(?<=  \()\d{1,2}[-/.]\d{1,2}(?=\))")
_REASON = re.compile(r",?\s(?:because|since|so that|so|as|but)\s", re.IGNORECASE)
# "8081, not 8080", "on Friday instead of Monday", "moved from Monday to Friday".
_DROPPED = re.compile(
    r"(?:\b(?:not|instead of|rather than|no longer|nicht|statt|anstatt|pas|au lieu d[eu]|en vez de|"
    r"invece d[ei]l?|niet|(?:mov|chang|switch|shift|push|rais|lower|extend|reschedul|postpon|"
    r"increas|reduc|updat)\w*(?: \w+){0,5} from)|n't)(?: (?:on|at|by|in|for|to|the)){0,2} $"
)
# A part of a sentence that may say something else: "..., my order is A-1001".
_NEXT = re.compile(r"(?:,|,? and|,? but)\s(?=(?:the|my|our)\s)", re.IGNORECASE)
_BEHIND = 60
"""Characters before a value in which it is said that it holds no more."""
_DEFINING = frozenset({"email", "url", "money", "date", "path", "ident", "version", "zone", "name"})
_CAPPED = frozenset({"cap"})
"""What says limit in a line that speaks of costs that are to stay below something."""
_MANNERS = frozenset({"tone", "units", "language"})
"""Kinds that say how something is said, never of what it is."""
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
        values: Its values that are said to hold.
        dropped: Those that are said not to, folded: "8081, not 8080".
        spoken: The values as they are compared, by kind, in order.
        named: Stems of all of its values.
        scopes: For each attribute that it sets, what else it names.
        tells: For each of them, the stems that say it.
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
    dropped: frozenset[str] = frozenset()
    spoken: Mapping[str, Sequence[str]] = field(default_factory=dict)
    named: frozenset[str] = frozenset()
    scopes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tells: Mapping[str, frozenset[str]] = field(default_factory=dict)
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
    if not sense.asks:
        _read_change(sense)
    if sense.values:
        _read_values(sense, text)
    sense.frames = frames_of(low)
    if sense.asks:
        return sense
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
    # A name, a place, a number that is no guess.
    defines = sense.states and not _DEFINING.isdisjoint(value.kind for value in sense.values)
    sense.settles = defines or _says(_ANNOUNCED, sense.low)
    sense.named = stems_of(sense.values)
    dropped = [value for value in sense.values if _is_dropped(value, text)]
    if dropped:
        sense.dropped = frozenset(value.text.lower() for value in dropped)
        sense.values = [value for value in sense.values if value not in dropped]
    spoken: dict[str, list[str]] = {}
    for value in sense.values:
        word = value.text.lower()
        spoken.setdefault(value.kind, []).append(_NUMBERS.get(word, word))
    sense.spoken = spoken
    _read_attributes(sense, text, dropped)


def _is_dropped(value: Value, text: str) -> bool:
    """Say whether the words before a value say that it holds no more."""
    before = text[max(0, value.start - _BEHIND) : value.start].lower()
    return _says(_DROPPED, before.replace("\u2019", "'"))


def _read_change(sense: Sense) -> None:
    """Add whether a sentence announces a change, and how."""
    low = sense.low
    sense.changes = _says(_CHANGE, low)
    sense.apart = _says(_BESIDES, low)
    if sense.changes:
        # "Change the gasket order to": what stands between is what is changed.
        ends = (cue[0].split() for cue in _CHANGE.finditer(low))
        announcing = (stems_in(f"{cue[0]} {cue[-1]}") for cue in ends)
        sense.announcing = frozenset(stem for stems in announcing for stem in stems)
        # Endings, and signs in pairs, hide what is the same in other languages.
        sense.plainly = low.isascii() and _ANNOUNCED.match(low) is None


def stems_of(values: Iterable[Value]) -> frozenset[str]:
    """Return the stems of the words in some values."""
    return frozenset(stem for value in values for stem in stems_in(value.text.lower()))


def _says(form: re.Pattern[str], low: str) -> bool:
    return form.search(low) is not None


def _read_attributes(sense: Sense, text: str, dropped: Sequence[Value]) -> None:
    """Add which attributes a sentence sets, of what, and with which words."""
    stems = telling_stems(sense.low)
    scopes: dict[str, frozenset[str]] = {}
    tells: dict[str, frozenset[str]] = {}
    # "Warm answers with metric units": neither says of what the other is set.
    manners = [value for value in sense.values if value.kind in _MANNERS]
    for attribute in ATTRIBUTES:
        told = attribute.told_in(stems)
        if told and not attribute.kinds.isdisjoint(sense.spoken):
            own = [value for value in (*sense.values, *dropped) if value.kind in attribute.kinds]
            clause = _clause(text, [*own, *manners], told)
            about = sense.words.intersection(stems_in(clause.lower()))
            about = about.union(map(str.lower, _WHICH.findall(clause)))
            scopes[attribute.name] = about - attribute.words - sense.announcing
            tells[attribute.name] = told
    if "cost" in scopes and sense.most and sense.demand:
        # "Travel costs must stay below $700" sets a limit, in whichever words the next one is.
        scopes["money"] = scopes.pop("cost") - BY_NAME["money"].words
        tells["money"] = tells.get("money", _CAPPED)
        del tells["cost"]
    sense.scopes, sense.tells = scopes, tells


def _clause(text: str, values: Sequence[Value], told: frozenset[str]) -> str:
    """Return the part of a sentence that speaks of its first value, without the values.

    Neither is a label before it there, nor an aside ("I asked again, ..."), nor a reason behind.

    Args:
        text: The sentence.
        values: Values of an attribute in it, the first that holds first.
        told: The stems that say which attribute; no aside has them.
    """
    place = values[0].start
    for value in values:
        behind = value.start + len(value.text)
        text = text[: value.start] + " " * len(value.text) + text[behind:]
    text = _DAY_AGAIN.sub(lambda day: " " * len(day[0]), text)
    start, end = 0, len(text)
    for mark in _CLAUSE_END.finditer(text):
        if mark.start() > place:
            end = mark.start()
            break
        is_label = (
            mark[0].startswith(":") and len(WORD.findall(text[: mark.start()])) <= _LABEL_WORDS
        )
        if not mark[0].startswith(":") or is_label:
            start = mark.end()
    while (aside := _ASIDE.match(text, start, place)) and told.isdisjoint(
        telling_stems(aside[0].lower())
    ):
        start = aside.end()
    for mark in _NEXT.finditer(text, start, end):
        if mark.start() < place:
            named = not told.isdisjoint(telling_stems(text[mark.end() : place].lower()))
            start = mark.end() if named else start
        elif _says(_COPULA, text[mark.end() : end].lower()):
            end = mark.start()
            break
    reason = _REASON.search(text, place, end)
    return text[start : reason.start() if reason else end]
