"""The entry point for `opentelemetry-instrument` and for those who use OpenTelemetry's own way."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # the module opts out of type checking

from compact_otel import switch
from compact_otel.core.errors import ConfigError
from compact_otel.manager import CompactManager

_log = logging.getLogger("compact_otel")


class CompactInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # it comes without types
    """Switches compact_otel on and off.

    Options of `instrument()`: `manager`, or `config` and the parts of a `CompactManager`, or fields
    of `CompactConfig` and `CompactPolicy` such as `trigger_pct=0.8`; none reads the environment.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what has to be installed for this to make sense."""
        return (f"openai-agents >= {switch.OLDEST_SDK}",)

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether model calls go through compact_otel, however it was switched on."""
        return switch.active_manager() is not None

    def uninstrument(self, **options: Any) -> None:
        """Switch off, also what `compact_otel.instrument()` has switched on."""
        if super().is_instrumented_by_opentelemetry:
            super().uninstrument(**options)
        else:
            switch.switch_off()

    def _instrument(self, **options: Any) -> CompactManager | None:
        running = switch.active_manager()
        if running is not None:
            _log.warning("compact_otel is already on; nothing was changed")
            return running
        try:
            manager = switch.described_manager(options)
        except ConfigError as error:
            if options:
                raise
            # Raised here it would stop the whole auto-instrumentation of the program.
            _log.error("compact_otel stays off: %s", error)
            return None
        switch.switch_on(manager)
        return manager

    def _uninstrument(self, **options: Any) -> None:  # noqa: ARG002 - the base class's signature
        switch.switch_off()
