"""A compaction is made once, and outlives the call that asked for it."""

import asyncio

import pytest

from compact_otel import CompactConfig, CompactManager
from compact_otel.core.history import Recollection
from compact_otel.core.types import CallContext

LONG = [
    {"role": role, "content": f"{role} {n}: " + "word " * 150}
    for n in range(16)
    for role in ("user", "assistant")
]
CALL = CallContext(model="gpt-4o")


class Slow:
    """Takes its time, and counts how often it is asked."""

    def __init__(self, seconds=0.3):
        self.calls = 0
        self.finished = 0
        self._seconds = seconds

    async def summarize(self, request):
        self.calls += 1
        await asyncio.sleep(self._seconds)
        self.finished += 1
        return "a slow summary"


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def manager(slow, tracer_provider):
    config = CompactConfig.load(max_context_tokens=5000, storage={"adapter": "memory"})
    return CompactManager(config, summarizer=slow, tracer_provider=tracer_provider)


async def test_two_calls_with_one_history_pay_for_one_summary(manager, slow, exporter):
    first, second = await asyncio.gather(
        manager.apreflight("s", LONG, call=CALL), manager.apreflight("s", list(LONG), call=CALL)
    )
    assert slow.calls == 1
    assert first.messages == second.messages
    assert {first.outcome, second.outcome} == {"compacted", "replayed"}
    assert len(exporter.get_finished_spans()) == 2


async def test_two_histories_do_not_wait_for_one_another(manager, slow):
    await asyncio.gather(
        manager.apreflight("a", LONG, call=CALL), manager.apreflight("b", LONG[2:], call=CALL)
    )
    assert slow.calls == 2


async def test_a_call_that_timed_out_leaves_its_summary_for_the_next_attempt(manager, slow):
    attempts = 0
    while True:
        attempts += 1
        try:
            async with asyncio.timeout(0.12):
                result = await manager.apreflight("s", LONG, call=CALL)
            break
        except TimeoutError:
            assert attempts < 10
    assert attempts > 1
    assert (slow.calls, slow.finished) == (1, 1)
    assert result.outcome == "replayed"
    assert result.summary == "a slow summary"


async def test_a_cancelled_call_is_cancelled_and_its_span_still_tells_the_end(
    manager, slow, exporter
):
    call = asyncio.create_task(manager.apreflight("s", LONG, call=CALL))
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert exporter.get_finished_spans() == ()
    await asyncio.sleep(0.5)
    [span] = exporter.get_finished_spans()
    assert span.attributes["compact.outcome"] == "compacted"
    assert (await manager.apreflight("s", LONG, call=CALL)).outcome == "replayed"


def test_a_loop_that_ends_in_the_middle_leaves_the_manager_usable(manager, slow):
    async def give_up():
        asyncio.create_task(manager.apreflight("s", LONG, call=CALL))  # noqa: RUF006 - given up
        await asyncio.sleep(0.05)

    asyncio.run(give_up())
    result = asyncio.run(manager.apreflight("s", LONG, call=CALL))
    assert result.outcome == "compacted"
    assert slow.calls == 2


async def test_a_summariser_that_cancels_itself_costs_the_summary_and_not_the_call(
    tracer_provider,
):
    class Cancelling:
        async def summarize(self, request):
            raise asyncio.CancelledError

    config = CompactConfig.load(max_context_tokens=5000, storage={"adapter": "none"})
    manager = CompactManager(config, summarizer=Cancelling(), tracer_provider=tracer_provider)
    result = await manager.apreflight("s", LONG, call=CALL)
    assert result.outcome == "fallback"
    assert result.summary


async def test_many_sessions_at_once_do_not_mix(tracer_provider):
    config = CompactConfig.load(max_context_tokens=5000, storage={"adapter": "memory"})
    manager = CompactManager(config, tracer_provider=tracer_provider)

    def history(number):
        return [{**item, "content": f"{item['content']} of session-{number}"} for item in LONG]

    results = await asyncio.gather(
        *(manager.apreflight(f"s{number}", history(number), call=CALL) for number in range(30))
    )
    for number, result in enumerate(results):
        assert result.outcome == "compacted"
        assert f"session-{number}" in result.summary
        others = [f"session-{other}" for other in range(30) if f"{other}" not in f"{number}"]
        assert not any(f"{other} " in result.summary for other in others)


HERD = 40


@pytest.fixture
def looks(monkeypatch):
    """Count how often a history is read, which takes as long as the history."""
    counted = []
    read = Recollection.__init__

    def counting(self, items, known):
        counted.append(len(items))
        read(self, items, known)

    monkeypatch.setattr(Recollection, "__init__", counting)
    return counted


def herd_of(storage, summarizer):
    config = CompactConfig.load(max_context_tokens=5000, storage={"adapter": storage})
    return CompactManager(config, summarizer=summarizer)


@pytest.mark.parametrize("storage", ["none", "memory"])
@pytest.mark.parametrize("sessions", [1, HERD])
async def test_equal_calls_that_need_nothing_cost_what_as_many_others_do(
    storage, sessions, slow, looks
):
    manager, short = herd_of(storage, slow), LONG[:4]
    results = await asyncio.gather(
        *(manager.apreflight(f"s{n % sessions}", list(short), call=CALL) for n in range(HERD))
    )
    assert {result.outcome for result in results} == {"skipped"}
    assert len(looks) <= 2 * HERD


@pytest.mark.parametrize("storage", ["none", "memory"])
async def test_a_herd_of_which_one_compacts_pays_for_one_summary(storage, slow, looks):
    manager = herd_of(storage, slow)
    calls = (manager.apreflight(f"s{n % 2}", list(LONG), call=CALL) for n in range(HERD))
    outcomes = [result.outcome for result in await asyncio.gather(*calls)]
    assert slow.calls == 1
    assert (outcomes.count("compacted"), outcomes.count("replayed")) == (1, HERD - 1)
    assert len(looks) <= 3 * HERD


async def test_those_who_give_up_while_they_wait_ask_for_no_summary_of_their_own():
    class Failing(Slow):
        async def summarize(self, request):
            await super().summarize(request)
            raise ValueError

    failing = Failing()
    manager = herd_of("none", failing)
    calls = [asyncio.create_task(manager.apreflight("s", LONG, call=CALL)) for _ in range(HERD)]
    await asyncio.sleep(0.1)
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    await asyncio.sleep(0.6)
    assert failing.calls == 1
