"""What is written ahead takes a bounded part of the machine, and nothing of the caller's."""

import asyncio
import gc
import threading
import weakref

import pytest

from compact_otel.estimators.noop import NoopEstimator
from tests.ahead.program import (
    DUE,
    KINDS,
    SOFT,
    AsyncGated,
    Gated,
    awaited,
    until,
    was_prepared,
)
from tests.histories import assistant, call, output, talk, user

kinds = pytest.mark.parametrize("kind", list(KINDS))
AT_ONCE = 4


class Counted(Gated):
    """Knows how many of its summaries are written at the same time; those by hand it gives."""

    def __init__(self, **options):
        super().__init__(**options)
        self._lock = threading.Lock()
        self.running = self.most = 0

    def summarize(self, request):
        if request.note is not None:
            return "by hand"
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            return super().summarize(request)
        finally:
            with self._lock:
                self.running -= 1


class AsyncCounted(Counted):
    async def summarize(self, request):
        return await asyncio.to_thread(super().summarize, request)


counted = pytest.mark.parametrize("summarizer", [Counted, AsyncCounted])


# At most four at once.


@counted
async def test_only_a_few_are_written_at_the_same_time(summarizer, watch):
    summarizer = summarizer(closed=True)
    manager = watch.manager(summarizer)
    for number in range(10):
        await awaited(manager, [user(str(number)), *SOFT], session=f"s{number}")
    await until(lambda: summarizer.running == AT_ONCE)
    await asyncio.sleep(0.1)
    summarizer.released.set()
    await until(lambda: len(watch.preparations) == AT_ONCE)
    assert summarizer.most == AT_ONCE

    for number in range(10):  # those that found no place do their own
        result = await awaited(manager, [user(str(number)), *DUE], session=f"s{number}")
        assert result.outcome == "compacted"
    assert [was_prepared(span) for span in watch.decisions].count(True) == AT_ONCE
    await awaited(manager, [user("anew"), *SOFT], session="anew")
    await until(lambda: len(watch.preparations) == AT_ONCE + 1)


@counted
async def test_compactions_by_hand_in_between_make_it_no_more(summarizer, watch):
    """Each of them makes what is being written useless, and a new one possible."""
    summarizer = summarizer(closed=True)
    manager = watch.manager(summarizer, timeout=1.0)
    history = SOFT
    for _ in range(8):
        await awaited(manager, history)
        await asyncio.sleep(0.05)
        await manager.amanual_compact("s", history)
        while (await awaited(manager, history)).tokens_after < 1400:
            history = [*history, *talk(1)]
    assert 1 <= summarizer.most <= AT_ONCE
    summarizer.released.set()
    await until(lambda: not summarizer.running)


# Memory.


class Text(str):
    """A string that can be watched."""

    __slots__ = ("__weakref__",)


@kinds
async def test_the_history_is_let_go_when_it_is_done(kind, watch):
    manager = watch.manager(KINDS[kind]())
    text = Text("why " * 40)
    gone = weakref.ref(text)
    history = [user(text), *SOFT]
    await awaited(manager, history)
    await until(lambda: watch.preparations)
    del text, history
    manager._service.parts.summarizers[0].requests.clear()
    await awaited(manager, talk(1))  # the session goes on as another conversation
    gc.collect()
    await until(lambda: gone() is None)


async def test_sessions_without_end_do_not_pile_up(watch, monkeypatch):
    limit = 5
    monkeypatch.setattr("compact_otel.engine.preparations._SESSIONS", limit)
    summarizer = Gated()
    manager = watch.manager(summarizer)
    marked = []
    for number in range(4 * limit):
        key = Text(f"session {number}")
        marked.append(weakref.ref(key))
        await awaited(manager, [*SOFT, user(str(number))], session=key)
        await until(lambda: len(watch.preparations) > number)  # noqa: B023 - waited for here
        await awaited(manager, [], session=key)
    assert len(summarizer.requests) >= 1
    assert len(marked) == 4 * limit


