"""Who hears of an event: telemetry, exporters and the archive. None of them can stop a call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from compact_otel.core import events
from compact_otel.core.measure import name_of
from compact_otel.core.protocols import Exporter
from compact_otel.metering import Meters
from compact_otel.patience import Patience
from compact_otel.schema import SCHEMA
from compact_otel.telemetry import CompactSpan, Telemetry, attributes_of


class Telling:
    """Tells the events of one call.

    Args:
        session_id: The call's session.
        span: The call's span.
        exporters: Who else hears of them at once.
        patience: Calls them all.
    """

    def __init__(
        self,
        session_id: str,
        span: CompactSpan,
        exporters: Sequence[Exporter],
        patience: Patience,
    ) -> None:
        self._session_id = session_id
        self._span = span
        self._exporters = exporters
        self._patience = patience
        self._told: list[tuple[float, events.Event]] = []

    def tell(self, event: events.Event, happened: float | None = None) -> None:
        """Give an event to the span and the exporters.

        Args:
            event: The event.
            happened: When it did, in seconds since the epoch; None for now.
        """
        # Nearly every call has two events that nobody listens to: they are not spelled out.
        when = time.time() if happened is None else happened
        self._told.append((when, event.bare()))
        self._span.tell(event, happened)
        if self._exporters:
            self._export(self._record(when, event))

    def _record(self, when: float, event: events.Event) -> dict[str, Any]:
        name = SCHEMA[type(event)].name
        head = {"ts": _timestamp(when), "session_id": self._session_id, "event": name}
        return {**head, **attributes_of(event)}

    def _export(self, record: dict[str, Any]) -> None:
        for number, exporter in enumerate(self._exporters):
            who = f"exporter {name_of(exporter)}"
            if any(name_of(other) == name_of(exporter) for other in self._exporters[:number]):
                who = f"{who} ({number + 1})"  # or one would be left out for the other
            self._patience.call(who, partial(exporter.export, dict(record)))

    def records(self) -> list[dict[str, Any]]:
        """Return all events of the call as they go into the archive."""
        return [self._record(*told) for told in self._told]


class Announcing:
    """Tells what belongs to no call any more; holds nothing of one.

    Args:
        telemetry: Where it goes.
        exporters: Who else hears of it.
        patience: Calls them all.
        meters: Count it.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        exporters: Sequence[Exporter],
        patience: Patience,
        meters: Meters,
    ) -> None:
        self._telemetry = telemetry
        self._exporters = exporters
        self._patience = patience
        self._meters = meters

    def tell(self, session_id: str, event: events.Archival) -> list[dict[str, Any]]:
        """Tell what became of a history that waited; return it as it goes into the archive."""
        span = self._telemetry.current(session_id)
        telling = Telling(session_id, span, self._exporters, self._patience)
        telling.tell(event)
        self._meters.archived(event)
        return telling.records()


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the millisecond."""
    return _timestamp(time.time())


def _timestamp(when: float) -> str:
    moment = datetime.fromtimestamp(when, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
