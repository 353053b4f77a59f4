"""How records are called and written, the same for every adapter.

A record is one line of JSON in UTF-8, ended by a line feed; a line without one is torn. Lines end
at line feeds only: other characters that end a line in Unicode may stand in a text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from compact_otel.core.types import Checkpoint
from compact_otel.redaction import MAX_DEPTH

LARGEST: Final = 256 * 2**20
"""Bytes of the largest file or object that is read; a history of a million tokens has eight MiB."""

EVENTS: Final = "events"
CHECKPOINTS: Final = "checkpoints"
"""What `Stored.id` says for the events of a session, and for its checkpoints, all together."""

_STEP = re.compile(r"(transcript-pre-compact|summary)-([0-9]{3,})")
_GIVEN = re.compile(
    r"(?:transcript-pre-compact-|summary-|removed-)([0-9]{3,})(?:\.jsonl?(?:\.gz)?)?"
)
_LEVELS = MAX_DEPTH + 20
"""How deep a record may be nested: what is stored in it has up to MAX_DEPTH levels."""
_TOO_DEEP = f"nested deeper than {_LEVELS} levels"


@dataclass(frozen=True, slots=True)
class Stored:
    """Something that an archive holds of a session.

    Attributes:
        id: `transcript-pre-compact-003`, `summary-003`, `events` or `checkpoints`.
        size: Bytes.
        written: When it was last written, in seconds since the epoch.
    """

    id: str
    size: int
    written: float

    @property
    def step(self) -> int | None:
        """The compaction it belongs to; None for events and checkpoints."""
        match = _STEP.fullmatch(self.id)
        return int(match[2]) if match else None


def together(found: Iterable[Stored]) -> list[Stored]:
    """Return what is stored under each id as one, sorted by id."""
    made: dict[str, Stored] = {}
    for one in found:
        same = made.get(one.id, one)
        size = one.size if same is one else same.size + one.size
        made[one.id] = Stored(one.id, size, max(same.written, one.written))
    return [made[ident] for ident in sorted(made)]


def transcript_name(step: int) -> str:
    """Return the id of the transcript of a step: `transcript-pre-compact-001`."""
    return f"transcript-pre-compact-{step:03d}"


def summary_name(step: int) -> str:
    """Return the id of the summary of a step: `summary-001`."""
    return f"summary-{step:03d}"


def removed_name(step: int) -> str:
    """Return the name of what keeps a number from being given again, once its records are gone."""
    return f"removed-{step:03d}"


def step_of(ident: str) -> int:
    """Return the step of a transcript or a summary.

    Raises:
        ValueError: If `ident` names neither.
    """
    match = _STEP.fullmatch(ident)
    if match is None:
        raise ValueError(f"need the id of a transcript or a summary, got {ident!r}")
    return int(match[2])


def given(names: Iterable[str]) -> Iterator[int]:
    """Yield the numbers that were given to compactions, by the names of what a session holds."""
    return (int(match[1]) for name in names if (match := _GIVEN.fullmatch(name)))


def removed_steps(names: Iterable[str]) -> list[int]:
    """Return the steps that `removed_name` stands for in the names of what a session holds."""
    return list(given(name for name in names if name.startswith("removed-")))


def json_line(data: Any) -> bytes:
    """Write JSON data as a record.

    Characters stay readable; a lone surrogate, which UTF-8 cannot hold, becomes its JSON escape and
    reads back as itself.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def whole_lines(data: bytes) -> list[bytes]:
    """Split into lines; a last one without its line feed was never finished and is left out."""
    return data.split(b"\n")[:-1]


def loaded(line: bytes) -> Any:
    """Read back a record, as data of which nothing surprises who goes on with it.

    Raises:
        ValueError: If `json_line` cannot have written it: no JSON in UTF-8, not finite, or nested
            deeper than what is stored ever is, so that it could not be written again.
    """
    try:
        data = _DECODER.decode(line.decode("utf-8", "surrogatepass"))
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    if line.count(b"[") + line.count(b"{") > _LEVELS:
        _check_depth(data)
    return data


def _check_depth(data: Any) -> None:
    level = [data]
    for _ in range(_LEVELS):
        level = [one for each in level for one in _members(each)]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _members(data: Any) -> Iterable[Any]:
    if isinstance(data, dict):
        return data.values()
    return data if isinstance(data, list) else ()


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is no finite number")
    return number


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def readable(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return the records in `lines`, without those that are not JSON objects."""
    records = []
    for line in lines:
        try:
            record = loaded(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def newest_checkpoints(lines: Iterable[bytes]) -> list[Checkpoint]:
    """Return the last checkpoint of each key, oldest first, passing over what is not one."""
    newest: dict[str, Checkpoint] = {}
    for record in readable(lines):
        try:
            checkpoint = Checkpoint.from_dict(record)
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        newest.pop(checkpoint.key, None)
        newest[checkpoint.key] = checkpoint
    return list(newest.values())
