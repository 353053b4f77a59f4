"""Who hears of an event: the span, the exporters, and the archive. None of them can stop a call."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from compact_otel.core import events
from compact_otel.core.measure import name_of
from compact_otel.core.protocols import Exporter, StorageAdapter
from compact_otel.telemetry import SCHEMA, CompactSpan, attributes_of

_log = logging.getLogger("compact_otel")


class Complaints:
    """Logs each failing listener once."""

    def __init__(self) -> None:
        self._made: set[str] = set()

    def make(self, what: str, error: Exception) -> None:
        """Say that a listener failed. The error's text may quote a conversation, so not that."""
        if what not in self._made:
            self._made.add(what)
            kind = type(error).__name__
            _log.warning("%s failed with %s; events go on without it", what, kind)


class Telling:
    """Tells the events of one call.

    Args:
        session_id: The call's session.
        span: The call's span.
        exporters: Who else hears of them at once.
        complaints: Where failures go.
    """

    def __init__(
        self,
        session_id: str,
        span: CompactSpan,
        exporters: Sequence[Exporter],
        complaints: Complaints,
    ) -> None:
        self._session_id = session_id
        self._span = span
        self._exporters = exporters
        self._complaints = complaints
        self._told: list[dict[str, Any]] = []

    def tell(self, event: events.Event) -> None:
        """Give an event to the span and the exporters."""
        name, attributes = SCHEMA[type(event)].name, attributes_of(event)
        record = {"ts": now(), "session_id": self._session_id, "event": name, **attributes}
        self._told.append(record)
        try:
            self._span.add(name, attributes)
        except Exception as error:  # noqa: BLE001 - telemetry must not stop a call
            self._complaints.make("the span", error)
        for exporter in self._exporters:
            try:
                exporter.export(record)
            except Exception as error:  # noqa: BLE001 - a user's exporter may raise anything
                self._complaints.make(f"exporter {name_of(exporter)}", error)

    def keep(self, storage: StorageAdapter) -> None:
        """Give all events of the call to the archive."""
        try:
            for record in self._told:
                storage.save_event(self._session_id, record)
        except Exception as error:  # noqa: BLE001 - a user's storage may raise anything
            self._complaints.make("the event archive", error)


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
