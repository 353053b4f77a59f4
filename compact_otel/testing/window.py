"""Whether a request fits into the context window, and what the server says if it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from compact_otel.testing.behaviour import ApiName
from compact_otel.testing.errors import ContextOverflowError

OverflowStyle = Literal[
    "http", "sse_error", "sse_error_flat", "sse_failed", "llama_cpp", "empty_stream"
]
"""How a request learns that it does not fit; `LocalOpenAI` says what each is like."""

_OUTPUT_LIMITS = {
    "responses": ("max_output_tokens",),
    "chat": ("max_completion_tokens", "max_tokens"),
}


class Window:
    """The context window of every model of a server.

    Args:
        size: Tokens of input and output together; None for no limit.
        style: How a stream is told; see `LocalOpenAI`.

    Raises:
        ValueError: If a value is impossible.
    """

    def __init__(self, size: int | None, style: OverflowStyle) -> None:
        if size is not None and size < 1:
            raise ValueError(f"need `context_window` >= 1, got {size}")
        if style not in get_args(OverflowStyle):
            valid = ", ".join(get_args(OverflowStyle))
            raise ValueError(f"need `overflow` to be one of {valid}, got {style!r}")
        self._size = size
        self._style = style

    @property
    def in_stream(self) -> bool:
        """Whether a streamed request gets status 200 and learns of the overflow afterwards."""
        return self._style not in ("http", "llama_cpp")

    @property
    def style(self) -> OverflowStyle:
        """How a stream is told."""
        return self._style

    def admit(self, api: ApiName, body: Mapping[str, Any], tokens: int) -> int:
        """Return the tokens that reach the model: `tokens`, unless the server may drop some.

        Raises:
            ContextOverflowError: If they do not fit.
        """
        if self._size is None:
            return tokens
        if self._style == "llama_cpp":  # looks at the input only, and keeps one token for itself
            if tokens >= self._size:
                raise _llama_cpp_overflow(tokens, self._size)
            return tokens
        if api == "responses" and body.get("truncation") == "auto":
            return min(tokens, self._size)
        limits = (body.get(name) for name in _OUTPUT_LIMITS[api])
        reserve = next((limit for limit in limits if isinstance(limit, int)), 0)
        if tokens + reserve > self._size:
            if api == "responses":
                raise _responses_overflow()
            raise _chat_overflow(tokens, reserve, self._size)
        return tokens


def _responses_overflow() -> ContextOverflowError:  # quoted
    return ContextOverflowError(
        "Your input exceeds the context window of this model. "
        "Please adjust your input and try again.",
        code="context_length_exceeded",
        param="input",
    )


def _chat_overflow(tokens: int, reserve: int, size: int) -> ContextOverflowError:
    # Both quoted, the one about the completion from
    # https://github.com/mckaywrigley/chatbot-ui/issues/102
    if tokens > size:
        asked, advice = f"your messages resulted in {tokens} tokens", "messages"
    else:
        asked = (
            f"you requested {tokens + reserve} tokens "
            f"({tokens} in the messages, {reserve} in the completion)"
        )
        advice = "messages or completion"
    return ContextOverflowError(
        f"This model's maximum context length is {size} tokens. However, {asked}. "
        f"Please reduce the length of the {advice}.",
        code="context_length_exceeded",
        param="messages",
    )


def _llama_cpp_overflow(tokens: int, size: int) -> ContextOverflowError:
    # Recorded from llama.cpp's server of October 2026; `code` is a number there.
    overflow = ContextOverflowError(
        f"request ({tokens} tokens) exceeds the available context size ({size} tokens), "
        "try increasing it"
    )
    overflow.error = {
        "code": 400,
        "message": str(overflow),
        "type": "exceed_context_size_error",
        "n_prompt_tokens": tokens,
        "n_ctx": size,
    }
    return overflow
