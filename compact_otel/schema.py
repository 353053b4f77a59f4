"""Every name that compact_otel emits, once: attributes, the span, events, metrics.

Three rules. One fact has one name, one type and one meaning, wherever it stands. `gen_ai.*` and
`error.type` are used where the semantic conventions have the fact, `compact.*` for the rest; no
name is the namespace of another. Values are scalars, and what does not apply is left out.

`compact_otel.telemetry` and `compact_otel.metering` emit by these tables, and the reference in
docs/OBSERVABILITY.md is written from them: `python -m tests.contracts.schema_reference`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from compact_otel.core import events
from compact_otel.core.policy import Reason
from compact_otel.core.types import Outcome, TriggerType

SCOPE = "compact_otel"
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"

SPAN = "compact_context"
OUTCOME = "compact.outcome"
ERROR_TYPE = "error.type"
COMPACTED = "gen_ai.conversation.compacted"

Level = Literal["required", "conditional", "recommended", "opt-in"]
Severity = Literal["DEBUG", "INFO", "WARN", "ERROR"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a name means.

    Attributes:
        type: Of its values.
        meaning: In a few words, with the unit.
        values: All that it can be; empty for an open list, or a number.
    """

    type: type[str | int | float | bool]
    meaning: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """An attribute at one place.

    Attributes:
        name: One of `ATTRIBUTES`.
        level: Whether it is there: `required` always, `conditional` always `when`, `recommended`
            where it is known, `opt-in` only where content was asked for.
        when: The condition of a conditional one.
    """

    name: str
    level: Level = "recommended"
    when: str = ""


@dataclass(frozen=True, slots=True)
class EventSchema:
    """How a record is named outside.

    Attributes:
        name: Of the event.
        meaning: When there is one.
        severity: As a log record; some records are graver than others of their name.
        fields: Field of the record -> attribute.
    """

    name: str
    meaning: str
    severity: Severity
    fields: Mapping[str, Use]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """An instrument.

    Attributes:
        kind: Of instrument.
        unit: As in UCUM.
        meaning: What it counts or measures.
        attributes: Names that a record may have; all of few values.
        buckets: Bounds that are advised for a histogram.
    """

    kind: Literal["counter", "histogram"]
    unit: str
    meaning: str
    attributes: tuple[str, ...]
    buckets: tuple[float, ...] = ()


def _required(name: str) -> Use:
    return Use(name, "required")


def _if(name: str, when: str) -> Use:
    return Use(name, "conditional", when)


def _opt_in(name: str) -> Use:
    return Use(name, "opt-in")


