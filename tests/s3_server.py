"""A real server that speaks S3 (moto's), in this process."""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import suppress
from itertools import count

import pytest

_numbers = count()


@pytest.fixture(scope="session")
def s3_endpoint():
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_credentials(monkeypatch, tmp_path):
    """Give boto3's default chain credentials, and nothing of the machine's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def s3_client(s3_endpoint, s3_credentials):
    import boto3

    return boto3.session.Session().client("s3", endpoint_url=s3_endpoint)


@pytest.fixture
def bucket(s3_client):
    name = f"archive-{next(_numbers)}"
    s3_client.create_bucket(Bucket=name)
    return name


FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Road:
    """A way to the server that may be closed, slow, or fail; tests set what it does.

    Attributes:
        endpoint: Its address.
        delay_s: Seconds that a transcript takes on its way there.
        loses: Answers to writes to a path with these bytes in it are replaced by a failure.
        refuses: Writes to a path with these bytes in it fail on their way.
    """

    def __init__(self, target):
        self._target = target
        self._port = 0
        self._server = None
        self.delay_s = 0.0
        self.loses = None
        self.refuses = None
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
            there = socket.create_connection(self._target)
            lost = threading.Event()
            for pump in (self._ask, self._answer):
                told = (pump, client, there, lost)
                threading.Thread(target=_until_closed, args=told, daemon=True).start()

    def _ask(self, client, there, lost):
        for data in _pieces(client, there):
            line = data.partition(b"\r\n")[0]
            writes = line.startswith(b"PUT")
            if writes and self.refuses is not None and self.refuses in line:
                client.sendall(FAILED)
                continue
            if writes and b"transcript" in line:
                time.sleep(self.delay_s)
            if writes and self.loses is not None and self.loses in line:
                lost.set()
            there.sendall(data)

    def _answer(self, client, there, lost):
        for data in _pieces(there, client):
            goes_on = data.startswith(b"HTTP/1.1 100")
            client.sendall(FAILED if lost.is_set() and not goes_on else data)
            if not goes_on:
                lost.clear()


def _until_closed(pump, *ends):
    with suppress(OSError):  # the pump of the other direction closes both ends
        pump(*ends)


def _pieces(source, sink):
    """Yield what comes, and close both ends when nothing does any more."""
    try:
        while data := source.recv(2**16):
            yield data
    except OSError:
        pass
    finally:
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def road(s3_endpoint):
    host, _, port = s3_endpoint.removeprefix("http://").partition(":")
    made = Road((host, int(port)))
    yield made
    made.close()
