"""How what happens becomes spans and events, by the names of `compact_otel.schema`.

An event becomes a span event, a log record, or both; what it says is built only where somebody will
see it. A field that is None is left out, never exported as an empty value. Words of a conversation
go out only where `compact_otel.content` lets them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, Protocol

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from compact_otel.content import NO_CONTENT, Capture, captured, cleaned
from compact_otel.core import events
from compact_otel.core.types import CallContext, Checkpoint, Outcome, TriggerType
from compact_otel.patience import Patience
from compact_otel.redaction import REDACTED, Gate, Redactor, clean_name
from compact_otel.schema import (
    ERROR_TYPE,
    OUTCOME,
    SCHEMA,
    SCHEMA_URL,
    SCOPE,
    SPAN,
    SPAN_ATTRIBUTES,
    severity_of,
)
from compact_otel.suppression import is_suppressed
from compact_otel.version import __version__

if TYPE_CHECKING:  # loaded where log records are asked for
    from opentelemetry._logs import LoggerProvider

    from compact_otel.event_log import EventLog

AttributeValue = str | int | float | bool
EventsMode = Literal["span", "log", "both"]
SpansMode = Literal["always", "triggered"]

MOST_EVENTS = 30
"""Events on a span. Of more than 128 the SDK drops the oldest, which say what was decided."""

_MOST_FAILURES = 18
"""Events on a span from which on failures give way; nothing else comes more than a few times."""


def _read(kind: type[events.Event], *, content: bool) -> tuple[tuple[str, ...], Any]:
    """Return the attributes of a kind of event, and what reads them off one as a tuple."""
    uses = SCHEMA[kind].fields
    fields = [name for name, use in uses.items() if (use.level == "opt-in") is content]
    names = tuple(uses[name].name for name in fields)
    if len(fields) > 1:
        return names, attrgetter(*fields)
    return names, lambda event: tuple(getattr(event, name) for name in fields)


_FACTS = {kind: _read(kind, content=False) for kind in SCHEMA}
_TEXTS = {kind: _read(kind, content=True) for kind in SCHEMA}

# Facts of events that stand on the span, too. The last event that has one decides; keep counts in
# force are facts of the event alone, and what failed is one only if it shaped the result.
ON_SPAN = frozenset(use.name for use in SPAN_ATTRIBUTES) & frozenset(
    name for names, _ in _FACTS.values() for name in names
) - {ERROR_TYPE}


def attributes_of(event: events.Event) -> dict[str, AttributeValue]:
    """Return the attributes of an event, without what does not apply and without content."""
    names, read = _FACTS[type(event)]
    return {n: value for n, value in zip(names, read(event), strict=True) if value is not None}


def content_of(event: events.Event) -> dict[str, str]:
    """Return what an event holds of a conversation, as it was: for `cleaned` and nobody else."""
    names, read = _TEXTS[type(event)]
    return {name: text for name, text in zip(names, read(event), strict=True) if text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """Where events go.

    Attributes:
        on_spans: Whether they are span events.
        log: Writes them as log records, None if nobody does.
        live: Hears of a span with a new event, and of one that has ended; None if nobody does.
        capture: Which of the two may hold content.
        call: What log records say of the call, as they may stand without its span.
        gate: What content passes.
    """

    on_spans: bool = True
    log: EventLog | None = None
    live: Callable[[Any], None] | None = None
    capture: Capture = NO_CONTENT
    call: Mapping[str, AttributeValue] = field(default_factory=dict)
    gate: Gate | None = None


_SILENT = Outlets(on_spans=False)

_outlets: ContextVar[Outlets] = ContextVar("compact_otel_outlets", default=Outlets())  # noqa: B039 - frozen


def has_span_events() -> bool:
    """Say whether events belong on spans, in what runs here."""
    return _outlets.get().on_spans


_compacted: ContextVar[bool] = ContextVar("compact_otel_compacted", default=False)


@contextmanager
def serving(*, compacted: bool | None) -> Iterator[None]:
    """Let spans that start inside know whether they belong to a call that goes out compacted.

    Args:
        compacted: Whether it does; None if that was said already, further out.
    """
    token = None if compacted is None else _compacted.set(compacted)
    try:
        yield
    finally:
        if token is not None:
            _put_back(_compacted, token)


def serves_compacted() -> bool:
    """Say whether what runs here is a model call that goes out compacted."""
    return _compacted.get()


class Beside(Protocol):
    """A span of somebody else's tracing that tells the same as ours."""

    def tell(self, event: events.Event) -> None:
        """Hear of an event."""

    def end(self, outcome: Outcome | None = None) -> None:
        """Hear how it ended, None if without an outcome; the first time counts."""