_REASONS = (
    *get_args(Reason),
    *("break_even_too_far", "server_managed", "provider_compaction", "truncation_auto"),
    *("sdk_compaction_session", "unsupported_input"),
)

ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType(
    {
        # Of the call.
        "gen_ai.operation.name": Attribute(str, "What the span is", (SPAN,)),
        "gen_ai.provider.name": Attribute(str, "Provider of the model that the call goes to"),
        "gen_ai.request.model": Attribute(str, "Model that the call goes to"),
        "gen_ai.agent.name": Attribute(str, "Agent that makes the call"),
        "gen_ai.conversation.id": Attribute(
            str, "Id of the session, or of the group of traces; never made up"
        ),
        COMPACTED: Attribute(
            bool, "True where the call goes out compacted, else left out; on the model's own span"
        ),
        "compact.mode": Attribute(str, "Set where nothing of what is told was done", ("observe",)),
        OUTCOME: Attribute(str, "What came of it", get_args(Outcome)),
        # Why.
        "compact.trigger.decision": Attribute(str, "What is decided", ("compact", "skip")),
        "compact.trigger.type": Attribute(
            str,
            "Who asks: a model call, somebody by hand, a provider that refused, "
            "or a call that will be due soon",
            get_args(TriggerType),
        ),
        "compact.trigger.reason": Attribute(str, "Why it is compacted, or is not", _REASONS),
        "compact.policy.trigger_pct": Attribute(
            float, "Share of the input limit from which on a call is compacted, 0 to 1"
        ),
        "compact.policy.target_pct": Attribute(
            float, "Share of the input limit that a compaction aims at, 0 to 1"
        ),
        "compact.policy.hard_cap_buffer": Attribute(int, "Tokens that stay free below the limit"),
        "compact.policy.keep_recent_turns": Attribute(int, "Turns that stay as they are"),
        "compact.policy.keep_tool_io_pairs": Attribute(
            int, "Calls of tools that stay with their outputs"
        ),
        "compact.policy.strategy": Attribute(str, "What a summary puts first"),
        # How large.
        "compact.estimate.phase": Attribute(
            str, "When it was counted, seen from a compaction", ("before", "after")
        ),
        "compact.estimate.calibration": Attribute(
            str,
            "By what the estimate was corrected: nothing, what is known of the model, what the "
            "provider counted last, or its own count of this call",
            get_args(events.Calibration),
        ),
        "compact.estimate.previous": Attribute(
            int, "Tokens that the provider counted for the call before"
        ),
        "compact.estimate.previous_error": Attribute(
            float, "How far the estimate of the call before was off, as a share of its count"
        ),
        "compact.estimator.name": Attribute(str, "What counts the tokens"),
        "compact.tokens.before": Attribute(
            int, "Tokens of the call as it would go out, earlier compactions replayed"
        ),
        "compact.tokens.after": Attribute(int, "Tokens of the call after the compaction"),
        "compact.tokens.removed": Attribute(int, "Tokens that the call is smaller by"),
        "compact.tokens.history": Attribute(
            int, "Tokens of the whole history, as the application holds it"
        ),
        "compact.tokens.budget": Attribute(int, "Tokens that the result may have at most"),
        "compact.tokens.counted": Attribute(
            int, "Tokens by the estimator alone, where it was corrected"
        ),
        "compact.tokens.system": Attribute(int, "Part of the estimate: system instructions"),
        "compact.tokens.developer": Attribute(int, "Part of the estimate: developer messages"),
        "compact.tokens.tools_schema": Attribute(
            int, "Part of the estimate: tools, handoffs, schema of the answer"
        ),
        "compact.tokens.messages": Attribute(
            int, "Part of the estimate: all else; the four add up to it"
        ),
        "compact.tokens.cleared": Attribute(
            int, "Tokens of tool outputs that gave way to a line each"
        ),
        "compact.window.size": Attribute(int, "Context window in tokens"),
        "compact.window.utilization": Attribute(
            float, "Share of the window that the estimate fills; above 1 it does not fit"
        ),
        "compact.window.source": Attribute(
            str,
            "Where the window is known from: the settings, a table of models, a refusal, nowhere",
            ("config", "catalog", "learned", "default"),
        ),
        # What was done.
        "compact.reduction.step": Attribute(
            int, "0: what is to stay was kept as configured; n: after n reductions of it"
        ),
        "compact.messages.before": Attribute(int, "Items of the call before"),
        "compact.messages.after": Attribute(int, "Items of the call after"),
        "compact.messages.pruned": Attribute(int, "Items that a summary took the place of"),
        "compact.messages.cleared": Attribute(int, "Tool outputs that gave way to a line each"),
        "compact.kept.pinned": Attribute(int, "Items kept because they may never go"),
        "compact.kept.protected": Attribute(
            str, "What was marked as protected, by index and label: `0:refund rules, 12`"
        ),
        "compact.kept.recent_turns": Attribute(int, "Turns kept"),
        "compact.kept.tool_pairs": Attribute(int, "Calls of tools kept with their outputs"),
        "compact.kept.user_messages": Attribute(
            int, "Messages of users kept beside the recent turns"
        ),
        # The summary.
        "compact.summary.id": Attribute(str, "Random id of the summary"),
        "compact.summary.version": Attribute(int, "The N of `<COMPACT-SUMMARY vN>`"),
        "compact.summarizer.name": Attribute(str, "Who wrote the summary"),
        "compact.summary.model": Attribute(str, "Model that wrote the summary"),
        "compact.summary.input_messages": Attribute(int, "Items that were summarised"),
        "compact.summary.input_tokens": Attribute(int, "Tokens of those items"),
        "compact.summary.tokens": Attribute(int, "Tokens of the summary"),
        "compact.summary.compression_ratio": Attribute(
            float, "Tokens of the summary as a share of what it replaces; smaller is tighter"
        ),
        "compact.summary.facts_found": Attribute(
            int, "Key facts that a summary of this size should hold"
        ),
        "compact.summary.facts_in_prose": Attribute(int, "Key facts in what the summariser wrote"),
        "compact.summary.facts_kept": Attribute(int, "Key facts in the summary that is sent"),
        "compact.summary.coverage_before": Attribute(
            float, "Share of the key facts, by weight, in what the summariser wrote, 0 to 1"
        ),
        "compact.summary.coverage_after": Attribute(
            float, "Share of the key facts, by weight, in the summary that is sent, 0 to 1"
        ),
        "compact.summary.prompt_tokens": Attribute(
            int, "Tokens that were sent for the summary, as the provider counted them"
        ),
        "compact.summary.completion_tokens": Attribute(
            int, "Tokens that came back for the summary, as the provider counted them"
        ),
        "compact.summary.cached_tokens": Attribute(
            int, "Those of the tokens sent that came from the provider's prompt cache"
        ),
        "compact.summary.duration": Attribute(
            float, "Seconds for which summarisers were waited for"
        ),
        "compact.summary.prepared": Attribute(
            bool, "True where the summary was written before it was due"
        ),
        "compact.summary.content": Attribute(str, "The summary, redacted"),
        # The provider's prompt cache.
        "compact.cache.phase": Attribute(
            str,
            "Expected when a compaction is made, measured at the next call",
            get_args(events.CachePhase),
        ),
        "compact.cache.kept": Attribute(int, "Tokens that still come from the cache"),
        "compact.cache.lost": Attribute(int, "Tokens that are read anew once"),
        "compact.cache.saved": Attribute(int, "Tokens that each later call has less"),
        "compact.cache.break_even_calls": Attribute(
            float, "Calls after which the compaction has paid for the cache it lost"
        ),
        "compact.cost.lost": Attribute(float, "What is read anew, in US dollars, once"),
        "compact.cost.saved": Attribute(float, "What each later call saves, in US dollars"),
        # The archive, and what is read back from it.
        "compact.archive.id": Attribute(str, "Name of the stored history"),
        "compact.archive.adapter": Attribute(str, "What stores it"),
        "compact.archive.messages": Attribute(int, "Items that were stored, or were to be"),
        "compact.archive.size": Attribute(int, "Bytes that were stored, or were to be"),
        "compact.archive.waiting": Attribute(
            bool, "Whether what could not be stored waits in memory, to be stored later"
        ),
        "compact.archive.delay": Attribute(float, "Seconds that it had to wait for the storage"),
        "compact.redaction.enabled": Attribute(bool, "Whether what goes out is redacted"),
        "compact.archive.redacted": Attribute(bool, "Whether secrets were taken out of it"),
        "compact.recall.result": Attribute(
            str, "Whether anything was found", ("hit", "miss", "error")
        ),
        "compact.recall.messages": Attribute(int, "Items that were given back"),
        "compact.recall.tokens": Attribute(int, "Tokens of the answer"),
        "compact.recall.query": Attribute(str, "What the agent looked for, redacted"),
        # What went wrong.
        ERROR_TYPE: Attribute(str, "Class of the exception, or one word of ours"),
        "compact.failure.stage": Attribute(str, "Where", get_args(events.Stage)),
        "compact.failure.fallback": Attribute(
            str, "What happens instead", get_args(events.FailureFallback)
        ),
        "compact.failure.message": Attribute(str, "A sentence of ours, without any content"),
        "exception.message": Attribute(str, "Text of the exception, redacted"),
        "exception.stacktrace": Attribute(str, "Where it was raised, redacted"),
        "compact.rescue.attempt": Attribute(int, "Number of the attempt, from 1"),
        "compact.rescue.reported_tokens": Attribute(
            int, "Tokens of the refused call, as the provider counted them"
        ),
        "compact.rescue.result": Attribute(
            str,
            "Whether the call went through in the end; refused: its answer had begun already",
            ("recovered", "failed", "refused"),
        ),
        # Of the Ariadne exporter.
        "compact.ariadne.result": Attribute(
            str,
            "What became of a row; rejected by the viewer, dropped without one",
            ("delivered", "rejected", "dropped"),
        ),
    }
)

