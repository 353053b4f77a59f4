"""Both drivers carry out one flow, and neither loses an error, a context, or the event loop."""

import asyncio
import contextvars
import threading

import pytest

from compact_otel.driver import adrive, drive

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


def perform(effect):
    if isinstance(effect, BaseException):
        raise effect
    return effect() if callable(effect) else effect


def driven(*effects, quick=False):
    async def in_a_loop():
        flow = asking(*effects)
        return await asyncio.wait_for(adrive(flow, perform, lambda _: quick), timeout=5)

    return drive(asking(*effects), perform), asyncio.run(in_a_loop())


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("error", [ValueError("x"), StopIteration(), StopAsyncIteration()])
def test_an_error_is_thrown_into_the_flow_which_goes_on(error, quick):
    for heard in driven(1, error, 2, quick=quick):
        assert heard == [1, error, 2]


async def coroutine():
    await asyncio.sleep(0)
    return MARK.get()


async def failing():
    raise ValueError("late")


@pytest.mark.parametrize("quick", [True, False])
def test_an_awaitable_is_waited_for_in_the_context_of_the_caller(quick):
    MARK.set("ours")
    for heard in driven(coroutine, failing, quick=quick):
        assert heard[0] == "ours"
        assert isinstance(heard[1], ValueError)


def test_a_thread_that_is_asked_sees_the_context_of_the_caller():
    MARK.set("ours")
    assert driven(MARK.get) == (["ours"], ["ours"])


async def test_a_sync_call_inside_a_running_loop_can_wait_for_a_coroutine():
    MARK.set("ours")
    assert drive(asking(coroutine), perform) == ["ours"]


async def test_only_what_is_quick_runs_on_the_event_loop():
    here = threading.get_ident()
    (quick,) = await adrive(asking(threading.get_ident), perform, lambda _: True)
    (slow,) = await adrive(asking(threading.get_ident), perform, lambda _: False)
    assert quick == here != slow


def test_what_ends_a_program_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        drive(asking(KeyboardInterrupt()), perform)


async def test_a_cancelled_call_stays_cancelled():
    async def forever():
        await asyncio.sleep(60)

    task = asyncio.create_task(adrive(asking(forever), perform, lambda _: True))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_what_the_flow_raises_reaches_the_caller():
    def flow():
        yield 1
        raise LookupError("own")

    with pytest.raises(LookupError):
        drive(flow(), perform)