_beside: ContextVar[Callable[[], Beside] | None] = ContextVar("compact_otel_beside", default=None)


@contextmanager
def shown_beside(make: Callable[[], Beside]) -> Iterator[None]:
    """Let decisions inside be told to somebody else's tracing, too.

    Args:
        make: Makes what hears of one decision.
    """
    token = _beside.set(make)
    try:
        yield
    finally:
        _put_back(_beside, token)


_WHO = "the span"
_OTHERS = "the tracing beside the span"


class CompactSpan:
    """The span of one decision; costs nothing where nobody listens, and never stops a call.

    Args:
        span: The span.
        patience: Calls it; its processors may fail or hang.
        outlets: Where events go.
        beside: Hears the same, None if nobody does.

    Attributes:
        is_recording: Whether anybody will see what is on the span.
    """

    def __init__(
        self, span: Span, patience: Patience, outlets: Outlets, beside: Beside | None = None
    ) -> None:
        self._beside = beside
        self._span = span
        self._patience = patience
        self._outlets = outlets
        self._told = 0
        self._error_type: AttributeValue | None = None
        self._before: Token[context.Context] | None = None
        self.is_recording = patience.call(_WHO, span.is_recording) is True

    @property
    def shows_content(self) -> bool:
        """Whether words of the conversation may go out."""
        return bool(self._outlets.capture)

    def enter(self) -> None:
        """Let what starts here be below the span."""
        place = self._patience.call(_WHO, partial(_place_of, self._span))
        self._before = None if place is None else context.attach(place)

    def leave(self) -> None:
        """End the span."""
        self._patience.call(_WHO, self._span.end)
        if self._outlets.live is not None:
            self._patience.call(_WHO, partial(self._outlets.live, self._span))
        if self._before is not None:
            context.detach(self._before)
        if self._beside is not None:
            self._patience.call(_OTHERS, self._beside.end)

    def tell(self, event: events.Event, when: float | None = None) -> None:
        """Record an event, and those of its facts that belong on the span.

        Args:
            event: The event.
            when: Seconds since the epoch, None for now.
        """
        if self._beside is not None:
            self._patience.call(_OTHERS, partial(self._beside.tell, event.bare()))
        log, capture = self._outlets.log, self._outlets.capture
        if log is None and not self.is_recording:
            return
        name, severity = SCHEMA[type(event)].name, severity_of(event)
        logged = log is not None and log.wants(name, severity)
        if not self.is_recording and not logged:
            return
        on_span = self.is_recording and self._outlets.on_spans and capture.on_spans
        in_log = logged and capture.in_logs
        facts: Mapping[str, Any] = attributes_of(event)
        words = self._words_of(event) if on_span or in_log else {}
        if self.is_recording:
            known = {**facts, **words} if on_span else facts
            self._patience.call(_WHO, partial(self._add, event, known, when))
        if log is not None and logged:
            known = {**facts, **words} if in_log else facts
            log.write(name, severity, {**self._outlets.call, **known}, when)

    def _words_of(self, event: events.Event) -> Mapping[str, str]:
        words: Mapping[str, str] | None = self._patience.call(
            "the text of an event", lambda: cleaned(content_of(event), self._outlets.gate)
        )
        return words or {}

    def _add(
        self, event: events.Event, attributes: Mapping[str, AttributeValue], when: float | None
    ) -> None:
        failed = isinstance(event, events.Failure)
        if self._outlets.on_spans and self._told < (_MOST_FAILURES if failed else MOST_EVENTS):
            self._told += 1
            timestamp = None if when is None else round(when * 1e9)
            self._span.add_event(SCHEMA[type(event)].name, attributes, timestamp=timestamp)
            if self._outlets.live is not None:
                self._outlets.live(self._span)
        if isinstance(event, events.Failure) and event.stage != "archive":
            self._error_type = event.error_type  # an archive never shapes the result
        left_out = set()
        if attributes.get("compact.trigger.decision") == "skip":
            left_out.add("compact.policy.strategy")  # none is in force
        if attributes.get("compact.estimate.phase") == "after":
            left_out.add("compact.window.utilization")  # the span has that of tokens.before
        facts = {n: v for n, v in attributes.items() if n in ON_SPAN and n not in left_out}
        self._span.set_attributes(facts)

    def end(self, outcome: Outcome, replayed: Checkpoint | None = None) -> None:
        """Say how it ended; what went wrong on the way counts only if it shaped the result.

        Args:
            outcome: How.
            replayed: The earlier compaction whose summary the call carries, if it does.
        """
        if self._beside is not None:
            self._patience.call(_OTHERS, partial(self._beside.end, outcome))
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


