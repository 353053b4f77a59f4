"""What `compactctl validate-config` and `compactctl config` do between options and exit code."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from compact_otel.config import CompactConfig
from compact_otel.config.effective import Setting, effective
from compact_otel.config.finding import NAMES, file_in_force
from compact_otel.config.layers import settled
from compact_otel.config.names import FILE_VARIABLE, variable
from compact_otel.core.errors import ConfigError
from compact_otel.core.fields import dotted
from compact_otel.printable import printable
from compact_otel.redaction import Redactor

_NOT_SHOWN = "<set, not shown>"


@contextmanager
def read_from(file: str) -> Iterator[None]:
    """Let a command read its settings from a file, as `COMPACT_CONFIG` does."""
    before = os.environ.get(FILE_VARIABLE)
    os.environ[FILE_VARIABLE] = file
    try:
        yield
    finally:
        if before is None:
            del os.environ[FILE_VARIABLE]
        else:
            os.environ[FILE_VARIABLE] = before


def validate(file: str | None, *, as_json: bool) -> bool:
    """Say whether a file can be used; without one, whether what is in force here can.

    Args:
        file: Path of a file, which is looked at by itself.
        as_json: Whether it is printed as one JSON object.

    Raises:
        UsageError: If there is no such file.
    """
    name, error = _file(file), None
    try:
        _look_at(file)
    except ConfigError as found:
        error = str(found)
    if as_json:
        lines = [line.strip() for line in error.splitlines()] if error else []
        problems = lines[1:] if len(lines) > 1 else lines
        click.echo(json.dumps({"file": name, "valid": not error, "problems": problems}, indent=2))
    elif error is not None:
        click.echo(error, err=True)
    else:
        click.echo(f"{_place(name, alone=file is not None)}: can be used")
    return error is None


def _look_at(file: str | None) -> None:
    if file is None:
        CompactConfig.load()
        return
    from compact_otel.config.file import from_file

    settled(CompactConfig(), [from_file(file)])


def _place(name: str | None, *, alone: bool) -> str:
    if name is None:
        return f"no file ({', '.join(NAMES)}, or COMPACT_CONFIG); the environment"
    return printable(name) if alone else f"{printable(name)} and the environment"


def show(*, as_json: bool) -> None:
    """Print each setting with its value and from where that comes.

    Args:
        as_json: Whether it is printed as one JSON object.

    Raises:
        UsageError: If file or environment cannot be used.
    """
    name = _file(None)
    try:
        settings = effective()
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    gate = Redactor()
    rows = [(setting, gate.value(_plain(setting))) for setting in settings]
    if as_json:
        listed = [_as_json(setting, value) for setting, value in rows]
        click.echo(json.dumps({"file": name, "settings": listed}, indent=2))
        return
    table = Table.grid(padding=(0, 2))
    for setting, value in rows:
        style = "dim" if setting.origin == "default" else ""
        shown = value if isinstance(value, str) else json.dumps(value)
        table.add_row(Text(dotted(setting.path), style), Text(printable(shown), style),
                      Text(setting.origin, style))  # fmt: skip
    console = Console(highlight=False)
    console.print(table)
    console.print(f"\n{printable(name)} is read." if name else "\nNo file is read.", markup=False)


def schema() -> None:
    """Print the JSON schema of a file."""
    from compact_otel.config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


def _file(given: str | None) -> str | None:
    try:
        return file_in_force(given)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def _plain(setting: Setting) -> Any:
    """Return a value as JSON data, without what is secret."""
    value = setting.value
    if setting.is_secret and value is not None:
        return _NOT_SHOWN
    if isinstance(value, Mapping):
        return {name: dict(more) for name, more in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _as_json(setting: Setting, value: Any) -> dict[str, Any]:
    return {
        "setting": dotted(setting.path),
        "value": value,
        "from": setting.origin,
        "variable": variable(setting.path) if setting.in_environment else None,
    }
