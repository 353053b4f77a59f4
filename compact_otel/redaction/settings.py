"""What may be asked of redaction. Loaded with the configuration, so without what finds secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from compact_otel.core.errors import ConfigError
from compact_otel.redaction.kinds import PERSONAL_KINDS

Custom = Callable[[str], str]
"""Takes a text, and returns it without what else is secret."""


def checked_kinds(field: str, kinds: Collection[str]) -> frozenset[str]:
    """Return kinds of personal data as a set.

    Raises:
        ConfigError: If one is not known.
    """
    if isinstance(kinds, str):
        kinds = (kinds,)
    for kind in kinds:
        if kind not in PERSONAL_KINDS:
            valid = ", ".join(PERSONAL_KINDS)
            raise ConfigError(f"need kinds of personal data in `{field}` ({valid}), got {kind!r}")
    return frozenset(kinds)


def compiled(field: str, pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    """Return a pattern of the user's.

    Raises:
        ConfigError: If it is not a regular expression.
    """
    try:
        return re.compile(pattern)
    except re.error as error:
        rule = f"need regular expressions in `{field}`"
        raise ConfigError(f"{rule}, got {pattern!r}: {error}") from error
