"""A way to a server that may be closed or do harm: every byte between the two goes through it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Road:
    """A way to a server; subclasses say what happens on it.

    Attributes:
        endpoint: Its address.
    """

    def __init__(self, target):
        self._target = target
        self._port = 0
        self._server = None
        self.open()
        self.endpoint = f"http://127.0.0.1:{self._port}"

    def open(self):
        self._server = socket.create_server(("127.0.0.1", self._port))
        self._port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, args=(self._server,), daemon=True).start()

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self, server):
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            there, trip = socket.create_connection(self._target), self._trip()
            for pump in (self._ask, self._answer):
                told = (pump, client, there, trip)
                threading.Thread(target=_until_closed, args=told, daemon=True).start()

    def _trip(self):
        """Return what both directions of a connection share."""

    def _ask(self, client, there, trip):
        for data in pieces(client, there):
            there.sendall(data)

    def _answer(self, client, there, trip):
        for data in pieces(there, client):
            client.sendall(data)


def _until_closed(pump, *ends):
    with suppress(OSError):  # the pump of the other direction closes both ends
        pump(*ends)


def pieces(source, sink):
    """Yield what comes, and close both ends when nothing does any more."""
    try:
        while data := source.recv(2**16):
            yield data
    except OSError:
        pass
    finally:
        closed(source, sink)


def closed(*ends):
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
