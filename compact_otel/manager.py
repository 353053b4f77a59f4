"""CompactManager: drives `core.flow`, asks the adapters, and fails open.

The flow says what it needs; here it is done, in a thread's time or in an event loop's. Whatever
goes wrong on our side, the caller gets the history back as it came, and the span says so.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import uuid
from collections import OrderedDict
from collections.abc import Coroutine, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from opentelemetry.trace import TracerProvider, get_current_span

from compact_otel.config import CompactConfig
from compact_otel.core import events
from compact_otel.core.errors import InsufficientBudget
from compact_otel.core.flow import (
    Effect,
    FlowResult,
    Job,
    LoadCheckpoints,
    SaveCheckpoint,
    SaveSummary,
    SaveTranscript,
    Summarize,
    compaction,
)
from compact_otel.core.history import Histories, Recollection
from compact_otel.core.items import api_of, as_mapping
from compact_otel.core.ledger import Ledger
from compact_otel.core.measure import Scale, name_of
from compact_otel.core.protocols import Exporter, StorageAdapter, Summarizer, TokenEstimator
from compact_otel.core.types import CallContext, CompactResult, SessionStatus
from compact_otel.driver import adrive, drive
from compact_otel.flights import Flights
from compact_otel.overflow import Overflow
from compact_otel.parts import Parts
from compact_otel.request import OnInsufficient, Request, as_it_came, given_back, untouched
from compact_otel.telemetry import CompactSpan, Telemetry
from compact_otel.telling import Complaints, Telling, now
from compact_otel.windows import Windows

_KNOWN_SESSIONS = 1_000
"""Sessions whose stored checkpoints were read; beyond that the oldest is read again when needed."""

# Set while a manager works: a summariser may call an instrumented model, which must not come back.
_busy: ContextVar[bool] = ContextVar("compact_otel_busy", default=False)

_NEAR = 0.5
"""Share of the input limit from which an empty answer is taken for an overflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A request on its way through the flow."""

    request: Request
    job: Job
    observed: bool
    telling: Telling


class CompactManager:
    """Measures histories, compacts them when they near the window, and remembers what it did.

    One manager serves many sessions, threads and event loops at once. `preflight` is called before
    each model call with the whole history; `manual_compact` compacts now. Both take Responses API
    items, Chat Completions messages or `Message` objects, and give back the kind they were given:
    the same objects, at most one summary among them.

    Args:
        config: Settings; None reads the environment.
        estimator: Counts tokens; None for tiktoken.
        summarizer: Writes summaries; None for the extractive one, which needs no model. If yours
            fails, the extractive one is asked.
        storage: Keeps what is compacted away; None for what `config.storage` says.
        exporters: Take every event beside OpenTelemetry; None for what `config.telemetry` says.
        tracer_provider: Where spans go; None for the global provider.

    Raises:
        ConfigError: If the environment holds an impossible value, or a part lacks a method.
    """

    def __init__(
        self,
        config: CompactConfig | None = None,
        *,
        estimator: TokenEstimator | None = None,
        summarizer: Summarizer | None = None,
        storage: StorageAdapter | None = None,
        exporters: Sequence[Exporter] | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        self.config = CompactConfig.load() if config is None else config
        self._parts = Parts(self.config, estimator, summarizer, storage, exporters)
        self._telemetry = Telemetry(tracer_provider)
        self._lock = threading.Lock()
        self._ledger = Ledger()
        self._histories = Histories()
        self._loaded: OrderedDict[str, None] = OrderedDict()
        self._windows = Windows(self.config.max_context_tokens)
        self._complaints = Complaints()
        self._flights: Flights[CompactResult] = Flights()

    def preflight(
        self, session_id: str, messages: Sequence[Any], *, call: CallContext | None = None
    ) -> CompactResult:
        """Return what the next model call should send.

        Args:
            session_id: Names the archive; any string.
            messages: The whole history, oldest first. Never changed.
            call: What stands beside it (instructions, tools, model), as it costs tokens, too.

        Raises:
            InsufficientBudget: If what must stay is over the budget.
            TypeError: If the arguments are of another kind.
        """
        return self._run(Request(session_id=session_id, messages=messages, call=call))

    async def apreflight(
        self,
        session_id: str,
        messages: Sequence[Any],
        *,
        call: CallContext | None = None,
        stand_back: str | None = None,
        on_insufficient: OnInsufficient = "raise",
    ) -> CompactResult:
        """Return what the next model call should send, without blocking the event loop.

        Args:
            session_id: As in `preflight`.
            messages: As in `preflight`.
            call: As in `preflight`.
            stand_back: Why the history is not ours to change, None if it is: then nothing is
                done but to say so.
            on_insufficient: Whether `InsufficientBudget` is raised, or the history goes back.

        Raises:
            InsufficientBudget: If what must stay is over the budget, unless told otherwise.
            TypeError: If the arguments are of another kind.
        """
        return await self._arun(
            Request(
                session_id=session_id,
                messages=messages,
                call=call,
                stand_back=stand_back,
                on_insufficient=on_insufficient,
            )
        )

    def manual_compact(
        self,
        session_id: str,
        messages: Sequence[Any],
        note: str = "manual",
        *,
        call: CallContext | None = None,
    ) -> CompactResult:
        """Compact now, however far the window is, and return what to send from here on.

        Args:
            session_id: Names the archive; any string.
            messages: The whole history, oldest first. Never changed.
            note: Goes to the summariser and the archive.
            call: What stands beside the history.

        Raises:
            InsufficientBudget: If what must stay is over the budget.
            TypeError: If the arguments are of another kind.
        """
        return self._run(
            Request(
                session_id=session_id, messages=messages, call=call, trigger="manual", note=note
            )
        )

    async def amanual_compact(
        self,
        session_id: str,
        messages: Sequence[Any],
        note: str = "manual",
        *,
        call: CallContext | None = None,
    ) -> CompactResult:
        """Compact now, without blocking the event loop; otherwise as `manual_compact`."""
        return await self._arun(
            Request(
                session_id=session_id, messages=messages, call=call, trigger="manual", note=note
            )
        )

    async def arescue(
        self,
        session_id: str,
        messages: Sequence[Any],
        *,
        call: CallContext,
        estimate: int,
        refused: Overflow,
    ) -> CompactResult:
        """Return what to send after the provider refused a call as too large.

        What the provider says of its window is remembered for the model, in tokens as we count
        them, and holds for every later call.

        Args:
            session_id: As in `preflight`.
            messages: The whole history, not what was sent of it.
            call: As in `preflight`.
            estimate: Tokens that the refused call was taken to have.
            refused: What the provider said.
        """
        self._windows.learn(call.model, estimate, refused)
        return await self._arun(
            Request(
                session_id=session_id,
                messages=messages,
                call=call,
                trigger="reactive",
                on_insufficient="passthrough",
                refused=refused,
            )
        )

    def is_near_limit(self, call: CallContext, estimate: int) -> bool:
        """Say whether a call that got an empty answer may have been too large.

        Of a window that is only assumed nothing can be said, so there every size may be.
        """
        window = self._windows.of(call.model)
        return window.source == "default" or estimate >= window.input_limit * _NEAR

    def status(self, session_id: str) -> SessionStatus:
        """Say what a session's next call remembers of what was compacted away.

        Raises:
            StorageError: If the storage cannot be read.
        """
        history = self._histories.get(session_id)
        checkpoint = None if history is None else history.checkpoint
        if checkpoint is None and self.storage is not None:
            checkpoint = next(reversed(self.storage.load_checkpoints(session_id)), None)
        if checkpoint is None:
            return SessionStatus(session_id=session_id)
        return SessionStatus(
            session_id=session_id,
            summary=checkpoint.summary,
            version=checkpoint.version,
            strategy=checkpoint.strategy,
            dropped=checkpoint.covered - len(checkpoint.kept),
            kept=len(checkpoint.kept),
            tokens_before=checkpoint.tokens_before,
            tokens_after=checkpoint.tokens_after,
        )

    def _run(self, request: Request) -> CompactResult:
        if self._is_off(request):
            return untouched(request)
        try:
            job, observed = self._job(request), self._observes(request)
            with self._telemetry.span(job.scale.call, observed=observed) as span, _working():
                task = self._task(request, job, span, observed=observed)
                result = drive(compaction(job), lambda effect: self._perform(task, effect))
                span.end(result.outcome, result.replayed)
            self._remember(request.session_id, result)
            if self._is_archived(task, result):
                task.telling.keep(self._stored)
            return given_back(request, result, job.scale, observed=task.observed)
        except InsufficientBudget:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours must not reach the user's run
            return as_it_came(request, error)

    async def _arun(self, request: Request) -> CompactResult:
        """Look at a call, one at a time for one history, whatever happens to the call.

        A call that is given up (a timeout, a guardrail, a cancelled run) leaves its compaction to
        finish: the SDK may try again with the same history, and finds it done. Two calls with one
        history never pay for two summaries.
        """
        if self._is_off(request):
            return untouched(request)

        def look() -> tuple[Hashable, Coroutine[Any, Any, CompactResult]]:
            job = self._job(request)
            return (job.memory.key, request.trigger), self._flown(request, job)

        try:
            return await self._flights.run(look)
        except InsufficientBudget:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours must not reach the user's run
            return as_it_came(request, error)

    async def _flown(self, request: Request, job: Job) -> CompactResult:
        await self._warm_up()
        observed = self._observes(request)
        with self._telemetry.span(job.scale.call, observed=observed) as span, _working():
            task = self._task(request, job, span, observed=observed)
            result = await adrive(
                compaction(job),
                lambda effect: self._perform(task, effect),
                lambda effect: self._is_quick(request, effect),
            )
            span.end(result.outcome, result.replayed)
        self._remember(request.session_id, result)
        if self._is_archived(task, result):
            await asyncio.to_thread(task.telling.keep, self._stored)
        return given_back(request, result, job.scale, observed=observed)

    def _job(self, request: Request) -> Job:
        # Nearly all messages are dicts, and there may be thousands on every call.
        items = [
            message if type(message) is dict else as_mapping(message)
            for message in request.messages
        ]
        call = request.call or CallContext(
            model=self.config.model, api=api_of(items), conversation=request.session_id
        )
        policy = self.config.policy
        if request.refused is not None and request.refused.limit is None:
            # The window is unknown but for what it did not hold, and there is one attempt left.
            policy = replace(policy, target_pct=policy.target_pct / 2)
        scale = Scale(
            estimator=self._parts.estimator,
            call=call,
            policy=policy,
            window=self._windows.of(call.model),
        )
        unstored = self.storage is None or self._observes(request)
        rescue = None
        if request.refused is not None:
            rescue = events.Rescue(
                attempt=1,
                reported_tokens=request.refused.used,
                window=scale.window.size,
                window_source=scale.window.source,
            )
        return Job(
            items=items,
            scale=scale,
            trigger=request.trigger,
            ledger=self._ledger,
            memory=Recollection(items, self._histories.get(request.session_id)),
            summarizers=[name_of(summarizer) for summarizer in self._asked(request)],
            storage=None if unstored else name_of(self.storage),
            new_id=lambda: uuid.uuid4().hex,
            stand_back=request.stand_back,
            on_insufficient=request.on_insufficient,
            note=request.note,
            rescue=rescue,
        )

    def tell(self, session_id: str, event: events.Event) -> None:
        """Give an event that belongs to no model call to the current span and the exporters."""
        self._telling(session_id, CompactSpan(get_current_span())).tell(event)

    def _telling(self, session_id: str, span: CompactSpan) -> Telling:
        return Telling(session_id, span, self._parts.exporters, self._complaints)

    def _task(self, request: Request, job: Job, span: CompactSpan, *, observed: bool) -> _Task:
        telling = self._telling(request.session_id, span)
        return _Task(request=request, job=job, observed=observed, telling=telling)

    @staticmethod
    def _is_archived(task: _Task, result: FlowResult) -> bool:
        """Say whether the archive gets this call's events: not those where nothing happened."""
        return task.job.storage is not None and result.outcome not in ("skipped", "replayed")

    def _asked(self, request: Request) -> tuple[Summarizer, ...]:
        """Return the summarisers in the order in which they are asked."""
        return self._parts.summarizers[-1:] if self._observes(request) else self._parts.summarizers

    def _is_off(self, request: Request) -> bool:
        return self.config.mode == "off" and request.trigger != "manual"

    def _observes(self, request: Request) -> bool:
        """Say whether the call is only watched: nothing changes, is stored, or is paid for."""
        return self.config.mode == "observe" and request.trigger != "manual"

    def _remember(self, session_id: str, result: FlowResult) -> None:
        if result.history is not None:
            with self._lock:
                self._histories.put(session_id, result.history)

    def _is_quick(self, request: Request, effect: Effect) -> bool:
        """Say whether an effect may be carried out on the event loop: it does not block."""
        if isinstance(effect, Summarize):
            asked = self._asked(request)[effect.attempt]
            return inspect.iscoroutinefunction(asked.summarize)
        if isinstance(effect, LoadCheckpoints):
            return request.session_id in self._loaded
        return isinstance(effect, events.Event)

    def _perform(self, task: _Task, effect: Effect) -> Any:
        """Do what the flow asks for; a summariser may answer with an awaitable."""
        session_id = task.request.session_id
        match effect:
            case events.Event():
                task.telling.tell(effect)
            case LoadCheckpoints():
                self._load(session_id)
            case Summarize(request, attempt):
                return self._asked(task.request)[attempt].summarize(request)
            case SaveTranscript():
                return self._stored.save_transcript(session_id, task.job.items)
            case SaveSummary(step, checkpoint, dropped):
                figures = {"dropped": list(dropped), "note": task.job.note, "created": now()}
                summary = {**checkpoint.as_dict(), **figures}
                self._stored.save_summary(session_id, step, summary)
            case SaveCheckpoint(checkpoint):
                with self._lock:
                    self._ledger.add(checkpoint)
                if task.job.storage is not None:
                    self._stored.save_checkpoint(session_id, checkpoint)
        return None

    @property
    def storage(self) -> StorageAdapter | None:
        """Where what is compacted away is kept, None if nowhere."""
        return self._parts.storage

    @property
    def _stored(self) -> StorageAdapter:
        if self.storage is None:
            raise RuntimeError("the flow asked for a storage that is not there")
        return self.storage

    def _load(self, session_id: str) -> None:
        """Read a session's stored checkpoints once."""
        with self._lock:
            if session_id in self._loaded:
                self._loaded.move_to_end(session_id)
                return
        checkpoints = self._stored.load_checkpoints(session_id)
        with self._lock:
            for checkpoint in checkpoints:
                self._ledger.add(checkpoint)
            self._loaded[session_id] = None
            while len(self._loaded) > _KNOWN_SESSIONS:
                self._loaded.popitem(last=False)

    async def _warm_up(self) -> None:
        """Load a vocabulary in a thread: it takes longer than an event loop should wait."""
        warm_up = getattr(self._parts.estimator, "warm_up", None)
        if callable(warm_up) and not getattr(self._parts.estimator, "is_warm", True):
            await asyncio.to_thread(warm_up)


def is_compacting() -> bool:
    """Say whether this code runs inside a compaction."""
    return _busy.get()


@contextmanager
def _working() -> Iterator[None]:
    token = _busy.set(True)
    try:
        yield
    finally:
        _busy.reset(token)
