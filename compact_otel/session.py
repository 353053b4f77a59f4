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

    session: object
    past: Past | None = None
    taken_over: bool = False


_run: ContextVar[_Run | None] = ContextVar("compact_otel_run", default=None)


def current_session_id() -> str | None:
    """Return the session of the run at hand, None outside of one and in runs without."""
    run = _run.get()
    return None if run is None else session_id_of(run.session)


def session_id_of(session: object) -> str | None:
    """Return the id of a session of the Agents SDK, None if it has none, or none yet."""
    try:
        ident = getattr(session, "session_id", None)
    except Exception:  # noqa: BLE001 - that of an OpenAI conversation is an error before its first use
        return None
    return ident if isinstance(ident, str) else None


def compacts_itself(session: object) -> bool:
    """Say whether the SDK has a session compact what it stores; the SDK asks it the same way.

    `OpenAIResponsesCompactionSession` does, so does an encrypted session around one, and any other
    session with this method (`agents.memory.session.OpenAIResponsesCompactionAwareSession`).
    """
    try:
        return callable(getattr(session, "run_compaction", None))
    except Exception:  # noqa: BLE001 - a session may answer for another one behind a network
        return False


def is_left_to_its_session() -> bool:
    """Say whether what the run at hand stores is compacted by its session."""
    run = _run.get()
    return run is not None and compacts_itself(run.session)


def take_over() -> None:
    """Take the history of the run at hand for ours to change, until the run ends.

    A call was refused as too large, so whoever was to shorten the history has not done so in time.
    """
    run = _run.get()
    if run is not None:
        run.taken_over = True


def is_taken_over() -> bool:
    """Say whether `take_over` was called in the run at hand."""
    run = _run.get()
    return run is not None and run.taken_over


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
        session: A session of the Agents SDK, None for a run without.
    """
    token = _run.set(_Run(session))  # the session and not its id, which may come with its first use
    try:
        yield
    finally:
        _run.reset(token)