SPAN_ATTRIBUTES: tuple[Use, ...] = (
    _required("gen_ai.operation.name"),
    _if("gen_ai.provider.name", "known"),
    _if("gen_ai.request.model", "known"),
    _if("gen_ai.agent.name", "known"),
    _if("gen_ai.conversation.id", "known"),
    _if("compact.mode", "it only observes"),
    _required("compact.trigger.type"),
    _if("compact.trigger.reason", "decided"),
    _if(OUTCOME, "not broken off"),
    _if("compact.policy.strategy", "to be compacted"),
    _if("compact.tokens.before", "counted"),
    _if("compact.tokens.after", "compacted, fallback"),
    _if("compact.tokens.removed", "compacted, fallback"),
    _if("compact.tokens.history", "an earlier compaction was replayed"),
    Use("compact.tokens.budget"),
    Use("compact.window.size"),
    Use("compact.window.utilization"),
    Use("compact.estimator.name"),
    Use("compact.messages.before"),
    Use("compact.messages.after"),
    Use("compact.messages.pruned"),
    Use("compact.kept.pinned"),
    Use("compact.kept.recent_turns"),
    Use("compact.kept.tool_pairs"),
    Use("compact.reduction.step"),
    _if("compact.summary.id", "a summary is in the call"),
    _if("compact.summary.version", "a summary is in the call"),
    Use("compact.summary.prompt_tokens"),
    Use("compact.summary.completion_tokens"),
    Use("compact.summary.cached_tokens"),
    Use("compact.summary.duration"),
    Use("compact.cache.phase"),
    Use("compact.cache.kept"),
    Use("compact.cache.lost"),
    Use("compact.cache.saved"),
    Use("compact.cache.break_even_calls"),
    Use("compact.cost.lost"),
    Use("compact.cost.saved"),
    _if(ERROR_TYPE, "error, fallback, broken off"),
)
"""What stands on the span `compact_context`: backends aggregate attributes of spans well, those of
events badly."""

