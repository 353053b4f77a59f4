"""What is still being written when it is due, what never comes, and what is not asked for twice."""

import asyncio
import threading
import time
from contextlib import contextmanager

import pytest

from compact_otel.adapters import MemoryStorage
from compact_otel.core.types import Summary
from tests.ahead.program import (
    DUE,
    KINDS,
    SOFT,
    AsyncGated,
    Gated,
    awaited,
    in_a_thread,
    summary_in,
    told,
    until,
    wait_until,
    was_prepared,
)
from tests.histories import AsyncSummarizer, Summarizer, talk, user

kinds = pytest.mark.parametrize("kind", list(KINDS))
waiting = pytest.mark.parametrize("ask", [awaited, in_a_thread])


@kinds
@waiting
async def test_the_call_that_is_due_waits_for_what_is_being_written(ask, kind, watch):
    summarizer = KINDS[kind](closed=True)
    manager = watch.manager(summarizer)
    await awaited(manager, SOFT)
    await until(summarizer.asked.is_set)
    due = asyncio.create_task(ask(manager, DUE))
    await asyncio.sleep(0.1)
    assert not due.done()
    summarizer.released.set()
    result = await due
    assert (result.outcome, len(summarizer.requests)) == ("compacted", 1)
    assert was_prepared(watch.decisions[-1])


async def test_many_that_are_due_wait_for_the_same(watch):
    summarizer = Gated(closed=True)
    manager = watch.manager(summarizer)
    await awaited(manager, SOFT)
    await until(summarizer.asked.is_set)
    histories = [[*DUE, *talk(1, n)] for n in range(1, 9)]
    due = [asyncio.create_task(awaited(manager, history)) for history in histories]
    await asyncio.sleep(0.1)
    summarizer.released.set()
    results = await asyncio.gather(*due)
    assert {result.summary for result in results} == {"summary 1 of 20 items"}
    assert len(summarizer.requests) == 1


