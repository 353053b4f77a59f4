"""Facts: what the part of a history that goes has to tell, and what a summary of it holds of that.

A fact is a value that cannot be guessed, with what it belongs to. It is held by a summary where
the value stands in it; a number, a date or a short code, which says nothing by itself, only where
what it belongs to stands beside it. What is missing is put back in a ledger under the prose: whole
units, so that every value stands with its entity, best first. Whoever wrote the prose, and however
badly, the facts are then there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from compact_otel.core.facts import shares
from compact_otel.core.facts.constraints import Strength
from compact_otel.core.facts.fitting import fill
from compact_otel.core.facts.reading import text_of
from compact_otel.core.facts.rendering import render, safe
from compact_otel.core.facts.salience import Salience, Vocabulary
from compact_otel.core.facts.selection import Chooser
from compact_otel.core.facts.shares import fitting, rate_of, users_words
from compact_otel.core.facts.splitting import split
from compact_otel.core.facts.units import Subject, Unit, one_line, sentences_of
from compact_otel.core.types import Coverage, Summary, SummaryRequest

LEDGER = "## Facts from the record"
"""The line between a summary's prose and what was put back."""

_CHARS_PER_TOKEN = 4
# In so few tokens a heading is too dear.
_TINY = 160
# Estimates run up to this much above the true count; what is too much is cut when it is counted.
_OVERSHOOT = 1.4
# A fact with what binds it takes about so many tokens: no summary is blamed for what it cannot
# hold.
_TOKENS_PER_FACT = 16
# So much of the facts in a summary is as good as all of them.
_NEARLY_ALL = 0.97
# Forms below this weight say nothing by themselves: numbers, dates, short codes.
_SPEAKS_FOR_ITSELF = 4.0


@dataclass(frozen=True, slots=True)
class Verified(Summary):
    """A summary whose facts were looked at when it was made.

    Attributes:
        coverage: What it holds.
    """

    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Repaired:
    """A summary's text with what it lacked, and what it holds.

    Attributes:
        text: The text; as it was where nothing was missing or nothing more fitted.
        coverage: What it held before, and holds now.
    """

    text: str
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class _Known:
    """A history that was read.

    Attributes:
        vocabulary: Its words.
        units: What can be kept of the part that goes.
        salience: What is at stake.
        stressed: The same for a ledger, which has the salient facts first.
        staying: Values that stand in what stays.
        said_again: Whether what stays says all that the units do.
        salient: The facts a summary is held against, with their weights.
        owners: For those that say nothing by themselves, the values of what each belongs to.
        rate: Tokens that the request counts for one that is estimated.
        room: Estimated tokens that the summary may have.
    """

    vocabulary: Vocabulary
    units: list[Unit]
    salience: Salience
    stressed: Salience
    staying: frozenset[str]
    said_again: bool
    salient: dict[str, float]
    owners: dict[str, list[tuple[str, ...]]]
    rate: float
    room: float


