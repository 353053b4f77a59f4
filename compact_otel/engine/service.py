"""Everything behind a manager, loaded with its first question."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider, get_tracer_provider

from compact_otel.adapters.claims import ThreadClaims
from compact_otel.config import CompactConfig
from compact_otel.core import events, frame
from compact_otel.core.calibration import is_believable
from compact_otel.core.protocols import ReadableArchive, StorageAdapter
from compact_otel.core.types import CallContext, Checkpoint, SessionStatus, Usage
from compact_otel.engine.known import Known
from compact_otel.engine.parts import Parts
from compact_otel.engine.performing import Shared
from compact_otel.engine.preparations import Preparations
from compact_otel.engine.reading import Reading
from compact_otel.engine.runs import Runs
from compact_otel.engine.spool import SPOOL
from compact_otel.engine.telling import Announcing, Telling
from compact_otel.metering import Meters, RescueResult
from compact_otel.overflow import Overflow
from compact_otel.patience import Patience
from compact_otel.session import current_session_id
from compact_otel.telemetry import Telemetry
from compact_otel.windows import Windows

if TYPE_CHECKING:  # loaded where log records are asked for
    from opentelemetry._logs import LoggerProvider

_log = logging.getLogger("compact_otel")

_NEAR = 0.5
"""Share of the input limit from which an empty answer is taken for an overflow."""


def _live_path(
    provider: TracerProvider | None, joined: Any, *, wanted: bool | None
) -> Callable[[Any], None] | None:
    """Return what shows decisions in the viewer at once, if the viewer is to be there.

    Args:
        provider: Whose spans they are; `OTEL_TRACES_EXPORTER` is about those of the global one.
        joined: The exporter that was made for it here, None without one.
        wanted: What `telemetry.ariadne_live` says.
    """
    is_global = provider is None or provider is get_tracer_provider()
    named = is_global and "ariadne" in os.environ.get("OTEL_TRACES_EXPORTER", "")
    if joined is None and not named and wanted is None:
        return None  # nobody would read what is loaded
    from compact_otel.exporters.ariadne.live import live_path

    return live_path(os.environ, joined, wanted=wanted)


def _warnings(config: CompactConfig) -> Iterator[events.Event]:
    """Yield what the first call tells of the settings."""
    if not config.redaction.enabled:
        _log.warning(
            "`redaction.enabled` is false: secrets and personal data leave the process as they "
            "are, in the archive and wherever telemetry goes"
        )
        yield events.RedactionOff(enabled=False)


class Service:
    """Answers a manager; its methods mean what they mean in `CompactManager`.

    Args:
        config: Settings.
        tracer_provider: Where spans go; None for the global provider.
        meter_provider: Where metrics go; None for the global provider.
        logger_provider: Where events go as log records; None for the global provider.
        **parts: The other arguments of a `CompactManager`.
    """

    def __init__(
        self,
        config: CompactConfig,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        logger_provider: LoggerProvider | None,
        **parts: Any,
    ) -> None:
        gate = config.redaction.gate()
        viewer = None
        named = config.telemetry.exporter if parts.get("exporters") is None else "none"
        if named == "ariadne":
            from compact_otel.exporters.ariadne.joining import with_viewer

            tracer_provider, viewer = with_viewer(tracer_provider, gate, config.telemetry)
        elif named == "otlp":
            from compact_otel.exporters.otlp import with_otlp

            tracer_provider = with_otlp(tracer_provider)
        self.tracer_provider = tracer_provider
        self.parts = Parts(config, **parts, tracer_provider=tracer_provider, gate=gate)
        self._config = config
        self._windows = Windows()
        self._has_doubted = False
        patience = Patience()
        telemetry = Telemetry(
            tracer_provider,
            patience,
            config.telemetry.events,
            logger_provider,
            spans=config.telemetry.spans,
            live=_live_path(tracer_provider, viewer, wanted=config.telemetry.ariadne_live),
            gate=gate,
        )
        meters = Meters(patience, meter_provider)
        self._shared = Shared(
            config=config,
            parts=self.parts,
            known=Known(),
            claims=ThreadClaims(),
            ahead=Preparations(),
            patience=patience,
            telemetry=telemetry,
            meters=meters,
            announcing=Announcing(telemetry, self.parts.exporters, patience, meters),
            spool=SPOOL,
            windows=self._windows,
            untold=deque(_warnings(config)),
        )
        self.runs = Runs(self._shared)

    def learn(
        self, session_id: str, history_key: str, model: str | None, estimate: int, refused: Overflow
    ) -> None:
        """Remember what a provider said of a model's window, and of the call that it refused."""
        self._windows.learn(model, estimate, refused)
        if refused.used:
            self._shared.known.hear_refusal(session_id, history_key, refused.used)

    def heard(self, session_id: str, history_key: str, usage: Usage) -> None:
        """Take what the provider counted for a call; nothing that no call can have."""
        history = self._shared.known.history(session_id)
        if history is None or history.key != history_key:
            return
        call, tokens = history.call or CallContext(), usage.input_tokens
        most = max(tokens if usage.is_context else 1, usage.output_tokens)
        _, said = self._config.settings_for(call.model, call.agent)
        if not is_believable(most, self._windows.said(call.model, said)):
            if not self._has_doubted:
                self._has_doubted = True
                _log.warning(
                    "what the provider counts is passed over: no call has twice its model's window"
                )
            return
        if usage.is_context:
            self._windows.accept(call.model, tokens)
        self._shared.known.hear(session_id, history_key, usage)

    def is_near_limit(self, call: CallContext, estimate: int) -> bool:
        """Say whether a call that got an empty answer may have been too large."""
        _, said = self._config.settings_for(call.model, call.agent)
        window = self._windows.of(call.model, said)
        return window.source == "default" or estimate >= window.input_limit * _NEAR

    def status(self, session_id: str) -> SessionStatus:
        """Say what a session's next call remembers of what was compacted away.

        Raises:
            StorageError: If the storage cannot be read.
        """
        history = self._shared.known.history(session_id)
        if history is not None and history.checkpoint is None:
            # What was compacted by hand may stand in the history itself.
            summaries = [found for item in history.items if (found := frame.unwrap(item))]
            version, summary = max(summaries, default=(0, None))
            return SessionStatus(session_id=session_id, summary=summary, version=version)
        return SessionStatus.of(session_id, self.in_force(session_id))

    def in_force(self, session_id: str) -> Checkpoint | None:
        """Return the latest compaction of a session, also if it could not be stored yet.

        Raises:
            StorageError: If the storage cannot be read.
        """
        history = self._shared.known.history(session_id)
        checkpoint = None if history is None else history.checkpoint
        if checkpoint is None and self.parts.storage is not None:
            waiting = self._shared.spool.checkpoints(self.parts.storage, session_id)
            in_force = [found for found in waiting if found.ahead is None]
            stored = [] if in_force else self.parts.storage.load_checkpoints(session_id)
            in_force += [found for found in stored if found.ahead is None]
            checkpoint = in_force[-1] if in_force else None
        return checkpoint

    @property
    def archive(self) -> StorageAdapter | ReadableArchive | None:
        """What can be read back, as `CompactManager.archive` says."""
        storage: Any = self.parts.storage
        if isinstance(storage, ReadableArchive):
            return Reading(storage, self._shared.spool, self._shared.patience)
        return self.parts.storage

    def mark_model_spans(self) -> None:
        """Let the span of a model call say from now on that the call went out compacted."""
        provider = self.tracer_provider or get_tracer_provider()
        if hasattr(provider, "add_span_processor"):  # an SDK's, and so the SDK is there
            from compact_otel.marking import mark_spans_of

            self._shared.patience.call("the tracer provider", partial(mark_spans_of, provider))

    def clean_name(self, name: str) -> str:
        """Return a name as it may leave the process."""
        return self._shared.telemetry.name(name) or ""

    def tell(self, session_id: str, event: events.Event, *, content: bool) -> None:
        """Give an event that belongs to no model call to the current span and the exporters."""
        shared = self._shared
        span = shared.telemetry.current(current_session_id(), content=content)
        Telling(session_id, span, shared.parts.exporters, shared.patience).tell(event)
        if isinstance(event, events.Recall):
            shared.meters.recalled(event)

    def rescued(self, result: RescueResult, model: str | None, unsaid: int) -> None:
        """Count what became of a call that the provider had refused as too large."""
        self._shared.meters.rescued(result, model)
        if result == "recovered" and unsaid:
            self._windows.suspect(model, unsaid)
