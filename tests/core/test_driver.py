"""Both drivers carry out one flow, and neither loses an error, a context, or the event loop."""

import asyncio
import contextvars
import threading
import time

import pytest

from compact_otel.engine.driver import Place, StuckError, adrive, drive

MARK = contextvars.ContextVar("mark", default="unset")


def asking(*effects):
    """Yield effects and return what came of each: an answer, or the error that was thrown in."""
    heard = []
    for effect in effects:
        try:
            heard.append((yield effect))
        except Exception as error:  # noqa: BLE001 - that is what the test is about
            heard.append(error)
    return heard


class Doer:
    """Calls what is callable, raises what is an error, and gives back the rest."""

    def __init__(self, *, apart, steps=None, limit=5.0):
        self._place = Place(apart=apart, limit=limit)
        self._steps = steps
        self.late = []

    def notes(self, effect):
        return False

    def tell(self):
        pass

    def perform(self, effect):
        if isinstance(effect, BaseException):
            raise effect
        return effect() if callable(effect) else effect

    def place(self, effect):
        return self._place if callable(effect) or self._place.apart else None

    def step(self):
        return self._steps

    def overdue(self, effect, limit):
        self.late.append((effect, limit))


def driven(*effects, apart=True):
    async def in_a_loop():
        return await asyncio.wait_for(adrive(asking(*effects), Doer(apart=apart)), timeout=5)

    return drive(asking(*effects), Doer(apart=apart)), asyncio.run(in_a_loop())


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("error", [ValueError("x"), StopIteration(), StopAsyncIteration()])
def test_an_error_is_thrown_into_the_flow_which_goes_on(error, apart):
    for heard in driven(1, error, 2, apart=apart):
        # Python turns a StopIteration that leaves a coroutine into a RuntimeError.
        assert heard[::2] == [1, 2]
        assert error in (heard[1], heard[1].__cause__)


async def coroutine():
    await asyncio.sleep(0)
    return MARK.get()


async def failing():
    raise ValueError("late")


@pytest.mark.parametrize("apart", [True, False])
def test_an_awaitable_is_waited_for_in_the_context_of_the_caller(apart):
    MARK.set("ours")
    for heard in driven(coroutine, failing, apart=apart):
        assert heard[0] == "ours"
        assert isinstance(heard[1], ValueError)


def test_a_thread_that_is_asked_sees_the_context_of_the_caller():
    MARK.set("ours")
    assert driven(MARK.get) == (["ours"], ["ours"])


async def test_a_sync_call_inside_a_running_loop_can_wait_for_a_coroutine():
    MARK.set("ours")
    assert drive(asking(coroutine), Doer(apart=True)) == ["ours"]


async def test_what_is_apart_leaves_the_event_loop_alone():
    here = threading.get_ident()
    (near,) = await adrive(asking(threading.get_ident), Doer(apart=False))
    (far,) = await adrive(asking(threading.get_ident), Doer(apart=True))
    assert near == here != far


def ident():
    """Say, without an effect, in which thread the flow goes on."""
    yield 1
    return threading.get_ident()


async def test_a_flow_that_may_block_goes_on_apart():
    apart = Place(apart=True, limit=5)
    here = threading.get_ident()
    assert await adrive(ident(), Doer(apart=False)) == here
    assert await adrive(ident(), Doer(apart=False, steps=apart)) != here
    assert drive(ident(), Doer(apart=False, steps=apart)) != here


async def forever():
    await asyncio.sleep(60)


@pytest.mark.parametrize("hanging", [lambda: time.sleep(1), forever], ids=["thread", "coroutine"])
def test_who_hangs_is_given_up_in_time_and_the_flow_hears_of_it(hanging):
    async def in_a_loop(doer):
        return await adrive(asking(hanging, 1), doer)

    for drive_it in (lambda doer: drive(asking(hanging, 1), doer), in_a_loop):
        doer = Doer(apart=True, limit=0.05)
        heard = drive_it(doer)
        heard = asyncio.run(heard) if asyncio.iscoroutine(heard) else heard
        assert isinstance(heard[0], TimeoutError)
        assert heard[1] == 1
        assert doer.late == [(hanging, 0.05)]


async def test_a_coroutine_that_refuses_to_be_cancelled_does_not_hold_the_call():
    done = asyncio.Event()

    async def stubborn():
        while not done.is_set():
            try:
                await done.wait()
            except asyncio.CancelledError:
                continue

    (heard,) = await adrive(asking(stubborn), Doer(apart=False, limit=0.05))
    assert isinstance(heard, TimeoutError)
    done.set()
    await asyncio.sleep(0)


def test_a_time_limit_of_their_own_is_no_delay_of_ours():
    def strict():
        raise TimeoutError("theirs")

    doer = Doer(apart=True)
    (heard,) = drive(asking(strict), doer)
    assert str(heard) == "theirs"
    assert doer.late == []


def stuck():
    yield 1
    time.sleep(1)


async def test_a_flow_that_does_not_go_on_is_given_up():
    doer = Doer(apart=False, steps=Place(apart=True, limit=0.05))
    with pytest.raises(StuckError):
        drive(stuck(), doer)
    with pytest.raises(StuckError):
        await adrive(stuck(), doer)


def test_what_ends_a_program_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        drive(asking(KeyboardInterrupt()), Doer(apart=True))


async def test_a_cancelled_call_stays_cancelled():
    task = asyncio.create_task(adrive(asking(forever), Doer(apart=False)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_what_the_flow_raises_reaches_the_caller():
    def flow():
        yield 1
        raise LookupError("own")

    with pytest.raises(LookupError):
        drive(flow(), Doer(apart=False))