class Facts:
    """The facts of one request for a summary. The history is read once, when they are first used.

    Args:
        request: The request, with the whole budget in `max_tokens`.
    """

    def __init__(self, request: SummaryRequest) -> None:
        self._request = request
        self._read: _Known | None = None

    def missing(self, text: str, most: int) -> tuple[str, ...]:
        """Return at most so many things a text lacks, best first, as `entity: attribute value`."""
        held = self._held(text)
        wanted = self._known.salient.keys() - held
        chooser = Chooser(self._known.units, self._known.stressed, self._known.staying | held)
        chooser.take_best(self._known.room)
        found: list[str] = []
        for unit in chooser.chosen:
            if len(found) == most:
                break
            if values := wanted & _values_of([unit]):
                wanted -= values
                found.append(safe(_line(unit)))
        return tuple(found)

    @property
    def are_said_again(self) -> bool:
        """Whether there is something that stays, and it says what the words of what goes tell."""
        return bool(self._request.kept) and self._known.said_again

    def note(self) -> Verified:
        """Return the facts alone as a summary: the best that fits; empty if nothing does."""
        request = self._request
        ranked = self._chosen(self._known.salience, request.max_tokens)
        strategy = request.strategy if self._known.room > _TINY else "brief"
        text, taken = fill(
            ranked, lambda units: render(units, strategy), request.count_text, request.max_tokens
        )
        held = _values_of(taken)
        if not text and ranked:
            text = self._cut(ranked[0])
            held = set(self._known.vocabulary.values_in(text))
        return Verified(text, coverage=self._told(held, held))

    def repaired(self, text: str, floor: float = 0.0) -> Repaired:
        """Return a summary's text with a ledger of what it lacks, within the request's budget.

        Repairing what was repaired gives the same text.

        Args:
            text: What was written.
            floor: What holds less than this share of the facts gives way to the ledger where there
                is no room for both.
        """
        head, found, ledger = text.rpartition(f"{LEDGER}\n")
        if found and ledger and (not head or head.endswith("\n\n")):
            again = self._repaired(head.rstrip(), floor)
            if again.text == text:
                return again
        # Not ours: a heading that was copied or forged is no more than a line of the text.
        return self._repaired(text.replace(LEDGER, LEDGER.lstrip("# ")), floor)

    def _repaired(self, written: str, floor: float) -> Repaired:
        prose = safe(written).strip()
        held = self._held(prose)
        if held >= self._known.salient.keys():
            return Repaired(written, self._told(held, held))
        best = self._with_ledger(prose, held) or Repaired(written, self._told(held, held))
        # By weight a long tail of facts is next to nothing; to the next call it may be everything.
        kept = min(best.coverage.after, best.coverage.facts_after / best.coverage.facts)
        if best.coverage.before < floor and kept < _NEARLY_ALL:
            alone = self._with_ledger("", set())
            if alone and alone.coverage.after > best.coverage.after:
                told = replace(
                    alone.coverage,
                    before=best.coverage.before,
                    facts_before=best.coverage.facts_before,
                )
                return Repaired(alone.text, told)
        return best

    def _with_ledger(self, prose: str, held: set[str]) -> Repaired | None:
        """Return a text with as much of what it lacks as fits, None if nothing does."""
        request = self._request
        head = f"{prose}\n\n{LEDGER}\n" if prose else f"{LEDGER}\n"
        room = request.max_tokens - request.count_text(head)
        ranked = self._chosen(self._known.stressed, room, prose, held) if room > 0 else []
        text, taken = fill(
            ranked,
            lambda units: head + render(units, "brief", pinned=False),
            request.count_text,
            request.max_tokens,
        )
        after = held | _values_of(taken)
        return Repaired(text, self._told(held, after)) if text else None

    def _chosen(
        self,
        salience: Salience,
        max_tokens: float,
        prose: str = "",
        held: Iterable[str] = frozenset(),
    ) -> list[Unit]:
        """Return more than fits of what is worth most beside a text, best first."""
        room = max_tokens / self._known.rate
        chooser = Chooser(self._known.units, salience, self._known.staying.union(held))
        spoken = one_line(prose)
        units = [unit for unit in self._known.units if unit.text and unit.text not in spoken]
        pinned = room * shares.demanded(room)
        demanded = [one for one in units if one.pin >= Strength.WISH]
        for unit in fitting(demanded, pinned):
            chooser.take(unit)
        likely = [one for one in units if one.pin == Strength.LIKELY]
        for unit in fitting(likely, min(pinned - chooser.cost, room * shares.LIKELY)):
            chooser.take(unit)
        if not prose:  # beside a text what users settled is a fact like others
            settled = [one for one in units if one.pin == Strength.HINT and one.subject.turn]
            for unit in fitting(settled, room * shares.SETTLED):
                chooser.take(unit)
        for unit in users_words(units, self._for_users(room) - chooser.cost):
            chooser.take(unit)
        chooser.take_best(room * _OVERSHOOT)
        return chooser.chosen

    def _for_users(self, room: float) -> float:
        """Return the tokens for what users said, of a request that holds some of it anyway."""
        kept = user = 0.0
        for item in self._request.kept:
            tokens = len(text_of(item)) / _CHARS_PER_TOKEN
            kept += tokens
            user += tokens if item.get("role") == "user" else 0.0
        share = (room + kept) * shares.WRITTEN - user
        return max(0.0, min(share, room * shares.WRITTEN_MOST))

    @property
    def _known(self) -> _Known:
        # No cached_property: its lock, in Python 3.11, is the class's, and a child that is forked
        # while another thread reads a history would wait for ever.
        if self._read is None:
            self._read = self._understood()
        return self._read

    def _understood(self) -> _Known:
        request, vocabulary = self._request, Vocabulary()
        units, staying = split(request, vocabulary)
        salience = Salience(
            vocabulary,
            length=len(request.items) + len(request.kept),
            note=frozenset(vocabulary.values_in(request.note or "")),
        )
        salience.learn([*units, *staying])
        rate = rate_of(units, request.count_text)
        room = request.max_tokens / rate
        stay = frozenset(_values_of(staying))
        weights = {value: salience.weight(value) for value in _values_of(units) - stay}
        ranked = sorted(
            filter(salience.is_telling, weights),
            key=lambda value: (-weights[value], value),
        )
        salient = {value: weights[value] for value in ranked[: int(room // _TOKENS_PER_FACT)]}
        salience.settle(list(salient.values()))
        owners = _owners(units, salient, vocabulary)
        return _Known(
            vocabulary,
            units,
            salience,
            salience.stressing(salient),
            stay,
            _are_said_again(units, staying),
            salient,
            owners,
            rate,
            room,
        )

    def _held(self, text: str) -> set[str]:
        """Return the values that a text holds."""
        known = self._known
        places: dict[str, set[int]] = {}
        sentences = [part for line in text.splitlines() for part in sentences_of(one_line(line))]
        for place, sentence in enumerate(sentences):
            for value in known.vocabulary.values_in(sentence):
                places.setdefault(value, set()).add(place)
        held = set(places)
        for value in held & known.owners.keys():
            near = {place + step for place in places[value] for step in (-1, 0, 1)}
            names = (name for names in known.owners[value] for name in names)
            if all(near.isdisjoint(places.get(name, ())) for name in names):
                held.remove(value)
        return held

    def _told(self, before: set[str], after: set[str]) -> Coverage:
        salient = self._known.salient.keys()
        return Coverage(
            facts=len(salient),
            facts_before=len(salient & before),
            facts_after=len(salient & after),
            before=self._share(before),
            after=self._share(after),
        )

    def _share(self, held: set[str]) -> float:
        salient = self._known.salient
        total = sum(salient.values())
        kept = sum(weight for value, weight in salient.items() if value in held)
        return kept / total if total else 1.0

    def _cut(self, unit: Unit) -> str:
        """Return the beginning of a unit, for a budget that holds none whole."""
        text = safe(render([unit], "brief"))
        while text and self._request.count_text(text) > self._request.max_tokens:
            text = text[: len(text) // 2].rstrip()
        return text


def _values_of(units: Iterable[Unit]) -> set[str]:
    found: set[str] = set()
    for unit in units:
        found.update(unit.values)
        subject: Subject | None = unit.subject
        while subject is not None:
            found.update(subject.values)
            subject = subject.parent
    return found


def _are_said_again(units: Iterable[Unit], staying: Iterable[Unit]) -> bool:
    """Say whether of units no more is left than the names of calls that stand in what stays, too.

    What else is said again is no unit any more.
    """
    named = {unit.subject.label for unit in staying}
    return all(not unit.text and unit.subject.label in named for unit in units)


def _owners(
    units: Iterable[Unit], salient: Iterable[str], vocabulary: Vocabulary
) -> dict[str, list[tuple[str, ...]]]:
    """Return what those facts belong to that say nothing by themselves.

    A value that was also said of nothing in particular needs nothing beside it.
    """
    weak = {value for value in salient if vocabulary.form_weights[value] < _SPEAKS_FOR_ITSELF}
    owners: dict[str, list[tuple[str, ...]]] = {value: [] for value in weak}
    free: set[str] = set()
    for unit in units:
        concerned = weak.intersection(unit.values)
        if not concerned:
            continue
        subject = unit.subject
        names = subject.values or (subject.parent.values if subject.parent else ())
        for value in concerned:
            if others := tuple(name for name in names if name != value):
                owners[value].append(others)
            else:
                free.add(value)
    return {value: names for value, names in owners.items() if names and value not in free}


def _line(unit: Unit) -> str:
    labels = [unit.subject.label]
    if unit.subject.parent is not None:
        labels.insert(0, unit.subject.parent.label)
    label = ", ".join(filter(None, labels))
    return f"{label}: {unit.text}" if label and unit.text else label or unit.text
