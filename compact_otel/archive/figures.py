"""Sizes, times and numbers, for people; and where they are shown."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table

from compact_otel.core.errors import StorageError

_NEXT = 999.5  # would be shown as a thousand


def size(number: int) -> str:
    """Return a number of bytes in a unit in which it is short."""
    amount, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < _NEXT:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:,.{0 if unit == 'B' else 1}f} {unit}"


def instant(seconds: float) -> str:
    """Return seconds since the epoch in UTC, as ISO 8601."""
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return "?"  # a file may have any time
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def counted(number: int, what: str) -> str:
    """Return a number of things."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def console() -> Console:
    """Return standard output for text that may hold letters which a terminal does not know."""
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")
    return Console(highlight=False)


def table(*names: str) -> Table:
    """Return a table; a name that begins with `>` is of a column of numbers."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in names:
        if name.startswith(">"):
            made.add_column(name[1:], justify="right", no_wrap=True)
        else:
            made.add_column(name, overflow="fold")
    return made


@contextmanager
def told() -> Iterator[None]:
    """Turn an archive that cannot be read or written into an error of the command."""
    try:
        yield
    except StorageError as error:
        raise click.ClickException(error.strerror or str(error)) from error
