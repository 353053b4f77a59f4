"""CompactManager: what an application asks, and what it gets.

How it is done stands in `compact_otel.engine`. Whatever goes wrong on our side, the caller gets the
history back as it came, and the span says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.trace import TracerProvider

from compact_otel.adapters.claims import ThreadClaims
from compact_otel.config import CompactConfig
from compact_otel.core import events, frame
from compact_otel.core.protocols import Exporter, StorageAdapter, Summarizer, TokenEstimator
from compact_otel.core.types import CallContext, CompactResult, SessionStatus, Usage
from compact_otel.engine.known import Known
from compact_otel.engine.parts import Parts
from compact_otel.engine.performing import Shared
from compact_otel.engine.preparations import Preparations
from compact_otel.engine.request import OnInsufficient, Request
from compact_otel.engine.runs import Runs
from compact_otel.engine.telling import Telling
from compact_otel.overflow import Overflow
from compact_otel.patience import Patience
from compact_otel.telemetry import Telemetry
from compact_otel.windows import Windows

_NEAR = 0.5
"""Share of the input limit from which an empty answer is taken for an overflow."""


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
        self._windows = Windows()
        patience = Patience()
        self._shared = Shared(
            config=self.config,
            parts=self._parts,
            known=Known(),
            claims=ThreadClaims(),
            ahead=Preparations(),
            patience=patience,
            telemetry=Telemetry(tracer_provider, patience),
            windows=self._windows,
        )
        self._runs = Runs(self._shared)

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
        return self._runs.run(Request(session_id=session_id, messages=messages, call=call))

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
        return await self._runs.arun(
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
        return self._runs.run(
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
        return await self._runs.arun(
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
        return await self._runs.arun(
            Request(
                session_id=session_id,
                messages=messages,
                call=call,
                trigger="reactive",
                on_insufficient="passthrough",
                refused=refused,
            )
        )

    def heard(self, session_id: str, history_key: str, usage: Usage) -> None:
        """Take what the provider counted for a call; the next decision makes use of it.

        Args:
            session_id: As in `preflight`.
            history_key: `CompactResult.history_key` of the decision on that call.
            usage: What the response said.
        """
        self._shared.known.hear(session_id, history_key, usage)

    def is_near_limit(self, call: CallContext, estimate: int) -> bool:
        """Say whether a call that got an empty answer may have been too large.

        Of a window that is only assumed nothing can be said, so there every size may be.
        """
        _, said = self.config.settings_for(call.model, call.agent)
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
        checkpoint = None if history is None else history.checkpoint
        if checkpoint is None and self.storage is not None:
            stored = reversed(self.storage.load_checkpoints(session_id))
            checkpoint = next((found for found in stored if found.ahead is None), None)
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

    def tell(self, session_id: str, event: events.Event) -> None:
        """Give an event that belongs to no model call to the current span and the exporters."""
        shared = self._shared
        span = shared.telemetry.current()
        Telling(session_id, span, shared.parts.exporters, shared.patience).tell(event)

    @property
    def storage(self) -> StorageAdapter | None:
        """Where what is compacted away is kept, None if nowhere."""
        return self._parts.storage