LOG_ATTRIBUTES: tuple[Use, ...] = (
    _if("gen_ai.conversation.id", "known"),
    _if("gen_ai.agent.name", "known"),
    _if("gen_ai.request.model", "known"),
)
"""What an event says besides as a log record, which may stand without its span."""

SCHEMA: Mapping[type[events.Event], EventSchema] = MappingProxyType(
    {
        events.TokenEstimate: EventSchema(
            "compact.token_estimate",
            "How large the call is, before and after a compaction",
            "DEBUG",
            {
                "phase": _required("compact.estimate.phase"),
                "tokens_before": _if("compact.tokens.before", "phase before"),
                "tokens_after": _if("compact.tokens.after", "phase after"),
                "window": _required("compact.window.size"),
                "utilization": _required("compact.window.utilization"),
                "window_source": Use("compact.window.source"),
                "estimator": _required("compact.estimator.name"),
                "system": Use("compact.tokens.system"),
                "developer": Use("compact.tokens.developer"),
                "tools_schema": Use("compact.tokens.tools_schema"),
                "messages": Use("compact.tokens.messages"),
                "history": _if("compact.tokens.history", "an earlier compaction was replayed"),
                "counted": _if("compact.tokens.counted", "corrected"),
                "calibration": Use("compact.estimate.calibration"),
                "previous": Use("compact.estimate.previous"),
                "previous_error": Use("compact.estimate.previous_error"),
            },
        ),
        events.TriggerDecision: EventSchema(
            "compact.trigger_decision",
            "Whether the call is compacted, why, and by which rules",
            "INFO",
            {
                "decision": _required("compact.trigger.decision"),
                "trigger": _required("compact.trigger.type"),
                "reason": _required("compact.trigger.reason"),
                "tokens_before": _if("compact.tokens.before", "counted"),
                "budget": Use("compact.tokens.budget"),
                "trigger_pct": Use("compact.policy.trigger_pct"),
                "target_pct": Use("compact.policy.target_pct"),
                "hard_cap_buffer": Use("compact.policy.hard_cap_buffer"),
                "keep_recent_turns": Use("compact.policy.keep_recent_turns"),
                "keep_tool_io_pairs": Use("compact.policy.keep_tool_io_pairs"),
                "strategy": Use("compact.policy.strategy"),
            },
        ),
        events.Rescue: EventSchema(
            "compact.rescue",
            "The provider refused the call as too large; it is compacted harder and sent again",
            "WARN",
            {
                "attempt": _required("compact.rescue.attempt"),
                "reported_tokens": _if("compact.rescue.reported_tokens", "the provider says it"),
                "window": Use("compact.window.size"),
                "window_source": Use("compact.window.source"),
                "error_type": _required(ERROR_TYPE),
            },
        ),
        events.PolicyApplied: EventSchema(
            "compact.policy_applied",
            "What was kept by which counts",
            "INFO",
            {
                "step": _required("compact.reduction.step"),
                "keep_recent_turns": _required("compact.policy.keep_recent_turns"),
                "keep_tool_io_pairs": _required("compact.policy.keep_tool_io_pairs"),
                "tokens_before": _required("compact.tokens.before"),
                "tokens_after": _required("compact.tokens.after"),
                "messages_before": Use("compact.messages.before"),
                "messages_after": Use("compact.messages.after"),
            },
        ),
        events.SummaryCreated: EventSchema(
            "compact.summary_created",
            "A summary was written, or one that had been written ahead was taken",
            "INFO",
            {
                "summary_id": _required("compact.summary.id"),
                "version": Use("compact.summary.version"),
                "strategy": _required("compact.policy.strategy"),
                "summarizer": _required("compact.summarizer.name"),
                "model": _if("compact.summary.model", "a model wrote it"),
                "input_messages": _required("compact.summary.input_messages"),
                "input_tokens": Use("compact.summary.input_tokens"),
                "tokens": _required("compact.summary.tokens"),
                "compression_ratio": _required("compact.summary.compression_ratio"),
                "facts_found": Use("compact.summary.facts_found"),
                "facts_in_prose": Use("compact.summary.facts_in_prose"),
                "facts_kept": Use("compact.summary.facts_kept"),
                "coverage_before": Use("compact.summary.coverage_before"),
                "coverage_after": Use("compact.summary.coverage_after"),
                "prompt_tokens": Use("compact.summary.prompt_tokens"),
                "completion_tokens": Use("compact.summary.completion_tokens"),
                "cached_tokens": Use("compact.summary.cached_tokens"),
                "duration": Use("compact.summary.duration"),
                "prepared": _if("compact.summary.prepared", "written ahead"),
                "text": _opt_in("compact.summary.content"),
            },
        ),
        events.PrunedMessages: EventSchema(
            "compact.pruned_messages",
            "What went, and what stayed",
            "INFO",
            {
                "pruned": _required("compact.messages.pruned"),
                "pinned": _required("compact.kept.pinned"),
                "protected": _if("compact.kept.protected", "anything is protected"),
                "recent_turns": _required("compact.kept.recent_turns"),
                "tool_pairs": _required("compact.kept.tool_pairs"),
                "user_messages": Use("compact.kept.user_messages"),
                "cleared": Use("compact.messages.cleared"),
                "cleared_tokens": Use("compact.tokens.cleared"),
                "tokens_removed": Use("compact.tokens.removed"),
                "messages_before": Use("compact.messages.before"),
                "messages_after": Use("compact.messages.after"),
            },
        ),
        events.CacheEffect: EventSchema(
            "compact.cache_effect",
            "What a compaction does to the provider's prompt cache",
            "INFO",
            {
                "phase": _required("compact.cache.phase"),
                "kept": _required("compact.cache.kept"),
                "lost": _required("compact.cache.lost"),
                "saved": _required("compact.cache.saved"),
                "break_even_calls": _if("compact.cache.break_even_calls", "it ever pays"),
                "cost_lost": _if("compact.cost.lost", "a table of prices is installed"),
                "cost_saved": _if("compact.cost.saved", "a table of prices is installed"),
            },
        ),
        events.Archival: EventSchema(
            "compact.archival",
            "The history before the compaction was stored, or could not be",
            "INFO",
            {
                "archive_id": _required("compact.archive.id"),
                "adapter": _required("compact.archive.adapter"),
                "messages": Use("compact.archive.messages"),
                "size": Use("compact.archive.size"),
                "redacted": _required("compact.archive.redacted"),
                "error_type": _if(ERROR_TYPE, "it failed"),
                "waiting": _if("compact.archive.waiting", "it failed"),
                "delay": _if("compact.archive.delay", "it was stored later"),
            },
        ),
        events.RedactionOff: EventSchema(
            "compact.redaction_off",
            "The settings let secrets and personal data leave the process; told by the first call",
            "ERROR",
            {"enabled": _required("compact.redaction.enabled")},
        ),
        events.Recall: EventSchema(
            "compact.recall",
            "An agent looked up what was removed; on the span of its tool",
            "INFO",
            {
                "result": _required("compact.recall.result"),
                "archive_id": _if("compact.archive.id", "found"),
                "adapter": _required("compact.archive.adapter"),
                "messages": Use("compact.recall.messages"),
                "tokens": Use("compact.recall.tokens"),
                "error_type": _if(ERROR_TYPE, "it failed"),
                "query": _opt_in("compact.recall.query"),
            },
        ),
        events.Failure: EventSchema(
            "compact.error",
            "Something failed, and something else was done",
            "WARN",
            {
                "stage": _required("compact.failure.stage"),
                "fallback": _required("compact.failure.fallback"),
                "error_type": _required(ERROR_TYPE),
                "message": Use("compact.failure.message"),
                "exception_text": _opt_in("exception.message"),
                "exception_trace": _opt_in("exception.stacktrace"),
            },
        ),
    }
)


