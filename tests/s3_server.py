"""A real server that speaks S3 (moto's), in this process."""

from __future__ import annotations

import logging
import threading
import time
from itertools import count

import pytest

from tests.road import Road, pieces

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


class S3Road(Road):
    """A way to the server that may be closed, slow, or fail; tests set what it does.

    Attributes:
        delay_s: Seconds that a transcript takes on its way there.
        loses: Answers to writes to a path with these bytes in it are replaced by a failure.
        refuses: Writes to a path with these bytes in it fail on their way.
    """

    def __init__(self, target):
        self.delay_s = 0.0
        self.loses = None
        self.refuses = None
        super().__init__(target)

    def _trip(self):
        return threading.Event()  # set while an answer is to be lost

    def _ask(self, client, there, lost):
        for data in pieces(client, there):
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
        for data in pieces(there, client):
            goes_on = data.startswith(b"HTTP/1.1 100")
            client.sendall(FAILED if lost.is_set() and not goes_on else data)
            if not goes_on:
                lost.clear()


@pytest.fixture
def road(s3_endpoint):
    host, _, port = s3_endpoint.removeprefix("http://").partition(":")
    made = S3Road((host, int(port)))
    yield made
    made.close()
