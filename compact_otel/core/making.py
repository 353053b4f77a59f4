"""How a compaction is made: a plan, a summary for what goes, a result that keeps the rules.

Nothing here is stored or put into force: `core.flow` does that, now or when the time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from compact_otel.core import events
from compact_otel.core.assemble import View
from compact_otel.core.caching import expected
from compact_otel.core.errors import (
    BrokenOffError,
    InsufficientBudget,
    SummaryError,
    VerificationError,
)
from compact_otel.core.facts import Facts, Repaired, Verified
from compact_otel.core.items import is_protected, label_of
from compact_otel.core.job import Effect, Job, Summarize, VerifyFacts
from compact_otel.core.measure import Measured
from compact_otel.core.policy import SMALLEST_SUMMARY, Limits, Plan, aim, keep_all, make_plan
from compact_otel.core.summary import Made, ask, is_usage, usable
from compact_otel.core.types import Checkpoint, Opaque, Summary, SummaryRequest, Usage
from compact_otel.core.verify import verify


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What stays and what goes of a call, as indices, and the summary's tokens at most.

    `room` are the tokens for what the provider seals, with the summary beside it. Nobody can tell
    the provider how long that may be, so it may miss the target by half of the way to the trigger.
    """

    state: Measured
    plan: Plan
    kept: tuple[int, ...]
    dropped: tuple[int, ...]
    place: int | None
    frame_tokens: int
    room: int

    @property
    def view(self) -> View:
        """What of the history stays; without the summary, which is yet to be made."""
        staying = set(self.kept)
        return View(
            kept=self.kept,
            place=self.place,
            cleared=tuple(entry for entry in self.state.view.cleared if entry.index in staying),
            opaque=self.state.view.opaque,
        )

    @property
    def tokens(self) -> int:
        """Tokens of the call if the summary is as long as it may be."""
        return self.plan.kept_tokens + self.plan.summary_budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """A result that keeps the rules; `dropped` are the indices that it no longer has."""

    plan: Plan
    after: Measured
    made: Made
    dropped: Sequence[int]

    @property
    def view(self) -> View:
        """What goes out."""
        return self.after.view

    @property
    def tokens(self) -> int:
        """Tokens of the call."""
        return self.after.total


