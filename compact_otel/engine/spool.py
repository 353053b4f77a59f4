"""What could not be archived: it waits in memory until it can be written, or the process ends.

Rules it keeps:

1. What waits is JSON, so that it holds no object of a conversation, and is the same whatever
   happens to that. It is written as anything else is: redacted by the storage.
2. A session's writes keep their order: while one waits, later ones wait behind it. So numbers,
   summaries and audit come out as if the storage had worked all the time.
3. Nothing is written twice. An attempt that was not waited for goes on by itself, and is not made
   again before it has failed.
4. It has a limit in bytes for the whole process, beyond which the oldest goes, and says so.
5. A forked child has nothing of it: its parent writes that.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from compact_otel.adapters.claims import ThreadClaims
from compact_otel.core.events import Archival
from compact_otel.core.measure import name_of
from compact_otel.core.protocols import StorageAdapter
from compact_otel.core.types import Checkpoint
from compact_otel.engine.waiting import History, Log, Records, State, Waiting, sized
from compact_otel.forks import mutex

_log = logging.getLogger("compact_otel")

STORAGE = "the storage"
"""What a `Patience` calls it."""

LIMIT = 64 * 2**20
"""Bytes that wait at most, in the whole process."""

EXIT_S = 5.0
"""Seconds for which the end of the process is held up to write what waits."""

_REFUSALS = 3
"""After so many errors that speak of the thing and not of the storage, nobody asks again."""

_FAILURES = 3
"""Sessions whose writes fail, one after the other; then the others wait for the next time."""

_GLANCE_S = 0.02


class Teller(Protocol):
    """Tells of what became of something that waited; holds nothing of a conversation."""

    def tell(self, session_id: str, event: Archival) -> Records:
        """Tell an event, and return it as it goes into the archive."""


@dataclass(slots=True, eq=False)
class _Line:
    """What waits of one session, oldest first."""

    storage: StorageAdapter
    session_id: str
    teller: Teller
    waiting: deque[Waiting] = field(default_factory=deque)


class Spool:
    """Holds what waits, of all sessions and storages. Thread safe.

    Args:
        limit: Bytes that wait at most.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = mutex()
        self._turns = ThreadClaims()
        self._process = os.getpid()
        self._closes_in: int | None = None
        self._forget()

    def _forget(self) -> None:
        self._lines: OrderedDict[tuple[int, str], _Line] = OrderedDict()
        self._size = 0
        self._keeper: threading.Thread | None = None
        self._called = threading.Event()
        self._over = threading.Event()
        self._is_ending = False

    def _drop_the_parents(self) -> None:
        """In a forked child nothing waits; the lock is held."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._forget()

    @property
    def size(self) -> int:
        """Bytes that wait."""
        with self._lock:
            self._drop_the_parents()
            return self._size

    def has(self, storage: StorageAdapter, session_id: str) -> bool:
        """Say whether something of a session waits for a storage."""
        # Looked at without the lock by each write: where nothing ever failed there are no lines.
        return bool(self._lines) and self._of(storage, session_id) is not None

    def histories(self, storage: Any, session_id: str) -> list[History]:
        """Return the histories of a session that wait for a storage, oldest first."""
        return [one for one in self._all(storage, session_id) if isinstance(one, History)]

    def checkpoints(self, storage: Any, session_id: str) -> list[Checkpoint]:
        """Return the checkpoints of a session that wait for a storage, oldest first."""
        waiting = self._all(storage, session_id)
        return [one.load() for one in waiting if isinstance(one, State)]

    def _all(self, storage: Any, session_id: str) -> list[Waiting]:
        line = self._of(storage, session_id) if self._lines else None
        if line is None:
            return []
        with self._lock:
            return list(line.waiting)

    def _of(self, storage: Any, session_id: str) -> _Line | None:
        with self._lock:
            self._drop_the_parents()
            return self._lines.get((id(storage), session_id))

    def put(
        self, storage: StorageAdapter, session_id: str, waiting: Waiting, teller: Teller
    ) -> bool:
        """Hold something behind what waits of its session; say whether there is room for it."""
        dropped: list[tuple[_Line, Waiting]] = []
        with self._lock:
            self._drop_the_parents()
            if waiting.size > self._limit:
                return False
            key = (id(storage), session_id)
            line = self._lines.setdefault(key, _Line(storage, session_id, teller))
            line.waiting.append(waiting)
            self._size += waiting.size
            while self._size > self._limit:
                oldest = min(self._lines.values(), key=lambda one: one.waiting[0].since)
                dropped.append((oldest, oldest.waiting[0]))
                self._take(oldest, oldest.waiting[0])
            self._keep_a_thread()
        if dropped:
            lost_bytes = sum(lost.size for _, lost in dropped)
            _log.warning(
                "more than %d bytes wait to be archived: the oldest %d are lost",
                self._limit,
                lost_bytes,
            )
        for one, lost in dropped:
            self._tell_of_loss(one, lost, "no_room")
        return True

    def drain(self, storage: StorageAdapter, session_id: str, timeout: float) -> None:
        """Write what waits of a session; return when nothing does.

        Args:
            storage: For which it waits.
            session_id: The session.
            timeout: Seconds to wait for another thread that is at it.

        Raises:
            TimeoutError: If another thread is at it, or an earlier attempt goes on.
            Exception: Whatever the storage raises.
        """
        line = self._of(storage, session_id) if self._lines else None
        if line is not None and not self._drained(line, timeout):
            raise TimeoutError("what waits of this session is being written")

    def call(self) -> None:
        """Have all that waits written by a thread, as a storage seems to answer."""
        if self._lines:
            self._called.set()

    def _drained(self, line: _Line, timeout: float) -> bool:
        """Write what waits in a line; say whether it is empty.

        Raises:
            Exception: Whatever the storage raises.
        """
        with self._turns.claim((id(line.storage), line.session_id), timeout) as had:
            while had and (head := self._head(line)) is not None:
                if head.is_under_way:
                    return False
                try:
                    told = head.write(line.storage, line.session_id)
                except OSError:  # of the storage, as TimeoutError is: it may get better
                    raise
                except Exception as error:
                    head.refused += 1
                    if head.refused < _REFUSALS:
                        raise
                    self._taken(line, head)
                    reason = type(error).__name__
                    _log.warning("the storage refused %d bytes for good: %s", head.size, reason)
                    self._tell_of_loss(line, head, reason)
                    continue
                # Before it leaves, or another writer might come in between.
                if told is not None:
                    self._tell(line, told)
                self._taken(line, head)
            return had

    def _tell(self, line: _Line, event: Archival) -> None:
        records = line.teller.tell(line.session_id, event)
        self.put(line.storage, line.session_id, sized(Log.of(records)), line.teller)

    def _tell_of_loss(self, line: _Line, lost: Waiting, reason: str) -> None:
        if isinstance(lost, History):
            event = Archival(
                archive_id=str(lost.load_summary().get("summary_id")),
                adapter=name_of(line.storage),
                messages=None if lost.items is None else len(lost.items),
                size=lost.size,
                redacted=False,
                error_type=reason,
                waiting=False,
            )
            self._tell(line, event)

    def _head(self, line: _Line) -> Waiting | None:
        with self._lock:
            return line.waiting[0] if line.waiting else None

    def _taken(self, line: _Line, waiting: Waiting) -> None:
        with self._lock:
            self._take(line, waiting)

    def _take(self, line: _Line, waiting: Waiting) -> None:
        """Take something out of its line, unless it is gone; the lock is held."""
        if line.waiting and line.waiting[0] is waiting:
            line.waiting.popleft()
            self._size -= waiting.size
            key = (id(line.storage), line.session_id)
            if not line.waiting and self._lines.get(key) is line:
                del self._lines[key]
                self._called.set()  # perhaps for the thread to see that nothing waits

    # --- the thread ---

    def _keep_a_thread(self) -> None:
        """Have a thread at hand: when the process ends none can be started. The lock is held."""
        if self._keeper is not None:
            return
        if self._closes_in != os.getpid():
            self._closes_in = os.getpid()
            _at_exit(self.close)
        self._called.clear()
        keeper = threading.Thread(target=self._serve, name="compact_otel spool", daemon=True)
        with suppress(RuntimeError):  # no thread to be had: the next compaction writes it
            keeper.start()
            self._keeper = keeper

    def _serve(self) -> None:
        called, over = self._called, self._over
        while True:
            called.wait()
            called.clear()
            is_busy = self._drain_all()
            with self._lock:
                if not self._lines or (self._is_ending and not is_busy):
                    self._keeper = None
                    over.set()
                    return
                if self._is_ending:
                    called.set()  # somebody else is at it, and may leave more
            if is_busy:
                time.sleep(_GLANCE_S)

    def _drain_all(self) -> bool:
        """Write what can be written; say whether others are at some of it."""
        is_busy, failed = False, 0
        with self._lock:
            lines = list(self._lines.values())
        for line in lines:
            try:
                is_busy = not self._drained(line, 0) or is_busy
                failed = 0
            except Exception as error:  # noqa: BLE001 - a user's storage may raise anything
                _log.debug("an archive cannot be written yet: %s", type(error).__name__)
                failed += 1
                self._put_last(line)
            if failed == _FAILURES and not self._is_ending:
                break
        return is_busy

    def _put_last(self, line: _Line) -> None:
        """Let others be asked first the next time."""
        with self._lock:
            key = (id(line.storage), line.session_id)
            if self._lines.get(key) is line:
                self._lines.move_to_end(key)

    def close(self, timeout: float = EXIT_S) -> None:
        """Try for the last time, and say what is lost; at the end of the process.

        Args:
            timeout: Seconds that this may take.
        """
        with self._lock:
            self._drop_the_parents()
            if self._is_ending:
                return
            if self._keeper is not None:
                self._is_ending = True
                self._called.set()
        if self._is_ending:
            self._over.wait(timeout)
        with self._lock:
            lost, sessions = self._size, len(self._lines)
        if sessions:
            _log.error(
                "the process ends, and %d bytes of %d sessions could not be archived",
                lost,
                sessions,
            )


def _at_exit(act: Callable[[], None]) -> None:
    """Have something done as the process ends."""
    atexit.register(act)
    known: Any = sys.modules.get("multiprocessing.process")
    if known is not None and known.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, act, exitpriority=0)  # where it was forked it does not come to the first


SPOOL = Spool()
"""Of the whole process."""
