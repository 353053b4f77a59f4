"""Every name that compact_otel emits, once, and how its events become spans and span events.

One fact has one name, the same on a span and on an event. `gen_ai.*` and `error.type` are used
where the semantic conventions have the fact, `compact.*` for the rest. Values are scalars; a field
that is None is left out, never exported as an empty value. Nothing here holds conversation text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from types import MappingProxyType

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from compact_otel.core import events
from compact_otel.core.types import CallContext, Checkpoint, Outcome
from compact_otel.patience import Patience
from compact_otel.version import __version__

SCOPE = "compact_otel"
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"

SPAN = "compact_context"
OUTCOME = "compact.outcome"
ERROR_TYPE = "error.type"

AttributeValue = str | int | float | bool


@dataclass(frozen=True, slots=True)
class EventSchema:
    """How a record is named outside.

    Attributes:
        name: Event name.
        attributes: Field of the record -> attribute name.
    """

    name: str
    attributes: Mapping[str, str]


SCHEMA: Mapping[type[events.Event], EventSchema] = MappingProxyType(
    {
        events.TokenEstimate: EventSchema(
            "compact.token_estimate",
            {
                "phase": "compact.estimate.phase",
                "tokens_before": "compact.tokens.before",
                "tokens_after": "compact.tokens.after",
                "window": "compact.window.size",
                "utilization": "compact.window.utilization",
                "window_source": "compact.window.source",
                "estimator": "compact.estimator.name",
                "system": "compact.tokens.system",
                "developer": "compact.tokens.developer",
                "tools_schema": "compact.tokens.tools_schema",
                "messages": "compact.tokens.messages",
                "history": "compact.tokens.history",
                "counted": "compact.tokens.counted",
                "calibration": "compact.estimate.calibration",
                "previous": "compact.estimate.previous",
                "previous_error": "compact.estimate.previous_error",
            },
        ),
        events.TriggerDecision: EventSchema(
            "compact.trigger_decision",
            {
                "decision": "compact.trigger.decision",
                "trigger": "compact.trigger.type",
                "reason": "compact.trigger.reason",
                "tokens_before": "compact.tokens.before",
                "budget": "compact.tokens.budget",
                "trigger_pct": "compact.policy.trigger_pct",
                "target_pct": "compact.policy.target_pct",
                "hard_cap_buffer": "compact.policy.hard_cap_buffer",
                "keep_recent_turns": "compact.policy.keep_recent_turns",
                "keep_tool_io_pairs": "compact.policy.keep_tool_io_pairs",
                "strategy": "compact.policy.strategy",
            },
        ),
        events.Rescue: EventSchema(
            "compact.rescue",
            {
                "attempt": "compact.rescue.attempt",
                "reported_tokens": "compact.rescue.reported_tokens",
                "window": "compact.window.size",
                "window_source": "compact.window.source",
                "error_type": ERROR_TYPE,
            },
        ),
        events.PolicyApplied: EventSchema(
            "compact.policy_applied",
            {
                "step": "compact.reduction.step",
                "keep_recent_turns": "compact.policy.keep_recent_turns",
                "keep_tool_io_pairs": "compact.policy.keep_tool_io_pairs",
                "tokens_before": "compact.tokens.before",
                "tokens_after": "compact.tokens.after",
                "messages_before": "compact.messages.before",
                "messages_after": "compact.messages.after",
            },
        ),
        events.SummaryCreated: EventSchema(
            "compact.summary_created",
            {
                "summary_id": "compact.summary.id",
                "version": "compact.summary.version",
                "strategy": "compact.policy.strategy",
                "summarizer": "compact.summarizer.name",
                "model": "compact.summary.model",
                "input_messages": "compact.summary.input_messages",
                "input_tokens": "compact.summary.input_tokens",
                "tokens": "compact.summary.tokens",
                "compression_ratio": "compact.summary.compression_ratio",
                "facts_found": "compact.summary.facts_found",
                "facts_in_prose": "compact.summary.facts_in_prose",
                "facts_kept": "compact.summary.facts_kept",
                "coverage_before": "compact.summary.coverage_before",
                "coverage_after": "compact.summary.coverage_after",
                "prompt_tokens": "compact.summary.prompt_tokens",
                "completion_tokens": "compact.summary.completion_tokens",
                "cached_tokens": "compact.summary.cached_tokens",
                "duration": "compact.summary.duration",
                "prepared": "compact.summary.prepared",
            },
        ),
        events.PrunedMessages: EventSchema(
            "compact.pruned_messages",
            {
                "pruned": "compact.messages.pruned",
                "pinned": "compact.kept.pinned",
                "protected": "compact.kept.protected",
                "recent_turns": "compact.kept.recent_turns",
                "tool_pairs": "compact.kept.tool_pairs",
                "user_messages": "compact.kept.user_messages",
                "cleared": "compact.messages.cleared",
                "cleared_tokens": "compact.tokens.cleared",
                "tokens_removed": "compact.tokens.removed",
                "messages_before": "compact.messages.before",
                "messages_after": "compact.messages.after",
            },
        ),
        events.CacheEffect: EventSchema(
            "compact.cache_effect",
            {
                "phase": "compact.cache.phase",
                "kept": "compact.cache.kept",
                "lost": "compact.cache.lost",
                "saved": "compact.cache.saved",
                "break_even_calls": "compact.cache.break_even_calls",
                "cost_lost": "compact.cost.lost",
                "cost_saved": "compact.cost.saved",
            },
        ),
        events.Archival: EventSchema(
            "compact.archival",
            {
                "archive_id": "compact.archive.id",
                "adapter": "compact.archive.adapter",
                "messages": "compact.archive.messages",
                "size": "compact.archive.size",
                "redacted": "compact.archive.redacted",
                "error_type": ERROR_TYPE,
            },
        ),
        events.Recall: EventSchema(
            "compact.recall",
            {
                "result": "compact.recall.result",
                "archive_id": "compact.archive.id",
                "adapter": "compact.archive.adapter",
                "messages": "compact.recall.messages",
                "tokens": "compact.recall.tokens",
                "error_type": ERROR_TYPE,
            },
        ),
        events.Failure: EventSchema(
            "compact.error",
            {
                "stage": "compact.failure.stage",
                "fallback": "compact.failure.fallback",
                "error_type": ERROR_TYPE,
                "message": "compact.failure.message",
            },
        ),
    }
)

# Facts that stand on the span, too: backends aggregate span attributes well, event attributes
# badly. The last event that has one decides; keep counts in force are facts of the event alone.
ON_SPAN = frozenset(
    {
        "compact.trigger.type",
        "compact.trigger.reason",
        "compact.policy.strategy",
        "compact.tokens.before",
        "compact.tokens.after",
        "compact.tokens.removed",
        "compact.tokens.history",
        "compact.tokens.budget",
        "compact.window.size",
        "compact.window.utilization",
        "compact.estimator.name",
        "compact.messages.before",
        "compact.messages.after",
        "compact.messages.pruned",
        "compact.kept.pinned",
        "compact.kept.recent_turns",
        "compact.kept.tool_pairs",
        "compact.reduction.step",
        "compact.summary.id",
        "compact.summary.version",
        "compact.summary.prompt_tokens",
        "compact.summary.completion_tokens",
        "compact.summary.cached_tokens",
        "compact.summary.duration",
        "compact.cache.phase",
        "compact.cache.kept",
        "compact.cache.lost",
        "compact.cache.saved",
        "compact.cache.break_even_calls",
        "compact.cost.lost",
        "compact.cost.saved",
    }
)


_READERS = {kind: attrgetter(*schema.attributes) for kind, schema in SCHEMA.items()}
"""Events as tuples, in the order of the schema."""


def attributes_of(event: events.Event) -> dict[str, AttributeValue]:
    """Return the attributes of an event under their names, without what does not apply."""
    kind = type(event)
    named = zip(SCHEMA[kind].attributes.values(), _READERS[kind](event), strict=True)
    return {name: value for name, value in named if value is not None}


_WHO = "the span"


class CompactSpan:
    """The span of one decision; costs nothing where nobody records, and never stops a call.

    Args:
        span: The span.
        patience: Calls it; its processors may fail or hang.

    Attributes:
        is_recording: Whether anybody will see what is added.
    """

    def __init__(self, span: Span, patience: Patience) -> None:
        self._span = span
        self._patience = patience
        self._error_type: AttributeValue | None = None
        self.is_recording = patience.call(_WHO, span.is_recording) is True

    def add(
        self, name: str, attributes: Mapping[str, AttributeValue], when: float | None = None
    ) -> None:
        """Record an event, and those of its facts that belong on the span.

        Args:
            name: Of the event.
            attributes: Its facts.
            when: Seconds since the epoch, None for now.
        """
        if self.is_recording:
            self._patience.call(_WHO, partial(self._add, name, attributes, when))

    def _add(self, name: str, attributes: Mapping[str, AttributeValue], when: float | None) -> None:
        if when is None:
            self._span.add_event(name, attributes)
        else:
            self._span.add_event(name, attributes, timestamp=round(when * 1e9))
        if attributes.get("compact.failure.stage", "archive") != "archive":
            self._error_type = attributes[ERROR_TYPE]  # an archive never shapes the result
        left_out = set()
        if attributes.get("compact.trigger.decision") == "skip":
            left_out.add("compact.policy.strategy")  # none is in force
        if attributes.get("compact.estimate.phase") == "after":
            left_out.add("compact.window.utilization")  # the span has that of tokens.before
        for key in (ON_SPAN & attributes.keys()) - left_out:
            self._span.set_attribute(key, attributes[key])

    def end(self, outcome: Outcome, replayed: Checkpoint | None = None) -> None:
        """Say how it ended; what went wrong on the way counts only if it shaped the result.

        Args:
            outcome: How.
            replayed: The earlier compaction whose summary the call carries, if it does.
        """
        if self.is_recording:
            self._patience.call(_WHO, partial(self._end, outcome, replayed))

    def _end(self, outcome: Outcome, replayed: Checkpoint | None) -> None:
        self._span.set_attribute(OUTCOME, outcome)
        if replayed is not None and replayed.summary is not None and outcome == "replayed":
            self._span.set_attribute("compact.summary.id", replayed.summary_id)
            self._span.set_attribute("compact.summary.version", replayed.version)
        if outcome in ("error", "fallback") and self._error_type is not None:
            self._span.set_attribute(ERROR_TYPE, self._error_type)
        if outcome == "error":
            self._span.set_status(Status(StatusCode.ERROR))

    def broken_off(self, error: BaseException) -> None:
        """Say why there is no decision: a fault of ours, or the call was cancelled meanwhile."""
        self._error_type = type(error).__name__
        if isinstance(error, Exception):
            self.end("error")
        else:
            self._patience.call(
                _WHO, partial(self._span.set_attribute, ERROR_TYPE, self._error_type)
            )


class Telemetry:
    """Makes the spans of compact_otel.

    Args:
        tracer_provider: Where spans go; None for the global provider.
        patience: Calls what the provider does with them.
    """

    def __init__(self, tracer_provider: TracerProvider | None, patience: Patience) -> None:
        self._patience = patience
        self._tracer = trace.get_tracer(
            SCOPE, __version__, tracer_provider=tracer_provider, schema_url=SCHEMA_URL
        )

    def current(self) -> CompactSpan:
        """Return the span that is current, whoever made it."""
        return CompactSpan(trace.get_current_span(), self._patience)

    def _started(self, attributes: Mapping[str, AttributeValue]) -> Span:
        span = self._tracer.start_span(SPAN, kind=SpanKind.INTERNAL, attributes=attributes)
        if not isinstance(span, Span):
            raise TypeError(f"need a Span from the tracer, got {type(span).__name__}")
        return span

    @contextmanager
    def span(self, call: CallContext, *, observed: bool) -> Iterator[CompactSpan]:
        """Open the span of one decision, below whatever span is current.

        `compact.mode` stands on it only where it says `observe`: nothing that the span tells was
        done. The SDK's own record of exceptions is off: their texts may quote a conversation.
        """
        known = {
            "gen_ai.operation.name": SPAN,
            "gen_ai.provider.name": call.provider,
            "gen_ai.request.model": call.model,
            "gen_ai.agent.name": call.agent,
            "gen_ai.conversation.id": call.conversation,
            "compact.mode": "observe" if observed else None,
        }
        attributes = {name: value for name, value in known.items() if value is not None}
        span = self._patience.call(_WHO, partial(self._started, attributes))
        if span is None:
            yield CompactSpan(trace.INVALID_SPAN, self._patience)
            return
        told = CompactSpan(span, self._patience)
        # Without a provider a span has no identity, and nothing can be below it.
        has_identity = self._patience.call(_WHO, lambda: span.get_span_context().is_valid)
        with _current(span) if has_identity else nullcontext():
            try:
                yield told
            except BaseException as error:
                told.broken_off(error)
                raise
            finally:
                self._patience.call(_WHO, span.end)


def _current(span: Span) -> AbstractContextManager[Span]:
    return trace.use_span(
        span, end_on_exit=False, record_exception=False, set_status_on_exception=False
    )
