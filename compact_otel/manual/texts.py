"""What an item says, line by line: without secrets, and as text on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from compact_otel.core.types import Item
from compact_otel.printable import printable_lines
from compact_otel.redaction import Redactor

_UNSAID = ("type", "role", "content", "output", "id", "status", "call_id", "tool_call_id", "name")
_SEALED = ("encrypted_content", "image_url", "file_data", "data")


def lines_of(item: Item, redactor: Redactor) -> list[str]:
    """Return what an item says."""
    return shown("\n".join(_texts(redactor.value(item))))


def shown(text: str) -> list[str]:
    """Return the lines of a text, without escapes."""
    return printable_lines(text).splitlines()


def _texts(item: Mapping[str, Any]) -> Iterator[str]:
    for name in ("content", "output"):
        yield from _parts(item.get(name))
    calls = item.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        yield _call(call)
    for name, value in item.items():
        if name in _SEALED:
            yield f"{name}: {len(str(value)):,} characters"
        elif name not in (*_UNSAID, "tool_calls") and value not in (None, [], {}, ""):
            yield (
                value
                if name in ("arguments", "input") and isinstance(value, str)
                else (f"{name}: {_json(value)}")
            )


def _parts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
        return
    for part in content if isinstance(content, list) else [content] if content else ():
        text = part.get("text", part.get("refusal")) if isinstance(part, Mapping) else part
        if isinstance(text, str):
            yield text
        elif isinstance(part, Mapping):
            yield f"[{part.get('type', 'a part without a type')}]"
        else:
            yield _json(part)


def _call(call: Any) -> str:
    made = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(made, Mapping):
        return _json(call)
    return f"{made.get('name')}({made.get('arguments', made.get('input', ''))})"


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
