"""The types of a file's settings, checked by pydantic against the dataclasses that declare them.

Strictly: a text is no number, and no boolean either. What a field may be beyond its type, and rules
that span fields, are checked when all layers are together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from compact_otel.config.descriptions import descriptions_of
from compact_otel.config.names import unknown, variable
from compact_otel.config.root import BY_NAME, OVERRIDABLE, SECTIONS, CompactConfig, not_a_section
from compact_otel.core.fields import Path, Problem, Rule, rules_of
from compact_otel.core.settings import CompactPolicy

_CLOSED = ConfigDict(extra="forbid")
_ENOUGH = 100
"""So many things that are wrong with a file are looked at."""

_BOUNDS = ("gt", "ge", "lt", "le")

Checked = tuple[dict[Path, Any], list[Problem]]
"""Values that will do, by their paths, and what is wrong with the others."""


def checked(data: Mapping[str, Any]) -> Checked:
    """Return the settings in the data of a file."""
    # A section of which everything is commented out is none.
    data = {name: value for name, value in data.items() if value is not None or not _holds(name)}
    problems: dict[Path, Problem] = {}
    try:
        file_model().model_validate(data)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False):
            path = tuple(str(part) for part in each["loc"])
            path, problem = _told(path, each["type"], data)
            problems.setdefault(path, problem)
            if len(problems) == _ENOUGH:
                return {}, list(problems.values())
    return dict(_values(data, problems)), list(problems.values())


def _holds(name: str) -> bool:
    return name in SECTIONS or name in BY_NAME


def _values(
    data: Mapping[str, Any], problems: Mapping[Path, Problem]
) -> Iterator[tuple[Path, Any]]:
    wrong = {path[:length] for path in problems for length in range(1, len(path) + 1)}
    for name, value in data.items():
        if name not in SECTIONS and (name,) not in wrong:
            yield (name,), value
        elif name in SECTIONS and isinstance(value, Mapping):
            yield from (
                ((name, field), part) for field, part in value.items() if (name, field) not in wrong
            )


def _told(path: Path, kind: str, data: Mapping[str, Any]) -> tuple[Path, Problem]:
    """Return the field that is wrong, and what is wrong with it."""
    rule, path = _rule_at(path)
    value = _at(data, path)
    if rule is not None and rule.in_file:
        found = rule.problem(tuple(value) if isinstance(value, list) else value, path)
        return path, found or Problem((path,), f"must be {rule.what}", (value,))
    if rule is not None:
        return path, _not_in_a_file(path, rule)
    if len(path) == 1 and path[0] in SECTIONS:
        return path, not_a_section(path[0], value) or unknown(path, ())
    if kind != "extra_forbidden":
        return path, Problem((path,), "must be a mapping of settings", (value,))
    return path, _unknown(path)


def _not_in_a_file(path: Path, rule: Rule) -> Problem:
    ways = ["give it as an argument"]
    if rule.in_environment:
        ways.insert(0, f"set {variable(path)}")
    why = "a secret does not belong there, " if rule.is_secret else ""
    return Problem((path,), "cannot be set in a file", way_out=f"{why}{' or '.join(ways)}")


def _unknown(path: Path) -> Problem:
    if len(path) > 1 and path[0] in SECTIONS:
        return unknown(path, rules_of(SECTIONS[path[0]]))
    if len(path) > 1:
        return unknown(path, OVERRIDABLE)
    homes = (name for name, kind in SECTIONS.items() if path[0] in rules_of(kind))
    home = next(homes, None)
    names = [entry.name for entry in fields(CompactConfig)]
    return unknown(path, names, elsewhere=(home, path[0]) if home else None)


def _rule_at(path: Path) -> tuple[Rule | None, Path]:
    """Return the rule of a field and its path, without what leads into its value."""
    if path[0] in SECTIONS:
        found = rules_of(SECTIONS[path[0]]).get(path[1]) if len(path) > 1 else None
        return found, path[:2]
    if path[0] not in BY_NAME:
        return rules_of(CompactConfig).get(path[0]), path[:1]
    if len(path) == 1:
        return rules_of(CompactConfig)[path[0]], path
    found = _override_rules().get(path[2]) if len(path) > 2 else None  # noqa: PLR2004 - its name
    return found, path[:3]


def _at(data: Any, path: Path) -> Any:
    for name in path:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


@cache
def _override_rules() -> Mapping[str, Rule]:
    top = rules_of(CompactConfig)
    return {**{name: top[name] for name in OVERRIDABLE if name in top}, **rules_of(CompactPolicy)}


@cache
def file_model() -> type[BaseModel]:
    """Return the model of a file, made of the dataclasses."""
    override: Any = create_model(
        "Override",
        __config__=_CLOSED,
        __doc__="What is different for some models or agents.",
        **{
            name: declared
            for record in (CompactConfig, CompactPolicy)
            for name, declared in _declared(record, with_default=False).items()
            if name in OVERRIDABLE
        },
    )
    about = descriptions_of(CompactConfig)
    sections = {
        name: (
            _model(kind, _declared(kind)),
            Field(default_factory=dict[str, Any], description=about.get(name)),
        )
        for name, kind in SECTIONS.items()
    }
    by_name = {
        name: (dict[str, override], declared[1])
        for name, declared in _declared(CompactConfig).items()
        if name in BY_NAME
    }
    return _model(CompactConfig, {**_declared(CompactConfig), **sections, **by_name})


def _model(record: type[Any], declared: Mapping[str, Any]) -> type[BaseModel]:
    about = (record.__doc__ or "").partition("\n")[0]
    ordered = {
        entry.name: declared[entry.name] for entry in fields(record) if entry.name in declared
    }
    return create_model(record.__name__, __config__=_CLOSED, __doc__=about, **ordered)


def _declared(record: type[Any], *, with_default: bool = True) -> dict[str, Any]:
    """Return (type, pydantic's field) of each field that may stand in a file, but of no section."""
    hints, rules, about = get_type_hints(record), rules_of(record), descriptions_of(record)
    found: dict[str, Any] = {}
    for entry in fields(record):
        if entry.name not in rules or not rules[entry.name].in_file:
            continue
        rule = rules[entry.name]
        more: dict[str, Any] = {
            name: rule.metadata[name] for name in _BOUNDS if name in rule.metadata
        }
        if rule.kinds:
            more["strict"] = True
        if float in rule.kinds:
            more["allow_inf_nan"] = False
        if with_default and entry.default is not MISSING:
            more["default"] = entry.default
        else:
            more["default_factory"] = dict
        found[entry.name] = hints[entry.name], Field(description=about.get(entry.name), **more)
    return found
