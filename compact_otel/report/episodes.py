"""What the events of a session tell, call by call.

The records of an archive are read back into those of `core.events`. What is torn, foreign or of
another version is passed over: an archive may hold anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from compact_otel.adapters.records import step_of
from compact_otel.core import events
from compact_otel.schema import SCHEMA

MOST = 10**12
"""Tokens, dollars, seconds: an archive that says more was tampered with."""

E = TypeVar("E", bound=events.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """What happened in one call.

    Attributes:
        when: Time of the first event, ISO 8601 in UTC; '' if it has none.
        told: The events, oldest first.
    """

    when: str
    told: tuple[events.Event, ...]

    def all(self, kind: type[E]) -> list[E]:
        """Return its events of a kind."""
        return [event for event in self.told if isinstance(event, kind)]

    def first(self, kind: type[E]) -> E | None:
        """Return its first event of a kind, None without one."""
        return next(iter(self.all(kind)), None)

    def estimate(self, phase: Literal["before", "after"]) -> events.TokenEstimate | None:
        """Return the estimate of a phase, None without one."""
        found = (each for each in self.all(events.TokenEstimate) if each.phase == phase)
        return next(found, None)

    @property
    def step(self) -> int | None:
        """The number under which its history was stored, None if it was not."""
        for archival in self.all(events.Archival):
            try:
                return step_of(archival.archive_id)
            except ValueError:
                continue
        return None


def episodes(records: Iterable[Mapping[str, Any]]) -> list[Episode]:
    """Return the episodes of a session, oldest first.

    Args:
        records: Its events, as exporters and archives get them.
    """
    found: list[tuple[str, list[events.Event]]] = []
    for record in records:
        event = _event(record)
        if event is None:
            continue
        if not found or _begins(event, found[-1][1]):
            when = record.get("ts")
            found.append((when if isinstance(when, str) else "", []))
        found[-1][1].append(event)
    return [Episode(when=when, told=tuple(told)) for when, told in found]


def _begins(event: events.Event, told: Iterable[events.Event]) -> bool:
    """Say whether an event is the first of a call, after what was told so far of another."""
    if isinstance(event, events.Rescue):
        return True
    if not isinstance(event, events.TokenEstimate) or event.phase != "before":
        return False
    return any(isinstance(each, events.TokenEstimate | events.TriggerDecision) for each in told)


_KINDS = {schema.name: kind for kind, schema in SCHEMA.items()}
_TYPES = {kind: get_type_hints(kind) for kind in SCHEMA}


def _event(record: Mapping[str, Any]) -> events.Event | None:
    kind = _KINDS.get(str(record.get("event")))
    if kind is None:
        return None
    types = _TYPES[kind]
    values = {
        field: record[use.name]
        for field, use in SCHEMA[kind].fields.items()
        if use.name in record and field in types  # what is worked out is no field
    }
    if not all(_fits(value, types[field]) for field, value in values.items()):
        return None
    left_out = {field: None for field, type_ in types.items() if _fits(None, type_)}
    try:
        return kind(**{**left_out, **values})
    except TypeError:  # a field is missing
        return None


def _fits(value: object, type_: Any) -> bool:
    origin = get_origin(type_)
    if origin is UnionType:
        return any(_fits(value, one) for one in get_args(type_))
    if origin is Literal:
        return value in get_args(type_)
    if type_ is NoneType:
        return value is None
    if type_ in (int, float):
        wanted = int if type_ is int else int | float
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return isinstance(value, wanted) and -MOST <= value <= MOST  # NaN is not
    return isinstance(type_, type) and isinstance(value, type_)
