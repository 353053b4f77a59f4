"""Settings of one place, and how those of several become one configuration, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import islice
from typing import Any

from compact_otel.config.root import SECTIONS, CompactConfig
from compact_otel.core.errors import ConfigError
from compact_otel.core.fields import Path, Problem, Rule, failed, rules_of, shown

DEFAULT = "default"

_DEEPEST, _MOST = 4, 8
"""So much of a wrong value is looked at for a message, which shows less."""


class Layer:
    """Settings that come from one place.

    Attributes:
        origin: Name of the place.
        values: Values by the paths of their fields.
        origins: From where a field comes, or a part of one; what is not in it, from `origin`.
        problems: What is wrong; such a field has no value.
    """

    def __init__(
        self,
        origin: str,
        values: Mapping[Path, Any] | None = None,
        origins: Mapping[Path, str] | None = None,
        problems: Iterable[Problem] = (),
    ) -> None:
        self.origin = origin
        self.values: dict[Path, Any] = dict(values or {})
        self.origins: Mapping[Path, str] = origins or {}
        self.problems = list(problems)

    def origin_of(self, path: Path) -> str:
        """Return from where the value at a path comes."""
        parts = (path[:length] for length in range(len(path), 0, -1))
        return next((self.origins[part] for part in parts if part in self.origins), self.origin)


def all_rules() -> Iterator[tuple[Path, Rule]]:
    """Yield each field's path and rule, in the order in which they are declared."""
    top = rules_of(CompactConfig)
    for entry in fields(CompactConfig):
        if entry.name in top:
            yield (entry.name,), top[entry.name]
        else:
            for name, rule in rules_of(SECTIONS[entry.name]).items():
                yield (entry.name, name), rule


def value_at(config: CompactConfig, path: Path) -> Any:
    """Return the value of a field."""
    value: Any = config
    for name in path:
        value = getattr(value, name)
    return value


def origin_in(layers: Iterable[Layer], path: Path, otherwise: str = DEFAULT) -> str:
    """Return from where a field has its value.

    Args:
        layers: All layers, the strongest first.
        path: Of a field, or of something in its value.
        otherwise: Where no layer sets it.
    """
    field_ = path[:2] if path[0] in SECTIONS else path[:1]
    return next((each.origin_of(path) for each in layers if field_ in each.values), otherwise)


def settled(
    base: CompactConfig, layers: Sequence[Layer], otherwise: str = DEFAULT
) -> CompactConfig:
    """Return a configuration with the values of all layers: rules span fields, so all at once.

    Args:
        base: What holds where no layer says anything.
        layers: The strongest first.
        otherwise: From where that comes which no layer sets.

    Raises:
        ConfigError: If something in them is wrong; it tells of all of it.
    """
    values: dict[str, dict[str, Any]] = {}
    for layer in reversed(layers):
        for (section, *name), value in layer.values.items():
            values.setdefault(section if name else "", {})[name[0] if name else section] = value
    found = [
        (problem, [layer.origin_of(path) for path in problem.paths])
        for layer in layers
        for problem in layer.problems
    ]
    broken = {problem.paths[0][0] for problem, _ in found}

    def located(error: ConfigError) -> Iterator[tuple[Problem, list[str]]]:
        if not error.problems:  # its message says all
            raise error
        for problem in error.problems:
            yield problem, [origin_in(layers, path, otherwise) for path in problem.paths]

    changes = values.pop("", {})
    for section, given in values.items():
        if section not in broken:
            try:
                changes[section] = replace(getattr(base, section), **given)
            except ConfigError as error:
                found += located(error)
    try:
        config = replace(base, **changes)
    except ConfigError as error:
        # A section that is wrong is left out here, so rules that span fields are not to be trusted.
        found += [each for each in located(error) if not found or len(each[0].paths) == 1]
        config = base
    if found:
        raise _told(found)
    return config


def _told(found: Sequence[tuple[Problem, list[str]]]) -> ConfigError:
    lines = [problem.told(", ".join(dict.fromkeys(at)), redacted) for problem, at in found]
    return failed([problem for problem, _ in found], lines)


def redacted(value: object) -> str:
    """Return a value for a message; what was pasted into the wrong place may be a key."""
    if not isinstance(value, str | list | tuple | Mapping):
        return shown(value)
    from compact_otel.redaction.redactor import Redactor  # only where something is wrong

    return shown(Redactor().value(_beginning(value, _DEEPEST)))


def _beginning(value: object, depth: int) -> object:
    """Return as much of a value as can be shown."""
    if not isinstance(value, list | tuple | Mapping):
        return value
    if not depth:
        return "..."
    if isinstance(value, Mapping):
        some = islice(value.items(), _MOST)
        return {name: _beginning(one, depth - 1) for name, one in some}
    return [_beginning(one, depth - 1) for one in value[:_MOST]]
