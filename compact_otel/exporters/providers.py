"""A tracer provider to which an exporter can be added, whatever the program has."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.trace import TracerProvider

from compact_otel.forks import mutex

_making = mutex()
_own: SdkTracerProvider | None = None


def sdk_provider(provider: TracerProvider | None) -> SdkTracerProvider:
    """Return a tracer provider of the SDK.

    Args:
        provider: The one that is used; None for the global provider. Where that is none of the SDK
            there are no spans to be sent but ours, and they get a provider of their own.
    """
    global _own  # noqa: PLW0603 - one for all managers of a process
    found = trace.get_tracer_provider() if provider is None else provider
    if isinstance(found, SdkTracerProvider):
        return found
    with _making:
        if _own is None:
            _own = SdkTracerProvider()
        return _own
