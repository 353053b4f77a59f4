"""How a compaction is found again when the same history comes back, call after call.

The SDK hands over the whole history on every call and remembers nothing that we return. So every
compaction is kept as a small record under a key made of the *content* it covers: a chain of hashes
over the items from the first on. The longest known prefix of a history names the compaction to
replay, without a model call and with the same bytes as last time.

Never a subset: an application may have removed items on purpose, and an old summary must not bring
them back. Never the session id: two sessions may share a history, and one may fork.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from compact_otel.core.sizes import size_of
from compact_otel.core.types import Checkpoint, Item

_SEED = hashlib.sha256(b"compact_otel prefix chain 1").digest()
# What may differ between two comings of the same item: set by the server, or never sent.
_VOLATILE = frozenset({"status", "created_by", "meta", "provider_data"})


# Made once: `json.dumps` makes an encoder at every call.
_encoded = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), default=repr, skipkeys=True
).encode


def digest(item: Item) -> bytes:
    """Return 32 bytes that are equal for two comings of the same item.

    Ids are left out (the SDK adds and strips them), except where there is nothing else; so are
    None, `status`, and keys that the SDK strips before the call. A message's `type` is implied, and
    an assistant's text is the same as a string and as one `output_text` part.
    """
    kind = item.get("type")
    fields: dict[str, Any] = {}
    for name, value in item.items():
        if value is None or name in _VOLATILE or (isinstance(name, str) and "_agents_" in name):
            continue
        if name == "id" and kind != "item_reference" and len(item) > 1:
            continue
        if name == "type" and kind == "message":
            continue
        fields[str(name)] = _plain_text(value) if name == "content" else value
    return hashlib.sha256(_encoded(fields).encode()).digest()


def _plain_text(content: Any) -> Any:
    """Return the text of a content that is one `output_text` part, any other content as it is."""
    if isinstance(content, list) and len(content) == 1:
        part = content[0]
        if isinstance(part, Mapping) and part.get("type") == "output_text":
            return part.get("text")
    return content


def prefix_keys(items: Sequence[Item], known: Sequence[str] = ()) -> list[str]:
    """Return the chain: the key of the first item, of the first two, and so on.

    Args:
        items: A history.
        known: The chain of its beginning, which is continued.
    """
    keys = list(known)
    link = bytes.fromhex(keys[-1]) if keys else _SEED
    for item in items[len(keys) :]:
        link = hashlib.sha256(link + digest(item)).digest()
        keys.append(link.hex())
    return keys


_MOST_BYTES = 64 * 2**20
"""Bytes of checkpoints that are held: 16 KiB for each of 4,096; what is sealed is larger."""


class Ledger:
    """Checkpoints by key, the least recently used dropped first. Not synchronised.

    The checkpoint that came in last is held whatever its bytes.

    Args:
        limit: How many checkpoints are held.
        max_bytes: How many bytes of them are held.

    Attributes:
        generation: Changes whenever a checkpoint comes in.
    """

    def __init__(self, limit: int = 4096, max_bytes: int = _MOST_BYTES) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        self._sizes: dict[str, int] = {}
        self._size = 0
        self.generation = 0
        self._checkpoints: OrderedDict[str, Checkpoint] = OrderedDict()

    def __len__(self) -> int:
        return len(self._checkpoints)

    def add(self, checkpoint: Checkpoint) -> None:
        """Hold a checkpoint; one with the same key is replaced."""
        key, size = checkpoint.key, _size(checkpoint)
        self._checkpoints[key] = checkpoint
        self.generation += 1
        self._checkpoints.move_to_end(key)
        self._size += size - self._sizes.get(key, 0)
        self._sizes[key] = size
        while len(self) > self._limit or (self._size > self._max_bytes and len(self) > 1):
            dropped, _ = self._checkpoints.popitem(last=False)
            self._size -= self._sizes.pop(dropped)

    def has(self, checkpoint: Checkpoint) -> bool:
        """Say whether this very checkpoint is held."""
        return self._checkpoints.get(checkpoint.key) == checkpoint

    def find(
        self, keys: Sequence[str], fits: Callable[[Checkpoint], bool], *, beyond: int = 0
    ) -> Checkpoint | None:
        """Return the checkpoint that covers the longest prefix of a history and fits it.

        Args:
            keys: The history's chain.
            fits: Says whether a checkpoint may be replayed over the history as it is now.
            beyond: Only prefixes of more items than these.
        """
        for covered in range(len(keys), beyond, -1):
            found = self._checkpoints.get(keys[covered - 1])
            if found is not None and found.covered == covered and fits(found):
                with contextlib.suppress(KeyError):  # another thread may just have dropped it
                    self._checkpoints.move_to_end(found.key)
                return found
        return None


def _size(checkpoint: Checkpoint) -> int:
    """Return the bytes of what can be large in a checkpoint."""
    sealed = () if checkpoint.opaque is None else checkpoint.opaque.items
    lines = [entry.text for entry in checkpoint.cleared]
    return size_of((checkpoint.summary, checkpoint.kept, lines, sealed))
