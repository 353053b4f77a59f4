"""The archive in the process: for tests, notebooks, and services that may not write to disk."""

from __future__ import annotations

import errno
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

from compact_otel.adapters.claims import ThreadClaims
from compact_otel.adapters.naming import directory_name
from compact_otel.adapters.records import (
    json_line,
    newest_checkpoints,
    readable,
    summary_name,
    transcript_name,
    whole_lines,
)
from compact_otel.core.errors import ConfigError, StorageError
from compact_otel.core.types import ArchiveReceipt, Checkpoint, Item
from compact_otel.forks import mutex
from compact_otel.redaction import plain

_Kind = Literal["transcript", "summary", "event", "checkpoint"]


@dataclass(slots=True)
class _Session:
    """What is kept of one session; the record written last stands last."""

    records: OrderedDict[tuple[_Kind, int | str], bytes] = field(default_factory=OrderedDict)
    size: int = 0
    last_step: int = 0
    last_event: int = 0

    def put(self, key: tuple[_Kind, int | str], data: bytes) -> int:
        """Store a record behind all others; return by how many bytes the session grew."""
        growth = len(data) - len(self.records.pop(key, b""))
        self.records[key] = data
        self.size += growth
        return growth

    def drop_oldest(self) -> int:
        """Forget the record that was stored first; return its bytes."""
        _, data = self.records.popitem(last=False)
        self.size -= len(data)
        return len(data)


class MemoryStorage:
    """Keeps sessions in the memory of this process, until it ends. Thread safe.

    The same JSON data is stored as by `FileStorage`, so what happens to an item later does not
    reach it; unredacted, since nothing leaves the process.

    Beyond a limit, the session that was written to least recently goes; if there is but one, its
    oldest records go.

    Args:
        max_sessions: The most sessions that are kept.
        max_bytes: The most bytes of JSON that are kept, of all sessions together.

    Raises:
        ConfigError: If a limit is below 1.
    """

    name = "memory"

    def __init__(self, *, max_sessions: int = 256, max_bytes: int = 64 * 2**20) -> None:
        for limit, value in (("max_sessions", max_sessions), ("max_bytes", max_bytes)):
            if value < 1:
                raise ConfigError(f"need `{limit}` >= 1, got {value}")
        self._max_sessions = max_sessions
        self._max_bytes = max_bytes
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._size = 0
        self._lock = mutex()
        self._claims = ThreadClaims()

    def save_transcript(self, session_id: str, messages: Sequence[Item]) -> ArchiveReceipt:
        """Store a history under the session's next number.

        Raises:
            StorageError: If it alone is larger than `max_bytes`.
        """
        data = b"".join(json_line(plain(message)) for message in messages)
        with self._lock:
            step = self._existing(session_id).last_step + 1
            self._store(session_id, "transcript", step, data).last_step = step
        return _receipt(session_id, transcript_name(step), step, len(data), len(messages))

    def save_summary(
        self, session_id: str, step: int, summary: Mapping[str, Any]
    ) -> ArchiveReceipt:
        """Store the summary of a step; saved again it replaces the first.

        Raises:
            StorageError: If it alone is larger than `max_bytes`.
        """
        data = json_line(plain(summary))
        with self._lock:
            session = self._store(session_id, "summary", step, data)
            session.last_step = max(session.last_step, step)
        return _receipt(session_id, summary_name(step), step, len(data), 1)

    def save_event(self, session_id: str, event: Mapping[str, Any]) -> None:
        """Append an event to the session's log.

        Raises:
            StorageError: If it alone is larger than `max_bytes`.
        """
        data = json_line(plain(event))
        with self._lock:
            number = self._existing(session_id).last_event + 1
            self._store(session_id, "event", number, data).last_event = number

    def save_checkpoint(self, session_id: str, checkpoint: Checkpoint) -> None:
        """Store a checkpoint in place of the one with its key.

        Raises:
            StorageError: If it alone is larger than `max_bytes`.
        """
        data = json_line(plain(checkpoint.as_dict()))
        with self._lock:
            self._store(session_id, "checkpoint", checkpoint.key, data)

    def load_checkpoints(self, session_id: str) -> list[Checkpoint]:
        """Return the session's checkpoints, oldest first."""
        return newest_checkpoints(self._all(session_id, "checkpoint"))

    def load_transcript(self, session_id: str, step: int) -> list[dict[str, Any]]:
        """Return the items of a transcript, as JSON data.

        Raises:
            StorageError: If there is none of that step, or no longer.
        """
        lines = whole_lines(self._one(session_id, "transcript", step))
        return [json.loads(line) for line in lines]

    def load_summary(self, session_id: str, step: int) -> dict[str, Any]:
        """Return what `save_summary` stored for a step.

        Raises:
            StorageError: If there is none of that step, or no longer.
        """
        return dict(json.loads(self._one(session_id, "summary", step)))

    def load_events(self, session_id: str) -> list[dict[str, Any]]:
        """Return the session's events, oldest first."""
        return readable(self._all(session_id, "event"))

    def steps(self, session_id: str) -> list[int]:
        """Return the numbers of the session's transcripts, ascending."""
        with self._lock:
            records = self._existing(session_id).records
            return [int(key) for kind, key in records if kind == "transcript"]

    def sessions(self) -> list[str]:
        """Return the ids of the sessions, sorted."""
        with self._lock:
            return sorted(self._sessions)

    def claim(self, session_id: str, key: str, timeout: float) -> AbstractContextManager[bool]:
        """Keep other threads of this process from compacting a conversation meanwhile.

        May be entered in one thread and left in another. A forked child starts without claims, as
        it has a memory of its own.

        Args:
            session_id: The session.
            key: Names the conversation; those with other keys do not wait for it.
            timeout: Seconds to wait for whoever has the claim; 0 tries once.

        Returns:
            A context manager that enters with True when the claim is held, with False if it could
            not be had in time.
        """
        return self._claims.claim((session_id, key), timeout)

    def _existing(self, session_id: str) -> _Session:
        return self._sessions.get(session_id) or _Session()

    def _one(self, session_id: str, kind: _Kind, step: int) -> bytes:
        with self._lock:
            data = self._existing(session_id).records.get((kind, step))
        if data is None:
            message = f"no {kind} of step {step} is kept; `steps()` names the transcripts there are"
            raise StorageError(errno.ENOENT, message)
        return data

    def _all(self, session_id: str, kind: _Kind) -> list[bytes]:
        with self._lock:
            records = self._existing(session_id).records
            return [data for (of_kind, _), data in records.items() if of_kind == kind]

    def _store(self, session_id: str, kind: _Kind, key: int | str, data: bytes) -> _Session:
        """Put a record last and return its session; the lock is held."""
        if len(data) > self._max_bytes:
            message = f"need `max_bytes` >= {len(data)} for this {kind}, got {self._max_bytes}"
            raise StorageError(errno.ENOSPC, message)
        session = self._sessions.setdefault(session_id, _Session())
        self._sessions.move_to_end(session_id)
        self._size += session.put((kind, key), data)
        while len(self._sessions) > self._max_sessions or self._size > self._max_bytes:
            if len(self._sessions) > 1:
                self._size -= self._sessions.popitem(last=False)[1].size
            else:
                self._size -= session.drop_oldest()
        return session


def _receipt(session_id: str, ident: str, step: int, size: int, messages: int) -> ArchiveReceipt:
    return ArchiveReceipt(
        id=ident,
        step=step,
        location=f"memory:{directory_name(session_id)}/{ident}",
        size=size,
        messages=messages,
        redacted=False,
    )
