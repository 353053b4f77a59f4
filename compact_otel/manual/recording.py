"""What a compaction by hand leaves behind while it is made: its events, and its checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from compact_otel.core.protocols import StorageAdapter
from compact_otel.core.types import ArchiveReceipt, Checkpoint, Item


class Events:
    """Keeps the events it is given, by name.

    Args:
        heard: Is told the name of each, as it comes.
    """

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self.told: list[Mapping[str, Any]] = []

    def export(self, event: Mapping[str, Any]) -> None:
        """Keep one event."""
        self.told.append(event)
        self._heard(event["event"])

    def last(self, name: str) -> Mapping[str, Any]:
        """Return the latest event of a name, an empty one if there is none."""
        return next((one for one in reversed(self.told) if one["event"] == name), {})

    def named(self, name: str) -> list[Mapping[str, Any]]:
        """Return all events of a name."""
        return [one for one in self.told if one["event"] == name]


class Anew:
    """A storage that gives everything on but checkpoints: those it keeps, and knows none.

    What is compacted by hand stands in a file, and is the same however often that is done. No
    agent that runs under the same session shall find itself compacted by it.

    Args:
        storage: Where the rest goes.

    Attributes:
        checkpoint: The compaction, None until it is made.
        error: What kept the history or its summary from being stored, None if nothing did.
    """

    def __init__(self, storage: StorageAdapter) -> None:
        self.name = storage.name
        self.checkpoint: Checkpoint | None = None
        self.error: Exception | None = None
        self._storage = storage

    def save_transcript(self, session_id: str, messages: Sequence[Item]) -> ArchiveReceipt:
        """Store the history as it was."""
        with self._watched():
            return self._storage.save_transcript(session_id, messages)

    def save_summary(
        self, session_id: str, step: int, summary: Mapping[str, Any]
    ) -> ArchiveReceipt:
        """Store a summary beside it."""
        with self._watched():
            return self._storage.save_summary(session_id, step, summary)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.error = error
            raise

    def save_event(self, session_id: str, event: Mapping[str, Any]) -> None:
        """Append one event to the session's log; of what came to nothing there is none."""
        if self.checkpoint is not None:
            self._storage.save_event(session_id, event)

    def save_checkpoint(self, session_id: str, checkpoint: Checkpoint) -> None:  # noqa: ARG002 - the protocol's
        """Keep a checkpoint here."""
        self.checkpoint = checkpoint

    def load_checkpoints(self, session_id: str) -> Sequence[Checkpoint]:  # noqa: ARG002 - the protocol's
        """Return none."""
        return ()
