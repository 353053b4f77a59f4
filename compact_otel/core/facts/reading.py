"""What was said and what was called, read from items of any shape.

Responses items, Chat messages and `Message.as_item()` all become `Said` and `Called`. Nothing
here raises: a history is whatever a program put together, and the odd item is read as far as it
goes. Images, audio and encrypted content have nothing to say in a text and are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from compact_otel.core.types import Item

Speaker = Literal["user", "assistant", "instructions"]

_SPEAKERS: Mapping[str, Speaker] = {
    "user": "user",
    "system": "instructions",
    "developer": "instructions",
}
# Keys that carry bookkeeping or bytes rather than anything to remember.
_SILENT_KEYS = frozenset(
    {"id", "type", "status", "call_id", "role", "encrypted_content", "image_url", "file_data"}
    | {"data", "detail", "annotations", "logprobs"}
)
_MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Said:
    """Words of a person or of the model; `position` is the item's place in the history."""

    position: int
    who: Speaker
    text: str


@dataclass(slots=True)
class Called:
    """A tool call with what came back, as far as it did.

    Attributes:
        position: Place of the call in the history.
        name: Name of the tool.
        arguments: The arguments as JSON data, or the text if they are not JSON.
        output: What came back as JSON data or text; None while nothing has.
    """

    position: int
    name: str
    arguments: Any
    output: Any = None


def read(items: Sequence[object], start: int = 0) -> list[Said | Called]:
    """Return what `items` say, in order; positions count from `start`."""
    records: list[Said | Called] = []
    open_calls: dict[object, Called] = {}
    for position, item in enumerate(items, start):
        if not isinstance(item, Mapping):
            continue
        kind = str(item.get("type") or "")
        if kind.endswith("_output") or item.get("role") == "tool":
            _answer(item, position, records, open_calls)
        elif kind.endswith("_call"):
            _call(item, position, records, open_calls)
        else:
            text = text_of(item.get("content")) if "role" in item else text_of(item)
            if text.strip():
                who = _SPEAKERS.get(str(item.get("role")), "assistant")
                records.append(Said(position, who, text))
            for call in _listed(item.get("tool_calls")):
                _call(call, position, records, open_calls)
    return records


def parse_json(text: str) -> Any:
    """Return the object or list that `text` is the JSON of, `text` itself if it is not."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text, parse_float=_AsWritten)
    except (ValueError, RecursionError):
        return text


class _AsWritten(float):
    """A number that is told as it was written: a price of 19.90, a balance of 18 digits."""

    __slots__ = ("_text",)
    _text: str

    def __new__(cls, text: str) -> _AsWritten:
        number = super().__new__(cls, text)
        number._text = text
        return number

    def __repr__(self) -> str:
        return self._text


def text_of(content: Any) -> str:
    """Return the readable text of message content, of parts, or of any other JSON data."""
    return content if isinstance(content, str) else "\n".join(_texts(content, _MAX_DEPTH))


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping) and depth:
        for key, inner in value.items():
            if key not in _SILENT_KEYS:
                yield from _texts(inner, depth - 1)
    elif isinstance(value, list | tuple) and depth:
        for inner in value:
            yield from _texts(inner, depth - 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _listed(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list | tuple):
        yield from (one for one in value if isinstance(one, Mapping))


def _call(
    item: Item, position: int, records: list[Said | Called], open_calls: dict[object, Called]
) -> None:
    function = item.get("function")
    source = function if isinstance(function, Mapping) else item
    given: Any = next(
        (source[key] for key in ("arguments", "input", "action") if source.get(key) is not None), {}
    )
    call = Called(
        position,
        str(source.get("name") or item.get("type") or "call"),
        parse_json(given) if isinstance(given, str) else given,
    )
    if item.get("output") is not None:
        call.output = _data(item["output"])
    records.append(call)
    open_calls[str(item.get("call_id") or item.get("id"))] = call


def _answer(
    item: Item, position: int, records: list[Said | Called], open_calls: dict[object, Called]
) -> None:
    key = str(item.get("call_id") or item.get("tool_call_id"))
    call = open_calls.get(key)
    if call is None:
        # Its call stands elsewhere, among the kept items or before a cut made by others.
        call = Called(position, str(item.get("name") or "tool"), {})
        records.append(call)
    call.output = _data(item.get("output", item.get("content")))


def _data(output: Any) -> Any:
    """Return a tool's output as JSON data if it is some, else as text."""
    if isinstance(output, Mapping) and output.get("type") is None:
        return output
    return parse_json(text_of(output))
