"""Which units to keep: the most that is at stake per token, each value counted once.

Lazy greedy: a unit's gain only falls as others are chosen, except when its subject is shown for
the first time (the label is paid and its siblings get cheaper); then they are queued again.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence

from compact_otel.summarizers.salience import Salience
from compact_otel.summarizers.units import Subject, Unit

# What a value is still worth once it stands in the summary: a second mention may bind it better.
_REPEATED = 0.06


def cost_of(text: str, values: int) -> float:
    """Estimate the tokens of a text: identifiers and numbers cost more than words."""
    return 1 + len(text) / 5 + 0.8 * values if text else 0.0


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
        self._units = units
        self._salience = salience
        self._said = set(said)
        self._shown: set[Subject] = set()
        self._taken: set[Unit] = set()
        self._siblings: defaultdict[Subject, list[Unit]] = defaultdict(list)
        self._stakes = {
            unit: tuple(salience.stakes(unit.values, unit.subject.position)) for unit in units
        }
        self._words = {unit: salience.prose(unit) for unit in units}
        self._label_stakes: dict[Subject, tuple[tuple[str, float], ...]] = {}
        self._label_costs: dict[Subject, float] = {}
        for unit in units:
            unit.cost = cost_of(unit.text, len(unit.values))
            for subject in _lineage(unit):
                self._siblings[subject].append(unit)

    def take(self, unit: Unit) -> None:
        """Choose a unit and show its subjects."""
        if unit in self._taken:
            return
        _, cost = self._worth(unit)
        self.cost += cost
        self.chosen.append(unit)
        self._taken.add(unit)
        self._said.update(unit.values)
        for subject in _lineage(unit):
            self._shown.add(subject)
            self._said.update(subject.values)

    def take_best(self, budget: float) -> None:
        """Choose by gain per token until `budget` (estimated tokens) is used or nothing is left."""
        units = self._units
        heap = [(-self._ratio(unit), order) for order, unit in enumerate(units)]
        heapq.heapify(heap)
        while heap and self.cost < budget:
            _, order = heapq.heappop(heap)
            unit = units[order]
            if unit in self._taken:
                continue
            ratio = self._ratio(unit)
            if heap and ratio < -heap[0][0]:
                heapq.heappush(heap, (-ratio, order))
                continue
            if not ratio:
                break
            opened = [subject for subject in _lineage(unit) if subject not in self._shown]
            self.take(unit)
            for sibling in (sibling for subject in opened for sibling in self._siblings[subject]):
                if sibling not in self._taken:
                    heapq.heappush(heap, (-self._ratio(sibling), sibling.order))

    def _ratio(self, unit: Unit) -> float:
        gain, cost = self._worth(unit)
        return gain / cost if cost else 0.0

    def _worth(self, unit: Unit) -> tuple[float, float]:
        said = self._said
        cost = unit.cost
        gain = self._words[unit] * cost
        for value, stake in self._stakes[unit]:
            gain += stake * _REPEATED if value in said else stake
        for subject in _lineage(unit):
            if subject not in self._shown:
                for value, stake in self._stakes_of_label(subject):
                    gain += stake * _REPEATED if value in said else stake
                cost += self._label_costs[subject]
        return gain, cost

    def _stakes_of_label(self, subject: Subject) -> tuple[tuple[str, float], ...]:
        stakes = self._label_stakes.get(subject)
        if stakes is None:
            stakes = tuple(self._salience.stakes(subject.values, subject.position))
            self._label_stakes[subject] = stakes
            self._label_costs[subject] = cost_of(subject.label, len(subject.values)) + 1
        return stakes


def _lineage(unit: Unit) -> list[Subject]:
    subject = unit.subject
    return [subject] if subject.parent is None else [subject, subject.parent]
