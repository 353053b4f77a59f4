"""Threads for what may block: nobody has to wait for them, and no exit does.

Neither `asyncio.to_thread` nor a ThreadPoolExecutor will do: both wait at the end of the program
for what hangs, and their few threads can all be taken by those who wait for one another.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from compact_otel.core.errors import BrokenOffError

R = TypeVar("R")


class LateError(TimeoutError):
    """Work takes longer than it is waited for."""


_IDLE = 30.0
"""Seconds after which a thread without work ends."""


class _Outcome:
    """What work gave or raised. No future takes a StopIteration, which a bare `next()` raises."""

    __slots__ = ("error", "value")

    def __init__(self, value: Any = None, error: BaseException | None = None) -> None:
        self.value = value
        self.error = error

    def get(self) -> Any:
        if self.error is None:
            return self.value
        if isinstance(self.error, Exception | KeyboardInterrupt):
            raise self.error
        # An exit ends a thread, a cancellation what it was meant for: not whoever waits for it.
        raise BrokenOffError(self.error) from self.error


_Inbox = SimpleQueue[tuple["Future[_Outcome]", contextvars.Context, Callable[[], Any]]]


class Workers:
    """Runs work in daemon threads, in the context of whoever asks; threads are used again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Inbox] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def run(self, work: Callable[[], R], limit: float) -> R:
        """Return what the work gives.

        Args:
            work: What is to be done.
            limit: Seconds that are waited for it; then it goes on by itself.

        Raises:
            LateError: If it takes longer.
            BrokenOffError: If it ends by what is neither an exception nor a KeyboardInterrupt.
            Exception: Whatever the work raises.
        """
        try:
            outcome = self.start(work).result(limit)
        except TimeoutError:
            raise LateError from None
        result: R = outcome.get()
        return result

    async def arun(self, work: Callable[[], R], limit: float) -> R:
        """Return what the work gives, without blocking the event loop; otherwise as `run`."""
        waiting = asyncio.wrap_future(self.start(work))
        done, _ = await asyncio.wait({waiting}, timeout=limit)
        if not done:
            waiting.cancel()
            raise LateError
        result: R = waiting.result().get()
        return result

    def start(self, work: Callable[[], Any]) -> Future[_Outcome]:
        """Begin the work; the future's result has what it gave."""
        future: Future[_Outcome] = Future()
        future.set_running_or_notify_cancel()  # it cannot be called off any more
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = SimpleQueue()
            threading.Thread(
                target=self._serve, args=(inbox,), name="compact_otel", daemon=True
            ).start()
        inbox.put((future, contextvars.copy_context(), work))
        return future

    def _serve(self, inbox: _Inbox) -> None:
        while True:
            try:
                future, context, work = inbox.get(timeout=_IDLE)
            except Empty:
                with self._lock:
                    if inbox in self._idle:
                        self._idle.remove(inbox)
                        return
                continue  # somebody has just taken this thread: the work is on its way
            try:
                outcome = _Outcome(context.run(work))
            except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
                outcome = _Outcome(error=error)
            with self._lock:
                self._idle.append(inbox)
            future.set_result(outcome)
            del future, context, work, outcome  # or they would live as long as the thread idles

    def _forget(self) -> None:
        """In a forked child there are no threads but the one that forked."""
        self._lock = threading.Lock()
        self._idle = []


WORKERS = Workers()
"""Of the whole process."""
