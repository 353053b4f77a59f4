"""Which sessions a summary is, or was, written ahead for."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from compact_otel.forks import mutex

_T = TypeVar("_T")

_AT_ONCE = 4
"""Preparations that run at the same time; where there are more, the call that is due waits."""

_IN_VAIN = 2
"""After so many in a row that no call took, none is made for what looks like a new conversation."""

_SESSIONS = 1_000
"""Sessions of which a preparation is held; beyond that the oldest is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """One summary ahead of time, in the making or made.

    Attributes:
        basis: Key of the compaction in force, without one of the conversation; each gets one
            preparation.
        compacted: Whether a compaction is in force.
        loop: The event loop it runs in, None if it runs in a thread.
        over: Set when it is over, whatever came of it.
        release: Let others compact the conversation; empty before there is anything to let go.
    """

    basis: str
    compacted: bool
    loop: asyncio.AbstractEventLoop | None
    over: threading.Event = field(default_factory=threading.Event)
    release: list[Callable[[], None]] = field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        """Whether somebody works on it: not in a loop that was closed or stands still."""
        return not self.over.is_set() and (self.loop is None or self.loop.is_running())


class Preparations:
    """At most one preparation for each session, and a few at the same time."""

    def __init__(self) -> None:
        self._lock = mutex()
        self._process = os.getpid()
        self._by_session: OrderedDict[str, Preparation] = OrderedDict()
        self._in_vain: OrderedDict[str, int] = OrderedDict()  # by session, of new conversations

    def begin(self, session_id: str, preparation: Preparation) -> bool:
        """Say whether a preparation may be made, and hold it if so."""
        with self._lock:
            self._drop_the_parents()
            known = self._by_session.get(session_id)
            if known is not None and known.basis == preparation.basis:
                return False
            if sum(each.goes_on for each in self._by_session.values()) >= _AT_ONCE:
                return False
            if not preparation.compacted:
                # An application that tells the time in front of the history begins ever anew.
                in_vain = self._in_vain.get(session_id, 0)
                if in_vain >= _IN_VAIN:
                    return False
                _hold(self._in_vain, session_id, in_vain + 1)
            _hold(self._by_session, session_id, preparation)
            return True

    def taken(self, session_id: str) -> None:
        """Note that a call took what was prepared for it."""
        with self._lock:
            self._in_vain.pop(session_id, None)

    def runs_in(self, session_id: str, loop: asyncio.AbstractEventLoop) -> bool:
        """Say whether a preparation for a session runs in a loop at present."""
        with self._lock:
            self._drop_the_parents()
            known = self._by_session.get(session_id)
        return known is not None and known.loop is loop and not known.over.is_set()

    def give_up(self, session_id: str) -> None:
        """Let go of what a preparation holds with which nobody goes on."""
        with self._lock:
            self._drop_the_parents()
            known = self._by_session.get(session_id)
        if known is not None and not known.over.is_set() and not known.goes_on:
            known.over.set()
            for release in known.release:
                release()

    def _drop_the_parents(self) -> None:
        """In a forked child nobody works on what the parent began."""
        if self._process != os.getpid():
            self._process, self._by_session = os.getpid(), OrderedDict()


def _hold(by_session: OrderedDict[str, _T], session_id: str, value: _T) -> None:
    by_session[session_id] = value
    by_session.move_to_end(session_id)
    while len(by_session) > _SESSIONS:
        by_session.popitem(last=False)
