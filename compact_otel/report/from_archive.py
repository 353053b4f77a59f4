"""A session from its archive.

An archive holds the history in front of each compaction, what the compaction left, and the events
of those calls. What lies between two compactions is not in it, but can be worked out: the history
grew, and each answer of the model in it was a call.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from compact_otel.archive.opening import Archive
from compact_otel.config import CompactConfig
from compact_otel.core import events
from compact_otel.core.errors import StorageError
from compact_otel.core.items import api_of, role_of
from compact_otel.core.protocols import TokenEstimator
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import CallContext, Checkpoint, FixedTokens, Item, Window
from compact_otel.report.episodes import MOST, Episode, episodes
from compact_otel.report.source import Source, Step, Stretch
from compact_otel.windows import Windows

_DEFAULT_MODEL = "gpt-4o"


def from_archive(
    archive: Archive,
    session_id: str,
    config: CompactConfig,
    estimator: TokenEstimator,
    *,
    model: str | None = None,
    window: int | None = None,
) -> Source:
    """Read a session.

    Args:
        archive: Where it is.
        session_id: Which one.
        config: Says what the events do not.
        estimator: Counts what the events do not tell.
        model: Count for this model; None for the one that the archive names.
        window: Draw this window; None for the one that the events name.

    Raises:
        BadParameter: If there is no such session.
        StorageError: If it cannot be read.
    """
    records = archive.records(session_id)
    told = episodes(archive.storage.load_events(session_id))
    of_step = {episode.step: episode for episode in told if episode.step is not None}
    stored = {one.step for one in records if one.step is not None}
    numbers = sorted(stored.union(of_step))  # what was removed is told of still
    notes: list[str] = []
    stretches = _stretches(_loaded(archive, session_id, numbers), of_step, notes)
    steps = [step for stretch in stretches for step in stretch.steps]
    named = model or _model_of(steps) or config.model or _DEFAULT_MODEL
    items = stretches[-1].items if stretches else ()
    call = CallContext(model=named, api=api_of(items))
    estimate = _last(told, events.TokenEstimate)
    policy, limit = config.settings_for(named, None)
    decided = _last(told, events.TriggerDecision)
    policy = _policy(policy, decided)
    notes += _notes(steps, estimate)
    if told and not steps:
        notes.append("Its transcripts and summaries were removed; only its events are left.")
    return Source(
        kind="archive",
        name=session_id,
        call=call,
        window=_window(named, window or limit, window, estimate, decided),
        policy=policy,
        fixed=_fixed(call, estimator, stretches, estimate),
        stretches=stretches,
        others=[episode for episode in told if episode.step is None],
        notes=notes,
    )


_Loaded = tuple[int, list[Item] | None, Mapping[str, Any] | None]


def _loaded(archive: Archive, session_id: str, numbers: Sequence[int]) -> Iterator[_Loaded]:
    """Yield the transcript and the summary of each step, None for what was removed."""
    storage = archive.storage
    for number in numbers:
        items = _there(storage.load_transcript, session_id, number)
        summary = _there(storage.load_summary, session_id, number)
        if items is not None:  # a line that was changed may be any JSON
            items = [item if isinstance(item, dict) else {} for item in items]
        yield number, items, summary if isinstance(summary, dict) else None


def _there(load: Any, session_id: str, number: int) -> Any:
    try:
        return load(session_id, number)
    except StorageError as error:
        if error.errno == errno.ENOENT:
            return None
        raise


def _stretches(
    loaded: Iterator[_Loaded], of_step: Mapping[int, Episode], notes: list[str]
) -> list[Stretch]:
    """Return the histories of a session; one that does not continue the last one begins anew."""
    stretches: list[Stretch] = []
    held: list[Step] = []  # of which the transcript is gone
    for number, items, summary in loaded:
        step = _step(number, items, summary, of_step.get(number))
        if items is None:
            held.append(step)
            continue
        latest = stretches[-1] if stretches else None
        if latest is None or not _continues(items, latest.items):
            latest = _begun(latest, items)
            stretches.append(latest)
        latest.items = items
        fitting = [one for one in held if 0 < one.length <= len(items)]
        latest.steps += [*fitting, step]
        held = [one for one in held if one not in fitting]
    if held:
        listed = ", ".join(str(step.number) for step in held)
        notes.append(f"Of compaction {listed} the history is gone, so it is not shown.")
    return stretches


def _step(
    number: int,
    items: Sequence[Item] | None,
    summary: Mapping[str, Any] | None,
    episode: Episode | None,
) -> Step:
    record, note, created = None, None, ""
    if summary is not None:
        note = said if isinstance(said := summary.get("note"), str) else None
        created = when if isinstance(when := summary.get("created"), str) else ""
        record = _record(summary)
    return Step(
        number=number,
        length=len(items) if items is not None else _length(record, episode),
        record=record,
        note=note,
        created=created,
        episode=episode,
    )


def _record(summary: Mapping[str, Any]) -> Checkpoint | None:
    """Return what a compaction left, None if what was stored is no such record."""
    try:
        record = Checkpoint.from_dict(summary)
    except (KeyError, TypeError, ValueError):
        return None
    numbers = [record.tokens_before, record.tokens_after, record.covered, record.version]
    numbers += [entry.tokens for entry in record.cleared]
    return record if all(0 <= number <= MOST for number in numbers) else None


def _length(record: Checkpoint | None, episode: Episode | None) -> int:
    """Return how long a history was that is gone."""
    archived = episode.all(events.Archival) if episode else []
    told = [one.messages for one in archived if one.messages]
    return told[0] if told else (record.covered if record else 0)


def _continues(items: Sequence[Item], before: Sequence[Item]) -> bool:
    return len(items) >= len(before) and list(items[: len(before)]) == list(before)


def _begun(before: Stretch | None, items: Sequence[Item]) -> Stretch:
    """Return a history that begins as another one did, and went on in another way."""
    if before is None:
        return Stretch(items=items)
    pairs = zip(items, before.items, strict=False)
    common = next(
        (n for n, (now, then) in enumerate(pairs) if now != then),
        min(len(items), len(before.items)),
    )
    records = [step.record for step in before.steps if step.record is not None]
    fitting = [record for record in records if record.covered <= common]
    return Stretch(items=items, start=common, before=fitting[-1] if fitting else None)


def _model_of(steps: Sequence[Step]) -> str | None:
    models = [step.record.model for step in steps if step.record and step.record.model]
    return models[-1] if models else None


def _last(told: Sequence[Episode], kind: type[Any]) -> Any:
    found = [event for episode in told for event in episode.all(kind)]
    return found[-1] if found else None


def _policy(policy: CompactPolicy, decided: events.TriggerDecision | None) -> CompactPolicy:
    """Return the policy by which the session was compacted, as far as its events tell it."""
    if decided is None:
        return policy
    names = ("trigger_pct", "target_pct", "hard_cap_buffer", "keep_recent_turns")
    known = {name: value for name in names if (value := getattr(decided, name)) is not None}
    try:
        return replace(policy, **known)
    except ValueError:
        return policy


def _window(
    model: str,
    limit: int | None,
    chosen: int | None,
    estimate: events.TokenEstimate | None,
    decided: events.TriggerDecision | None,
) -> Window:
    """Return the window that the calls had; that of the catalogue knows where prices change."""
    believed = Windows().of(model, limit)
    if chosen is not None or estimate is None or believed.size == estimate.window:
        return believed
    limit_told = estimate.window
    if decided is not None and decided.budget and decided.hard_cap_buffer is not None:
        limit_told = min(estimate.window, decided.budget + decided.hard_cap_buffer)
    return Window(
        size=estimate.window, output_reserve=estimate.window - limit_told, source="config"
    )


def _fixed(
    call: CallContext,
    estimator: TokenEstimator,
    stretches: Sequence[Stretch],
    estimate: events.TokenEstimate | None,
) -> FixedTokens:
    """Return what stood beside the items: that is not archived, but its size is in the events."""
    empty = estimator.count_fixed(call)
    if estimate is None or not stretches:
        return empty
    items = stretches[-1].items
    counts = estimator.count_items(items, call)
    spoken = sum(
        count for item, count in zip(items, counts, strict=True) if role_of(item) == "system"
    )
    return FixedTokens(
        instructions=max(0, estimate.system - spoken),
        tools_schema=estimate.tools_schema,
        framing=empty.framing,
    )


def _notes(steps: Sequence[Step], estimate: events.TokenEstimate | None) -> Iterator[str]:
    yield (
        "Calls that were compacted were measured when they were made. Those between them are not "
        "in the archive: their tokens are worked out from the archived history, in which "
        "<REDACTED> stands for secrets."
    )
    yield "What came after the last compaction is not in the archive, so the picture ends there."
    if steps and estimate is None:
        yield "Its events are gone: instructions and tools are not counted."
    if lost := [str(step.number) for step in steps if step.record is None]:
        yield f"What compaction {', '.join(lost)} left is gone: calls after it are counted whole."
