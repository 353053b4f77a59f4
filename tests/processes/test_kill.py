"""What a process that dies, or stands still, in the middle of a compaction costs the others."""

import random
import sys
import time

import pytest

from compact_otel.adapters import FileStorage
from tests.processes.program import FIRST, WINDOW, history

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="kill -9 and the locks of Linux"),
]

SOON_S = 10.0
"""Far below the time for which a claim is waited for; a compaction here takes 0.3 s."""

# The step on which it dies, and for how many seconds that one lasts at the longest.
STEPS = {"claimed": 0.02, "summary": 0.3, "transcript": 0.01, "checkpoint": 0.005}


@pytest.mark.parametrize("step", STEPS)
def test_the_next_process_compacts_at_once_and_nothing_but_the_work_in_flight_is_lost(
    worker, archive, step
):
    storage, moments = FileStorage(archive), random.Random(f"killed at {step}")
    (survivor,) = worker()
    known = []
    length = FIRST
    for _ in range(4):
        (victim,) = worker()
        victim.ask(length)
        victim.reach(step)
        time.sleep(moments.uniform(0, STEPS[step]))
        victim.kill()

        assert storage.load_checkpoints("shared")[: len(known)] == known
        survivor.ask(length)
        answer = survivor.answer()
        assert answer["outcome"] in ("compacted", "replayed")
        assert answer["seconds"] < SOON_S
        assert answer["tokens"] <= WINDOW

        before, known = known, storage.load_checkpoints("shared")
        assert known[: len(before)] == before
        assert len(known) > len(before)
        assert known[-1].summary == answer["summary"]
        for number in storage.steps("shared"):
            assert storage.load_transcript("shared", number)
        newest = storage.load_transcript("shared", storage.steps("shared")[-1])
        sent = [item for item in answer["messages"] if item in history(length)]
        lost = [item for item in history(length) if item not in sent and item not in newest]
        assert lost == []
        length = grown(survivor, length)


def grown(worker, length):
    """Let the history grow until the next call compacts; return its length."""
    while True:
        worker.ask(length + 2)
        answer = worker.answer()
        assert answer["outcome"] == "replayed"
        length += 2
        if answer["tokens"] + 1_000 >= WINDOW * 0.85:
            return length + 2


def test_those_who_wait_for_a_process_go_on_when_it_is_killed(worker):
    (victim,), waiting = worker(), worker(3)
    victim.ask(FIRST)
    victim.reach("summary")
    for process in waiting:
        process.ask(FIRST)
    time.sleep(0.1)
    victim.kill()
    answers = [process.answer() for process in waiting]
    assert sorted(answer["outcome"] for answer in answers) == ["compacted", "replayed", "replayed"]
    assert max(answer["seconds"] for answer in answers) < SOON_S
    assert all(answer["messages"] == answers[0]["messages"] for answer in answers)


def test_nobody_waits_for_ever_for_a_process_that_stands_still(worker):
    victim, other = worker(2, "impatient")
    victim.ask(FIRST)
    victim.reach("summary")
    victim.stop()
    other.ask(FIRST)
    answer = other.answer()
    assert answer["outcome"] == "compacted"
    assert answer["seconds"] < SOON_S
    victim.go_on()
    assert victim.answer()["tokens"] <= WINDOW
