"""CompactManager: what an application asks, and what it gets.

How it is done stands in `compact_otel.engine`. Whatever goes wrong on our side, the caller gets the
history back as it came, and the span says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compact_otel.config import CompactConfig
from compact_otel.core.errors import ConfigError
from compact_otel.engine.request import OnInsufficient, Request
from compact_otel.forks import LOADING_S, mutex

if TYPE_CHECKING:  # loaded with the first question: a program that starts does not wait for it
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from compact_otel.core import events
    from compact_otel.core.protocols import (
        Exporter,
        ReadableArchive,
        StorageAdapter,
        Summarizer,
        TokenEstimator,
    )
    from compact_otel.core.types import CallContext, CompactResult, SessionStatus, Usage
    from compact_otel.engine.service import Service
    from compact_otel.metering import RescueResult
    from compact_otel.overflow import Overflow


_loading = mutex(LOADING_S)


class CompactManager:
    """Measures histories, compacts them when they near the window, and remembers what it did.

    One manager serves many sessions, threads and event loops at once. `preflight` is called before
    each model call with the whole history; `manual_compact` compacts now. Both take Responses API
    items, Chat Completions messages or `Message` objects, and give back the kind they were given:
    the same objects, at most one summary among them.

    Args:
        config: Settings; None reads file and environment.
        estimator: Counts tokens; None for tiktoken.
        summarizer: Writes summaries; None for what `config.summarizer` says: a model, if one is
            named. The extractive one, which needs none, is asked where there is no other, or it
            fails.
        storage: Keeps what is compacted away; None for what `config.storage` says.
        exporters: Take every event beside OpenTelemetry; None for what `config.telemetry` says.
        tracer_provider: Where spans go; None for the global provider.
        meter_provider: Where metrics go; None for the global provider.
        logger_provider: Where events go as log records; None for the global provider. Nothing goes
            there unless `config.telemetry.events` says so.

    Raises:
        ConfigError: If file or environment hold an impossible value, or a part lacks a method.
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
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        self.config = CompactConfig.load() if config is None else config
        if not isinstance(self.config, CompactConfig):
            raise ConfigError(f"need a CompactConfig in `config`, got {type(config).__name__}")
        self._providers = tracer_provider, meter_provider, logger_provider
        self._parts = {
            "estimator": estimator,
            "summarizer": summarizer,
            "storage": storage,
            "exporters": None if exporters is None else tuple(exporters),
        }
        if any(part is not None for part in self._parts.values()):
            from compact_otel.engine.fitting import check_parts

            check_parts(self._parts)
        self._settled = _settled(self.config)
        if storage is None:
            _check_installed(self.config)
        self._loaded: Service | None = None

    @property
    def _service(self) -> Service:
        if self._loaded is None:
            with _loading:
                from compact_otel.engine.service import Service

                if self._loaded is None:
                    tracers, meters, logs = self._providers
                    self._loaded = Service(self._settled, tracers, meters, logs, **self._parts)
        return self._loaded

    @property
    def tracer_provider(self) -> TracerProvider | None:
        """Where spans go; None for the global provider."""
        return self._service.tracer_provider

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
        return self._service.runs.run(Request(session_id=session_id, messages=messages, call=call))

    async def apreflight(
        self,
        session_id: str,
        messages: Sequence[Any],
        *,
        call: CallContext | None = None,
        stand_back: str | None = None,
        on_insufficient: OnInsufficient = "raise",
        count: Callable[[list[Any]], Awaitable[int]] | None = None,
        compose: Callable[[list[Any]], Mapping[str, Any]] | None = None,
        native: Callable[[list[Any]], tuple[Any, dict[str, Any]]] | None = None,
    ) -> CompactResult:
        """Return what the next model call should send, without blocking the event loop.

        Args:
            session_id: As in `preflight`.
            messages: As in `preflight`.
            call: As in `preflight`.
            stand_back: Why the history is not ours to change, None if it is: then nothing is
                done but to say so.
            on_insufficient: Whether `InsufficientBudget` is raised, or the history goes back.
            count: Returns the tokens of the call with the messages it is given, as the provider
                counts them; asked near the trigger if `estimator.exact` is set.
            compose: Returns the call with the messages it is given as a request of the Responses
                API; for a summariser that asks behind it.
            native: Returns the client of the call, and the messages it is given as a request to its
                `responses.compact`; asked first if `summarizer.native` is set.

        Raises:
            InsufficientBudget: If what must stay is over the budget, unless told otherwise.
            TypeError: If the arguments are of another kind.
        """
        return await self._service.runs.arun(
            Request(
                session_id=session_id,
                messages=messages,
                call=call,
                stand_back=stand_back,
                on_insufficient=on_insufficient,
                count=count,
                compose=compose,
                native=native,
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
        return self._service.runs.run(
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
        return await self._service.runs.arun(
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
        history_key: str = "",
    ) -> CompactResult:
        """Return what to send after the provider refused a call as too large.

        What the provider says of its window is remembered for the model and holds for every later
        call; what it counted for this one corrects the estimates. What is no more than perhaps a
        refusal (`is_certain`) holds for this call only.

        Args:
            session_id: As in `preflight`.
            messages: The whole history, not what was sent of it.
            call: As in `preflight`.
            estimate: Tokens that the refused call was taken to have.
            refused: What the provider said.
            history_key: `CompactResult.history_key` of the decision on the refused call.
        """
        if refused.is_certain:
            self._service.learn(session_id, history_key, call.model, estimate, refused)
        return await self._service.runs.arun(
            Request(
                session_id=session_id,
                messages=messages,
                call=call,
                trigger="reactive",
                on_insufficient="passthrough",
                refused=refused,
                below=None if refused.is_certain else estimate,
            )
        )

    def heard(self, session_id: str, history_key: str, usage: Usage) -> None:
        """Take what the provider counted for a call; the next decision makes use of it.

        Args:
            session_id: As in `preflight`.
            history_key: `CompactResult.history_key` of the decision on that call.
            usage: What the response said.
        """
        self._service.heard(session_id, history_key, usage)

    def rescued(self, result: RescueResult, model: str | None, *, unsaid: int = 0) -> None:
        """Count what became of a call that the provider had refused as too large.

        Args:
            result: `recovered` if it went through in the end, `failed` if not, `refused` if it
                could not be sent again, as its answer had begun.
            model: As in `CallContext`.
            unsaid: Tokens of the call, where the provider did not say that it was too large.
        """
        self._service.rescued(result, model, unsaid)

    def is_near_limit(self, call: CallContext, estimate: int) -> bool:
        """Say whether a call that got an empty answer may have been too large.

        Of a window that is only assumed nothing can be said, so there every size may be.

        Args:
            call: As in `preflight`.
            estimate: Tokens that the call was taken to have.
        """
        return self._service.is_near_limit(call, estimate)

    def status(self, session_id: str) -> SessionStatus:
        """Say what a session's next call remembers of what was compacted away.

        Raises:
            StorageError: If the storage cannot be read.
        """
        return self._service.status(session_id)

    def mark_model_spans(self) -> None:
        """Let the span of a model call say from now on that the call went out compacted."""
        self._service.mark_model_spans()

    def tell(self, session_id: str, event: events.Event, *, content: bool = True) -> None:
        """Give an event that belongs to no model call to the current span and the exporters.

        Args:
            session_id: As in `preflight`.
            event: The event.
            content: As `content` of a `CallContext`.
        """
        self._service.tell(session_id, event, content=content)

    def clean_name(self, name: str) -> str:
        """Return a name (of an agent, a tool, a session) as it may leave the process."""
        return self._service.clean_name(name)

    @property
    def storage(self) -> StorageAdapter | None:
        """Where what is compacted away is kept, None if nowhere."""
        return self._service.parts.storage

    @property
    def archive(self) -> StorageAdapter | ReadableArchive | None:
        """What was compacted away, to be read: the storage with what waits to be written to it.

        That goes by numbers that are not final. The storage itself if it cannot be read; None
        without one.
        """
        return self._service.archive


def _check_installed(config: CompactConfig) -> None:
    """Refuse an archive whose package is missing, before the first model call finds out.

    Raises:
        ConfigError: It names the package.
    """
    where = config.storage
    kept = where.adapter in ("fs", "s3")
    for package, extra, setting, needed in (
        ("boto3", "s3", "storage.adapter", where.adapter == "s3"),
        ("cryptography", "encrypt", "storage.encryption_key", kept and where.encryption_key),
    ):
        if needed and find_spec(package) is None:
            raise ConfigError(f"`{setting}` needs {package}: pip install 'compact-otel[{extra}]'")


def _settled(config: CompactConfig) -> CompactConfig:
    """Return a configuration in which a relative path means what it means now."""
    path = str(Path(config.storage.path).absolute())
    return replace(config, storage=replace(config.storage, path=path))
