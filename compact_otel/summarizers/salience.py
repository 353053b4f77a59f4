"""What is worth keeping: the values in a text, and how likely the agent needs each of them again.

A value is a word that can not be guessed: an identifier, a path, a name in code, a number, a date,
a proper name. Its weight is its form times how it was used. The factors are general, but they were
set by hand while scoring public agent transcripts, with no data held back.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from compact_otel.summarizers.units import Origin, Subject, Unit

_TOKEN = re.compile(r"[\w@#][\w@./#-]*\w|\w")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d.*")
_NUMBER = re.compile(r"[\d.,-]+")
_YEAR = re.compile(r"(?:19|20)\d\d")
_CAMEL = re.compile(r"[A-Z]?[a-z0-9]+[A-Z]\w*")
_DIGITS = re.compile(r"\d+")
_LETTERS = re.compile(r"[a-z]+")

_FEW = 3

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
_SAID_ANEW_LATER = 0.85
_DECISION = re.compile(
    r"\b(?:decided|because|so that|instead|failed|fixed|found|cause[ds]?|success\w*|"
    r"unable|cannot|not possible|error|confirmed|changed|updated|added|removed|created)\b",
    re.IGNORECASE,
)


class Vocabulary(dict[str, str]):
    """Maps a word to the value that it is, or to "" if it is an ordinary word."""

    def __init__(self) -> None:
        super().__init__()
        self.form_weights: dict[str, float] = {}

    def __missing__(self, word: str) -> str:
        weight = _FORM_WEIGHTS[_form(word)]
        value = word.lower() if weight else ""
        if weight:
            self.form_weights[value] = max(weight, self.form_weights.get(value, 0.0))
        self[word] = value
        return value

    def values_in(self, text: str) -> tuple[str, ...]:
        """Return the values in `text`, each once."""
        return tuple({value: None for word in _TOKEN.findall(text) if (value := self[word])})


def _form(word: str) -> str:  # noqa: PLR0911 - a table of shapes, first match wins
    """Return the form of a word, a key of `_FORM_WEIGHTS`."""
    if not word.isalpha() and any(letter.isdigit() for letter in word):
        if _DATE.fullmatch(word):
            return "date"
        if _TIMESTAMP.fullmatch(word):
            return "timestamp"
        if _NUMBER.fullmatch(word):
            if sum(letter.isdigit() for letter in word) < _FEW:
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

    newest: int = -2
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
    """

    vocabulary: Vocabulary
    length: int
    note: frozenset[str] = frozenset()
    _uses: dict[str, _Use] = field(default_factory=dict)
    _weights: dict[str, float] = field(default_factory=dict)
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

    def stakes(self, values: Iterable[str], position: int) -> Iterator[tuple[str, float]]:
        """Yield each value with what is lost without it; less if it was said anew since."""
        for value in values:
            weight = self._weights.get(value)
            if weight is None:
                weight = self._weights[value] = self._weigh(value)
            newest = self._uses[value].newest if value in self._uses else position
            yield value, weight if position >= newest else weight * _SAID_ANEW_LATER

    def _weigh(self, value: str) -> float:
        weight = self.vocabulary.form_weights.get(value, 0.0)
        use = self._uses.get(value)
        if use is None:
            return weight
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
        # What came up often and lately is needed again; an old value keeps more than half.
        freshness = (use.newest + 1) / (self.length + 1)
        return weight * (1 + 0.25 * math.log2(max(1, use.places))) * (0.6 + 0.4 * freshness)

    def prose(self, unit: Unit) -> float:
        """Return what the words of a unit are worth per token, whatever values are in them."""
        rate = _PROSE_RATES[unit.subject.origin]
        section = unit.subject.section
        if section == "constraints":
            rate *= 1.5
        elif section == "state":
            rate = _STATE_RATE
        elif section == "done" and _DECISION.search(unit.text):
            rate *= 2.0
        return rate


def _shape(value: str) -> str:
    return _LETTERS.sub("a", _DIGITS.sub("9", value))
