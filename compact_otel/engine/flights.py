"""Work that goes on when nobody waits for it, and takes turns where it would be done twice.

Rules that turns keep:

1. One at a time under a key, in the order in which they came; each event loop has turns of its own.
2. A turn ends with its work, whatever ends that, and passes to the next; so does one that was just
   given to somebody who is cancelled.
3. Nothing is held of a key that nobody wants.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

R = TypeVar("R")

_Queues = dict[Hashable, "OrderedDict[Turn, asyncio.Future[None] | None]"]
"""By key: those who want it, the one who has it first, and what calls those who wait."""


class WorkCancelledError(RuntimeError):
    """The work was cancelled while the one who asked for it was not."""


class Turn:
    """The turn of one piece of work, which may never need it.

    Attributes:
        key: What others do not do at the same time; to be set before the turn is taken.
        waits: Whether somebody else has it, and the work has not gone on since.
    """

    def __init__(self, queues: _Queues) -> None:
        self.key: Hashable = None
        self.waits = False
        self._queues = queues
        self._queue: OrderedDict[Turn, asyncio.Future[None] | None] | None = None

    def take(self) -> bool:
        """Return whether the turn is had; if not, this one has queued for it and has to wait."""
        if self._queue is None:
            self._queue = self._queues.setdefault(self.key, OrderedDict())
            self.waits = bool(self._queue)
            self._queue[self] = asyncio.get_running_loop().create_future() if self.waits else None
        return not self.waits

    async def wait(self) -> None:
        """Wait for a turn that was not had at once."""
        called = None if self._queue is None else self._queue[self]
        if called is not None:
            await called
        self.waits = False

    def end(self) -> None:
        """Let the next one have the turn; one that was not had is wanted no more."""
        queue, self._queue, self.waits = self._queue, None, False
        if queue is None:
            return
        was_first = next(iter(queue)) is self
        del queue[self]
        if not queue:
            del self._queues[self.key]
        elif was_first:
            called = next(iter(queue.values()))
            # One that is cancelled passes it on itself, and in a closed loop nobody is left to.
            if called is not None and not called.done() and not called.get_loop().is_closed():
                called.set_result(None)


class Flights(Generic[R]):
    """Runs work in tasks of its own, shielded from what happens to those who wait for it."""

    def __init__(self) -> None:
        # By loop, weakly: a turn belongs to its loop, and a forked child makes loops of its own.
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queues] = WeakKeyDictionary()
        self._tasks: set[asyncio.Task[R]] = set()  # or nobody would hold them

    async def run(self, work: Callable[[Turn], Coroutine[Any, Any, R]]) -> R:
        """Return what the work gives.

        Args:
            work: Gets its turn, which it may take, and which ends with it. It goes on when this
                call is cancelled, unless it still waits for its turn.

        Raises:
            WorkCancelledError: If the work was cancelled, but not this call.
        """
        turn = Turn(self._by_loop.setdefault(asyncio.get_running_loop(), {}))
        task = asyncio.create_task(_flown(work, turn))
        self._tasks.add(task)
        task.add_done_callback(self._land)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if turn.waits:
                task.cancel()
            waiting = asyncio.current_task()
            if task.cancelled() and not (waiting is not None and waiting.cancelling()):
                raise WorkCancelledError("the work was cancelled") from None
            raise

    def _land(self, done: asyncio.Task[R]) -> None:
        self._tasks.discard(done)
        if not done.cancelled():
            done.exception()  # read, or asyncio complains where nobody waited any more


async def _flown(work: Callable[[Turn], Coroutine[Any, Any, R]], turn: Turn) -> R:
    try:
        return await work(turn)
    finally:
        turn.end()
