"""The gate that everything passes on its way out of the process: plain JSON data, no secrets.

Rules it keeps:

1. Nothing that is given is changed; what comes out is a copy of the same structure.
2. Whatever goes in, JSON data comes out: `plain` knows models, dates and bytes, and never raises.
3. A secret is replaced by `<REDACTED>`, its name stays: `api_key=<REDACTED>`.
4. A text that is a JSON document stays one: it is redacted literal by literal, and its layout is
   kept. In a fragment (a log line, a document cut short) a secret ends at the closing quote.
5. Time is linear in the length of a text, whatever stands in it: nothing here looks at a character
   more than a fixed number of times. Patterns of the user's own are the user's to judge.
6. Personal data does not pass unless its kind is allowed by name.
7. A text is judged as if it stood alone, whatever it is looked at together with.

The strings of data are gathered (`strings`; `documents` for texts that are JSON), and `scan` says
where in them secrets stand. It looks for places worth a look in all of them at once (`shadow`), and
there in each for telling names (`names`, `spoken`), tokens (`tokens`) and personal data
(`personal`). What a summary says again of what its source tells to be secret is taken
out by `repeated`.

In doubt more is redacted: a word too much costs a word, a word too little costs a key.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compact_otel.redaction.data import MAX_DEPTH, REDACTED, plain
    from compact_otel.redaction.kinds import ALLOWED, PERSONAL_KINDS, PersonalKind
    from compact_otel.redaction.redactor import (
        Gate,
        Redactor,
        Unredacted,
        clean_name,
    )
    from compact_otel.redaction.repeated import Source
    from compact_otel.redaction.settings import Custom, checked_kinds

__all__ = [
    "ALLOWED",
    "MAX_DEPTH",
    "PERSONAL_KINDS",
    "REDACTED",
    "Custom",
    "Gate",
    "PersonalKind",
    "Redactor",
    "Source",
    "Unredacted",
    "checked_kinds",
    "clean_name",
    "plain",
]

_HOMES = {
    "kinds": ("ALLOWED", "PERSONAL_KINDS", "PersonalKind"),
    "data": ("MAX_DEPTH", "REDACTED", "plain"),
    "redactor": ("Gate", "Redactor", "Unredacted", "clean_name"),
    "repeated": ("Source",),
    "settings": ("Custom", "checked_kinds"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the configuration needs none of the tables."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
