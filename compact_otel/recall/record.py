"""A history as what was said and done in it: texts with their places, word for word.

Unlike the summarisers' reading, which wants to understand, nothing is parsed or put in order here:
a number, a path or a line of code comes back exactly as it stood.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compact_otel.core import frame
from compact_otel.core.items import as_mapping, role_of, text_parts
from compact_otel.core.types import Item

_LONGEST_TITLE = 160
# Bookkeeping, and bytes that nobody reads.
_SILENT = frozenset(
    {"id", "call_id", "type", "name", "status", "role", "caller", "created_by", "meta"}
    | {"encrypted_content", "image_url", "file_data", "result"}
)


@dataclass(slots=True)
class Entry:
    """Something said, or a tool call with what came back.

    Attributes:
        positions: Places of its items in the history; the first one names the entry.
        title: Who said it, or the tool, with its arguments if they are short; one line.
        text: The words, or the arguments if they are long, and the tool's output.
    """

    positions: tuple[int, ...]
    title: str
    text: str = ""


def entries(items: Sequence[Any], *, without_tool: str | None = None) -> list[Entry]:
    """Return what a history holds, in order; summaries of ours and what has no text are left out.

    Args:
        items: The history, or its beginning.
        without_tool: Leave out the calls of this tool, and what it answered.
    """
    found: list[Entry] = []
    waiting: dict[str, Entry] = {}
    for position, given in enumerate(items):
        item = as_mapping(given)
        if _is_output(item):
            # An id may come again later; then the newest call is the one that is answered.
            entry = waiting.pop(_ident(item), None)
            if entry is None:
                found.append(Entry((position,), "output of a tool", _output(item)))
            else:
                entry.positions += (position,)
                entry.text = "\n".join(filter(None, (entry.text, _output(item))))
            continue
        if frame.unwrap(item) is None:
            found += _spoken(position, item)
        for ident, name, arguments in _calls(item):
            entry = waiting[ident] = _called(position, name, arguments)
            if name != without_tool:
                found.append(entry)
    for entry in found:
        entry.title, entry.text = _encodable(entry.title), _encodable(entry.text)
    return found


def _is_output(item: Item) -> bool:
    return str(item.get("type") or "").endswith("_output") or role_of(item) == "tool"


def _ident(item: Item) -> str:
    return str(item.get("call_id") or item.get("tool_call_id") or item.get("id"))


def _spoken(position: int, item: Item) -> Iterator[Entry]:
    kind = str(item.get("type") or "message")
    if kind.endswith("_call"):
        return
    content = item.get("content") if kind == "message" else item.get("summary")
    text = "\n".join(text_parts(content))
    if text.strip():
        yield Entry((position,), _line(role_of(item) or kind), text)


def _calls(item: Item) -> Iterator[tuple[str, str, str]]:
    """Yield (id, name of the tool, arguments) of the calls that an item makes."""
    kind = str(item.get("type") or "")
    if kind.endswith("_call"):
        yield _ident(item), str(item.get("name") or kind), _arguments(item)
    calls = item.get("tool_calls")
    for call in calls if isinstance(calls, list | tuple) else ():
        made = as_mapping(call)
        function = as_mapping(made.get("function") or made.get("custom"))
        yield _ident(made), str(function.get("name") or "call"), _arguments(function)


def _arguments(call: Item) -> str:
    """Return the arguments as they were written, or all that a hosted call says of itself."""
    given = next((call[name] for name in ("arguments", "input") if name in call), None)
    if not isinstance(given, str):
        return _json(call)
    output = call.get("output")  # a hosted MCP call brings it along
    return f"{given}\n{output}" if isinstance(output, str) else given


def _called(position: int, name: str, arguments: str) -> Entry:
    title = f"{name}({arguments})"
    if len(title) <= _LONGEST_TITLE and title.isprintable():
        return Entry((position,), title)
    return Entry((position,), _line(name), arguments)


def _output(item: Item) -> str:
    value = item.get("output", item.get("content"))
    return _json(value) if isinstance(value, Mapping) else "\n".join(text_parts(value))


def _json(value: Item) -> str:
    said = {name: inner for name, inner in value.items() if name not in _SILENT}
    return json.dumps(said, ensure_ascii=False, default=str)


def _line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_TITLE]


def _encodable(text: str) -> str:
    """Return a text that UTF-8 can hold: a lone surrogate would break the request it goes into."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
