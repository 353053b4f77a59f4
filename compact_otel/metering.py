"""What adds up over calls, as metrics: useful without any trace, which may not have been sampled.

A fact has the name here that it has on spans and events. No instrument is made before there is
something to record, and none has ids, names of agents or text among its attributes. Calls that are
only observed are not counted: nothing of what they tell was done.

What belongs to a trace that is kept is recorded at once, so that exemplars point to it; the rest
when it is collected (`compact_otel.deferral`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from compact_otel.core import events
from compact_otel.core.types import Outcome, TriggerType
from compact_otel.deferral import Deferred, Labels, deferred, is_sampled
from compact_otel.forks import LOADING_S, mutex
from compact_otel.patience import Patience
from compact_otel.schema import ERROR_TYPE, METRICS, OUTCOME, SCHEMA_URL, SCOPE
from compact_otel.suppression import is_suppressed
from compact_otel.version import __version__

if TYPE_CHECKING:  # loaded with the first call, which takes its time anyway
    from opentelemetry.metrics import Counter, Histogram, MeterProvider

RescueResult = Literal["recovered", "failed", "refused"]

_MODEL = "gen_ai.request.model"
_STRATEGY = "compact.policy.strategy"

_WHO = "a metric"

_loading = mutex(LOADING_S)


class Meters:
    """Records what happens; costs next to nothing where nobody reads it.

    Args:
        patience: Calls the instruments; a provider may fail or hang.
        meter_provider: Where metrics go; None for the global provider.
    """

    def __init__(self, patience: Patience, meter_provider: MeterProvider | None = None) -> None:
        self._patience = patience
        self._provider = meter_provider
        self._made: _Instruments | None = None

    def of(self, model: str | None, strategy: str, trigger: TriggerType) -> CallMeter:
        """Return what records one call.

        Args:
            model: The model that it goes to, None if it is not known.
            strategy: What a summary of it puts first.
            trigger: Who looks at it.
        """
        return CallMeter(self, model, strategy, trigger)

    @property
    def is_off(self) -> bool:
        """Whether nobody will ever read a record, as far as is known before the first one."""
        return self._made is not None and self._made.is_off

    def recalled(self, event: events.Recall) -> None:
        """Count that an agent looked something up."""
        made = None if is_suppressed() else self.instruments
        if made is not None:
            self.call(partial(made.recalls.add, 1, {"compact.recall.result": event.result}))

    def archived(self, event: events.Archival) -> None:
        """Record the size of a history that was stored behind its call."""
        made = None if is_suppressed() else self.instruments
        if made is not None and event.size is not None and event.error_type is None:
            adapter = {"compact.archive.adapter": event.adapter}
            self.call(partial(made.archive.record, event.size, adapter))

    def rescued(self, result: RescueResult, model: str | None) -> None:
        """Count what became of a call that the provider had refused as too large."""
        made = None if is_suppressed() else self.instruments
        if made is not None:
            told = _without_none({"compact.rescue.result": result, _MODEL: model})
            self.call(partial(made.rescues.add, 1, told))

    def call(self, record: Callable[[], None]) -> None:
        """Record something; whatever goes wrong costs the record only."""
        self._patience.call(_WHO, record)

    @property
    def instruments(self) -> _Instruments | None:
        """The instruments, made with the first call that is looked at; None if that fails."""
        if self._made is None:
            self.call(self._make)
        return self._made

    def _make(self) -> None:
        with _loading:
            self._made = _instruments_of(self._provider) if self._made is None else self._made


class CallMeter:
    """Records what is told of one call.

    Args:
        meters: Where.
        model: As in `Meters.of`.
        strategy: As in `Meters.of`.
        trigger: As in `Meters.of`.
    """

    def __init__(
        self, meters: Meters, model: str | None, strategy: str, trigger: TriggerType
    ) -> None:
        self._made = meters.instruments
        self._call = meters.call
        self._is_sampled = is_sampled()
        self._model = {} if model is None else {_MODEL: model}
        self._strategy = {_STRATEGY: strategy}
        self._trigger = trigger
        self._filled: float | None = None
        self._error: str | None = None

    def told(self, event: events.Event) -> None:
        """Record what an event adds up to."""
        record = _RECORDERS.get(type(event))
        # A summary that is made ahead is looked at once more when it is due.
        if record is not None and (self._trigger != "background" or record in _ONCE):
            self._protected(record, event)

    def _protected(self, record: Callable[..., None], *given: Any) -> None:
        """Record something; what is not ours is protected where it is called."""
        if self._made is None:
            return
        try:
            record(self, self._made, *given)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not stop a call
            self._call(partial(_raise, error))

    def ended(self, outcome: Outcome, removed: int, seconds: float) -> None:
        """Record how the call came out.

        Args:
            outcome: How.
            removed: Tokens that it is smaller by.
            seconds: How long it took.
        """
        # A span that was made late is current by now.
        self._is_sampled = self._is_sampled or is_sampled()
        self._protected(CallMeter._ended, outcome, removed, seconds)

    def _ended(self, made: _Instruments, outcome: Outcome, removed: int, seconds: float) -> None:
        known = {OUTCOME: outcome}
        told = {**known, "compact.trigger.type": self._trigger, **self._model}
        if outcome in ("error", "fallback") and self._error is not None:
            told[ERROR_TYPE] = self._error
        self._measure(made, made.operation, seconds, told)
        if outcome in ("compacted", "fallback"):
            self._count(made, made.tokens_removed, max(0, removed), {**self._strategy, **known})

    def _count(self, made: _Instruments, counter: Counter, amount: int, labels: Labels) -> None:
        if self._is_sampled or not made.waiting.add(counter, amount, labels, self._call):
            self._call(partial(counter.add, amount, labels))

    def _measure(
        self, made: _Instruments, histogram: Histogram, value: float, labels: Labels
    ) -> None:
        if self._is_sampled or not made.waiting.record(histogram, value, labels, self._call):
            self._call(partial(histogram.record, value, labels))

    def _estimated(self, made: _Instruments, event: events.TokenEstimate) -> None:
        tokens = event.tokens_before if event.phase == "before" else event.tokens_after
        if event.phase == "before":
            self._filled = event.utilization
        if tokens is not None:
            phase = {"compact.estimate.phase": event.phase, **self._model}
            self._measure(made, made.context, tokens, phase)

    def _decided(self, made: _Instruments, event: events.TriggerDecision) -> None:
        known = {"compact.trigger.decision": event.decision, **self._model}
        why = {"compact.trigger.type": event.trigger, "compact.trigger.reason": event.reason}
        self._count(made, made.decisions, 1, {**known, **why})
        if self._filled is not None:
            self._measure(made, made.filled, self._filled, known)

    def _pruned(self, made: _Instruments, event: events.PrunedMessages) -> None:
        self._count(made, made.pruned, event.pruned, self._strategy)

    def _failed(self, made: _Instruments, event: events.Failure) -> None:
        if event.stage != "archive":  # an archive never shapes the result
            self._error = event.error_type
        known = {"compact.failure.stage": event.stage, "compact.failure.fallback": event.fallback}
        self._count(made, made.failures, 1, {**known, ERROR_TYPE: event.error_type})

    def _archived(self, made: _Instruments, event: events.Archival) -> None:
        if event.size is not None and event.error_type is None:
            adapter = {"compact.archive.adapter": event.adapter}
            self._measure(made, made.archive, event.size, adapter)

    def _summarized(self, made: _Instruments, created: events.SummaryCreated) -> None:
        if created.prepared:
            return  # it was paid for, and counted, when it was made
        known = {
            "compact.summarizer.name": created.summarizer,
            _STRATEGY: created.strategy,
        }
        asked = _without_none({**known, "compact.summary.model": created.model})
        if created.duration is not None:
            self._measure(made, made.duration, created.duration, asked)
        if created.prompt_tokens is not None:
            self._count(made, made.prompt_tokens, created.prompt_tokens, asked)
        if created.completion_tokens is not None:
            self._count(made, made.completion_tokens, created.completion_tokens, asked)
        if created.facts_found and created.facts_kept is not None:
            self._measure(made, made.coverage, created.facts_kept / created.facts_found, known)


_RECORDERS: Mapping[type[events.Event], Callable[..., None]] = {
    events.TokenEstimate: CallMeter._estimated,  # noqa: SLF001 - of this very module
    events.TriggerDecision: CallMeter._decided,  # noqa: SLF001
    events.PrunedMessages: CallMeter._pruned,  # noqa: SLF001
    events.Failure: CallMeter._failed,  # noqa: SLF001
    events.Archival: CallMeter._archived,  # noqa: SLF001
    events.SummaryCreated: CallMeter._summarized,  # noqa: SLF001
}
_ONCE = frozenset(_RECORDERS[kind] for kind in (events.Failure, events.SummaryCreated))


def _raise(error: Exception) -> None:
    raise error


def _without_none(attributes: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instruments:
    operation: Histogram
    decisions: Counter
    context: Histogram
    filled: Histogram
    tokens_removed: Counter
    pruned: Counter
    duration: Histogram
    prompt_tokens: Counter
    completion_tokens: Counter
    coverage: Histogram
    failures: Counter
    rescues: Counter
    recalls: Counter
    archive: Histogram
    waiting: Deferred
    is_off: bool


_of_global: WeakKeyDictionary[MeterProvider, _Instruments] = WeakKeyDictionary()
"""Until a program sets its provider, OpenTelemetry keeps every meter that was ever asked for."""


def _instruments_of(provider: MeterProvider | None) -> _Instruments:
    """Return the instruments of a provider; None is the global one, whose are made once."""
    from opentelemetry import metrics

    if provider is not None:
        return _made(provider)
    provider = metrics.get_meter_provider()
    if provider not in _of_global:
        _of_global[provider] = _made(provider)
    return _of_global[provider]


def _made(provider: MeterProvider) -> _Instruments:
    from opentelemetry import metrics

    meter = metrics.get_meter(SCOPE, __version__, provider, schema_url=SCHEMA_URL)

    def counter(name: str) -> Counter:
        metric = METRICS[name]
        return meter.create_counter(name, metric.unit, metric.meaning)

    def histogram(name: str) -> Histogram:
        metric = METRICS[name]
        return meter.create_histogram(
            name,
            metric.unit,
            metric.meaning,
            explicit_bucket_boundaries_advisory=metric.buckets,
        )

    return _Instruments(
        operation=histogram("compact.operation.duration"),
        decisions=counter("compact.decisions"),
        context=histogram("compact.context.tokens"),
        filled=histogram("compact.window.utilization"),
        tokens_removed=counter("compact.tokens.removed"),
        pruned=counter("compact.messages.pruned"),
        duration=histogram("compact.summary.duration"),
        prompt_tokens=counter("compact.summary.prompt_tokens"),
        completion_tokens=counter("compact.summary.completion_tokens"),
        coverage=histogram("compact.summary.coverage"),
        failures=counter("compact.failures"),
        rescues=counter("compact.rescues"),
        recalls=counter("compact.recalls"),
        archive=histogram("compact.archive.size"),
        waiting=deferred(meter),
        is_off=isinstance(meter, metrics.NoOpMeter),
    )
