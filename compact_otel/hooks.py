"""What a model call of the Agents SDK gives us, and what it takes back.

The only module beside the instrumentor that knows the SDK. It reads a call of
`Model.get_response` or `Model.stream_response` whichever way its arguments came, asks the manager
what to send, and puts that in place of the input: never in the caller's list, never in its items.
Facts about the SDK: verified against openai-agents 0.24.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from compact_otel.core.items import as_mapping
from compact_otel.core.ledger import prefix_keys
from compact_otel.core.types import CallContext, Item
from compact_otel.manager import CompactManager, is_compacting
from compact_otel.overflow import Overflow, overflow_in

_log = logging.getLogger("compact_otel")

# Positions of the arguments behind `self`. The runner calls `get_response` with keywords and
# `stream_response` with seven positionals; applications do as they like.
_POSITIONS = {
    "system_instructions": 0,
    "input": 1,
    "model_settings": 2,
    "tools": 3,
    "output_schema": 4,
    "handoffs": 5,
    "previous_response_id": 7,
    "conversation_id": 8,
}

_session: ContextVar[str | None] = ContextVar("compact_otel_session", default=None)
# What an outer wrapper passed on. A model whose method calls another model's, or super(), with the
# same items is the same call, decided already; with other items (a model that runs an agent) not.
_handed: ContextVar[Sequence[Any] | None] = ContextVar("compact_otel_handed", default=None)


@contextlib.contextmanager
def session_hint(options: Mapping[str, Any]) -> Iterator[None]:
    """Tell the model calls inside which session the run belongs to, by the runner's options."""
    ident = getattr(options.get("session"), "session_id", None)
    token = _session.set(ident if isinstance(ident, str) else None)
    try:
        yield
    finally:
        _session.reset(token)


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One intercepted call.

    Attributes:
        wrapped: The model's own method, bound.
        model: The model.
        args: Positional arguments, without `self`.
        kwargs: Keyword arguments.
    """

    wrapped: Callable[..., Any]
    model: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def argument(self, name: str) -> Any:
        """Return an argument by name, None if it was not given."""
        position = _POSITIONS[name]
        if name in self.kwargs:
            return self.kwargs[name]
        return self.args[position] if len(self.args) > position else None

    def with_input(self, items: Sequence[Any]) -> ModelCall:
        """Return the call with another input, in the form in which it came."""
        if "input" in self.kwargs:
            return replace(self, kwargs={**self.kwargs, "input": items})
        return replace(self, args=(self.args[0], items, *self.args[2:]))

    def proceed(self) -> Any:
        """Call the model's own method."""
        return self.wrapped(*self.args, **self.kwargs)

    @contextlib.contextmanager
    def handing(self) -> Iterator[None]:
        """Mark the input as decided, for what runs inside the model's method."""
        token = _handed.set(self.argument("input"))
        try:
            yield
        finally:
            with contextlib.suppress(ValueError):  # closed by the garbage collector, elsewhere
                _handed.reset(token)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call as it goes out, with what a second attempt would need.

    Attributes:
        call: The call, its input perhaps compacted.
        original: The call as it came; None if it is not ours to change.
        session_id: Names the archive.
        context: What stands beside the items.
        estimate: Tokens the call was taken to have, 0 if unknown.
    """

    call: ModelCall
    original: ModelCall | None = None
    session_id: str = ""
    context: CallContext = field(default_factory=CallContext)
    estimate: int = 0


async def prepared(manager: CompactManager, call: ModelCall) -> Prepared:
    """Return the call as it should go out.

    Raises:
        InsufficientBudget: If the configuration says so. Nothing else of ours.
    """
    items = call.argument("input")
    if is_compacting() or _in_workflow() or _was_handed(items):
        return Prepared(call)
    try:
        reason, context = _stands_back(call), _context(call)
        if not isinstance(items, list):
            reason, items = reason or "unsupported_input", []
        session_id = _session.get() or _conversation(items)
    except Exception as error:  # noqa: BLE001 - a fault of ours must not reach the user's run
        _log.error(
            "reading a model call failed with %s; it is sent unchanged", type(error).__name__
        )
        return Prepared(call)
    result = await manager.apreflight(
        session_id,
        items,
        call=context,
        stand_back=reason,
        on_insufficient=manager.config.on_insufficient_budget,
    )
    if reason:
        return Prepared(call)
    # The list itself where nothing changed: server-managed runs compare the identity of items.
    going = call if result.outcome == "skipped" else call.with_input(result.messages)
    return Prepared(going, call, session_id, context, result.tokens_after)


async def rescued(manager: CompactManager, refused: Prepared, problem: object) -> Prepared | None:
    """Return a smaller call for one that did not fit, None if that is not what went wrong.

    Only once for a call, only by the wrapper that decided on it, and only if it gets smaller.
    """
    original = refused.original
    if original is None:
        return None
    overflow = overflow_in(problem)
    if overflow is None and _says_nothing(problem):
        overflow = Overflow() if manager.is_near_limit(refused.context, refused.estimate) else None
    if overflow is None:
        return None
    sent = refused.call.argument("input")
    result = await manager.arescue(
        refused.session_id,
        original.argument("input"),
        call=refused.context,
        estimate=refused.estimate,
        refused=overflow,
    )
    if result.outcome not in ("compacted", "fallback") or len(result.messages) > len(sent):
        return None
    return Prepared(original.with_input(result.messages))


def _was_handed(items: Any) -> bool:
    handed = _handed.get()
    if handed is None or not isinstance(items, list):
        return False
    if items is handed:
        return True
    return len(items) == len(handed) and all(map(lambda a, b: a is b, items, handed))


def _in_workflow() -> bool:
    """Say whether this is Temporal workflow code, where a model call would break replay."""
    workflow = sys.modules.get("temporalio.workflow")
    return workflow is not None and bool(workflow.in_workflow())


def _conversation(items: Sequence[Any]) -> str:
    """Name a conversation without a session by how it begins; stable over calls and processes."""
    first = prefix_keys([as_mapping(item) for item in items[:1]])
    return f"conversation-{first[0][:16] if first else 'empty'}"


def _is_a(model: Any, *names: str) -> bool:
    """Say whether a model's class, or one of its bases, has one of the names."""
    return any(base.__name__ in names for base in type(model).__mro__)


