"""Which session the code at hand runs in, and what of its past can be read back there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from compact_otel.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a run may read back of what was compacted away from it.

    Attributes:
        storage: The archive, None if nothing is archived.
        session_id: Whose.
        history: The history as it came to the run's latest model call, None if it is not known.
        tell: Takes what a reader has to tell, None if only the current span does.
    """

    storage: object | None
    session_id: str
    history: Sequence[Any] | None = None
    tell: Callable[[Event], None] | None = None


@dataclass(slots=True)
class _Run:
    """One run. Its model calls and its tools may be tasks of their own, but share this object."""

    session_id: str | None
    past: Past | None = None


_run: ContextVar[_Run | None] = ContextVar("compact_otel_run", default=None)


def current_session_id() -> str | None:
    """Return the session of the run at hand, None outside of one and in runs without."""
    run = _run.get()
    return None if run is None else run.session_id


def current_past() -> Past | None:
    """Return what the run at hand may read back, None outside of one and before its first call."""
    run = _run.get()
    return None if run is None else run.past


def set_past(past: Past) -> None:
    """Say, at each model call of a run, what it may read back; outside of a run nothing happens."""
    run = _run.get()
    if run is not None:
        run.past = past


@contextmanager
def in_session(session: object) -> Iterator[None]:
    """Let what runs inside know its session.

    Args:
        session: A session of the Agents SDK, by its `session_id`; anything else is none.
    """
    ident = getattr(session, "session_id", None)
    token = _run.set(_Run(ident if isinstance(ident, str) else None))
    try:
        yield
    finally:
        _run.reset(token)
