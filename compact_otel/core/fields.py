"""What a field of the settings may be: its type and its bounds, declared once for every way in.

A rule is read off a dataclass's field. The type says what a value is; `metadata` says the rest, and
its bounds go by the names that pydantic has for them:

    gt, ge, lt, le   bounds of a number
    check            a function that says whether a text will do
    what             what a value is, in words: "a folder"
    show             a function that returns what of a wrong value may be shown
    way_out          what to do about a wrong one
    file             false: not in a file
    secret           true: never shown
    own_check        true: what it may be, its section checks
    lenient          true: a wrong value of the environment is told, and counts as not set

A problem names its fields by their paths, so that whoever loaded them can say where they came from.
"""

from __future__ import annotations

import collections.abc
import json
import math
import re
import reprlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, cast, get_args, get_origin, get_type_hints

from compact_otel.core.addresses import without_user
from compact_otel.core.errors import ConfigError

Path = tuple[str, ...]
"""Names from the top to a field: `("policy", "trigger_pct")`."""

_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_SCALARS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_LONGEST = 120
_HUGE = 10**18  # far above it a share of a number cannot be computed
_MOST = 20
_USER = r"//\S*@"
_PLAIN = r"[A-Za-z_][A-Za-z0-9_]{,80}"


class _Shorter(reprlib.Repr):
    """Cuts what is long, but no password in two."""

    def repr_str(self, x: str, level: int) -> str:
        return super().repr_str(without_user(x), level)


_shorter = _Shorter()
_shorter.maxstring = _shorter.maxother = _shorter.maxlong = _LONGEST


def dotted(path: Path) -> str:
    """Return a path as text: `policy.trigger_pct`, `models['gpt-4o*'].trigger_pct`."""
    parts = [f".{part}" if re.fullmatch(_PLAIN, part) else f"[{shown(part)}]" for part in path]
    return "".join(parts).removeprefix(".")


def shown(value: object) -> str:
    """Return a value as it may stand in a message: not long, on one line, without a password."""
    try:
        return re.sub(_USER, "//...@", _shorter.repr(value))
    except ValueError:  # a number of thousands of digits
        return f"a value of type {type(value).__name__} that is too long to be shown"


class Problem(NamedTuple):
    """One thing that is wrong with settings.

    Attributes:
        paths: Fields that it is about; without one the rule says all.
        rule: What does not hold: `must be > 0 and <= 1`.
        got: Values of the fields; none where they are not shown.
        way_out: What to do about it, where the rule does not say it.
    """

    paths: tuple[Path, ...]
    rule: str
    got: tuple[object, ...] = ()
    way_out: str = ""

    def told(self, origin: str = "", show: Callable[[object], str] = shown) -> str:
        """Return it as a sentence.

        Args:
            origin: Where the values came from, if that is known.
            show: Turns a value into text.
        """
        text = f"{dotted(self.paths[0])} {self.rule}" if self.paths else self.rule
        if self.got:
            text += f", got {' and '.join(map(show, self.got))}"
        if origin:
            text += f" ({origin})"
        return f"{text}: {self.way_out}" if self.way_out else text


