"""Whatever goes in, JSON data comes out: what is redacted and stored has to be readable as data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence, Set
from datetime import date, time
from enum import Enum
from typing import Any, Final

REDACTED: Final = "<REDACTED>"

MAX_DEPTH: Final = 100
"""Levels of nesting that `plain` follows: far above what an API takes, far below Python's limit."""


def plain(value: Any) -> Any:
    r"""Return `value` as JSON data that shares no container with it.

    Models (pydantic) and dataclasses become objects; sequences and sets arrays; bytes text, with
    `\xNN` for what is not UTF-8; dates and times ISO 8601; NaN, infinities and integers beyond 600
    digits text; anything else its `str`. What contains itself, is nested deeper than `MAX_DEPTH`
    or cannot be read becomes a short note in angle brackets. Never raises.
    """
    return _plain(value, ())


def _plain(value: Any, above: tuple[int, ...]) -> Any:
    """Copy `value`; `above` holds the ids of what it lies in."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, (str, int, float)):
        return _scalar(value)
    if id(value) in above:
        return "<contains itself>"
    if len(above) == MAX_DEPTH:
        return f"<nested deeper than {MAX_DEPTH} levels>"
    try:
        return _contents(value, (*above, id(value)))
    except Exception:  # noqa: BLE001 - the value's own code runs here and may raise anything
        return f"<unreadable {type(value).__name__}>"


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        return str.__str__(value)  # what is made of it may have a hash of its own
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and value.bit_length() > 2000:  # noqa: PLR2004 - some 600 digits
        return hex(value)  # Python may refuse to write more than 640 decimal digits
    return value


def _contents(value: Any, above: tuple[int, ...]) -> Any:
    if type(value) is dict or isinstance(value, Mapping):
        copy: dict[str, Any] = {}
        for key, member in value.items():
            if type(key) is str and type(member) is str and key not in copy:
                copy[key] = member  # most of what there is
                continue
            name = str.__str__(key) if isinstance(key, str) else str(key)
            copy[free_key(copy, name)] = _plain(member, above)
        return copy
    if type(value) is list or (
        isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray)
    ):
        return [_plain(element, above) for element in value]
    return _plain(_opened(value), above)


def _opened(value: Any) -> Any:
    """Return what `value` is written as, one step nearer to JSON."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(warnings=False)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {part.name: getattr(value, part.name) for part in dataclasses.fields(value)}
    return str(value)


def free_key(taken: Mapping[str, Any], key: str) -> str:
    """Return `key`, with its place if it is taken (by 1 and "1", or by two secrets as keys)."""
    place = len(taken)
    free = key
    while free in taken:
        place += 1
        free = f"{key} ({place})"
    return free
