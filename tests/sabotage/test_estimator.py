"""An estimator that hangs is left out; one that counts nonsense does not spoil other spans."""

import asyncio
from itertools import count

import pytest

from compact_otel.estimators.tiktoken import TiktokenEstimator
from tests.sabotage.parts import raises, sabotaged
from tests.sabotage.program import BOUND_S, EARLY, answer, timed


@pytest.mark.parametrize("method", ["count_items", "count_fixed"])
async def test_one_that_hangs_is_asked_once(method, api, bench):
    bench.hurry("step")
    bench.switch_on(EARLY, estimator=sabotaged(TiktokenEstimator, **{method: bench.hang}))
    for _ in range(3):
        _, seconds = await timed(answer(api))
        assert seconds < BOUND_S
    assert bench.hang.calls == 1
    assert bench.outcomes == ["error"] * 6


async def test_one_that_hangs_does_not_hold_up_the_loop(api, bench):
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1

    bench.hurry("step")
    bench.switch_on(EARLY, estimator=sabotaged(TiktokenEstimator, count_items=bench.hang))
    ticking = asyncio.create_task(tick())
    await answer(api)
    ticking.cancel()
    assert ticks >= 3


@pytest.mark.parametrize("fault", ["hangs", "raises"])
async def test_one_that_does_not_get_warm(fault, api, bench):
    without_us = await answer(api)
    bench.hurry("step")
    warm_up = bench.hang if fault == "hangs" else raises()
    estimator = sabotaged(TiktokenEstimator, warm_up=warm_up)
    type(estimator).is_warm_for = lambda _self, _model: False
    bench.switch_on(EARLY, estimator=estimator)
    with_us, seconds = await timed(answer(api))
    assert with_us == without_us
    assert seconds < BOUND_S
    assert bench.said


async def test_counts_without_end_are_not_all_taken(api, bench):
    """A generator that never stops would fill the memory from a thread that nobody waits for."""
    taken = count()

    def count_items(items, call):
        for number in taken:
            if number > 1_000_000:
                return
            yield 1

    bench.switch_on(EARLY, estimator=sabotaged(TiktokenEstimator, count_items=count_items))
    await answer(api)
    assert next(taken) < 1_000
    assert "estimate: TypeError" in bench.said
