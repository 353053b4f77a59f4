"""What a model call costs: by part, by layer, by item, and against the window.

The total and the four parts are those of the event `compact.token_estimate`: they come out of the
same code. The layers divide them further; every item belongs to one layer, except that media and
the calls of a Chat message are told apart from the text beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from compact_otel.core import frame
from compact_otel.core.assemble import whole
from compact_otel.core.errors import InsufficientBudget
from compact_otel.core.items import is_protected, role_of, text_parts
from compact_otel.core.measure import Measured, Scale, name_of
from compact_otel.core.policy import Limits, Reason, make_plan
from compact_otel.core.types import Item, Window
from compact_otel.estimators.media import media_of
from compact_otel.printable import printable
from compact_otel.redaction import Redactor
from compact_otel.tokens.reading import ModelCall

Part = Literal["system", "developer", "tools_schema", "messages"]
LayerName = Literal[
    "instructions", "system", "developer", "tools_schema", "user", "assistant", "tool_calls",
    "tool_outputs", "reasoning", "compaction", "media", "summaries", "protected", "other",
    "framing",
]  # fmt: skip

_PARTS: Mapping[LayerName, Part] = {
    "instructions": "system",
    "system": "system",
    "developer": "developer",
    "tools_schema": "tools_schema",
    "user": "messages",
    "assistant": "messages",
    "tool_calls": "messages",
    "tool_outputs": "messages",
    "reasoning": "messages",
    "compaction": "messages",
    "media": "messages",
    "summaries": "messages",
    "protected": "messages",
    "other": "messages",
    "framing": "messages",
}
_INSTRUCTING: Mapping[str | None, LayerName] = {"system": "system", "developer": "developer"}
_OF_ROLES: Mapping[str | None, LayerName] = {
    "user": "user",
    "assistant": "assistant",
    "tool": "tool_outputs",
    "function": "tool_outputs",
}
_OF_TYPES: Mapping[str, LayerName] = {
    "reasoning": "reasoning",
    "compaction": "compaction",
    "image_generation_call": "media",
    "mcp_approval_request": "tool_calls",
    "mcp_approval_response": "tool_outputs",
}
_WHOLE: frozenset[LayerName] = frozenset({"system", "developer", "summaries", "protected", "media"})
"""Layers whose items are not divided."""

_LARGEST = 10
_PREVIEW_CHARS = 60
_REDACTED_CHARS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Tokens of one kind.

    Attributes:
        name: The kind.
        part: Which of the event's four sums it belongs to.
        tokens: All of them.
        items: Items in it; for `tools_schema`, tools.
    """

    name: LayerName
    part: Part
    tokens: int
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Large:
    """One of the largest items.

    Attributes:
        index: Its place in the file, from 0.
        tokens: What it costs.
        layer: Its layer.
        type: Its `type`, None if it has none.
        role: Its role, None if it has none.
        tool: Name of the tool that it calls or answers for, None without one.
        preview: How its text begins, without secrets; None unless asked for.
    """

    index: int
    tokens: int
    layer: LayerName
    type: str | None
    role: str | None
    tool: str | None
    preview: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """What a compaction now would come to.

    Attributes:
        due: Whether this call would be compacted.
        reason: Why, or `below_trigger`.
        at_least: Tokens that have to go to reach the target; 0 where it is reached.
        items: Items that the policy would drop; None if no compaction is due or possible.
        tokens: Tokens of those.
        summary_at_most: The longest summary in their place.
        impossible: Why it cannot be done, None if it can.
    """

    due: bool
    reason: Reason
    at_least: int
    items: int | None = None
    tokens: int | None = None
    summary_at_most: int | None = None
    impossible: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All that is shown.

    Attributes:
        estimator: Who counted.
        items: How many items there are.
        total: Tokens of the call.
        parts: The four sums of `compact.token_estimate`.
        layers: Every layer, also empty ones.
        largest: The largest items, largest first.
        window: What the model takes in.
        limits: What the policy says of it.
        drop: What a compaction would come to.
    """

    estimator: str
    items: int
    total: int
    parts: Mapping[Part, int]
    layers: Sequence[Layer]
    largest: Sequence[Large]
    window: Window
    limits: Limits
    drop: Drop


def figures_of(found: ModelCall, scale: Scale, *, preview: bool = False) -> Figures:
    """Count a call.

    Args:
        found: The call.
        scale: What it is measured with; its call is the one of `found`, with a model.
        preview: Whether to show how the largest items begin.
    """
    items, state = found.items, measured(found, scale)
    told = state.estimate("before")
    names = [layer_of(item, scale.policy.protected_flag) for item in items]
    return Figures(
        estimator=name_of(scale.estimator),
        items=len(items) + found.first,
        total=state.total,
        parts={
            "system": told.system,
            "developer": told.developer,
            "tools_schema": told.tools_schema,
            "messages": told.messages,
        },
        layers=_layers(found, state, names),
        largest=list(_largest(found, state, names, preview=preview)),
        window=scale.window,
        limits=state.limits,
        drop=_drop(state),
    )


def measured(found: ModelCall, scale: Scale) -> Measured:
    """Return a call with its tokens, item by item; the arguments are those of `figures_of`."""
    items = found.items
    return Measured.of(
        scale,
        whole(items),
        items=items,
        counts=scale.items(items),
        fixed=scale.fixed(),
        instructions=[n for n, item in enumerate(items) if role_of(item) in _INSTRUCTING],
    )


def layer_of(item: Item, flag: str) -> LayerName:
    """Return the layer of an item.

    Args:
        item: The item.
        flag: What marks a protected one, as in `CompactPolicy.protected_flag`.
    """
    role = role_of(item)
    if role in _INSTRUCTING:
        return _INSTRUCTING[role]
    if frame.unwrap(item) is not None:
        return "summaries"
    if is_protected(item, flag):
        return "protected"
    kind = item.get("type")
    if kind is not None and kind != "message":
        return _layer_of_type(str(kind))
    if item.get("tool_calls") and not item.get("content"):
        return "tool_calls"
    return _OF_ROLES.get(role, "other")


def _layer_of_type(kind: str) -> LayerName:
    if kind in _OF_TYPES:
        return _OF_TYPES[kind]
    if kind.endswith("_output"):
        return "tool_outputs"
    return "tool_calls" if kind.endswith("_call") else "other"


def _layers(found: ModelCall, state: Measured, names: Sequence[LayerName]) -> list[Layer]:
    tokens: dict[LayerName, int] = dict.fromkeys(_PARTS, 0)
    items: dict[LayerName, int] = dict.fromkeys(_PARTS, 0)
    fixed = state.fixed
    spoken: LayerName = "system" if found.first else "instructions"
    tokens[spoken] += fixed.instructions
    items[spoken] += state.scale.call.instructions is not None
    tokens["tools_schema"], items["tools_schema"] = fixed.tools_schema, len(state.scale.call.tools)
    for index, pieces in enumerate(pieces_of(state, names)):
        for name, share in pieces.items():
            tokens[name] += share
            items[name] += name == names[index] or share > 0
    # The request's own frame, and what rounding leaves over.
    tokens["framing"] = state.total - sum(tokens.values())
    return [
        Layer(name=name, part=part, tokens=tokens[name], items=items[name])
        for name, part in _PARTS.items()
    ]


def pieces_of(state: Measured, names: Sequence[LayerName]) -> Iterator[dict[LayerName, int]]:
    """Yield the tokens of each item by layer.

    What a picture costs only the estimator knows, so an item is counted once more without it.
    """
    divided = [
        item if name in _WHOLE else _without_media(item)
        for item, name in zip(state.items, names, strict=True)
    ]
    silent = [_without_calls(item) for item in divided]
    count = state.scale.items
    rest = state.counts if divided == list(state.items) else count(divided)
    spoken = rest if silent == divided else count(silent)
    for index, name in enumerate(names):
        whole_, left, text = state.item_tokens[index], rest[index], spoken[index]
        pieces: dict[LayerName, int] = {name: 0}
        media, calls = max(0, state.counts[index] - left), max(0, left - text)
        if media and name not in _WHOLE:
            pieces["media"] = state.scale.calibrated(media)
        if calls and name == "assistant":
            pieces["tool_calls"] = state.scale.calibrated(calls)
        pieces[name] = whole_ - sum(pieces.values())
        yield pieces


def _without_media(item: Item) -> Item:
    changed = {}
    for key in ("content", "output"):
        value = item.get(key)
        if isinstance(value, list):
            kept = [part for part in value if media_of(part) is None]
            if len(kept) < len(value):
                changed[key] = kept
        elif media_of(value) is not None:
            changed[key] = []
    return {**item, **changed} if changed else item


def _without_calls(item: Item) -> Item:
    if not item.get("tool_calls"):
        return item
    return {key: value for key, value in item.items() if key != "tool_calls"}


def _largest(
    found: ModelCall, state: Measured, names: Sequence[LayerName], *, preview: bool
) -> Iterator[Large]:
    order = sorted(range(len(names)), key=lambda index: -state.item_tokens[index])
    tools = tools_of(state.items)
    redactor = Redactor()
    for index in order[:_LARGEST]:
        item, tokens = state.items[index], state.item_tokens[index]
        if not tokens:
            return
        yield Large(
            index=index + found.first,
            tokens=tokens,
            layer=names[index],
            type=shown_name(item.get("type")),
            role=shown_name(item.get("role")),
            tool=tools[index],
            preview=preview_of(item, redactor) if preview else None,
        )


def tools_of(items: Sequence[Item]) -> list[str | None]:
    """Return the name of the tool that each item calls or answers for."""
    called: dict[str, str] = {}
    tools: list[str | None] = []
    for item in items:
        names = []
        for call in (item, *_chat_calls(item)):
            name = call.get("name") if call is item else _function(call).get("name")
            is_call = call is not item or str(item.get("type")).endswith("_call")
            if isinstance(name, str) and is_call:
                names.append(name)
                called[_ident(call, "call_id", "id")] = name
        answered = called.get(_ident(item, "call_id", "tool_call_id"))
        tools.append(shown_name(", ".join(names) or answered))
    return tools


def _ident(item: Item, *members: str) -> str:
    """Return what joins a call and its output; two that have none are not joined."""
    idents = (item.get(member) for member in members)
    return next((ident for ident in idents if isinstance(ident, str)), f"none of {id(item)}")


def _chat_calls(item: Item) -> list[Mapping[str, Any]]:
    calls = item.get("tool_calls")
    return [call for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []


def _function(call: Mapping[str, Any]) -> Mapping[str, Any]:
    function = call.get("function")
    return function if isinstance(function, Mapping) else {}


def shown_name(value: Any) -> str | None:
    """Return a name in a file as it may be shown, None of what is none."""
    return printable(value, 40) if isinstance(value, str) else None


def spoken(item: Item) -> str:
    """Return what an item says: its texts, its output, the arguments of its calls."""
    texts = [*text_parts(item.get("content")), *text_parts(item.get("output"))]
    texts += [text for key in ("arguments", "input") if isinstance(text := item.get(key), str)]
    for call in _chat_calls(item):
        texts += [text for text in [_function(call).get("arguments")] if isinstance(text, str)]
    return "\n".join(texts)


def preview_of(item: Item, redactor: Redactor) -> str:
    """Return how the text of an item begins, on one line and without secrets."""
    return printable(redactor.text(spoken(item)[:_REDACTED_CHARS]), _PREVIEW_CHARS)


def _drop(state: Measured) -> Drop:
    reason = state.reason("preflight")
    at_least = max(0, state.total - state.limits.target)
    if reason == "below_trigger":
        return Drop(due=False, reason=reason, at_least=at_least)
    try:
        plan = make_plan(
            state.items,
            state.item_tokens,
            state.scale.policy,
            state.limits,
            trigger="preflight",
            fixed_tokens=state.fixed.total,
            frame_tokens=state.scale.summary(1, ""),
        )
    except InsufficientBudget as error:
        return Drop(due=True, reason=reason, at_least=at_least, impossible=str(error))
    if plan is None:
        return Drop(due=True, reason=reason, at_least=at_least, items=0, tokens=0)
    return Drop(
        due=True,
        reason=reason,
        at_least=at_least,
        items=len(plan.dropped),
        tokens=sum(state.item_tokens[index] for index in plan.dropped),
        summary_at_most=plan.summary_budget,
    )
