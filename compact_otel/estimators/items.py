"""What each item of a history costs.

The rules, all measured (their constants are in `framing`):

* The model sees names, arguments and texts. Ids, status, annotations and our `meta` cost nothing.
* Reasoning costs what its encrypted length tells, and nothing before the last user message: the
  provider drops it there. Chat Completions does not carry it.
* A `compaction` item stands for all that precedes it, so that costs nothing.
* Pictures and files cost by size, never by the length of their base64.
* What we do not know costs the sum of its texts. Nothing raises: odd content costs what it looks
  like, None costs nothing.

A history of 600 items is walked before every model call, in 0.2 ms. Hence the tests for the exact
type before the general ones: nearly all items are dicts, and nearly all contents strings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from compact_otel.estimators.media import Media, media_of, picture_formula

if TYPE_CHECKING:
    from compact_otel.core.types import CallContext, Item
    from compact_otel.estimators.framing import Framing
    from compact_otel.estimators.media import MediaPrices
    from compact_otel.estimators.text import ByText

# What travels with an item but is not shown to the model; keys that end in `_id` are not either.
_UNSEEN = frozenset(
    {
        "type",
        "role",
        "id",
        "status",
        "encrypted_content",
        "annotations",
        "logprobs",
        "meta",
        "provider_data",
    }
)
_LISTS = (list, tuple)


def item_tokens(
    items: Sequence[Item],
    call: CallContext,
    framing: Framing,
    counts: ByText[int],
    media: MediaPrices,
) -> list[int]:
    """Return the tokens of each item, in the order given."""
    price = _Prices(call, framing, counts, media)
    tokens: list[int] = []
    reasoning = []
    for index, item in enumerate(items):
        kind = item.get("type") if type(item) is dict or isinstance(item, Mapping) else ""
        if kind is None or kind == "message":
            tokens.append(price.message(item))
        elif kind == "function_call":
            tokens.append(price.call(item))
        elif kind == "function_call_output":
            tokens.append(framing.output + price.content(item.get("output")))
        elif kind == "reasoning":
            reasoning.append(index)
            tokens.append(price.reasoning(item) if call.api == "responses" else 0)
        elif kind == "compaction":
            tokens = [0] * index
            tokens.append(_encrypted_tokens(item, unused=830, per_token=7.3))
        else:
            tokens.append(price.other(item))
    if reasoning and call.reasoning_context != "all_turns":
        last_user = _last_user(items)
        for index in reasoning:
            if index < last_user:
                tokens[index] = 0
    return tokens


def leaves(value: Any) -> Iterator[str | Media]:
    """Yield the texts in a value of any depth that the model gets to see, and its media.

    Numbers and the like come as text, None not at all. In no particular order.
    """
    rest = [value]
    while rest:
        value = rest.pop()
        if (media := media_of(value)) is not None:
            yield media
        elif isinstance(value, Mapping):
            rest.extend(
                inner
                for key, inner in value.items()
                if key not in _UNSEEN and not str(key).endswith("_id")
            )
        elif isinstance(value, _LISTS):
            rest.extend(value)
        elif value is not None:
            yield value if isinstance(value, str) else str(value)


def _last_user(items: Sequence[Item]) -> int:
    """Return the index of the last user message, -1 if there is none."""
    for index in range(len(items) - 1, -1, -1):
        item = items[index]
        if isinstance(item, Mapping) and item.get("role") == "user":
            return index
    return -1


def _encrypted_tokens(item: Item, *, unused: int, per_token: float) -> int:
    """Return the tokens behind `encrypted_content`, of which `unused` characters hold none."""
    encrypted = item.get("encrypted_content")
    return max(0, round((len(encrypted) - unused) / per_token)) if isinstance(encrypted, str) else 0


class _Prices:
    """Prices one item at a time, for one model and API."""

    __slots__ = ("_counts", "_framing", "_media", "_picture_tokens")

    def __init__(
        self, call: CallContext, framing: Framing, counts: ByText[int], media: MediaPrices
    ) -> None:
        self._framing = framing
        self._counts = counts
        self._media = media
        self._picture_tokens = picture_formula(call.model)

    def message(self, item: Item) -> int:
        """Price a message, with the calls that a Chat message of the assistant carries."""
        role = item.get("role")
        tokens = self.content(item.get("content"))
        if role == "assistant":
            if refusal := item.get("refusal"):
                tokens += self.content(refusal)
            if calls := item.get("tool_calls"):
                return self._chat_calls(calls) + (tokens and tokens + self._framing.assistant)
            # An empty one in front of a call is how older SDKs store a streamed answer of Chat; it
            # is not sent.
            return tokens and tokens + self._framing.assistant
        if role == "tool":
            return tokens + self._framing.output
        if role is None:
            return self.other(item)
        if name := item.get("name"):
            tokens += 1 + self.content(name)
        return tokens + self._framing.message

    def call(self, item: Item) -> int:
        """Price a function call: its `name`, which the output repeats, and its `arguments`."""
        name, arguments = item.get("name"), item.get("arguments")
        if type(name) is str and type(arguments) is str:
            return self._framing.call + 2 * self._counts[name] + self._counts[arguments]
        return self._framing.call + 2 * self.content(name) + self.content(arguments)

    def reasoning(self, item: Item) -> int:
        """Price a reasoning item that the provider still takes into account."""
        if item.get("encrypted_content"):
            return _encrypted_tokens(item, unused=1000, per_token=5.2)
        return self.content(item.get("content"))

    def other(self, item: Any) -> int:
        """Price an item of any other kind: its texts, framed as a call, an output or a message."""
        framing = self._framing
        kind = str(item.get("type")) if isinstance(item, Mapping) else ""
        if kind.endswith("_output"):
            return framing.output + self._sum(item)
        return (framing.call if kind.endswith("_call") else framing.message) + self._sum(item)

    def content(self, content: Any) -> int:
        """Price a message content, a tool output, a name or arguments."""
        if type(content) is str:
            return self._counts[content]
        if not isinstance(content, _LISTS):
            return self._sum(content)
        tokens = 0
        for part in content:
            text = part.get("text") if type(part) is dict else None
            tokens += self._counts[text] if type(text) is str else self._sum(part)
        return tokens

    def _chat_calls(self, calls: Any) -> int:
        if not isinstance(calls, _LISTS):
            return self._sum(calls)
        parallel = self._framing.parallel if len(calls) > 1 else 0
        return sum(parallel + self._chat_call(call) for call in calls)

    def _chat_call(self, call: Any) -> int:
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            return self.call(function)
        return self._framing.call + self._sum(call)

    def _sum(self, value: Any) -> int:
        tokens = 0
        for leaf in leaves(value):
            if isinstance(leaf, str):
                tokens += self._counts[leaf]
            else:
                tokens += self._media.tokens(leaf, self._picture_tokens)
        return tokens