def planned(job: Job, state: Measured, limits: Limits, *, to_none: bool = False) -> Planned | None:
    """Return what stays and what goes, None if dropping gains nothing.

    Args:
        job: The job.
        state: The call.
        limits: What has to be reached.
        to_none: Whether the last turn and the last call may go, too.

    Raises:
        InsufficientBudget: If what must stay is over the budget.
    """
    view = state.view
    frame_tokens = state.scale.summary(view.version + 1, "")
    plan = make_plan(
        [job.items[index] for index in view.kept],
        [state.item_tokens[index] for index in view.kept],
        job.scale.policy,
        limits,
        trigger=job.trigger,
        fixed_tokens=state.fixed.total + state.opaque_tokens,
        frame_tokens=frame_tokens,
        previous_tokens=state.summary_tokens,
        to_none=to_none,
    )
    if plan is None:
        return None
    target = aim(job.scale.policy, limits, job.trigger, state.total)
    most = target + (state.limits.trigger - state.limits.target) // 2
    spare = min(most - plan.kept_tokens, (state.total - plan.kept_tokens) // 2)
    return Planned(
        state=state,
        plan=plan,
        kept=tuple(view.kept[position] for position in plan.kept),
        dropped=tuple(view.kept[position] for position in plan.dropped),
        place=None if plan.place is None else (*view.kept, len(job.items))[plan.place],
        frame_tokens=frame_tokens,
        room=max(plan.summary_budget, spare) + state.opaque_tokens,
    )


def cleared(job: Job, state: Measured, lean: Measured) -> Compaction:
    """Return a compaction that clears outputs of tools and drops nothing.

    Raises:
        InsufficientBudget: If the result is over the budget.
        VerificationError: If it breaks a rule.
    """
    view, policy = lean.view, job.scale.policy
    verify(job.items, state.view, view, policy)
    check_size(state, lean)
    items = [job.items[index] for index in view.kept]
    tokens = [lean.item_tokens[index] for index in view.kept]
    return Compaction(
        plan=keep_all(items, tokens, policy, fixed_tokens=lean.fixed.total + lean.opaque_tokens),
        after=lean,
        made=Made(
            text=view.summary, version=view.version, id=job.new_id(), created=None, planned=True
        ),
        dropped=(),
    )


def made(
    job: Job, to_do: Planned, attempts: Sequence[int], *, sent: View, note: bool = True
) -> Generator[Effect, Any, Compaction]:
    """Carry out a plan.

    Args:
        job: The job.
        to_do: The plan.
        attempts: Which of the job's writers are asked, in this order.
        sent: The view that went out last, which the provider may have in its prompt cache.
        note: Whether a note that items are gone will do where no writer gave a summary.

    Raises:
        SummaryError: If there is no summary and a note will not do.
        InsufficientBudget: If the result is over the budget.
        VerificationError: If the result breaks a rule.
    """
    state = to_do.state
    request, version = ask(
        state,
        to_do.plan,
        to_do.kept,
        to_do.dropped,
        frame_tokens=to_do.frame_tokens,
        note=job.note,
    )
    request = replace(request, prefix=_prefix(job, sent, to_do.dropped), native=_native(job, to_do))
    instead: events.FailureFallback = "policy_pruning" if note else "passthrough"
    summary = yield from _summary(job, to_do, request, version, attempts=attempts, instead=instead)
    if summary is None:
        if not note:
            raise SummaryError("no summariser gave a summary", reason="empty")
        summary = Made.note(request, version, job.new_id())
    view = replace(
        to_do.view,
        summary=summary.text,
        version=summary.version,
        opaque=summary.opaque or state.view.opaque,
    )
    after = state.seen_as(view)
    verify(job.items, state.view, view, job.scale.policy)
    check_size(state, after)
    return Compaction(plan=to_do.plan, after=after, made=summary, dropped=to_do.dropped)


def _prefix(job: Job, view: View, dropped: Sequence[int]) -> Callable[[], Mapping[str, Any]] | None:
    """Return what gives the call up to the last item that goes, None if it cannot be had."""
    compose, items = job.compose, job.items
    if compose is None:
        return None
    # What is dropped are whole blocks, so the beginning is a legal request by itself.
    end = max(dropped, default=-1) + 1
    beginning = replace(view, kept=tuple(index for index in view.kept if index < end))
    return lambda: compose(items, beginning)


def _native(job: Job, to_do: Planned) -> Callable[[], tuple[Any, dict[str, Any]]] | None:
    """Return what gives the request to compact what goes and all that stands for earlier items."""
    ask_native, items, view = job.native, job.items, to_do.state.view
    if ask_native is None:
        return None
    gone = set(to_do.dropped)
    going = replace(
        view,
        kept=to_do.dropped,  # whole blocks, so they are a legal request by themselves
        cleared=tuple(entry for entry in view.cleared if entry.index in gone),
    )
    return lambda: ask_native(items, going)


def _summary(
    job: Job,
    to_do: Planned,
    request: SummaryRequest,
    version: int,
    *,
    attempts: Sequence[int],
    instead: events.FailureFallback,
) -> Generator[Effect, Any, Made | None]:
    """Get a summary that can be used, None if nobody gives one and `instead` is to be done."""
    ident, state = job.new_id(), to_do.state
    source_tokens = sum(state.item_tokens[index] for index in to_do.dropped)
    asked = attempts if request.max_tokens >= SMALLEST_SUMMARY else ()
    all_facts = Facts(request)
    in_vain: Usage | None = None
    for attempt in asked:
        prose = _prose_of(job, request, attempt)
        try:
            summary = usable((yield Summarize(prose, attempt)), prose)
            beside = _beside(job, request, summary)
            opaque = _opaque(to_do, summary, beside.max_tokens) if summary.opaque else None
        except Exception as error:  # noqa: BLE001 - a user's summariser may raise anything
            in_vain = _together(in_vain, _cost_of(error))
            last = attempt == asked[-1]
            yield failure("summarize", error, instead if last else _behind(job, attempt))
            continue
        facts = all_facts if opaque is None else Facts(beside)
        summary = yield from _verified(job, facts, prose, attempt, summary)
        coverage = summary.coverage if isinstance(summary, Verified) else None
        tokens = request.count_text(summary.text)
        if opaque is not None:
            tokens += state.scale.calibrated(opaque.tokens)
        created = events.SummaryCreated(
            summary_id=ident,
            version=version,
            strategy=request.strategy,
            summarizer=job.writers[attempt].name,
            model=summary.model,
            input_messages=len(request.items),
            input_tokens=source_tokens,
            tokens=tokens,
            compression_ratio=tokens / max(1, source_tokens),
            text=summary.text,
        )
        created = created.covering(coverage).costing(_together(in_vain, summary.usage))
        yield created
        return Made(
            text=summary.text,
            version=version,
            id=ident,
            created=created,
            planned=attempt == job.line[0],
            coverage=coverage,
            opaque=opaque,
        )
    return None


def _behind(job: Job, attempt: int) -> events.FailureFallback:
    """Return what telemetry calls it that the writer behind one is asked."""
    return "extractive" if job.writers[attempt + 1].immediate else "retry_model"


def _beside(job: Job, request: SummaryRequest, summary: Summary) -> SummaryRequest:
    """Return the request for the text that stands beside what the provider has sealed."""
    share = 0.0 if job.checks is None else job.checks.ledger_pct
    least = max(SMALLEST_SUMMARY, request.count_text(summary.text))
    return replace(request, max_tokens=max(least, int(request.max_tokens * share)))


def _opaque(to_do: Planned, summary: Summary, beside: int) -> Opaque:
    """Return what the provider has sealed, with what it costs.

    Raises:
        SummaryError: If it is of another form, or has no room with so many tokens beside it.
        Exception: Whatever the estimator raises.
    """
    scale, usage = to_do.state.scale, summary.usage
    try:
        opaque = Opaque(items=summary.opaque, tokens=0, reader=scale.call.reader or "")
    except (TypeError, ValueError) as error:
        raise SummaryError("no compaction came back", reason="malformed", usage=usage) from error
    # One by one: whether the provider counts what stands in front of a compaction item, its own
    # output included, is not documented, and too many are safer than too few.
    said, sealed = 0, 0 if usage is None else usage.output_tokens
    for item in opaque.items:
        (tokens,) = scale.items([item])
        if item.get("type") == "compaction":
            sealed = max(sealed, tokens)
        else:
            said += tokens
    size = scale.calibrated(said + sealed) + to_do.frame_tokens + beside
    if size > to_do.room:
        raise SummaryError(
            f"what came back has {size} tokens, there is room for {to_do.room}",
            reason="too_long",
            usage=usage,
        )
    return replace(opaque, tokens=said + sealed)


def _cost_of(error: Exception) -> Usage | None:
    """Return what was asked in vain has cost, as far as that can be believed."""
    usage = error.usage if isinstance(error, SummaryError) else None
    return usage if is_usage(usage) else None


def _together(first: Usage | None, then: Usage | None) -> Usage | None:
    return then if first is None else first + then


def _prose_of(job: Job, request: SummaryRequest, attempt: int) -> SummaryRequest:
    """Return what a summariser is asked for: less than there is room for, if facts follow."""
    if job.checks is None or job.writers[attempt].immediate:
        return request
    share = int(request.max_tokens * (1 - job.checks.ledger_pct))
    return replace(request, max_tokens=max(SMALLEST_SUMMARY, share))


def _verified(
    job: Job, facts: Facts, prose: SummaryRequest, attempt: int, summary: Summary
) -> Generator[Effect, Any, Summary]:
    """Return a summary that holds the facts; as it was written if they cannot be checked."""
    if job.checks is None or isinstance(summary, Verified):
        return summary
    floor = job.checks.floor
    try:
        best = _repaired((yield VerifyFacts(facts, summary.text, floor)), summary)
        complete = best.coverage.facts_after == best.coverage.facts
        final = bool(summary.opaque) or job.writers[attempt].immediate
        if complete or best.coverage.before >= floor or final:
            return best
        too_little = SummaryError(_LEFT_OUT, reason="low_coverage")
        yield failure("verify", too_little, "retry_facts", _LEFT_OUT)
        missing = facts.missing(summary.text, _MOST_NAMED)
    except Exception as error:  # noqa: BLE001 - a fault of ours must not cost a summary
        yield failure("verify", error, "passthrough", _UNCHECKED)
        return summary
    spent = summary.usage
    try:
        again = usable((yield Summarize(replace(prose, missing=missing), attempt)), prose)
        spent = _together(spent, again.usage)
        if not isinstance(again, Verified):
            again = _repaired((yield VerifyFacts(facts, again.text, floor)), again)
    except Exception as error:  # noqa: BLE001 - a user's summariser may raise anything
        yield failure("summarize", error, "passthrough", _NOT_AGAIN)
        return replace(best, usage=_together(spent, _cost_of(error)))
    best = max(best, again, key=lambda each: (each.coverage.after, each.coverage.before))
    return replace(best, usage=spent)


def _repaired(answer: Any, summary: Summary) -> Verified:
    if not isinstance(answer, Repaired):
        raise TypeError(f"need a Repaired, got {type(answer).__name__}")
    return Verified(answer.text, model=summary.model, usage=summary.usage, coverage=answer.coverage)


def check_size(before: Measured, after: Measured) -> None:
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


def report(before: Measured, done: Compaction) -> Generator[Effect, Any, None]:
    """Say what was kept and dropped."""
    plan, after = done.plan, done.after
    known = set(before.view.cleared)
    new = [entry for entry in after.view.cleared if entry not in known]
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
        pruned=len(done.dropped),
        pinned=plan.pinned,
        protected=_protected(after),
        recent_turns=plan.recent_turns,
        tool_pairs=plan.tool_pairs,
        user_messages=plan.user_messages or None,
        cleared=len(new) or None,
        cleared_tokens=sum(before.item_tokens[entry.index] for entry in new) or None,
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


def cache_effect(job: Job, before: Measured, view: View, after_total: int) -> events.CacheEffect:
    """Return what sending a view will do to the provider's prompt cache."""
    first = view.kept[: view.as_in(before.view)]
    intact = sum(before.item_tokens[index] for index in first)
    return expected(
        before=before.total,
        after=after_total,
        prefix=before.fixed.total + intact,
        usage=job.memory.usage,
        price=job.price(),
    )


def checkpoint_of(job: Job, before: Measured, result: Compaction) -> Checkpoint:
    """Return the record of a compaction."""
    made, after = result.made, result.after
    # What follows the last gap is not spoken of, so that a fork of the history finds this, too.
    view = after.view
    as_they_are = set(view.kept) - {entry.index for entry in view.cleared}
    covered = max(set(range(len(job.items))) - as_they_are) + 1
    return Checkpoint(
        key=job.memory.keys[covered - 1],
        covered=covered,
        kept=tuple(index for index in view.kept if index < covered),
        summary=made.text,
        version=made.version,
        summary_id=made.id,
        strategy=job.scale.policy.strategy,
        tokens_before=before.total,
        tokens_after=after.total,
        model=job.scale.call.model,
        place=view.place,
        cleared=view.cleared,
        opaque=view.opaque,
    )


# Our own sentences, so that no text of a conversation or of a provider gets into telemetry.
_SENTENCES: dict[events.Stage, str] = {
    "estimate": "the tokens of the call could not be counted",
    "decide": "what must stay does not fit into the budget",
    "summarize": "a summariser gave nothing usable",
    "assemble": "the compaction stopped unexpectedly",
    "verify": "the result broke a rule and was thrown away",
    "archive": "the archive could not be read or written",
}


def circuit_open() -> events.Failure:
    """Return the event that says why no model is asked."""
    return events.Failure(
        stage="summarize",
        fallback="extractive",
        error_type="circuit_open",
        message="the last compactions did not last, so no model is asked for this one",
    )


_MOST_NAMED = 40
"""Facts that are named to a summariser that is asked once more."""

_LEFT_OUT = "the summary left out too many facts, so it is asked for once more with them named"
UNCLEARED = "the outputs of tools could not be cleared, so nothing of them is"
_UNCHECKED = "the facts of a summary could not be checked, so it is used as it was written"
_NOT_AGAIN = "the summary was asked for once more in vain, so the first one is used"


def failure(
    stage: events.Stage,
    error: Exception,
    fallback: events.FailureFallback,
    message: str | None = None,
) -> events.Failure:
    """Return what went wrong as an event; its message has nothing of the error's own text.

    Args:
        stage: Where.
        error: What.
        fallback: What happens instead.
        message: A sentence of ours, None for that of the stage.
    """
    if isinstance(error, SummaryError | BrokenOffError):
        reason = error.reason
    else:
        reason = "timeout" if isinstance(error, TimeoutError) else type(error).__name__
    return events.Failure(
        stage=stage,
        fallback=fallback,
        error_type=reason,
        message=_SENTENCES[stage] if message is None else message,
        error=error,
    )
