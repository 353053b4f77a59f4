"""Rows as bytes that the viewer takes: its limits on values, strings, bodies and batches.

One bad value costs the whole batch there, so everything is made good before it goes. Measured at
https://github.com/ThomasRohde/ariadne, commit 284187b.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MOST_ROWS = 200
"""Rows in a request."""

MOST_BYTES = 240_000
"""Bytes of a request; the viewer refuses more than 262,144."""

_LARGEST_INTEGER = 2**53
_HEAD, _TAIL = b'{"batch":[', b"]}"
_ROOM = MOST_BYTES - len(_HEAD) - len(_TAIL)
_STRINGS = (4_000, 400, 80)
"""Characters that strings are cut at, until a row fits."""


def encoded(row: Mapping[str, Any]) -> bytes:
    """Return a row as JSON that fits into a request; its data is shortened if it must be."""
    made = _json(_taken(row))
    for length in _STRINGS:
        if len(made) <= _ROOM:
            return made
        made = _json(_taken(row, length))
    if len(made) > _ROOM:
        told = f"left out: {len(made):,} bytes are more than the viewer takes"
        made = _json(_taken({**row, "data": {"output_text": told}}, _STRINGS[-1]))
    return made


def bodies(rows: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the rows of one request after the other."""
    batch: list[bytes] = []
    size = 0
    for row in rows:
        if batch and (len(batch) == MOST_ROWS or size + len(row) + 1 > _ROOM):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += len(row) + 1
    if batch:
        yield batch


def body(batch: Iterable[bytes]) -> bytes:
    """Return a request's body."""
    return _HEAD + b",".join(batch) + _TAIL


def _json(value: Any) -> bytes:
    # A lone half of a surrogate pair becomes a question mark.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _taken(value: Any, longest: int | None = None) -> Any:
    """Return JSON data as the viewer takes it, with strings of at most so many characters."""
    if isinstance(value, str):
        too_long = longest is not None and len(value) > longest
        return f"{value[:longest]}… ({len(value):,} characters)" if too_long else value
    if isinstance(value, Mapping):
        return {
            "proto" if key == "__proto__" else key: _taken(member, longest)
            for key, member in value.items()
            if member is not None
        }
    if isinstance(value, list | tuple):
        return [_taken(element, longest) for element in value if element is not None]
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        return str(value)
    return value