class LateSpan(CompactSpan):
    """The span of a decision, made once it has something to tell; then it began when that did.

    Of a call that is let through nothing is made, and its events are log records at most.

    Args:
        start: Starts the span, as of a time in nanoseconds since the epoch.
        patience: As in `CompactSpan`.
        outlets: As in `CompactSpan`.
        beside: As in `CompactSpan`.
    """

    def __init__(
        self,
        start: Callable[[int], Span],
        patience: Patience,
        outlets: Outlets,
        beside: Beside | None = None,
    ) -> None:
        super().__init__(trace.INVALID_SPAN, patience, outlets, beside)
        self._start = start
        self._began = time.time_ns()
        self._waiting: list[tuple[events.Event, float]] | None = []

    def tell(self, event: events.Event, when: float | None = None) -> None:
        """Record an event; the first that is no routine is what there is a span for."""
        if self._waiting is None:
            super().tell(event, when)
            return
        self._waiting.append((event, time.time() if when is None else when))
        if not _is_routine(event):
            self._begin()

    def _begin(self) -> None:
        if self._waiting is not None:
            started = self._patience.call(_WHO, partial(self._start, self._began))
            if started is not None:
                self._span = started
                self.is_recording = self._patience.call(_WHO, started.is_recording) is True
            self.enter()
            self._pass_on()

    def _pass_on(self) -> None:
        waiting, self._waiting = self._waiting, None
        for event, when in waiting or ():
            super().tell(event, when)

    def end(self, outcome: Outcome, replayed: Checkpoint | None = None) -> None:
        """Say how it ended; without a span, if the call was let through as it came."""
        if outcome != "skipped":
            self._begin()
        self._pass_on()
        super().end(outcome, replayed)

    def broken_off(self, error: BaseException) -> None:
        """Say why there is no decision."""
        self._begin()
        super().broken_off(error)


def _is_routine(event: events.Event) -> bool:
    """Say whether calls that are let through have such an event, too."""
    match event:
        case events.TokenEstimate() | events.TriggerDecision(decision="skip"):
            return True
        case events.CacheEffect(phase="measured"):
            return True
    return False


