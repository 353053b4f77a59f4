"""Records of metrics that wait until somebody collects them.

Four records of OpenTelemetry's SDK take longer than all else that is done about a call that is let
through. What is exported is the same if they are made when the metrics are collected: a collection
asks the observable instruments first, and puts together what the others hold after that. So what
the callback of an observable instrument records is in the very collection that called it.

The instrument that is made for this observes nothing, and is in no export. Where no collection has
been seen yet (no SDK, no reader, none so far) nothing waits.
"""

from __future__ import annotations

import time
from collections import Counter as Counts
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakKeyDictionary, ref

from opentelemetry import context as otel
from opentelemetry import trace

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation

Labels = dict[str, str]
Protected = Callable[[Callable[[], None]], None]
"""Calls what may fail or hang."""

MOST = 6000
"""Records of one kind that wait, those of 2,000 calls; more would make a collection long."""

_BREATH = 32
"""Records after which whoever collects lets other threads on: the next call shall not wait."""

_HOOK = "compact.collection"

# Not empty, or the current context would be taken: perhaps that of whoever scrapes.
_NOWHERE = trace.set_span_in_context(trace.INVALID_SPAN, otel.Context())

_known: WeakKeyDictionary[Any, ReferenceType[Deferred]] = WeakKeyDictionary()


class Deferred:
    """Records of one meter that wait.

    A forked child has those of its parent, just as it has what the SDK put together before.
    """

    def __init__(self) -> None:
        self._counted: deque[tuple[Counter, int, Labels, Protected]] = deque()
        self._measured: deque[tuple[Histogram, float, Labels, Protected]] = deque()
        self._is_collected = False

    def add(self, counter: Counter, amount: int, labels: Labels, call: Protected) -> bool:
        """Let a count wait; say whether it does, or is to be recorded at once.

        Args:
            counter: Of what.
            amount: How many.
            labels: Its attributes.
            call: Protects whoever collects from the counter.
        """
        if not self._is_collected or len(self._counted) >= MOST:
            return False
        self._counted.append((counter, amount, labels, call))
        return True

    def record(self, histogram: Histogram, value: float, labels: Labels, call: Protected) -> bool:
        """Let a value wait, as `add` does a count."""
        if not self._is_collected or len(self._measured) >= MOST:
            return False
        self._measured.append((histogram, value, labels, call))
        return True

    def collected(self, _: CallbackOptions | None = None) -> Iterable[Observation]:
        """Record what has waited; there is nothing to observe."""
        self._is_collected = True
        sums: Counts[tuple[Counter, Protected, tuple[tuple[str, str], ...]]] = Counts()
        for counter, amount, labels, call in _taken(self._counted):
            sums[counter, call, tuple(labels.items())] += amount
        for (counter, call, items), amount in sums.items():
            call(partial(counter.add, amount, dict(items), _NOWHERE))
        for number, (histogram, value, labels, call) in enumerate(_taken(self._measured)):
            call(partial(histogram.record, value, labels, _NOWHERE))
            if number % _BREATH == _BREATH - 1:
                time.sleep(0)
        return ()


def _taken(waiting: deque[Any]) -> Iterable[Any]:
    """Return what waits by now, each to one taker only."""
    for _ in range(len(waiting)):
        try:
            yield waiting.popleft()
        except IndexError:  # somebody else collects at the same time
            return


def deferred(meter: Meter) -> Deferred:
    """Return what holds the records of a meter until they are collected.

    Not for two threads at once.

    Args:
        meter: Of any provider. One of the SDK has an instrument once, with the callbacks of the
            first who asked; so who asks later shares with the first.
    """
    made = Deferred()
    with suppress(Exception):  # another implementation of the API may not know these
        hook = meter.create_observable_gauge(_HOOK, [made.collected])
        shared = _known.get(hook)
        found = None if shared is None else shared()
        if found is not None:
            return found
        _known[hook] = ref(made)
    return made


def is_sampled() -> bool:
    """Say whether what runs here is part of a trace that is kept, to which exemplars may point."""
    return trace.get_current_span().get_span_context().trace_flags.sampled
