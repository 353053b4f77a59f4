"""No call waits for a summary that was begun in time."""

import asyncio
import time

import pytest

from compact_otel.adapters import FileStorage
from compact_otel.core.types import CallContext
from compact_otel.estimators.tiktoken import TiktokenEstimator
from tests.ahead.program import WAYS, until, was_prepared
from tests.histories import Estimator

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


@pytest.mark.parametrize("storage", ["none", "files"])
@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("kind", [TakesTwoSeconds, AwaitsTwoSeconds])
async def test_the_call_that_is_due_takes_no_longer_than_any_other(
    kind, way, storage, watch, tmp_path
):
    summarizer, ask, added = kind(), WAYS[way], []
    manager = watch.manager(
        summarizer,
        window=40_000,
        estimator=TiktokenEstimator(),
        storage=FileStorage(tmp_path) if storage == "files" else None,
    )
    sessions = ("ann", "bob", "eve")
    for session in sessions:
        for length in range(60, 76, 2):
            await ask(manager, history(session, length), session=session, call=CALL)
    await until(lambda: len(watch.preparations) == len(sessions))
    for session in sessions:
        calm, warm = await timed(ask, manager, history(session, 78), session=session, call=CALL)
        due, result = await timed(ask, manager, history(session, 90), session=session, call=CALL)
        assert (warm.outcome, result.outcome) == ("skipped", "compacted")
        assert was_prepared(watch.decisions[-1])
        added.append(due - calm)
    assert summarizer.calls == len(sessions)
    assert min(added) < ADDED_S, added


@pytest.mark.parametrize("way", list(WAYS))
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
