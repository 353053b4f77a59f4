"""A program that has done its work ends, whatever is being written for its next call."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOON_S = 10.0
"""Far below the 300 seconds that the summaries take; the interpreter itself may take one."""


@pytest.mark.parametrize(
    "way",
    [
        "a_thread_is_asked",
        "asyncio_run_is_over",
        "asyncio_run_is_over_with_a_thread",
        "a_call_waits_for_it",
        "run_sync_has_returned",
    ],
)
def test_a_program_ends_at_once_and_quietly(way):
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.ahead.ending", way],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with program:
        try:
            line = program.stdout.readline()
            began = time.monotonic()
            _, errors = program.communicate(timeout=60)
        finally:
            program.kill()
    assert (line, errors) == ("ending\n", "")
    assert program.returncode == 0
    assert time.monotonic() - began < SOON_S