def failed(problems: Iterable[Problem], told: Iterable[str] | None = None) -> ConfigError:
    """Return the error that tells of problems, of several together.

    Args:
        problems: What is wrong; at least one thing.
        told: The same as sentences, where these say more.
    """
    kept = tuple(problems)
    lines = list(map(Problem.told, kept) if told is None else told)
    if len(lines) > 1:
        more = [f"... and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
        lines = [f"{len(lines)} settings cannot be used:", *lines[:_MOST], *more]
    return ConfigError("\n  ".join(lines), problems=kept)


class Rule(NamedTuple):
    """What one field may be.

    Attributes:
        name: Name of the field.
        kinds: Scalars that it may be: `bool`, `int`, `float`, `str`.
        metadata: What else is declared of it; see the head of the module.
        words: The texts that it may be, if these are few.
        items: What is in it, if it is a list.
        optional: Whether it may be None.
        is_function: Whether it may be a function.
        is_mapping: Whether it is a mapping.
    """

    name: str
    kinds: frozenset[type]
    metadata: Mapping[str, Any]
    words: tuple[str, ...] = ()
    items: Rule | None = None
    optional: bool = False
    is_function: bool = False
    is_mapping: bool = False

    @property
    def in_environment(self) -> bool:
        """Whether a text can say it."""
        return bool(self.kinds or self.words or self.items or self.is_mapping)

    @property
    def in_file(self) -> bool:
        """Whether it may stand in a file."""
        return bool(self.in_environment and self.metadata.get("file", True))

    @property
    def is_secret(self) -> bool:
        """Whether its value is never shown."""
        return bool(self.metadata.get("secret", False))

    @property
    def is_lenient(self) -> bool:
        """Whether a wrong value of the environment counts as not set."""
        return bool(self.metadata.get("lenient", False))

    @property
    def bounds(self) -> str:
        """Its bounds in words: `> 0 and <= 1`."""
        given = [name for name in _BOUNDS if name in self.metadata]
        return " and ".join(f"{_BOUNDS[name]} {self.metadata[name]:g}" for name in given)

    @property
    def what(self) -> str:
        """What it is, in words."""
        if self.words:
            return f"one of {', '.join(self.words)}"
        if self.items is not None:
            return f"a list of {self.metadata.get('what', ', '.join(self.items.words) or 'texts')}"
        kind = next((_SCALARS[kind] for kind in _SCALARS if kind in self.kinds), "a value")
        return " ".join(filter(None, (self.metadata.get("what", kind), self.bounds)))

    def broken_by(self, value: object) -> str | None:
        """Return what does not hold for a value (`must be > 0`), None for one that will do."""
        if (value is None and self.optional) or (self.is_function and callable(value)):
            return None
        if self.metadata.get("own_check"):
            return None
        if self.items is not None:
            fits = isinstance(value, list | tuple) and not any(map(self.items.broken_by, value))
        elif self.words:
            fits = isinstance(value, str) and value in self.words
        elif self.is_mapping:
            fits = isinstance(value, collections.abc.Mapping)
        elif isinstance(value, bool | str):
            kind = bool if isinstance(value, bool) else str
            fits = kind in self.kinds and self._will_do(value)
        else:
            return self._broken_by_number(value)
        return None if fits else f"must be {self.what}"

    def _will_do(self, value: object) -> bool:
        check = self.metadata.get("check")
        return check is None or bool(check(value))

    def _broken_by_number(self, value: object) -> str | None:
        fits = (int, float) if float in self.kinds else (int,) if int in self.kinds else ()
        if not isinstance(value, fits):
            return f"must be {self.what}"
        if isinstance(value, int) and abs(value) >= _HUGE:
            return f"must be {self.what}, of at most 18 digits"
        if math.isinf(value):
            return f"must be finite, {self.what}"
        if self._is_within(value):
            return None
        is_plain = float in self.kinds and "what" not in self.metadata
        return f"must be {self.bounds if is_plain and self.bounds else self.what}"

    def _is_within(self, value: float) -> bool:
        bounds = self.metadata
        return (
            value == value  # noqa: PLR0124 - a NaN is not
            and value > bounds.get("gt", -math.inf)
            and value >= bounds.get("ge", -math.inf)
            and value < bounds.get("lt", math.inf)
            and value <= bounds.get("le", math.inf)
        )

    def problem(self, value: object, path: Path) -> Problem | None:
        """Return what is wrong with a value, None if nothing is.

        Args:
            value: What is to be the field's value.
            path: Where the field stands.
        """
        rule = self.broken_by(value)
        if rule is None:
            return None
        way_out = self.metadata.get("way_out", "")
        if isinstance(value, str) and not self.words and not self.is_mapping:
            meant = self.from_text(value)
            if meant is not value and meant is not None and self.broken_by(meant) is None:
                way_out = f"that is a text, write {json.dumps(meant)}"
        show = self.metadata.get("show", lambda value: value)
        return Problem((path,), rule, () if self.is_secret else (show(value),), way_out)

    def from_text(self, text: str) -> Any:
        """Return a text of the environment as a value; one that cannot be read as it is.

        Lists are separated by commas, regular expressions by line feeds; mappings are JSON.
        """
        plain = text.strip()
        if plain.lower() == "none" and (self.optional or self.items is not None):
            return None if self.items is None else ()
        if self.items is not None:
            between = self.metadata.get("between", ",")
            return tuple(part.strip() for part in text.split(between) if part.strip())
        if bool in self.kinds:
            return _BOOLEANS.get(plain.lower(), text)
        if not self.is_mapping and not self.kinds & {int, float}:
            return plain
        read = json.loads if self.is_mapping else float if float in self.kinds else int
        try:
            return read(plain)
        except (ValueError, RecursionError):
            return text


@cache
def _rules_of(record: Hashable) -> Mapping[str, Rule]:
    kind: Any = record
    hints = get_type_hints(kind)
    return {
        entry.name: _rule(entry.name, hints[entry.name], entry)
        for entry in fields(kind)
        if not is_dataclass(hints[entry.name])
    }


def rules_of(record: type[Any]) -> Mapping[str, Rule]:
    """Return the rules of a dataclass's fields by their names, without those of sections."""
    return _rules_of(cast("Hashable", record))


def _rule(name: str, hint: Any, entry: Field[Any] | None = None) -> Rule:
    metadata: Mapping[str, Any] = {} if entry is None else entry.metadata
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    lists = [option for option in options if get_origin(option) is tuple]
    words = [option for option in options if get_origin(option) is Literal]
    return Rule(
        name=name,
        kinds=frozenset(option for option in options if option in _SCALARS),
        words=tuple(word for option in words for word in get_args(option)),
        items=_rule(name, get_args(lists[0])[0]) if lists else None,
        optional=type(None) in options,
        is_function=any(get_origin(each) is collections.abc.Callable for each in options),
        is_mapping=any(get_origin(each) is collections.abc.Mapping for each in options),
        metadata=metadata,
    )


def check(record: Any, section: Path = ()) -> None:
    """Check each field of a settings record by itself; lists become tuples.

    Args:
        record: A dataclass that is just being made.
        section: Where it stands.

    Raises:
        ConfigError: If values are impossible; it tells of all of them.
    """
    problems = list(_problems(record, section))
    if problems:
        raise failed(problems)


def _problems(record: Any, section: Path) -> Iterator[Problem]:
    # Most of it is as it comes, and need not be looked at; to read rules takes a program's start.
    given = {entry.name: getattr(record, entry.name) for entry in fields(record)}
    changed = [entry.name for entry in fields(record) if not _is_usual(entry, given[entry.name])]
    rules = rules_of(type(record)) if changed else {}
    for name in changed:
        rule, value = rules.get(name), given[name]
        problem = None if rule is None else rule.problem(value, (*section, name))
        if problem is not None:
            yield problem
        elif rule is not None and rule.items is not None and not isinstance(value, tuple):
            object.__setattr__(record, name, tuple(value))


def _is_usual(entry: Field[Any], value: object) -> bool:
    """Say whether a value is that of a field to which nothing was said, or a section."""
    if entry.default is not MISSING:
        return value is entry.default
    # What is no mapping is a section, which its own type has checked.
    return entry.default_factory is not dict or (isinstance(value, dict) and not value)


def need(condition: bool, problem: Problem) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise the error that tells of a problem if a condition does not hold.

    Raises:
        ConfigError: If it does not.
    """
    if not condition:
        raise failed([problem])
