"""Compactions that were made ahead of time: what is held of them, and when one is taken.

Such a compaction is a checkpoint that is not yet in force. It is found by the content it covers
like any other, by whichever process is due, and taken only if it is right for the call as it is.
"""

from __future__ import annotations

from collections.abc import Container

from compact_otel.core import events
from compact_otel.core.assemble import replay
from compact_otel.core.errors import InsufficientBudget, VerificationError
from compact_otel.core.job import Job
from compact_otel.core.making import Compaction, check_size
from compact_otel.core.measure import Measured
from compact_otel.core.policy import Plan, partition
from compact_otel.core.summary import Made
from compact_otel.core.types import Ahead, Checkpoint
from compact_otel.core.verify import verify


def ready(job: Job, state: Measured) -> Compaction | None:
    """Return what was made ahead of time for a call, None if nothing is right for it as it is now.

    The history may have been edited since, or have grown by more than was foreseen.
    """
    found = job.ready.find(job.memory.keys, job.reads)
    if found is None or found.ahead is None:
        return None
    view = replay(job.items, found)
    if not set(view.kept) <= set(state.view.kept) or view.version <= state.view.version:
        return None  # another compaction came in between
    after = state.seen_as(view)
    try:
        verify(job.items, state.view, view, job.scale.policy)
        check_size(state, after)
    except (VerificationError, InsufficientBudget):
        return None
    if after.total >= state.limits.trigger:
        return None
    staying = set(view.kept)
    return Compaction(
        plan=_plan(state, found.ahead, staying),
        after=after,
        made=Made(
            text=found.summary,
            version=found.version,
            id=found.summary_id,
            created=_created(found, found.ahead),
            planned=True,
            coverage=found.ahead.coverage,
        ),
        dropped=[index for index in state.view.kept if index not in staying],
    )


def is_ready(job: Job, version: int) -> bool:
    """Say whether something of a later number than `version` is held for a history."""
    found = job.ready.find(job.memory.keys, job.reads)
    return found is not None and found.version > version


def ahead_of(done: Compaction, created: events.SummaryCreated) -> Ahead:
    """Return what is to be told of a compaction when it is put into force."""
    return Ahead(
        step=done.plan.step,
        keep_recent_turns=done.plan.keep_recent_turns,
        keep_tool_io_pairs=done.plan.keep_tool_io_pairs,
        summarizer=created.summarizer,
        writer=created.model,
        tokens=created.tokens,
        input_messages=created.input_messages,
        input_tokens=created.input_tokens,
        coverage=done.made.coverage,
    )


def _created(checkpoint: Checkpoint, ahead: Ahead) -> events.SummaryCreated:
    return events.SummaryCreated(
        summary_id=checkpoint.summary_id,
        version=checkpoint.version,
        strategy=checkpoint.strategy,
        summarizer=ahead.summarizer,
        model=ahead.writer,
        input_messages=ahead.input_messages,
        input_tokens=ahead.input_tokens,
        tokens=ahead.tokens,
        compression_ratio=ahead.tokens / max(1, ahead.input_tokens),
        prepared=True,
        text=checkpoint.summary,
    ).covering(ahead.coverage)


def _plan(state: Measured, ahead: Ahead, staying: Container[int]) -> Plan:
    """Return the plan of a compaction with what it keeps now: more than when it was made."""
    turns, pinned, pairs, kept_tokens = set(), 0, 0, state.fixed.total
    for entry in partition(state.items, state.item_tokens, state.scale.policy):
        if entry.block.start not in staying:
            continue
        pairs += entry.block.pairs
        kept_tokens += entry.tokens
        if entry.rank == 0:
            pinned += entry.block.stop - entry.block.start
        elif entry.block.kind != "tool":
            turns.add(entry.rank)
    return Plan(
        kept=tuple(index for index in range(len(state.items)) if index in staying),
        dropped=tuple(index for index in state.view.kept if index not in staying),
        summary_budget=ahead.tokens,
        step=ahead.step,
        keep_recent_turns=ahead.keep_recent_turns,
        keep_tool_io_pairs=ahead.keep_tool_io_pairs,
        pinned=pinned,
        recent_turns=len(turns),
        tool_pairs=pairs,
        kept_tokens=kept_tokens,
    )
