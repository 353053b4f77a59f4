"""Threads and event loops of one process share a manager: one summary each, and nothing leaks."""

import asyncio
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from compact_otel.adapters import FileStorage, MemoryStorage
from tests.processes.program import CALL, FIRST, history, manager

THREADS = 8


class Slow:
    """Takes its time, so that all the others come meanwhile, and remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def summarize(self, request):
        self.asked.append(request)
        time.sleep(0.2)
        return f"summary {len(self.asked)} of {sessions_in(request.items)}"


class AsyncSlow(Slow):
    async def summarize(self, request):
        self.asked.append(request)
        await asyncio.sleep(0.2)
        return f"summary {len(self.asked)} of {sessions_in(request.items)}"


def sessions_in(value):
    """Return which sessions are spoken of."""
    return sorted(set(re.findall(r"session-\d+", str(value))))


def at_once(act, count=THREADS):
    """Return what `act(number)` gives in so many threads, which all begin at the same time."""
    start = threading.Barrier(count)

    def begin(number):
        start.wait()
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


@pytest.fixture(params=["fs", "memory", "none"])
def storage(request, tmp_path):
    made = {"fs": lambda: FileStorage(tmp_path), "memory": MemoryStorage, "none": lambda: None}
    return made[request.param]()


def assert_one_summary(slow, results):
    assert len(slow.asked) == 1
    assert sorted(result.outcome for result in results) == ["compacted"] + ["replayed"] * (
        len(results) - 1
    )
    assert all(result.messages == results[0].messages for result in results)


def test_threads_with_one_history_pay_for_one_summary(storage):
    slow = Slow()
    made = manager(storage, slow)
    assert_one_summary(slow, at_once(lambda _: made.preflight("shared", history(FIRST), call=CALL)))


@pytest.mark.parametrize("kind", [Slow, AsyncSlow])
def test_event_loops_with_one_history_pay_for_one_summary(storage, kind):
    slow = kind()
    made = manager(storage, slow)
    assert_one_summary(
        slow,
        at_once(lambda _: asyncio.run(made.apreflight("shared", history(FIRST), call=CALL))),
    )


def test_threads_and_event_loops_with_one_history_pay_for_one_summary(storage):
    slow = Slow()
    made = manager(storage, slow)

    def look(number):
        if number % 2:
            return made.preflight("shared", history(FIRST), call=CALL)
        return asyncio.run(made.apreflight("shared", history(FIRST), call=CALL))

    assert_one_summary(slow, at_once(look))


def test_two_managers_over_one_archive_pay_for_one_summary(tmp_path):
    slow = Slow()
    made = [manager(FileStorage(tmp_path), slow) for _ in range(THREADS)]
    assert_one_summary(
        slow, at_once(lambda number: made[number].preflight("shared", history(FIRST), call=CALL))
    )


@pytest.mark.parametrize("way", ["threads", "loops"])
def test_sessions_at_once_keep_to_themselves(storage, way):
    slow = Slow()
    made = manager(storage, slow)

    def talk(number):
        name = f"session-{number}"
        results = []
        for length in range(FIRST - 4, FIRST + 41, 4):
            said = history(length, name)
            if way == "threads":
                results.append(made.preflight(name, said, call=CALL))
            else:
                results.append(asyncio.run(made.apreflight(name, said, call=CALL)))
        return results

    for number, results in enumerate(at_once(talk)):
        assert sum(result.outcome == "compacted" for result in results) >= 2
        for result in results:
            assert sessions_in(result.messages) == [f"session-{number}"]
    for request in slow.asked:
        assert len(sessions_in([request.items, request.kept, request.previous_summary])) == 1


class Waiting:
    """Waits, in session 0, until it may go on."""

    def __init__(self):
        self.begun, self.go_on = threading.Event(), threading.Event()

    def summarize(self, request):
        if "session-0" in str(request.items):
            self.begun.set()
            assert self.go_on.wait(30)
        return "a summary"


def test_a_summary_in_the_making_holds_up_no_other_session(storage):
    waiting = Waiting()
    made = manager(storage, waiting)

    def look(number):
        name = f"session-{number}"
        return made.preflight(name, history(FIRST, name), call=CALL).outcome

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(look, 0)
        assert waiting.begun.wait(30)
        try:
            assert at_once(lambda number: look(number + 1)) == ["compacted"] * THREADS
            assert not first.done()
        finally:
            waiting.go_on.set()
        assert first.result() == "compacted"


def test_an_event_loop_goes_on_while_its_calls_wait_for_a_summary_of_a_thread(storage):
    waiting = Waiting()
    made = manager(storage, waiting)
    said = history(FIRST, "session-0")

    async def wait_for_it():
        # More calls than the loop's own pool has threads.
        calls = [asyncio.create_task(made.apreflight("session-0", said, call=CALL))]
        calls += [
            asyncio.create_task(made.apreflight("session-0", [*said, *more], call=CALL))
            for more in (history(length, "more") for length in range(2, 80, 2))
        ]
        for _ in range(20):
            assert await asyncio.to_thread(lambda: "the pool is free") == "the pool is free"
            await asyncio.sleep(0.01)
        assert not any(call.done() for call in calls)
        waiting.go_on.set()
        return [(await call).outcome for call in calls]

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(made.preflight, "session-0", said, call=CALL)
        assert waiting.begun.wait(30)
        try:
            outcomes = asyncio.run(wait_for_it())
        finally:
            waiting.go_on.set()
        assert first.result().outcome == "compacted"
    assert outcomes[0] == "replayed"
    assert set(outcomes) <= {"compacted", "replayed"}


def test_a_manager_that_is_behind_another_takes_over_its_compactions_when_it_gets_there():
    slow, storage = Slow(), MemoryStorage()
    lengths = range(FIRST - 4, FIRST + 41, 2)
    ahead, behind = (
        [made.preflight("session-0", history(length, "session-0"), call=CALL) for length in lengths]
        for made in (manager(storage, slow), manager(storage, slow))
    )
    made = [result.outcome for result in ahead].count("compacted")
    assert made >= 2
    assert len(slow.asked) == made
    assert "compacted" not in [result.outcome for result in behind]
    assert behind[-1].messages == ahead[-1].messages
