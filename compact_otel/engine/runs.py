"""One request from beginning to end, in a thread's time or in an event loop's."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from compact_otel.core.errors import InsufficientBudget
from compact_otel.core.flow import compaction, known_view
from compact_otel.core.job import FlowResult, Job
from compact_otel.core.making import failure
from compact_otel.core.protocols import TokenEstimator
from compact_otel.core.types import CompactResult
from compact_otel.engine.ahead import Ahead
from compact_otel.engine.answers import as_it_came, given_back, untouched
from compact_otel.engine.driver import StuckError, adrive, drive
from compact_otel.engine.flights import Flights, Turn
from compact_otel.engine.jobs import is_observed, is_off, job_of, writers_of
from compact_otel.engine.parts import is_warm, warm_up
from compact_otel.engine.performing import (
    ESTIMATOR,
    STEP_LIMIT,
    Performance,
    Shared,
    performing,
)
from compact_otel.engine.request import Request
from compact_otel.engine.spool import STORAGE
from compact_otel.engine.workers import WORKERS, LateError

_LOADING = 60.0
"""Seconds that are waited for our own vocabulary; it takes 0.4 where nothing else runs."""


class Runs:
    """Carries out requests, and fails open: what goes wrong on our side never reaches the caller.

    Args:
        shared: What requests share.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._ahead = Ahead(shared)
        self._flights: Flights[CompactResult] = Flights()

    def run(self, request: Request) -> CompactResult:
        """Look at a call in the caller's thread.

        Raises:
            InsufficientBudget: If what must stay is over the budget and the caller wants to know.
        """
        if is_off(self._shared, request):
            return untouched(request)
        try:
            job = job_of(self._shared, request)
            with self._performing(request, job, turn=None) as performance:
                try:
                    result = drive(compaction(job), performance)
                except StuckError as error:
                    result = self._given_up(job, performance, error)
                performance.end(result)
            if self._is_kept(job, result):
                self._keep(performance)
            return self._finished(request, job, result)
        except InsufficientBudget:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours must not reach the user's run
            return as_it_came(request, error)

    async def arun(self, request: Request) -> CompactResult:
        """Look at a call, whatever happens to it.

        A call that is given up (a timeout, a guardrail, a cancelled run) leaves its compaction to
        finish: the SDK may try again with the same history, and finds it done. Two calls with one
        history never pay for two summaries: those that are to be compacted take turns, and all but
        the first find what that one left. A call that needs no more than a look waits for nobody.

        Raises:
            InsufficientBudget: If what must stay is over the budget and the caller wants to know.
        """
        if is_off(self._shared, request):
            return untouched(request)
        try:
            return await self._flights.run(lambda turn: self._flown(request, turn))
        except InsufficientBudget:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours must not reach the user's run
            return as_it_came(request, error)

    async def _flown(self, request: Request, turn: Turn) -> CompactResult:
        job = job_of(self._shared, request)
        turn.key = (job.memory.key, request.trigger)
        if self._has_to_load(request, job) and not turn.take():
            await turn.wait()
            job = job_of(self._shared, request)  # with what the one before has loaded
            if not self._has_to_load(request, job):
                turn.end()
        await self._warm_up(job.scale.estimator, job.scale.call.model)
        with self._performing(request, job, turn=turn) as performance:
            try:
                result = await adrive(compaction(job), performance)
            except StuckError as error:
                result = self._given_up(job, performance, error)
            performance.end(result)
        if self._is_kept(job, result):
            await asyncio.wrap_future(WORKERS.start(lambda: self._keep(performance)))
        return self._finished(request, job, result)

    def _has_to_load(self, request: Request, job: Job) -> bool:
        """Say whether more than a look is needed to decide, of which equal calls gain if they wait.

        A vocabulary, or what is stored of the session; and with an estimator of the user's the
        counts of the call before. In threads all at once they would take each other's time.
        """
        shared = self._shared
        return (
            not shared.parts.has_own_estimator
            or not is_warm(job.scale.estimator, job.scale.call.model)
            or (job.storage is not None and not shared.known.has_read(request.session_id))
        )

    def _performing(self, request: Request, job: Job, *, turn: Turn | None) -> Any:
        return performing(
            self._shared,
            request.session_id,
            job,
            writers_of(self._shared, request),
            observed=is_observed(self._shared, request),
            blocking=turn is None,
            turn=turn,
        )

    def _given_up(self, job: Job, performance: Performance, error: StuckError) -> FlowResult:
        """Give up on a flow that does not go on; the compaction in force stays in force."""
        self._shared.patience.rest(ESTIMATOR, STEP_LIMIT)
        performance.perform(failure("estimate", error, "passthrough"))
        return FlowResult(view=known_view(job), outcome="error", error=error)

    def _finished(self, request: Request, job: Job, result: FlowResult) -> CompactResult:
        """Remember what was learned, begin what is due soon, and return the answer."""
        if result.history is not None:
            self._shared.known.remember(request.session_id, result.history)
        observed = is_observed(self._shared, request)
        if result.prepared:
            self._shared.ahead.taken(request.session_id)
        if result.soon:
            job.price()  # loaded by the time the compaction is due
        if result.soon and not observed and request.trigger == "preflight":
            self._ahead.begin(request.session_id, job, result)
        return given_back(request, result, job.scale, observed=observed)

    @staticmethod
    def _is_kept(job: Job, result: FlowResult) -> bool:
        """Say whether the archive gets this call's events: not those where nothing happened."""
        return job.storage is not None and result.outcome not in ("skipped", "replayed")

    def _keep(self, performance: Performance) -> None:
        """Give the events of a call to the archive."""
        limit, patience = performance.storage_limit, self._shared.patience

        def protected(step: Callable[[], None]) -> None:
            patience.call("the event archive", step, math.inf)

        protected(performance.begin_to_keep_events)
        try:
            WORKERS.run(lambda: protected(performance.keep_events), limit)
        except LateError:
            patience.rest(STORAGE, limit)
        protected(performance.settle)

    async def _warm_up(self, estimator: TokenEstimator, model: str | None) -> None:
        """Load a vocabulary in a thread: it takes longer than an event loop should wait."""
        parts, patience = self._shared.parts, self._shared.patience
        if is_warm(estimator, model):
            return
        limit = _LOADING if parts.has_own_estimator else STEP_LIMIT
        if patience.is_resting(ESTIMATOR):
            return
        try:
            await WORKERS.arun(partial(warm_up, estimator, model), limit)
        except LateError:
            patience.rest(ESTIMATOR, limit)
