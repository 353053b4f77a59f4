"""The audit of an archive: a line for each write, each bound to the one before it.

A line of `events.jsonl` ends with its number and the SHA-256 of the line before it, that of the
first one with the SHA-256 of what the session is called there:

    {"ts": ..., "event": "compact.archival", ...,
     "audit.sequence": 7, "audit.previous": "9f86d081884c7d65..."}

So a line that was changed, put in or taken out is found by whoever reads them all, and what was
archived is held against the hash in its line. Whoever may write to the archive can also write a new
chain: against those only a place helps where they may not (a bucket with versions, a copy).
"""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal, NamedTuple

from compact_otel.adapters.naming import Place
from compact_otel.adapters.records import json_line, loaded
from compact_otel.core.types import ArchiveReceipt
from compact_otel.redaction import REDACTED

SEQUENCE, PREVIOUS = "audit.sequence", "audit.previous"
WRITTEN = "compact.archival"
_ID, _HASH, _GONE = "compact.archive.id", "compact.archive.sha256", "compact.archive.removed"
_FIELD_TYPES: Mapping[str, type] = {
    "compact.archive.step": int,
    "compact.archive.size": int,
    "compact.archive.messages": int,
    "compact.archive.redactions": int,
    "compact.archive.redacted": bool,
    _GONE: bool,
}
_SHAPES = {
    "ts": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"),
    "event": re.compile(re.escape(WRITTEN)),
    _ID: re.compile(r"(transcript-pre-compact|summary)-[0-9]{3,9}|checkpoint-[0-9a-f]{16}"),
    "compact.archive.adapter": re.compile(r"fs|s3"),
    _HASH: re.compile(r"[0-9a-f]{64}"),
}
_MARK = REDACTED.encode()
_MOST = 10**18
"""Above all numbers of events; one that somebody put in must not become unwritable by counting."""
_LOOKS = 3
"""How often a fault is looked at again while somebody writes."""


class Link(NamedTuple):
    """The end of a chain.

    Attributes:
        sequence: Number of its last line, 0 if there is none.
        digest: What the next line has to name as the one before it.
    """

    sequence: int
    digest: str


class _Audited(NamedTuple):
    """What an event says of a record: the hash of what was written, None if it was removed."""

    sequence: int
    digest: str | None


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in an archive that is not as it was written.

    Attributes:
        level: `error` for what somebody changed or lost, `note` for what a crash explains.
        what: What it is, and where.
    """

    level: Literal["error", "note"]
    what: str


NAMELESS = Fault("error", "`session.json`, which tells whose it is, is missing or was changed")


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return sha256(data).hexdigest()


def checkpoint_id(key: str) -> str:
    """Return under which id the writes of a checkpoint are audited."""
    return f"checkpoint-{digest_of(key.encode('utf-8', 'surrogatepass'))[:16]}"


def beginning(place: Place) -> Link:
    """Return what the first line of a session's events is bound to in a folder of it."""
    return Link(0, place.digest)


def chained(record: Mapping[str, Any], last: Link) -> bytes:
    """Return a record as a line that is bound to the last one."""
    return json_line({**bare(record), SEQUENCE: last.sequence + 1, PREVIOUS: last.digest})


def link_of(line: bytes) -> Link | None:
    """Return what the line behind this one is bound to; None if this is no line of a chain."""
    try:
        record = loaded(line)
    except ValueError:
        return None
    sequence = record.get(SEQUENCE) if isinstance(record, dict) else None
    if not isinstance(sequence, int) or not isinstance(record.get(PREVIOUS), str):
        return None
    if not 0 < sequence < _MOST:
        return None
    return Link(sequence, digest_of(line.rstrip(b"\n")))


def is_audit(record: Mapping[str, Any]) -> bool:
    """Say whether a record is one of a write, and none that was given to the archive."""
    return record.get("event") == WRITTEN and (_HASH in record or _GONE in record)


def fits(field: str, value: Any, name: str) -> bool:
    """Say whether a value has the form that its field has in the audit, so that it tells nothing.

    Args:
        field: The field; that of the location has no form, nor have fields of somebody else.
        value: What the record says there.
        name: What the session is called there.
    """
    if field in _FIELD_TYPES:
        return type(value) is _FIELD_TYPES[field]
    if field == "session_id":
        return bool(value == name)
    shape = _SHAPES.get(field)
    return shape is not None and isinstance(value, str) and shape.fullmatch(value) is not None


