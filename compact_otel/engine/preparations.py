"""What is, or is being, written ahead of time, by session."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from compact_otel.adapters.forks import mutex
from compact_otel.core.job import Prepared

_AT_ONCE = 4
"""Preparations that run at the same time; where there are more, the call that is due waits."""

_SESSIONS = 1_000
"""Sessions of which a preparation is held; beyond that the oldest is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """One summary ahead of time, in the making or made.

    Attributes:
        basis: Key of the compaction in force, '' without one. Each gets one preparation.
        length: How many items the history had.
        key: Its key.
        loop: The event loop it runs in, None if it runs in a thread.
        result: What came out, None if nothing did.
    """

    basis: str
    length: int
    key: str
    loop: asyncio.AbstractEventLoop | None
    result: Future[Prepared | None] = field(default_factory=Future)

    def is_of(self, keys: Sequence[str]) -> bool:
        """Say whether a history, by its prefix chain, is the one this was made for, grown on."""
        return len(keys) >= self.length and keys[self.length - 1] == self.key


class Preparations:
    """At most one preparation for each session, and a few at the same time."""

    def __init__(self) -> None:
        self._lock = mutex()
        self._process = os.getpid()
        self._by_session: OrderedDict[str, Preparation] = OrderedDict()

    def begin(self, session_id: str, preparation: Preparation) -> bool:
        """Say whether a preparation may be made, and hold it if so."""
        with self._lock:
            self._drop_the_parents()
            known = self._by_session.get(session_id)
            if known is not None and known.basis == preparation.basis:
                return False
            if sum(not each.result.done() for each in self._by_session.values()) >= _AT_ONCE:
                return False
            self._by_session[session_id] = preparation
            self._by_session.move_to_end(session_id)
            while len(self._by_session) > _SESSIONS:
                self._by_session.popitem(last=False)
            return True

    def of(self, session_id: str, keys: Sequence[str]) -> Preparation | None:
        """Return what there is for a history, None if there is nothing."""
        with self._lock:
            self._drop_the_parents()
            known = self._by_session.get(session_id)
        return known if known is not None and known.is_of(keys) else None

    def _drop_the_parents(self) -> None:
        """In a forked child nobody works on what the parent began."""
        if self._process != os.getpid():
            self._process, self._by_session = os.getpid(), OrderedDict()


def taken(preparation: Preparation, limit: float) -> Prepared | None:
    """Return what was prepared, and wait for it if it is being made.

    Args:
        preparation: The preparation.
        limit: Seconds to wait.
    """
    try:
        return preparation.result.result(limit)
    except TimeoutError:
        return None
