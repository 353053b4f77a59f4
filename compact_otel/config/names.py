"""What names of settings look like in the environment, and what is said of one that nobody knows.

The environment has one rule: a field's name in upper case behind `COMPACT_`, with its section in
between except for `policy` and `telemetry`. So `policy.trigger_pct` is `COMPACT_TRIGGER_PCT`, and
`storage.path` is `COMPACT_STORAGE_PATH`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from compact_otel.config.sections import CHAIN
from compact_otel.core.fields import Path, Problem, dotted

FILE_VARIABLE = "COMPACT_CONFIG"
"""Names the file; `none`: no file is read."""

_UNNAMED_SECTIONS = ("policy", "telemetry")
_CREDENTIAL = (
    r"(?i)(access|api|private)_?key|secret|passw|credential|(^|auth|access|session|api)_?token$"
)


def variable(path: Path) -> str:
    """Return the name of a field in the environment."""
    section, *names = path
    parts = names if names and section in _UNNAMED_SECTIONS else path
    return "_".join(("COMPACT", *parts)).upper()


def unknown(path: Path, valid: Iterable[str], *, elsewhere: Path | None = None) -> Problem:
    """Return what is said of a setting that is none.

    Args:
        path: As it was given.
        valid: Names that there are in its place.
        elsewhere: Where there is one of that name.
    """
    *section, name = path
    if re.search(_CREDENTIAL, name):
        text = f"is not a setting: credentials are none, {CHAIN}; models have OPENAI_API_KEY"
        return Problem((path,), text)
    if elsewhere is not None:
        return Problem((path,), f"is not a setting; did you mean {dotted(elsewhere)}?")
    known = sorted(valid)
    if near := nearest(name, known, cutoff=0.6):
        return Problem((path,), f"is not a setting; did you mean {dotted((*section, near))}?")
    return Problem((path,), f"is not a setting; valid are {', '.join(known)}")


def nearest(name: str, names: Iterable[str], *, cutoff: float) -> str | None:
    """Return the name that is most like another, None if none is."""
    import difflib  # only for those who mistype

    return next(iter(difflib.get_close_matches(name[:200], names, n=1, cutoff=cutoff)), None)
