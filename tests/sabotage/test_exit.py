"""The end of a program waits for nothing that hangs, and says nothing that is not worth saying."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from compact_otel.testing import LocalOpenAI
from tests.sabotage.exiting import HANGS_S, SCENES
from tests.sabotage.program import WINDOW, looks_up_then_answers

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the programs are forked")

SOON_S = 10
EXPECTED = re.compile(
    r"(summarizer writer|the storage|the estimator) took \d+\.\d s; it is left out for 60 s"
    r"|the event archive failed with TimeoutError; calls go on without it"
)


@pytest.fixture(scope="module")
def seen():
    program = Path(__file__).with_name("exiting.py")
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        done = subprocess.run(
            [sys.executable, program, api.base_url],
            capture_output=True,
            text=True,
            timeout=3 * HANGS_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("scene", SCENES)
def test_a_program_ends_at_once_while_a_part_hangs(scene, seen):
    ended = seen[scene]
    assert ended["code"] == 0, ended["complaints"]
    assert ended["hanging"] >= 1
    assert ended["run_s"] < HANGS_S / 2
    assert ended["exit_s"] < SOON_S
    assert [line for line in ended["complaints"] if not EXPECTED.match(line)] == []
