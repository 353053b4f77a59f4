"""The wall clock jumps in the middle of a session: nobody waits for it, and nothing goes by it."""

import ast
import time
from pathlib import Path

import pytest
from agents import SQLiteSession
from click.testing import CliRunner

import compact_otel
from compact_otel.adapters import FileStorage
from compact_otel.cli import main
from compact_otel.summarizers.extractive import ExtractiveSummarizer
from compact_otel.testing import LocalOpenAI
from tests.chaos.program import converse, looks_up_then_answers, more
from tests.sabotage.program import EARLY, WINDOW

HOUR_S = 3600


class Clock:
    """A wall clock that can be set; the monotonic one goes on as it does."""

    def __init__(self, monkeypatch):
        self.offset_s = 0
        seconds, nanoseconds = time.time, time.time_ns
        monkeypatch.setattr(time, "time", lambda: seconds() + self.offset_s)
        monkeypatch.setattr(time, "time_ns", lambda: nanoseconds() + self.offset_s * 10**9)


class Jumping(ExtractiveSummarizer):
    """Sets the clock while it writes."""

    def __init__(self, clock, jumps):
        self._clock, self._jumps = clock, list(jumps)

    def summarize(self, request):
        self._clock.offset_s += self._jumps.pop(0)
        return super().summarize(request)


@pytest.mark.parametrize(
    "jumps", [(-HOUR_S, -HOUR_S, 0), (24 * HOUR_S, -25 * HOUR_S, HOUR_S)], ids=["back", "both ways"]
)
async def test_a_session_is_compacted_and_archived_in_its_order(
    jumps, watch, switch_on, monkeypatch, tmp_path
):
    archive, session = FileStorage(tmp_path), SQLiteSession("chaos")
    clock = Clock(monkeypatch)
    summarizer = Jumping(clock, jumps)
    switch_on(max_context_tokens=WINDOW, storage=archive, summarizer=summarizer, **EARLY)
    with LocalOpenAI(looks_up_then_answers) as server:
        for number in range(len(jumps)):
            await session.add_items(more(number))
            seen = await converse(server.base_url, [f"What of {number}"], session=session)
            assert seen.turns == [f"The record says: the record of What of {number}"]
    compact_otel.uninstrument()
    assert watch.outcomes.count("compacted") == len(jumps)
    assert watch.failures == set()
    assert archive.steps("chaos") == [1, 2, 3]
    lengths = [len(archive.load_transcript("chaos", step)) for step in archive.steps("chaos")]
    assert lengths == sorted(set(lengths))
    assert [found.version for found in archive.load_checkpoints("chaos")] == [1, 2, 3]
    assert archive.verify("chaos") == []
    page = tmp_path / "page.html"
    made = CliRunner().invoke(main, ["report", "chaos", "--path", str(tmp_path), "-o", str(page)])
    assert made.exit_code == 0, made.output


STAMPS = {
    "adapters/audit.py",
    "adapters/s3.py",
    "archive/pruning.py",
    "demo/run.py",
    "engine/performing.py",
    "engine/steps.py",
    "engine/telling.py",
    "event_log.py",
    "telemetry.py",
    "testing/chat_api.py",
    "testing/responses_api.py",
}
"""Modules that write down when something happened, or ask how old a file is."""


def test_no_time_limit_goes_by_the_wall_clock():
    """A module that reads it for something else has to be looked at, and is then named above."""
    package = Path(compact_otel.__file__).parent
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _reads_the_wall_clock(node.func)
    }
    assert found == STAMPS


def _reads_the_wall_clock(called):
    read = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today"}
    return ast.unparse(called) in read
