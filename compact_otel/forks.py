"""Locks that a process may be forked over.

A forked child has one thread, and a copy of every lock as it was: one that another thread held
would stay shut in the child for good. Workers that a server forks from a loaded application
(gunicorn with `preload_app`) meet this, and the more threads the parent has, the sooner.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

_PATIENCE_S = 1.0
"""A fork waits this long for whoever is at work under a lock, and goes on without."""

_known: WeakSet[threading.Lock] = WeakSet()
_knowing = threading.RLock()


def mutex() -> threading.Lock:
    """Return a new lock that a forked child finds open, and what it guards whole.

    A fork waits until the lock is free. So it is for work that takes no time and calls nothing of
    the user's.
    """
    lock = threading.Lock()
    with _knowing:
        _known.add(lock)
    return lock


_loading = threading.RLock()
_LOADING_S = 30.0
"""A fork waits this long for modules that are being loaded: in the child nobody would go on."""


@contextmanager
def loading() -> Iterator[None]:
    """Load modules, one thread at a time; a fork waits until that is over."""
    with _loading:
        yield


_awaited: list[tuple[threading.Lock, bool]] = []
_waited = False


def _before_fork() -> None:
    global _waited  # noqa: PLW0603 - there is one fork at a time, and it cannot be told
    _waited = _loading.acquire(timeout=_LOADING_S)
    _knowing.acquire()
    _awaited[:] = [(lock, lock.acquire(timeout=_PATIENCE_S)) for lock in list(_known)]


def _after_fork_in_parent() -> None:
    for lock, got in _awaited:
        if got:
            lock.release()
    _awaited.clear()
    _knowing.release()
    if _waited:
        _loading.release()


def _after_fork_in_child() -> None:
    global _loading  # noqa: PLW0603 - it may be held by a thread that there is not in this process
    for lock, _ in _awaited:
        if lock.locked():  # by this thread, or by one that there is not in this process
            lock.release()
    _awaited.clear()
    _knowing.release()
    _loading = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
