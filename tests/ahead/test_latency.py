"""No call waits for a summary that was begun in time."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from compact_otel.adapters import FileStorage
from compact_otel.core.types import CallContext
from compact_otel.estimators.tiktoken import TiktokenEstimator
from tests.ahead.program import WAYS, until, was_prepared
from tests.histories import Estimator

ROOT = Path(__file__).parents[2]
ADDED_S = 0.020
SUMMARY_S = 2.0
CALL = CallContext(model="gpt-4o")


class TakesTwoSeconds:
    name = "two seconds"

    def __init__(self):
        self.calls = 0

    def summarize(self, request):
        self.calls += 1
        time.sleep(SUMMARY_S)
        return "a summary " * 20


class AwaitsTwoSeconds(TakesTwoSeconds):
    async def summarize(self, request):
        self.calls += 1
        await asyncio.sleep(SUMMARY_S)
        return "a summary " * 20


def history(session, length):
    """Return so many items of about 400 tokens each."""
    return [
        {"role": role, "content": f"{session}, {role} {n}: " + "word " * 390}
        for n in range(length // 2)
        for role in ("user", "assistant")
    ]


async def timed(ask, *arguments, **options):
    began = time.perf_counter()
    result = await ask(*arguments, **options)
    return time.perf_counter() - began, result


async def added_to_a_call(watch, kind, way, storage=None):
    """Return how much longer three calls took that were due, in seconds, than those before them."""
    summarizer, ask, added = kind(), WAYS[way], []
    manager = watch.manager(
        summarizer, window=40_000, estimator=TiktokenEstimator(), storage=storage
    )
    sessions = ("ann", "bob", "eve")
    for session in sessions:
        for length in range(60, 76, 2):
            await ask(manager, history(session, length), session=session, call=CALL)
    await until(lambda: len(watch.preparations) == len(sessions))
    for session in sessions:
        calm, warm = await timed(ask, manager, history(session, 84), session=session, call=CALL)
        due, result = await timed(ask, manager, history(session, 86), session=session, call=CALL)
        assert (warm.outcome, result.outcome) == ("skipped", "compacted")
        assert was_prepared(watch.decisions[-1])
        added.append(due - calm)
    assert summarizer.calls == len(sessions)
    return added


kinds = pytest.mark.parametrize("kind", [TakesTwoSeconds, AwaitsTwoSeconds])
ways = pytest.mark.parametrize("way", list(WAYS))


@kinds
@ways
async def test_the_call_that_is_due_takes_no_longer_than_any_other(kind, way, watch):
    added = await added_to_a_call(watch, kind, way)
    assert min(added) < ADDED_S, added


@kinds
@ways
async def test_what_it_stores_does_not_take_long_either(kind, way, watch, tmp_path):
    """Most of that is the transcript, which goes through the redaction item by item."""
    added = await added_to_a_call(watch, kind, way, FileStorage(tmp_path))
    assert min(added) < SUMMARY_S / 10, added


FIRST = """
import asyncio
import json
import sys

from tests.ahead.program import Watch
from tests.ahead.test_latency import TakesTwoSeconds, added_to_a_call

added = asyncio.run(added_to_a_call(Watch(), TakesTwoSeconds, "awaited"))
sys.stdout.write(json.dumps(added))
"""


def test_the_first_one_of_a_process_takes_no_longer_than_the_next():
    """What a compaction needs is loaded while the summary is being written."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST], cwd=ROOT, check=True, capture_output=True, text=True
    )
    first, *others = json.loads(done.stdout)
    assert first < min(others) + 10 * ADDED_S, (first, others)


@ways
async def test_the_call_that_begins_it_takes_no_longer_than_any_other(way, watch):
    summarizer, ask, added = TakesTwoSeconds(), WAYS[way], []
    manager = watch.manager(summarizer, window=40_000, estimator=Estimator())
    for session in ("ann", "bob", "eve"):
        calm, before = await timed(ask, manager, history(session, 50), session=session)
        soft, after = await timed(ask, manager, history(session, 56), session=session)
        assert before.tokens_after < 28_000 <= after.tokens_after < 34_000
        added.append(soft - calm)
    assert min(added) < 10 * ADDED_S, added
    await until(lambda: len(watch.preparations) == 3)
    assert summarizer.calls == 3
