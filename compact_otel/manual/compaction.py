"""One compaction by hand of a call in a file, and what became of each of its items.

All three commands come through here, so what one of them announces is what another one does. The
compaction is the manager's own; here it is only told apart. Without a session to archive it under
it is a rehearsal: nothing is written, no model is asked, and no telemetry tells of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from opentelemetry._logs import NoOpLoggerProvider
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

from compact_otel.adapters.memory import MemoryStorage
from compact_otel.config import CompactConfig, replace_fields
from compact_otel.core import clearing, events
from compact_otel.core.assemble import View, replay, whole
from compact_otel.core.errors import CompactError, InsufficientBudget, StorageError
from compact_otel.core.grounds import grounds
from compact_otel.core.settings import CompactPolicy, Strategy
from compact_otel.core.types import CompactResult, Item
from compact_otel.core.types import Outcome as Ending
from compact_otel.engine.parts import storage_of
from compact_otel.manager import CompactManager
from compact_otel.manual.recording import Anew, Events
from compact_otel.manual.target import aimed_for, aiming
from compact_otel.schema import SCHEMA
from compact_otel.summarizers.extractive import ExtractiveSummarizer
from compact_otel.tokens.figures import Figures, figures_of, measured, shown_name, tools_of
from compact_otel.tokens.opening import Opened, quiet

_LARGEST = 3
_REHEARSAL = "rehearsal"


class ImpossibleError(Exception):
    """It cannot be compacted. The message is for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one item.

    Attributes:
        index: Its place in the file, from 0.
        fate: Whether it stays as it is, stays with a line instead of its text, or goes and the
            summary stands for it.
        why: The reason, in a word or two: a `core.grounds.Ground`, or a `core.clearing.Why`.
        tokens: What it costs before.
        tokens_after: What it costs after.
        type: Its `type`, None if it has none.
        role: Its role, None if it has none.
        tool: Name of the tool that it calls or answers for, None without one.
    """

    index: int
    fate: Literal["kept", "cleared", "summarised"]
    why: str
    tokens: int
    tokens_after: int
    type: str | None
    role: str | None
    tool: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryMade:
    """The summary that stands for what goes.

    Attributes:
        text: Its text, without the frame.
        version: The N of its frame.
        tokens: Of the message, frame included.
        before: How many of the kept items of the list stand in front of it.
        strategy: What it puts first.
        summarizer: Who wrote it; None if it is only a note that items are gone.
        model: The model that wrote it, None if no model was asked.
        facts_found: Facts that it should hold, None if they were not looked at.
        facts_kept: Those that it holds.
    """

    text: str
    version: int
    tokens: int
    before: int
    strategy: str
    summarizer: str | None
    model: str | None
    facts_found: int | None
    facts_kept: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepCounts:
    """How many turns and tool calls stay, after so many steps at which both were reduced."""

    recent_turns: int
    tool_io_pairs: int
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a compaction comes to.

    Attributes:
        call: The call.
        outcome: `compacted`, `fallback` (not by whom it should have been) or `noop` (nothing can
            be gained, all stays).
        items: The items after it.
        view: What of the list stays, by index into it.
        before: The call's figures.
        after: The figures of the call with `items`.
        aim: The tokens that were aimed for.
        fates: What becomes of each item of the file.
        summary: The summary, None if there is none.
        policy: The policy.
        kept_by: The keep counts in force.
        archive: Where the history was stored, None if it was not.
        archive_error: Why it was not; None if it was, or was not to be.
        failures: What failed on the way, and what was done instead.
    """

    call: Opened
    outcome: Ending
    items: Sequence[Item]
    view: View
    before: Figures
    after: Figures
    aim: int
    fates: Sequence[Fate]
    summary: SummaryMade | None
    policy: CompactPolicy
    kept_by: KeepCounts
    archive: str | None
    archive_error: str | None
    failures: Sequence[str]


