"""How much memory is held: by a value, and by what many calls have alike."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Mapping
from sys import getsizeof
from typing import Any

from compact_otel.core.types import CallContext

_PARTS = ("instructions", "tools", "output_schema")
"""What of a call can be large."""

_encoded = json.JSONEncoder(separators=(",", ":"), default=repr, skipkeys=True).encode


def size_of(value: Any) -> int:
    """Return the bytes that JSON data takes in memory; takes no longer for a long text."""
    size, rest = 0, [value]
    while rest:
        value = rest.pop()
        size += getsizeof(value, 0)
        if type(value) is str:  # as nearly all are, and to ask for a Mapping takes longer
            continue
        if isinstance(value, Mapping):
            rest += value
            rest += value.values()
        elif isinstance(value, list | tuple):
            rest += value
    return size


class SharedParts:
    """Instructions, tools and schemas of calls: equal ones are held once. Not synchronised.

    An agent that is built anew for each request has tools of its own each time, which are equal.

    Attributes:
        size: Bytes of all that is held.
    """

    def __init__(self) -> None:
        self.size = 0
        self._held: dict[Hashable, tuple[Any, int]] = {}
        self._users: Counter[Hashable] = Counter()

    def take(self, call: CallContext) -> tuple[dict[str, Any], tuple[Hashable, ...]]:
        """Hold the parts of a call once more.

        Returns:
            The parts by name, as they are held, and what lets go of them.
        """
        parts: dict[str, Any] = {}
        keys: list[Hashable] = []
        for name in _PARTS:
            value = getattr(call, name)
            key = _key(value) if value else None
            if key is None:
                continue
            if key not in self._held:
                self._held[key] = value, size_of(value)
                self.size += self._held[key][1]
            self._users[key] += 1
            keys.append(key)
            parts[name] = self._held[key][0]
        return parts, tuple(keys)

    def again(self, keys: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
        """Hold once more what a call has, given what lets go of it, and return that."""
        self._users.update(keys)
        return keys

    def drop(self, keys: tuple[Hashable, ...]) -> None:
        """Let go of what a call had; what no other has is forgotten."""
        for key in keys:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]
                self.size -= self._held.pop(key)[1]


def _key(value: Any) -> Hashable | None:
    """Return what equal parts have alike, None if that is no data."""
    try:
        text = value if isinstance(value, str) else _encoded(value)
    except Exception:  # noqa: BLE001 - a tool may hold anything, also itself
        return None
    return type(value), hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
