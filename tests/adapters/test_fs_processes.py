"""Several processes on one archive, and processes that die while they write."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from compact_otel.adapters import FileStorage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="kill -9 and atomic appends of POSIX"),
]

RACER = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from compact_otel.adapters import FileStorage

path, process = sys.argv[1:]
storage = FileStorage(path)

def save(n):
    mark = f"{process}-{n}"
    for part in range(20):
        storage.save_event("s", {"mark": mark, "part": part, "content": "y" * 9_000})
    return mark, storage.save_transcript("s", [{"mark": mark, "content": "x" * 20_000}]).step

sys.stdin.readline()
with ThreadPoolExecutor(8) as pool:
    print(json.dumps(dict(pool.map(save, range(24)))))
"""


def test_threads_of_several_processes_share_a_session_and_lose_nothing(tmp_path):
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, tmp_path, str(process)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for process in range(4)
    ]
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    saved = {}
    for racer in racers:
        out, _ = racer.communicate(timeout=120)
        saved |= json.loads(out)
    storage = FileStorage(tmp_path)
    assert len(saved) == len(set(saved.values())) == 4 * 24
    assert storage.steps("s") == sorted(saved.values())
    for mark, step in saved.items():
        assert [item["mark"] for item in storage.load_transcript("s", step)] == [mark]
    events = {(event["mark"], event["part"]) for event in storage.load_events("s")}
    assert events == {(mark, part) for mark in saved for part in range(20)}
    assert not list((tmp_path / "s").glob(".*"))


VICTIM = """
import sys
from dataclasses import replace
from compact_otel.adapters import FileStorage
from compact_otel.core.types import Checkpoint

storage = FileStorage(sys.argv[1])
checkpoint = Checkpoint(
    key="k", covered=2, kept=(), summary="s" * 50_000, version=0, summary_id="i",
    strategy="brief", tokens_before=2, tokens_after=1,
)
for version in range(int(sys.argv[2]) + 1, 1_000_000):
    storage.save_transcript("s", [{"content": "x" * 30_000}] * 3)
    storage.save_checkpoint("s", replace(checkpoint, version=version))
    print(version, flush=True)
"""


def test_a_process_killed_at_any_moment_leaves_whole_transcripts_and_an_old_or_new_checkpoint(
    tmp_path,
):
    storage = FileStorage(tmp_path)
    moments = random.Random(7)
    done = 0
    for _ in range(20):
        victim = subprocess.Popen(
            [sys.executable, "-c", VICTIM, tmp_path, str(done)],
            stdout=subprocess.PIPE,
            text=True,
        )
        with victim:
            first = int(victim.stdout.readline())
            time.sleep(moments.random() * 0.05)
            victim.send_signal(signal.SIGKILL)
            reported = victim.stdout.read().split()
        acknowledged = int(reported[-1]) if reported else first
        (checkpoint,) = storage.load_checkpoints("s")
        assert checkpoint.version in (acknowledged, acknowledged + 1)
        assert len(checkpoint.summary) == 50_000
        done = checkpoint.version
        steps = storage.steps("s")
        assert len(steps) >= done
        assert all(len(storage.load_transcript("s", step)) == 3 for step in steps)