def compacted(
    call: Opened,
    config: CompactConfig,
    *,
    strategy: Strategy | None = None,
    target: float | int | None = None,
    note: str | None = None,
    session_id: str | None = None,
    heard: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Compact a call.

    Args:
        call: The call.
        config: The settings.
        strategy: Instead of that of the settings.
        target: Instead of that of the settings: a share, or tokens.
        note: What the user says about it.
        session_id: Under which the archive keeps what goes; None for a rehearsal.
        heard: Is told the name of each event, as it comes.

    Raises:
        ImpossibleError: If it cannot be done.
        TargetError: If no compaction can aim for `target`.
        ConfigError: If a package is missing that the settings need.
        RuntimeError: If the vocabulary in the installed package is damaged.
    """
    before = figures_of(call.found, call.scale)
    state = measured(call.found, call.scale)
    policy = aiming(state, target)
    policy = replace(policy, strategy=strategy or policy.strategy)
    scale = replace(call.scale, policy=policy)
    told = Events(heard)
    result, storage = _carried_out(call, config, policy, told, note=note, session_id=session_id)
    items: Sequence[Item] = result.messages
    view = whole(call.found.items)
    if storage.checkpoint is not None:
        view = replay(call.found.items, storage.checkpoint)
    applied = told.last(_name(events.PolicyApplied))
    kept_by = KeepCounts(
        recent_turns=applied.get("compact.policy.keep_recent_turns", policy.keep_recent_turns),
        tool_io_pairs=applied.get("compact.policy.keep_tool_io_pairs", policy.keep_tool_io_pairs),
        steps=applied.get("compact.reduction.step", 0),
    )
    is_kept = session_id is not None and keeps(config)
    return Outcome(
        call=call,
        outcome=result.outcome,
        items=items,
        view=view,
        before=before,
        after=figures_of(replace(call.found, items=items), scale),
        aim=aimed_for(state, policy),
        fates=_fates(call, view, policy, kept_by),
        summary=_summary(call, result, view, told.last(_name(events.SummaryCreated)), policy),
        policy=policy,
        kept_by=kept_by,
        archive=result.archive if is_kept else None,
        archive_error=_archive_error(told, storage) if is_kept else None,
        failures=list(_failures(told)),
    )


def keeps(config: CompactConfig) -> bool:
    """Say whether what the settings name as a storage outlives a command."""
    return config.storage.adapter in ("fs", "s3")


def _archive_error(told: Events, storage: Anew) -> str | None:
    reason: str | None = told.last(_name(events.Archival)).get("error.type")
    error = storage.error
    if reason is not None and isinstance(error, StorageError):
        return error.strerror or str(error)
    return reason


def _name(event: type[events.Event]) -> str:
    return SCHEMA[event].name


def _carried_out(
    call: Opened,
    config: CompactConfig,
    policy: CompactPolicy,
    told: Events,
    *,
    note: str | None,
    session_id: str | None,
) -> tuple[CompactResult, Anew]:
    _, limit = config.settings_for(call.model, None)
    settled = replace_fields(
        config, policy=policy, max_context_tokens=limit, model=call.model, models={}, agents={}
    )
    is_kept = session_id is not None and keeps(settled)
    kept = storage_of(settled, settled.redaction.gate()) if is_kept else None
    storage = Anew(kept or MemoryStorage())
    silent: dict[str, Any] = {
        "summarizer": ExtractiveSummarizer(),
        "tracer_provider": NoOpTracerProvider(),
        "meter_provider": NoOpMeterProvider(),
        "logger_provider": NoOpLoggerProvider(),
    }
    with quiet():  # what is logged is in the outcome
        manager = CompactManager(
            settled,
            storage=storage,
            exporters=(told,),
            **(silent if session_id is None else {}),
        )
        try:
            result = manager.manual_compact(
                session_id or _REHEARSAL,
                list(call.found.items),
                note or "manual",
                call=call.scale.call,
            )
        except InsufficientBudget as error:
            raise ImpossibleError(_in_the_way(call, policy, error)) from error
    if result.outcome == "error":
        problem = result.error
        said = str(problem) if isinstance(problem, CompactError) else type(problem).__name__
        raise ImpossibleError(f"it cannot be compacted: {said}") from problem
    if storage.checkpoint is None and result.outcome != "noop":
        # What cannot be stored waits in the manager, and is not given to a storage.
        storage.checkpoint = manager._service.in_force(session_id or _REHEARSAL)  # noqa: SLF001
    return result, storage


def _in_the_way(call: Opened, policy: CompactPolicy, error: InsufficientBudget) -> str:
    """Say what of that which must stay is the largest."""
    items, counts = call.found.items, call.scale.items(call.found.items)
    tools = tools_of(items)
    why = grounds(items, range(len(items)), policy, keep_recent_turns=0, keep_tool_io_pairs=0)
    staying = [index for index, reason in enumerate(why) if reason != "room"]
    listed = []
    for index in sorted(staying, key=lambda index: -counts[index])[:_LARGEST]:
        names = (shown_name(items[index].get(key)) for key in ("role", "type"))
        what = " ".join(filter(None, (*names, tools[index])))
        listed.append(
            f"item {index + call.found.first} ({what}, {why[index]}) has {counts[index]:,}"
        )
    listed.append(f"instructions and tools have {call.scale.fixed().total:,}")
    return (
        f"what must stay does not fit: it needs {error.needed:,} tokens, and {error.budget:,} are "
        f"allowed. In the way: {'; '.join(listed)}. Shorten or unprotect one of these, or use a "
        "larger window (--window, --model)"
    )


def _fates(call: Opened, view: View, policy: CompactPolicy, kept_by: KeepCounts) -> list[Fate]:
    items, first = call.found.items, call.found.first
    counts, tools = call.scale.items(items), tools_of(items)
    kept, cleared = frozenset(view.kept), {entry.index: entry for entry in view.cleared}
    why = grounds(
        items,
        kept,
        policy,
        keep_recent_turns=kept_by.recent_turns,
        keep_tool_io_pairs=kept_by.tool_io_pairs,
    )
    fates = []
    if first:  # the system message that begins a Chat request
        tokens = call.scale.fixed().instructions
        fates.append(
            Fate(
                index=0, fate="kept", why="instruction", tokens=tokens, tokens_after=tokens,
                type=None, role="system", tool=None,
            )
        )  # fmt: skip
    for index, item in enumerate(items):
        entry = cleared.get(index)
        fate: Literal["kept", "cleared", "summarised"] = "summarised"
        reason: str = why[index]
        tokens_after = 0
        if entry is not None:
            fate, reason, tokens_after = "cleared", clearing.why(entry), entry.tokens
        elif index in kept:
            fate, tokens_after = "kept", counts[index]
        fates.append(
            Fate(
                index=index + first,
                fate=fate,
                why=reason,
                tokens=counts[index],
                tokens_after=tokens_after,
                type=shown_name(item.get("type")),
                role=shown_name(item.get("role")),
                tool=tools[index],
            )
        )
    return fates


def _summary(
    call: Opened,
    result: CompactResult,
    view: View,
    created: Mapping[str, Any],
    policy: CompactPolicy,
) -> SummaryMade | None:
    if view.summary is None:
        return None
    return SummaryMade(
        text=view.summary,
        version=view.version,
        tokens=sum(call.scale.items([result.messages[view.before_summary]])),
        before=view.before_summary,
        strategy=policy.strategy,
        summarizer=created.get("compact.summarizer.name"),
        model=created.get("compact.summary.model"),
        facts_found=created.get("compact.summary.facts_found"),
        facts_kept=created.get("compact.summary.facts_kept"),
    )


def _failures(told: Events) -> list[str]:
    return [
        f"{one['compact.failure.message']} ({one['error.type']}); "
        f"instead: {one['compact.failure.fallback']}"
        for one in told.named(_name(events.Failure))
        if one["compact.failure.stage"] != "archive"  # which is told apart
    ]
