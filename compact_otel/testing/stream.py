"""Server-sent events, as both APIs write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

Event: TypeAlias = dict[str, Any]

# A stream has to arrive in pieces to be one, but a long text need not come word by word.
_PIECES = 16
_SHORTEST_PIECE = 8
END_OF_CHAT_STREAM = "data: [DONE]\n\n"


def pieces(text: str) -> Iterator[str]:
    """Yield a text in the pieces of a stream; an empty one has none."""
    size = max(_SHORTEST_PIECE, -(-len(text) // _PIECES))
    for start in range(0, len(text), size):
        yield text[start : start + size]


def event_text(event: Event) -> str:
    """Return an event as it stands in the body; Chat chunks have no type and so no name."""
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n"
