"""A thread for what cannot wait: it is there while there is something to do, and no longer."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from compact_otel.forks import mutex

_MOST = 1_000
"""Things that wait; of more the oldest are forgotten."""

_IDLE_S = 5.0
"""A thread without work ends after this time, so that those of forgotten exporters do not stay."""

Thing = TypeVar("Thing")


class Courier(Generic[Thing]):
    """Hands things over in another thread; costs whoever brings one a moment, and no more.

    Args:
        handle: Gets what has come meanwhile, in its order. Must not raise.
    """

    def __init__(self, handle: Callable[[list[Thing]], None]) -> None:
        self._handle = handle
        self._lock = mutex()
        self._waiting: deque[Thing] = deque(maxlen=_MOST)
        self._ready = threading.Event()
        self._pid: int | None = None

    def bring(self, thing: Thing) -> None:
        """Take a thing. Where no thread can be had, as at the end of a program, it is forgotten."""
        with self._lock:
            if self._pid != os.getpid():  # a forked child has no thread, and its parent sends
                self._waiting.clear()
                self._ready = threading.Event()
                thread = threading.Thread(
                    target=self._work, args=[self._ready], name="compact_otel.ariadne", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:
                    return
                self._pid = os.getpid()
            self._waiting.append(thing)
            self._ready.set()

    def _work(self, ready: threading.Event) -> None:
        while self._is_wanted(ready):
            with self._lock:
                ready.clear()
                things = list(self._waiting)
                self._waiting.clear()
            self._handle(things)

    def _is_wanted(self, ready: threading.Event) -> bool:
        """Wait for work; false where none has come."""
        if ready.wait(_IDLE_S):
            return True
        with self._lock:
            if not ready.is_set():
                self._pid = None
            return self._pid is not None
