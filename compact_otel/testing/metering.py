"""How many tokens a request has, whether they fit, and how many of them are in the prompt cache."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compact_otel.core.items import newest_user
from compact_otel.core.protocols import TokenEstimator
from compact_otel.core.types import CallContext, Item
from compact_otel.testing.behaviour import ApiName

# https://developers.openai.com/api/docs/guides/prompt-caching
_CACHED_AT_LEAST = 1024
_CACHED_IN_STEPS_OF = 128


@dataclass(frozen=True, slots=True)
class Measure:
    """Tokens of one request.

    Attributes:
        fixed: Tokens beside the items.
        items: Tokens of each item.
        skew: What all of them are multiplied by.
    """

    fixed: int
    items: tuple[int, ...]
    skew: float

    @property
    def total(self) -> int:
        """Tokens of the whole request."""
        return self.upto(len(self.items))

    def upto(self, count: int) -> int:
        """Tokens of the request as if it ended behind `count` items."""
        return round(self.skew * (self.fixed + sum(self.items[:count])))


class Meter:
    """Counts by an estimator, whose word is the truth here.

    Args:
        estimator: Any TokenEstimator.
        skew: What its counts are multiplied by.
    """

    def __init__(self, estimator: TokenEstimator, skew: float) -> None:
        self._estimator = estimator
        self._skew = skew
        # An estimator may remember what it counted; nothing says it does so safely.
        self._lock = threading.Lock()

    def measure(
        self, items: Sequence[Item], call: CallContext, reasoning: Mapping[str, int]
    ) -> Measure:
        """Count a request.

        Args:
            items: Its items.
            call: What stands beside them.
            reasoning: Tokens of reasoning items by id: nobody else knows them.
        """
        with self._lock:
            fixed = self._estimator.count_fixed(call).total
            counts = list(self._estimator.count_items(items, call))
        for index in range(newest_user(items) + 1, len(items)):
            if items[index].get("type") == "reasoning":
                counts[index] = max(counts[index], reasoning.get(str(items[index].get("id")), 0))
        return Measure(fixed, tuple(counts), self._skew)

    def output(self, items: Sequence[Item], call: CallContext) -> int:
        """Count what the model generated."""
        with self._lock:
            return round(self._skew * sum(self._estimator.count_items(items, call)))


class PromptCache:
    """Knows every prefix, in whole items, of every request it has seen."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self._lock = threading.Lock()

    def cached_tokens(self, call: CallContext, items: Sequence[Item], measure: Measure) -> int:
        """Return how many tokens an earlier request has brought in, and remember this one."""
        prefixes = list(_prefixes(call, items))
        with self._lock:
            known = next(
                (n for n in range(len(prefixes), 0, -1) if prefixes[n - 1] in self._known), 0
            )
            self._known.update(prefixes)
        if not known:
            return 0
        tokens = measure.upto(known - 1)  # the first prefix has no item yet
        return tokens - tokens % _CACHED_IN_STEPS_OF if tokens >= _CACHED_AT_LEAST else 0


def call_context(api: ApiName, body: Mapping[str, Any]) -> CallContext:
    """Return what stands beside the items of a request, as an estimator wants it."""
    if api == "responses":
        text = body.get("text") or {}
        answer = text.get("format") or {} if isinstance(text, Mapping) else {}
        schema = answer.get("schema") if isinstance(answer, Mapping) else None
    else:
        answer = body.get("response_format") or {}
        named = answer.get("json_schema") or {} if isinstance(answer, Mapping) else {}
        schema = named.get("schema") if isinstance(named, Mapping) else None
    return CallContext(
        model=body.get("model"),
        api=api,
        provider="openai",
        instructions=body.get("instructions") if api == "responses" else None,
        tools=tuple(_flat(tool) for tool in _mappings(body.get("tools"))),
        output_schema=schema if isinstance(schema, Mapping) else None,
        tool_choice=_tool_choice(body.get("tool_choice")),
    )


def tool_names(call: CallContext) -> tuple[str, ...]:
    """Return the names of the tools offered; a hosted tool goes by its type."""
    return tuple(str(tool.get("name") or tool.get("type")) for tool in call.tools)


def _prefixes(call: CallContext, items: Sequence[Item]) -> list[bytes]:
    """Return one digest per prefix: nothing but the head, then one item more each."""
    head = (call.model, call.instructions, call.tools, call.output_schema)
    digests = [_digest(b"", head)]
    for item in items:
        # The model reads neither, so the cache does not care.
        seen = {name: item[name] for name in item if name not in ("id", "status")}
        digests.append(_digest(digests[-1], seen))
    return digests


def _digest(before: bytes, value: Any) -> bytes:
    return hashlib.sha256(before + json.dumps(value, sort_keys=True).encode()).digest()


def _flat(tool: Item) -> Item:
    """Return a tool in the form of Responses; Chat has a function's members one level deeper."""
    function = tool.get("function")
    return {"type": "function", **function} if isinstance(function, Mapping) else tool


def _tool_choice(choice: Any) -> str | None:
    if isinstance(choice, Mapping):
        choice = _flat(choice).get("name") or choice.get("type")
    return choice if isinstance(choice, str) else None


def _mappings(value: Any) -> list[Item]:
    members = value if isinstance(value, list) else ()
    return [member for member in members if isinstance(member, Mapping)]
