"""What a model call of the Agents SDK gives us, and what it takes back.

A call is read (`model_call`), the manager says what to send, and that takes the place of the input:
never in the caller's list, never in its items.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from opentelemetry import context as otel

from compact_otel.core.items import as_mapping, server_compacted
from compact_otel.core.ledger import prefix_keys
from compact_otel.core.types import CallContext, CompactResult
from compact_otel.engine.performing import is_compacting
from compact_otel.manager import CompactManager
from compact_otel.metering import RescueResult
from compact_otel.model_call import (
    NOT_IN_HAND,
    ModelCall,
    compacter,
    composer,
    context_of,
    counter,
    handoff_item,
    is_a,
    stands_back,
    tool_item,
    was_handed,
)
from compact_otel.overflow import Overflow, is_unreadable, overflow_in
from compact_otel.session import Past, current_session_id, set_past, take_over
from compact_otel.telemetry import shown_beside
from compact_otel.usage import usage_in

_log = logging.getLogger("compact_otel")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call as it goes out, with what a second attempt would need.

    Attributes:
        call: The call, its input perhaps compacted.
        original: The call as it came; None if it is not ours to change, or not again.
        session_id: Names the archive.
        history_key: Names the history, for what the provider counts.
        context: What stands beside the items.
        estimate: Tokens the call was taken to have, 0 if unknown.
        place: The OpenTelemetry context that the call came with.
        is_rescue: Whether this is a second attempt.
        unsaid: Tokens of the first one, if nothing but an empty answer speaks of its size.
        compacted: Whether its input is, None if an outer wrapper knows.
    """

    call: ModelCall
    original: ModelCall | None = None
    session_id: str = ""
    history_key: str = ""
    context: CallContext = field(default_factory=CallContext)
    estimate: int = 0
    place: otel.Context = field(default_factory=otel.get_current)
    is_rescue: bool = False
    unsaid: int = 0
    compacted: bool | None = None


async def prepared(manager: CompactManager, call: ModelCall) -> Prepared:
    """Return the call as it should go out.

    Raises:
        InsufficientBudget: If the configuration says so. Nothing else of ours.
    """
    items = call.argument("input")
    if is_compacting() or _in_workflow() or was_handed(items):
        return Prepared(call)
    flag = manager.config.policy.protected_flag
    if manager.config.mode == "off":
        return Prepared(call.unmarked(flag))
    try:
        reason, context = stands_back(call), context_of(call)
        if not isinstance(items, list):
            reason, items = reason or "unsupported_input", []
        session_id = current_session_id() or _conversation(items)
        tell = partial(manager.tell, session_id, content=call.traces_content)
        past = Past(storage=manager.archive, session_id=session_id, history=items, tell=tell)
        set_past(past)
    except Exception as error:  # noqa: BLE001 - a fault of ours must not reach the user's run
        _log.error(
            "reading a model call failed with %s; it is sent unchanged", type(error).__name__
        )
        return Prepared(call.unmarked(flag), compacted=False)
    with _shown_to_sdk(manager):
        result = await manager.apreflight(
            session_id,
            items,
            call=context,
            stand_back=reason,
            on_insufficient=manager.config.on_insufficient_budget,
            count=counter(call, flag) if manager.config.estimator.exact else None,
            compose=composer(call, flag),
            native=compacter(call, flag) if manager.config.summarizer.native else None,
        )
    if reason in NOT_IN_HAND or manager.config.mode == "observe":
        return Prepared(call.unmarked(flag), compacted=False)
    # The list itself where nothing changed: server-managed runs compare the identity of items.
    going = call if result.outcome == "skipped" else call.with_input(result.messages)
    return Prepared(
        call=going.unmarked(flag),
        original=call,
        session_id=session_id,
        history_key=result.history_key,
        context=context,
        estimate=result.tokens_after,
        compacted=_is_compacted(manager, result),
    )


def _shown_to_sdk(manager: CompactManager) -> contextlib.AbstractContextManager[None]:
    """Let compactions inside be spans of the SDK's own tracing, too, if that is wanted."""
    if not manager.config.telemetry.custom_span:
        return contextlib.nullcontext()
    from compact_otel.sdk_spans import CompactionSpan

    return shown_beside(CompactionSpan)


def _is_compacted(manager: CompactManager, result: CompactResult) -> bool:
    """Say whether a call goes out compacted, and let the span of the model call say so, too."""
    compacted = result.outcome in ("compacted", "replayed", "fallback")
    if compacted:
        with contextlib.suppress(Exception):  # a tracer provider may be anything
            manager.mark_model_spans()
    return compacted


