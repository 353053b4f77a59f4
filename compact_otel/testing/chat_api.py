"""Chat Completions on the wire: the assistant message, the completion object, the chunks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from compact_otel.core.types import Item
from compact_otel.testing import rules, shapes
from compact_otel.testing.behaviour import Step
from compact_otel.testing.dialect import Answer, Turn, Usage
from compact_otel.testing.memory import Ids
from compact_otel.testing.stream import Event, pieces

_FINISH_REASON = {"max_output_tokens": "length", "content_filter": "content_filter"}


class ChatApi:
    """A dialect without a memory: every request brings all there is.

    Args:
        ids: Where new ids come from.
        max_string: The longest string accepted, in characters.
    """

    def __init__(self, ids: Ids, max_string: int) -> None:
        self._ids = ids
        self._max_string = max_string

    def admit(self, body: Any) -> list[Item]:
        """Return the messages of a request."""
        messages = shapes.check_chat_body(body, self._max_string)
        rules.check_messages(messages)
        return messages

    def generate(self, turn: Turn) -> list[Item]:
        """Return the assistant message of a step, as the one item of a list."""
        calls = [
            {
                "id": self._ids.new("call"),
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for name, arguments in turn.step.written_calls()
        ]
        message = {"role": "assistant", "content": turn.step.text, "refusal": None}
        return [{**message, "tool_calls": calls} if calls else message]

    def answer(self, turn: Turn, output: list[Item], usage: Usage) -> Answer:
        """Return the completion object and its stream."""
        step = turn.step
        finish = "tool_calls" if step.calls else "stop"
        choice = {
            "index": 0,
            "message": output[0],
            "logprobs": None,
            "finish_reason": _FINISH_REASON[step.incomplete] if step.incomplete else finish,
        }
        completion = {
            "id": self._ids.new("chatcmpl"),
            "object": "chat.completion",
            "created": int(time.time()),
            "model": turn.body["model"],
            "choices": [choice],
            "usage": _usage(usage, step),
        }
        options = turn.body.get("stream_options")
        with_usage = isinstance(options, Mapping) and options.get("include_usage") is True
        return Answer(completion, _chunks(completion, with_usage=with_usage))


def _usage(usage: Usage, step: Step) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens": usage.output,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
        **step.usage,
    }


def _chunks(completion: Mapping[str, Any], *, with_usage: bool) -> Iterator[Event]:
    (choice,) = completion["choices"]
    head = {name: completion[name] for name in ("id", "created", "model")}
    head["object"] = "chat.completion.chunk"
    if with_usage:
        head["usage"] = None  # in all chunks but the last, which has nothing else

    def chunk(delta: Item, finish_reason: str | None = None) -> Event:
        piece = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**head, "choices": [piece]}

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for delta in _deltas(choice["message"]):
        yield chunk(delta)
    yield chunk({}, choice["finish_reason"])
    if with_usage:
        yield {**head, "choices": [], "usage": completion["usage"]}


def _deltas(message: Item) -> Iterator[Item]:
    for piece in pieces(message["content"] or ""):
        yield {"content": piece}
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        yield {"tool_calls": [{**call, "index": index, "function": {**function, "arguments": ""}}]}
        for piece in pieces(function["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
