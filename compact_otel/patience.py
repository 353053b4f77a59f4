"""Patience with what others put into a call's path: it may fail or hang, but not for ever."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

_log = logging.getLogger("compact_otel")

SLOW = 1.0
"""Seconds; who takes longer in the path of a model call is left out for a while."""

_REST = 60.0
"""Seconds for which somebody is left out."""


class Patience:
    """Calls listeners, says once what is wrong with each, and leaves out those that hang.

    Args:
        clock: Gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._complained: set[str] = set()
        self._resting: dict[str, float] = {}

    def call(self, who: str, work: Callable[[], Any], limit: float | None = None) -> Any:
        """Return what the work gives, None if it fails or is left out.

        Args:
            who: Whose work it is, for the log.
            work: What is to be done; runs in this thread.
            limit: Seconds after which whose work it is is left out for a while; None for SLOW.
        """
        if self.is_resting(who):
            return None
        began = self._clock()
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - a listener must not stop a call
            # The error's text may quote a conversation, so not that.
            self._complain(who, "%s failed with %s; calls go on without it", type(error).__name__)
            return None
        finally:
            taken = self._clock() - began
            if taken > (SLOW if limit is None else limit):
                self.rest(who, taken)

    def is_resting(self, who: str) -> bool:
        """Say whether somebody is left out at present."""
        until = self._resting.get(who)
        return until is not None and self._clock() < until

    def rest(self, who: str, taken: float) -> None:
        """Leave somebody out for a while, because of the seconds that were taken."""
        self._resting[who] = self._clock() + _REST
        text = f"%s took %s; it is left out for {_REST:.0f} s each time"
        self._complain(f"{who} is slow", text, f"{taken:.1f} s", who)

    def _complain(self, key: str, text: str, what: str, who: str | None = None) -> None:
        if key not in self._complained:
            self._complained.add(key)
            _log.warning(text, who or key, what)
