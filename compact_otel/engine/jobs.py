"""From what a caller asks to what the flow is asked."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from compact_otel.core import events
from compact_otel.core.assemble import View
from compact_otel.core.calibration import applied
from compact_otel.core.frame import RECALL_TOOL
from compact_otel.core.history import Recollection
from compact_otel.core.items import api_of
from compact_otel.core.job import Checks, Job, Writer
from compact_otel.core.measure import Scale, name_of
from compact_otel.core.policy import Limits, limits
from compact_otel.core.protocols import ReadableArchive, Summarizer, TokenEstimator
from compact_otel.core.types import CallContext, Item, Window
from compact_otel.engine.answers import rendered
from compact_otel.engine.parts import is_warm
from compact_otel.engine.performing import Shared
from compact_otel.engine.request import Request
from compact_otel.prices import price_of

T = TypeVar("T")

_NEAR = 0.5
"""Share of the bytes at which a vocabulary is needed from which on it is loaded, in a thread."""


def job_of(shared: Shared, request: Request) -> Job:
    """Return the job of a request."""
    known = shared.known.history(request.session_id)
    memory = Recollection(request.messages, known)
    items = memory.items
    config, storage = shared.config, shared.parts.storage
    # By hand a caller seldom knows the instructions and tools beside a history; its last call did.
    last = known.call if known is not None and request.trigger == "manual" else None
    call = (
        request.call
        # What comes out is the caller's to keep, and to send to any model: nothing in it is sealed.
        or (None if last is None else replace(last, reader=None))
        or CallContext(model=config.model, api=api_of(items), conversation=request.session_id)
    )
    policy, window = config.settings_for(call.model, call.agent)
    if request.refused is not None and request.refused.limit is None:
        # The window is unknown but for what it did not hold, and there is one attempt left.
        policy = replace(policy, target_pct=policy.target_pct / 2)
    stored = storage is not None and not is_observed(shared, request)
    estimator = shared.estimator
    believed = shared.windows.of(call.model, window)
    if request.below is not None and 0 < request.below < believed.input_limit:
        believed = Window(size=request.below, source="learned")
    if request.trigger == "preflight" and not is_warm(estimator, call.model):
        estimator = _while_cold(shared, memory, call, limits(policy, believed))
    scale = Scale(
        estimator=estimator,
        call=call,
        policy=policy,
        window=believed,
        recall=stored and _can_look_up(call, storage),
        factor=applied(shared.known.ratio(call.model, name_of(estimator))),
    )
    rescue = None
    if request.refused is not None:
        rescue = events.Rescue(
            attempt=1,
            reported_tokens=request.refused.used,
            window=scale.window.size,
            window_source=scale.window.source,
        )
    summarizer = config.summarizer
    return Job(
        items=items,
        scale=scale,
        trigger=request.trigger,
        ledger=shared.known.ledger,
        ready=shared.known.ready,
        memory=memory,
        writers=[
            Writer(
                name_of(writer),
                immediate=getattr(writer, "immediate", False) is True,
                native=getattr(writer, "native", False) is True,
            )
            for writer in writers_of(shared, request)
        ],
        storage=name_of(storage) if stored else None,
        new_id=lambda: uuid.uuid4().hex,
        stand_back=request.stand_back,
        on_insufficient=request.on_insufficient,
        note=request.note,
        rescue=rescue,
        price=lambda: price_of(call.model),
        count=_counter(request, scale) if config.estimator.exact else None,
        checks=Checks(floor=summarizer.facts_floor, ledger_pct=summarizer.ledger_pct)
        if summarizer.verify
        else None,
        compose=_over_views(request, scale, request.compose),
        native=_over_views(request, scale, request.native),
    )


def _while_cold(
    shared: Shared, memory: Recollection, call: CallContext, bounds: Limits
) -> TokenEstimator:
    """Return the rough estimator for a call that is small, whatever its bytes turn out to be.

    Only while no vocabulary is loaded; a program that never comes near its window loads none. Where
    it comes nearer one is loaded while the model answers, so that no call waits for it.
    """
    rough = shared.parts.rough
    if rough is None:
        return shared.estimator
    known = memory.heard  # files and tools of another server are seen by the provider only
    most = max(rough.most(memory.items, call), 2 * known.tokens if known else 0)
    needed = min(bounds.soon or bounds.trigger, bounds.trigger)
    if most >= needed:
        return shared.estimator
    if most >= needed * _NEAR:
        shared.parts.load_ahead(call.model)
    return rough


def _counter(request: Request, scale: Scale) -> Callable[[View], Awaitable[int]] | None:
    """Return what lets the provider count a view of the request, None if it cannot be asked."""
    ask = request.count
    return None if ask is None else lambda view: ask(rendered(request, view, scale))


def _over_views(
    request: Request, scale: Scale, compose: Callable[[list[Any]], T] | None
) -> Callable[[Sequence[Item], View], T] | None:
    """Return what composes a request of a view, None if that cannot be known."""
    if compose is None:
        return None

    def composed(items: Sequence[Item], view: View) -> T:
        # Of the items that are handed in: a summary ahead has copies, as the caller goes on.
        return compose(rendered(replace(request, messages=items), view, scale))

    return composed


def _can_look_up(call: CallContext, storage: object) -> bool:
    """Say whether the agent has the tool for it, and the storage can be read."""
    has_tool = any(tool.get("name") == RECALL_TOOL for tool in call.tools)
    return has_tool and isinstance(storage, ReadableArchive)


def writers_of(shared: Shared, request: Request) -> tuple[Summarizer, ...]:
    """Return the summarisers in the order in which they are asked."""
    writers = shared.parts.summarizers
    return writers[-1:] if is_observed(shared, request) else writers


def is_observed(shared: Shared, request: Request) -> bool:
    """Say whether the call is only watched: nothing changes, is stored, or is paid for."""
    return shared.config.mode == "observe" and request.trigger != "manual"


def is_off(shared: Shared, request: Request) -> bool:
    """Say whether nobody looks at the call."""
    return shared.config.mode == "off" and request.trigger != "manual"