class Telemetry:
    """Makes the spans of compact_otel, and writes its events.

    Args:
        tracer_provider: Where spans go; None for the global provider.
        patience: Calls what the providers do with them.
        events_as: What events become: span events, log records, or both.
        logger_provider: Where log records go; None for the global provider.
        spans: Which decisions have a span: all, or those that are no skip.
        live: As in `Outlets`.
        gate: What content and names pass; None is `Redactor()`.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        patience: Patience,
        events_as: EventsMode = "span",
        logger_provider: LoggerProvider | None = None,
        *,
        spans: SpansMode = "always",
        live: Callable[[Any], None] | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._patience = patience
        self._spans = spans
        self._gate = Redactor() if gate is None else gate
        self._tracer = trace.get_tracer(
            SCOPE, __version__, tracer_provider=tracer_provider, schema_url=SCHEMA_URL
        )
        self._outlets = Outlets(
            on_spans=events_as != "log",
            log=None if events_as == "span" else _event_log(patience, logger_provider),
            live=live,
            capture=captured(),
            gate=self._gate,
        )

    def name(self, name: str | None) -> str | None:
        """Return a name from outside (a model, an agent, a session) as it may go out."""
        if name is None:
            return None
        cleaned_name = self._patience.call("the redactor", partial(clean_name, self._gate, name))
        return REDACTED if cleaned_name is None else cleaned_name

    def current(self, conversation: str | None = None, *, content: bool = True) -> CompactSpan:
        """Return the span that is current, whoever made it.

        Args:
            conversation: `gen_ai.conversation.id` of its events as log records, None if unknown.
            content: As `content` of a `CallContext`.
        """
        call = CallContext(conversation=conversation, content=content)
        span = trace.INVALID_SPAN if is_suppressed() else trace.get_current_span()
        return CompactSpan(span, self._patience, self._outlets_of(call))

    def _outlets_of(self, call: CallContext) -> Outlets:
        outlets = _SILENT if is_suppressed() else self._outlets
        if outlets.capture and not call.content:
            outlets = replace(outlets, capture=NO_CONTENT)
        if outlets.log is None:
            return outlets
        known = {
            "gen_ai.conversation.id": self.name(call.conversation),
            "gen_ai.agent.name": self.name(call.agent),
            "gen_ai.request.model": self.name(call.model),
        }
        return replace(outlets, call=_without_none(known))

    def _started(self, attributes: Mapping[str, AttributeValue], began: int | None = None) -> Span:
        span = self._tracer.start_span(
            SPAN, kind=SpanKind.INTERNAL, attributes=attributes, start_time=began
        )
        if not isinstance(span, Span):
            raise TypeError(f"need a Span from the tracer, got {type(span).__name__}")
        return span

    @contextmanager
    def span(
        self, call: CallContext, trigger: TriggerType, *, observed: bool
    ) -> Iterator[CompactSpan]:
        """Open the span of one decision, below whatever span is current.

        Where instrumentation is suppressed there is none, and no log record; what is done is done
        all the same.

        `compact.mode` stands on it only where it says `observe`: nothing that the span tells was
        done. The SDK's own record of exceptions is off: their texts may quote a conversation.
        """
        known = {
            "gen_ai.operation.name": SPAN,
            "gen_ai.provider.name": call.provider,
            "gen_ai.request.model": self.name(call.model),
            "gen_ai.agent.name": self.name(call.agent),
            "gen_ai.conversation.id": self.name(call.conversation),
            "compact.trigger.type": trigger,
            "compact.mode": "observe" if observed else None,
        }
        outlets = self._outlets_of(call)
        start = partial(self._started, _without_none(known))
        make = None if observed or trigger == "background" else _beside.get()
        beside = None if make is None else self._patience.call(_OTHERS, make)
        if is_suppressed():
            told = CompactSpan(trace.INVALID_SPAN, self._patience, outlets, beside)
        elif self._spans == "triggered" and trigger == "preflight":
            told = LateSpan(start, self._patience, outlets, beside)
        else:
            started = self._patience.call(_WHO, start)
            span = trace.INVALID_SPAN if started is None else started
            told = CompactSpan(span, self._patience, outlets, beside)
            # By hand: context managers for this would cost more than the span.
            told.enter()
        # A summariser's own model calls are not the one that goes out compacted.
        tokens = _outlets.set(outlets), _compacted.set(False)
        try:
            yield told
        except BaseException as error:
            told.broken_off(error)
            raise
        finally:
            _put_back(_compacted, tokens[1])
            _put_back(_outlets, tokens[0])
            told.leave()


def _event_log(patience: Patience, logger_provider: LoggerProvider | None) -> EventLog:
    from compact_otel.event_log import EventLog

    return EventLog(patience, logger_provider)


def _without_none(attributes: Mapping[str, str | None]) -> dict[str, AttributeValue]:
    return {name: value for name, value in attributes.items() if value is not None}


def _put_back(variable: ContextVar[Any], token: Token[Any]) -> None:
    with suppress(ValueError):  # closed by the garbage collector, elsewhere
        variable.reset(token)


def _place_of(span: Span) -> context.Context | None:
    """Return the context in which a span is current; without a provider it has no identity."""
    return trace.set_span_in_context(span) if span.get_span_context().is_valid else None
