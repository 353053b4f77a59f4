"""Two ways to drive one flow: in a thread that may wait, and in an event loop that may not."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from compact_otel.core.errors import BrokenOffError
from compact_otel.engine.workers import WORKERS, LateError

E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)
R = TypeVar("R")


class StuckError(TimeoutError):
    """A step of the flow itself takes too long: an estimator hangs, or we do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is done.

    Attributes:
        apart: In a thread of its own, because it may block.
        limit: Seconds that are waited for it, or for what it returns if that is awaitable.
    """

    apart: bool
    limit: float


class Performer(Protocol[E_contra]):
    """Does what a flow asks for."""

    def notes(self, effect: E_contra, /) -> bool:
        """Take down what a flow only tells, while it goes on; False if it has to be performed."""

    def tell(self) -> None:
        """Hear, where the caller waits, what was taken down."""

    def perform(self, effect: E_contra, /) -> Any:
        """Do what an effect asks for; may return an awaitable."""

    def place(self, effect: E_contra, /) -> Place | None:
        """Say where an effect is performed, None for at once and on the spot."""

    def overdue(self, effect: E_contra, limit: float, /) -> None:
        """Hear that an effect took longer than its limit."""

    def step(self) -> Place | None:
        """Say where the flow goes on, None for on the spot."""


def drive(flow: Generator[E, Any, R], performer: Performer[E]) -> R:
    """Carry out a flow; what the performer raises is thrown into it.

    Raises:
        StuckError: If a step of the flow takes too long. Nothing can be thrown into it then.
    """
    answer: Any = None
    problem: Exception | None = None
    while True:
        place = performer.step()
        step = _Step(flow, answer, problem, performer)
        if place is None:
            step.take()
        else:
            try:
                WORKERS.run(step.take, place.limit)
            except LateError:
                raise StuckError from None
            finally:
                performer.tell()
        if step.ended:
            result: R = step.result
            return result
        answer, problem = None, None
        try:
            answer = _performed(performer, step.effect)
        except Exception as error:  # noqa: BLE001 - the flow decides what happens instead
            problem = error


async def adrive(flow: Generator[E, Any, R], performer: Performer[E]) -> R:
    """Carry out a flow without blocking the event loop; otherwise as `drive`."""
    answer: Any = None
    problem: Exception | None = None
    while True:
        place = performer.step()
        step = _Step(flow, answer, problem, performer)
        if place is None:
            step.take()
        else:
            try:
                await WORKERS.arun(step.take, place.limit)
            except LateError:
                raise StuckError from None
            finally:
                performer.tell()
        if step.ended:
            result: R = step.result
            return result
        answer, problem = None, None
        try:
            answer = await _aperformed(performer, step.effect)
        except Exception as error:  # noqa: BLE001 - the flow decides what happens instead
            problem = error


class _Step:
    """One step of a flow, from an answer to the next effect that is to be performed or to the end.

    What the flow only tells does not end it: to change threads takes longer than most of a flow.
    """

    def __init__(
        self,
        flow: Generator[Any, Any, Any],
        answer: Any,
        problem: Exception | None,
        performer: Performer[Any],
    ) -> None:
        self._flow = flow
        self._notes = performer.notes
        self._answer = answer
        self._problem = problem
        self.ended = False
        self.effect: Any = None
        self.result: Any = None

    def take(self) -> None:
        try:
            if self._problem is None:
                self.effect = self._flow.send(self._answer)
            else:
                self.effect = self._flow.throw(self._problem)
            while self._notes(self.effect):
                self.effect = self._flow.send(None)
        except StopIteration as stop:
            self.ended, self.result = True, stop.value


def _performed(performer: Performer[E], effect: E) -> Any:
    place = performer.place(effect)
    if place is None:
        return performer.perform(effect)

    def work() -> Any:
        answer = performer.perform(effect)
        # In a thread of its own, as the caller may sit inside a running event loop.
        return asyncio.run(_result(answer)) if inspect.isawaitable(answer) else answer

    try:
        return WORKERS.run(work, place.limit)
    except LateError:
        performer.overdue(effect, place.limit)
        raise


async def _aperformed(performer: Performer[E], effect: E) -> Any:
    place = performer.place(effect)
    if place is None:
        return performer.perform(effect)
    try:
        if place.apart:
            answer = await WORKERS.arun(lambda: performer.perform(effect), place.limit)
        else:
            answer = performer.perform(effect)
        if inspect.isawaitable(answer):
            began = time.monotonic()
            answer = await _in_time(answer, place.limit)
            if time.monotonic() - began > place.limit:  # it has blocked the loop
                performer.overdue(effect, place.limit)
    except LateError:
        performer.overdue(effect, place.limit)
        raise
    return answer


async def _in_time(awaitable: Awaitable[Any], limit: float) -> Any:
    task = asyncio.ensure_future(awaitable)
    try:
        done, _ = await asyncio.wait({task}, timeout=limit)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()  # and no waiting for it: it may refuse
        raise LateError
    try:
        return task.result()
    except (asyncio.CancelledError, GeneratorExit) as error:  # its own; ours does not come here
        raise BrokenOffError(error) from error


async def _result(answer: Awaitable[Any]) -> Any:
    return await answer
