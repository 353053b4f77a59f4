"""Eight processes on one archive and one long session pay for each summary once."""

import json
import sys

import pytest

from compact_otel.adapters import FileStorage
from tests.processes.program import FIRST, WINDOW, paid

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="eight processes and their locks: Linux"),
]

LENGTHS = range(FIRST - 6, 97, 2)
"""A history that grows by a question and an answer, through several compactions."""


def stored(archive):
    """Return the compactions in force as they stand in the file, where each line is whole."""
    data = (archive / "shared" / "checkpoints.jsonl").read_bytes()
    assert data.endswith(b"\n")
    lines = [json.loads(line) for line in data.split(b"\n")[:-1]]
    return [line for line in lines if line["ahead"] is None]


def assert_one_summary_per_compaction(archive, bill, answers):
    checkpoints = stored(archive)
    assert len(checkpoints) >= 3
    assert paid(bill) - len(checkpoints) in (0, 1)  # one may be ready and not yet due
    assert len({checkpoint["key"] for checkpoint in checkpoints}) == len(checkpoints)
    made = [answer for answer in answers if answer["outcome"] == "compacted"]
    assert len(made) == len(checkpoints)
    assert {answer["outcome"] for answer in answers} == {"skipped", "compacted", "replayed"}
    assert max(answer["tokens"] for answer in answers) <= WINDOW
    assert len(FileStorage(archive).steps("shared")) == len(checkpoints)


@pytest.fixture(
    params=[
        pytest.param((), id="when it is due"),
        pytest.param(("ahead",), id="ahead"),
    ]
)
def eight(request, worker):
    """Eight processes, whose summaries are written when they are due or before."""
    return worker(8, *request.param)


def test_processes_that_go_side_by_side_send_the_same(eight, archive, bill):
    answers = []
    for length in LENGTHS:
        for process in eight:
            process.ask(length)
        step = [process.answer() for process in eight]
        first = step[0]["messages"]
        assert all(answer["messages"] == first for answer in step)
        answers += step
    assert_one_summary_per_compaction(archive, bill, answers)


def test_processes_that_run_freely_end_with_the_same(eight, archive, bill):
    for process in eight:
        process.ask(*LENGTHS)
    answers = [[process.answer() for _ in LENGTHS] for process in eight]
    last = answers[0][-1]["messages"]
    assert all(of_one[-1]["messages"] == last for of_one in answers)
    assert_one_summary_per_compaction(
        archive, bill, [answer for of_one in answers for answer in of_one]
    )


def test_a_process_that_comes_later_takes_up_where_the_others_are(worker, archive, bill):
    (early,) = worker()
    early.ask(*LENGTHS)
    known = [early.answer() for _ in LENGTHS][-1]
    (late,) = worker()
    late.ask(LENGTHS[-1])
    answer = late.answer()
    assert (answer["outcome"], answer["messages"]) == ("replayed", known["messages"])
    assert paid(bill) == len(stored(archive))
