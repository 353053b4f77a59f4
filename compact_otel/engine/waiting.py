"""What waits to be archived, as JSON, and how it is written in the end."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from compact_otel.adapters.records import json_line
from compact_otel.core.errors import UnauditedError
from compact_otel.core.events import Archival
from compact_otel.core.measure import name_of
from compact_otel.core.protocols import StorageAdapter
from compact_otel.core.types import ArchiveReceipt, Checkpoint
from compact_otel.redaction import plain

Records = Sequence[Mapping[str, Any]]


class Attempt:
    """One try to write something, which may outlast the patience of whoever asked for it.

    Attributes:
        answer: What the storage gave.
        has_ended: Whether it is over.
        is_stored: Whether it was written.
    """

    def __init__(self) -> None:
        self._begun = threading.Lock()
        self.answer: Any = None
        self.has_ended = False
        self.is_stored = False

    def begin(self) -> bool:
        """Say whether the attempt may be made; False if it was called off."""
        return self._begun.acquire(blocking=False)

    def call_off(self) -> bool:
        """Keep it from being made; False if that is too late."""
        return self._begun.acquire(blocking=False)

    def made(self, save: Callable[[], Any]) -> Any:
        """Return what `save` gives, and note it.

        Raises:
            Exception: Whatever it raises.
        """
        try:
            self.answer = save()
            self.is_stored = True
        finally:
            self.has_ended = True
        return self.answer


@dataclass(slots=True, kw_only=True, eq=False, weakref_slot=True)
class Waiting:
    """Something that is to be written.

    Attributes:
        size: Bytes.
        since: When it came, by the monotonic clock.
        attempt: One that was not waited for and may still succeed.
        unaudited: Lines of the audit that are to be written first.
        refused: How often its own content was at fault.
    """

    size: int
    since: float = field(default_factory=time.monotonic)
    attempt: Attempt | None = None
    unaudited: list[Mapping[str, Any]] = field(default_factory=list)
    refused: int = 0

    @property
    def is_under_way(self) -> bool:
        """Whether an earlier attempt goes on."""
        return self.attempt is not None and not self.attempt.has_ended

    def write(self, storage: StorageAdapter, session_id: str) -> Archival | None:
        """Write what is missing; return what there is to tell of it.

        Raises:
            Exception: Whatever the storage raises; what was written before stays written.
        """
        if self.attempt is not None and self.attempt.is_stored:
            self.heard(self.attempt.answer)
        self.attempt = None
        self._catch_up(storage, session_id)
        told = self._write(storage, session_id)
        self._catch_up(storage, session_id)
        return told

    def heard(self, answer: Any) -> None:
        """Take what an earlier attempt was answered."""
        raise NotImplementedError

    def _write(self, storage: StorageAdapter, session_id: str) -> Archival | None:
        raise NotImplementedError

    def _catch_up(self, storage: StorageAdapter, session_id: str) -> None:
        while self.unaudited:
            storage.save_event(session_id, self.unaudited[0])
            del self.unaudited[0]

    def _saved(self, save: Callable[[], Any]) -> Any:
        """Save something, and remember if only its audit is missing."""
        try:
            return save()
        except UnauditedError as error:
            self.unaudited.append(error.record)
            return error.receipt


@dataclass(slots=True, kw_only=True, eq=False)
class History(Waiting):
    """A history as it was before a compaction, and its summary.

    Attributes:
        items: The items, as JSON; None if they are stored.
        summary: Its record, as JSON.
        receipt: That of the transcript, once there is one.
    """

    items: Sequence[bytes] | None
    summary: bytes
    receipt: ArchiveReceipt | None = None
    is_summarized: bool = False

    def heard(self, answer: Any) -> None:
        """Take the receipt of the transcript, or that the summary is there."""
        if self.receipt is None:
            self.receipt = answer
        else:
            self.is_summarized = True

    def load(self) -> list[dict[str, Any]]:
        """Return the items."""
        return [json.loads(line) for line in self.items or ()]

    def load_summary(self) -> dict[str, Any]:
        """Return the record of the summary."""
        return dict(json.loads(self.summary))

    def _write(self, storage: StorageAdapter, session_id: str) -> Archival | None:
        if self.receipt is None:
            receipt = self._saved(lambda: storage.save_transcript(session_id, self.load()))
            if not isinstance(receipt, ArchiveReceipt):
                return None  # whatever it did with it: it is not asked to do it again
            self.receipt = receipt
            self._catch_up(storage, session_id)
        step = self.receipt.step
        if not self.is_summarized:
            self._saved(lambda: storage.save_summary(session_id, step, self.load_summary()))
            self.is_summarized = True
        return Archival(
            archive_id=self.receipt.id,
            adapter=name_of(storage),
            messages=self.receipt.messages,
            size=self.receipt.size,
            redacted=self.receipt.redacted,
            delay=time.monotonic() - self.since,
        )


@dataclass(slots=True, kw_only=True, eq=False)
class State(Waiting):
    """A checkpoint, as JSON."""

    checkpoint: bytes
    is_saved: bool = False

    def heard(self, answer: Any) -> None:  # noqa: ARG002 - there is none
        """Take that it is there."""
        self.is_saved = True

    def load(self) -> Checkpoint:
        """Return the checkpoint."""
        return Checkpoint.from_dict(json.loads(self.checkpoint))

    def _write(self, storage: StorageAdapter, session_id: str) -> None:
        if not self.is_saved:
            self._saved(lambda: storage.save_checkpoint(session_id, self.load()))
            self.is_saved = True


@dataclass(slots=True, kw_only=True, eq=False)
class Log(Waiting):
    """Events in their order; those that are written leave it."""

    records: deque[Mapping[str, Any]]

    @classmethod
    def of(cls, records: Records) -> Log:
        """Return a log of some records; its size is to be taken when it has to wait."""
        return cls(size=0, records=deque(records))

    def heard(self, answer: Any) -> None:
        """Take nothing: what an attempt wrote has left the log already."""

    def write_all(self, storage: StorageAdapter, session_id: str) -> None:
        """Write all that is left.

        Raises:
            Exception: Whatever the storage raises.
        """
        while self.records:
            storage.save_event(session_id, self.records[0])
            self.records.popleft()

    def _write(self, storage: StorageAdapter, session_id: str) -> None:
        self.write_all(storage, session_id)


def sized(log: Log) -> Log:
    """Return a log with its size, which is taken only when it has to wait."""
    # A copy of the records: an attempt that goes on may take some out meanwhile.
    return replace(log, size=sum(len(json_line(plain(record))) for record in tuple(log.records)))
