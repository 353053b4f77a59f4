"""How an answer looks to the one who asked."""

from __future__ import annotations

import logging
import traceback
from contextlib import suppress
from dataclasses import replace
from typing import Any

from compact_otel.content import cleaned
from compact_otel.core.assemble import View, cleared_item, summary_item
from compact_otel.core.errors import InsufficientBudget
from compact_otel.core.history import copied
from compact_otel.core.items import as_mapping
from compact_otel.core.job import FlowResult
from compact_otel.core.measure import Scale
from compact_otel.core.types import CompactResult, Message
from compact_otel.engine.request import Request

_log = logging.getLogger("compact_otel")


def given_back(
    request: Request, result: FlowResult, scale: Scale, *, observed: bool
) -> CompactResult:
    """Return the outcome of a flow in the caller's own kind of messages.

    Raises:
        InsufficientBudget: If that is the outcome and the caller wants it raised.
    """
    short = isinstance(result.error, InsufficientBudget) and not observed
    if short and result.error is not None and request.on_insufficient == "raise":
        raise result.error
    return CompactResult(
        messages=list(request.messages) if observed else rendered(request, result.view, scale),
        outcome=result.outcome,
        tokens_before=result.tokens_before,
        tokens_after=result.tokens_after,
        summary=result.view.summary,
        summary_version=result.view.version or None,
        dropped=len(request.messages) - len(result.view.kept),
        cleared=len(result.view.cleared),
        error=result.error,
        archive=None if result.archive is None else result.archive.location,
        history_key="" if result.history is None else result.history.key,
    )


def rendered(request: Request, view: View, scale: Scale) -> list[Any]:
    """Return a view in the caller's own kind of messages."""
    messages = request.messages

    def summary_message(content: str) -> Any:
        if isinstance(messages[0], Message):  # the first, so that growing does not change the kind
            return Message(scale.policy.summary_role, content)
        return summary_item(content, scale.policy.summary_role, scale.call.api)

    made = view.render(messages, summary_message, _with_text, recall=scale.recall)
    return made if view.opaque is None else [*copied(view.opaque.items), *made]


def _with_text(message: Any, text: str) -> Any:
    """Return a tool's output with another text, in the caller's own kind of message if it is ours.

    Of a class of the provider's package a mapping will do: the SDK takes both.
    """
    if isinstance(message, Message):
        return replace(message, content=text)
    return cleared_item(as_mapping(message), text)


def untouched(request: Request) -> CompactResult:
    """Return the history as it came, because nobody looked at it."""
    return CompactResult(messages=list(request.messages), outcome="skipped")


def as_it_came(request: Request, error: Exception) -> CompactResult:
    """Return the history as it came, because something of ours failed."""
    _log.error("compaction failed with %s; the input is sent unchanged", type(error).__name__)
    if _log.isEnabledFor(logging.DEBUG):
        with suppress(Exception):  # it may not even be readable
            trace = "".join(traceback.format_exception(error))
            _log.debug("the failure in full:\n%s", cleaned({"trace": trace})["trace"])
    return CompactResult(messages=list(request.messages), outcome="error", error=error)
