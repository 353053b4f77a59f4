"""Locks that a process may be forked over.

A forked child has one thread, and a copy of every lock as it was: one that another thread held
would stay shut in the child for good. Workers that a server forks from a loaded application
(gunicorn with `preload_app`) meet this, and the more threads the parent has, the sooner.
"""

from __future__ import annotations

import os
import threading
from weakref import WeakKeyDictionary

_PATIENCE_S = 1.0
"""A fork waits this long for whoever is at work under a lock, and goes on without."""

LOADING_S = 30.0
"""The same where modules are loaded: a child would find one half imported, and nobody to go on."""

_known: WeakKeyDictionary[threading.Lock, float] = WeakKeyDictionary()
_knowing = threading.RLock()


def mutex(patience: float = _PATIENCE_S) -> threading.Lock:
    """Return a new lock that a forked child finds open, and what it guards whole.

    A fork waits until the lock is free. So it is for work that takes no time and calls nothing of
    the user's.

    Args:
        patience: Seconds that a fork waits at most.
    """
    lock = threading.Lock()
    with _knowing:
        _known[lock] = patience
    return lock


_awaited: list[tuple[threading.Lock, bool]] = []


def _before_fork() -> None:
    # Those that take long first: under them others are made.
    with _knowing:
        slow = [lock for lock, patience in _known.items() if patience > _PATIENCE_S]
    _awaited[:] = [(lock, lock.acquire(timeout=LOADING_S)) for lock in slow]
    _knowing.acquire()
    quick = [lock for lock, patience in _known.items() if patience <= _PATIENCE_S]
    _awaited.extend((lock, lock.acquire(timeout=_PATIENCE_S)) for lock in quick)


def _after_fork_in_parent() -> None:
    for lock, got in _awaited:
        if got:
            lock.release()
    _awaited.clear()
    _knowing.release()


def _after_fork_in_child() -> None:
    for lock, _ in _awaited:
        if lock.locked():  # by this thread, or by one that there is not in this process
            lock.release()
    _awaited.clear()
    _knowing.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