# What belongs to the caller.


@kinds
async def test_an_application_may_change_its_items_while_they_are_read(kind, watch):
    summarizer = KINDS[kind](closed=True)
    manager = watch.manager(summarizer)
    parts = [{"type": "input_text", "text": "CANARY " * 20}]
    rows = [{"type": "input_text", "text": "row"}]
    history = [user(parts), call("c"), output("c", rows), *map(dict, SOFT)]
    await awaited(manager, history)
    await until(summarizer.asked.is_set)
    (request,) = summarizer.requests
    before = str(request.items)
    parts[0]["text"] = "changed"
    parts.append({"type": "input_text", "text": "more"})
    rows[0]["text"] = "changed"
    history[4].clear()
    history[:] = []
    assert str(request.items) == before
    assert "CANARY" in before
    summarizer.released.set()
    await until(lambda: watch.preparations)
    assert watch.preparations[0].attributes["compact.outcome"] == "prepared"


@kinds
async def test_an_application_that_never_stops_changing_its_items_breaks_nothing(kind, watch):
    """Another thread writes into them as long as the summaries are being written."""
    manager, over = watch.manager(KINDS[kind]()), threading.Event()
    histories = [[user(str(n)), *({**item, "n": 0} for item in SOFT)] for n in range(4)]
    items = [item for history in histories for item in history[1:]]

    def change():
        while not over.wait(0.001):
            for number, item in enumerate(items):
                item["n"] = number
                item["content"] = item["content"].swapcase()

    thread = threading.Thread(target=change)
    try:
        for number, history in enumerate(histories):
            assert (await awaited(manager, history, session=str(number))).outcome == "skipped"
            if not number:
                thread.start()
        await until(lambda: len(watch.preparations) == 4)
    finally:
        over.set()
        thread.join()
    assert {span.attributes["compact.outcome"] for span in watch.preparations} == {"prepared"}


async def test_what_is_planned_ahead_is_not_planned_in_the_event_loop(watch, monkeypatch):
    """A plan for thousands of items takes long enough to be felt by all that runs in the loop."""
    threads, count_items = [], NoopEstimator.count_items

    def counted(self, items, call):
        threads.append(threading.get_ident())
        return count_items(self, items, call)

    monkeypatch.setattr(NoopEstimator, "count_items", counted)
    history = [assistant(f"row {number} " + "x" * 400) for number in range(60)]
    manager = watch.manager(AsyncGated(), window=8000, estimator=NoopEstimator())
    calm = await awaited(manager, history)
    assert 5600 <= calm.tokens_before < 6800
    in_the_call = len(threads)
    await until(lambda: watch.preparations)
    assert watch.preparations[0].attributes["compact.outcome"] == "prepared"
    assert in_the_call <= 2
    assert threading.get_ident() not in threads[in_the_call:]


# It cannot even begin.


async def test_a_call_gets_what_it_asked_for_although_no_thread_can_be_had(watch, monkeypatch):
    """As in a container with few processes allowed, or when the interpreter shuts down."""

    def no_thread(workers, work):
        raise RuntimeError("can't start new thread")

    manager = watch.manager(Gated(), estimator=NoopEstimator(), window=1000)
    history = [assistant(f"row {number} " + "x" * 200) for number in range(60)]
    done = await awaited(manager, history[:20])
    assert done.outcome == "compacted"
    soft = next(n for n in range(20, 40) if done.tokens_after + 54 * (n - 20) >= 720)
    with monkeypatch.context() as patched:
        patched.setattr("compact_otel.engine.workers.Workers.start", no_thread)
        result = await awaited(manager, history[:soft])
    assert result.error is None
    assert result.messages[: len(done.messages)] == done.messages
    assert result.outcome == "replayed"
    assert 700 <= result.tokens_after < 850

    again = await awaited(manager, history[: soft + 6])
    assert (again.outcome, again.summary_version) == ("compacted", 2)
