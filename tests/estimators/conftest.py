import socket

import pytest

from compact_otel.estimators.tiktoken import TiktokenEstimator


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("an estimator opened a connection")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def tiktoken():
    return TiktokenEstimator()
