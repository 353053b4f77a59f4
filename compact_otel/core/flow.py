"""One compaction from beginning to end, as a generator that yields what it needs from outside.

The algorithm exists once; who drives it decides whether it waits in a thread or in an event loop
(`compact_otel.manager`). The generator yields

* an `Event`: tell whoever listens; answer None;
* `LoadCheckpoints`: put what the storage knows of the session into the ledger; answer None;
* `Summarize`: ask summariser number `attempt`; answer a `Summary` or a string;
* `SaveTranscript`: store the history as it was; answer an `ArchiveReceipt`;
* `SaveSummary`, `SaveCheckpoint`: store what came out; answer None.

The driver throws what went wrong into the generator, and the generator decides what happens
instead. It does not raise: on a failure the view it returns is the one it was to improve.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from compact_otel.core import events
from compact_otel.core.assemble import View, replay, whole
from compact_otel.core.errors import (
    InsufficientBudget,
    StorageError,
    SummaryError,
    VerificationError,
)
from compact_otel.core.history import History, Recollection
from compact_otel.core.items import is_protected, label_of
from compact_otel.core.ledger import Ledger
from compact_otel.core.measure import Measured, Scale
from compact_otel.core.policy import SMALLEST_SUMMARY, Plan, make_plan
from compact_otel.core.summary import Made, ask, usable
from compact_otel.core.types import (
    ArchiveReceipt,
    Checkpoint,
    Item,
    Outcome,
    SummaryRequest,
    TriggerType,
)
from compact_otel.core.verify import verify


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a compaction is asked to do, with everything it may use.

    Attributes:
        items: The history as it came, as mappings to read.
        scale: What it is measured with, and the policy.
        trigger: Who asks.
        ledger: Earlier compactions.
        memory: The history, with what is known of it from its last call.
        summarizers: Names of the summarisers, in the order in which they are asked.
        storage: Name of the storage adapter, None if nothing is stored.
        new_id: Makes a random id.
        stand_back: Why the call is not ours to change, None if it is.
        on_insufficient: What the caller does if what must stay does not fit.
        note: What the caller said, by hand.
        rescue: What the provider refused, if this is a second attempt.
    """

    items: Sequence[Item]
    scale: Scale
    trigger: TriggerType
    ledger: Ledger
    memory: Recollection
    summarizers: Sequence[str]
    storage: str | None
    new_id: Callable[[], str]
    stand_back: str | None = None
    on_insufficient: Literal["passthrough", "raise"] = "passthrough"
    note: str | None = None
    rescue: events.Rescue | None = None


@dataclass(frozen=True, slots=True)
class LoadCheckpoints:
    """Put the session's stored checkpoints into the ledger."""


@dataclass(frozen=True, slots=True)
class Summarize:
    """Ask a summariser."""

    request: SummaryRequest
    attempt: int


@dataclass(frozen=True, slots=True)
class SaveTranscript:
    """Store the history as it is before the compaction."""


@dataclass(frozen=True, slots=True)
class SaveSummary:
    """Store a summary with its figures, beside the transcript of the same step."""

    step: int
    checkpoint: Checkpoint
    dropped: Sequence[int]


@dataclass(frozen=True, slots=True)
class SaveCheckpoint:
    """Hold a checkpoint, and store it if there is a storage."""

    checkpoint: Checkpoint


Effect = events.Event | LoadCheckpoints | Summarize | SaveTranscript | SaveSummary | SaveCheckpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowResult:
    """What came out; the fields mean what they mean in `CompactResult`.

    `history` is what the next call may start from, with the compaction in force; None if nothing
    was learned.
    """

    view: View
    outcome: Outcome
    tokens_before: int = 0
    tokens_after: int = 0
    error: Exception | None = None
    archive: ArchiveReceipt | None = None
    history: History | None = None

    @property
    def replayed(self) -> Checkpoint | None:
        """The compaction in force, None without one; of an earlier call if it was replayed."""
        return None if self.history is None else self.history.checkpoint


def compaction(job: Job) -> Generator[Effect, Any, FlowResult]:
    """Look at one call, and compact it if it has to be."""
    if job.stand_back is not None:
        yield events.TriggerDecision(decision="skip", trigger=job.trigger, reason=job.stand_back)
        return FlowResult(view=whole(job.items), outcome="skipped")
    if job.rescue is not None:
        yield job.rescue
    memory = job.memory
    view = yield from _known(job)
    try:
        tokens, fixed = memory.count(job.scale)
        state = Measured.of(
            job.scale,
            view,
            items=job.items,
            item_tokens=tokens,
            fixed=fixed,
            instructions=memory.instructions,
        )
        seen, decision = state.estimate("before"), state.decision(job.trigger)
    except Exception as error:  # noqa: BLE001 - a user's estimator may raise anything
        yield _failure("estimate", error, "passthrough")
        return FlowResult(view=view, outcome="error", error=error)
    yield seen
    yield decision
    unchanged = FlowResult(
        view=view,
        history=memory.remembered(),
        outcome="skipped" if view.summary is None else "replayed",
        tokens_before=state.total,
        tokens_after=state.total,
    )
    if decision.decision == "skip":
        return unchanged
    try:
        return (yield from _compact(job, state, unchanged, memory.keys))
    except Exception as error:  # noqa: BLE001 - a fault of ours must not reach the user's run
        yield _failure("assemble", error, "passthrough")
        return replace(unchanged, outcome="error", error=error)


