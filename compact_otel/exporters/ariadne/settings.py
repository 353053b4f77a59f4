"""Settings of the exporter: arguments first, then the environment, then what is usual."""

from __future__ import annotations

import ipaddress
import logging
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, get_args
from urllib.parse import urlsplit

from compact_otel.core.errors import ConfigError
from compact_otel.exporters.ariadne.rows import EventRows, Group

_log = logging.getLogger("compact_otel")

ENDPOINT = "http://127.0.0.1:5175"
"""Where the viewer listens unless it is told otherwise."""

LONGEST_TIMEOUT_S = 2.0
"""For one request."""

_PREFIX = "COMPACT_ARIADNE_"


def settled(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings; those that are None come from the environment, or are as usual.

    Raises:
        ConfigError: If one that is given is impossible. What is wrong in the environment is told
            in the log, and counts as not set.
    """
    known = {**_DEFAULTS, **_from_environment(os.environ)}
    for name, value in given.items():
        if value is not None:
            known[name] = _CHECKS[name](name, value)
    _warn_of_distance(known["endpoint"])
    return known


def _warn_of_distance(endpoint: str) -> None:
    host = urlsplit(endpoint).hostname or ""
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = host == "localhost"
    if not near:
        _log.warning("[Ariadne] %s is not this machine: spans go there in clear", endpoint)


def _address(name: str, value: Any) -> str:
    try:
        parts = urlsplit(value)
        is_plain = not (parts.query or parts.fragment) and parts.port != 0
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain
    except (ValueError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise ConfigError(f"need an address such as {ENDPOINT} in `{name}`, got {value!r}")
    return str(value)


def _seconds(name: str, value: Any) -> float:
    try:
        seconds = float(value)
    except (ValueError, TypeError):
        seconds = math.nan
    if isinstance(value, bool) or not 0 < seconds <= LONGEST_TIMEOUT_S:
        raise ConfigError(f"need 0 < `{name}` <= {LONGEST_TIMEOUT_S:g} seconds, got {value!r}")
    return seconds


def _event_rows(name: str, value: Any) -> str:
    return _one_of(name, value, get_args(EventRows))


def _group(name: str, value: Any) -> str:
    return _one_of(name, value, get_args(Group))


def _one_of(name: str, value: Any, valid: Sequence[str]) -> str:
    if value not in valid:
        raise ConfigError(f"need `{name}` to be one of {', '.join(valid)}, got {value!r}")
    return str(value)


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _switch(name: str, value: Any) -> bool:
    found = _BOOLEANS.get(str(value).lower())
    if found is None:
        raise ConfigError(f"need true or false in `{name}`, got {value!r}")
    return found


_CHECKS = {
    "endpoint": _address,
    "timeout": _seconds,
    "event_rows": _event_rows,
    "group": _group,
    "icon": _switch,
}
_LIVE = f"{_PREFIX}LIVE"
_DEFAULTS: Mapping[str, Any] = {
    "endpoint": ENDPOINT,
    "timeout": LONGEST_TIMEOUT_S,
    "event_rows": "compact",
    "group": "agent",
    "icon": True,
}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what the environment sets; what is wrong there is told, and left out."""
    found: dict[str, Any] = {}
    known = {f"{_PREFIX}{name.upper()}": name for name in _CHECKS}
    for variable in sorted(each for each in environment if each.startswith(_PREFIX)):
        if variable == _LIVE:  # not a setting of one exporter
            continue
        text = environment[variable].strip()
        if variable not in known:
            _log.error(
                "[Ariadne] `%s` is not a setting; there are %s",
                variable,
                ", ".join([*known, _LIVE]),
            )
        elif text:
            name = known[variable]
            try:
                found[name] = _CHECKS[name](variable, text)
            except ConfigError as error:
                _log.error("[Ariadne] %s; it counts as not set", error)
    return found


def is_live(environment: Mapping[str, str], *, usual: bool) -> bool:
    """Say whether rows go to the viewer before their span is over.

    Args:
        environment: Of the process; a wrong value there is told, and counts as not set.
        usual: What holds where nothing is said.
    """
    text = environment.get(_LIVE, "").strip()
    try:
        return _switch(_LIVE, text) if text else usual
    except ConfigError as error:
        _log.error("[Ariadne] %s; it counts as not set", error)
        return usual
