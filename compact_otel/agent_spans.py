"""The Agents SDK's own tracing as OpenTelemetry spans, where no other bridge makes them.

A compaction says most where it happened: below the agent, beside the model call that it served.
The SDK traces its runs, but not with OpenTelemetry. Several packages bridge the two; where none of
them is registered, this one does, with names and ids and nothing that was said:

    invoke_workflow {name}
        invoke_agent {name}
            turn {number}
                compact_context         made by compact_otel.telemetry
                chat {model}
                execute_tool {name}
                handoff

Names follow https://github.com/open-telemetry/semantic-conventions-genai; for a handoff, a turn and
a guardrail it has none. The SDK's `task` repeats the workflow and is left out.
"""

from __future__ import annotations

import logging
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from compact_otel.forks import mutex
from compact_otel.schema import SCHEMA_URL, SCOPE, SPAN
from compact_otel.suppression import is_suppressed
from compact_otel.version import __version__

_log = logging.getLogger("compact_otel")

_TRACING = "agents.tracing"
_BRIDGES = (
    *("opentelemetry", "openinference", "traceloop", "logfire"),
    *("agentops", "langfuse", "mlflow"),
)
"""Packages whose processors make OpenTelemetry spans of the SDK's."""

_MOST = 10_000
"""Spans that are open at once; one that never ends must not stay for ever."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A span of the SDK that has not ended.

    Attributes:
        span: Ours for it; that of its parent where it gets none.
        own: Whether it is ours.
        before: The OpenTelemetry context it began in.
    """

    span: Span
    own: bool
    before: otel.Context


