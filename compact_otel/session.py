"""Which session the code at hand runs in: a hint for names, which nothing depends on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_session: ContextVar[str | None] = ContextVar("compact_otel_session", default=None)


def current_session_id() -> str | None:
    """Return the session of the run at hand, None outside of one and in runs without."""
    return _session.get()


@contextmanager
def in_session(session: object) -> Iterator[None]:
    """Let what runs inside know its session.

    Args:
        session: A session of the Agents SDK, by its `session_id`; anything else is none.
    """
    ident = getattr(session, "session_id", None)
    token = _session.set(ident if isinstance(ident, str) else None)
    try:
        yield
    finally:
        _session.reset(token)
