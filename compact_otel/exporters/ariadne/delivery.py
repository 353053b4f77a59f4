"""The way to the viewer: small requests, no waiting, and one line in the log when it is away.

What the viewer refuses is halved until the bad row stands alone; everything else arrives. Where
nobody answers, what is at hand is dropped and counted, and nobody is asked for a while: first for a
second, then for twice as long each time. Behind that the viewer is asked how it is before it is
sent anything.
"""

from __future__ import annotations

import http.client
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from enum import Enum
from urllib.parse import urlsplit

from opentelemetry.instrumentation.utils import suppress_instrumentation

from compact_otel.exporters.ariadne.payload import bodies, body
from compact_otel.forks import mutex

_log = logging.getLogger("compact_otel")

_PATIENCE_S = 5.0
"""All requests of one delivery together."""

_FIRST_REST_S, _LONGEST_REST_S = 1.0, 30.0
_OK, _TOO_LARGE, _BAD, _TROUBLE = 200, 413, 400, 500

Count = Callable[[str, int], None]


class _Answer(Enum):
    TAKEN = "taken"
    REFUSED = "refused"
    AWAY = "away"


class Delivery:
    """Sends rows to one viewer. Never raises, and is safe in every thread and after a fork.

    Args:
        endpoint: Address of the viewer, such as `http://127.0.0.1:5175`.
        timeout: Seconds for one request.
        count: Told `delivered`, `rejected` or `dropped`, and of how many rows.
        clock: Gives seconds.
    """

    def __init__(
        self,
        endpoint: str,
        timeout: float,
        count: Count,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._count = count
        self._clock = clock
        self._lock = mutex()
        self._away_until: float | None = None
        self._rest = _FIRST_REST_S
        self._is_showing = False
        self._has_complained = False
        self._has_told_of_row = False

    def deliver(self, rows: Iterable[bytes]) -> bool:
        """Send rows; return whether all of them were taken."""
        batches = list(bodies(rows))
        until = self._clock() + _PATIENCE_S
        done = True
        with suppress_instrumentation():
            for number, batch in enumerate(batches):
                if not self._is_there(until):
                    self._count("dropped", sum(map(len, batches[number:])))
                    return False
                done = self._sent(batch, until) and done
        return done

    def is_healthy(self) -> bool:
        """Ask the viewer whether it is there."""
        with suppress_instrumentation():
            return self._asked("GET", "/healthz", None, self._timeout) == _OK

    def _sent(self, batch: Sequence[bytes], until: float) -> bool:
        """Send a batch, in halves where it is refused; return whether all of it was taken."""
        waiting = [batch]
        done = True
        while waiting:
            part = waiting.pop()
            answer = self._posted(part, until)
            if answer is _Answer.TAKEN:
                self._count("delivered", len(part))
            elif answer is _Answer.AWAY:
                self._count("dropped", len(part) + sum(map(len, waiting)))
                return False
            elif len(part) > 1:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
            else:
                self._count("rejected", 1)
                self._complain_of_row(part[0])
                done = False
        return done

    def _posted(self, batch: Sequence[bytes], until: float) -> _Answer:
        """Post a batch, once more where nobody answered."""
        sending = body(batch)
        for _ in range(2):
            left = until - self._clock()
            if left <= 0:
                break
            status = self._asked("POST", "/ingest", sending, min(left, self._timeout))
            if status == _OK:
                self._is_back()
                return _Answer.TAKEN
            if status in (_BAD, _TOO_LARGE, _TROUBLE):
                return _Answer.REFUSED
            if status is not None:
                self._is_away(f"it answers {status}: is that an Ariadne viewer?")
                return _Answer.AWAY
        self._is_away("it does not answer")
        return _Answer.AWAY

    def _asked(self, method: str, path: str, sending: bytes | None, limit: float) -> int | None:
        """Return the status of an answer, None without one."""
        address = urlsplit(self._endpoint)
        secure = address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        # A connection for each request: the server closes idle ones at a moment of its own.
        connection = kind(address.hostname or "", address.port, timeout=limit)
        watch: threading.Timer | None = None
        try:
            connection.connect()
            watch = threading.Timer(limit, _cut, [connection.sock])
            watch.daemon = True
            watch.start()
            headers = {"Content-Type": "application/json"}
            connection.request(method, address.path.rstrip("/") + path, sending, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, ValueError, http.client.HTTPException):
            return None
        else:
            return answer.status
        finally:
            if watch is not None:
                watch.cancel()
            connection.close()

    def _is_there(self, until: float) -> bool:
        with self._lock:
            away_until = self._away_until
        if away_until is None:
            return True
        if self._clock() < away_until or self._clock() >= until:
            return False
        if not self.is_healthy():
            self._is_away("it does not answer")
            return False
        with self._lock:
            self._away_until = None  # not yet back: it has to take something first
        return True

    def _is_away(self, why: str) -> None:
        with self._lock:
            self._away_until = self._clock() + self._rest
            self._rest = min(2 * self._rest, _LONGEST_REST_S)
            self._is_showing = False
            complained, self._has_complained = self._has_complained, True
        if not complained:
            _log.warning(
                "[Ariadne] nothing is sent to %s for now: %s. The run goes on without it.",
                self._endpoint,
                why,
            )

    def _is_back(self) -> None:
        with self._lock:
            was_away, self._is_showing = not self._is_showing, True
            self._rest, self._has_complained = _FIRST_REST_S, False
        if was_away:
            _log.info("[Ariadne] spans go to %s; it shows what comes from now on", self._endpoint)

    def _complain_of_row(self, row: bytes) -> None:
        with self._lock:
            told, self._has_told_of_row = self._has_told_of_row, True
        if not told:
            _log.warning("[Ariadne] %s refused a span of %d bytes", self._endpoint, len(row))


def _cut(connection: socket.socket) -> None:
    """End a connection over which an answer comes byte by byte, each within its time."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
