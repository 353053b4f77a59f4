"""Fit how likely a value is needed again by how it was used: `compact_otel.core.facts.weights`.

    uv run python tests/bench/quality_fit.py [--data DIR] [--budget 0.1 0.25]

A row is a value of the part that a compaction drops, its features are those of `Salience.features`
and its form, and the question is whether a later call needed it. The fit is a logistic regression
with a small ridge. Beside the in-sample figure stand those for conversations, and for whole
sources, that the fit has not seen: the share of needed values among the 20 % that weigh most.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from quality import DATA
from quality_pipeline import Product
from quality_score import Scorer, at_risk, load, normed, spellings

from compact_otel.core.errors import SummaryError
from compact_otel.core.facts.salience import Salience, Vocabulary
from compact_otel.core.facts.splitting import split
from compact_otel.core.types import Summary, SummaryRequest
from compact_otel.estimators.text import TextCounts

RIDGE, ROUNDS, FOLDS, SHARE = 3.0, 12, 4, 0.2
MOST_FACTS, MOST_OTHERS = 40, 30
"""A cut counts at most like so many facts, and its other values like so many times as much."""

Features = tuple[str, ...]


class Cut(NamedTuple):
    """The values of one cut with their features, and whether each was needed."""

    source: str
    conversation: str
    facts: int
    values: list[tuple[Features, bool]]


class _Asked:
    """A summariser that only remembers what it was asked."""

    name, immediate = "asked", True

    def __init__(self) -> None:
        self.requests: list[SummaryRequest] = []

    def summarize(self, request: SummaryRequest) -> Summary:
        self.requests.append(request)
        raise SummaryError("it only listens", reason="empty")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR")
    parser.add_argument("--budget", type=float, nargs="+", default=[0.1, 0.25])
    asked = parser.parse_args()
    cuts = [cut for budget in asked.budget for cut in cuts_of(asked.data, budget)]
    fitted = fit(cuts)
    print(f"{len(cuts)} cuts, {sum(len(cut.values) for cut in cuts)} values")
    print(f"in-sample: {found(cuts, weigher(fitted)):.1%}")
    held_out("conversations", cuts, lambda cut: str(hash_of(cut.conversation) % FOLDS))
    held_out("sources", cuts, lambda cut: cut.source.partition("-")[0])
    for name, weight in sorted(fitted.items()):
        print(f"{name:24} {weight:6.2f}")
    return 0


def cuts_of(data: Path, budget: float) -> list[Cut]:
    """Return the values of each cut at a budget, as the pipeline asks a summariser for them."""
    scorer = Scorer(TextCounts().__getitem__)
    made: list[Cut] = []
    for conversation in load(data):
        listener = _Asked()
        product = Product(scorer, listener)
        starts: list[int] = []

        def listen(
            items: list[dict[str, object]],
            allowed: int,
            *,
            product: Product = product,
            starts: list[int] = starts,
            listener: _Asked = listener,
        ) -> list[dict[str, object]]:
            before = len(listener.requests)
            sent = product(items, allowed)
            if len(listener.requests) > before:
                starts.append(len(items))
            return sent

        list(scorer.score(listen, [conversation], budget))
        for cut, request in zip(starts, listener.requests, strict=True):
            facts = at_risk(conversation, cut)
            if facts:
                needed = {name for fact in facts for name in _names(str(fact["value"]))}
                values = [(row, value in needed) for value, row in rows_of(request).items()]
                source = str(conversation.get("group", ""))
                made.append(Cut(source, str(conversation["id"]), len(facts), values))
    return made


def rows_of(request: SummaryRequest) -> dict[str, Features]:
    """Return the features of each value in what goes that does not stand in what stays."""
    vocabulary = Vocabulary()
    units, staying = split(request, vocabulary)
    salience = Salience(vocabulary, length=len(request.items) + len(request.kept))
    salience.learn([*units, *staying])
    seen = {value for unit in staying for value in unit.values}
    rows: dict[str, Features] = {}
    for unit in units:
        lineage = (unit.subject.values, unit.subject.parent.values if unit.subject.parent else ())
        for value in (*unit.values, *lineage[0], *lineage[1]):
            if value not in rows and value not in seen and value in vocabulary.forms:
                try:
                    features = salience.features(value)
                except KeyError:  # in a label only, which counts with the first of its units
                    continue
                form = f"form {vocabulary.forms[value]}"
                rows[value] = (form, *(f"{name} {index}" for name, index in features.items()))
    return rows


def fit(cuts: Iterable[Cut]) -> dict[str, float]:
    """Return the weight of each feature, and of none (``), by Newton's method."""
    needed: defaultdict[Features, float] = defaultdict(float)
    weights: defaultdict[Features, float] = defaultdict(float)
    for cut in cuts:
        share = min(1.0, MOST_OTHERS * cut.facts / len(cut.values)) / min(cut.facts, MOST_FACTS)
        for features, was_needed in cut.values:
            weights[features] += share
            needed[features] += share * was_needed
    names = {"": 0}
    for features in weights:
        for name in features:
            names.setdefault(name, len(names))
    rows = [((0, *(names[name] for name in row)), needed[row], weights[row]) for row in weights]
    found = [0.0] * len(names)
    for _ in range(ROUNDS):
        slope = [-RIDGE * weight for weight in found]
        curve = [[0.0] * len(names) for _ in names]
        slope[0] = 0.0
        for place in range(1, len(names)):
            curve[place][place] = RIDGE
        curve[0][0] = 1e-6
        for places, hits, weight in rows:
            chance = 1 / (1 + math.exp(-sum(found[place] for place in places)))
            bend = weight * chance * (1 - chance)
            for place in places:
                slope[place] += hits - weight * chance
                line = curve[place]
                for other in places:
                    line[other] += bend
        step = solved(curve, slope)
        found = [weight + change for weight, change in zip(found, step, strict=True)]
        if max(map(abs, step)) < 1e-4:
            break
    return {name: found[place] for name, place in names.items()}


