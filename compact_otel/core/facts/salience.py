"""What is worth keeping: the values in a text, and how likely the agent needs each of them again.

A value is a word that can not be guessed: an identifier, a path, a name in code, a number, a date,
a proper name. Its weight is its form times how it was used. The factors are general, but they were
set by hand while scoring public agent transcripts, with no data held back.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from compact_otel.core.facts.units import Origin, Subject, Unit

_TOKEN = re.compile(r"[\w@./#-]+")
_ASCII_TOKEN = re.compile(r"[A-Za-z0-9_@./#-]+")  # the same where there is nothing else, and faster
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d.*")
_NUMBER = re.compile(r"[\d.,-]+")
_YEAR = re.compile(r"(?:19|20)\d\d")
_CAMEL = re.compile(r"[A-Z]?[a-z0-9]+[A-Z]\w*")
_DIGITS = re.compile(r"\d+")
_LETTERS = re.compile(r"[a-z]+")

_FEW = 3
_NOWHERE = -2

# How hard a word is to guess or to find again, by its form.
_FORM_WEIGHTS = {
    "identifier": 5.5,
    "path": 4.0,
    "date": 3.0,
    "code name": 2.5,
    "acronym": 2.0,
    "number": 2.0,
    "short code": 1.0,
    "year": 1.0,
    # When a record was written; what is planned is given as a date.
    "timestamp": 0.8,
    "name": 0.3,
    "small number": 0.3,
    "word": 0.0,
}
# What words are worth per token beside the values in them.
_PROSE_RATES: dict[Origin, float] = {
    "user": 0.30,
    "summary": 0.08,
    "assistant": 0.04,
    "call": 0.02,
    "result": 0.01,
}
# Attributes of an entity, even if no value in them is rare: `cabin economy`, `status open`.
_STATE_RATE = 0.07
_BY_USER = 2.0
_BY_CALL = 1.8
# Of the form of something that a call took as an argument.
_SIBLING_OF_ARGUMENT = 1.4
_BY_ASSISTANT = 1.3
_BY_SUMMARY = 1.3
_ASKED_FOR = 2.0
_STRESSED = 3.0
_SAID_ANEW_LATER = 0.85
_DECISION = re.compile(
    r"\b(?:decided|because|so that|instead|failed|fixed|found|cause[ds]?|success\w*|"
    r"unable|cannot|not possible|error|confirmed|changed|updated|added|removed|created)\b"
)


Stake = tuple[str, float]
"""A value, and what is lost without it."""


class Vocabulary(dict[str, str]):
    """Maps a word to the value that it is, or to "" if it is an ordinary word."""

    def __init__(self) -> None:
        super().__init__()
        self.form_weights: dict[str, float] = {}
        self._values: dict[str, tuple[str, ...]] = {}

    def __missing__(self, token: str) -> str:
        word = token.lstrip("./-").rstrip("@./#-")
        weight = _FORM_WEIGHTS[_form(word)] if word else 0.0
        value = word.lower() if weight else ""
        if weight:
            self.form_weights[value] = max(weight, self.form_weights.get(value, 0.0))
        self[token] = value
        return value

    def values_in(self, text: str) -> tuple[str, ...]:
        """Return the values in `text`, each once."""
        known = self._values.get(text)
        if known is None:
            tokens = (_ASCII_TOKEN if text.isascii() else _TOKEN).findall(text)
            values = dict.fromkeys(map(self.__getitem__, tokens))
            values.pop("", None)
            known = self._values[text] = tuple(values)
        return known


def _form(word: str) -> str:  # noqa: PLR0911 - a table of shapes, first match wins
    """Return the form of a word, a key of `_FORM_WEIGHTS`."""
    if word.isalpha() and word.islower():
        return "word"
    if any(map(str.isdigit, word)):
        if _DATE.fullmatch(word):
            return "date"
        if _TIMESTAMP.fullmatch(word):
            return "timestamp"
        if _NUMBER.fullmatch(word):
            if sum(map(str.isdigit, word)) < _FEW:
                return "small number"
            return "year" if _YEAR.fullmatch(word) else "number"
        return "identifier" if len(word) > _FEW else "short code"
    if "@" in word or "/" in word:
        return "path"
    if "_" in word.strip("_") or "." in word or _CAMEL.fullmatch(word):
        return "code name"
    if word.isupper() and len(word) >= _FEW:
        return "acronym"
    return "name" if word[0].isupper() else "word"


@dataclass(slots=True)
class _Use:
    """How a value was used: newest place, number of places, by whom."""

    newest: int = _NOWHERE
    places: int = 0
    by_user: bool = False
    by_call: bool = False
    by_assistant: bool = False
    by_summary: bool = False


@dataclass(slots=True)
class Salience:
    """Weighs values by how they were used in `units`, the whole history in order.

    Attributes:
        vocabulary: The words of the history.
        length: Number of items in it.
        note: Values that the caller asked for by name.
        stressed: Values that come first.
    """

    vocabulary: Vocabulary
    length: int
    note: frozenset[str] = frozenset()
    stressed: frozenset[str] = frozenset()
    _uses: dict[str, _Use] = field(default_factory=dict)
    _stakes: dict[str, tuple[int, Stake, Stake]] = field(default_factory=dict)
    _shapes_called: set[str] = field(default_factory=set)

    def learn(self, units: Iterable[Unit]) -> None:
        """Take in who used which value; call before `stakes`."""
        for unit in units:
            subject: Subject | None = unit.subject
            self._learn(unit.values, unit.subject)
            while subject is not None and not unit.text:
                self._learn(subject.values, subject)
                subject = subject.parent

    def _learn(self, values: Iterable[str], subject: Subject) -> None:
        origin, position = subject.origin, subject.position
        for value in values:
            use = self._uses.get(value)
            if use is None:
                use = self._uses[value] = _Use()
            if use.newest != position:
                use.newest = position
                use.places += 1
            if origin == "call":
                if not use.by_call:
                    use.by_call = True
                    self._shapes_called.add(_shape(value))
            elif origin == "user":
                use.by_user = True
            elif origin == "assistant":
                use.by_assistant = True
            elif origin == "summary":
                use.by_summary = True

    def stakes(self, values: Iterable[str], position: int) -> list[Stake]:
        """Return each value with what is lost without it; less if it was said anew since."""
        stakes = []
        for value in values:
            known = self._stakes.get(value)
            if known is None:
                weight, newest = self._weigh(value)
                known = newest, (value, weight), (value, weight * _SAID_ANEW_LATER)
                self._stakes[value] = known
            newest, stake, less = known
            stakes.append(stake if position >= newest else less)
        return stakes

    def stressing(self, values: Iterable[str]) -> Salience:
        """Return the same with other values put first."""
        return replace(self, stressed=frozenset(values), _stakes={})

    def weight(self, value: str) -> float:
        """Return what is lost without a value."""
        return self._weigh(value)[0]

    def _weigh(self, value: str) -> tuple[float, int]:
        """Return the weight of a value and the place of its newest use."""
        weight = self.vocabulary.form_weights.get(value, 0.0)
        use = self._uses.get(value)
        if use is None:
            return weight, _NOWHERE
        if use.by_user:
            weight *= _BY_USER
        if use.by_call:
            weight *= _BY_CALL
        elif _shape(value) in self._shapes_called:
            weight *= _SIBLING_OF_ARGUMENT
        if use.by_assistant:
            weight *= _BY_ASSISTANT
        if use.by_summary:
            weight *= _BY_SUMMARY
        if value in self.note:
            weight *= _ASKED_FOR
        if value in self.stressed:
            weight *= _STRESSED
        # What came up often and lately is needed again; an old value keeps more than half.
        freshness = (use.newest + 1) / (self.length + 1)
        weight *= 1 + 0.25 * math.log2(max(1, use.places))
        return weight * (0.6 + 0.4 * freshness), use.newest

    def prose(self, unit: Unit) -> float:
        """Return what the words of a unit are worth per token, whatever values are in them."""
        rate = _PROSE_RATES[unit.subject.origin]
        section = unit.subject.section
        if section == "constraints":
            rate *= 1.5
        elif section == "state":
            rate = _STATE_RATE
        elif section == "done" and _DECISION.search(unit.text.casefold()):
            rate *= 2.0
        return rate


def _shape(value: str) -> str:
    return _LETTERS.sub("a", _DIGITS.sub("9", value))
