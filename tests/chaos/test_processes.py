"""A process is ended in the middle of a session: the next one takes up where it was."""

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from compact_otel.testing import LocalOpenAI, Step
from tests.chaos.program import HANGS_S, looks_up_then_answers

PROGRAM = Path(__file__).with_name("session.py")
SOON_S = 10.0
"""Far below the ten minutes that what is ended would take."""


@contextlib.contextmanager
def started(*arguments):
    process = subprocess.Popen(
        [sys.executable, PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("by", "where"),
    [(signal.SIGKILL, "in a model call"), (signal.SIGTERM, "in a summary")],
    ids=["killed in a model call", "terminated in a summary"],
)
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_session_goes_on_in_the_next_process(where, by, tmp_path):
    last = "What of customer 1"
    begun = []

    def play(request):
        if where == "in a model call" and not begun and request.newest_user_text == last:
            begun.append(request.number)
            return Step("too late", delay_s=HANGS_S)
        return looks_up_then_answers(request)

    with LocalOpenAI(play) as server:
        slow = ["slow"] if where == "in a summary" else []
        with started(server.base_url, tmp_path, 2, *slow) as process:
            first = json.loads(process.stdout.readline())
            assert first.keys() == ({"step"} if slow else {"answer"})
            end = time.monotonic() + SOON_S
            while not slow and not begun:
                assert time.monotonic() < end
                time.sleep(0.01)
            began = time.monotonic()
            process.send_signal(by)
            assert process.wait(SOON_S) == -by
            assert time.monotonic() - began < SOON_S
        with started(server.base_url, tmp_path, 2) as process:
            *answers, end = map(json.loads, process.communicate(timeout=60)[0].splitlines())
        assert [request.error for request in server.requests if request.error] == []
    assert [each["answer"] for each in answers] == [
        f"The record says: the record of What of customer {number}" for number in range(2)
    ]
    assert end["faults"] == []
    assert end["steps"] == [1]
    # What the first process compacted is replayed; where it did not get so far it is done now.
    assert end["decided"].count("compact") == (1 if slow else 0)
    with contextlib.closing(sqlite3.connect(tmp_path / "session.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
