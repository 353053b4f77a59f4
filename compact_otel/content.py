"""Whether words of a conversation may go out, and what they pass on their way.

One switch, the one of OpenTelemetry's GenAI instrumentations, for everything here: summaries,
queries and texts of exceptions on our own spans and log records, and what the Ariadne exporter
shows of everybody's spans. Without it only ids, counts and names leave the process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass

from compact_otel.forks import mutex
from compact_otel.redaction import Gate, Redactor

_log = logging.getLogger("compact_otel")

VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

LONGEST = 8 * 1024
"""Bytes of a text that go out."""

_REDACTOR = Redactor()

_complaining = mutex()
_complained: set[str] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What content goes out on; nothing by default.

    Attributes:
        on_spans: Whether attributes of spans and of their events may hold it.
        in_logs: Whether log records may.
    """

    on_spans: bool = False
    in_logs: bool = False

    def __bool__(self) -> bool:
        return self.on_spans or self.in_logs


NO_CONTENT = Capture()
CAPTURES = {
    "NO_CONTENT": NO_CONTENT,
    "SPAN_ONLY": Capture(on_spans=True),
    "EVENT_ONLY": Capture(in_logs=True),
    "SPAN_AND_EVENT": Capture(on_spans=True, in_logs=True),
}
"""What the variable may say."""


def captured(environment: Mapping[str, str] | None = None) -> Capture:
    """Return what the environment asks for.

    Whatever it says that is not one of the four values means nothing goes out, also the `true` of
    earlier days, and is told once.

    Args:
        environment: None for that of the process.
    """
    given = (os.environ if environment is None else environment).get(VARIABLE, "").strip()
    asked = CAPTURES.get(given.upper())
    if asked is None and given:
        with _complaining:
            is_new = given not in _complained
            _complained.add(given)
        if is_new:
            valid = ", ".join(CAPTURES)
            _log.warning(
                "need `%s` to be one of %s, got %r; no content goes out", VARIABLE, valid, given
            )
    return asked or NO_CONTENT


def cleaned(texts: Mapping[str, str], gate: Gate | None = None) -> dict[str, str]:
    """Return texts as they may go out: without secrets, then cut at 8 KiB.

    Args:
        texts: By name.
        gate: What takes the secrets out; None is `Redactor()`.
    """
    gate = gate or _REDACTOR
    return {name: _cut(str(gate.value(text))) for name, text in texts.items()}


def _cut(text: str) -> str:
    # A lone half of a surrogate pair, which no exporter can encode, becomes a question mark.
    whole = text.encode("utf-8", "replace")
    return whole[:LONGEST].decode("utf-8", "ignore")
