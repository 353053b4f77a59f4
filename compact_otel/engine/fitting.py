"""Whether the parts that a caller gives are what they should be; looked at before they are used."""

from __future__ import annotations

import inspect
from typing import Any

from compact_otel.core.errors import ConfigError
from compact_otel.core.protocols import Exporter, StorageAdapter, Summarizer, TokenEstimator

_KINDS: dict[str, type[Any]] = {
    "estimator": TokenEstimator,
    "summarizer": Summarizer,
    "storage": StorageAdapter,
}


def check_parts(parts: dict[str, Any]) -> None:
    """Check parts of a manager by the names of its arguments; None stands for none.

    Raises:
        ConfigError: If one of them lacks a method.
    """
    for name, kind in _KINDS.items():
        if parts.get(name) is not None:
            _check(name, parts[name], kind)
    for exporter in parts.get("exporters") or ():
        _check("exporters", exporter, Exporter)


def _check(name: str, part: object, kind: type) -> None:
    """Check that what a caller gave is what it should be.

    Raises:
        ConfigError: If it is not; it names what is missing.
    """
    if isinstance(part, kind):
        for method in vars(kind) if kind is not Summarizer else ():
            if method[0] != "_" and inspect.iscoroutinefunction(getattr(part, method)):
                raise ConfigError(
                    f"need `{method}` of the {type(part).__name__} in `{name}` to be a plain "
                    "function, got a coroutine function: nobody would await it"
                )
        return
    members = sorted({*vars(kind), *kind.__annotations__})
    missing = [f"`{name}`" for name in members if name[0] != "_" and not hasattr(part, name)]
    lacks = f", which has no {' and no '.join(missing)}" if missing else ""
    way_out = f"; for a model of OpenAI use OpenAISummarizer({part!r})"
    hint = way_out if kind is Summarizer and isinstance(part, str) else ""
    raise ConfigError(f"need a {kind.__name__} in `{name}`, got {type(part).__name__}{lacks}{hint}")
