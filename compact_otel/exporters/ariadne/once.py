"""Two ways lead to the viewer, and no row goes by both: what went ahead does not come again.

Whoever asks for a row first sends it. What is on its way ahead while its span is exported is waited
for, because only then it is known whether the exporter has to send it after all.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from compact_otel.exporters.ariadne.rows import Row
from compact_otel.forks import mutex

_MOST = 8_192
"""So many rows are remembered; one of before might come twice, and the viewer keeps the first."""


class Once:
    """Remembers which rows have somebody who sends them. Safe in every thread and after a fork."""

    def __init__(self) -> None:
        self._lock = mutex()
        self._taken: OrderedDict[str, None] = OrderedDict()
        self._flights: dict[threading.Event, int] = {}

    def has(self, ident: str) -> bool:
        """Say whether somebody sends a row, or has sent it; it is remembered longer for that."""
        with self._lock:
            known = ident in self._taken
            if known:
                self._taken.move_to_end(ident)
            return known

    @contextmanager
    def ahead(self, rows: Iterable[Row]) -> Iterator[list[Row]]:
        """Give the rows that nobody has sent yet; inside they are on their way."""
        landed = threading.Event()
        with self._lock:
            mine = self._claimed(rows)
            self._flights[landed] = os.getpid()
        try:
            yield mine
        finally:
            with self._lock:
                del self._flights[landed]
            landed.set()

    def give_back(self, rows: Iterable[Row]) -> None:
        """Leave rows that did not arrive to the exporter; call it while they are on their way."""
        with self._lock:
            for row in rows:
                self._taken.pop(_ident(row), None)

    def rest(self, rows: Sequence[Row], patience: float) -> list[Row]:
        """Return the rows that did not go ahead, in their order.

        Args:
            rows: What is to be sent.
            patience: Seconds to wait for what is on its way.
        """
        shared = [row for row in rows if _goes_ahead(row)]
        with self._lock:
            mine = self._claimed(shared)
            flights = [flight for flight, pid in self._flights.items() if pid == os.getpid()]
        if len(mine) < len(shared):
            for flight in flights:  # of one thread: there is one, or none
                flight.wait(patience)
            with self._lock:
                mine += self._claimed(shared)
        found = {row["span_id"] for row in mine}
        return [row for row in rows if not _goes_ahead(row) or row["span_id"] in found]

    def _claimed(self, rows: Iterable[Row]) -> list[Row]:
        mine = []
        for row in rows:
            if _ident(row) not in self._taken:
                mine.append(row)
            self._taken[_ident(row)] = None
        while len(self._taken) > _MOST:
            self._taken.popitem(last=False)
        return mine


def _ident(row: Row) -> str:
    return str(row.get("span_id", row["trace_id"]))


def _goes_ahead(row: Row) -> bool:
    """Say whether a row is one of ours, which alone go ahead."""
    return str(row.get("kind", "")).startswith("compaction")
