"""The viewer's API, as strict as the real one was measured: who keeps to this is shown there."""

import json
import re
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGEST_BODY = 262_144
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?Z")
_STRINGS = ("trace_id", "span_id", "parent_id", "name", "kind", "group_id")
_OF_TRACE = {"type", "trace_id", "name", "group_id", "started_at", "ended_at", "metadata"}
_OF_SPAN = {
    *("type", "trace_id", "span_id", "parent_id", "name", "kind"),
    *("started_at", "ended_at", "data", "status"),
}


def complaints(row):
    """Return what the viewer has against a row."""
    if not isinstance(row, dict) or row.get("type") not in ("trace", "span"):
        return ["no trace and no span"]
    found = [f"{name} is null" for name, value in row.items() if value is None]
    found += [f"{name} is no string" for name in _STRINGS if not isinstance(row.get(name, ""), str)]
    found += [
        f"{name} is missing"
        for name in ("trace_id", *(("span_id",) if row["type"] == "span" else ()))
        if not row.get(name)
    ]
    found += [
        f"{name}: {row[name]!r}"
        for name in ("started_at", "ended_at")
        if name in row and not _TIMESTAMP.fullmatch(str(row[name]))
    ]
    if row.get("ended_at", "9") < row.get("started_at", ""):
        found.append("ends before it begins")
    if row.get("status", "ok") not in ("ok", "error"):
        found.append(f"status {row['status']!r}")
    if not all(isinstance(value, str) for value in row.get("metadata", {}).values()):
        found.append("metadata that is no string")
    if not isinstance(row.get("data", {}), dict):
        found.append("data is no object")
    found += [f"{name} is unknown" for name in row.keys() - _known(row)]
    return found


def _known(row):
    return _OF_SPAN if row["type"] == "span" else _OF_TRACE


def _no_constant(name):
    raise ValueError(name)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        with self.server.owner.news:
            self.server.owner.connections += 1

    def log_message(self, *args):
        """Nobody reads that."""

    def do_GET(self):
        if self.path == "/events":
            self._stream()
            return
        self.server.owner.asked += 1
        wrong = self.server.owner.otherwise
        known = 200 if self.path in ("/healthz", "/") else 404
        self._answer(wrong if isinstance(wrong, int) else known)

    def _stream(self):
        """Tell what comes from now on, as it comes; nothing of before."""
        owner = self.server.owner
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        shown = len(owner.rows)
        self._tell({"type": "connected"})
        while not owner.over.is_set():
            new = owner.behind(shown)
            shown += len(new)
            for row in new:
                self._tell({name: value for name, value in row.items() if name != "received"})

    def _tell(self, event):
        self.wfile.write(b"data: %s\n\n" % json.dumps(event).encode())
        self.wfile.flush()

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        self.server.owner.over.wait(self.server.owner.delay)
        answer = self.server.owner.answer_to(self.path, length, self.rfile.read(length))
        self.close_connection = self.close_connection or not isinstance(answer, int)
        if answer == "hang":
            self.server.owner.over.wait(30)
        elif answer == "reset":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif answer == "nonsense":
            self.wfile.write(b"220 mail.example ready\r\n")
        elif answer == "drip":
            self._drip()
        else:
            self._answer(answer)

    def _drip(self):
        for byte in b"HTTP/1.1 200 OK\r\n" * 100:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.server.owner.over.wait(0.2):
                return

    def _answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


class AriadneServer:
    """Takes what the viewer takes, and does wrong what a test wants.

    Attributes:
        rows: What was taken, in its order, with `received` in seconds since the epoch.
        asked: How often somebody looked whether it is there.
        connections: How many were made; they stay open until the client closes them.
        requests: Sizes of the bodies of all requests to ingest.
        answers: What to answer instead, for each request in turn: a status, `hang`, `reset`,
            `drip`, `nonsense`; None for what is right. When they are used up, `otherwise`.
        delay: Seconds before each answer to ingest.
        news: Notified of rows that were taken.
    """

    def __init__(self, answers=(), otherwise=None, port=0):
        self.rows, self.requests, self.complaints = [], [], []
        self.answers, self.otherwise, self.delay = list(answers), otherwise, 0.0
        self.asked = self.connections = 0
        self.over = threading.Event()
        self.news = threading.Condition()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.owner = self
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def answer_to(self, path, length, body):
        """Return the status for a request, or what goes wrong with it."""
        with self.news:
            self.requests.append(length)
            self.news.notify_all()
            wrong = self.answers.pop(0) if self.answers else self.otherwise
        if wrong is not None:
            return wrong
        if path != "/ingest":
            return 404
        return 413 if length > LARGEST_BODY else self.take(body)

    def take(self, body):
        """Store a batch; return the status: one bad row costs all of it."""
        try:
            batch = json.loads(body.decode("utf-8"), parse_constant=_no_constant)["batch"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return 500
        if found := [each for row in batch for each in complaints(row)]:
            self.complaints += found
            return 400
        with self.news:
            self.rows += [{**row, "received": time.time()} for row in batch]
            self.news.notify_all()
        return 200

    def spans(self):
        return [row for row in self.rows if row["type"] == "span"]

    def named(self, beginning):
        return [row for row in self.rows if row.get("name", "").startswith(beginning)]

    def behind(self, place):
        """Return the rows from a place on; waits for some, but not for ever."""
        with self.news:
            self.news.wait_for(lambda: len(self.rows) > place, 0.5)
            return self.rows[place:]

    def wait_for(self, found, seconds=10):
        """Wait until something holds of the rows, and say whether it came to that."""
        with self.news:
            return self.news.wait_for(found, seconds)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *args):
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


def main(wrong="", delay="0"):
    """Serve until the input ends; the address is the first line of the output.

    Args:
        wrong: What to answer to everything: a status, or a word as in `AriadneServer`.
        delay: Seconds before each answer.
    """
    with AriadneServer(otherwise=int(wrong) if wrong.isdigit() else wrong or None) as server:
        server.delay = float(delay)
        sys.stdout.write(f"{server.endpoint}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
