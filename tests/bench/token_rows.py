"""Recorded requests with the usage that came back, as the hook would hand them to an estimator.

A row is a JSON object: `request` (the body as it was sent), `api` (`chat` | `responses`),
`input_tokens` (what the provider counted), `request_model` or `model`, `source` (where it was
recorded) and `exclude` (why nobody could count it from the body alone; empty if one can). The rows
of ../shared/data/tokens are recorded material of other projects and not part of this repository.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from compact_otel.core.types import CallContext

Item = dict[str, Any]
Row = dict[str, Any]

USAGE = Path(__file__).parents[3] / "shared/data/tokens/usage.jsonl.gz"

_IMAGES = frozenset({"image_url", "input_image"})


def read(path: Path) -> Iterator[Row]:
    """Yield the rows of a `.jsonl` or `.jsonl.gz` file that have a usage.

    Raises:
        ValueError: If a line is no such row; it says which.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: {error}") from error
            missing = {"request", "api", "input_tokens"} - set(row)
            if missing:
                raise ValueError(f"{path}:{number}: a row needs {', '.join(sorted(missing))}")
            if row["input_tokens"] and row["input_tokens"] > 0:
                yield row


def model_of(row: Row) -> str:
    """Return the model's name as it was asked for."""
    return row.get("request_model") or row.get("model") or row["request"].get("model") or ""


def items_of(row: Row) -> list[Item]:
    """Return the items or messages of a request, instructions that are one of them included."""
    items = row["request"].get("messages" if row["api"] == "chat" else "input") or []
    return [{"role": "user", "content": items}] if isinstance(items, str) else list(items)


def to_call(row: Row) -> tuple[list[Item], CallContext]:
    """Return items and context of a request as the hook would give them."""
    request, chat, items = row["request"], row["api"] == "chat", items_of(row)
    instructions = request.get("instructions")
    first = items[0] if chat and items else {}
    if first.get("role") in ("system", "developer") and isinstance(first.get("content"), str):
        instructions = items.pop(0)["content"]  # as the Agents SDK sends an agent's instructions
    form = request.get("response_format") if chat else (request.get("text") or {}).get("format")
    form = form or {}
    choice = request.get("tool_choice")
    if isinstance(choice, dict):
        choice = (choice.get("function") or choice).get("name", "required")
    return items, CallContext(
        model=model_of(row) or None,
        api=row["api"],
        instructions=instructions if isinstance(instructions, str) else None,
        tools=tools_of(row),
        output_schema=(form.get("json_schema") or form).get("schema"),
        tool_choice=choice,
    )


def tools_of(row: Row) -> list[Item]:
    """Return the tools of a request in the form of the Responses API."""
    request = row["request"]
    tools = request.get("tools") or [
        {"type": "function", "function": function} for function in request.get("functions") or []
    ]
    return [
        {"type": "function", **tool["function"]} if isinstance(tool.get("function"), dict) else tool
        for tool in tools
    ]


def features_of(row: Row) -> set[str]:
    """Return what a request has besides messages."""
    items, call = to_call(row)
    kinds = {item.get("type") for item in items}
    parts = [part for item in items for part in _parts(item)]
    has = {
        "function tools": any(tool.get("type") == "function" for tool in call.tools),
        "calls in the history": bool({"function_call", "function_call_output"} & kinds)
        or any(item.get("tool_calls") or item.get("role") == "tool" for item in items),
        "reasoning": "reasoning" in kinds,
        "images": any(part.get("type") in _IMAGES for part in parts),
        "output schema": call.output_schema is not None,
        "instructions": call.instructions is not None,
    }
    return {name for name, found in has.items() if found}


def _parts(item: Item) -> list[Item]:
    found = []
    for name in ("content", "output"):
        parts = item.get(name)
        if isinstance(parts, list):
            found += [part for part in parts if isinstance(part, dict)]
    return found


def messages_of(row: Row) -> list[Item]:
    """Return the items or messages of a request, its instructions as the first of them."""
    instructions = row["request"].get("instructions")
    if not isinstance(instructions, str):
        return items_of(row)
    return [{"role": "system", "content": instructions}, *items_of(row)]


def texts_of(message: Item) -> list[str]:
    """Return the texts that a model reads of a message or item."""
    texts = [message.get(name) for name in ("content", "output", "name", "arguments")]
    texts += [part.get("text") for part in _parts(message)]
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        texts += [function.get("name"), function.get("arguments")]
    return [text for text in texts if isinstance(text, str)]
