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

`scan` says where secrets stand. It looks for places worth a look first (`shadow`), and there for
telling names (`names`, `spoken`), tokens (`tokens`) and personal data (`personal`).

In doubt more is redacted: a word too much costs a word, a word too little costs a key.
"""

from compact_otel.redaction.kinds import ALLOWED, PERSONAL_KINDS, PersonalKind
from compact_otel.redaction.plain import MAX_DEPTH, plain
from compact_otel.redaction.redactor import (
    REDACTED,
    Custom,
    Gate,
    Redactor,
    Unredacted,
    checked_kinds,
    clean_name,
)

__all__ = [
    "ALLOWED",
    "MAX_DEPTH",
    "PERSONAL_KINDS",
    "REDACTED",
    "Custom",
    "Gate",
    "PersonalKind",
    "Redactor",
    "Unredacted",
    "checked_kinds",
    "clean_name",
    "plain",
]