def _stands_back(call: ModelCall) -> str | None:
    """Say why the history of this call is not ours to change, None if it is."""
    if call.argument("previous_response_id") or call.argument("conversation_id"):
        return "server_managed"  # the input is only what is new
    if not _is_a(call.model, "OpenAIResponsesModel"):
        return None  # other models drop the two settings below without a word
    settings = call.argument("model_settings")
    places: list[Mapping[str, Any]] = [
        {name: getattr(settings, name, None) for name in ("context_management", "truncation")}
    ]
    more = (getattr(settings, name, None) for name in ("extra_args", "extra_body"))
    places.extend(place for place in more if isinstance(place, Mapping))
    if any(place.get("context_management") for place in places):
        return "provider_compaction"
    if any(place.get("truncation") == "auto" for place in places):
        return "truncation_auto"
    return None


def _context(call: ModelCall) -> CallContext:
    """Return what stands beside the items of a call."""
    model = call.model
    name = getattr(model, "model", None)
    schema = call.argument("output_schema")
    choice = getattr(call.argument("model_settings"), "tool_choice", None)
    instructions = call.argument("system_instructions")
    agent, group = _trace()
    openai = _is_a(model, "OpenAIResponsesModel", "OpenAIChatCompletionsModel")
    return CallContext(
        model=name if isinstance(name, str) else None,
        api="responses" if _is_a(model, "OpenAIResponsesModel") else "chat",
        provider="openai" if openai else None,
        instructions=instructions if isinstance(instructions, str) else None,
        tools=[
            *map(_tool, call.argument("tools") or ()),
            *map(_handoff, call.argument("handoffs") or ()),
        ],
        output_schema=None if schema is None or schema.is_plain_text() else schema.json_schema(),
        tool_choice=choice if isinstance(choice, str) else None,
        agent=agent,
        conversation=_session.get() or group,
    )


def _tool(tool: Any) -> Item:
    """Return a tool as it is sent, as far as it costs tokens."""
    schema = getattr(tool, "params_json_schema", None)
    if not isinstance(schema, Mapping):
        return {"type": getattr(tool, "name", type(tool).__name__)}  # run by the provider
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": schema,
    }


