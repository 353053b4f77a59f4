"""A process that forks workers from a loaded application, as a web server does.

python forking.py SCENE ARCHIVE BILL

A child that hangs is ended by an alarm; every child that ends badly ends the program with an error.
"""

import asyncio
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from compact_otel.adapters import FileStorage, MemoryStorage
from compact_otel.estimators import vocabulary
from compact_otel.estimators.tiktoken import TiktokenEstimator
from tests.processes.program import (
    CALL,
    FIRST,
    CountedSummarizer,
    history,
    manager,
    paid,
)

HANGS_S = 30


def fork(work):
    """Run `work` in a child and return its process id."""
    child = os.fork()
    if child:
        return child
    signal.alarm(HANGS_S)
    try:
        work()
        os._exit(0)
    finally:
        traceback.print_exc()
        os._exit(1)


def wait_for(*children):
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert not any(codes), f"children ended with {codes}"


def grow(made, *, loops=False):
    """Make calls with a growing history; return how the last one begins and ends."""
    for length in range(FIRST - 6, 97, 2):
        if loops:
            result = asyncio.run(made.apreflight("shared", history(length), call=CALL))
        else:
            result = made.preflight("shared", history(length), call=CALL)
        assert result.outcome in ("skipped", "compacted", "replayed"), result
    return result.summary


def preloaded(archive, bill):
    """The manager is made, and has been used, before the workers are forked."""
    storage = FileStorage(archive)
    made = manager(storage, CountedSummarizer(bill))
    made.preflight("shared", history(2), call=CALL)

    def work(number):
        grow(made, loops=number % 2 == 1)

    children = [fork(lambda number=number: work(number)) for number in range(4)]
    last = grow(made)
    wait_for(*children)
    stored = storage.load_checkpoints("shared")
    assert len({checkpoint.key for checkpoint in stored}) == len(stored) == paid(bill) >= 3
    assert stored[-1].summary == last


def midway(archive, bill):
    """Children are forked while a thread of the parent waits for its summary."""
    begun, go_on = threading.Event(), threading.Event()

    class Waiting(CountedSummarizer):
        def summarize(self, request):
            if os.getpid() == parent and "shared" in str(request.items):
                begun.set()
                assert go_on.wait(HANGS_S)
            return super().summarize(request)

    parent = os.getpid()
    made = manager(FileStorage(archive), Waiting(bill))
    outcomes = []

    def look(session):
        result = made.preflight(session, history(FIRST, session), call=CALL)
        outcomes.append(result.outcome)
        return result

    thread = threading.Thread(target=look, args=("shared",))
    thread.start()
    assert begun.wait(HANGS_S)

    def of_another_session():
        assert look("another").outcome == "compacted"

    def of_the_same_session():
        assert look("shared").outcome == "replayed"

    wait_for(fork(of_another_session))
    child = fork(of_the_same_session)
    go_on.set()
    wait_for(child)
    thread.join()
    assert outcomes == ["compacted"]
    assert paid(bill) == 2


def busy(archive, bill):
    """Children are forked while threads of the parent are anywhere in a compaction."""
    sys.setswitchinterval(1e-6)
    over = threading.Event()
    managers = [
        manager(storage, CountedSummarizer(bill, seconds=0))
        for storage in (FileStorage(archive), MemoryStorage(), None)
    ]

    def compact(name):
        for made in managers:
            made.preflight(name, history(FIRST - 2, name), call=CALL)
            result = made.manual_compact(name, history(FIRST, name), call=CALL)
            assert result.outcome in ("compacted", "noop"), result

    def keep_busy(number):
        turn = 0
        while not over.is_set():
            turn += 1
            compact(f"session-{number}-{turn}")

    threads = [threading.Thread(target=keep_busy, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(60):
            wait_for(fork(lambda turn=turn: compact(f"child-{turn}")))
    finally:
        over.set()
        for thread in threads:
            thread.join()


def in_a_loop(archive, bill):
    """The parent compacts in an event loop when it forks; the child makes a loop of its own."""
    begun = threading.Event()

    class Told(CountedSummarizer):
        def summarize(self, request):
            begun.set()
            return super().summarize(request)

    made = manager(FileStorage(archive), Told(bill))
    children = []

    def look(session):
        return made.apreflight(session, history(FIRST, session), call=CALL)

    def of_the_same_session():
        assert asyncio.run(look("shared")).outcome == "replayed"

    async def compact():
        task = asyncio.create_task(look("shared"))
        await asyncio.to_thread(begun.wait, HANGS_S)
        children.append(fork(of_the_same_session))
        assert (await task).outcome == "compacted"

    asyncio.run(compact())
    wait_for(*children)
    assert paid(bill) == 1


def loading(_archive, _bill):
    """A child is forked while a thread of the parent loads the vocabulary that counts tokens."""
    thread = threading.Thread(target=vocabulary.o200k)
    thread.start()
    while not vocabulary._loading.locked():
        pass
    wait_for(fork(lambda: TiktokenEstimator().count_text("some words")))
    thread.join()


def counting(_archive, _bill):
    """Children are forked while threads of the parent count tokens."""
    sys.setswitchinterval(1e-6)
    estimator, over = TiktokenEstimator(), threading.Event()

    def count(who):
        estimator.count_items([{"content": f"{who} says {n}"} for n in range(50)], CALL)

    def keep_busy(number):
        turn = 0
        while not over.is_set():
            turn += 1
            count(f"thread {number} in turn {turn}")

    estimator.warm_up()
    threads = [threading.Thread(target=keep_busy, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(60):
            wait_for(fork(lambda turn=turn: count(f"child {turn}")))
    finally:
        over.set()
        for thread in threads:
            thread.join()


SCENES = {
    "preloaded": preloaded,
    "midway": midway,
    "busy": busy,
    "in_a_loop": in_a_loop,
    "loading": loading,
    "counting": counting,
}

if __name__ == "__main__":
    scene, archive, bill = sys.argv[1:]
    SCENES[scene](archive, bill)
