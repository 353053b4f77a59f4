"""Settings of the exporter: arguments first, then the configuration, then what is usual."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from compact_otel.config import TelemetryConfig
from compact_otel.config.sections import is_near
from compact_otel.core.fields import failed, rules_of

_log = logging.getLogger("compact_otel")

LONGEST_TIMEOUT_S = 2.0
"""For one request."""

_FIELDS = {
    "endpoint": "ariadne_url",
    "timeout": "ariadne_timeout",
    "event_rows": "ariadne_event_rows",
    "group": "ariadne_group",
    "icon": "ariadne_icon",
}


def settled(given: Mapping[str, Any], configured: TelemetryConfig) -> TelemetryConfig:
    """Return the configuration with the arguments of an exporter that are not None.

    Raises:
        ConfigError: If one that is given is impossible.
    """
    rules = rules_of(TelemetryConfig)
    said = {name: value for name, value in given.items() if value is not None}
    wrong = (rules[_FIELDS[name]].problem(value, (name,)) for name, value in said.items())
    if problems := [problem for problem in wrong if problem is not None]:
        raise failed(problems)
    known = replace(configured, **{_FIELDS[name]: value for name, value in said.items()})
    if not is_near(known.ariadne_url):
        told = "[Ariadne] %s is not this machine: spans go there in clear"
        _log.warning(told, known.ariadne_url)
    return known