def bare(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record without what binds it."""
    return {name: value for name, value in record.items() if name not in (SEQUENCE, PREVIOUS)}


def written(
    name: str, adapter: str, receipt: ArchiveReceipt, data: bytes, plain: bytes
) -> dict[str, Any]:
    """Return the audit record of a write.

    Args:
        name: What the session is called there.
        adapter: Name of what stored it.
        receipt: What was stored, and where.
        data: Its bytes.
        plain: The same before it was redacted.
    """
    return {
        **_head(name),
        _ID: receipt.id,
        "compact.archive.adapter": adapter,
        "compact.archive.step": receipt.step,
        "compact.archive.location": receipt.location,
        "compact.archive.size": receipt.size,
        "compact.archive.messages": receipt.messages,
        "compact.archive.redacted": receipt.redacted,
        "compact.archive.redactions": max(0, data.count(_MARK) - plain.count(_MARK)),
        _HASH: digest_of(data),
    }


def removed(name: str, adapter: str, ident: str) -> dict[str, Any]:
    """Return the audit record of something that was taken out of the archive on purpose."""
    return {**_head(name), _ID: ident, "compact.archive.adapter": adapter, _GONE: True}


def _head(name: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"ts": now, "session_id": name, "event": WRITTEN}


class Seen(NamedTuple):
    """What one look at a folder of a session found. Somebody may have written meanwhile.

    Attributes:
        place: The folder.
        lines: Its events as they are stored, oldest first; read after what is stored.
        stored: What is there besides: for each id the hashes of what is stored under it.
        told: Number of the last event that was there before `stored` was read.
        seals: The end of the chain as its last writer noted it, before all else was read and
            after; None where that is not noted.
        unfinished: Hashes of what has not got its name, where that is stored.
    """

    place: Place
    lines: Sequence[bytes]
    stored: Mapping[str, Collection[str]]
    told: float = math.inf
    seals: tuple[Link | None, Link | None] = (None, None)
    unfinished: Collection[str] = ()


def of_all(places: Sequence[Place], faults: Callable[[Place], list[Fault]]) -> list[Fault]:
    """Return what is wrong with each folder of a session; where it has several, with its name."""
    if len(places) == 1:
        return faults(places[0])
    return [
        Fault(fault.level, f"in `{place.folder}`: {fault.what}")
        for place in places
        for fault in faults(place)
    ]


def lasting(look: Callable[[], Seen], pause_s: float) -> list[Fault]:
    """Return what is wrong with a folder of a session, also while somebody writes to it.

    A writer that is between two of its steps looks like a crash, or like somebody who changed
    something, but not for long. So what it explains is looked at again, and told if it is still
    so; what it does not explain is told however busy it is.

    Args:
        look: Reads the archive.
        pause_s: Seconds in which a writer takes its next step; each further look waits twice as
            long, and there is none once nothing moves.
    """
    seen = look()
    broken, last, audited = _followed(seen.place, seen.lines)
    doubted = _doubted(seen, last, audited)
    for further in range(_LOOKS):
        if not doubted:
            break
        time.sleep(pause_s * 2**further)
        before, seen = seen, look()
        broken, last, audited = _followed(seen.place, seen.lines)
        again = _doubted(seen, last, audited)
        doubted = {why: again[why] for why in doubted if why in again}
        if seen == before:
            break
    return [*broken, *dict.fromkeys(doubted.values())]


def _doubted(
    seen: Seen, last: Link, audited: Mapping[str, Sequence[_Audited]]
) -> dict[tuple[object, ...], Fault]:
    """Return what is wrong unless a writer is just at it, by what it is seen from.

    A writer may be between two steps in each look: the same words, but seen from something else.
    """
    found = _at_the_end(last, *seen.seals)
    for ident in sorted({*audited, *seen.stored}):
        found |= _with_record(ident, audited.get(ident, ()), seen)
    return found


def _at_the_end(
    last: Link, before: Link | None, after: Link | None
) -> dict[tuple[object, ...], Fault]:
    """Hold the end of a chain against its seal, of which there may be a newer one meanwhile."""
    if before is not None and before.sequence > last.sequence:
        missing = before.sequence - last.sequence
        fault = Fault("error", f"the last {missing} events are missing")
    elif any(seal and seal != last and seal.sequence == last.sequence for seal in (before, after)):
        fault = Fault("error", f"event {last.sequence} was changed")
    elif after is None or after.sequence >= last.sequence:
        return {}
    elif after.sequence == last.sequence - 1:
        fault = Fault("note", f"event {last.sequence} has no seal: its writer was ended")
    else:
        fault = Fault("error", f"the seal is of event {after.sequence}")
    return {(before, last, after): fault}


def _with_record(
    ident: str, audited: Sequence[_Audited], seen: Seen
) -> dict[tuple[object, ...], Fault]:
    """Hold what is stored under an id against what the events say of it."""
    there = set(seen.stored.get(ident, ()))
    if not audited:
        what = f"`{ident}` has no event: its writer was ended before it"
        return {(ident,): Fault("note", what)}
    due = [one.digest for one in audited if one.sequence <= seen.told][-1:]
    later = [one.digest for one in audited if one.sequence > seen.told]
    is_due = due != [] and None not in (*due, *later)
    if is_due and not there and due[0] in seen.unfinished:
        return {(ident, *due): Fault("note", f"`{ident}` is not finished: its writer was ended")}
    if is_due and not there:
        return {(ident, *due): Fault("error", f"`{ident}` is missing")}
    if unknown := there - {one.digest for one in audited}:
        fault = Fault("error", f"`{ident}` is not what was written")
        return {(ident, digest): fault for digest in unknown}
    if is_due and there.isdisjoint([*due, *later]):
        what = f"`{ident}` is older than the last one that was written"
        return {(ident, *due): Fault("note", what)}
    return {}


def _followed(
    place: Place, lines: Sequence[bytes]
) -> tuple[list[Fault], Link, dict[str, list[_Audited]]]:
    """Follow a chain: what is wrong with it, its end, and what it tells of each id."""
    found: list[Fault] = []
    audited: defaultdict[str, list[_Audited]] = defaultdict(list)
    last = beginning(place)
    for at, line in enumerate(lines, 1):
        link = link_of(line)
        if link is None:
            found.append(Fault("note", f"line {at} of the events is torn"))
            continue
        record = loaded(line)
        if link.sequence != last.sequence + 1:
            what = f"behind event {last.sequence} follows event {link.sequence}"
            found.append(Fault("error", what))
        elif record[PREVIOUS] != last.digest:
            what = f"event {last.sequence} or {link.sequence} was changed"
            found.append(
                Fault(
                    "error", what if last.sequence else "event 1 was changed, or another session's"
                )
            )
        last = link
        if is_audit(record):
            digest = record.get(_HASH)
            named = None if digest is None else str(digest)
            audited[str(record.get(_ID))].append(_Audited(link.sequence, named))
    return found, last, dict(audited)
