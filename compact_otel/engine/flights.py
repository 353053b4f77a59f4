"""Work that is done once for all who ask for it, and goes on when they stop waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

R = TypeVar("R")


class WorkCancelledError(RuntimeError):
    """The work was cancelled while the one who asked for it was not."""


class Flights(Generic[R]):
    """Runs one task at a time under a key, shielded from what happens to those who wait for it."""

    def __init__(self) -> None:
        # By loop, weakly: a task belongs to its loop, and a forked child makes loops of its own.
        self._by_loop: WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[Hashable, asyncio.Task[R]]
        ] = WeakKeyDictionary()

    async def run(self, look: Callable[[], tuple[Hashable, Coroutine[Any, Any, R]]]) -> R:
        """Return what the work gives.

        Args:
            look: Returns a key and the work; called again after somebody else's work under the
                key has ended, and so finds what that one left.

        Raises:
            WorkCancelledError: If the work was cancelled, but not this call.
        """
        tasks = self._by_loop.setdefault(asyncio.get_running_loop(), {})
        key, work = look()
        while (running := tasks.get(key)) is not None and not running.done():
            work.close()
            await asyncio.wait({running})
            key, work = look()
        task = tasks[key] = asyncio.create_task(work)
        task.add_done_callback(lambda done: _land(tasks, key, done))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            waiting = asyncio.current_task()
            if task.cancelled() and not (waiting is not None and waiting.cancelling()):
                raise WorkCancelledError("the work was cancelled") from None
            raise


def _land(tasks: dict[Hashable, asyncio.Task[R]], key: Hashable, done: asyncio.Task[R]) -> None:
    if tasks.get(key) is done:
        del tasks[key]
    if not done.cancelled():
        done.exception()  # read, or asyncio complains where nobody waited any more
