"""What a command writes where its user says: whole or not at all, for its owner alone."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import click

from compact_otel.printable import printable

STDOUT = "-"


def check(output: str, *, option: str) -> None:
    """Find out before the work whether its result could be written.

    Raises:
        BadParameter: If not.
    """
    if output == STDOUT:
        return
    target = Path(output)
    folder = target.parent
    if target.is_dir() or not folder.is_dir():
        number = 21 if target.is_dir() else 2 if not folder.exists() else 20
        raise _unwritable(output, OSError(number, os.strerror(number)), option)
    if not os.access(target if _is_special(target) else folder, os.W_OK):
        raise _unwritable(output, PermissionError(13, os.strerror(13)), option)


def written(text: str, output: str, *, option: str) -> None:
    """Write a text to a file, or to stdout for `-`.

    Raises:
        BadParameter: If it cannot be written.
    """
    if output == STDOUT:
        # A page says that it is UTF-8, whatever the terminal speaks.
        click.echo(text.encode("utf-8", "replace"), nl=False)
        return
    try:
        _write(Path(output), text)
    except OSError as error:
        raise _unwritable(output, error, option) from error


def _write(target: Path, text: str) -> None:
    if target.is_dir():
        raise IsADirectoryError(21, os.strerror(21))
    if _is_special(target):  # `/dev/null` is to be written to, not to be replaced
        target.write_text(text, encoding="utf-8")
        return
    target = target.resolve()  # what a link names is replaced, and not the link
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name[:64]}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:  # mkstemp: 0600
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def _is_special(target: Path) -> bool:
    return target.exists() and not target.is_file()


def _unwritable(output: str, error: OSError, option: str) -> click.BadParameter:
    why = os.strerror(error.errno) if error.errno else type(error).__name__
    return click.BadParameter(
        f"cannot write {printable(output)}: {why}; name a file in a folder that is there and "
        "may be written",
        param_hint=f"'{option}'",
    )
