"""What one call writes to the archive, and what becomes of that if it fails."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from compact_otel.adapters.memory import MemoryStorage
from compact_otel.adapters.records import json_line
from compact_otel.core.errors import StorageError, UnauditedError
from compact_otel.core.history import copied
from compact_otel.core.job import Held, Postpone
from compact_otel.core.protocols import StorageAdapter
from compact_otel.core.types import ArchiveReceipt, Checkpoint, Item
from compact_otel.engine.spool import Spool, Teller
from compact_otel.engine.telling import now
from compact_otel.engine.waiting import Attempt, History, Log, State, Waiting, sized
from compact_otel.redaction import plain


class Writes:
    """The writes of one call, one after the other.

    Each is prepared by `begin`, where the caller waits. Then it is made, perhaps in another thread
    and for longer than it is waited for, and if it failed it is postponed.

    Args:
        spool: Holds what is postponed.
        teller: Tells what became of that.
        session_id: The session.
        storage: Returns the storage; raises if it is left out for a while.
        home: The storage, left out or not; None without one.
    """

    def __init__(
        self,
        spool: Spool,
        teller: Teller,
        session_id: str,
        storage: Callable[[], StorageAdapter],
        home: StorageAdapter | None,
    ) -> None:
        self._spool = spool
        self._teller = teller
        self._session_id = session_id
        self._storage = storage
        # What a memory has no room for, it has no room for later; and it ends with us, too.
        self._home = None if isinstance(home, MemoryStorage) else home
        self._attempt = Attempt()
        self._has_failed = False

    def begin(self) -> None:
        """Get ready for a write."""
        self._attempt = Attempt()

    def save_transcript(self, items: Sequence[Item], timeout: float) -> Any:
        """Store a history, behind what waits of its session.

        Raises:
            Exception: Whatever the storage raises.
        """

        def save(storage: StorageAdapter) -> Any:
            if self._home is not None:
                self._spool.drain(self._home, self._session_id, timeout)
            # Copies for others, who may write into them: these are the program's own items.
            return storage.save_transcript(self._session_id, copied(items))

        return self._made(save)

    def save_summary(
        self, step: int, checkpoint: Checkpoint, dropped: Sequence[int], note: str | None
    ) -> None:
        """Store a summary.

        Raises:
            Exception: Whatever the storage raises.
        """
        record = _summary_record(checkpoint, dropped, note)

        def save(storage: StorageAdapter) -> Any:
            if self._is_waited_for():
                message = "something of this session waits to be written, and comes first"
                raise StorageError(errno.EAGAIN, message)
            return storage.save_summary(self._session_id, step, record)

        self._made(save)

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint, or hold it behind what waits of its session.

        Raises:
            Exception: Whatever the storage raises.
        """

        def save(storage: StorageAdapter) -> Any:
            if not self._waits(lambda: _state(checkpoint)):
                storage.save_checkpoint(self._session_id, checkpoint)

        self._made(save)

    def save_log(self, log: Log) -> None:
        """Store events, or hold them behind what waits; those that are stored leave the log.

        Raises:
            Exception: Whatever the storage raises.
        """

        def save(storage: StorageAdapter) -> Any:
            if not self._waits(lambda: sized(log)):
                log.write_all(storage, self._session_id)

        self._made(save)

    def postpone(self, what: Postpone, items: Sequence[Item], note: str | None) -> Held:
        """Hold a compaction that was not stored, or its checkpoint."""
        self._has_failed = True
        attempt = self._left()
        if what.dropped is None:
            return Held(waits=self._put(_state(what.checkpoint, attempt)))
        if self._home is None or (what.receipt is None and _answered_wrongly(attempt)):
            return Held(messages=len(items))
        lines = [json_line(plain(item)) for item in items] if what.receipt is None else None
        summary = json_line(plain(_summary_record(what.checkpoint, what.dropped, note)))
        size = sum(map(len, lines or ()))
        history = History(
            size=size + len(summary),
            items=lines,
            summary=summary,
            receipt=what.receipt,
            attempt=attempt,
        )
        return Held(waits=self._put(history), messages=len(items), size=size or None)

    def settle(self, log: Log) -> None:
        """Hold events that were not stored; if all was, have what waits elsewhere tried."""
        attempt = self._left()
        if attempt is None or not attempt.is_stored:
            self._has_failed = True
            self._put(replace(sized(log), attempt=attempt))
        if not self._has_failed:
            self._spool.call()

    def _left(self) -> Attempt | None:
        """Return the last attempt; None if it was never made, and will not be."""
        return None if self._attempt.call_off() else self._attempt

    def _made(self, save: Callable[[StorageAdapter], Any]) -> Any:
        attempt = self._attempt
        return attempt.made(lambda: self._saved(save)) if attempt.begin() else None

    def _saved(self, save: Callable[[StorageAdapter], Any]) -> Any:
        try:
            return save(self._storage())
        except UnauditedError as error:
            self._put(sized(Log.of([error.record])))
            return error.receipt

    def _waits(self, made: Callable[[], Waiting]) -> bool:
        """Hold something if something else of its session waits, which comes first."""
        if not self._is_waited_for():
            return False
        self._has_failed = True
        return self._put(made())

    def _is_waited_for(self) -> bool:
        return self._home is not None and self._spool.has(self._home, self._session_id)

    def _put(self, waiting: Waiting) -> bool:
        return self._home is not None and self._spool.put(
            self._home, self._session_id, waiting, self._teller
        )


def _state(checkpoint: Checkpoint, attempt: Attempt | None = None) -> State:
    line = json_line(plain(checkpoint.as_dict()))
    return State(size=len(line), checkpoint=line, attempt=attempt)


def _answered_wrongly(attempt: Attempt | None) -> bool:
    """Say whether a transcript was stored, for all we know, and only its receipt is none."""
    if attempt is None or not attempt.is_stored:
        return False
    return not isinstance(attempt.answer, ArchiveReceipt)


def _summary_record(
    checkpoint: Checkpoint, dropped: Sequence[int], note: str | None
) -> Mapping[str, Any]:
    readable = replace(checkpoint, opaque=None)  # what it says is in the transcript
    figures = {"dropped": list(dropped), "note": note, "created": now()}
    return {**readable.as_dict(), **figures}
