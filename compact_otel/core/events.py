"""What happened, as records: numbers, names and ids.

`compact_otel.schema` gives each record and each field its public name; a field that is None does
not apply and is left out. Three fields hold words: `SummaryCreated.text`, `Recall.query` and
`Failure.error`. They leave the process only where content is asked for, and redacted.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field, replace
from typing import Literal

from compact_otel.core.types import Coverage, TriggerType, Usage

Stage = Literal["estimate", "decide", "summarize", "assemble", "verify", "archive"]
FailureFallback = Literal[
    "retry_shorter",
    "retry_brief",
    "retry_facts",
    "retry_transcript",
    "retry_model",
    "extractive",
    "local_estimate",
    "policy_pruning",
    "passthrough",
    "raise",
]


Calibration = Literal["none", "ratio", "anchor", "exact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of the records."""

    def bare(self) -> Event:
        """Return the record as it may be kept: without what would hold on to a call."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEstimate(Event):
    """How large the call is, before or after a compaction; the four parts add up to it.

    `tokens_before` or `tokens_after` is set, after `phase`. `history` is the estimate of the list
    as the SDK handed it over, where an earlier compaction was replayed.

    All are tokens as the provider is taken to count them. `counted` is what the estimator counted,
    where that differs; `calibration` says by what it was corrected. `previous` is what the provider
    counted for the call before, `previous_error` how far its estimate was off, as a share of that.
    """

    phase: Literal["before", "after"]
    tokens_before: int | None = None
    tokens_after: int | None = None
    window: int
    utilization: float
    window_source: str
    estimator: str
    system: int
    developer: int
    tools_schema: int
    messages: int
    history: int | None = None
    counted: int | None = None
    calibration: Calibration = "none"
    previous: int | None = None
    previous_error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionOff(Event):
    """What leaves the process is not redacted, because the settings say so."""

    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDecision(Event):
    """Whether the call is compacted, why, and by which rules."""

    decision: Literal["compact", "skip"]
    trigger: TriggerType
    reason: str
    tokens_before: int | None = None
    budget: int | None = None
    trigger_pct: float | None = None
    target_pct: float | None = None
    hard_cap_buffer: int | None = None
    keep_recent_turns: int | None = None
    keep_tool_io_pairs: int | None = None
    strategy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue(Event):
    """The provider refused a call as too large; it is compacted harder and sent once more.

    `reported_tokens` is the provider's own count, where it says it; `window` is what we now take
    the window to be.
    """

    attempt: int
    reported_tokens: int | None
    window: int
    window_source: str
    error_type: Literal["context_length_exceeded"] = "context_length_exceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyApplied(Event):
    """The keep counts that a result was made with, after `step` reductions."""

    step: int
    keep_recent_turns: int
    keep_tool_io_pairs: int
    tokens_before: int
    tokens_after: int
    messages_before: int
    messages_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryCreated(Event):
    """A summary was made of `input_messages` items that go; `prepared` if ahead of time.

    The facts are those that a summary of this size should hold: how many there are, how many stood
    in what the summariser wrote, and how many stand in the summary. `coverage_before` and
    `coverage_after` are the same as shares, by weight. None where they were not looked at.

    `prompt_tokens`, `completion_tokens` and `cached_tokens` (a part of the first) are what was
    counted by providers for all that was asked for it, in vain or not; None if none did.
    `duration` are the seconds for which summarisers were waited for. A summary that was made ahead
    of time tells what it cost when it is made, and not again when it is put into force.

    `text` is the summary itself.
    """

    summary_id: str
    version: int
    strategy: str
    summarizer: str
    model: str | None
    input_messages: int
    input_tokens: int
    tokens: int
    compression_ratio: float
    facts_found: int | None = None
    facts_in_prose: int | None = None
    facts_kept: int | None = None
    coverage_before: float | None = None
    coverage_after: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    duration: float | None = None
    prepared: bool | None = None
    text: str | None = field(default=None, repr=False)

    def covering(self, coverage: Coverage | None) -> SummaryCreated:
        """Return the record with what the summary holds, as far as that is known."""
        if coverage is None:
            return self
        return replace(
            self,
            facts_found=coverage.facts,
            facts_in_prose=coverage.facts_before,
            facts_kept=coverage.facts_after,
            coverage_before=coverage.before,
            coverage_after=coverage.after,
        )

    def costing(self, usage: Usage | None) -> SummaryCreated:
        """Return the record with what the summary cost, as far as that is known."""
        if usage is None:
            return self
        return replace(
            self,
            prompt_tokens=usage.input_tokens,
            completion_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedMessages(Event):
    """Items were removed from the call; the counts say what stayed.

    `protected` lists what was marked as protected, by index and label: `0:refund rules, 12`.
    `user_messages` are those kept beside the recent turns. `cleared` outputs of tools stay with a
    line instead of their text, which had `cleared_tokens`.
    """

    pruned: int
    pinned: int
    protected: str | None
    recent_turns: int
    tool_pairs: int
    user_messages: int | None = None
    cleared: int | None = None
    cleared_tokens: int | None = None
    tokens_removed: int
    messages_before: int
    messages_after: int


CachePhase = Literal["expected", "measured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEffect(Event):
    """What a compaction does to the provider's prompt cache.

    `expected` when it is made, `measured` at the next call, by what the provider counted. `kept`
    are tokens that still come from the cache, `lost` those that are read anew once, `saved` those
    that each later call has less. Costs are in US dollars: once, and for each later call.
    """

    phase: CachePhase
    kept: int
    lost: int
    saved: int
    break_even_calls: float | None
    cost_lost: float | None = None
    cost_saved: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Archival(Event):
    """The history before the compaction was stored, or, with `error_type`, was not.

    What was not stored may be `waiting` in memory; if it could be written after all, another record
    says so, with its `delay` in seconds. `messages` and `size` are of what was stored, or was to be
    (then without its summary, and as JSON before it is redacted).
    """

    archive_id: str
    adapter: str
    messages: int | None = None
    size: int | None = None
    redacted: bool
    error_type: str | None = None
    waiting: bool | None = None
    delay: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall(Event):
    """An agent looked for what was compacted away, or its developer for it.

    `archive_id` is what was read, `messages` counts the items that were given back of it, and
    `tokens` is the size of the whole answer. `query` is what was looked for.
    """

    result: Literal["hit", "miss", "error"]
    archive_id: str | None = None
    adapter: str
    messages: int | None = None
    tokens: int | None = None
    error_type: str | None = None
    query: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(Event):
    """Something of ours failed at `stage`, and `fallback` is what happens instead.

    `error` is what was raised, where that is at hand. Its text may quote a conversation, and its
    frames hold one: whoever keeps the record keeps it without (`bare`).
    """

    stage: Stage
    fallback: FailureFallback
    error_type: str
    message: str
    error: Exception | None = field(default=None, repr=False, compare=False)

    @property
    def exception_text(self) -> str | None:
        """What the error says, None if it says nothing."""
        if self.error is None:
            return None
        try:
            return str(self.error) or None
        except Exception as unreadable:  # noqa: BLE001 - a user's error may do anything
            return f"<unreadable: {type(unreadable).__name__}>"

    @property
    def exception_trace(self) -> str | None:
        """Where the error was raised, None if it never was."""
        if self.error is None or self.error.__traceback__ is None:
            return None
        return "".join(traceback.format_exception(self.error))

    def bare(self) -> Failure:
        """Return the record without the error."""
        return self if self.error is None else replace(self, error=None)
