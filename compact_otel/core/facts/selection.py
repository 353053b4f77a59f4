"""Which units to keep: the most that is at stake per token, each value counted once.

Lazy greedy: a unit's gain only falls as others are chosen, except when its subject is shown for
the first time (the label is paid and its siblings get cheaper); then they are queued again.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from compact_otel.core.facts.salience import Salience, Stake
from compact_otel.core.facts.units import Subject, Unit

# What a value is still worth once it stands in the summary: a second mention may bind it better.
_REPEATED = 0.06
# Share of a value's worth that a unit has which stood beside it, where too few words do.
_COMPANY = 0.15
_ENOUGH_WORDS = 2
_DIGITS = b"0123456789"
_NO_MARKS = _DIGITS + b" ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PLAIN_WORD = re.compile(r"[a-z]{4,}")


def cost_of(text: str, values: int) -> float:
    """Estimate the tokens of a text with what parts it from the next: fitted to o200k.

    Digits come three to a token, marks one, letters in words five or six; names are rare words.
    """
    if not text:
        return 0.0
    raw = text.encode("utf-8", "replace")
    digits = len(raw) - len(raw.translate(None, _DIGITS))
    marks = len(raw.translate(None, _NO_MARKS))
    return 1 + 0.18 * len(text) + 0.43 * values + 0.45 * digits + 0.25 * marks


@dataclass(slots=True, eq=False)
class _Label:
    """A subject as the summary shows it: paid once, with the first of its units.

    Attributes:
        values: The values in it.
        stakes: Each of them with what is lost without it.
        cost: Its tokens.
        orders: The units that show it.
        shown: Whether one of them was chosen.
    """

    values: tuple[str, ...]
    stakes: list[Stake]
    cost: float
    orders: list[int] = field(default_factory=list)
    shown: bool = False


@dataclass(slots=True, eq=False)
class _Bid:
    """A unit with all that its gain and its cost are made of.

    Attributes:
        unit: The unit.
        cost: Its tokens.
        words: What its words are worth, whatever values are in them.
        stakes: The values in it, and what is lost without each.
        labels: What has to be shown with it: its subject, and what that is a row of.
        company: What it adds to others that were chosen, since it stood beside them.
        taken: Whether it was chosen.
    """

    unit: Unit
    cost: float
    words: float
    stakes: list[Stake]
    labels: tuple[_Label, ...]
    company: float = 0.0
    taken: bool = False


class Chooser:
    """Chooses units one after the other; knows what is already said.

    Args:
        units: All there is to choose from; `order` of each is its index.
        salience: What is at stake.
        said: Values that the reader sees anyway.
    """

    def __init__(self, units: Sequence[Unit], salience: Salience, said: Iterable[str]) -> None:
        self.cost = 0.0
        self.chosen: list[Unit] = []
        self._salience = salience
        self._said = set(said)
        self._keys: dict[tuple[Subject, str], _Label] = {}
        self._lineages: dict[Subject, tuple[_Label, ...]] = {}
        self._bids = [self._bid(unit) for unit in units]

    def take(self, unit: Unit) -> None:
        """Choose a unit and show its subjects."""
        bid = self._bids[unit.order]
        if not bid.taken:
            self._take(bid)

    def take_best(self, budget: float) -> None:
        """Choose by gain per token until `budget` (estimated tokens) is used or nothing is left."""
        heap = [(-self._ratio(bid), order) for order, bid in enumerate(self._bids)]
        heapq.heapify(heap)
        while heap and self.cost < budget:
            _, order = heapq.heappop(heap)
            bid = self._bids[order]
            if bid.taken:
                continue
            ratio = self._ratio(bid)
            if heap and ratio < -heap[0][0]:
                heapq.heappush(heap, (-ratio, order))
                continue
            if not ratio:
                break
            for order in self._take(bid):
                other = self._bids[order]
                if not other.taken:
                    heapq.heappush(heap, (-self._ratio(other), order))

    def _take(self, bid: _Bid) -> list[int]:
        """Choose a unit; return those that gain by it."""
        opened = [label for label in bid.labels if not label.shown]
        gaining = [order for label in opened for order in label.orders]
        beside = self._beside(bid.unit)
        if any(other.taken for other in beside):
            for other in beside:
                other.company = 0.0
        elif lone := self._lone(bid):
            for other in beside:
                other.company = max(other.company, lone * _COMPANY)
                gaining.append(other.unit.order)
        bid.taken = True
        self.chosen.append(bid.unit)
        self.cost += sum((label.cost for label in opened), bid.cost)
        self._said.update(bid.unit.values)
        for label in opened:
            label.shown = True
            self._said.update(label.values)
        return gaining

    def _beside(self, unit: Unit) -> list[_Bid]:
        """Return the units that stand beside one, in the same entry."""
        entry = unit.subject.parent or unit.subject
        first = max(0, unit.order - 1)
        return [
            bid
            for bid in self._bids[first : unit.order + 2]
            if bid.unit is not unit and (bid.unit.subject.parent or bid.unit.subject) is entry
        ]

    def _lone(self, bid: _Bid) -> float:
        """Return the worth of the new values of a unit that has too few words to tell of them."""
        unit = bid.unit
        words = set(_PLAIN_WORD.findall(unit.text.lower()))
        return sum(
            stake
            for value, stake in bid.stakes
            if value not in self._said and sum(word not in value for word in words) < _ENOUGH_WORDS
        )

    def _ratio(self, bid: _Bid) -> float:
        """Return what is lost without a unit that is not said yet, per token."""
        said, gain, cost = self._said, bid.words + bid.company, bid.cost
        for value, stake in bid.stakes:
            gain += stake * _REPEATED if value in said else stake
        for label in bid.labels:
            if not label.shown:
                cost += label.cost
                for value, stake in label.stakes:
                    gain += stake * _REPEATED if value in said else stake
        return gain / cost if cost else 0.0

    def _bid(self, unit: Unit) -> _Bid:
        subject, values = unit.subject, unit.values
        cost = cost_of(unit.text, len(values))
        words = self._salience.prose(unit) * cost
        stakes = self._salience.stakes(values, subject.position)
        bid = _Bid(unit, cost, words, stakes, self._lineage(subject))
        for label in bid.labels:
            label.orders.append(unit.order)
        return bid

    def _key(self, entry: Subject, key: str) -> _Label:
        """Return the label that the rows of one list share."""
        label = self._keys.get((entry, key))
        if label is None:
            label = self._keys[entry, key] = _Label((), [], cost_of(key, 0))
        return label

    def _lineage(self, subject: Subject) -> tuple[_Label, ...]:
        """Return the labels of a subject and of what it is a row of."""
        labels = self._lineages.get(subject)
        if labels is None:
            values, parent = subject.values, subject.parent
            stakes = self._salience.stakes(values, subject.position)
            own = subject.label[len(subject.key) :]
            label = _Label(values, stakes, cost_of(own, len(values)) + 1)
            labels = (label,)
            if parent is not None and subject.key:
                labels += (self._key(parent, subject.key),)
            if parent is not None:
                labels += self._lineage(parent)
            self._lineages[subject] = labels
        return labels
