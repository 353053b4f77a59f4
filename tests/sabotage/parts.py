"""Ways to break a part, and parts that are broken in some of their methods.

A fault takes the place of a method and gets its arguments, without `self`.
"""

import asyncio
import threading
import time

from compact_otel.summarizers.extractive import ExtractiveSummarizer

HANGS_S = 40
"""Seconds after which a `Hang` gives up, should nobody end it: far above all that is bounded."""


class Hang:
    """Holds whoever calls it until it is ended.

    Attributes:
        calls: How often it was called.
    """

    def __init__(self):
        self.calls = 0
        self._over = threading.Event()

    def __call__(self, *args, **kwargs):
        self.calls += 1
        self._over.wait(HANGS_S)

    def end(self):
        self._over.set()


class Sleep:
    """Blocks whoever calls it: an event loop, too, so it has to come to an end by itself.

    Args:
        seconds: How long; more than the short limit for what runs on the spot.

    Attributes:
        calls: How often it was called.
    """

    def __init__(self, seconds=0.8):
        self.calls = 0
        self._seconds = seconds

    def __call__(self, *args, **kwargs):
        self.calls += 1
        time.sleep(self._seconds)


def raises(kind=RuntimeError, *args):
    def fault(*_, **__):
        raise kind(*args)  # anew, or tracebacks would grow

    return fault


def gives(value):
    return lambda *args, **kwargs: value


def araises(kind=RuntimeError, *args):
    async def fault(*_, **__):
        raise kind(*args)

    return fault


def agives(value):
    async def fault(*args, **kwargs):
        return value

    return fault


async def ahangs(*args, **kwargs):
    await asyncio.sleep(HANGS_S)


def sabotaged(kind, /, *args, **faults):
    """Return a `kind(*args)` that has faults for methods, in a class that is not the package's."""
    methods = {name: staticmethod(fault) for name, fault in faults.items()}
    return type(kind.__name__, (kind,), methods)(*args)


class Writer:
    """A summariser that takes its time for granted, as one that asks a model does."""

    name = "writer"

    def __init__(self):
        self.calls = 0
        self._inner = ExtractiveSummarizer()

    def summarize(self, request):
        self.calls += 1
        return self._inner.summarize(request)


class Listener:
    """An exporter that holds what it gets.

    Attributes:
        events: The events.
    """

    def __init__(self):
        self.events = []

    def export(self, event):
        self.events.append(event)
