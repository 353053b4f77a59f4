"""The text of a file as plain data, with the line of each setting.

YAML is read by the rules of version 1.2, where `off` is a word and no boolean, and by PyYAML's safe
loader. Nothing but texts, numbers, booleans, lists and mappings comes out of a file, so it can
neither make objects nor, by aliases, grow.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from compact_otel.core.errors import ConfigError
from compact_otel.core.fields import Path, shown

MAX_DEPTH = 20
"""So deep may lists and mappings stand in each other; settings need four."""

MAX_ENTRIES = 20_000
"""Names and values that a file may have; what is suggested for a wrong one takes time."""

_LONGEST_NUMBER = 40

_Safe: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):  # type: ignore[misc]  # it is one of two
    """PyYAML's safe loader with the words of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 - as PyYAML declares it


_WORDS = {"null": None, "true": True, "false": False}
_TAG = "tag:yaml.org,2002:"
for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), [*_first, ""])

Parsed = tuple[dict[str, Any], dict[Path, int]]
"""Data, and the lines of what is in it, from 1."""


def parsed(text: str, name: str) -> Parsed:
    """Return the settings in a text.

    Args:
        text: YAML, or JSON if the name ends so.
        name: Name of the file, for messages.

    Raises:
        ConfigError: If it is something else than one mapping; with line and column if these are
            known.
    """
    if name.lower().endswith(".json"):
        return _from_json(text, name)
    return _from_yaml(text, name)


def _from_yaml(text: str, name: str) -> Parsed:
    try:
        _guard(text, name)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigError(f"{where}: {error.problem or error.context}; it is no YAML") from error
    except yaml.YAMLError as error:
        why = getattr(error, "reason", None) or "a character that may not stand there"
        raise ConfigError(f"{name}: {why}; it is no YAML") from error
    if root is None or root.tag == f"{_TAG}null":
        raise _empty(name)
    if not isinstance(root, yaml.MappingNode):
        raise _no_mapping(name)
    lines: dict[Path, int] = {}
    return _value(root, (), name, lines), lines


def _guard(text: str, name: str) -> None:
    """Refuse what would need a stack or memory of its own, before anything is built from it.

    Raises:
        ConfigError: With the place.
    """
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if count > MAX_ENTRIES:
            raise ConfigError(f"{_place(name, event)}: more than {MAX_ENTRIES} entries")
        if isinstance(event, yaml.AliasEvent):
            what = f"the alias *{event.anchor}: aliases are not read here, write it out"
            raise ConfigError(f"{_place(name, event)}: {what}")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            what = f"more than {MAX_DEPTH} lists and mappings in each other"
            raise ConfigError(f"{_place(name, event)}: {what}; settings need four")


def _place(name: str, at: Any) -> str:
    return f"{name}:{at.start_mark.line + 1}:{at.start_mark.column + 1}"


def _value(node: Any, path: Path, name: str, lines: dict[Path, int]) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, name)
    if node.tag not in (f"{_TAG}map", f"{_TAG}seq"):
        raise ConfigError(
            f"{_place(name, node)}: the tag {shown(node.tag)}: tags are not read here"
        )
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, path, name, lines) for item in node.value]
    found: dict[str, Any] = {}
    for key, value in node.value:
        said = _scalar(key, name) if isinstance(key, yaml.ScalarNode) else None
        if not isinstance(said, str):
            what = f"need a name, got {shown(said)}" if said is not None else "need a name"
            raise ConfigError(f"{_place(name, key)}: {what}; put it into quotes")
        if said in found:
            first = lines[(*path, said)]
            raise ConfigError(f"{_place(name, key)}: {shown(said)} stands in line {first} already")
        lines[(*path, said)] = key.start_mark.line + 1
        found[said] = _value(value, (*path, said), name, lines)
    return found


def _scalar(node: Any, name: str) -> Any:
    kind, text = node.tag.removeprefix(_TAG), node.value
    if kind == "str":
        return text
    try:
        if kind in ("null", "bool"):
            return _WORDS["null" if kind == "null" else text.lower()]
        if kind in ("int", "float") and len(text) <= _LONGEST_NUMBER:
            return _number(text, kind)
    except (KeyError, ValueError):
        kind = f"a broken {kind}"
    if kind in ("int", "float"):
        raise ConfigError(f"{_place(name, node)}: a number of {len(text)} digits is too long")
    raise ConfigError(f"{_place(name, node)}: the tag {shown(node.tag)}: tags are not read here")


def _number(text: str, kind: str) -> float:
    if kind == "int":
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _from_json(text: str, name: str) -> Parsed:
    try:
        data = json.loads(
            text,
            object_pairs_hook=lambda pairs: _unique(pairs, name),
            parse_constant=lambda word: _no_json(name, word),
            parse_int=lambda digits: _whole(digits, name),
        )
    except json.JSONDecodeError as error:
        if not text.strip():
            raise _empty(name) from error
        where = f"{name}:{error.lineno}:{error.colno}"
        raise ConfigError(f"{where}: {error.msg}; it is no JSON") from error
    except RecursionError as error:
        what = f"more than {MAX_DEPTH} lists and mappings in each other"
        raise ConfigError(f"{name}: {what}; settings need four") from error
    if data is None:
        raise _empty(name)
    if not isinstance(data, dict):
        raise _no_mapping(name)
    return data, _lines_of(text)


def _lines_of(text: str) -> dict[Path, int]:
    """Return the lines of the settings in JSON, which is YAML, too, unless it has tabs in it."""
    try:
        return _from_yaml(text, "")[1]
    except ConfigError:
        return {}


def _unique(pairs: list[tuple[str, Any]], name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ConfigError(f"{name}: {shown(key)} stands twice in one object")
        found[key] = value
    return found


def _no_json(name: str, word: str) -> Any:
    raise ConfigError(f"{name}: {word} is no JSON")


def _whole(digits: str, name: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ConfigError(f"{name}: a number of {len(digits)} digits is too long")
    return int(digits)


def _empty(name: str) -> ConfigError:
    return ConfigError(f"{name} is empty: write a setting into it, or remove it")


def _no_mapping(name: str) -> ConfigError:
    return ConfigError(f"{name}: need settings such as `mode: observe`, got something else")