@pytest.mark.parametrize("summarizer", [Gated, AsyncGated])
def test_threads_wait_for_what_one_of_them_has_begun(summarizer, watch):
    summarizer, results = summarizer(closed=True), []
    manager = watch.manager(summarizer)
    manager.preflight("s", SOFT)
    wait_until(summarizer.asked.is_set)
    threads = [
        threading.Thread(target=lambda: results.append(manager.preflight("s", DUE)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    assert results == []
    summarizer.released.set()
    for thread in threads:
        thread.join(20)
    assert len({str(result.messages) for result in results}) == 1
    assert sorted(result.outcome for result in results) == ["compacted", *["replayed"] * 3]
    assert len(summarizer.requests) == 1


@kinds
@waiting
async def test_nobody_waits_longer_than_a_summary_may_take(ask, kind, watch):
    summarizer = KINDS[kind](closed=True)
    manager = watch.manager(summarizer, timeout=0.3)
    try:
        await awaited(manager, SOFT)
        await until(summarizer.asked.is_set)
        began = time.monotonic()
        result = await ask(manager, DUE)
        assert time.monotonic() - began < 3
        assert result.outcome == "fallback"
        assert not was_prepared(watch.decisions[-1])
        assert len(summarizer.requests) == 1, "who hangs is not asked again at once"
    finally:
        summarizer.released.set()


class Late(Gated):
    """Answers the first time only when nobody waits for it any more."""

    def summarize(self, request):
        answer = self._hear(request)
        if len(self.requests) == 1:
            assert self.released.wait(20)
        return answer


async def test_what_comes_too_late_is_not_used(watch):
    summarizer = Late(closed=True)
    manager = watch.manager(summarizer, timeout=0.3)
    await awaited(manager, SOFT)
    done = await awaited(manager, DUE)
    summarizer.released.set()
    await asyncio.sleep(0.1)
    again = await awaited(manager, [*DUE, *talk(1)])
    assert (done.outcome, again.outcome) == ("fallback", "replayed")
    assert again.messages[: len(done.messages)] == done.messages


# It fails.


class Failing(Summarizer):
    """Gives something unusable, or raises it, so many times."""

    def __init__(self, bad, times=1):
        super().__init__()
        self._bad, self._times = bad, times

    def summarize(self, request):
        self.requests.append(request)
        if len(self.requests) > self._times:
            return "usable"
        if isinstance(self._bad, BaseException):
            raise self._bad
        return self._bad


class AsyncFailing(Failing):
    async def summarize(self, request):
        return super().summarize(request)


UNUSABLE = [
    RuntimeError("CANARY"),
    TimeoutError("CANARY"),
    asyncio.CancelledError("CANARY"),
    StopIteration("CANARY"),
    None,
    "",
    7,
    Summary(""),
    Summary("ok", model=7),
    "long " * 9999,
]


async def failed(watch, manager, history=SOFT):
    await awaited(manager, history)
    await until(lambda: watch.preparations)
    (ahead,) = watch.preparations
    return ahead


@pytest.mark.parametrize("bad", UNUSABLE, ids=lambda bad: f"{type(bad).__name__} {bad!s:.6}")
@pytest.mark.parametrize("failing", [Failing, AsyncFailing])
async def test_where_it_fails_the_call_that_is_due_asks_again(failing, bad, watch):
    summarizer = failing(bad)
    manager = watch.manager(summarizer)
    ahead = await failed(watch, manager)
    assert ahead.attributes.get("compact.outcome") != "prepared"
    assert "error.type" in ahead.attributes
    assert "CANARY" not in str(ahead.to_json())
    result = await awaited(manager, DUE)
    assert (result.outcome, summary_in(result)) == ("compacted", "usable")
    assert not was_prepared(watch.decisions[-1])
    assert len(summarizer.requests) == 2


@pytest.mark.parametrize("failing", [Failing, AsyncFailing])
async def test_where_it_goes_on_failing_the_extractive_summary_is_sent(failing, watch):
    summarizer = failing(RuntimeError("no"), times=9)
    manager = watch.manager(summarizer)
    ahead = await failed(watch, manager)
    assert told(ahead, "error")[0]["compact.failure.stage"] == "summarize"
    assert ahead.attributes["compact.outcome"] == "error"
    assert not ahead.status.is_ok
    assert told(ahead, "summary_created") == [], "the extractive one needs no time, so it can wait"
    assert (await awaited(manager, DUE)).outcome == "fallback"
    assert len(summarizer.requests) == 2


@pytest.mark.parametrize("failing", [Failing, AsyncFailing])
async def test_one_that_failed_is_not_tried_again_on_every_call(failing, watch):
    summarizer = failing(RuntimeError("no"))
    manager = watch.manager(summarizer)
    await failed(watch, manager)
    for turns in (16, 17, 17, 18):
        await awaited(manager, talk(turns))
    await asyncio.sleep(0.1)
    assert len(summarizer.requests) == len(watch.preparations) == 1

    done = await awaited(manager, DUE)
    soft = talk(29)
    calm = await awaited(manager, soft)
    assert 1400 <= calm.tokens_after < 1700
    assert (done.outcome, calm.outcome) == ("compacted", "replayed")
    await until(lambda: len(watch.preparations) == 2)
    assert watch.preparations[-1].attributes["compact.outcome"] == "prepared"
    assert len(summarizer.requests) == 3


# One at a time.


class SlowToLetGo(MemoryStorage):
    """A storage that takes a while to give a claim back."""

    @contextmanager
    def claim(self, session_id, key, timeout):
        with super().claim(session_id, key, timeout) as had:
            yield had
            time.sleep(0.1)


@kinds
@pytest.mark.parametrize("stored", [lambda: None, SlowToLetGo], ids=["nowhere", "slowly"])
async def test_a_claim_on_its_way_back_is_waited_for(stored, kind, watch):
    """The call before is over, so it is nobody who would write the summary instead."""
    manager = watch.manager(KINDS[kind](), storage=stored())
    assert (await awaited(manager, DUE)).outcome == "compacted"
    assert (await awaited(manager, talk(29))).outcome == "replayed"
    await until(lambda: watch.preparations)
    assert watch.preparations[-1].attributes["compact.outcome"] == "prepared"


@kinds
async def test_many_calls_with_one_history_begin_one(kind, watch):
    summarizer = KINDS[kind](closed=True)
    manager = watch.manager(summarizer)
    await asyncio.gather(*(awaited(manager, list(SOFT)) for _ in range(20)))
    await asyncio.gather(*(in_a_thread(manager, list(SOFT)) for _ in range(4)))
    await asyncio.gather(*(awaited(manager, talk(turns)) for turns in (16, 17, 18)))
    await until(summarizer.asked.is_set)
    summarizer.released.set()
    await until(lambda: watch.preparations)
    await asyncio.sleep(0.1)
    assert len(summarizer.requests) == len(watch.preparations) == 1


async def test_each_session_has_its_own(watch):
    summarizer = AsyncSummarizer()
    manager = watch.manager(summarizer)

    def history(name, turns):
        return [{**item, "content": f"{name}: {item['content']}"} for item in talk(turns, 36)]

    for name in ("ann", "bob"):
        await awaited(manager, history(name, 17), session=name)
        await awaited(manager, history(name, 16), session=name)
    await until(lambda: len(watch.preparations) == 2)
    for name in ("bob", "ann"):
        result = await awaited(manager, history(name, 21), session=name)
        assert result.outcome == "compacted"
        assert was_prepared(watch.decisions[-1])
    asked = [{item["content"][:3] for item in request.items} for request in summarizer.requests]
    assert sorted(asked, key=sorted) == [{"ann"}, {"bob"}], "one each, whoever was ready first"


async def test_a_session_that_begins_anew_has_its_own_again(watch):
    """An application clears a session, or many conversations without one begin alike."""
    summarizer = Gated()
    manager = watch.manager(summarizer)
    for number, words in enumerate((40, 43)):
        history = talk(20, words)
        for turns in range(1, 17):
            await awaited(manager, history[: 2 * turns])
        await until(lambda: len(watch.preparations) > number)  # noqa: B023 - waited for here
        await awaited(manager, history)
        assert was_prepared(watch.decisions[-1])
    assert len(summarizer.requests) == 2


@pytest.mark.parametrize("place", ["beginning", "end"])
async def test_where_every_call_looks_like_another_conversation_not_every_call_pays(place, watch):
    """An application tells the model the time, in front of the history or behind it."""
    summarizer = Gated()
    manager = watch.manager(summarizer)
    for turns in range(14, 18):
        for minute in range(6):
            now = user(f"it is {turns}:{minute:02}")
            history = [now, *talk(turns)] if place == "beginning" else [*talk(turns), now]
            calm = await awaited(manager, history)
            assert calm.outcome == "skipped"
            await asyncio.sleep(0.01)
    assert 1400 <= calm.tokens_before < 1700
    await asyncio.sleep(0.1)
    assert len(summarizer.requests) <= 2
