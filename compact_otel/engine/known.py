"""What a manager remembers between calls: compactions, histories, whose storage was read."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

from compact_otel.core.calibration import has_grown, learned, refused
from compact_otel.core.errors import StorageError
from compact_otel.core.history import Histories, History
from compact_otel.core.ledger import Ledger
from compact_otel.core.protocols import StorageAdapter
from compact_otel.core.types import Checkpoint, Usage
from compact_otel.forks import mutex

_MODELS = 1_000
"""Models of which a ratio is held; beyond that the one heard of longest ago is forgotten."""

_SESSIONS = 1_000
"""Sessions whose stored checkpoints were read; beyond that the oldest is read again when needed."""


class Known:
    """Shared by all sessions, threads and event loops of a manager; bounded.

    Attributes:
        ledger: The compactions, by content; to read.
        ready: Those that were made ahead of time and are not yet in force; to read.
    """

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.ready = Ledger(limit=_SESSIONS)
        self._lock = mutex()
        self._histories = Histories()
        self._read: OrderedDict[str, None] = OrderedDict()
        self._ratios: OrderedDict[tuple[str | None, str], float] = OrderedDict()

    def history(self, session_id: str) -> History | None:
        """Return the history of a session as it was at its last call."""
        return self._histories.get(session_id)

    def remember(self, session_id: str, history: History) -> None:
        """Hold the history of a session instead of the one before."""
        with self._lock:
            self._histories.put(session_id, history)

    def hear(self, session_id: str, key: str, usage: Usage) -> None:
        """Hold what the provider counted for a call, if no other call came in between."""
        with self._lock:
            history = self._histories.get(session_id)
            if history is None or history.key != key:
                return
            heard = replace(history, usage=usage)
            truth, base = heard.truth, heard.base
            if truth is not None and (base is None or has_grown(base, truth)):
                if base is not None:
                    self._learn(heard, learned(self._ratio(heard), base, truth))
                heard = replace(heard, base=truth)
            self._histories.put(session_id, heard)

    def hear_refusal(self, session_id: str, key: str, tokens: int) -> None:
        """Hold what the provider counted for a call that it refused."""
        with self._lock:
            history = self._histories.get(session_id)
            if history is None or history.key != key:
                return
            heard = replace(history, usage=Usage(input_tokens=tokens))
            self._histories.put(session_id, heard)
            if heard.truth is not None:
                self._learn(heard, refused(self._ratio(heard), heard.truth))

    def ratio(self, model: str | None, estimator: str) -> float:
        """Return how many of a model's tokens one of an estimator's was so far."""
        return self._ratios.get((model, estimator), 1.0)

    def _ratio(self, history: History) -> float:
        return self.ratio(*_counted_by(history))

    def _learn(self, history: History, ratio: float) -> None:
        key = _counted_by(history)
        self._ratios[key] = ratio
        self._ratios.move_to_end(key)
        while len(self._ratios) > _MODELS:
            self._ratios.popitem(last=False)

    def hold(self, checkpoint: Checkpoint) -> None:
        """Hold a compaction."""
        with self._lock:
            self._add(checkpoint)

    def _add(self, checkpoint: Checkpoint) -> None:
        ledger = self.ledger if checkpoint.ahead is None else self.ready
        if not ledger.has(checkpoint):
            ledger.add(checkpoint)

    def has_read(self, session_id: str) -> bool:
        """Say whether the session's stored checkpoints are here."""
        return session_id in self._read

    def read(self, session_id: str, storage: StorageAdapter, *, anew: bool) -> None:
        """Read a session's stored checkpoints; once, unless others may have stored more.

        Raises:
            StorageError: If some of them are no checkpoints; the others are held.
            Exception: Whatever the storage raises.
        """
        with self._lock:
            if session_id in self._read and not anew:
                self._read.move_to_end(session_id)
                return
        # Outside of the lock, which event loops take: a storage may load as it is asked, and hang.
        loaded = [_checked(record) for record in storage.load_checkpoints(session_id)]
        checkpoints = [checkpoint for checkpoint in loaded if checkpoint is not None]
        with self._lock:
            for checkpoint in checkpoints:
                self._add(checkpoint)
            self._read[session_id] = None
            self._read.move_to_end(session_id)
            while len(self._read) > _SESSIONS:
                self._read.popitem(last=False)
        if len(checkpoints) < len(loaded):
            bad = len(loaded) - len(checkpoints)
            raise StorageError(f"{bad} of {len(loaded)} stored checkpoints are none")


def _counted_by(history: History) -> tuple[str | None, str]:
    """Return the model that a history was counted for, and who counted."""
    return None if history.call is None else history.call.model, history.estimator


def _checked(record: Any) -> Checkpoint | None:
    """Return a stored record if it is a checkpoint and could be one, None otherwise."""
    try:
        return Checkpoint.from_dict(record.as_dict())
    except Exception:  # noqa: BLE001 - a storage may load anything
        return None