def _known(job: Job) -> Generator[Effect, Any, View]:
    """Return the history as the latest compaction of its beginning left it."""

    def fits(checkpoint: Checkpoint) -> bool:
        # What must stay changes with the policy, with flags, and with who spoke last in a fork.
        try:
            verify(job.items, whole(job.items), replay(job.items, checkpoint), job.scale.policy)
        except Exception:  # noqa: BLE001 - a stored record may hold anything
            return False
        return True

    checkpoint = job.memory.checkpoint(job.ledger, fits)
    if checkpoint is None and job.storage is not None:
        try:
            yield LoadCheckpoints()
        except Exception as error:  # noqa: BLE001 - a user's storage may raise anything
            yield _failure("archive", error, "passthrough")
        checkpoint = job.memory.checkpoint(job.ledger, fits)
    return whole(job.items) if checkpoint is None else replay(job.items, checkpoint)


def _compact(
    job: Job, state: Measured, unchanged: FlowResult, keys: Sequence[str]
) -> Generator[Effect, Any, FlowResult]:
    """Carry out a compaction that was decided on."""
    view = state.view
    frame_tokens = job.scale.summary(view.version + 1, "")
    try:
        plan = make_plan(
            [job.items[index] for index in view.kept],
            [state.item_tokens[index] for index in view.kept],
            job.scale.policy,
            state.limits,
            trigger=job.trigger,
            fixed_tokens=state.fixed.total,
            frame_tokens=frame_tokens,
            previous_tokens=state.summary_tokens,
        )
    except InsufficientBudget as error:
        yield _failure("decide", error, job.on_insufficient)
        return replace(unchanged, outcome="error", error=error)
    if plan is None:
        return replace(unchanged, outcome="noop")
    kept = tuple(view.kept[position] for position in plan.kept)
    dropped = tuple(view.kept[position] for position in plan.dropped)
    request, version = ask(state, plan, kept, dropped, frame_tokens=frame_tokens, note=job.note)
    made = yield from _summary(job, request, version, sum(state.item_tokens[i] for i in dropped))
    after = state.seen_as(View(kept=kept, summary=made.text, version=made.version))
    try:
        verify(job.items, view, after.view, job.scale.policy)
        _check_size(state, after)
    except (VerificationError, InsufficientBudget) as error:
        short = isinstance(error, InsufficientBudget)
        yield _failure("verify", error, job.on_insufficient if short else "passthrough")
        return replace(unchanged, outcome="error", error=error)
    yield from _report(state, after, plan)
    checkpoint = _checkpoint(job, state, after, made, keys)
    return replace(
        unchanged,
        view=after.view,
        history=replace(job.memory.remembered(), checkpoint=checkpoint),
        outcome="compacted" if made.planned else "fallback",
        tokens_after=after.total,
        archive=(yield from _store(job, checkpoint, dropped)),
    )


def _summary(
    job: Job, request: SummaryRequest, version: int, source_tokens: int
) -> Generator[Effect, Any, Made]:
    """Get a summary that can be used, or a note that says what is gone."""
    ident = job.new_id()
    asked = job.summarizers if request.max_tokens >= SMALLEST_SUMMARY else ()
    for attempt, name in enumerate(asked):
        try:
            summary = usable((yield Summarize(request, attempt)), request)
        except Exception as error:  # noqa: BLE001 - a user's summariser may raise anything
            last = attempt + 1 == len(asked)
            yield _failure("summarize", error, "policy_pruning" if last else "extractive")
            continue
        tokens = request.count_text(summary.text)
        yield events.SummaryCreated(
            summary_id=ident,
            version=version,
            strategy=request.strategy,
            summarizer=name,
            model=summary.model,
            input_messages=len(request.items),
            input_tokens=source_tokens,
            tokens=tokens,
            compression_ratio=tokens / max(1, source_tokens),
        )
        return Made(text=summary.text, version=version, id=ident, by=name, planned=attempt == 0)
    return Made.note(request, version, ident)


