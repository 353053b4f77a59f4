"""`gen_ai.conversation.compacted` on the span of the model call that goes out compacted.

That span is somebody else's: an instrumentation of the Agents SDK or of the client starts it while
the model's method runs. So a processor looks at each span as it starts. OpenTelemetry takes no
processor back; this one does nothing while compact_otel is switched off, as only a wrapped model
call ever says that it goes out compacted (`compact_otel.telemetry.serving`).
"""

from __future__ import annotations

from typing import Any
from weakref import ReferenceType, ref

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

from compact_otel.forks import mutex
from compact_otel.schema import COMPACTED
from compact_otel.telemetry import serves_compacted

_OPERATIONS = frozenset({"chat", "generate_content", "text_completion"})

_joining = mutex()
_joined: list[ReferenceType[Any]] = []


class CompactedMarker(SpanProcessor):
    """Marks the spans of model calls that go out compacted.

    Never false: the convention has the attribute only where a compaction certainly took place.
    """

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - the SDK gives it
        """Mark a span that starts, if it is one of those."""
        if not serves_compacted():
            return
        known = span.attributes or {}
        if known.get("gen_ai.operation.name") in _OPERATIONS:
            span.set_attribute(COMPACTED, True)  # noqa: FBT003 - the API's signature


def mark_spans_of(provider: Any) -> None:
    """Let a tracer provider mark its spans, once and for good.

    Args:
        provider: One with `add_span_processor`; any object, perhaps without a hash.
    """
    with _joining:
        _joined[:] = [known for known in _joined if known() is not None]
        if not any(known() is provider for known in _joined):
            _joined.append(ref(provider))
            provider.add_span_processor(CompactedMarker())
