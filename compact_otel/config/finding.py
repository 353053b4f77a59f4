"""Which file holds the settings."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from compact_otel.config.names import FILE_VARIABLE
from compact_otel.core.errors import ConfigError
from compact_otel.core.fields import shown

StrPath = str | os.PathLike[str]

NAMES = ("compact.yaml", "compact.yml", "compact.json")
"""What is looked for in the working directory; the first that is there is read."""

NO_FILE = "none"

_log = logging.getLogger("compact_otel")


def file_to_read(environment: Mapping[str, str], given: StrPath | None = None) -> str | None:
    """Return the path of the file with the settings, None without one.

    Args:
        environment: `COMPACT_CONFIG` names a file, `none`: there is none; empty is not set.
        given: The file that an argument names.

    Raises:
        ConfigError: If a file that is named is not there.
    """
    if given is not None:
        return _named(os.fspath(given), "`config`")
    said = environment.get(FILE_VARIABLE, "").strip()
    if said:
        return None if said.lower() == NO_FILE else _named(said, FILE_VARIABLE)
    found = [name for name in NAMES if os.path.lexists(name)]
    if len(found) > 1:
        _log.warning("%s is read, and not %s: one is enough", found[0], " and ".join(found[1:]))
    return found[0] if found else None


def file_in_force(given: StrPath | None = None) -> str | None:
    """Return the file that holds here and now; see `file_to_read`."""
    return file_to_read(os.environ, given)


def _named(path: str, who: str) -> str:
    if "\0" not in path and os.path.lexists(path):
        return path
    raise ConfigError(
        f"{who} names the file {shown(path)}, which is not there: correct it, or leave it out "
        f"({FILE_VARIABLE}={NO_FILE} reads no file)"
    )
