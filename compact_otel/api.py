"""The functions for users who want no object: one line to switch on, one call to compact."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from compact_otel.config import CompactConfig
from compact_otel.manager import CompactManager

if TYPE_CHECKING:
    from compact_otel.core.protocols import Summarizer, TokenEstimator
    from compact_otel.core.types import CompactResult

_log = logging.getLogger("compact_otel")


def instrument(**options: Any) -> CompactManager:
    """Let every model call of the Agents SDK be measured, and compacted before it overflows.

    Args:
        **options: Fields of `CompactConfig` and `CompactPolicy` (`trigger_pct=0.8`), on top of the
            environment and the file; or `config`, made by hand or the path of a file; or
            `manager`; and the parts of a `CompactManager` (`estimator`, `summarizer`, `storage`,
            `exporters`, `tracer_provider`, `meter_provider`, `logger_provider`).

    Returns:
        The manager that the calls go to. Called a second time without `uninstrument()`, the first
        one, unchanged.

    Raises:
        ConfigError: If an option, or what file or environment say, is unknown or impossible.
    """
    from compact_otel.switch import active_manager, described_manager, switch_on

    running = active_manager()
    if running is not None:
        if options:
            _log.warning(
                "compact_otel is already on (by opentelemetry-instrument, or an earlier call): "
                "ignoring %s. Call uninstrument() first to change them.",
                ", ".join(f"`{name}`" for name in sorted(options)),
            )
        return running
    manager = described_manager(options)
    switch_on(manager)
    return manager


def uninstrument() -> None:
    """Put every class of the Agents SDK back as it was."""
    from compact_otel.switch import active_manager, switch_off

    if active_manager() is None:
        return
    if "compact_otel.instrumentor" in sys.modules:  # it may be who has switched on
        from compact_otel.instrumentor import CompactInstrumentor

        CompactInstrumentor().uninstrument()
    else:
        switch_off()


def compact(
    messages: Sequence[Any],
    *,
    summarizer: Summarizer | None = None,
    estimator: TokenEstimator | None = None,
    **settings: Any,
) -> CompactResult:
    """Compact a history now, once, without anything being stored.

    Args:
        messages: Responses API items, Chat Completions messages or `Message` objects.
        summarizer: Writes the summary; None for what the setting `summarizer.model` says, else the
            extractive one, which needs no model.
        estimator: Counts tokens; None for tiktoken.
        **settings: Fields of `CompactConfig` and `CompactPolicy`, such as `keep_recent_turns=2`.

    Raises:
        ConfigError: If a setting is unknown or impossible.
        InsufficientBudget: If what must stay is over the budget.
    """
    return _manager(summarizer, estimator, settings).manual_compact("compact", messages)


async def acompact(
    messages: Sequence[Any],
    *,
    summarizer: Summarizer | None = None,
    estimator: TokenEstimator | None = None,
    **settings: Any,
) -> CompactResult:
    """Compact a history now, without blocking the event loop; otherwise as `compact`."""
    manager = _manager(summarizer, estimator, settings)
    return await manager.amanual_compact("compact", messages)


def _manager(
    summarizer: Summarizer | None, estimator: TokenEstimator | None, settings: dict[str, Any]
) -> CompactManager:
    config = CompactConfig.load(**{"storage": {"adapter": "none"}, **settings})
    return CompactManager(config, summarizer=summarizer, estimator=estimator)
