"""A road to the model on which answers are lost, stalled, cut and replaced, request by request."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass

from tests.road import Road, closed, pieces

HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def answered(status, body=b"", kind="application/json", **headers):
    """Return an answer of HTTP/1.1, after which the connection is closed."""
    named = {"content-type": kind, "content-length": len(body), "connection": "close", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
    return "\r\n".join([f"HTTP/1.1 {status} said by the road", *lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Fault:
    """What happens to one request, or to its answer.

    Attributes:
        instead: What is answered without asking the server; None to ask it.
        after: The answer goes through up to the first event, or piece, with these bytes in it.
        says: What is put behind that, as the piece of a stream.
        then: `cut`: the connection ends in the middle; `reset`: abruptly; `end`: the stream ends as
            if that were all; `stall`: nothing comes any more; `go on`: the rest follows.
    """

    instead: bytes | None = None
    after: bytes | None = None
    says: bytes = b""
    then: str = "cut"


@dataclass
class _Trip:
    fault: Fault | None = None


class ModelRoad(Road):
    """A road to a LocalOpenAI.

    Attributes:
        asked: Path and model of each request that was sent, whatever became of it.
        faults: What happens to requests in turn, by path; None for nothing. When they are used up,
            nothing does.
    """

    def __init__(self, api):
        host, _, port = api.base_url.removeprefix("http://").removesuffix("/v1").partition(":")
        self.asked = []
        self.faults = {}
        self._over = threading.Event()
        self._lock = threading.Lock()
        super().__init__((host, int(port)))

    @property
    def base_url(self):
        return f"{self.endpoint}/v1"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over.set()
        with suppress(OSError):
            self.close()

    def count(self, path):
        return sum(asked == path for asked, _ in self.asked)

    def _trip(self):
        return _Trip()

    def _ask(self, client, there, trip):
        """Take the one request that a connection has here, as the server closes it behind it."""
        head, gap, body = b"", b"", b""
        while not gap or len(body) < int(_LENGTH.search(head)[1]):
            data = client.recv(2**16)
            if not data:
                closed(client, there)
                return
            head, gap, body = (head + gap + body + data).partition(b"\r\n\r\n")
        with self._lock:
            path = head.split(b" ", 2)[1].decode()
            self.asked.append((path, json.loads(body).get("model")))
            script = self.faults.get(path)
            fault = trip.fault = script.pop(0) if script else None
        if fault is None or fault.after is not None:
            there.sendall(head + gap + body)
            return
        if fault.instead is not None:
            client.sendall(fault.instead)
        self._ends(fault.then, client, there)

    def _answer(self, client, there, trip):
        passed = b""
        for data in pieces(there, client):
            fault = trip.fault
            if fault is None:
                client.sendall(data)
                continue
            passed += data
            place = passed.find(fault.after)
            if place < 0:
                continue  # an answer comes at once, and none here is long
            streamed = b"transfer-encoding: chunked" in passed.lower()
            # To the end of the event's chunk, or a few bytes into the body.
            end = passed.find(b"\n\n\r\n", place) + 4 if streamed else place + len(fault.after)
            client.sendall(passed[:end])
            if fault.says:
                client.sendall(b"%x\r\n%b\r\n" % (len(fault.says), fault.says))
            if fault.then == "go on":
                client.sendall(passed[end:])
                trip.fault = None
            elif fault.then == "end":
                client.sendall(b"0\r\n\r\n")
                closed(client, there)
            else:
                self._ends(fault.then, client, there)

    def _ends(self, how, client, there):
        if how == "stall":
            self._over.wait(30)
        if how == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        closed(client, there)


STALL = Fault(then="stall")
BEFORE = {
    "no answer": Fault(),
    "reset": Fault(then="reset"),
    "stall": STALL,
    "429": Fault(answered(429, b'{"error": {"code": "rate_limit_exceeded", "message": "Slow."}}')),
    "429 with a time": Fault(answered(429, b"{}", retry_after_ms=1)),
    "500": Fault(answered(500, b'{"error": {"message": "Oops."}}')),
    "a page of HTML": Fault(answered(502, HTML, "text/html")),
    "no HTTP": Fault(b"\x16\x03\x01\x02\x00 220 mail.example ready\r\n\r\n"),
    "half a head": Fault(b"HTTP/1.1 200 OK\r\ncontent-ty"),
    "a page of HTML that says it is fine": Fault(answered(200, HTML, "text/html")),
    "half of an answer": Fault(answered(200, b'{"id": "r", "output": [{"type": "mess')),
    "JSON of another kind": Fault(answered(200, b'{"ok": true}')),
    "an empty answer": Fault(answered(200)),
}
"""Nothing of the answer has come."""

_HALF = b'data: {"type": "response.output_text.del\n\n'
_FAILED = (
    b'event: error\ndata: {"error": {"message": "The server had an error", "code": "oops"}}\n\n'
)
TOO_LARGE = (
    b'event: error\ndata: {"error": {"message": "Your input exceeds the context window of this'
    b' model.", "code": "context_length_exceeded"}}\n\n'
)


def midway(marker):
    """Return what may happen to a stream behind the first event with these bytes in it."""
    return {
        "is cut": Fault(after=marker),
        "is reset": Fault(after=marker, then="reset"),
        "stalls": Fault(after=marker, then="stall"),
        "ends as if that were all": Fault(after=marker, then="end"),
        "says half an event": Fault(after=marker, says=_HALF),
        "says what is no text": Fault(after=marker, says=b"data: \xff\xfe\n\n"),
        "says HTML": Fault(after=marker, says=HTML + b"\n\n", then="end"),
        "says an error": Fault(after=marker, says=_FAILED, then="end"),
        "says that it was too large": Fault(after=marker, says=TOO_LARGE, then="end"),
    }
