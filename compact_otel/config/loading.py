"""From where settings come, and who wins: an argument over the environment, that over the file.

That holds field by field. Where each value comes from is kept until all of them are checked, so
that an error can say it, and `compactctl config show`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from compact_otel.config.environment import from_environment
from compact_otel.config.finding import StrPath, file_to_read
from compact_otel.config.layers import Layer, settled
from compact_otel.config.names import unknown
from compact_otel.config.root import SECTIONS, CompactConfig, not_a_section
from compact_otel.core.settings import CompactPolicy

ARGUMENT = "argument"


def loaded(file: StrPath | None, arguments: Mapping[str, Any]) -> CompactConfig:
    """Return the configuration of file, environment and arguments; see `CompactConfig.load`."""
    return settled(CompactConfig(), gathered(file, arguments))


def gathered(
    file: StrPath | None = None, arguments: Mapping[str, Any] | None = None
) -> list[Layer]:
    """Return all layers, the strongest first.

    Raises:
        ConfigError: If the file cannot be read.
    """
    layers = [from_arguments(arguments or {}), from_environment(os.environ)]
    if path := file_to_read(os.environ, file):
        from compact_otel.config.file import from_file  # it loads more, and mostly there is none

        layers.append(from_file(path))
    return layers


def replace_fields(config: CompactConfig, **arguments: Any) -> CompactConfig:
    """Return `config` with other values; policy fields may be given flat, sections as mappings.

    Raises:
        ConfigError: If a name is unknown or a value is impossible.
    """
    return settled(config, [from_arguments(arguments)], "as it was")


def from_arguments(arguments: Mapping[str, Any]) -> Layer:
    """Return what arguments set, of which a section that is whole sets all its fields."""
    layer = Layer(ARGUMENT)
    top = [entry.name for entry in fields(CompactConfig)]
    policy = [entry.name for entry in fields(CompactPolicy)]
    # A section is whole first: what is given flat beside it changes it.
    for name, value in sorted(arguments.items(), key=lambda given: given[0] not in SECTIONS):
        if name in SECTIONS:
            _take_section(layer, name, value)
        elif name in top:
            layer.values[(name,)] = value
        elif name in policy:
            layer.values["policy", name] = value
        else:
            layer.problems.append(unknown((name,), [*top, *policy]))
    return layer


def _take_section(layer: Layer, section: str, value: object) -> None:
    names = [entry.name for entry in fields(SECTIONS[section])]
    if isinstance(value, SECTIONS[section]):
        value = {name: getattr(value, name) for name in names}
    if not isinstance(value, Mapping):
        if problem := not_a_section(section, value):
            layer.problems.append(problem)
        return
    for name, part in value.items():
        if name in names:
            layer.values[section, name] = part
        else:
            layer.problems.append(unknown((section, str(name)), names))
