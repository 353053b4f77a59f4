"""One compaction from beginning to end, as a generator that yields what it needs from outside.

The algorithm exists once; who drives it decides whether it waits in a thread or in an event loop
(`compact_otel.manager`). The generator yields the effects of `core.job`:

* an `Event`: tell whoever listens; answer None;
* `LoadCheckpoints`: put what the storage knows of the session into the ledger; answer None;
* `Claim`: keep others from compacting the same conversation until this is over; answer whether
  that is so, or what is known of the history by now if somebody had to be waited for first;
* `CountExactly`: let the provider count a view; answer its tokens;
* `Summarize`: ask summariser number `attempt`; answer a `Summary` or a string;
* `VerifyFacts`: put back into a summary what it lacks; answer a `Repaired`;
* `SaveTranscript`: store the history as it was; answer an `ArchiveReceipt`;
* `SaveSummary`, `SaveCheckpoint`: store what came out; answer None;
* `Postpone`: hold what could not be stored until it can be; answer what is `Held`.

The driver throws what went wrong into the generator, and the generator decides what happens
instead. It does not raise: on a failure the view it returns is the one it was to improve.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from compact_otel.core import events
from compact_otel.core.assemble import View, replay, whole
from compact_otel.core.caching import measured
from compact_otel.core.clearing import shortened, without_stale, without_superseded
from compact_otel.core.errors import (
    InsufficientBudget,
    StorageError,
    SummaryError,
    VerificationError,
)
from compact_otel.core.history import Recollection
from compact_otel.core.job import (
    Claim,
    CountExactly,
    Effect,
    FlowResult,
    Held,
    Job,
    LoadCheckpoints,
    Postpone,
    SaveCheckpoint,
    SaveSummary,
    SaveTranscript,
)
from compact_otel.core.making import (
    UNCLEARED,
    Compaction,
    Planned,
    cache_effect,
    checkpoint_of,
    circuit_open,
    cleared,
    failure,
    made,
    planned,
    report,
)
from compact_otel.core.measure import Measured
from compact_otel.core.policy import aim
from compact_otel.core.ready import ahead_of, is_ready, ready
from compact_otel.core.types import ArchiveReceipt, Checkpoint
from compact_otel.core.verify import verify

T = TypeVar("T")

_PATIENCE = 3
"""After so many compactions in a row that did not last, no model is asked for the next."""

_SHORT, _SHORT_SHARE = 100, 0.1
"""Tokens that are left of an output that is too large, and their share of the budget."""

_DOUBTFUL = 0.1
"""A call this near to the trigger, as a share of it, is worth an exact count."""

_SAME_CONVERSATION = 8
"""Two histories that begin with so many equal items are taken for the same conversation."""


def compaction(job: Job) -> Generator[Effect, Any, FlowResult]:
    """Look at one call, and compact it if it has to be."""
    if job.stand_back is not None:
        yield events.TriggerDecision(decision="skip", trigger=job.trigger, reason=job.stand_back)
        return FlowResult(view=whole(job.items), outcome="skipped")
    if job.rescue is not None:
        yield job.rescue
    view = yield from _known(job)
    try:
        state = yield from _counted(job, _measured(job, view))
        if _is_due(job, state):
            job, state = yield from _alone(job, state)
        seen = state.estimate("before", job.memory.heard)
        decision = state.decision(job.trigger)
    except Exception as error:  # noqa: BLE001 - a user's estimator may raise anything
        yield failure("estimate", error, "passthrough")
        return FlowResult(view=view, outcome="error", error=error)
    yield seen
    if (counted := job.memory.compacted_usage) is not None:
        yield measured(*counted, job.price())
    # One that a plan may overrule is told with the plan: a call has one decision.
    held = [decision] if _may_pay_too_late(job, state) else []
    if not held:
        yield decision
    unchanged = FlowResult(
        view=state.view,
        history=job.memory.remembered(counted=state.counted, expected=state.total),
        outcome="replayed" if state.view.summary is not None or state.view.cleared else "skipped",
        tokens_before=state.total,
        tokens_after=state.total,
        soon=state.limits.soon <= state.total < state.limits.trigger
        and job.memory.short_lived < _PATIENCE,  # no model would be asked when it is due, either
    )
    if decision.decision == "skip":
        return unchanged
    try:
        return (yield from _compacted(job, state, unchanged, held))
    except Exception as error:  # noqa: BLE001 - a fault of ours must not reach the user's run
        yield from _released(held)
        yield failure("assemble", error, "passthrough")
        return replace(unchanged, outcome="error", error=error)


def preparation(job: Job) -> Generator[Effect, Any, FlowResult]:
    """Make the next compaction ahead of time, for whoever is due first, here or elsewhere.

    It is held and stored, but not put into force. Only those are asked that take their time: where
    they fail they are asked again when the compaction is due.
    """
    result = FlowResult(view=known_view(job), outcome="error")
    try:
        try:
            had = yield Claim(conversation_of(job), patient=False)
        except Exception as error:  # noqa: BLE001 - as in `_alone`
            yield failure("archive", error, "passthrough")
            had = True
        view = yield from _newest(job)
        state = _measured(job, view)
        yield state.estimate("before")
        yield state.decision(job.trigger)
        # What comes until the compaction is due stays word for word, so that much less may stay.
        to_come = max(0, state.limits.trigger - state.total)
        lean = yield from _lean(state)
        clearing = without_stale(lean, state.limits.target - to_come)
        will_do = clearing.total + to_come <= state.limits.target  # and no summary will be asked
        to_do = None if will_do else planned(job, lean, state.limits.less(to_come))
        if not had or to_do is None or is_ready(job, view.version):
            return replace(result, view=view, outcome="noop")
        slow = [number for number in job.line if not job.writers[number].immediate]
        done = yield from made(job, to_do, slow, sent=view, note=False)
        assert done.made.created is not None  # noqa: S101 - no note was asked for
        ahead = ahead_of(done, done.made.created)
        yield from _hold(replace(checkpoint_of(job, state, done), ahead=ahead))
    except SummaryError as error:  # what each summariser did wrong is told
        return replace(result, error=error)
    except Exception as error:  # noqa: BLE001 - whatever it is, there is time to do it anew
        yield failure("assemble", error, "passthrough")
        return replace(result, error=error)
    return replace(
        result, outcome="prepared", tokens_before=state.total, tokens_after=done.after.total
    )


def known_view(job: Job) -> View:
    """Return the history as the latest compaction of its beginning left it."""
    checkpoint = job.memory.checkpoint(job.ledger, lambda found: _fits(job, found), job.reads)
    return whole(job.items) if checkpoint is None else replay(job.items, checkpoint)


def _fits(job: Job, checkpoint: Checkpoint) -> bool:
    """Say whether a compaction may be replayed over the history as it is now."""
    if not job.reads(checkpoint):
        return False
    # What must stay changes with the policy, with flags, and with who spoke last in a fork.
    try:
        verify(job.items, whole(job.items), replay(job.items, checkpoint), job.scale.policy)
    except Exception:  # noqa: BLE001 - a stored record may hold anything
        return False
    return True


def _known(job: Job) -> Generator[Effect, Any, View]:
    """Return the known view; the storage is asked only where the ledger knows nothing."""
    view = known_view(job)
    if view.summary is None and not view.cleared and job.storage is not None:
        return (yield from _loaded(job, LoadCheckpoints()))
    return view


def _loaded(job: Job, load: LoadCheckpoints) -> Generator[Effect, Any, View]:
    try:
        yield load
    except Exception as error:  # noqa: BLE001 - a user's storage may raise anything
        yield failure("archive", error, "passthrough")
    return known_view(job)


def _measured(job: Job, view: View) -> Measured:
    """Count the call.

    Raises:
        Exception: Whatever the estimator raises.
    """
    counts, fixed = job.memory.count(job.scale)
    return Measured.of(
        job.scale,
        view,
        items=job.items,
        counts=counts,
        fixed=fixed,
        instructions=job.memory.instructions,
        truth=job.memory.truth,
    )


def _counted(job: Job, state: Measured) -> Generator[Effect, Any, Measured]:
    """Let the provider count where that decides whether the call is compacted."""
    near = abs(state.total - state.limits.trigger) <= _DOUBTFUL * state.limits.trigger
    if job.count is None or not near or job.trigger != "preflight":
        return state
    try:
        return state.known_to_have((yield CountExactly(state.view)))
    except Exception as error:  # noqa: BLE001 - a provider may answer anything
        yield failure("estimate", error, "local_estimate")
        return state


def _is_due(job: Job, state: Measured) -> bool:
    return state.reason(job.trigger) != "below_trigger"


def conversation_of(job: Job) -> str:
    """Name a conversation by how it begins, for those who must not compact it at once."""
    return job.memory.keys[min(_SAME_CONVERSATION, len(job.items)) - 1] if job.items else ""


def _alone(job: Job, state: Measured) -> Generator[Effect, Any, tuple[Job, Measured]]:
    """Wait until nobody else compacts this conversation; return the call with what they left."""
    left = yield from _claimed(job)
    if isinstance(left, Recollection):
        again = replace(job, memory=left)
        view = known_view(again)
        if view != state.view:
            job, state = again, (yield from _counted(again, _measured(again, view)))
        if not _is_due(job, state):
            return job, state
        yield from _claimed(job)
    latest = yield from _newest(job)
    return job, (state if latest == state.view else state.seen_as(latest))


def _claimed(job: Job) -> Generator[Effect, Any, Any]:
    try:
        return (yield Claim(conversation_of(job)))
    except Exception as error:  # noqa: BLE001 - at worst two pay for the same summary
        yield failure("archive", error, "passthrough")


def _newest(job: Job) -> Generator[Effect, Any, View]:
    """Return the known view, with what others have stored meanwhile."""
    if job.storage is None:
        return known_view(job)
    return (yield from _loaded(job, LoadCheckpoints(anew=True)))


def _released(held: list[events.TriggerDecision]) -> Generator[Effect, Any, None]:
    """Tell a decision that was held back, once."""
    while held:
        yield held.pop()


def _compacted(
    job: Job, state: Measured, unchanged: FlowResult, held: list[events.TriggerDecision]
) -> Generator[Effect, Any, FlowResult]:
    """Carry out a compaction that was decided on, with what was prepared for it if that fits."""
    done = ready(job, state) if job.trigger == "preflight" else None
    prepared = done is not None
    if done is not None and done.made.created is not None:
        yield from _released(held)
        yield done.made.created
    else:
        found = yield from _worked_out(job, state, unchanged, held)
        if isinstance(found, FlowResult):
            return found
        done = found
    yield from report(state, done)
    yield cache_effect(job, state, done.view, done.tokens)
    checkpoint = checkpoint_of(job, state, done)
    return replace(
        unchanged,
        view=done.view,
        history=job.memory.compacted(checkpoint, counted=done.after.counted),
        outcome="compacted" if done.made.planned else "fallback",
        tokens_after=done.tokens,
        archive=(yield from _store(job, checkpoint, done.dropped)),
        prepared=prepared,
    )


def _worked_out(
    job: Job, state: Measured, unchanged: FlowResult, held: list[events.TriggerDecision]
) -> Generator[Effect, Any, Compaction | FlowResult]:
    """Return a compaction, or how it ends without one."""
    told: list[Effect] = []
    way, problem = _found(_way(job, state), told)
    late = way is not None and _pays_too_late(job, state, way)
    if late:
        held[:] = [replace(held[0], decision="skip", reason="break_even_too_far")]
    yield from _released(held)
    yield from told
    if isinstance(problem, InsufficientBudget):
        yield failure("decide", problem, job.on_insufficient)
        return replace(unchanged, outcome="error", error=problem)
    if problem is not None:
        raise problem
    if way is None:
        return replace(unchanged, outcome="noop")
    if late:
        return unchanged
    if isinstance(way, Compaction):
        return way
    attempts = yield from _attempts(job)
    try:
        return (yield from made(job, way, attempts, sent=state.view))
    except (VerificationError, InsufficientBudget) as error:
        short = isinstance(error, InsufficientBudget)
        yield failure("verify", error, job.on_insufficient if short else "passthrough")
        return replace(unchanged, outcome="error", error=error)


def _way(job: Job, state: Measured) -> Generator[Effect, Any, Compaction | Planned | None]:
    """Return what is to be done, as `_cheapest` does; meanwhile it is only told of what fails."""
    return (yield from _cheapest(job, state, (yield from _lean(state))))


def _found(
    steps: Generator[Effect, Any, T], told: list[Effect]
) -> tuple[T | None, Exception | None]:
    """Carry out steps that only tell, and keep that; return what they give, and what they raise."""
    while True:
        try:
            told.append(next(steps))
        except StopIteration as stop:
            return stop.value, None
        except Exception as error:  # noqa: BLE001 - raised again, behind what was told
            return None, error


def _lean(state: Measured) -> Generator[Effect, Any, Measured]:
    """Return a call without what later outputs have superseded."""
    return (yield from _tried(without_superseded, state)) or state


def _tried(step: Callable[..., T], *given: Any) -> Generator[Effect, Any, T | None]:
    """Carry out a step of clearing; where it fails, there is still a summary to be had."""
    try:
        return step(*given)
    except Exception as error:  # noqa: BLE001 - a user's estimator may raise anything
        yield failure("assemble", error, "passthrough", UNCLEARED)
        return None


def _cheapest(
    job: Job, state: Measured, lean: Measured
) -> Generator[Effect, Any, Compaction | Planned | None]:
    """Return a compaction that only clears outputs if that is enough, else the plan of one.

    By hand there is always a summary: whoever asks for one has a reason.

    Raises:
        InsufficientBudget: If what must stay is over the budget.
    """
    if job.trigger != "manual":
        target = aim(job.scale.policy, state.limits, job.trigger, state.total)
        leaner = yield from _tried(without_stale, lean, target)
        if leaner is not None and leaner.total <= min(target, state.total - 1):
            done = yield from _tried(cleared, job, state, leaner)
            if done is not None:
                return done
    try:
        return (yield from _fitting(job, state, lean))
    except InsufficientBudget:
        if state.view.opaque is None:
            raise
    # A window that was learned may be too small for what the provider has sealed: begin anew.
    anew = state.seen_as(whole(job.items))
    return (yield from _cheapest(job, anew, (yield from _lean(anew))))


def _fitting(
    job: Job, state: Measured, lean: Measured
) -> Generator[Effect, Any, Compaction | Planned | None]:
    """Return what stays and what goes; where not even the latest turn fits, less of it stays.

    A call that is too large ends a run, and of a summary without room nothing is left.

    Raises:
        InsufficientBudget: If what must stay is over the budget.
    """
    cramped: Planned | None = None
    problem: InsufficientBudget | None = None
    for to_none in (False, True):
        try:
            found = planned(job, lean, lean.limits, to_none=to_none)
        except InsufficientBudget as error:
            problem = problem or error
            continue
        if found is None or not found.plan.cramped:
            return found
        cramped = cramped or found
    most = max(_SHORT, int(lean.limits.budget * _SHORT_SHARE))
    short = yield from _tried(shortened, lean, most)
    if short is not None:
        with suppress(InsufficientBudget):  # what is told speaks of the items as they are
            found = planned(job, short, lean.limits, to_none=True)
            if found is not None and (cramped is None or not found.plan.cramped):
                return found
            done = None if found is not None else (yield from _tried(cleared, job, state, short))
            if done is not None:
                return done
    if cramped is None and problem is not None:
        raise problem
    return cramped


def _may_pay_too_late(job: Job, state: Measured) -> bool:
    """Say whether a call that is due may be left alone, for the sake of the prompt cache."""
    gated = job.scale.policy.max_break_even_calls and job.trigger == "preflight"
    return bool(gated and _is_due(job, state) and state.total < state.limits.budget)


def _pays_too_late(job: Job, state: Measured, way: Compaction | Planned) -> bool:
    """Say whether a call that still fits is better left alone."""
    if not _may_pay_too_late(job, state):
        return False
    effect = cache_effect(job, state, way.view, way.tokens)
    most = job.scale.policy.max_break_even_calls
    return effect.break_even_calls is None or effect.break_even_calls > most


def _attempts(job: Job) -> Generator[Effect, Any, Sequence[int]]:
    """Return which summarisers are asked: no model where compactions stopped helping."""
    if job.memory.short_lived < _PATIENCE:
        return job.line
    yield circuit_open()
    return [number for number, writer in enumerate(job.writers) if writer.immediate]


def _store(
    job: Job, checkpoint: Checkpoint, dropped: Sequence[int]
) -> Generator[Effect, Any, ArchiveReceipt | None]:
    """Archive what the compaction replaced, and hold its checkpoint."""
    receipt = None
    if job.storage is not None:
        receipt = yield from _archive(job.storage, checkpoint, dropped)
    yield from _hold(checkpoint)
    return receipt


def _hold(checkpoint: Checkpoint) -> Generator[Effect, Any, None]:
    try:
        yield SaveCheckpoint(checkpoint)
    except Exception as error:  # noqa: BLE001 - a user's storage may raise anything
        yield failure("archive", error, "passthrough")
        yield from _postponed(Postpone(checkpoint))


def _archive(
    adapter: str, checkpoint: Checkpoint, dropped: Sequence[int]
) -> Generator[Effect, Any, ArchiveReceipt | None]:
    """Store the history and its summary; a failure is told, and the run goes on."""
    receipt = None
    try:
        receipt = _receipt((yield SaveTranscript()))
        yield SaveSummary(receipt.step, checkpoint, dropped)
    except Exception as error:  # noqa: BLE001 - a user's storage may raise anything
        told = failure("archive", error, "passthrough")
        held = yield from _postponed(Postpone(checkpoint, dropped, receipt))
        yield events.Archival(
            archive_id=checkpoint.summary_id,
            adapter=adapter,
            messages=held.messages,
            size=held.size,
            redacted=False,
            error_type=told.error_type,
            waiting=held.waits,
        )
        yield told
        return None
    yield events.Archival(
        archive_id=receipt.id,
        adapter=adapter,
        messages=receipt.messages,
        size=receipt.size,
        redacted=receipt.redacted,
    )
    return receipt


def _postponed(what: Postpone) -> Generator[Effect, Any, Held]:
    try:
        held: Held = yield what
    except Exception:  # noqa: BLE001 - then it is lost, and the run goes on
        return Held()
    return held


def _receipt(answer: Any) -> ArchiveReceipt:
    if isinstance(answer, ArchiveReceipt):
        return answer
    got = type(answer).__name__
    raise StorageError(f"need an ArchiveReceipt from `save_transcript`, got {got}")
