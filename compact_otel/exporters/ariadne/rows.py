"""Finished spans as what the Ariadne viewer shows: a row each, and one for each event of ours.

Contract and behaviour of the viewer: https://github.com/ThomasRohde/ariadne at 284187b. It reads a
JSON of its own and not OTLP. Names stand in the tree for everybody, data behind a click; so names
hold numbers and words of ours, and never what was said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import StatusCode, format_span_id, format_trace_id

from compact_otel.config.sections import EventRows, Group
from compact_otel.redaction import Gate
from compact_otel.schema import OUTCOME, SPAN

Row = dict[str, Any]

LONGEST_NAME = 40
"""Longer names push the bars of all rows out of the panel."""

_KINDS = {
    "invoke_agent": "agent",
    "create_agent": "agent",
    "chat": "llm",
    "generate_content": "llm",
    "text_completion": "llm",
    "embeddings": "llm",
    "execute_tool": "function",
    # How OpenInference and Traceloop say the same.
    "AGENT": "agent",
    "LLM": "llm",
    "EMBEDDING": "llm",
    "TOOL": "function",
    "agent": "agent",
    "tool": "function",
}
_OPERATIONS = ("gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind")

# What instrumentations put of a conversation on spans, by the beginning of the attribute's name.
_CONTENT = (
    "compact.recall.query",
    "compact.summary.content",
    "gen_ai.completion",
    "gen_ai.event.content",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.prompt",
    "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.tool.definitions",
    "input.value",
    "llm.input_messages",
    "llm.output_messages",
    "llm.prompts",
    "output.value",
    "traceloop.entity.input",
    "traceloop.entity.output",
    # Of Logfire's.
    "all_messages_events",
    "events",
    "pydantic_ai.all_messages",
    "request_data",
    "response_data",
    "tool_arguments",
    "tool_response",
)

_USUAL = ("compact.token_estimate", "compact.trigger_decision", "compact.cache_effect")
"""Events of every call, also of one about which there is nothing to tell."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the viewer is given to show.

    Attributes:
        event_rows: Whose events are rows of their own: `compact` those of compact_otel, and
            exceptions; `all`; `none`. All events stand in the data of their span.
        group: Traces stand together by their `agent`, or by their `session`.
        icon: Whether compactions get the viewer's one spare icon, which is that of a handoff.
        content: Whether texts of the conversation are shown that others put on their spans.
    """

    event_rows: EventRows = "compact"
    group: Group = "agent"
    icon: bool = True
    content: bool = False


class Rows:
    """Makes rows of spans, each complete and with an id that is the same every time.

    Args:
        look: What is shown.
        gate: What every string goes through before anything else looks at it.
    """

    def __init__(self, look: Look, gate: Gate) -> None:
        self._look = look
        self._gate = gate

    def of(self, span: ReadableSpan) -> list[Row]:
        """Return the row of a span, and behind it those of its events."""
        row = self.of_span(span)
        return [row, *self._event_rows(span, row["data"].get("events", ()))]

    def of_span(self, span: ReadableSpan) -> Row:
        """Return the row of a span without those of its events."""
        attributes = self._shown(span.attributes or {})
        name = _name_of_ours(attributes) if _is_ours(span) else self._text(span.name)
        return {
            **_identity(span),
            "name": _short(name),
            "kind": self._kind(attributes, span.name),
            "status": "error" if span.status.status_code is StatusCode.ERROR else "ok",
            **_times(span.start_time, span.end_time),
            "data": self._data(span, attributes, name),
        }

    def trace(self, spans: Iterable[ReadableSpan]) -> Row:
        """Return the event that names a trace.

        Args:
            spans: Those of the trace that are at hand, the local root first.
        """
        spans = list(spans)
        root = spans[0]
        resource = self._resource(root)
        conversation = self._found("gen_ai.conversation.id", spans)
        agent = self._found("gen_ai.agent.name", spans) or str(resource.get("service.name", "app"))
        ident = format_trace_id(root.context.trace_id)
        metadata = {**{key: str(value) for key, value in resource.items()}, "agent_name": agent}
        if self._look.group == "session" and conversation:
            metadata["agent_id"] = conversation
        row = {
            "type": "trace",
            "trace_id": ident,
            "name": _short(f"{agent} · {conversation or ident[:8]}"),
            **_times(root.start_time, root.end_time),
            "metadata": metadata,
        }
        return {**row, "group_id": conversation} if conversation else row

    def _found(self, name: str, spans: Iterable[ReadableSpan]) -> str:
        values = (self._shown(span.attributes or {}).get(name) for span in spans)
        return next((str(value) for value in values if value), "")

    def _kind(self, attributes: Mapping[str, Any], name: str) -> str:
        operation = attributes.get("gen_ai.operation.name")
        if operation == SPAN:
            noted = self._look.icon and attributes.get(OUTCOME, "skipped") != "skipped"
            return "compaction.handoff" if noted else "compaction"
        if "handoff" in name.lower():
            return "handoff"
        said = (attributes.get(each) for each in _OPERATIONS)
        return next((_KINDS[each] for each in said if each in _KINDS), "span")

    def _data(self, span: ReadableSpan, attributes: Mapping[str, Any], name: str) -> Row:
        data: Row = {"attributes": attributes, "otel_kind": span.kind.name}
        if len(name) > LONGEST_NAME or name != span.name:
            data["name"] = self._text(span.name)
        if span.events:
            data["events"] = [self._event(span, event) for event in span.events]
        if span.links:
            data["links"] = [
                {
                    "trace_id": format_trace_id(link.context.trace_id),
                    "span_id": format_span_id(link.context.span_id),
                    "attributes": self._shown(link.attributes or {}),
                }
                for link in span.links
            ]
        if is_local_root(span):
            data["resource"] = self._resource(span)
        if span.instrumentation_scope is not None:
            scope = span.instrumentation_scope
            data["scope"] = {"name": scope.name, "version": scope.version or ""}
        problem = span.status.description
        if problem:
            data["error"] = {"message": self._text(problem)}
        if attributes.get("gen_ai.operation.name") == SPAN:
            data["output_text"] = "\n".join(_digest(attributes, data))
        return data

    def _event(self, span: ReadableSpan, event: Event) -> Row:
        offset = (event.timestamp - (span.start_time or event.timestamp)) / 1e6
        return {
            "name": self._text(event.name),
            "at": moment(event.timestamp),
            "offset_ms": round(offset, 3),
            "attributes": self._shown(event.attributes or {}),
        }

    def _event_rows(self, span: ReadableSpan, shown: Iterable[Row]) -> Iterator[Row]:
        # A call that was let through is one row, or a long run would be nothing else.
        outcome = (span.attributes or {}).get(OUTCOME, "skipped")
        is_quiet = _is_ours(span) and outcome in ("skipped", "replayed")
        events = zip(span.events, shown, strict=True)
        for number, (event, known) in enumerate(events, span.dropped_events):
            row = self.of_event(span, number, event, known["attributes"])
            if row is not None and not (is_quiet and event.name in _USUAL):
                yield row

    def of_event(
        self,
        span: ReadableSpan,
        number: int,
        event: Event,
        attributes: Mapping[str, Any] | None = None,
    ) -> Row | None:
        """Return the row of an event, None where it has none.

        Args:
            span: Whose it is.
            number: Its place among all that were added to the span, from 0.
            event: The event.
            attributes: Its attributes as they may be shown, where they are at hand.
        """
        if not self._is_row(event.name):
            return None
        if attributes is None:
            attributes = self._shown(event.attributes or {})
        is_ours = event.name.startswith("compact.")
        name = _name_of_event(event.name, attributes) if is_ours else self._text(event.name)
        failed = event.name in ("exception", "compact.error")
        lines = [f"{key.removeprefix('compact.')}: {value}" for key, value in attributes.items()]
        ident = _identity(span)
        return {
            "type": "span",
            "trace_id": ident["trace_id"],
            "span_id": f"{ident['span_id']}.e{number}",
            "parent_id": ident["span_id"],
            "name": _short(name),
            "kind": "compaction.event" if is_ours else "event",
            "status": "error" if failed else "ok",
            **_times(event.timestamp, event.timestamp),
            "data": {"attributes": attributes, "output_text": "\n".join(lines)},
        }

    def _is_row(self, name: str) -> bool:
        rows = self._look.event_rows
        return rows == "all" or (
            rows == "compact" and (name.startswith("compact.") or name == "exception")
        )

    def _shown(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return attributes without secrets, and without content unless it was asked for."""
        known = {
            name: value
            for name, value in attributes.items()
            if self._look.content or not name.startswith(_CONTENT)
        }
        shown: dict[str, Any] = self._gate.value(known)
        return shown

    def _resource(self, span: ReadableSpan) -> dict[str, Any]:
        return self._shown(span.resource.attributes)

    def _text(self, text: str) -> str:
        return str(self._gate.value(text))


