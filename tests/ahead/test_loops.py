"""Event loops that end, stand still, are given up or are blocked while a summary is written."""

import asyncio
import gc
import logging
import threading
import time

import pytest

from tests.ahead.program import (
    DUE,
    KINDS,
    SOFT,
    AsyncGated,
    Gated,
    awaited,
    blocking_the_loop,
    until,
    wait_until,
    was_prepared,
)
from tests.histories import talk

kinds = pytest.mark.parametrize("kind", list(KINDS))
SOON_S = 3.0
"""Far below the 20 seconds for which a summary is waited for."""


class FirstHangs(AsyncGated):
    """Does not end the first summary, and gives the next at once."""

    async def summarize(self, request):
        if self.requests:
            return self._hear(request)
        return await super().summarize(request)


async def begun(manager, summarizer, session="s"):
    """Ask with a history that is long enough to prepare for, until the summariser is asked."""
    summarizer.asked.clear()
    result = await manager.apreflight(session, SOFT)
    assert result.outcome == "skipped"
    await until(summarizer.asked.is_set)


@pytest.fixture
def quiet(caplog):
    """Check that nothing was logged that somebody would have to look at."""
    with caplog.at_level(logging.WARNING):
        yield
        gc.collect()
    assert [record.getMessage() for record in caplog.records] == []


# Given up.


async def in_a_group(*coroutines):
    async with asyncio.TaskGroup() as group:
        for coroutine in coroutines:
            group.create_task(coroutine)


