"""Native code, and the end of the program.

A daemon thread that comes back from native code while the interpreter goes down is ended on the
spot. What is written in Rust takes that for its own fault and aborts the process: "FATAL: exception
not rethrown", exit status 134, after a run in which nothing was wrong. pydantic does while it is
imported, tiktoken before 0.14 whenever it counts. So the end of the program waits for those who
are in there, and lets nobody else in.
"""

from __future__ import annotations

import atexit
import os
import threading
import time

_PATIENCE_S = 5.0
"""An end of the program waits this long; an import takes a second, a piece of text some ms."""

_GLANCE_S = 0.001


class Unbroken:
    """What a daemon thread does within it, the end of the program does not break off."""

    def __init__(self) -> None:
        self._inside: list[None] = []  # a count: to append and to pop needs no lock
        self._is_ending = False
        atexit.register(self._end)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._inside.clear)

    def __enter__(self) -> None:
        """Begin.

        Raises:
            SystemExit: In a daemon thread, if the program ends: so does the thread.
        """
        # The others are waited for anyway, and an interrupted main thread would stay counted.
        if threading.current_thread().daemon:
            self._inside.append(None)
            if self._is_ending:
                self._inside.pop()
                raise SystemExit

    def __exit__(self, *_: object) -> None:
        if self._inside and threading.current_thread().daemon:
            self._inside.pop()

    def _end(self) -> None:
        self._is_ending = True
        latest = time.monotonic() + _PATIENCE_S
        while self._inside and time.monotonic() < latest:
            time.sleep(_GLANCE_S)


UNBROKEN = Unbroken()
"""Of the whole process."""
