"""Events as log records: what OpenTelemetry will have instead of span events one day."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

from opentelemetry import _logs
from opentelemetry._logs import LoggerProvider, SeverityNumber

from compact_otel.patience import Patience
from compact_otel.schema import SCHEMA_URL, SCOPE, Severity
from compact_otel.version import __version__

_WHO = "the event log"

_SEVERITIES: dict[Severity, SeverityNumber] = {
    "DEBUG": SeverityNumber.DEBUG,
    "INFO": SeverityNumber.INFO,
    "WARN": SeverityNumber.WARN,
    "ERROR": SeverityNumber.ERROR,
}


class EventLog:
    """Writes events through the Logs API; they belong to the span that is current.

    Args:
        patience: Calls the logger; its processors may fail or hang.
        logger_provider: Where records go; None for the global provider.
    """

    def __init__(self, patience: Patience, logger_provider: LoggerProvider | None = None) -> None:
        self._patience = patience
        self._logger = patience.call(
            _WHO,
            lambda: _logs.get_logger(
                SCOPE, __version__, logger_provider=logger_provider, schema_url=SCHEMA_URL
            ),
        ) or _logs.NoOpLogger(SCOPE)
        # The API has it since 1.45; before, a record was simply written.
        self._asks = hasattr(self._logger, "enabled")

    def wants(self, name: str, severity: Severity) -> bool:
        """Say whether anybody will see such an event."""
        if not self._asks:
            return not isinstance(self._logger, _logs.NoOpLogger)
        number = _SEVERITIES[severity]
        asked = partial(self._logger.enabled, severity_number=number, event_name=name)
        return self._patience.call(_WHO, asked) is True

    def write(
        self,
        name: str,
        severity: Severity,
        attributes: Mapping[str, str | int | float | bool],
        when: float | None = None,
    ) -> None:
        """Write an event.

        Args:
            name: Of the event.
            severity: How grave it is.
            attributes: Its facts.
            when: Seconds since the epoch, None for now.
        """
        self._patience.call(
            _WHO,
            lambda: self._logger.emit(
                event_name=name,
                timestamp=time.time_ns() if when is None else round(when * 1e9),
                severity_number=_SEVERITIES[severity],
                severity_text=severity,
                attributes=attributes,
            ),
        )