class AgentSpans:
    """A `TracingProcessor` of the SDK that makes OpenTelemetry spans.

    The SDK calls it in the very context in which its span begins or ends.

    Args:
        provider: Returns where spans go, None for the global provider.
        is_wanted: Says whether the next trace is to be shown.
        clean: Returns a name (of an agent, a tool, a session) as it may go out.
    """

    def __init__(
        self,
        provider: Callable[[], TracerProvider | None],
        is_wanted: Callable[[], bool],
        clean: Callable[[str], str] = str,
    ) -> None:
        self._provider = provider
        self._is_wanted = is_wanted
        self._clean = clean
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._changing = mutex()

    def on_trace_start(self, sdk_trace: Any) -> None:
        """Begin the span of a workflow."""
        with _harmless():
            if not self._is_wanted() or is_suppressed():
                return
            attributes = {
                "gen_ai.operation.name": "invoke_workflow",
                "gen_ai.workflow.name": sdk_trace.name,
                "gen_ai.conversation.id": getattr(sdk_trace, "group_id", None),
            }
            span = self._started(f"invoke_workflow {sdk_trace.name}", attributes)
            if span.is_recording():
                # It is not made current: a streamed run ends in another context than it began in,
                # and the caller's would go on with a span that is over.
                self._put(sdk_trace.trace_id, _Open(span, own=True, before=otel.get_current()))

    def on_trace_end(self, sdk_trace: Any) -> None:
        """End the span of a workflow."""
        with _harmless():
            opened = self._take(sdk_trace.trace_id)
            if opened is not None:
                opened.span.end()

    def on_span_start(self, sdk_span: Any) -> None:
        """Begin a span below that of its parent, and make it current."""
        with _harmless():
            parent = self._open.get(sdk_span.parent_id or sdk_span.trace_id)
            if parent is None or is_suppressed():
                return
            before, data = otel.get_current(), sdk_span.span_data
            if data.type == "custom" and data.name == SPAN:
                return  # our own, which is an OpenTelemetry span already
            if data.type == "task":
                self._put(sdk_span.span_id, _Open(parent.span, own=False, before=before))
                return
            span = self._started(
                _name_of(data),
                _known_first(data),
                kind=SpanKind.CLIENT if data.type in _CALLS else SpanKind.INTERNAL,
                context=trace.set_span_in_context(parent.span, before),
            )
            self._put(sdk_span.span_id, _Open(span, own=True, before=before))
            otel.attach(trace.set_span_in_context(span, before))

    def on_span_end(self, sdk_span: Any) -> None:
        """End a span with what is known by now."""
        with _harmless():
            opened = self._take(sdk_span.span_id)
            if opened is None or not opened.own:
                return
            span, data = opened.span, sdk_span.span_data
            span.update_name(self._clean(_name_of(data)))
            span.set_attributes(self._shown(_known_last(data)))
            if sdk_span.error:  # its message may quote the conversation
                span.set_attribute("error.type", "_OTHER")
                span.set_status(Status(StatusCode.ERROR))
            span.end()
            # Not detached by a token: it may end in another context than it began in.
            if trace.get_current_span() is span:
                otel.attach(opened.before)

    def shutdown(self, timeout: float | None = None) -> None:
        """Do nothing: the spans are their provider's."""

    def force_flush(self) -> None:
        """Do nothing: the spans are their provider's."""

    def _started(
        self,
        name: str,
        attributes: Mapping[str, Any],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        context: otel.Context | None = None,
    ) -> Span:
        tracer = trace.get_tracer(
            SCOPE, __version__, tracer_provider=self._provider(), schema_url=SCHEMA_URL
        )
        return tracer.start_span(
            self._clean(name), kind=kind, context=context, attributes=self._shown(attributes)
        )

    def _shown(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        known = _without_none(attributes).items()
        return {n: self._clean(value) if isinstance(value, str) else value for n, value in known}

    def _put(self, ident: str, opened: _Open) -> None:
        with self._changing:
            self._open[ident] = opened
            while len(self._open) > _MOST:
                self._open.popitem(last=False)

    def _take(self, ident: str) -> _Open | None:
        with self._changing:
            return self._open.pop(ident, None)


def register(processor: AgentSpans) -> None:
    """Let the SDK's tracing know a processor, once."""
    module = sys.modules.get(_TRACING)
    if module is not None and processor not in _processors(module):
        with _harmless():
            module.add_trace_processor(processor)


def is_bridged() -> bool:
    """Say whether somebody else makes OpenTelemetry spans of the SDK's."""
    module = sys.modules.get(_TRACING)
    if module is None:
        return False
    # One that takes the provider's place sees all that it sees.
    seen = (*_processors(module), module.get_trace_provider())
    return any(type(each).__module__.partition(".")[0] in _BRIDGES for each in seen)


def _processors(module: Any) -> tuple[Any, ...]:
    """Return who listens to the SDK's tracing, which has no public way to ask."""
    provider = module.get_trace_provider()
    return tuple(getattr(getattr(provider, "_multi_processor", None), "_processors", ()))


@contextmanager
def _harmless() -> Iterator[None]:
    """Log a fault in place of raising it, once for each kind: the run that is traced goes on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - as above; its text may quote the conversation
        kind = type(error).__name__
        if kind not in _logged:
            _logged.add(kind)
            _log.warning("a span of the Agents SDK was not shown: %s", kind)


_logged: set[str] = set()


_CALLS = ("generation", "response")


def _name_of(data: Any) -> str:
    name = _NAMES.get(data.type)
    return str(data.type) if name is None else name(data)


_NAMES: Mapping[str, Callable[[Any], str]] = {
    "agent": lambda data: f"invoke_agent {data.name}",
    "turn": lambda data: f"turn {data.turn}",
    "function": lambda data: f"execute_tool {data.name}",
    "guardrail": lambda data: f"guardrail {data.name}",
    "generation": lambda data: " ".join(filter(None, ("chat", _model_of(data)))),
    "response": lambda data: " ".join(filter(None, ("chat", _model_of(data)))),
    "handoff": lambda data: f"handoff to {data.to_agent}" if data.to_agent else "handoff",
    "custom": lambda data: str(data.name),
}


def _model_of(data: Any) -> str | None:
    said = data.model if data.type == "generation" else getattr(data.response, "model", None)
    return said if isinstance(said, str) else None


def _known_first(data: Any) -> Mapping[str, Any]:
    """Return what is known of a span when it begins."""
    match data.type:
        case "agent":
            return {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": data.name}
        case "turn":
            return {"gen_ai.agent.name": data.agent_name}
        case "function":
            return {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": data.name,
                "gen_ai.tool.type": "extension" if data.mcp_data else "function",
            }
        case "generation" | "response":
            return {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",  # whose API it is, whoever serves it
                "gen_ai.request.model": _model_of(data),
            }
    return {}


def _known_last(data: Any) -> Mapping[str, Any]:
    """Return what is known of a span only when it ends."""
    if data.type not in _CALLS:
        return {}
    response = getattr(data, "response", None)
    usage = data.usage or {} if data.type == "generation" else getattr(response, "usage", None)
    details = _part(usage, "input_tokens_details")
    return {
        "gen_ai.request.model": _model_of(data),
        "gen_ai.response.model": getattr(response, "model", None),
        "gen_ai.response.id": getattr(response, "id", None),
        "gen_ai.usage.input_tokens": _part(usage, "input_tokens"),
        "gen_ai.usage.output_tokens": _part(usage, "output_tokens"),
        "gen_ai.usage.cache_read.input_tokens": _part(details, "cached_tokens"),
    }


def _part(whole: Any, name: str) -> Any:
    return whole.get(name) if isinstance(whole, Mapping) else getattr(whole, name, None)


def _without_none(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in attributes.items() if isinstance(value, str | int | float)
    }