def _handoff(handoff: Any) -> Item:
    """Return a handoff as the tool as which it is sent."""
    return {
        "type": "function",
        "name": handoff.tool_name,
        "description": handoff.tool_description,
        "parameters": handoff.input_json_schema,
    }


def _trace() -> tuple[str | None, str | None]:
    """Return the agent's name and the group id that the SDK's own tracing knows, if it does."""
    from agents.tracing import get_current_span, get_current_trace

    span, trace = get_current_span(), get_current_trace()
    data = getattr(span, "span_data", None)
    named = getattr(data, "agent_name", None)
    if named is None and getattr(data, "type", None) == "agent":
        named = getattr(data, "name", None)
    group = getattr(trace, "group_id", None)
    return (
        named if isinstance(named, str) else None,
        group if isinstance(group, str) and group else None,
    )


async def get_response(manager: CompactManager, call: ModelCall) -> Any:
    """Stand in for `Model.get_response`."""
    going = await prepared(manager, call)
    try:
        return await _response(going)
    except Exception as error:
        again = await rescued(manager, going, error)
        if again is None:
            raise
    return await _response(again)


async def _response(going: Prepared) -> Any:
    with going.call.handing():
        return await going.call.proceed()


# Events that a consumer may see twice, by the SDK's own rule for replaying a stream.
_OPENING = frozenset({"response.created", "response.in_progress"})
_FAILURES = frozenset({"error", "response.error", "response.failed"})


class CompactingStream:
    """Stands in for the iterator of `Model.stream_response`.

    A class and no async generator: the compaction happens in the first `__anext__`, its span ends
    before the first event, and nothing of ours is attached to the context while it is suspended.
    An overflow that shows before any content was passed on is rescued. The runner raises as soon as
    it gets a failure event, so those are looked at before they are passed on.
    """

    def __init__(self, manager: CompactManager, call: ModelCall) -> None:
        self._manager = manager
        self._call = call
        self._going: Prepared | None = None
        self._events: AsyncIterator[Any] | None = None
        self._begun = False  # content was passed on
        self._finished = False

    def __aiter__(self) -> CompactingStream:
        return self

    async def __anext__(self) -> Any:
        if self._finished:
            raise StopAsyncIteration
        try:
            if self._going is None:
                self._going = await prepared(self._manager, self._call)
            return await self._next(self._going)
        except BaseException:
            self._finished = True
            raise

    async def _next(self, going: Prepared) -> Any:
        """Return the next event; of a second attempt, if the first did not fit."""
        try:
            event = await self._pull(going)
        except Exception as error:
            again = await self._rescued(going, error)
            if again is None:
                raise
        else:
            again = await self._rescued(going, event) if _is_failure(event) else None
            if again is None:
                self._begun = self._begun or getattr(event, "type", None) not in _OPENING
                return event
        self._going = again
        return await self._next(again)  # at most once: a second attempt is not rescued

    async def _rescued(self, going: Prepared, problem: object) -> Prepared | None:
        """Close what failed and return a smaller call, None if there is to be no second attempt."""
        again = None if self._begun else await rescued(self._manager, going, problem)
        if again is not None:
            with contextlib.suppress(Exception):  # it has failed already
                await self._close()
        return again

    async def _pull(self, going: Prepared) -> Any:
        with going.call.handing():
            if self._events is None:
                stream = going.call.proceed()
                if inspect.isawaitable(stream):  # some models return an awaitable of the iterator
                    stream = await stream
                self._events = stream.__aiter__()
            return await self._events.__anext__()

    async def _close(self) -> None:
        events, self._events = self._events, None
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()

    async def aclose(self) -> None:
        """End the model's own stream; the runner closes a stream that it does not exhaust."""
        self._finished = True
        await self._close()


def _is_failure(event: Any) -> bool:
    return getattr(event, "type", None) in _FAILURES or _says_nothing(event)


def _says_nothing(event: Any) -> bool:
    """Say whether a stream ends without content and without usage.

    That is all that some servers do about a request that is too large: the stream of the Responses
    API has no event then, and that of Chat Completions comes out of the SDK as this one.
    """
    if isinstance(event, StopAsyncIteration):
        return True
    response = getattr(event, "response", None)
    return (
        getattr(event, "type", None) == "response.completed"
        and not getattr(response, "output", None)
        and getattr(response, "usage", None) is None
    )
