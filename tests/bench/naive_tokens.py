"""How others count a request: each in a few lines, after what they do.

Read in their sources (2026-11): characters by four in Microsoft's Agent Framework (over the JSON),
Google's ADK, Strands, langmem and pydantic-ai-harness (over the texts), LangChain and deepagents
(over texts, roles and tool schemas, and three a message); tiktoken over texts, as OpenAI's cookbook
does it, or over the JSON, as is usual where tools have to be counted, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import ceil

from token_rows import Row, messages_of, texts_of, tools_of

Encode = Callable[[str], int]
"""Tokens of a text."""

_COUNTED = ("messages", "input", "instructions", "tools", "functions", "response_format", "text")


def _dumped(row: Row) -> str:
    request = row["request"]
    return json.dumps({name: request[name] for name in _COUNTED if request.get(name)})


def json_by_four(row: Row, encode: Encode) -> float:
    """Count the characters of the request's JSON."""
    return len(_dumped(row)) / 4


def texts_by_four(row: Row, encode: Encode) -> float:
    """Count the characters of its texts."""
    return sum(len(text) for message in messages_of(row) for text in texts_of(message)) / 4


def langchain(row: Row, encode: Encode) -> float:
    """Count as `count_tokens_approximately` does, tools included."""
    tokens = sum(len(json.dumps(tool)) / 4 for tool in tools_of(row))
    for message in messages_of(row):
        characters = len(message.get("role", "")) + sum(map(len, texts_of(message)))
        tokens += ceil(characters / 4) + 3
    return tokens


def json_encoded(row: Row, encode: Encode) -> float:
    """Count the tokens of the request's JSON."""
    return encode(_dumped(row))


def cookbook(row: Row, encode: Encode) -> float:
    """Count the tokens of its texts, four a message, and those of the tools' JSON."""
    tools = tools_of(row)
    tokens = 3 + (encode(json.dumps(tools)) if tools else 0)
    return tokens + sum(4 + sum(map(encode, texts_of(message))) for message in messages_of(row))


NAIVE: dict[str, Callable[[Row, Encode], float]] = {
    "characters of the JSON / 4": json_by_four,
    "characters of the texts / 4": texts_by_four,
    "LangChain's approximation": langchain,
    "tiktoken over the JSON": json_encoded,
    "tiktoken + 4 a message + tools as JSON": cookbook,
}
