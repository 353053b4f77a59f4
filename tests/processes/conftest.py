"""Processes on one archive, which end with the test."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue

import pytest

WORKER = Path(__file__).with_name("worker.py")


class Worker:
    """A process that runs `worker.py`."""

    def __init__(self, *arguments):
        self._process = subprocess.Popen(
            [sys.executable, WORKER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        # Read at once: a process that cannot go on telling would keep its claim for ever.
        self._lines = SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def ask(self, *lengths):
        """Let it make calls with histories of these lengths, one after the other."""
        self._process.stdin.write("".join(f"{length}\n" for length in lengths))
        self._process.stdin.flush()

    def _told(self):
        line = self._lines.get(timeout=60)
        assert line, "the process has ended"
        return json.loads(line)

    def answer(self):
        """Wait for the answer to the oldest call."""
        while "step" in (told := self._told()):
            pass
        return told

    def reach(self, step):
        """Wait until it is on a step of a compaction; it must not finish before."""
        while (told := self._told()).get("step") != step:
            assert "step" in told, f"there was no step {step!r}"

    def kill(self):
        """End it as a power cut or the kernel would, and return when it is gone."""
        self._process.kill()
        self._process.wait()

    def stop(self):
        """Let it stand still, as a debugger or a machine that is put to sleep does."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self._process.send_signal(signal.SIGCONT)

    def close(self):
        self._process.kill()
        while self._lines.get(timeout=60):  # up to the end, or the pipe is closed under the reader
            pass
        with self._process:
            pass


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "archive"


@pytest.fixture
def bill(tmp_path):
    """The file with a line for every summary that was paid for."""
    return tmp_path / "bill.jsonl"


@pytest.fixture
def worker(archive, bill):
    """Start processes on the archive; they are ready when they are had."""
    workers = []

    def start(count=1, *options):
        new = [Worker(archive, bill, *options) for _ in range(count)]
        workers.extend(new)
        for made in new:
            made.reach("ready")
        return new

    yield start
    for made in workers:
        made.close()
