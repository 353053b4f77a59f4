"""Reading back an archive together with what waits to be written to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

from compact_otel.core.measure import name_of
from compact_otel.core.protocols import ReadableArchive
from compact_otel.engine.spool import STORAGE, Spool
from compact_otel.engine.waiting import History
from compact_otel.engine.workers import WORKERS
from compact_otel.patience import Patience

_UNREAD = 0
"""Stands for all that a storage holds and does not give: who reads on to it hears why."""

_LIMIT_S = 2.0
"""Seconds for which a storage is asked, where what waits may answer."""


class Reading:
    """An archive as it will be once all is written; the numbers of what waits are not final.

    Args:
        storage: The archive.
        spool: Holds what waits.
        patience: Knows whether the storage hangs.
    """

    def __init__(self, storage: ReadableArchive, spool: Spool, patience: Patience) -> None:
        self.name = name_of(storage)
        self._storage = storage
        self._spool = spool
        self._patience = patience
        self._numbered: WeakValueDictionary[tuple[str, int], History] = WeakValueDictionary()

    def steps(self, session_id: str) -> Sequence[int]:
        """Return the numbers of the session's transcripts, ascending.

        Raises:
            Exception: Whatever the storage raises, unless something of the session waits.
        """
        waiting = self._spool.histories(self._storage, session_id)
        if not waiting:
            return self._storage.steps(session_id)
        try:
            steps = set(self._asked(session_id))
        except Exception:  # noqa: BLE001 - raised again if there is nothing else to be read
            steps = {_UNREAD}
        for history in waiting:
            step = max(steps, default=0) + 1 if history.receipt is None else history.receipt.step
            self._numbered[session_id, step] = history
            steps.add(step)
        return sorted(steps)

    def load_transcript(self, session_id: str, step: int) -> Sequence[Mapping[str, Any]]:
        """Return the items of a transcript.

        Raises:
            Exception: Whatever the storage raises.
        """
        history = self._numbered.get((session_id, step))
        if history is None or history.items is None:
            return self._storage.load_transcript(session_id, step)
        return history.load()

    def load_summary(self, session_id: str, step: int) -> Mapping[str, Any]:
        """Return the record of a summary.

        Raises:
            Exception: Whatever the storage raises.
        """
        if step == _UNREAD:
            self._asked(session_id)
            raise TimeoutError(f"{STORAGE} could not be read a moment ago")
        history = self._numbered.get((session_id, step))
        if history is None:
            return self._storage.load_summary(session_id, step)
        return history.load_summary()

    def _asked(self, session_id: str) -> Sequence[int]:
        """Return what the storage says; it may hang as it could not be written to.

        Raises:
            TimeoutError: If it hung a moment ago, or does now.
            Exception: Whatever it raises.
        """
        if self._patience.is_resting(STORAGE):
            raise TimeoutError(f"{STORAGE} hung a moment ago")
        return WORKERS.run(lambda: self._storage.steps(session_id), _LIMIT_S)