def is_local_root(span: ReadableSpan) -> bool:
    """Say whether a span is the first one of its trace in this process."""
    return span.parent is None or span.parent.is_remote


def _is_ours(span: ReadableSpan) -> bool:
    return (span.attributes or {}).get("gen_ai.operation.name") == SPAN


def moment(nanoseconds: int) -> str:
    """Return a time since 1970 as the viewer reads it."""
    at = _EPOCH + timedelta(microseconds=nanoseconds // 1_000)
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"


def _identity(span: ReadableSpan) -> Row:
    row = {
        "type": "span",
        "trace_id": format_trace_id(span.context.trace_id),
        "span_id": format_span_id(span.context.span_id),
    }
    return row if span.parent is None else {**row, "parent_id": format_span_id(span.parent.span_id)}


def _times(start: int | None, end: int | None) -> Row:
    if start is None:
        return {}
    row = {"started_at": moment(start)}
    return row if end is None else {**row, "ended_at": moment(max(start, end))}


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _count(tokens: Any) -> str:
    """Return a number of tokens in at most five characters: 980, 9.9k, 41.2k, 128k, 1.2M."""
    if not isinstance(tokens, int):
        return "?"
    for unit, sign in ((1_000_000, "M"), (1_000, "k")):
        if tokens >= unit:
            whole = tokens >= 100 * unit
            return f"{round(tokens / unit, None if whole else 1):g}{sign}"
    return str(tokens)


def _name_of_ours(attributes: Mapping[str, Any]) -> str:
    before, after = attributes.get("compact.tokens.before"), attributes.get("compact.tokens.after")
    outcome = attributes.get(OUTCOME)
    if outcome == "skipped":
        return _fill(before, attributes.get("compact.window.size"))
    if outcome == "replayed":
        return f"⟲ replay  {_change(attributes.get('compact.tokens.history'), before)}"
    told = {
        "compacted": _change(before, after),
        "prepared": _change(before, after),
        "fallback": f"{_count(before)} → {_count(after)} tok FALLBACK",
        "noop": f"{_count(before)} tok, no change",
        "error": f"{_count(before)} tok, FAILED",
    }.get(str(outcome), "broken off")
    verb = "ahead" if outcome == "prepared" else "compact"
    would = "would " if attributes.get("compact.mode") == "observe" else ""
    return f"⟲ {would}{verb}  {told}"


def _fill(tokens: Any, window: Any) -> str:
    if not isinstance(tokens, int) or not isinstance(window, int) or not window:
        return "context left alone"
    return f"context {_count(tokens)} / {_count(window)} tok ({tokens / window:.0%})"


def _change(before: Any, after: Any) -> str:
    told = f"{_count(before)} → {_count(after)} tok"
    if not isinstance(before, int) or not isinstance(after, int) or not before:
        return told
    return f"{told} ({after / before - 1:+.0%})"


def _name_of_event(name: str, attributes: Mapping[str, Any]) -> str:
    def told(key: str) -> Any:
        return attributes.get(f"compact.{key}")

    kind = name.removeprefix("compact.")
    suffix = {
        "token_estimate": f"{_count(told('tokens.after') or told('tokens.before'))} tok",
        "trigger_decision": told("trigger.decision"),
        "summary_created": f"{_count(told('summary.tokens'))} tok",
        "policy_applied": f"step {told('reduction.step')}",
        "pruned_messages": told("messages.pruned"),
        "cache_effect": f"-{_count(told('cache.saved'))} tok a call",
        "error": f"{told('failure.stage')} → {told('failure.fallback')}",
        "rescue": f"attempt {told('rescue.attempt')}",
        "recall": told("recall.result"),
    }.get(kind, "")
    return f"· {kind} {suffix}".rstrip()


def _digest(attributes: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that the inspector opens with."""

    def told(key: str) -> Any:
        return attributes.get(f"compact.{key}")

    if problem := data.get("error"):
        yield str(problem["message"])
    before, after = told("tokens.before"), told("tokens.after")
    if isinstance(before, int) and isinstance(after, int) and before:
        yield f"{before:,} → {after:,} tokens ({after / before - 1:+.0%})"
    elif isinstance(before, int):
        yield f"{before:,} tokens"
    if isinstance(window := told("window.size"), int):
        yield f"window: {window:,} tokens"
    yield f"outcome: {told('outcome')}, by {told('trigger.type')}: {told('trigger.reason')}"
    if told("messages.pruned") is not None:
        yield (
            f"messages: {told('messages.before')} → {told('messages.after')}, "
            f"{told('messages.pruned')} removed"
        )
        yield (
            f"kept: {told('kept.pinned')} pinned, {told('kept.recent_turns')} turns, "
            f"{told('kept.tool_pairs')} tool calls; strategy {told('policy.strategy')}"
        )
    if told("summary.version") is not None:
        yield f"summary: v{told('summary.version')}"
    for event in data.get("events", ()):
        name = str(event["name"])
        if name.startswith("compact."):
            name = _name_of_event(name, event["attributes"]).removeprefix("· ")
        yield f"+{event['offset_ms']:,.1f} ms  {name}"
