"""Whether a provider's answer says that the request was too large, and which numbers it names.

Providers, gateways and local servers say it in many shapes: an exception with a code or without,
an event inside a stream. What is looked at: codes, class names and texts, along all causes; not
what a program was handling when it made the call, which Python links to all that fails in it.
Sources of the wordings: the providers' documentation, and reports of users of the Agents SDK,
LiteLLM, llama.cpp and LM Studio.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_CLASSES = frozenset({"ContextWindowExceededError", "ContextOverflowError"})
_PHRASES = re.compile(
    r"exceeds the context window"
    r"|maximum context length"
    r"|context length exceeded|context_length_exceeded"
    r"|exceeds? the (?:available )?context size|exceeds the context size limit"
    r"|exceed_context_size_error|contextwindowexceedederror"
    r"|input tokens exceed the configured limit"
    r"|prompt is too long"  # Anthropic
    r"|input length and `max_tokens` exceed context limit"  # Anthropic
    r"|input token count .{0,40}exceeds the maximum number of tokens"  # Gemini
    r"|tokens to keep from the initial prompt is greater than the context length"  # LM Studio
    r"|greater than the context (?:length|size)",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"(?:maximum context length is|context size \(|configured limit of|maximum of|context limit:?"
    r"|context length of|n_ctx['\"]?:|maximum number of tokens allowed \(|>) ?(\d[\d,_]*)",
    re.IGNORECASE,
)
_USED = re.compile(
    r"(?:resulted in|request \(|prompt is too long:|n_prompt_tokens['\"]?:|input token count \("
    r"|you requested|contains at least) ?(\d[\d,_]*)",
    re.IGNORECASE,
)
_CHAIN = 10  # exceptions looked at: chains can be cyclic


@dataclass(frozen=True, slots=True)
class Overflow:
    """A request was too large.

    Attributes:
        limit: Tokens the provider accepts, None if it does not say.
        used: Tokens the provider counted, None if it does not say.
        is_certain: Whether the provider says so at all; an empty answer may mean anything.
    """

    limit: int | None = None
    used: int | None = None
    is_certain: bool = True


def overflow_in(problem: object, *, handled: BaseException | None = None) -> Overflow | None:
    """Return what an exception, or an event of a stream, says of an overflow; None if it is none.

    Args:
        problem: An exception, or a stream event of type `error` or `response.failed`.
        handled: What `sys.exc_info()[1]` was before the call. A call made inside `except` is
            judged without what that `except` is about.
    """
    places = list(_places(problem, handled))
    for place in places:
        code = _member(place, "code"), _member(place, "type")
        if _CODES & {text for text in code if isinstance(text, str)}:
            break
        if type(place).__name__ in _CLASSES or _PHRASES.search(_text(place)):
            break
    else:
        return None
    texts = " ".join(_text(place) for place in places)
    return Overflow(
        limit=_number("n_ctx", places) or _first(_LIMIT, texts),
        used=_number("n_prompt_tokens", places) or _first(_USED, texts),
    )


def is_unreadable(problem: object, *, handled: BaseException | None = None) -> bool:
    """Say whether a provider could not read an encrypted item that was sent to it.

    Args:
        problem: As in `overflow_in`.
        handled: As in `overflow_in`.
    """
    codes = (_member(place, "code") for place in _places(problem, handled))
    return "invalid_encrypted_content" in codes


def _places(problem: object, handled: BaseException | None) -> Iterator[Any]:
    """Yield everything about a problem that may hold a code or a text."""
    for _ in range(_CHAIN):
        if problem is None:
            return
        yield problem
        response = _member(problem, "response")
        # Of a response only its error: its other fields quote the conversation.
        for holder in (problem, response):
            error = _member(holder, "error")
            if error is not None:
                yield error
        body = _member(problem, "body")
        if isinstance(body, Mapping):
            yield body
            if isinstance(body.get("error"), Mapping):
                yield body["error"]
        if not isinstance(problem, BaseException):
            return
        problem = _behind(problem)
        if problem is handled:
            return


def _behind(error: BaseException) -> BaseException | None:
    """Return what a traceback would show above an error."""
    return error.__cause__ if error.__suppress_context__ else error.__context__


def _member(place: object, name: str) -> Any:
    if isinstance(place, Mapping):
        return place.get(name)
    return getattr(place, name, None)


def _text(place: object) -> str:
    if isinstance(place, BaseException):
        return str(place)
    message = _member(place, "message")
    return message if isinstance(message, str) else ""


def _number(name: str, places: list[Any]) -> int | None:
    """Return a number that a provider gives as a field of its error."""
    for place in places:
        value = _member(place, name)
        if isinstance(value, int) and value > 0:
            return value
    return None


def _first(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return int(re.sub(r"[,_]", "", found[1])) if found else None
