"""The parts of a manager: what a caller gave, what the configuration names, or the defaults.

Imports stand inside the functions: a part that is not used is not loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import TracerProvider

from compact_otel.config import CompactConfig, SummarizerConfig
from compact_otel.core.measure import name_of
from compact_otel.core.protocols import Exporter, StorageAdapter, Summarizer, TokenEstimator
from compact_otel.core.types import CallContext, FixedTokens, Item
from compact_otel.engine.workers import WORKERS
from compact_otel.model_names import understood
from compact_otel.redaction import Gate

if TYPE_CHECKING:
    from compact_otel.estimators.rough import RoughEstimator

_log = logging.getLogger("compact_otel")


class Parts:
    """Estimator, summarisers in the order in which they are asked, storage and exporters.

    Args:
        config: Names what is not given.
        estimator: None for tiktoken.
        summarizer: None for what `config.summarizer` says. The extractive one is the last resort
            behind any other.
        storage: None for what `config.storage` says.
        exporters: None for what `config.telemetry` says.
        tracer_provider: Where the spans of a summariser go; None for the global provider.
        gate: What passes out of the process passes it; None for what `config.redaction` says.
    """

    def __init__(
        self,
        config: CompactConfig,
        estimator: TokenEstimator | None = None,
        summarizer: Summarizer | None = None,
        storage: StorageAdapter | None = None,
        exporters: Sequence[Exporter] | None = None,
        *,
        tracer_provider: TracerProvider | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.gate = config.redaction.gate() if gate is None else gate
        self.has_own_estimator = estimator is None or is_own(estimator)
        self.estimator = _default_estimator() if estimator is None else estimator
        self.rough = _rough_estimator() if estimator is None else None
        given = _configured(config, tracer_provider) if summarizer is None else [summarizer]
        self.summarizers = _summarizers(given)
        self.storage = storage_of(config, self.gate) if storage is None else storage
        self.exporters = _exporters(config, self.gate) if exporters is None else tuple(exporters)
        self._loading: set[str] = set()

    def load_ahead(self, model: str | None) -> None:
        """Begin to load what the estimator needs for a model, once.

        A failure is left to whoever counts: it is tried again, and raised, there.
        """
        encoding = understood(model).encoding
        if encoding not in self._loading:
            self._loading.add(encoding)
            WORKERS.start(partial(warm_up, self.estimator, model))


def is_own(part: object) -> bool:
    """Say whether a part is one of this package's, which are known not to block."""
    return type(part).__module__.partition(".")[0] == __name__.partition(".")[0]


def is_warm(estimator: TokenEstimator, model: str | None) -> bool:
    """Say whether an estimator counts at once; one that says nothing of it does."""
    is_warm_for = getattr(estimator, "is_warm_for", None)
    if callable(is_warm_for):
        return bool(is_warm_for(model))
    return bool(getattr(estimator, "is_warm", True))


def warm_up(estimator: TokenEstimator, model: str | None) -> None:
    """Load what an estimator needs for a model; may take a while.

    Raises:
        Exception: Whatever the estimator raises.
    """
    load: Any = getattr(estimator, "warm_up", None)
    if callable(getattr(estimator, "is_warm_for", None)):
        load(model)
    elif callable(load):
        load()


def _default_estimator() -> TokenEstimator:
    from compact_otel.estimators.tiktoken import TiktokenEstimator

    return TiktokenEstimator()


def _rough_estimator() -> RoughEstimator:
    from compact_otel.estimators.rough import RoughEstimator

    return RoughEstimator()


_OF_TIMEOUT = 0.85
"""Share of `summarizer.timeout` that a summariser of ours has, so that it ends by itself."""

_OF_A_MODEL = ("fallback_models", "api", "shape", "window")
"""Settings of the summariser that nobody reads without a model."""


def _configured(
    config: CompactConfig, tracer_provider: TracerProvider | None
) -> Sequence[Summarizer]:
    """Return who is to write the summaries: the provider, the model that is named, or nobody."""
    named, limit = config.summarizer, config.summarizer.timeout * _OF_TIMEOUT
    first: list[Summarizer] = []
    if named.native:
        from compact_otel.summarizers.native import NativeSummarizer

        first.append(NativeSummarizer(timeout=limit, tracer_provider=tracer_provider))
    if named.model is None:
        usual = SummarizerConfig()
        in_vain = [
            f"`summarizer.{name}`"
            for name in _OF_A_MODEL
            if getattr(named, name) != getattr(usual, name)
        ]
        if in_vain:
            _log.warning("nobody reads %s: set `summarizer.model`, too", ", ".join(in_vain))
        return first
    from compact_otel.summarizers.openai import OpenAISummarizer

    chain = OpenAISummarizer(
        named.model,
        fallback_models=named.fallback_models,
        api=named.api,
        shape=named.shape,
        window=named.window,
        timeout=limit,
        tracer_provider=tracer_provider,
    )
    return [*first, chain]


def _summarizers(first: Sequence[Summarizer]) -> tuple[Summarizer, ...]:
    from compact_otel.summarizers.extractive import ExtractiveSummarizer

    return (*first, ExtractiveSummarizer())


def storage_of(config: CompactConfig, gate: Gate) -> StorageAdapter | None:
    """Return the storage that a configuration names, None for none.

    Raises:
        ConfigError: If a package that it needs is not installed.
    """
    if config.storage.adapter == "fs":
        from compact_otel.adapters.fs import FileStorage

        return FileStorage(config.storage.path, **_kept_as(config, gate))
    if config.storage.adapter == "s3":
        from compact_otel.adapters.s3 import S3Storage

        where = config.storage
        return S3Storage(
            where.bucket or "",
            where.prefix,
            kms_key_id=where.kms_key_id,
            region=where.region,
            endpoint=where.endpoint,
            **_kept_as(config, gate),
        )
    if config.storage.adapter == "memory":
        from compact_otel.adapters.memory import MemoryStorage

        return MemoryStorage()
    return None


def _kept_as(config: CompactConfig, gate: Gate) -> dict[str, Any]:
    """Return how records are kept, wherever that is."""
    return {
        "redactor": gate,
        "redact": config.redaction.enabled,
        "keys": config.storage.encryption_key,
        "encrypt": config.storage.encrypt,
        "compress": config.storage.compress,
    }


def _exporters(config: CompactConfig, gate: Gate) -> tuple[Exporter, ...]:
    if config.telemetry.exporter == "console":
        from compact_otel.exporters.console import ConsoleExporter

        return (ConsoleExporter(redactor=gate),)
    return ()


class Hung:
    """Stands in for an estimator that hangs.

    Args:
        estimator: That estimator.
    """

    def __init__(self, estimator: TokenEstimator) -> None:
        self.name = name_of(estimator)
        self._error = TimeoutError(f"the estimator {self.name} hung a moment ago")

    def count_items(self, items: Sequence[Item], call: CallContext) -> Sequence[int]:
        """Raise TimeoutError."""
        del items, call
        raise self._error

    def count_fixed(self, call: CallContext) -> FixedTokens:
        """Raise TimeoutError."""
        del call
        raise self._error