@kinds
@pytest.mark.parametrize("by", ["cancel", "timeout", "group"])
async def test_a_run_that_is_given_up_leaves_it_to_finish(by, kind, watch, quiet):
    summarizer = KINDS[kind](closed=True)
    manager = watch.manager(summarizer)

    async def run():
        await manager.apreflight("s", SOFT)
        await asyncio.sleep(60)

    async def fail():
        await until(summarizer.asked.is_set)
        raise ValueError

    if by == "cancel":
        task = asyncio.create_task(run())
        await until(summarizer.asked.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    elif by == "timeout":
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await run()
        assert summarizer.asked.is_set()
    else:
        with pytest.raises(ExceptionGroup):
            await in_a_group(run(), fail())
    assert watch.preparations == []
    summarizer.released.set()
    await until(lambda: watch.preparations)
    result = await awaited(manager, DUE)
    assert (result.outcome, len(summarizer.requests)) == ("compacted", 1)
    assert was_prepared(watch.decisions[-1])


@kinds
async def test_a_call_that_stops_waiting_leaves_it_to_the_next_one(kind, watch, quiet):
    summarizer = KINDS[kind](closed=True)
    manager = watch.manager(summarizer)
    await awaited(manager, SOFT)
    await until(summarizer.asked.is_set)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await awaited(manager, DUE)
    summarizer.released.set()
    result = await awaited(manager, DUE)
    assert result.outcome in ("compacted", "replayed")
    assert len(summarizer.requests) == 1
    assert [was_prepared(span) for span in watch.decisions].count(True) == 1


# The loop ends.


def test_a_thread_goes_on_with_it_when_the_loop_ends(watch, quiet):
    summarizer = Gated(closed=True)
    manager = watch.manager(summarizer)
    asyncio.run(begun(manager, summarizer))
    summarizer.released.set()
    wait_until(lambda: watch.preparations)
    assert asyncio.run(manager.apreflight("s", DUE)).outcome == "compacted"
    assert was_prepared(watch.decisions[-1])
    assert len(summarizer.requests) == 1


@pytest.mark.parametrize("next_call", ["in a loop", "in a thread"])
@pytest.mark.parametrize("asked_in", ["awaited", "blocking"])
def test_a_loop_that_ends_takes_it_along(asked_in, next_call, watch, quiet):
    summarizer = FirstHangs(closed=True)
    manager = watch.manager(summarizer)

    async def soft():
        if asked_in == "blocking":
            manager.preflight("s", SOFT)
        await begun(manager, summarizer)

    asyncio.run(soft())
    began = time.monotonic()
    if next_call == "in a loop":
        result = asyncio.run(manager.apreflight("s", DUE))
    else:
        result = manager.preflight("s", DUE)
    assert time.monotonic() - began < SOON_S
    assert result.outcome == "compacted"
    assert not was_prepared(watch.decisions[-1])


@pytest.mark.parametrize("ask", [awaited, blocking_the_loop])
def test_one_loop_after_the_other_never_waits(ask, watch, quiet):
    """As an application does that has no loop of its own, and calls `asyncio.run` for each turn."""
    summarizer = AsyncGated()
    manager = watch.manager(summarizer)
    began = time.monotonic()
    outcomes = [asyncio.run(ask(manager, talk(turns))).outcome for turns in range(13, 60)]
    assert time.monotonic() - began < 15
    assert set(outcomes) == {"skipped", "compacted", "replayed"}
    assert outcomes.count("compacted") >= 3


@kinds
def test_a_loop_that_ends_while_a_call_waits(kind, watch, quiet):
    summarizer = KINDS[kind](closed=True)
    manager = watch.manager(summarizer)

    async def given_up():
        await begun(manager, summarizer)
        task = asyncio.create_task(manager.apreflight("s", DUE))
        await asyncio.sleep(0.2)
        assert not task.done()

    began = time.monotonic()
    asyncio.run(given_up())
    summarizer.released.set()
    result = manager.preflight("s", DUE)
    assert time.monotonic() - began < SOON_S
    assert result.outcome in ("compacted", "replayed")


# The loop stands still: `Runner.run_sync` leaves its loop open, and nobody runs it in between.


def end(loop):
    """Close a loop with nothing left in it, however slow the machine is."""
    tasks = asyncio.all_tasks(loop)

    async def cancelled():
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    loop.run_until_complete(cancelled())
    loop.close()


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    if not loop.is_closed():
        end(loop)
    gc.collect()  # asyncio complains of what a closed loop leaves; not in the next test


def test_a_loop_that_goes_on_goes_on_with_it(loop, watch, quiet):
    summarizer = AsyncGated(closed=True)
    manager = watch.manager(summarizer)
    loop.run_until_complete(begun(manager, summarizer))
    time.sleep(0.1)
    summarizer.released.set()
    result = loop.run_until_complete(manager.apreflight("s", DUE))
    assert (result.outcome, len(summarizer.requests)) == ("compacted", 1)
    assert was_prepared(watch.decisions[-1])


@pytest.mark.parametrize("how", ["stands still", "was closed"])
@pytest.mark.parametrize("next_call", ["in another loop", "in a thread"])
def test_nobody_waits_for_a_loop_that_does_not_run(next_call, how, loop, watch):
    summarizer = FirstHangs(closed=True)
    manager = watch.manager(summarizer)
    loop.run_until_complete(begun(manager, summarizer))
    if how == "was closed":
        loop.close()
    began = time.monotonic()
    if next_call == "in another loop":
        result = asyncio.run(manager.apreflight("s", DUE))
    else:
        result = manager.preflight("s", DUE)
    assert time.monotonic() - began < SOON_S
    assert (result.outcome, len(summarizer.requests)) == ("compacted", 2)


def test_a_loop_that_stops_while_a_call_of_another_thread_waits(loop, watch):
    summarizer = FirstHangs(closed=True)
    manager = watch.manager(summarizer)
    results = []

    async def for_a_while():
        await begun(manager, summarizer)
        thread.start()
        await asyncio.sleep(0.3)

    thread = threading.Thread(target=lambda: results.append(manager.preflight("s", DUE)))
    began = time.monotonic()
    loop.run_until_complete(for_a_while())
    thread.join()
    assert time.monotonic() - began < SOON_S
    assert results[0].outcome == "compacted"


def test_loops_that_do_not_run_take_no_place_from_those_that_do(watch):
    summarizer = FirstHangs(closed=True)
    manager = watch.manager(summarizer)
    loops = [asyncio.new_event_loop() for _ in range(6)]
    try:
        for number, standing in enumerate(loops):
            summarizer.requests.clear()
            standing.run_until_complete(begun(manager, summarizer, f"s{number}"))

        async def last():
            await manager.apreflight("last", SOFT)
            await until(lambda: watch.preparations)
            return await manager.apreflight("last", DUE)

        assert asyncio.run(last()).outcome == "compacted"
        assert was_prepared(watch.decisions[-1])
    finally:
        for standing in loops:
            end(standing)


def test_a_call_waits_for_a_loop_that_runs_in_another_thread(watch, quiet):
    summarizer = AsyncGated(closed=True)
    manager = watch.manager(summarizer)

    async def for_a_while():
        await manager.apreflight("s", SOFT)
        await until(lambda: watch.preparations)

    thread = threading.Thread(target=lambda: asyncio.run(for_a_while()))
    thread.start()
    wait_until(summarizer.asked.is_set)
    threading.Timer(0.1, summarizer.released.set).start()
    result = manager.preflight("s", DUE)
    thread.join()
    assert (result.outcome, len(summarizer.requests)) == ("compacted", 1)
    assert was_prepared(watch.decisions[-1])


# The loop is blocked.


async def test_who_blocks_the_loop_does_not_wait_for_what_runs_in_it(watch):
    summarizer = FirstHangs(closed=True)
    manager = watch.manager(summarizer)
    await begun(manager, summarizer)
    began = time.monotonic()
    result = await blocking_the_loop(manager, DUE)
    assert time.monotonic() - began < SOON_S
    assert (result.outcome, len(summarizer.requests)) == ("compacted", 2)
    summarizer.released.set()
    await until(lambda: watch.preparations)
    again = await awaited(manager, DUE)
    assert (again.outcome, again.messages) == ("replayed", result.messages)


async def test_who_compacts_by_hand_and_blocks_the_loop_does_not_wait_either(watch):
    summarizer = FirstHangs(closed=True)
    manager = watch.manager(summarizer)
    await begun(manager, summarizer)
    began = time.monotonic()
    assert manager.manual_compact("s", SOFT).outcome == "compacted"
    assert time.monotonic() - began < SOON_S
    summarizer.released.set()
    await until(lambda: watch.preparations)


async def test_who_blocks_the_loop_waits_for_what_runs_in_a_thread(watch):
    summarizer = Gated(closed=True)
    manager = watch.manager(summarizer)
    await begun(manager, summarizer)
    threading.Timer(0.1, summarizer.released.set).start()
    result = await blocking_the_loop(manager, DUE)
    assert (result.outcome, len(summarizer.requests)) == ("compacted", 1)
    assert was_prepared(watch.decisions[-1])
