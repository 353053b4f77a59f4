"""The tool, and how it finds the run it works in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from compact_otel.config import CompactConfig
from compact_otel.core.errors import ConfigError
from compact_otel.core.events import Recall
from compact_otel.core.frame import RECALL_TOOL
from compact_otel.core.measure import name_of
from compact_otel.core.protocols import ReadableArchive
from compact_otel.patience import Patience
from compact_otel.recall.archive import Answer, read_archive, search_archive
from compact_otel.session import Past, current_past
from compact_otel.telemetry import Telemetry

if TYPE_CHECKING:
    from agents import FunctionTool

_log = logging.getLogger("compact_otel")

_SMALLEST_ANSWER = 200
_PATIENCE_S = 10.0
"""How long a run waits for an archive."""

_NO_ARCHIVE = "No archive is kept here: what was removed from this conversation cannot be read."


def recall_tool(
    *,
    max_tokens: int = 1500,
    count_text: Callable[[str], int] | None = None,
    storage: ReadableArchive | None = None,
    session_id: str | None = None,
) -> FunctionTool:
    """Return a tool with which an agent reads back what was compacted away from its own session.

    Under `instrument()` it finds by itself which session it runs in. It takes no session from the
    model, answers with a sentence where there is nothing to read, and never raises into the run.

    Args:
        max_tokens: The longest answer, at least 200.
        count_text: Tokens of a text; None for tiktoken.
        storage: The archive to read without `instrument()`, together with `session_id`.
        session_id: Whose; fixed for this tool, and then its newest transcript is read.

    Raises:
        ConfigError: If `max_tokens` is below 200, or only one of the last two is given.
    """
    from agents import function_tool

    if max_tokens < _SMALLEST_ANSWER:
        raise ConfigError(f"need `max_tokens` >= {_SMALLEST_ANSWER}, got {max_tokens}")
    if (storage is None) != (session_id is None):
        raise ConfigError("need both `storage` and `session_id`, or neither")
    fixed = None if session_id is None else Past(storage=storage, session_id=session_id)

    async def recall_conversation(
        query: str = "", position: int | None = None, offset: int = 0
    ) -> str:
        """Search the earlier part of this conversation that was removed from view to save space.

        Use it when the summary of that part lacks something that you need: an id, a number, the
        exact words of a message, the full output of a tool. It only knows this conversation.

        Args:
            query: Words as they stood in the text, "quoted phrases", ids. Empty with `position`.
            position: Reads the entry at this place whole, as given in brackets by a search.
            offset: Where to read on in a long entry; 0 for its beginning.
        """
        past = fixed or current_past()

        def look() -> tuple[Answer, int]:
            count = count_text or _tiktoken()
            answer = _answer(past, (query, position, offset), max_tokens, count)
            return answer, count(answer.text)

        return await _told(past, query, look)

    return function_tool(recall_conversation, name_override=RECALL_TOOL)


def _answer(
    past: Past | None,
    asked: tuple[str, int | None, int],
    max_tokens: int,
    count_text: Callable[[str], int],
) -> Answer:
    query, position, offset = asked
    if past is None or past.storage is None:
        return Answer(text=_NO_ARCHIVE)
    if not isinstance(past.storage, ReadableArchive):
        raise TypeError("the storage has no way to read it back")
    common: Any = {"max_tokens": max_tokens, "count_text": count_text, "history": past.history}
    if position is None:
        return search_archive(past.storage, past.session_id, query, **common)
    return read_archive(past.storage, past.session_id, position, offset=offset, **common)


async def _told(past: Past | None, query: str, look: Callable[[], tuple[Answer, int]]) -> str:
    """Look in a thread, tell what came of it, and return what the agent is told."""
    adapter = "none" if past is None or past.storage is None else name_of(past.storage)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            answer, tokens = await asyncio.to_thread(look)
    except Exception as error:  # noqa: BLE001 - a user's storage may raise anything
        kind = type(error).__name__
        _log.warning("recall failed with %s; the agent is told so", kind)
        _tell(past, Recall(result="error", adapter=adapter, error_type=kind, query=query or None))
        return f"The record of this conversation cannot be read now ({kind}). Go on without it."
    event = Recall(
        result=answer.result,
        archive_id=answer.archive_id,
        adapter=adapter,
        messages=len(answer.positions),
        tokens=tokens,
        query=query or None,
    )
    _tell(past, event)
    return answer.text


def _tell(past: Past | None, event: Recall) -> None:
    with suppress(Exception):  # telemetry must not stop a tool
        if past is not None and past.tell is not None:
            past.tell(event)
        else:
            settings = CompactConfig.load().telemetry  # nobody is switched on who knows them
            Telemetry(None, Patience(), settings.events).current().tell(event)


def _tiktoken() -> Callable[[str], int]:
    from compact_otel.estimators.tiktoken import TiktokenEstimator

    return TiktokenEstimator().count_text
