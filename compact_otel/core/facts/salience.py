"""What is worth keeping: the values in a text, and how likely the agent needs each of them again.

A value is a word that can not be guessed: an identifier, a path, a name in code, a number, a date,
a proper name. Its weight is the chance that it is needed again, by its form and how it was used
(`weights`, fitted). What words are worth beside the values in them was set by hand.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from compact_otel.core.facts.units import Origin, Subject, Unit
from compact_otel.core.facts.weights import BIAS, FORMS, WEIGHTS

_TOKEN = re.compile(r"[\w@./#-]+")
_ASCII_TOKEN = re.compile(r"[A-Za-z0-9_@./#-]+")  # the same where there is nothing else, and faster
_BEFORE, _BEHIND = "./-", "@./#-"  # what is punctuation there, and not a part of a value
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d.*")
_NUMBER = re.compile(r"[\d.,-]+")
_YEAR = re.compile(r"(?:19|20)\d\d")
_CAMEL = re.compile(r"[A-Z]?[a-z0-9]+[A-Z]\w*")
_DIGITS = re.compile(r"\d+")
_LETTERS = re.compile(r"[a-z]+")
_DRAWN = re.compile(r"[a-z]*\d+[a-z]|\d+[a-z]")

_FEW = 3
_TELLING = 1.0
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
    "assistant": 0.03,
    "call": 0.02,
    "result": 0.01,
}
# Attributes of an entity, even if no value in them is rare: `cabin economy`, `status open`.
_STATE_RATE = 0.07
# In logits: what the last summary chose was worth it, and how it was used is not known any more.
_BY_SUMMARY = 0.5
# What a value that is likely needed is worth, where a token of a user's words is worth 0.3.
_WORTH = 40.0
_ASKED_FOR = 10.0
_STRESSED = 3.0
_SAID_ANEW_LATER = 0.85
# Of what a user's words are worth: a greeting, thanks, a question that was answered at once.
_SMALL_TALK = 0.05
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
        self.forms: dict[str, str] = {}
        self._values: dict[str, tuple[str, ...]] = {}

    def __missing__(self, token: str) -> str:
        word = token.lstrip(_BEFORE).rstrip(_BEHIND)
        form = _form(word) if word else "word"
        weight = _FORM_WEIGHTS[form]
        value = word.lower() if weight else ""
        if weight > self.form_weights.get(value, 0.0):
            self.form_weights[value] = weight
            self.forms[value] = form
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

    def places_in(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield (start, end, value) of each value in `text`, in order."""
        for token in (_ASCII_TOKEN if text.isascii() else _TOKEN).finditer(text):
            if value := self[token[0]]:
                start = token.end() - len(token[0].lstrip(_BEFORE))
                yield start, start + len(token[0].lstrip(_BEFORE).rstrip(_BEHIND)), value


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


_ROW, _CODE, _PROSE = 0, 1, 2
_MENTIONS = (1, 2, 4, 10)
_ALIKE = (1, 5, 20, 80)
_AGES = (4, 10, 25, 60)


@dataclass(slots=True)
class _Use:
    """How a value was used: newest place, mentions, by whom, and where it stands."""

    newest: int = _NOWHERE
    mentions: int = 0
    calls: int = 0
    by_user: bool = False
    by_assistant: bool = False
    by_summary: bool = False
    is_head: bool = False
    in_focus: bool = False
    place: int = _PROSE


