"""What a response of the Agents SDK says about the tokens of its call."""

from __future__ import annotations

from typing import Any

from compact_otel.core.types import Usage

# Items of an answer that say that the provider ran a tool: then it counted several rounds.
_HOSTED = frozenset(
    {
        "code_interpreter_call",
        "file_search_call",
        "image_generation_call",
        "mcp_call",
        "tool_search_call",
        "web_search_call",
    }
)


def usage_in(answer: Any) -> Usage | None:
    """Return the usage in a `ModelResponse` or in the last event of a stream, None without one.

    Chat Completions and LiteLLM streams have none unless asked for (`include_usage`), and some
    servers answer with zeros.
    """
    if getattr(answer, "type", None) in ("response.completed", "response.incomplete"):
        answer = getattr(answer, "response", None)
    usage = getattr(answer, "usage", None)
    read = _count(usage, "input_tokens")
    if not read:
        return None
    output = getattr(answer, "output", None) or ()
    details = getattr(usage, "input_tokens_details", None)
    return Usage(
        input_tokens=read,
        cached_tokens=min(read, _count(details, "cached_tokens")),
        output_tokens=_count(usage, "output_tokens"),
        is_context=not any(_kind(item) in _HOSTED for item in output),
    )


def _kind(item: Any) -> Any:
    return item.get("type") if isinstance(item, dict) else getattr(item, "type", None)


def _count(holder: Any, name: str) -> int:
    value = getattr(holder, name, None)
    return value if isinstance(value, int) and value > 0 else 0
