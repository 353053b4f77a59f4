import pytest

from tests.report.sessions import history, lived, reported


@pytest.fixture(scope="session")
def booked(tmp_path_factory):
    """A session of 30 turns in a small window: its folder, its items, what the manager gave."""
    folder = tmp_path_factory.mktemp("archive")
    items = history(30)
    return folder, items, lived(folder, "booked", items)


@pytest.fixture(scope="session")
def report(booked):
    return reported(booked[0], "booked")
