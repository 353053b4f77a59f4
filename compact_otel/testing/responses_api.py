"""The Responses API on the wire: output items, the response object, the events of a stream."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from compact_otel.core.types import Item
from compact_otel.testing import rules, shapes
from compact_otel.testing.behaviour import Step
from compact_otel.testing.dialect import Answer, Turn, Usage
from compact_otel.testing.errors import ApiError
from compact_otel.testing.memory import Ids, Memory
from compact_otel.testing.stream import Event, pieces
from compact_otel.testing.window import OverflowStyle


class ResponsesApi:
    """A dialect with a memory: later requests refer to what earlier ones brought.

    Args:
        ids: Where new ids come from.
        max_string: The longest string accepted, in characters.
    """

    def __init__(self, ids: Ids, max_string: int) -> None:
        self._ids = ids
        self._max_string = max_string
        self._memory = Memory()

    def admit(self, body: Any) -> list[Item]:
        """Return all items of a request, its chain in front and references resolved."""
        given = shapes.check_response_body(body, self._max_string)
        chain = self._memory.chain(body)
        store = body.get("store") is not False
        items = [*chain, *rules.resolve(given, self._memory, store=store)]
        rules.check_items(items, self._memory)
        return items

    def generate(self, turn: Turn) -> list[Item]:
        """Return the output items of a step."""
        step = turn.step
        status = "incomplete" if step.incomplete else "completed"
        items: list[Item] = []
        if step.reasoning:
            encrypted = "reasoning.encrypted_content" in (turn.body.get("include") or ())
            items.append(self._reasoning(encrypted=encrypted))
        if step.text is not None:
            part = {"type": "output_text", "text": step.text, "annotations": [], "logprobs": []}
            items.append(
                {
                    "id": self._ids.new("msg"),
                    "type": "message",
                    "status": status,
                    "role": "assistant",
                    "content": [part],
                }
            )
        items.extend(
            {
                "id": self._ids.new("fc"),
                "type": "function_call",
                "status": status,
                "call_id": self._ids.new("call"),
                "name": name,
                "arguments": arguments,
            }
            for name, arguments in step.written_calls()
        )
        return items

    def answer(self, turn: Turn, output: list[Item], usage: Usage) -> Answer:
        """Return the response object and its stream, and remember the response."""
        reason = turn.step.incomplete
        response = {
            **self._opened(turn.body),
            "status": "incomplete" if reason else "completed",
            "incomplete_details": {"reason": reason} if reason else None,
            "output": output,
            "usage": _usage(usage, turn.step),
        }
        self._memory.keep(turn.body, response["id"], turn.items, output)
        return Answer(response, _events(response))

    def compact(self, items: Sequence[Item]) -> list[Item]:
        """Return what stands for a history: its user messages, and one item nobody can read."""
        ident = self._ids.new("cmp")
        content = _sealed(ident)
        self._memory.encrypted.add(content)
        messages = [self._said(item) for item in items if item.get("role") == "user"]
        return [*messages, {"id": ident, "type": "compaction", "encrypted_content": content}]

    def compaction(self, output: list[Item], usage: Usage) -> dict[str, Any]:
        """Return the answer to a request to compact a history."""
        return {
            "id": self._ids.new("resp"),
            "object": "response.compaction",
            "created_at": int(time.time()),
            "output": output,
            "usage": _usage(usage, Step()),
        }

    def overflow_events(
        self, body: Mapping[str, Any], error: ApiError, style: OverflowStyle
    ) -> Iterator[Event]:
        """Yield the events of a stream that says in its midst that the input does not fit."""
        opened, members, numbers = self._opened(body), error.error, count()
        yield _event(numbers, "response.created", response=opened)
        if style == "sse_error":
            yield _event(numbers, "error", error=members)
        elif style == "sse_error_flat":
            yield _event(numbers, "error", **_members(members, "code", "message", "param"))
        else:
            short = _members(members, "code", "message")
            failed = {**opened, "status": "failed", "error": short}
            yield _event(numbers, "response.failed", response=failed)

    def _reasoning(self, *, encrypted: bool) -> Item:
        ident = self._ids.new("rs")
        content = _sealed(ident) if encrypted else None
        return {"id": ident, "type": "reasoning", "summary": [], "encrypted_content": content}

    def _said(self, message: Item) -> Item:
        """Return a user message as an output item."""
        content = message["content"]
        if isinstance(content, str):
            content = [{"type": "input_text", "text": content}]
        head = {"id": self._ids.new("msg"), "type": "message", "status": "completed"}
        return {**head, "role": "user", "content": content}

    def _opened(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a response in progress."""
        return {
            "id": self._ids.new("resp"),
            "object": "response",
            "created_at": int(time.time()),
            "status": "in_progress",
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"),
            "model": body.get("model") or "stored-prompt",
            "output": [],
            "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
            "previous_response_id": body.get("previous_response_id"),
            "reasoning": body.get("reasoning"),
            "store": body.get("store") is not False,
            "temperature": body.get("temperature"),
            "text": body.get("text") or {"format": {"type": "text"}},
            "tool_choice": body.get("tool_choice") or "auto",
            "tools": body.get("tools") or [],
            "top_p": body.get("top_p"),
            "truncation": body.get("truncation") or "disabled",
            "usage": None,
            "metadata": body.get("metadata") or {},
        }


def _sealed(ident: str) -> str:
    """Return encrypted content that no other item has."""
    return f"gAAAAAB{hashlib.sha256(ident.encode()).hexdigest()}=="


def _usage(usage: Usage, step: Step) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
        **step.usage,
    }


def _events(response: Mapping[str, Any]) -> Iterator[Event]:
    """Yield the events of a stream that ends well, or incomplete."""
    numbers = count()
    opened = {**response, "status": "in_progress", "output": [], "usage": None}
    opened["incomplete_details"] = None
    yield _event(numbers, "response.created", response=opened)
    yield _event(numbers, "response.in_progress", response=opened)
    for index, item in enumerate(response["output"]):
        place = {"output_index": index}
        yield _event(numbers, "response.output_item.added", **place, item=_started(item))
        for kind, members in _growth(item):
            yield _event(numbers, kind, **place, item_id=item["id"], **members)
        yield _event(numbers, "response.output_item.done", **place, item=item)
    yield _event(numbers, f"response.{response['status']}", response=response)


def _started(item: Item) -> Item:
    """Return an output item as it is announced, before its content."""
    empty: dict[str, Item] = {"message": {"content": []}, "function_call": {"arguments": ""}}
    return {**item, **empty.get(item["type"], {}), "status": "in_progress"}


def _growth(item: Item) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield type and members of the events in which the content of an item arrives."""
    if item["type"] == "message":
        (part,) = item["content"]
        place = {"content_index": 0}
        yield "response.content_part.added", {**place, "part": {**part, "text": ""}}
        for piece in pieces(part["text"]):
            yield "response.output_text.delta", {**place, "delta": piece, "logprobs": []}
        yield "response.output_text.done", {**place, "text": part["text"], "logprobs": []}
        yield "response.content_part.done", {**place, "part": part}
    elif item["type"] == "function_call":
        arguments = item["arguments"]
        for piece in pieces(arguments):
            yield "response.function_call_arguments.delta", {"delta": piece}
        done = {"name": item["name"], "arguments": arguments}
        yield "response.function_call_arguments.done", done


def _event(numbers: Iterator[int], kind: str, **members: Any) -> Event:
    return {"type": kind, "sequence_number": next(numbers), **members}


def _members(error: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: error[name] for name in names}
