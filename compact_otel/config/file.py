"""What a file sets: read with care, since a program that starts reads it, whoever put it there."""

from __future__ import annotations

import codecs
import os
import stat

from compact_otel.config.checking import checked
from compact_otel.config.layers import Layer
from compact_otel.config.parsing import parsed
from compact_otel.core.errors import ConfigError
from compact_otel.printable import printable

MAX_BYTES = 1 << 20

_OTHERS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def from_file(path: str) -> Layer:
    """Return what a file sets; what is wrong with single settings is among its problems.

    Args:
        path: YAML, or JSON if the name ends in `.json`.

    Raises:
        ConfigError: If it cannot be read as settings at all.
    """
    name = printable(path)
    data, lines = parsed(_text(path, name), name)
    values, problems = checked(data)
    origins = {setting: f"{name}:{line}" for setting, line in lines.items()}
    problems.sort(key=lambda problem: lines.get(problem.paths[0], 0))
    return Layer(name, values, origins, problems)


def _text(path: str, name: str) -> str:
    content = _content(path, name)
    if content.startswith(_OTHERS):
        raise ConfigError(f"{name} is not UTF-8, but UTF-16 or UTF-32: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].rpartition(b"\n")
        line = content.count(b"\n", 0, error.start) + 1
        where = f"{name}:{line}:{len(before[2]) + 1}"
        byte = content[error.start]
        raise ConfigError(
            f"{where}: the byte 0x{byte:02x} is not UTF-8: save it as UTF-8"
        ) from error


def _content(path: str, name: str) -> bytes:
    try:
        # A pipe without a writer would keep us waiting.
        handle = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
        with os.fdopen(handle, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise _no_file(name, mode)
            content = file.read(MAX_BYTES + 1)
    except IsADirectoryError as error:
        raise _no_file(name, stat.S_IFDIR) from error
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        raise ConfigError(f"{name} cannot be read: {why}") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{name} is larger than {MAX_BYTES >> 20} MiB: settings are shorter")
    return content


def _no_file(name: str, mode: int) -> ConfigError:
    what = "a folder" if stat.S_ISDIR(mode) else "no regular file"
    return ConfigError(f"{name} is {what}: need a file with settings")
