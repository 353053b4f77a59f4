"""Threads for what may block: whatever the work does, who waits for it gets on."""

import asyncio
import contextvars
import gc
import threading
import time
import weakref

import pytest

from compact_otel.engine import workers
from compact_otel.engine.workers import LateError, Workers

MARK = contextvars.ContextVar("mark", default="unset")
SOON_S = 10
"""Far above what anything here takes."""


@pytest.fixture
def made():
    return Workers()


@pytest.fixture
def gate():
    """Holds work up; opened after the test."""
    gate = threading.Event()
    yield gate
    gate.set()


def ways(made, work, limit=SOON_S):
    """Yield what comes of the work in both ways to wait for it: a value, or an error."""

    async def in_a_loop():
        return await made.arun(work, limit)

    for way in (lambda: made.run(work, limit), lambda: asyncio.run(in_a_loop())):
        try:
            yield way()
        except Exception as error:  # noqa: BLE001 - that is what the tests are about
            yield error


def test_the_work_gives_its_value(made):
    assert list(ways(made, lambda: 7)) == [7, 7]


@pytest.mark.parametrize("error", [ValueError("x"), StopIteration(), TimeoutError("theirs")])
def test_the_work_raises_its_own_error(error, made):
    def work():
        raise error

    for came in ways(made, work):
        # Python turns a StopIteration that leaves a coroutine into a RuntimeError.
        assert error in (came, came.__cause__)
        assert not isinstance(came, LateError)


def test_an_interrupt_is_not_kept_from_the_one_who_waits(made):
    def work():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.run(work, SOON_S)


def test_the_work_sees_the_context_of_the_one_who_asks_and_does_not_change_it(made):
    def work():
        seen = MARK.get()
        MARK.set("theirs")
        return seen

    MARK.set("ours")
    assert list(ways(made, work)) == ["ours", "ours"]
    assert MARK.get() == "ours"


def test_work_that_is_late_goes_on_by_itself(made, gate):
    done = []

    def work():
        gate.wait(SOON_S)
        done.append(1)

    assert [type(error) for error in ways(made, work, 0.05)] == [LateError, LateError]
    gate.set()
    end = time.monotonic() + SOON_S
    while len(done) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    assert done == [1, 1]


async def test_a_loop_goes_on_while_work_is_waited_for(made, gate):
    waiting = asyncio.create_task(made.arun(lambda: gate.wait(SOON_S), SOON_S))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    gate.set()
    assert await waiting


async def test_who_is_cancelled_does_not_wait_any_more(made, gate):
    waiting = asyncio.create_task(made.arun(lambda: gate.wait(SOON_S), SOON_S))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not gate.is_set()


def test_a_loop_that_is_gone_when_the_work_is_done_breaks_nothing(made, gate):
    async def give_up():
        await made.arun(lambda: gate.wait(SOON_S) and threading.get_ident(), 0.05)

    with pytest.raises(LateError):
        asyncio.run(give_up())
    gate.set()
    assert made.run(lambda: 7, SOON_S) == 7


def test_a_thread_is_used_again(made):
    assert len({made.run(threading.get_ident, SOON_S) for _ in range(20)}) == 1


def test_work_may_wait_for_work_without_end(made):
    """A pool of few threads would stand still here."""

    def deep(levels):
        return 0 if not levels else 1 + made.run(lambda: deep(levels - 1), SOON_S)

    assert deep(60) == 60


def test_its_threads_do_not_hold_up_the_exit_of_the_program(made):
    assert made.run(lambda: threading.current_thread().daemon, SOON_S)


def test_a_thread_without_work_ends(made, monkeypatch):
    monkeypatch.setattr(workers, "_IDLE", 0.05)
    thread = made.run(threading.current_thread, SOON_S)
    thread.join(SOON_S)
    assert not thread.is_alive()
    assert made.run(threading.current_thread, SOON_S) is not thread


def test_work_that_comes_as_a_thread_ends_is_done(made, monkeypatch):
    monkeypatch.setattr(workers, "_IDLE", 0.001)
    for number in range(300):
        assert made.run(lambda number=number: number, SOON_S) == number
        time.sleep(0.001)  # as long as a thread waits for work


def test_a_thread_that_waits_for_work_holds_nothing_of_the_last(made):
    class Large:
        pass

    def work():
        large = Large()
        return large, weakref.ref(large)

    large, known = made.run(work, SOON_S)
    del large
    end = time.monotonic() + SOON_S
    while known() is not None and time.monotonic() < end:
        gc.collect()
        time.sleep(0.01)  # it lets go right behind giving the result
    assert known() is None