def solved(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Return x of `matrix` x = `right`, by elimination."""
    size = len(right)
    rows = [[*line, value] for line, value in zip(matrix, right, strict=True)]
    for place in range(size):
        best = max(range(place, size), key=lambda index: abs(rows[index][place]))
        rows[place], rows[best] = rows[best], rows[place]
        pivot = rows[place]
        for line in rows[place + 1 :]:
            factor = line[place] / pivot[place]
            if factor:
                for column in range(place, size + 1):
                    line[column] -= factor * pivot[column]
    found = [0.0] * size
    for place in reversed(range(size)):
        known = sum(rows[place][column] * found[column] for column in range(place + 1, size))
        found[place] = (rows[place][size] - known) / rows[place][place]
    return found


def weigher(weights: dict[str, float]) -> Callable[[Features], float]:
    """Return what ranks features by fitted weights."""
    return lambda features: sum(weights.get(name, 0.0) for name in features)


def found(cuts: Sequence[Cut], weigh: Callable[[Features], float]) -> float:
    """Return the mean share of needed values among those that weigh most."""
    shares = []
    for cut in cuts:
        ranked = sorted(cut.values, key=lambda row: -weigh(row[0]))
        total = sum(was_needed for _, was_needed in ranked)
        if total:
            best = ranked[: max(1, int(len(ranked) * SHARE))]
            shares.append(sum(was_needed for _, was_needed in best) / total)
    return sum(shares) / max(1, len(shares))


def held_out(what: str, cuts: Sequence[Cut], part_of: Callable[[Cut], str]) -> None:
    """Print how well each part is ranked by a fit on the others."""
    parts = sorted({part_of(cut) for cut in cuts})
    scores = []
    for part in parts:
        fitted = fit([cut for cut in cuts if part_of(cut) != part])
        rest = [cut for cut in cuts if part_of(cut) == part]
        scores.append((part, len(rest), found(rest, weigher(fitted))))
    mean = sum(size * score for _, size, score in scores) / len(cuts)
    told = ", ".join(f"{part} {score:.1%}" for part, _, score in scores)
    print(f"other {what} held out: {mean:.1%} ({told})")


def hash_of(text: str) -> int:
    """Return a number that is the same in every run."""
    return sum(place * ord(letter) for place, letter in enumerate(text, 1))


def _names(value: str) -> set[str]:
    vocabulary = Vocabulary()
    return {
        found
        for spelling in spellings(normed(value))
        for found in vocabulary.values_in(spelling)
        if len(vocabulary.values_in(spelling)) == 1
    }


if __name__ == "__main__":
    sys.exit(main())