def severity_of(event: events.Event) -> Severity:
    """Return how grave an event is: a skip is routine, what nothing made up for is an error."""
    match event:
        case events.TriggerDecision(decision="skip"):
            return "DEBUG"
        case events.Failure(fallback="passthrough" | "raise"):
            return "ERROR"
        case events.Archival(error_type=str()):
            return "WARN"
    return SCHEMA[type(event)].severity


_MODEL = "gen_ai.request.model"
_STRATEGY = "compact.policy.strategy"
_SUMMARY = ("compact.summarizer.name", _STRATEGY, "compact.summary.model")

_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0)
_COVERAGE = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99, 1.0)
_FILLED = (0.1, 0.25, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.1)
_TOKENS = (256.0, *(float(2**power) for power in (10, 12, 13, 14, 15, 16, 17, 18, 19, 20)))
_BYTES = tuple(float(2**power) for power in (10, 13, 16, 18, 20, 22, 24, 26))

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "compact.operation.duration": Metric(
            kind="histogram",
            unit="s",
            meaning="How long a call was looked at.",
            attributes=(OUTCOME, "compact.trigger.type", _MODEL, ERROR_TYPE),
            buckets=_SECONDS,
        ),
        "compact.decisions": Metric(
            kind="counter",
            unit="{decision}",
            meaning="Calls that were looked at, and what was decided.",
            attributes=(
                "compact.trigger.decision",
                "compact.trigger.type",
                "compact.trigger.reason",
                _MODEL,
            ),
        ),
        "compact.context.tokens": Metric(
            kind="histogram",
            unit="{token}",
            meaning="Size of a call, before and after.",
            attributes=("compact.estimate.phase", _MODEL),
            buckets=_TOKENS,
        ),
        "compact.window.utilization": Metric(
            kind="histogram",
            unit="1",
            meaning="Share of the window that a call fills.",
            attributes=("compact.trigger.decision", _MODEL),
            buckets=_FILLED,
        ),
        "compact.tokens.removed": Metric(
            kind="counter",
            unit="{token}",
            meaning="Tokens that a compaction took out of a call.",
            attributes=(_STRATEGY, OUTCOME),
        ),
        "compact.messages.pruned": Metric(
            kind="counter",
            unit="{message}",
            meaning="Items that a summary took the place of.",
            attributes=(_STRATEGY,),
        ),
        "compact.summary.duration": Metric(
            kind="histogram",
            unit="s",
            meaning="How long summarisers were waited for, for one summary.",
            attributes=_SUMMARY,
            buckets=_SECONDS,
        ),
        "compact.summary.prompt_tokens": Metric(
            kind="counter",
            unit="{token}",
            meaning="Tokens that were sent for summaries.",
            attributes=_SUMMARY,
        ),
        "compact.summary.completion_tokens": Metric(
            kind="counter",
            unit="{token}",
            meaning="Tokens that came back for summaries.",
            attributes=_SUMMARY,
        ),
        "compact.summary.coverage": Metric(
            kind="histogram",
            unit="1",
            meaning="Share of the key facts of what goes that a summary holds.",
            attributes=_SUMMARY[:2],
            buckets=_COVERAGE,
        ),
        "compact.failures": Metric(
            kind="counter",
            unit="{failure}",
            meaning="What went wrong, and what was done instead.",
            attributes=("compact.failure.stage", "compact.failure.fallback", ERROR_TYPE),
        ),
        "compact.rescues": Metric(
            kind="counter",
            unit="{rescue}",
            meaning="Calls that a provider refused as too large.",
            attributes=("compact.rescue.result", _MODEL),
        ),
        "compact.recalls": Metric(
            kind="counter",
            unit="{recall}",
            meaning="Times that an agent looked up what was removed.",
            attributes=("compact.recall.result",),
        ),
        "compact.archive.size": Metric(
            kind="histogram",
            unit="By",
            meaning="Size of a stored history.",
            attributes=("compact.archive.adapter",),
            buckets=_BYTES,
        ),
        "compact.ariadne.events": Metric(
            kind="counter",
            unit="{event}",
            meaning="Rows for the Ariadne viewer, by what became of them.",
            attributes=("compact.ariadne.result",),
        ),
    }
)
