"""Two hundred writers, killed wherever they are: what they leave is readable, and gone on with."""

import json
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.processes import writing
from tests.processes.writing import STORAGES, is_whole

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="kill -9 and the locks of Linux"),
]

KILLS = 200
KILLS_OF_A_SESSION = 20
LONGEST_S = 0.02
NAMED = "x" * 150
"""A session whose folder does not tell its name: that stands in a file of its own."""


@pytest.fixture(params=STORAGES)
def place(request, tmp_path):
    """Where it is written, by what, and the seed of all moments."""
    return tmp_path, request.param, random.SystemRandom().randrange(10**9)


@pytest.fixture
def ask(place):
    """Return what forks writers, kills them, and gives what each was told is written."""
    path, kind, seed = place
    program = [sys.executable, writing.__file__, path, kind, str(seed)]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nursery:

        def asked(session_id, processes, life_s):
            print(session_id, processes, life_s, file=nursery.stdin, flush=True)
            line = nursery.stdout.readline()
            assert line, "the writers did not die of the signal alone"
            return json.loads(line)

        yield asked
        nursery.stdin.close()


def test_whatever_a_writer_was_at_all_is_readable_and_the_next_one_goes_on(place, ask):
    path, kind, seed = place
    storage, moments = STORAGES[kind](path), random.Random(seed)
    killed = 0
    while killed < KILLS:
        session_id = f"{NAMED}{killed}" if moments.random() < 0.5 else f"s{killed}"
        known = defaultdict(dict)
        for _ in range(KILLS_OF_A_SESSION // 2):
            processes = moments.choice((1, 1, 3))
            answer = ask(session_id, processes, moments.uniform(0, LONGEST_S))
            killed += processes
            for writer, written in answer.items():
                for what, number in written:
                    known[what].setdefault(writer, []).append(int(number))
            where = f"seed {seed}, kill {killed}, {session_id[:8]}"
            check(storage, session_id, known, where)
            go_on(storage, session_id, killed, where)
            check(storage, session_id, known, where)


def check(storage, session_id, known, where):
    """Read all there is, and hold it against what writers were told."""
    steps = storage.steps(session_id)
    told = {step for numbers in known["transcript"].values() for step in numbers}
    assert told <= set(steps), where
    for step in steps:
        items = storage.load_transcript(session_id, step)
        assert len(items) == 2, where
        assert all(map(is_whole, items)), where
    for step in {step for steps in known["summary"].values() for step in steps}:
        assert is_whole(storage.load_summary(session_id, step)), where
    events = defaultdict(list)
    for event in storage.load_events(session_id):
        assert is_whole(event), where
        events[event["writer"]].append(event["number"])
    for writer, numbers in known["event"].items():
        assert events[writer][: len(numbers)] == numbers, where
        assert len(events[writer]) <= len(numbers) + 1, where
    states = {one.key: one for one in storage.load_checkpoints(session_id)}
    for one in states.values():
        assert is_whole(json.loads(one.summary)), where
    for writer, versions in known["checkpoint"].items():
        assert states[writer].version in (versions[-1], versions[-1] + 8), where
    errors = [fault for fault in storage.verify(session_id) if fault.level == "error"]
    assert errors == [], where


def go_on(storage, session_id, number, where):
    """Write as somebody who comes after them."""
    before = storage.steps(session_id)
    for kind in range(len(writing.KINDS)):
        writing.write(storage, session_id, f"next {number}", kind, random.Random(number))
    assert storage.steps(session_id)[: len(before)] == before, where
    assert len(storage.steps(session_id)) == len(before) + 1, where
    assert session_id in storage.sessions(), where


def test_a_reader_meets_nothing_torn_while_others_write_and_die(place, ask):
    path, kind, seed = place
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, path, kind],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    moments = random.Random(seed)
    with reader:
        assert reader.stdout.readline() == "reading\n"
        for _ in range(15):
            ask("s", 2, moments.uniform(0, LONGEST_S))
        out, _ = reader.communicate("\n", timeout=60)
    assert reader.returncode == 0, f"seed {seed}: {out}"
    assert int(out) > 0


READER = f"""
import json, select, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.processes.writing import STORAGES, is_whole

storage, rounds = STORAGES[sys.argv[2]](sys.argv[1]), 0
print("reading", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for step in storage.steps("s"):
        assert all(map(is_whole, storage.load_transcript("s", step)))
    for step in (1, 2, 3):
        try:
            assert is_whole(storage.load_summary("s", step))
        except OSError as error:
            assert error.errno == 2, error
    assert all(map(is_whole, storage.load_events("s")))
    assert all(is_whole(json.loads(one.summary)) for one in storage.load_checkpoints("s"))
    rounds += 1
print(rounds)
"""
