"""CompactManager: drives `core.flow`, asks the adapters, and fails open.

The flow says what it needs; here it is done, in a thread's time or in an event loop's. Whatever
goes wrong on our side, the caller gets the history back as it came, and the span says so.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from opentelemetry.trace import TracerProvider

from compact_otel.config import CompactConfig
from compact_otel.core import events
from compact_otel.core.assemble import summary_item
from compact_otel.core.errors import ConfigError, InsufficientBudget
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
from compact_otel.core.history import Histories
from compact_otel.core.items import api_of, as_mapping
from compact_otel.core.ledger import Ledger
from compact_otel.core.measure import Scale, name_of
from compact_otel.core.protocols import Exporter, StorageAdapter, Summarizer, TokenEstimator
from compact_otel.core.types import CallContext, CompactResult, Message, TriggerType, Window
from compact_otel.driver import adrive, drive
from compact_otel.overflow import Overflow
from compact_otel.telemetry import SCHEMA, CompactSpan, Telemetry, attributes_of
from compact_otel.windows import window_of

_log = logging.getLogger("compact_otel")

_KNOWN_SESSIONS = 10_000
"""Sessions whose stored checkpoints were read; beyond that the oldest is read again when needed."""

# Set while a manager works: a summariser may call an instrumented model, which must not come back.
_busy: ContextVar[bool] = ContextVar("compact_otel_busy", default=False)

_NEAR = 0.5
"""Share of the input limit from which an empty answer is taken for an overflow."""

OnInsufficient = Literal["passthrough", "raise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What a caller asks for; the fields are the arguments of `apreflight`."""

    session_id: str
    messages: Sequence[Any]
    call: CallContext | None
    trigger: TriggerType = "preflight"
    note: str | None = None
    stand_back: str | None = None
    on_insufficient: OnInsufficient = "raise"
    refused: Overflow | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.session_id, str):
            raise TypeError(f"need a str in `session_id`, got {type(self.session_id).__name__}")
        messages = self.messages
        if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
            raise TypeError(
                "need a list of items or Message objects in `messages`, "
                f"got {type(messages).__name__}"
            )


