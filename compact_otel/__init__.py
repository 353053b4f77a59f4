"""compact_otel: agents that outlive their context window, and traces that show how.

    import compact_otel
    compact_otel.instrument()

From then on every model call of the OpenAI Agents SDK is measured, and compacted before it
overflows. Importing this package imports none of the SDKs: names are looked up when used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from compact_otel.version import __version__

if TYPE_CHECKING:
    from compact_otel.api import acompact, compact, instrument, uninstrument
    from compact_otel.config import CompactConfig
    from compact_otel.core.errors import (
        CompactError,
        ConfigError,
        InsufficientBudget,
        StorageError,
        SummaryError,
        VerificationError,
    )
    from compact_otel.core.items import protect
    from compact_otel.core.protocols import Exporter, StorageAdapter, Summarizer, TokenEstimator
    from compact_otel.core.settings import CompactPolicy
    from compact_otel.core.types import CompactResult, Message
    from compact_otel.manager import CompactManager
    from compact_otel.recall import recall_tool
    from compact_otel.sdk_sessions import compact_session, compact_session_sync, status
    from compact_otel.summarizers.openai import OpenAISummarizer

__all__ = [
    "CompactConfig",
    "CompactError",
    "CompactManager",
    "CompactPolicy",
    "CompactResult",
    "ConfigError",
    "Exporter",
    "InsufficientBudget",
    "Message",
    "OpenAISummarizer",
    "StorageAdapter",
    "StorageError",
    "Summarizer",
    "SummaryError",
    "TokenEstimator",
    "VerificationError",
    "__version__",
    "acompact",
    "compact",
    "compact_session",
    "compact_session_sync",
    "instrument",
    "protect",
    "recall_tool",
    "status",
    "uninstrument",
]

_HOMES = {
    "api": ("acompact", "compact", "instrument", "uninstrument"),
    "config": ("CompactConfig",),
    "core.errors": (
        "CompactError",
        "ConfigError",
        "InsufficientBudget",
        "StorageError",
        "SummaryError",
        "VerificationError",
    ),
    "core.items": ("protect",),
    "core.protocols": ("Exporter", "StorageAdapter", "Summarizer", "TokenEstimator"),
    "core.settings": ("CompactPolicy",),
    "core.types": ("CompactResult", "Message"),
    "manager": ("CompactManager",),
    "recall": ("recall_tool",),
    "summarizers.openai": ("OpenAISummarizer",),
    "sdk_sessions": ("compact_session", "compact_session_sync", "status"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
