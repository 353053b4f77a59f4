"""What a summariser says of its own attempts, on its way into the events of the compaction.

It may say so in any thread, and long after nobody waits for it any more. So nothing is told at
once: the flow takes what was said when it goes on, and whatever comes later is heard by nobody.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import get_args

from compact_otel.core import events
from compact_otel.core.errors import SummaryError
from compact_otel.core.making import failure

_MOST = 16
"""Steps of one summariser that are told; the chain of four models has no more."""

_FALLBACKS: dict[str, events.FailureFallback] = {
    name: name for name in get_args(events.FailureFallback)
}


class Steps:
    """The steps of one summariser that is asked once."""

    def __init__(self) -> None:
        self._said: deque[tuple[float, events.Failure]] = deque()

    def tell(self, reason: str, fallback: str) -> None:
        """Hear why an answer was not used, and what is tried instead.

        Raises:
            ValueError: If that is not one word, or nothing that telemetry knows.
        """
        if not isinstance(reason, str) or not reason.isidentifier():
            raise ValueError("need one word in `reason`, such as `too_long`")
        known = _FALLBACKS.get(fallback)
        if known is None:
            raise ValueError(f"need `fallback` to be one of {', '.join(_FALLBACKS)}")
        if len(self._said) < _MOST:
            step = failure("summarize", SummaryError("", reason=reason), known)
            self._said.append((time.time(), step))

    def taken(self) -> Iterator[tuple[float, events.Failure]]:
        """Yield what was said and not yet taken, oldest first, with its seconds since the epoch."""
        while self._said:
            yield self._said.popleft()