async def rescued(
    manager: CompactManager, refused: Prepared, problem: object, handled: BaseException | None
) -> Prepared | None:
    """Return a smaller call for one that did not fit, None if that is not what went wrong.

    Only once for a call, only by the wrapper that decided on it, and only if it gets smaller.

    Args:
        manager: Does the work.
        refused: The call.
        problem: What went wrong, an exception or an event.
        handled: What the program was handling when it made the call, as in `overflow_in`.
    """
    try:
        return await _rescued(manager, refused, problem, handled)
    except Exception as error:  # noqa: BLE001 - the program must hear what the model said
        _log.error("judging a refusal failed with %s; it stands", type(error).__name__)
        return None


async def _rescued(
    manager: CompactManager, refused: Prepared, problem: object, handled: BaseException | None
) -> Prepared | None:
    original = refused.original
    if original is None:
        return None
    if is_unreadable(problem, handled=handled) and _has_sealed(refused.call, original):
        return await _reread(manager, refused, original)
    overflow = overflow_in(problem, handled=handled)
    if overflow is None and _says_nothing(problem):
        near = manager.is_near_limit(refused.context, refused.estimate)
        overflow = Overflow(is_certain=False) if near else None
    if overflow is None:
        return None
    sent = refused.call.argument("input")
    with _current(refused.place), _shown_to_sdk(manager):
        result = await manager.arescue(
            refused.session_id,
            original.argument("input"),
            call=refused.context,
            estimate=refused.estimate,
            refused=overflow,
            history_key=refused.history_key,
        )
    if result.outcome not in ("compacted", "fallback") or len(result.messages) > len(sent):
        manager.rescued("failed", refused.context.model)
        return None
    take_over()
    flag = manager.config.policy.protected_flag
    return Prepared(
        call=original.with_input(result.messages).unmarked(flag),
        session_id=refused.session_id,
        history_key=result.history_key,
        context=refused.context,
        is_rescue=True,
        unsaid=0 if overflow.is_certain else refused.estimate,
        compacted=_is_compacted(manager, result),
    )


def _has_sealed(sent: ModelCall, original: ModelCall) -> bool:
    """Say whether there is something in a call that only the provider can read, and is ours."""
    ours, theirs = (
        server_compacted([as_mapping(item) for item in call.argument("input")])
        for call in (sent, original)
    )
    return bool(ours and not theirs)


async def _reread(manager: CompactManager, refused: Prepared, original: ModelCall) -> Prepared:
    """Return the call without what the provider sealed and can no longer read.

    The account may be another one by now, or the provider's keys; the history is all there.
    """
    _log.warning("the provider cannot read its own compaction any more; the call does without")
    with _current(refused.place), _shown_to_sdk(manager):
        result = await manager.apreflight(
            refused.session_id,
            original.argument("input"),
            call=replace(refused.context, reader=None),
            on_insufficient="passthrough",
        )
    return Prepared(
        call=original.with_input(result.messages).unmarked(manager.config.policy.protected_flag),
        session_id=refused.session_id,
        history_key=result.history_key,
        compacted=_is_compacted(manager, result),
    )


def _heard(manager: CompactManager, going: Prepared, answer: Any) -> None:
    """Tell the manager what the provider counted, if it says so."""
    with contextlib.suppress(Exception):  # an answer may be anything, and goes on as it came
        usage = usage_in(answer)
        if usage is not None and going.history_key:
            manager.heard(going.session_id, going.history_key, usage)


@contextlib.contextmanager
def _current(place: otel.Context) -> Iterator[None]:
    """Work where the call came from.

    A stream that fails by an event is suspended inside the model's own span, which the tracing
    bridges of the SDK keep current until the stream is closed; a rescue belongs beside it.
    """
    token = otel.attach(place)
    try:
        yield
    finally:
        otel.detach(token)


def _in_workflow() -> bool:
    """Say whether this is Temporal workflow code, where a model call would break replay."""
    workflow = sys.modules.get("temporalio.workflow")
    return workflow is not None and bool(workflow.in_workflow())


def _conversation(items: Sequence[Any]) -> str:
    """Name a conversation without a session by how it begins; stable over calls and processes."""
    first = prefix_keys([as_mapping(item) for item in items[:1]])
    return f"conversation-{first[0][:16] if first else 'empty'}"


