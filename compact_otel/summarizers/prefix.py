"""A request for a summary that begins as the agent's own last call did.

A provider keeps the beginnings of requests in a cache, and a token that comes from there costs a
tenth. So the instructions, tools and items of the call stand in front as they were sent, and what
is asked stands behind them, in one more user message. Everything in front has to be the same bytes,
so nothing is quoted there, nothing left out, and the model has to be the agent's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compact_otel.core.types import SummaryRequest

# What the model sees, or what leads to the cache; what only says how an answer is given is ours.
_PREFIX = (
    "model",
    "instructions",
    "tools",
    "input",
    "reasoning",
    "text",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
)
_PLAIN = (str, bool, list, Mapping)


def prefix_of(request: SummaryRequest, model: str) -> dict[str, Any] | None:
    """Return the beginning of a request, None where it would not be the agent's, or no note.

    Args:
        request: What is to be summarised.
        model: Who is asked.
    """
    if request.prefix is None:
        return None
    try:
        call = request.prefix()
    except Exception:  # noqa: BLE001 - made by a version of the SDK that we may not know
        return None
    # What is left out has a value that says so, and no plain type.
    prefix = {name: call[name] for name in _PREFIX if isinstance(call.get(name), _PLAIN)}
    if prefix.get("model") != model or not isinstance(prefix.get("input"), list):
        return None
    if isinstance(call.get("prompt"), Mapping) or _answers_by_schema(prefix.get("text")):
        return None
    if prefix.get("tools"):
        prefix["tool_choice"] = "none"  # they are offered for the cache's sake
    return prefix


def _answers_by_schema(text: Any) -> bool:
    """Say whether an answer would be a JSON document; without the schema nothing is cached."""
    answer = text.get("format") if isinstance(text, Mapping) else None
    return isinstance(answer, Mapping) and answer.get("type", "text") != "text"
