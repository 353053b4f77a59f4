"""What the environment sets; how its names come about says `names`.

Lists are separated by commas (regular expressions by line feeds), and `none` is an empty one, or
says that a field which may be left out is. `models` and `agents` are a JSON object each. A
`COMPACT_` name that no field has may belong to another program, so it is only warned about when it
looks like a typo.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache

from compact_otel.config.layers import Layer, all_rules, redacted
from compact_otel.config.names import FILE_VARIABLE, nearest, variable
from compact_otel.core.fields import Path, Rule

_log = logging.getLogger("compact_otel")

_PREFIX = "COMPACT_"
_VIEWER = "COMPACT_ARIADNE_"
"""Nobody else's program has names that begin like that."""


def from_environment(environment: Mapping[str, str]) -> Layer:
    """Return what the environment sets.

    A wrong value of a field that is lenient is told here, and left out: telemetry that was misspelt
    is no reason to leave the calls to overflow.
    """
    layer = Layer("environment")
    origins: dict[Path, str] = {}
    for name, text in environment.items():
        if not name.startswith(_PREFIX) or not text.strip() or name == FILE_VARIABLE:
            continue
        known = variables().get(name)
        if known is None:
            _warn(name)
            continue
        path, rule = known
        value = rule.from_text(text)
        problem = rule.problem(value, path)
        if problem is not None and rule.is_lenient:
            _log.warning("%s; it counts as not set", problem.told(name, redacted))
            continue
        origins[path] = name
        layer.values[path] = value
    layer.origins = origins
    return layer


@cache
def variables() -> Mapping[str, tuple[Path, Rule]]:
    """Return (path, rule) of each field that the environment can set, by its name there."""
    return {variable(path): (path, rule) for path, rule in all_rules() if rule.in_environment}


def _warn(name: str) -> None:
    if name.startswith(_VIEWER):
        valid = ", ".join(each for each in variables() if each.startswith(_VIEWER))
        _log.warning("%s is not a setting; there are %s", name, valid)
    elif near := nearest(name, variables(), cutoff=0.8):
        _log.warning("%s is not a setting; did you mean %s?", name, near)
