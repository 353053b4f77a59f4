"""Events as JSON lines, for a terminal, a log collector, or `2> events.jsonl`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from compact_otel.redaction import Gate, Redactor

_FIRST = ("ts", "session_id", "event")


class TextStream(Protocol):
    """What lines are written to: anything with `write`."""

    def write(self, text: str, /) -> object:
        """Take one whole line, its line feed included."""
        ...


class ConsoleExporter:
    """Writes each event as one line of JSON: `ts`, `session_id`, `event`, then the rest by name.

    A line is one `write` and ASCII, so lines of threads do not mix and every encoding can take
    them. A stream that is closed or gone loses the line: a log must not end a run.

    Args:
        stream: Where to write; None is `sys.stderr` as it is at that moment, so redirecting it
            later works.
        redactor: What events go through; None is `Redactor()`, the patterns of this package.
    """

    def __init__(self, stream: TextStream | None = None, *, redactor: Gate | None = None) -> None:
        self._stream = stream
        self._gate = redactor or Redactor()

    def export(self, event: Mapping[str, Any]) -> None:
        """Write one event. Never raises."""
        with suppress(Exception):  # stderr is closed or the pipe broken: nowhere to tell it
            data = self._gate.value(event)
            rest = sorted(data.keys() - set(_FIRST))
            ordered = {key: data[key] for key in (*_FIRST, *rest) if key in data}
            stream = sys.stderr if self._stream is None else self._stream
            stream.write(json.dumps(ordered) + "\n")
