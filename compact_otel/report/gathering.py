"""From a session as it was found to all that is shown of it: counted, and redacted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from compact_otel.core import events
from compact_otel.core.facts.checking import LEDGER
from compact_otel.core.measure import Scale
from compact_otel.core.policy import limits
from compact_otel.core.protocols import TokenEstimator
from compact_otel.core.types import Checkpoint
from compact_otel.redaction import Gate
from compact_otel.redaction.redactor import clean_name
from compact_otel.report.carried import Carried
from compact_otel.report.data import Call, Compaction, Other, Removed, Report, SummaryShown, What
from compact_otel.report.episodes import E, Episode
from compact_otel.report.source import Kind, Seen, Source, Step, Stretch
from compact_otel.report.tally import Tally, fitted
from compact_otel.tokens.figures import spoken, tools_of

_LISTED = 4_000
"""Items that are listed as removed; more would make a page that no phone opens."""
_CHARS = 1_000_000
_SHORTEST, _LONGEST = 120, 600
"""Characters of all removed items together, and of one."""
_SUMMARY_CHARS, _SHORTEST_SUMMARY = 500_000, 1_000
"""Characters of all summaries together, and of one where there are very many."""
_OTHERS = 200
_REDACTED_CHARS = 100_000


def gather(source: Source, estimator: TokenEstimator, gate: Gate, *, redacted: bool) -> Report:
    """Work out a report.

    Args:
        source: The session.
        estimator: Counts tokens.
        gate: What every text passes.
        redacted: Whether that takes secrets out.
    """
    scale = Scale(estimator=estimator, call=source.call, policy=source.policy, window=source.window)
    steps = sum(len(stretch.steps) for stretch in source.stretches)
    room = max(_SHORTEST_SUMMARY, _SUMMARY_CHARS // max(1, steps))
    walk = _Walk(gate=gate, room=room)
    for stretch in source.stretches:
        walk.through(stretch, Tally(stretch.items, scale, source.fixed))
    return Report(
        kind=source.kind,
        name=clean_name(gate, source.name),
        model=clean_name(gate, str(source.call.model)),
        window=source.window,
        limits=limits(source.policy, source.window),
        calls=tuple(walk.calls),
        compactions=tuple(_with_calls_after(source.kind, walk)),
        removed=tuple(_shown(walk.gone[-_LISTED:], len(walk.gone), gate)),
        removed_in_all=len(walk.gone),
        others=tuple(_others(source.others, gate)),
        notes=(*source.notes, *_notes(source, walk.deviations)),
        redacted=redacted,
    )


@dataclass(frozen=True, slots=True)
class _Gone:
    stretch: Stretch
    tally: Tally
    index: int
    compaction: int
    what: What
    tool: str | None


@dataclass(slots=True, kw_only=True)
class _Walk:
    """Goes through a session call by call."""

    gate: Gate
    room: int
    calls: list[Call] = field(default_factory=list)
    compactions: list[Compaction] = field(default_factory=list)
    gone: list[_Gone] = field(default_factory=list)
    deviations: list[float] = field(default_factory=list)

    def through(self, stretch: Stretch, tally: Tally) -> None:
        """Take in a history."""
        tools = tools_of(stretch.items)
        carried = Carried()
        record = stretch.before
        at: dict[int, list[Step]] = {}
        for step in stretch.steps:
            at.setdefault(step.length, []).append(step)
        for seen in stretch.calls():
            number, steps = len(self.calls) + 1, at.get(seen.length, [])
            measured = seen.tokens
            for step in steps:
                gone = self._gone(stretch, tally, tools, record, step)
                carried.add(spoken(stretch.items[one.index]) for one in gone)
                made = _made(
                    step,
                    tally,
                    call=number,
                    before=record,
                    gone=gone,
                    summary=_summary(step, self.gate, carried, self.room),
                    gate=self.gate,
                )
                if step.episode is not None and made.tokens_before:
                    counted = sum(tally.layers(step.length, record).values())
                    self.deviations.append(abs(counted / made.tokens_before - 1))
                record = step.record or record
                if step.episode is not None or step.record is not None:
                    measured = made.tokens_after
                self.compactions.append(made)
                self.gone += gone
            self.calls.append(
                _call(number, seen, tally, record=record, measured=measured, steps=steps)
            )

    @staticmethod
    def _gone(
        stretch: Stretch,
        tally: Tally,
        tools: Sequence[str | None],
        before: Checkpoint | None,
        step: Step,
    ) -> list[_Gone]:
        """Return what a compaction removed that was there before."""
        if step.record is None:
            return []
        was, lines_before = _visible(before, step.length)
        now, lines = _visible(step.record, step.length)
        whats: dict[int, What] = dict.fromkeys(was - now, "summarised")
        whats |= dict.fromkeys(lines - lines_before, "cleared")
        return [
            _Gone(stretch, tally, index, step.number, whats[index], tools[index])
            for index in sorted(whats)
        ]


def _visible(record: Checkpoint | None, length: int) -> tuple[set[int], set[int]]:
    """Return the items that stay, and the cleared ones among them."""
    if record is None:
        return set(range(length)), set()
    kept = {index for index in record.kept if index < length}
    cleared = {entry.index for entry in record.cleared if entry.index < length}
    return kept | set(range(record.covered, length)), cleared


def _call(
    number: int,
    seen: Seen,
    tally: Tally,
    *,
    record: Checkpoint | None,
    measured: int | None,
    steps: Sequence[Step],
) -> Call:
    layers = tally.layers(seen.length, record)
    return Call(
        number=number,
        items=seen.length,
        tokens=sum(layers.values()) if measured is None else measured,
        tokens_whole=tally.whole(seen.length),
        layers=layers if measured is None else fitted(layers, measured),
        compactions=tuple(step.number for step in steps),
        measured=measured is not None,
    )


def _made(
    step: Step,
    tally: Tally,
    *,
    call: int,
    before: Checkpoint | None,
    gone: Sequence[_Gone],
    summary: SummaryShown | None,
    gate: Gate,
) -> Compaction:
    told = step.episode or _NOTHING
    applied = told.first(events.PolicyApplied)
    decided = told.first(events.TriggerDecision)
    layers_before = tally.layers(step.length, before)
    layers_after = tally.layers(step.length, step.record)
    known = applied or step.record
    tokens_before = known.tokens_before if known else sum(layers_before.values())
    tokens_after = known.tokens_after if known else sum(layers_after.values())
    record = step.record
    return Compaction(
        number=step.number,
        call=call,
        when=told.when or step.created,
        trigger=decided.trigger if decided else None,
        reason=decided.reason if decided else None,
        note=None if step.note is None else str(gate.value(step.note)),
        tokens_before=tokens_before,
        tokens_after=tokens_after,
        layers_before=fitted(layers_before, tokens_before),
        layers_after=fitted(layers_after, tokens_after),
        items_before=applied.messages_before if applied else None,
        items_after=applied.messages_after if applied else None,
        summarised=_count(gone, "summarised") if record else None,
        cleared=_count(gone, "cleared") if record else None,
        stands_for=record.covered - len(record.kept) if record else None,
        stayed=_clean(told.first(events.PrunedMessages), gate),
        policy=applied,
        summary=summary,
        cache=next((one for one in told.all(events.CacheEffect) if one.phase == "expected"), None),
        calls_after=0,
        failures=tuple(told_of(one, gate) for one in told.all(events.Failure)),
        rescue=told.first(events.Rescue),
    )


def _count(gone: Sequence[_Gone], what: What) -> int:
    return sum(one.what == what for one in gone)


def _summary(step: Step, gate: Gate, carried: Carried, room: int) -> SummaryShown | None:
    record, told = step.record, step.episode or _NOTHING
    if record is None or record.summary is None:
        return None
    text = str(gate.value(record.summary))
    prose, found, put_back = text.rpartition(f"{LEDGER}\n")
    if not found:
        prose, put_back = text, ""
    prose, put_back = prose.strip(), put_back.strip()
    left_out = max(0, len(prose) - room) + max(0, len(put_back) - room)
    prose, put_back = prose[:room], put_back[:room]
    created = [one for one in told.all(events.SummaryCreated) if one.version == record.version]
    return SummaryShown(
        version=record.version,
        strategy=clean_name(gate, record.strategy),
        prose=prose,
        put_back=put_back,
        left_out=left_out,
        carried=tuple(carried.places_in(prose)),
        created=_clean(created[-1], gate) if created else None,
    )


_NOTHING = Episode(when="", told=())


def _clean(event: E | None, gate: Gate) -> E | None:
    """Return an event without secrets in its names and labels."""
    if event is None:
        return None
    values = {one.name: getattr(event, one.name) for one in fields(event)}
    texts = {name: clean_name(gate, text) for name, text in values.items() if isinstance(text, str)}
    return replace(event, **texts)


def _with_calls_after(kind: Kind, walk: _Walk) -> Iterator[Compaction]:
    """Yield compactions with how many calls each was in force for; what was played has no time."""
    ends = [*(one.call for one in walk.compactions), len(walk.calls) + 1][1:]
    for one, end in zip(walk.compactions, ends, strict=bool(walk.compactions)):
        when = "" if kind == "replay" else one.when
        yield replace(one, calls_after=end - one.call, when=when)


def _notes(source: Source, deviations: Sequence[float]) -> Iterator[str]:
    """Yield how far off is what was worked out, as far as that can be told."""
    if source.kind == "archive" and deviations:
        yield (
            "Where a call was measured as well, what is worked out for it differs by at most "
            f"{max(deviations):.1%}."
        )
    items = (item for stretch in source.stretches for item in stretch.items)
    if any(item.get("type") == "compaction" for item in items):
        yield "What stands in front of a compaction of the provider's own is counted as nothing."


def _shown(gone: Sequence[_Gone], in_all: int, gate: Gate) -> Iterator[Removed]:
    """Yield what was removed, with as much of each text as there is room for."""
    room = min(_LONGEST, max(_SHORTEST, _CHARS // max(1, in_all)))
    for one in gone:
        item = one.stretch.items[one.index]
        said = spoken(item)
        text = str(gate.value(said[:_REDACTED_CHARS]))
        more = len(text) - room if len(text) > room else 0
        yield Removed(
            index=one.index,
            compaction=one.compaction,
            what=one.what,
            kind=_kind(item, gate),
            tool=None if one.tool is None else clean_name(gate, one.tool),
            tokens=one.tally.tokens[one.index],
            text=text[:room],
            left_out=more + max(0, len(said) - _REDACTED_CHARS),
        )


def _kind(item: Mapping[str, Any], gate: Gate) -> str:
    name = item.get("role") or item.get("type")
    return clean_name(gate, name) if isinstance(name, str) else "?"


def _others(others: Sequence[Episode], gate: Gate) -> list[Other]:
    """Return what happened in calls that were not compacted; of very much, the newest."""
    told = list(_told(others, gate))
    if len(told) <= _OTHERS:
        return told
    return [Other(when="", what=f"{len(told) - _OTHERS:,} earlier ones."), *told[-_OTHERS:]]


def _told(others: Sequence[Episode], gate: Gate) -> Iterator[Other]:
    for episode in others:
        decided = episode.first(events.TriggerDecision)
        for created in episode.all(events.SummaryCreated):
            yield Other(
                when=episode.when,
                what=f"A summary was written ahead of time ({created.input_messages} items).",
            )
        for failure in episode.all(events.Failure):
            yield Other(when=episode.when, what=told_of(failure, gate))
        if decided is None:
            continue
        why = clean_name(gate, decided.reason).replace("_", " ")
        if decided.decision == "skip":
            yield Other(when=episode.when, what=f"A call was let through: {why}.")
        elif episode.first(events.PolicyApplied) is not None:
            said = f"A call was compacted ({why}), and its history was not stored."
            yield Other(when=episode.when, what=said)
        elif not episode.all(events.Failure) and not episode.all(events.SummaryCreated):
            said = f"A compaction was asked for ({why}), and nothing could be removed."
            yield Other(when=episode.when, what=said)


def told_of(failure: events.Failure, gate: Gate) -> str:
    """Return what went wrong and what was done, in a sentence."""
    why = f": {gate.value(failure.message)}" if failure.message else ""
    kind = clean_name(gate, failure.error_type)
    return f"{failure.stage} failed ({kind}{why}); then: {failure.fallback.replace('_', ' ')}."
