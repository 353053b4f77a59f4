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
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from opentelemetry.instrumentation.utils import suppress_instrumentation

from compact_otel.exporters.ariadne.payload import bodies, body
from compact_otel.forks import mutex

_log = logging.getLogger("compact_otel")

PATIENCE_S = 5.0
"""All requests of one delivery together."""

_FIRST_REST_S, _LONGEST_REST_S = 1.0, 30.0
_LONGEST_LINE = 4_096
"""Bytes in which the first line of an answer is."""

_OK, _TOO_LARGE, _BAD, _TROUBLE = 200, 413, 400, 500


@dataclass(slots=True)
class Delivered:
    """What became of rows.

    Attributes:
        delivered: How many the viewer took.
        rejected: How many it refused.
        dropped: How many were not sent because it was away: the last ones.
    """

    delivered: int = 0
    rejected: int = 0
    dropped: int = 0


class _Answer(Enum):
    TAKEN = "taken"
    REFUSED = "refused"
    AWAY = "away"


class Delivery:
    """Sends rows to one viewer. Never raises, and is safe in every thread and after a fork.

    Args:
        endpoint: Address of the viewer, such as `http://127.0.0.1:5175`.
        timeout: Seconds for one request.
        clock: Gives seconds.
    """

    def __init__(
        self,
        endpoint: str,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._clock = clock
        self._lock = mutex()
        self._away_until: float | None = None
        self._rest = _FIRST_REST_S
        self._is_showing = False
        self._has_complained = False
        self._has_told_of_row = False

    def deliver(self, rows: Iterable[bytes], patience: float = PATIENCE_S) -> Delivered:
        """Send rows, for so many seconds at most; return what became of them."""
        batches = list(bodies(rows))
        until = self._clock() + patience
        done = Delivered()
        with suppress_instrumentation():
            for number, batch in enumerate(batches):
                if not self._is_there(until):
                    done.dropped += sum(map(len, batches[number:]))
                    break
                self._send(batch, until, done)
        return done

    def is_healthy(self) -> bool:
        """Ask the viewer whether it is there."""
        with suppress_instrumentation():
            return self._asked("GET", "/healthz", None, self._timeout) == _OK

    def _send(self, batch: Sequence[bytes], until: float, done: Delivered) -> None:
        """Send a batch, in halves where it is refused."""
        waiting = [batch]
        while waiting:
            part = waiting.pop()
            answer = self._posted(part, until)
            if answer is _Answer.TAKEN:
                done.delivered += len(part)
            elif answer is _Answer.AWAY:
                done.dropped += len(part) + sum(map(len, waiting))
                return
            elif len(part) > 1:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
            else:
                done.rejected += 1
                self._complain_of_row(part[0])

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
        """Return the status of an answer, None without one in so many seconds."""
        until = time.monotonic() + limit
        address = urlsplit(self._endpoint)
        secure = address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        # A connection for each request: the server closes idle ones at a moment of its own.
        headers = {"Content-Type": "application/json", "Connection": "close"}
        connection = kind(address.hostname or "", address.port, timeout=limit)
        try:
            connection.connect()
            connection.sock.settimeout(_left(until))
            connection.request(method, address.path.rstrip("/") + path, sending, headers)
            return _status(connection.sock, until)
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
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


def _status(connection: socket.socket, until: float) -> int:
    """Return the status of an answer; nothing else of it is of interest.

    Raises:
        OSError: Without one in time, also where it comes byte by byte.
        ValueError: If it is none of HTTP.
    """
    head = b""
    while b"\n" not in head and len(head) < _LONGEST_LINE:
        connection.settimeout(_left(until))
        part = connection.recv(_LONGEST_LINE)
        if not part:
            break
        head += part
    protocol, _, rest = head.partition(b" ")
    if not protocol.startswith(b"HTTP/"):
        raise ValueError(f"need an answer of HTTP, got {head[:20]!r}")
    return int(rest[:3])


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