def _check_size(before: Measured, after: Measured) -> None:
    """Hold the result against the numbers it was made for.

    Raises:
        InsufficientBudget: If the result is over the budget.
        VerificationError: If it is no smaller than what it replaces.
    """
    if after.total >= before.total:
        raise VerificationError(f"the result has {after.total} tokens, {before.total} before")
    if after.total > after.limits.budget:
        raise InsufficientBudget(
            needed=after.total,
            budget=after.limits.budget,
            guidance="the summary came out longer than planned; lower `policy.target_pct`",
        )


def _report(before: Measured, after: Measured, plan: Plan) -> Generator[Effect, Any, None]:
    """Say what was kept and dropped."""
    yield events.PolicyApplied(
        step=plan.step,
        keep_recent_turns=plan.keep_recent_turns,
        keep_tool_io_pairs=plan.keep_tool_io_pairs,
        tokens_before=before.total,
        tokens_after=after.total,
        messages_before=before.length,
        messages_after=after.length,
    )
    yield events.PrunedMessages(
        pruned=len(plan.dropped),
        pinned=plan.pinned,
        protected=_protected(after),
        recent_turns=plan.recent_turns,
        tool_pairs=plan.tool_pairs,
        tokens_removed=before.total - after.total,
        messages_before=before.length,
        messages_after=after.length,
    )
    yield after.estimate("after")


def _protected(state: Measured) -> str | None:
    """Return what is marked as protected, by index and label."""
    flag = state.scale.policy.protected_flag
    names = []
    for index in state.view.kept:
        if is_protected(state.items[index], flag):
            label = label_of(state.items[index])
            names.append(str(index) if label is None else f"{index}:{label}")
    return ", ".join(names) or None


def _checkpoint(
    job: Job, before: Measured, after: Measured, made: Made, keys: Sequence[str]
) -> Checkpoint:
    """Return the record of a compaction."""
    # What follows the last gap is not spoken of, so that a fork of the history finds this, too.
    covered = max(set(range(len(job.items))) - set(after.view.kept)) + 1
    return Checkpoint(
        key=keys[covered - 1],
        covered=covered,
        kept=tuple(index for index in after.view.kept if index < covered),
        summary=made.text,
        version=made.version,
        summary_id=made.id,
        strategy=job.scale.policy.strategy,
        tokens_before=before.total,
        tokens_after=after.total,
        model=job.scale.call.model,
    )


def _store(
    job: Job, checkpoint: Checkpoint, dropped: Sequence[int]
) -> Generator[Effect, Any, ArchiveReceipt | None]:
    """Archive what the compaction replaced, and hold its checkpoint."""
    receipt = None
    if job.storage is not None:
        receipt = yield from _archive(job.storage, checkpoint, dropped)
    try:
        yield SaveCheckpoint(checkpoint)
    except Exception as error:  # noqa: BLE001 - a user's storage may raise anything
        yield _failure("archive", error, "passthrough")
    return receipt


def _archive(
    adapter: str, checkpoint: Checkpoint, dropped: Sequence[int]
) -> Generator[Effect, Any, ArchiveReceipt | None]:
    """Store the history and its summary; a failure is told, and the run goes on."""
    try:
        receipt = _receipt((yield SaveTranscript()))
        yield SaveSummary(receipt.step, checkpoint, dropped)
    except Exception as error:  # noqa: BLE001 - a user's storage may raise anything
        kind = type(error).__name__
        yield events.Archival(
            archive_id=checkpoint.summary_id, adapter=adapter, redacted=False, error_type=kind
        )
        yield _failure("archive", error, "passthrough")
        return None
    yield events.Archival(
        archive_id=receipt.id,
        adapter=adapter,
        messages=receipt.messages,
        size=receipt.size,
        redacted=receipt.redacted,
    )
    return receipt


def _receipt(answer: Any) -> ArchiveReceipt:
    if isinstance(answer, ArchiveReceipt):
        return answer
    got = type(answer).__name__
    raise StorageError(f"need an ArchiveReceipt from `save_transcript`, got {got}")


# Our own sentences, so that no text of a conversation or of a provider gets into telemetry.
_SENTENCES: dict[events.Stage, str] = {
    "estimate": "the tokens of the call could not be estimated",
    "decide": "what must stay does not fit into the budget",
    "summarize": "a summariser gave nothing usable",
    "assemble": "the compaction stopped unexpectedly",
    "verify": "the result broke a rule and was thrown away",
    "archive": "the archive could not be read or written",
}


def _failure(
    stage: events.Stage, error: Exception, fallback: events.FailureFallback
) -> events.Failure:
    reason = error.reason if isinstance(error, SummaryError) else type(error).__name__
    return events.Failure(
        stage=stage, fallback=fallback, error_type=reason, message=_SENTENCES[stage]
    )