def before_model_call(
    manager: CompactManager, *, session_id: str | None = None
) -> Callable[[Any], Awaitable[Any]]:
    """Return a filter for `RunConfig(call_model_input_filter=...)`: compaction without patching.

    It sees less than `compact_otel.instrument()`: neither the answer of the model, so a refused
    call is not rescued, nor whether the server keeps the history. Do not use it with conversation
    or previous response ids: there the SDK sends later what was dropped here.

    Args:
        manager: Does the work.
        session_id: Names the archive; None names it by how the conversation begins.
    """

    async def compacted(data: Any) -> Any:
        given, agent = data.model_data, data.agent
        model = getattr(agent, "model", None)
        name = model if isinstance(model, str) else getattr(model, "model", None)
        context = CallContext(
            model=name if isinstance(name, str) else None,
            api="responses" if is_a(model, "OpenAIResponsesModel") else "chat",
            instructions=given.instructions,
            tools=[*map(tool_item, agent.tools), *map(handoff_item, _plain_handoffs(agent))],
            agent=agent.name,
            conversation=session_id,
        )
        with _shown_to_sdk(manager):
            result = await manager.apreflight(
                session_id or _conversation(given.input),
                given.input,
                call=context,
                on_insufficient=manager.config.on_insufficient_budget,
            )
        return replace(given, input=result.messages)

    return compacted


def _plain_handoffs(agent: Any) -> list[Any]:
    """Return the handoffs that are described as such; an agent as a handoff has no schema yet."""
    return [entry for entry in agent.handoffs if hasattr(entry, "input_json_schema")]


async def get_response(manager: CompactManager, call: ModelCall) -> Any:
    """Stand in for `Model.get_response`."""
    handled = sys.exc_info()[1]
    going = await prepared(manager, call)
    try:
        response = await _response(going)
    except Exception as error:
        again = await rescued(manager, going, error, handled)
        if again is None:
            raise
    else:
        _heard(manager, going, response)
        return response
    # Outside of `except`: an error of this attempt must not be linked to that of the first.
    try:
        response = await _response(again)
    except BaseException:
        _count(manager, again, "failed")
        raise
    _count(manager, again, "recovered")
    _heard(manager, again, response)
    return response


def _count(
    manager: CompactManager,
    call: Prepared,
    result: RescueResult,
    problem: object = None,
    handled: BaseException | None = None,
) -> None:
    """Count a rescue, or that there could be none for what is no more than perhaps an overflow."""
    with contextlib.suppress(Exception):  # the program must hear what the model said
        if call.original is None and not call.is_rescue:
            return  # nobody's to judge
        if problem is None or overflow_in(problem, handled=handled) is not None:
            manager.rescued(result, call.context.model, unsaid=call.unsaid)


async def _response(going: Prepared) -> Any:
    with going.call.handing(compacted=going.compacted):
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
        self._second: Prepared | None = None  # until something came of it
        self._events: AsyncIterator[Any] | None = None
        self._begun = False  # content was passed on
        self._finished = False

    def __aiter__(self) -> CompactingStream:
        return self

    async def __anext__(self) -> Any:
        if self._finished:
            raise StopAsyncIteration
        handled = sys.exc_info()[1]  # of this step: each may be asked for from somewhere else
        try:
            if self._going is None:
                self._going = await prepared(self._manager, self._call)
            return await self._next(self._going, handled)
        except BaseException:
            self._finished = True
            raise

    async def _next(self, going: Prepared, handled: BaseException | None) -> Any:
        """Return the next event; of a second attempt, if the first did not fit."""
        try:
            event = await self._pull(going)
        except Exception as error:
            again = await self._rescued(going, error, handled)
            if again is None:
                self._came_out("failed")
                raise
        else:
            failed = _is_failure(event)
            again = await self._rescued(going, event, handled) if failed else None
            if again is None:
                self._begun = self._begun or getattr(event, "type", None) not in _OPENING
                if self._begun:
                    self._came_out("failed" if failed else "recovered")
                _heard(self._manager, going, event)
                return event
        self._going = self._second = again
        return await self._next(again, handled)  # at most once: a second attempt is not rescued

    async def _rescued(
        self, going: Prepared, problem: object, handled: BaseException | None
    ) -> Prepared | None:
        """Close what failed and return a smaller call, None if there is to be no second attempt."""
        if self._begun:
            _count(self._manager, going, "refused", problem, handled)
            return None
        again = await rescued(self._manager, going, problem, handled)
        if again is not None:
            with contextlib.suppress(Exception):  # it has failed already
                await self._close()
        return again

    def _came_out(self, result: RescueResult) -> None:
        """Count once what became of a second attempt."""
        again, self._second = self._second, None
        if again is not None and again.is_rescue:
            _count(self._manager, again, result)

    async def _pull(self, going: Prepared) -> Any:
        with going.call.handing(compacted=going.compacted):
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


HANDLERS: dict[str, Callable[[CompactManager, ModelCall], Any]] = {
    "get_response": get_response,
    "stream_response": CompactingStream,
}
"""What stands in for the methods of a model."""