@dataclass(slots=True, kw_only=True)
class _Task:
    """A request on its way through the flow."""

    request: _Request
    job: Job
    span: CompactSpan
    told: list[dict[str, Any]] = field(default_factory=list)


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
        _fits("config", self.config, CompactConfig)
        self.storage = _storage(self.config) if storage is None else storage
        self._estimator = _estimator() if estimator is None else estimator
        self._summarizers = _summarizers(summarizer)
        self._exporters = _exporters(self.config) if exporters is None else tuple(exporters)
        _fits("estimator", self._estimator, TokenEstimator)
        _fits("summarizer", self._summarizers[0], Summarizer)
        if self.storage is not None:
            _fits("storage", self.storage, StorageAdapter)
        for exporter in self._exporters:
            _fits("exporters", exporter, Exporter)
        self._telemetry = Telemetry(tracer_provider)
        self._lock = threading.Lock()
        self._ledger = Ledger()
        self._histories = Histories()
        self._loaded: OrderedDict[str, None] = OrderedDict()
        self._learned: dict[str | None, int] = {}
        self._complained: set[str] = set()

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
        return self._run(_Request(session_id=session_id, messages=messages, call=call))

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
            _Request(
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
            _Request(
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
            _Request(
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
        self._learn(call.model, estimate, refused)
        return await self._arun(
            _Request(
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
        window = self._window(call.model)
        return window.source == "default" or estimate >= window.input_limit * _NEAR

    def _learn(self, model: str | None, estimate: int, refused: Overflow) -> None:
        """Remember the largest input that a model can have, going by what it refused."""
        limit = estimate
        if refused.limit is not None:
            # Our count may differ from the provider's: scaled if it gives both numbers.
            scaled = refused.used is not None and estimate > 0
            limit = estimate * refused.limit // (refused.used or 1) if scaled else refused.limit
            limit = min(limit, estimate) if estimate > 0 else limit
        if limit > 0:
            with self._lock:
                known = self._learned.get(model)
                self._learned[model] = limit if known is None else min(known, limit)

    def _window(self, model: str | None) -> Window:
        """Return what a model takes in; a refusal proves more than a setting or a table."""
        window = window_of(model, self.config.max_context_tokens)
        learned = self._learned.get(model)
        if learned is None or learned >= window.input_limit:
            return window
        return Window(size=learned, source="learned")

    def _run(self, request: _Request) -> CompactResult:
        try:
            job = self._job(request)
            with self._telemetry.span(job.scale.call) as span, _working():
                task = _Task(request=request, job=job, span=span)
                result = drive(compaction(job), lambda effect: self._perform(task, effect))
                span.end(result.outcome)
            self._remember(request.session_id, result)
            self._keep_events(task, result)
            return _given_back(task, result)
        except InsufficientBudget:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours must not reach the user's run
            return _as_it_came(request, error)

    async def _arun(self, request: _Request) -> CompactResult:
        try:
            job = self._job(request)
            await self._warm_up()
            with self._telemetry.span(job.scale.call) as span, _working():
                task = _Task(request=request, job=job, span=span)
                result = await adrive(
                    compaction(job),
                    lambda effect: self._perform(task, effect),
                    lambda effect: self._is_quick(request.session_id, effect),
                )
                span.end(result.outcome)
            self._remember(request.session_id, result)
            if self._wants_events(result):
                await asyncio.to_thread(self._keep_events, task, result)
            return _given_back(task, result)
        except InsufficientBudget:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours must not reach the user's run
            return _as_it_came(request, error)

    def _job(self, request: _Request) -> Job:
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
            estimator=self._estimator,
            call=call,
            policy=policy,
            window=self._window(call.model),
        )
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
            known=self._histories.get(request.session_id),
            summarizers=[name_of(summarizer) for summarizer in self._summarizers],
            storage=None if self.storage is None else name_of(self.storage),
            new_id=lambda: uuid.uuid4().hex,
            stand_back=request.stand_back,
            on_insufficient=request.on_insufficient,
            note=request.note,
            rescue=rescue,
        )

    def _remember(self, session_id: str, result: FlowResult) -> None:
        if result.history is not None:
            with self._lock:
                self._histories.put(session_id, result.history)

    def _is_quick(self, session_id: str, effect: Effect) -> bool:
        """Say whether an effect may be carried out on the event loop: it does not block."""
        if isinstance(effect, Summarize):
            return inspect.iscoroutinefunction(self._summarizers[effect.attempt].summarize)
        if isinstance(effect, LoadCheckpoints):
            return session_id in self._loaded
        return isinstance(effect, events.Event)

    def _perform(self, task: _Task, effect: Effect) -> Any:
        """Do what the flow asks for; a summariser may answer with an awaitable."""
        session_id = task.request.session_id
        match effect:
            case events.Event():
                self._tell(task, effect)
            case LoadCheckpoints():
                self._load(session_id)
            case Summarize(request, attempt):
                return self._summarizers[attempt].summarize(request)
            case SaveTranscript():
                return self._stored.save_transcript(session_id, task.job.items)
            case SaveSummary(step, checkpoint, dropped):
                figures = {"dropped": list(dropped), "note": task.job.note, "created": _now()}
                summary = {**checkpoint.as_dict(), **figures}
                self._stored.save_summary(session_id, step, summary)
            case SaveCheckpoint(checkpoint):
                with self._lock:
                    self._ledger.add(checkpoint)
                if self.storage is not None:
                    self.storage.save_checkpoint(session_id, checkpoint)
        return None

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

    def _tell(self, task: _Task, event: events.Event) -> None:
        """Give an event to the span and the exporters; none of them can stop the call."""
        name, attributes = SCHEMA[type(event)].name, attributes_of(event)
        session_id = task.request.session_id
        record = {"ts": _now(), "session_id": session_id, "event": name, **attributes}
        task.told.append(record)
        try:
            task.span.add(name, attributes)
        except Exception as error:  # noqa: BLE001 - telemetry must not stop a call
            self._complain("the span", error)
        for exporter in self._exporters:
            try:
                exporter.export(record)
            except Exception as error:  # noqa: BLE001 - a user's exporter may raise anything
                self._complain(f"exporter {name_of(exporter)}", error)

    def _wants_events(self, result: FlowResult) -> bool:
        """Say whether the archive gets this call's events: not those where nothing happened."""
        return self.storage is not None and result.outcome not in ("skipped", "replayed")

    def _keep_events(self, task: _Task, result: FlowResult) -> None:
        if not self._wants_events(result):
            return
        try:
            for record in task.told:
                self._stored.save_event(task.request.session_id, record)
        except Exception as error:  # noqa: BLE001 - a user's storage may raise anything
            self._complain("the event archive", error)

    def _complain(self, what: str, error: Exception) -> None:
        """Log a failing listener once; its error's text may quote a conversation, so not that."""
        if what not in self._complained:
            self._complained.add(what)
            _log.warning("%s failed with %s; events go on without it", what, type(error).__name__)

    async def _warm_up(self) -> None:
        """Load a vocabulary in a thread: it takes longer than an event loop should wait."""
        warm_up = getattr(self._estimator, "warm_up", None)
        if callable(warm_up) and not getattr(self._estimator, "is_warm", True):
            await asyncio.to_thread(warm_up)


def _fits(name: str, part: object, kind: type) -> None:
    """Check that what a caller gave is what it should be.

    Raises:
        ConfigError: If it is not; it names what is missing.
    """
    if isinstance(part, kind):
        return
    members = sorted({*vars(kind), *kind.__annotations__})
    missing = [f"`{name}`" for name in members if name[0] != "_" and not hasattr(part, name)]
    lacks = f", which has no {' and no '.join(missing)}" if missing else ""
    raise ConfigError(f"need a {kind.__name__} in `{name}`, got {type(part).__name__}{lacks}")


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


def _given_back(task: _Task, result: FlowResult) -> CompactResult:
    """Return the outcome of a flow in the caller's own kind of messages.

    Raises:
        InsufficientBudget: If that is the outcome and the caller wants it raised.
    """
    messages, scale = task.request.messages, task.job.scale
    if isinstance(result.error, InsufficientBudget) and task.request.on_insufficient == "raise":
        raise result.error

    def summary_message(content: str) -> Any:
        if isinstance(messages[0], Message):  # the first, so that growing does not change the kind
            return Message(scale.policy.summary_role, content)
        return summary_item(content, scale.policy.summary_role, scale.call.api)

    return CompactResult(
        messages=result.view.render(messages, summary_message),
        outcome=result.outcome,
        tokens_before=result.tokens_before,
        tokens_after=result.tokens_after,
        summary=result.view.summary,
        summary_version=result.view.version or None,
        dropped=len(messages) - len(result.view.kept),
        error=result.error,
        archive=None if result.archive is None else result.archive.location,
    )


def _as_it_came(request: _Request, error: Exception) -> CompactResult:
    _log.error("compaction failed with %s; the input is sent unchanged", type(error).__name__)
    _log.debug("the failure in full", exc_info=error)
    return CompactResult(messages=list(request.messages), outcome="error", error=error)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _estimator() -> TokenEstimator:
    from compact_otel.estimators.tiktoken import TiktokenEstimator

    return TiktokenEstimator()


def _summarizers(first: Summarizer | None) -> tuple[Summarizer, ...]:
    from compact_otel.summarizers.extractive import ExtractiveSummarizer

    extractive = ExtractiveSummarizer()
    return (extractive,) if first is None else (first, extractive)


def _storage(config: CompactConfig) -> StorageAdapter | None:
    if config.storage.adapter == "fs":
        from compact_otel.adapters.fs import FileStorage

        return FileStorage(config.storage.path)
    if config.storage.adapter == "memory":
        from compact_otel.adapters.memory import MemoryStorage

        return MemoryStorage()
    return None


def _exporters(config: CompactConfig) -> tuple[Exporter, ...]:
    if config.telemetry.exporter == "console":
        from compact_otel.exporters.console import ConsoleExporter

        return (ConsoleExporter(),)
    return ()
