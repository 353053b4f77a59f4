"""Settings in force, each with where it comes from; and what OpenTelemetry's own start asks for."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Any

from compact_otel.config.environment import from_environment
from compact_otel.config.finding import StrPath
from compact_otel.config.layers import Layer, all_rules, origin_in, settled, value_at
from compact_otel.config.loading import gathered
from compact_otel.config.root import CompactConfig
from compact_otel.config.sections import RedactionConfig, TelemetryConfig
from compact_otel.core.errors import ConfigError
from compact_otel.core.fields import Path

_log = logging.getLogger("compact_otel")


@dataclass(frozen=True, slots=True)
class Setting:
    """One field with its value in force.

    Attributes:
        path: Names from the top to the field.
        value: Its value.
        origin: From where it comes: `default`, `argument`, the name of an environment variable, or
            file and line.
        is_secret: Whether its value is not to be shown.
        in_environment: Whether the environment can set it.
    """

    path: Path
    value: Any
    origin: str
    is_secret: bool
    in_environment: bool


def effective(file: StrPath | None = None, **arguments: Any) -> list[Setting]:
    """Return each field with its value, and from where that comes.

    Raises:
        ConfigError: As `CompactConfig.load`.
    """
    layers = gathered(file, arguments)
    config = settled(CompactConfig(), layers)
    return [
        Setting(
            path,
            value_at(config, path),
            origin_in(layers, path),
            is_secret=rule.is_secret,
            in_environment=rule.in_environment,
        )
        for path, rule in all_rules()
    ]


def for_telemetry() -> tuple[TelemetryConfig, RedactionConfig]:
    """Return the two sections of which OpenTelemetry's own start needs to know.

    It would give up on all telemetry if this raised. So what is wrong is told in the log, and the
    section it stands in is as it comes.
    """
    try:
        layers = gathered()
    except ConfigError as error:
        _log.error("%s; nothing of that file holds", error)
        layers = [from_environment(os.environ)]
    found = CompactConfig()
    for section in ("telemetry", "redaction"):
        try:
            found = settled(found, [_part(layer, section) for layer in layers])
        except ConfigError as error:
            _log.error("%s; all of `%s` is as it comes", error, section)
    return found.telemetry, found.redaction


def _part(layer: Layer, section: str) -> Layer:
    """Return what a layer says of a section."""
    values = {path: value for path, value in layer.values.items() if path[0] == section}
    problems = [each for each in layer.problems if each.paths and each.paths[0][0] == section]
    return Layer(layer.origin, values, layer.origins, problems)
