"""Summaries that are written before they are due, so that no call waits for them."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from compact_otel.core.flow import conversation_of
from compact_otel.core.flow import preparation as making_ready
from compact_otel.core.history import Recollection
from compact_otel.core.job import FlowResult, Job
from compact_otel.engine.driver import adrive, drive
from compact_otel.engine.performing import Performance, Shared, performing, running_loop
from compact_otel.engine.preparations import Preparation
from compact_otel.engine.workers import WORKERS

_log = logging.getLogger("compact_otel")


class Ahead:
    """Begins to write the next summary when it is due soon.

    A summariser that is a coroutine function is asked in the event loop of the call: its client
    belongs there. Any other one is asked in a thread, where also a call without a loop may begin.

    Args:
        shared: What requests share.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._tasks: set[asyncio.Task[None]] = set()  # or nobody would hold them

    def begin(self, session_id: str, job: Job, result: FlowResult) -> None:
        """Begin, unless somebody has, or nothing is gained.

        Args:
            session_id: The session.
            job: The call.
            result: What came of it.
        """
        history, first = result.history, job.line[0]
        if history is None or job.writers[first].immediate:
            return
        writer = self._shared.parts.summarizers[first]
        in_loop = inspect.iscoroutinefunction(writer.summarize)
        preparation = Preparation(
            basis=conversation_of(job) if result.replayed is None else result.replayed.key,
            compacted=result.replayed is not None,
            loop=running_loop() if in_loop else None,
        )
        if not self._shared.ahead.begin(session_id, preparation):
            return
        # Over our own copies: the caller goes on with the history, and may change it.
        known = Recollection(history.items, history)
        job = replace(job, items=history.items, memory=known, trigger="background", rescue=None)
        try:
            self._start(session_id, job, preparation)
        except Exception as error:  # noqa: BLE001 - no thread to be had: the call goes out all the same
            _log.warning("a summary ahead was not begun: %s", type(error).__name__)
            preparation.over.set()

    def _start(self, session_id: str, job: Job, preparation: Preparation) -> None:
        if preparation.loop is None:
            WORKERS.start(lambda: self._make(session_id, job, preparation))
        else:
            task = preparation.loop.create_task(self._amake(session_id, job, preparation))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _make(self, session_id: str, job: Job, preparation: Preparation) -> None:
        with self._making(session_id, job, preparation, blocking=True) as performance:
            performance.end(drive(making_ready(job), performance))

    async def _amake(self, session_id: str, job: Job, preparation: Preparation) -> None:
        with self._making(session_id, job, preparation, blocking=False) as performance:
            performance.end(await adrive(making_ready(job), performance))

    @contextmanager
    def _making(
        self, session_id: str, job: Job, preparation: Preparation, *, blocking: bool
    ) -> Iterator[Performance]:
        writers = self._shared.parts.summarizers
        try:
            with performing(
                self._shared, session_id, job, writers, observed=False, blocking=blocking
            ) as performance:
                preparation.release.append(performance.release)
                yield performance
        except Exception as error:  # noqa: BLE001 - the call that is due does it by itself
            _log.warning("writing a summary ahead failed with %s", type(error).__name__)
        finally:  # cancelled, too
            preparation.over.set()
            preparation.release.clear()  # it would keep the whole history alive
