"""A compaction as a `custom_span` of the Agents SDK, so that OpenAI's own trace dashboard shows it.

It holds what the OpenTelemetry span holds: names and numbers, nothing that was said. It stands
where the call stands, below the agent, and begins with the decision.
"""

from __future__ import annotations

from typing import Any

from compact_otel.core import events
from compact_otel.core.types import Outcome
from compact_otel.schema import ERROR_TYPE, OUTCOME, SPAN
from compact_otel.telemetry import ON_SPAN, AttributeValue, attributes_of


class CompactionSpan:
    """Tells of one decision if it is to compact, or could not be made.

    What the SDK's processors raise is raised here: whoever calls this is to be patient.
    """

    def __init__(self) -> None:
        self._facts: dict[str, AttributeValue] = {}
        self._error_type: str | None = None
        self._span: Any = None
        self._is_over = False

    def tell(self, event: events.Event) -> None:
        """Begin with the first event that is about a compaction, and take down the facts of all."""
        known = attributes_of(event)
        if isinstance(event, events.Failure) and event.stage != "archive":
            self._error_type = event.error_type
        if isinstance(event, events.TriggerDecision):
            self._facts["compact.trigger.type"] = event.trigger
        if known.get("compact.estimate.phase") == "after":
            known.pop("compact.window.utilization", None)  # that of tokens.before stands
        self._facts.update({name: value for name, value in known.items() if name in ON_SPAN})
        if self._span is None and not self._is_over and _is_about_a_compaction(event):
            self._begin()

    def _begin(self) -> None:
        from agents.tracing import custom_span, get_current_trace

        if get_current_trace() is None:  # the SDK would complain
            self._is_over = True
            return
        span = custom_span(SPAN, {})
        span.start()
        self._span = span

    def end(self, outcome: Outcome | None = None) -> None:
        """End with what is known by now."""
        span, self._span, self._is_over = self._span, None, True
        if span is None:
            return
        if outcome is not None:
            self._facts[OUTCOME] = outcome
        if outcome in ("error", "fallback") and self._error_type is not None:
            self._facts[ERROR_TYPE] = self._error_type
        if outcome == "error":
            span.set_error({"message": "the call went out as it came", "data": None})
        span.span_data.data.update(self._facts)
        span.finish()


def _is_about_a_compaction(event: events.Event) -> bool:
    match event:
        case events.TriggerDecision(decision="compact") | events.Rescue():
            return True
        case events.Failure(stage=stage):
            return stage != "archive"
    return False
