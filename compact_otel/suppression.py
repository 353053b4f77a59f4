"""Whether OpenTelemetry wants to hear nothing of what runs here.

`opentelemetry.instrumentation.utils.suppress_instrumentation()` asks every instrumentation to be
silent, and so does the SDK while it exports. What is asked is read off the context, without that
module: it takes longer to load than we do.
"""

from __future__ import annotations

from opentelemetry import context

# Both are set by the function above; the SDK sets the first, older programs the second.
_KEYS = (getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", ""), "suppress_instrumentation")


def is_suppressed() -> bool:
    """Say so, as `not is_instrumentation_enabled()` does."""
    here = context.get_current()
    return any(here.get(key) for key in _KEYS)