@dataclass(slots=True)
class Salience:
    """Weighs values by how they were used in `units`, the whole history in order.

    Attributes:
        vocabulary: The words of the history.
        length: Number of items in it.
        note: Values that the caller asked for by name.
        stressed: Values that come first.
        scale: What a value is worth that is sure to be needed, beside the words around it.
    """

    vocabulary: Vocabulary
    length: int
    note: frozenset[str] = frozenset()
    stressed: frozenset[str] = frozenset()
    scale: float = _WORTH
    _uses: dict[str, _Use] = field(default_factory=dict)
    _stakes: dict[str, tuple[int, Stake, Stake]] = field(default_factory=dict)
    _weights: dict[str, tuple[float, int]] = field(default_factory=dict)
    _shapes: dict[str, str] = field(default_factory=dict)
    _shapes_called: set[str] = field(default_factory=set)
    _alike: Counter[str] = field(default_factory=Counter)

    def learn(self, units: Sequence[Unit]) -> None:
        """Take in who used which value, once, and before any of them is weighed."""
        for unit in units:
            subject: Subject | None = unit.subject
            place = _CODE if unit.on_own_line else _PROSE if unit.subject.prose else _ROW
            self._learn(unit.values, unit.subject, place)
            while subject is not None and not unit.text:
                for use in self._learn(subject.values, subject, _ROW):
                    use.is_head = True
                subject = subject.parent
        self._shapes = {value: _shape(value) for value in self._uses}
        self._alike = Counter(self._shapes.values())
        uses = self._uses
        self._shapes_called = {self._shapes[value] for value, use in uses.items() if use.calls}
        focus: dict[Subject, bool] = {}
        for unit in units:
            if self._is_focus(unit.subject, focus):
                for value in unit.values:
                    uses[value].in_focus = True

    def _learn(self, values: Iterable[str], subject: Subject, place: int) -> list[_Use]:
        origin, position = subject.origin, subject.position
        found = []
        for value in values:
            use = self._uses.get(value)
            if use is None:
                use = self._uses[value] = _Use()
            use.mentions += 1
            use.place = min(use.place, place)
            if use.newest != position:
                use.newest = position
                if origin == "call":
                    use.calls += 1
            if origin == "user":
                use.by_user = True
            elif origin == "assistant":
                use.by_assistant = True
            elif origin == "summary":
                use.by_summary = True
            found.append(use)
        return found

    def _is_focus(self, subject: Subject, known: dict[Subject, bool]) -> bool:
        """Say whether a user or a call named what values belong to."""
        found = known.get(subject)
        if found is None:
            uses = (use for value in subject.values if (use := self._uses.get(value)))
            found = any(use.calls or use.by_user for use in uses) or (
                subject.parent is not None and self._is_focus(subject.parent, known)
            )
            known[subject] = found
        return found

    def stakes(self, values: Iterable[str], position: int) -> list[Stake]:
        """Return each value with what is lost without it; less if it was said anew since."""
        stakes = []
        for value in values:
            known = self._stakes.get(value)
            if known is None:
                weight, newest = self._weigh(value)
                weight *= self.scale
                known = newest, (value, weight), (value, weight * _SAID_ANEW_LATER)
                self._stakes[value] = known
            newest, stake, less = known
            stakes.append(stake if position >= newest else less)
        return stakes

    def stressing(self, values: Iterable[str]) -> Salience:
        """Return the same with other values put first."""
        return replace(self, stressed=frozenset(values), _stakes={}, _weights={})

    def weight(self, value: str) -> float:
        """Return how likely a value is needed; above 1 if it was asked for by name."""
        return self._weigh(value)[0]

    def is_telling(self, value: str) -> bool:
        """Say whether a value is missed: not one of a form that is found again easily."""
        return self.vocabulary.form_weights.get(value, 0.0) >= _TELLING

    def settle(self, likely: Sequence[float]) -> None:
        """Set the worth of values beside words by how likely the best of them are needed.

        One history has a few values that matter and another hundreds: what words are worth beside
        them must not depend on that.
        """
        if total := sum(likely):  # values of which nothing was learnt weigh nothing
            self.scale = _WORTH * len(likely) / total

    def features(self, value: str) -> dict[str, int]:
        """Return how a value was used, each feature as an index into `weights.WEIGHTS`."""
        use = self._uses[value]
        shape = self._shapes[value]
        return {
            "user": int(use.by_user),
            "calls": min(use.calls, 2),
            "assistant": int(use.by_assistant),
            "sibling": int(not use.calls and shape in self._shapes_called),
            "head": int(use.is_head),
            "focus": int(use.in_focus),
            "mentions": bisect_left(_MENTIONS, use.mentions),
            "alike": bisect_left(_ALIKE, self._alike[shape]),
            "age": bisect_left(_AGES, self.length - use.newest),
            "place": use.place,
        }

    def _weigh(self, value: str) -> tuple[float, int]:
        """Return the weight of a value and the place of its newest use."""
        known = self._weights.get(value)
        if known is None:
            known = self._weights[value] = self._weighed(value)
        return known

    def _weighed(self, value: str) -> tuple[float, int]:
        use = self._uses.get(value)
        form = self.vocabulary.forms.get(value)
        if use is None or form is None:
            return 0.0, _NOWHERE
        logit = BIAS + FORMS[form]
        for name, index in self.features(value).items():
            logit += WEIGHTS[name][index]
        if use.by_summary:
            logit += _BY_SUMMARY
        weight = 1 / (1 + math.exp(-logit))
        if value in self.note:
            weight *= _ASKED_FOR
        if value in self.stressed:
            weight *= _STRESSED
        return weight, use.newest

    def prose(self, unit: Unit) -> float:
        """Return what the words of a unit are worth per token, whatever values are in them."""
        rate = _PROSE_RATES[unit.subject.origin]
        section = unit.subject.section
        if unit.pin < 0:
            rate *= _SMALL_TALK
        elif section == "constraints":
            rate *= 1.5
        elif section == "state":
            rate = _STATE_RATE
        elif section == "done" and _DECISION.search(unit.text.casefold()):
            rate *= 2.0
        return rate


def _shape(value: str) -> str:
    """Return what values of one kind have in common: the runs of letters and digits in them.

    Codes that were drawn at random (`4og6t3`, `fq8ape`) have their length in common.
    """
    if value.isalnum() and _DRAWN.match(value):
        return f"{len(value)} characters"
    return _LETTERS.sub("a", _DIGITS.sub("9", value))
