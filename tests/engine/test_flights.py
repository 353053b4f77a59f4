"""Who wants the same thing in one event loop takes turns, and no turn is lost."""

import asyncio
import gc
import weakref

import pytest

from compact_otel.engine.flights import Flights, WorkCancelledError

HERD = 20


class Herd:
    """Work that all takes its turn under one key, and lasts until it may go on."""

    def __init__(self):
        self.flights = Flights()
        self.had = []  # numbers, in the order in which they had their turn
        self.turns = {}
        self.tasks = {}
        self.go_on = asyncio.Event()

    def begin(self, number, key="key"):
        async def work(turn):
            self.turns[number], self.tasks[number] = turn, asyncio.current_task()
            turn.key = key
            if not turn.take():
                await turn.wait()
            self.had.append(number)
            await self.go_on.wait()
            return number

        return asyncio.create_task(self.flights.run(work))

    def nothing_is_left(self):
        left = self.flights._by_loop.get(asyncio.get_running_loop())
        return not left and not self.flights._tasks


async def steps(number=5):
    for _ in range(number):
        await asyncio.sleep(0)


async def test_each_has_its_turn_in_the_order_in_which_they_came():
    herd = Herd()
    calls = [herd.begin(number) for number in range(HERD)]
    await steps()
    assert herd.had == [0]
    herd.go_on.set()
    assert await asyncio.gather(*calls) == list(range(HERD))
    assert herd.had == list(range(HERD))
    await steps()
    assert herd.nothing_is_left()


async def test_other_keys_do_not_wait():
    herd = Herd()
    calls = [herd.begin(number, key=number) for number in range(3)]
    await steps()
    assert herd.had == [0, 1, 2]
    herd.go_on.set()
    await asyncio.gather(*calls)


async def test_work_that_is_cancelled_hands_over_and_its_caller_hears_of_it():
    herd = Herd()
    calls = [herd.begin(number) for number in range(3)]
    await steps()
    herd.tasks[0].cancel()
    await steps()
    assert herd.had == [0, 1]
    with pytest.raises(WorkCancelledError):
        await calls[0]
    herd.go_on.set()
    assert await asyncio.gather(*calls[1:]) == [1, 2]


async def test_a_caller_who_goes_leaves_what_has_its_turn_to_finish():
    herd = Herd()
    calls = [herd.begin(number) for number in range(2)]
    await steps()
    calls[0].cancel()
    await steps()
    assert calls[0].cancelled()
    assert herd.had == [0]
    herd.go_on.set()
    assert await calls[1] == 1
    await steps()
    assert herd.nothing_is_left()


async def test_a_caller_who_goes_while_it_waits_takes_its_work_along():
    herd = Herd()
    calls = [herd.begin(number) for number in range(4)]
    await steps()
    calls[1].cancel()
    calls[3].cancel()
    await steps()
    assert herd.tasks[1].cancelled()
    herd.go_on.set()
    await asyncio.wait(calls)
    assert herd.had == [0, 2]
    await steps()
    assert herd.nothing_is_left()


@pytest.mark.parametrize("who", ["caller", "work"])
@pytest.mark.parametrize("first", ["the turn", "the cancellation"])
async def test_who_is_cancelled_in_the_moment_it_is_called_passes_it_on(who, first):
    herd = Herd()
    calls = [herd.begin(number) for number in range(3)]
    await steps()
    cancelled = calls[1] if who == "caller" else herd.tasks[1]
    if first == "the turn":
        herd.turns[0].end()  # calls the next, who has not run yet
        cancelled.cancel()
    else:
        cancelled.cancel()
        herd.turns[0].end()
    await steps()
    # A caller's word comes after the turn, so the work has it by then, and ends as any that has.
    late = (who, first) == ("caller", "the turn")
    assert herd.had == ([0, 1] if late else [0, 2])
    herd.go_on.set()
    assert (await asyncio.gather(*calls, return_exceptions=True))[::2] == [0, 2]
    await steps()
    assert herd.nothing_is_left()


def test_each_loop_has_turns_of_its_own():
    flights = Flights()

    async def work(turn):
        turn.key = "key"
        return turn.take()

    async def within(turn):
        turn.key = "key"
        assert turn.take()
        return await asyncio.to_thread(lambda: asyncio.run(flights.run(work)))

    assert asyncio.run(flights.run(within)) is True


def test_a_loop_that_is_closed_in_the_middle_leaves_nothing_that_raises():
    async def give_up():
        herd = Herd()
        calls = [herd.begin(number) for number in range(3)]
        await steps()
        return herd, calls

    loop = asyncio.new_event_loop()
    herd, calls = loop.run_until_complete(give_up())
    loop.close()
    for task in [*calls, *herd.tasks.values()]:
        task._log_destroy_pending = False  # asyncio's word on it, which is true
    herd.turns[0].end()  # as the garbage collector lets it end
    del herd, calls, task
    gc.collect()  # what cannot be raised is an error of the test run


async def test_nothing_of_the_work_is_held_when_it_is_over():
    class Result:
        pass

    flights = Flights()

    async def work(turn):
        turn.take()
        return Result()

    result = weakref.ref(await flights.run(work))
    await steps()
    gc.collect()
    assert result() is None
