"""Two ways to drive one flow: in a thread that may wait, and in an event loop that may not."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

E = TypeVar("E")
R = TypeVar("R")


def drive(flow: Generator[E, Any, R], perform: Callable[[E], Any]) -> R:
    """Carry out a flow; what `perform` raises is thrown into it, and an awaitable is waited for."""
    answer: Any = None
    problem: Exception | None = None
    while True:
        try:
            effect = flow.send(answer) if problem is None else flow.throw(problem)
        except StopIteration as stop:
            result: R = stop.value
            return result
        answer, problem = None, None
        try:
            answer = perform(effect)
            if inspect.isawaitable(answer):
                answer = _waited(answer)
        except Exception as error:  # noqa: BLE001 - the flow decides what happens instead
            problem = error


async def adrive(
    flow: Generator[E, Any, R], perform: Callable[[E], Any], is_quick: Callable[[E], bool]
) -> R:
    """Carry out a flow without blocking the event loop.

    Args:
        flow: The flow.
        perform: Does what an effect asks for; runs in a thread unless `is_quick` says otherwise.
        is_quick: Says whether an effect does not block, or is awaited.
    """
    answer: Any = None
    problem: Exception | None = None
    while True:
        try:
            effect = flow.send(answer) if problem is None else flow.throw(problem)
        except StopIteration as stop:
            result: R = stop.value
            return result
        answer, problem = None, None
        try:
            if is_quick(effect):
                answer = perform(effect)
            else:
                answer, problem = await asyncio.to_thread(_attempted, perform, effect)
            if inspect.isawaitable(answer):
                answer = await answer
        except Exception as error:  # noqa: BLE001 - the flow decides what happens instead
            problem = error


def _attempted(perform: Callable[[E], Any], effect: E) -> tuple[Any, Exception | None]:
    """Return what an effect gives, or what it raises.

    Raised in a thread, a StopIteration (a bare `next()` is enough) would never reach the coroutine
    that waits for it: a future refuses it.
    """
    try:
        return perform(effect), None
    except Exception as error:  # noqa: BLE001 - the flow decides what happens instead
        return None, error


def _waited(awaitable: Awaitable[Any]) -> Any:
    """Return what an awaitable gives, to a caller that is not in a coroutine."""

    async def wait() -> Any:
        return await awaitable

    # In a thread of its own: the caller may sit inside a running event loop. In the caller's
    # context: the current span is in it, and the mark that a compaction is under way.
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(contextvars.copy_context().run, asyncio.run, wait()).result()
