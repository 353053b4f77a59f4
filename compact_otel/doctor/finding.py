"""What a check finds."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from compact_otel.core.addresses import site
from compact_otel.redaction import Redactor

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What was looked at, in a word or two.
        state: `ok`; `note` is worth to be known; of a `problem` something will not work.
        text: What was found.
        remedy: What to do about it; empty where there is nothing to do.
    """

    check: str
    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the checks look at.

    Attributes:
        environment: Environment variables.
        timeout: Seconds that one address is waited for.
    """

    environment: Mapping[str, str]
    timeout: float = 2.0

    def words(self, name: str) -> tuple[str, ...]:
        """Return a comma-separated variable as its parts, none if it is not set."""
        parts = self.environment.get(name, "").split(",")
        return tuple(part.strip() for part in parts if part.strip())

    def says_yes(self, name: str) -> bool:
        """Say whether a variable of OpenTelemetry is true."""
        return self.environment.get(name, "").strip().lower() == "true"


def told_of(address: str) -> str:
    """Return what of an address is told: no user, path or query, nor a key in its place."""
    return Redactor().text(str(site(address)))


@contextmanager
def warnings_of(logger: str) -> Iterator[list[str]]:
    """Collect what a logger warns of, in place of having it printed between the findings."""
    said: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    log, collector = logging.getLogger(logger), Collector(logging.WARNING)
    propagated = log.propagate
    log.addHandler(collector)
    log.propagate = False
    try:
        yield said
    finally:
        log.removeHandler(collector)
        log.propagate = propagated
