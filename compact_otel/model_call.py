"""What a call of `Model.get_response` or `Model.stream_response` holds, whichever way it came.

Facts about the SDK: verified against openai-agents 0.24.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from compact_otel.core.items import as_mapping, is_protected, unmarked
from compact_otel.core.types import CallContext, Item
from compact_otel.session import current_session_id, is_left_to_its_session, is_taken_over
from compact_otel.telemetry import serving

# Positions of the arguments behind `self`. The runner calls `get_response` with keywords and
# `stream_response` with seven positionals; applications do as they like.
_POSITIONS = {
    "system_instructions": 0,
    "input": 1,
    "model_settings": 2,
    "tools": 3,
    "output_schema": 4,
    "handoffs": 5,
    "tracing": 6,
    "previous_response_id": 7,
    "conversation_id": 8,
    "prompt": 9,
}

# What an outer wrapper passed on. A model whose method calls another model's, or super(), with the
# same items is the same call, decided already; with other items (a model that runs an agent) not.
_handed: ContextVar[Sequence[Any] | None] = ContextVar("compact_otel_handed", default=None)


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

    def unmarked(self, flag: str) -> ModelCall:
        """Return the call without our marks of protection, which no provider knows."""
        items = self.argument("input")
        if not isinstance(items, list):
            return self
        marked = [n for n, item in enumerate(items) if is_protected(as_mapping(item), flag)]
        if not marked:
            return self
        plain = list(items)
        for n in marked:
            plain[n] = unmarked(as_mapping(items[n]), flag)
        return self.with_input(plain)

    def proceed(self) -> Any:
        """Call the model's own method."""
        return self.wrapped(*self.args, **self.kwargs)

    @property
    def traces_content(self) -> bool:
        """Whether the SDK would let a trace of the call have its words (`RunConfig`)."""
        return getattr(self.argument("tracing"), "name", None) != "ENABLED_WITHOUT_DATA"

    @contextlib.contextmanager
    def handing(self, *, compacted: bool | None = None) -> Iterator[None]:
        """Mark the input as decided, for what runs inside the model's method.

        Args:
            compacted: Whether it goes out compacted, None if an outer wrapper has said so.
        """
        token = _handed.set(self.argument("input"))
        try:
            with serving(compacted=compacted):
                yield
        finally:
            with contextlib.suppress(ValueError):  # closed by the garbage collector, elsewhere
                _handed.reset(token)


def was_handed(items: Any) -> bool:
    """Say whether an outer wrapper has passed this very input on."""
    handed = _handed.get()
    if handed is None or not isinstance(items, list):
        return False
    if items is handed:
        return True
    return len(items) == len(handed) and all(map(lambda a, b: a is b, items, handed))


def is_a(model: Any, *names: str) -> bool:
    """Say whether a model's class, or one of its bases, has one of the names."""
    return any(base.__name__ in names for base in type(model).__mro__)


def _speaks_responses(model: Any) -> bool:
    """Say whether a model's requests go to a Responses API; AnyLLM's do if its provider has one."""
    if is_a(model, "AnyLLMModel"):
        return bool(model._selected_api() == "responses")  # noqa: SLF001 - nothing public says it
    return is_a(model, "OpenAIResponsesModel")


_ON_CHAT = frozenset({"OpenAIChatCompletionsModel", "LitellmModel", "AnyLLMModel"})


def _drops_settings(model: Any) -> bool:
    """Say whether a model is one of the SDK's that speak Chat Completions.

    They drop what the Responses API calls `truncation` and `context_management`, and give their
    responses no id. Any other may be a wrapper around one that does neither.
    """
    bases = type(model).__mro__
    sdk = {base.__name__ for base in bases if base.__module__.startswith("agents.")}
    return bool(sdk & _ON_CHAT) and not _speaks_responses(model)


NOT_IN_HAND = frozenset({"server_managed", "unsupported_input"})
"""Reasons to stand back that hold whatever happens, as the history is not there to be changed. The
others leave it to somebody else to shorten it, and end where the provider refuses it all the same:
the run would die of a compaction that did not come, or comes only after the turn."""


def stands_back(call: ModelCall) -> str | None:
    """Say why the history of this call is not ours to change, None if it is.

    `server_managed`: the input is only what is new. `provider_compaction`: the provider compacts
    while it answers; this is also how the `Compaction` of sandbox agents works. `truncation_auto`:
    the provider drops what does not fit. `sdk_compaction_session`: the SDK has the run's session
    compacted after a turn, by the id of its last response.
    """
    if call.argument("previous_response_id") or call.argument("conversation_id"):
        return "server_managed"
    if is_taken_over() or _drops_settings(call.model):
        return None
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
    return "sdk_compaction_session" if is_left_to_its_session() else None


def context_of(call: ModelCall) -> CallContext:
    """Return what stands beside the items of a call."""
    model = call.model
    name = getattr(model, "model", None)
    schema = call.argument("output_schema")
    settings = call.argument("model_settings")
    choice = getattr(settings, "tool_choice", None)
    reasoning = getattr(getattr(settings, "reasoning", None), "context", None)
    instructions = call.argument("system_instructions")
    agent, group = _trace()
    openai = is_a(model, "OpenAIResponsesModel", "OpenAIChatCompletionsModel")
    return CallContext(
        model=name if isinstance(name, str) else None,
        api="responses" if _speaks_responses(model) else "chat",
        provider="openai" if openai else None,
        instructions=instructions if isinstance(instructions, str) else None,
        tools=[
            *map(tool_item, call.argument("tools") or ()),
            *map(handoff_item, call.argument("handoffs") or ()),
        ],
        output_schema=None if schema is None or schema.is_plain_text() else schema.json_schema(),
        tool_choice=choice if isinstance(choice, str) else None,
        reasoning_context=reasoning if isinstance(reasoning, str) else None,
        agent=agent,
        conversation=current_session_id() or group,
        reader=_reader(model),
        content=call.traces_content,
    )


def _reader(model: Any) -> str | None:
    """Name who can read what was sealed for a model: the same model at the same server."""
    name, url = getattr(model, "model", None), _url(getattr(model, "_client", None))
    if not is_a(model, "OpenAIResponsesModel") or not isinstance(name, str) or url is None:
        return None
    return f"{name} at {url}"


def _url(client: Any) -> str | None:
    """Return a client's address without what may be secret in it."""
    url = getattr(client, "base_url", None)
    host, path = getattr(url, "netloc", None), getattr(url, "path", None)
    return f"{host.decode()}{path}" if isinstance(host, bytes) else None


def tool_item(tool: Any) -> Item:
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


def handoff_item(handoff: Any) -> Item:
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


# What both `responses.create` and `responses.input_tokens.count` take, as far as it costs tokens.
_COUNTED = ("model", "input", "instructions", "tools", "tool_choice", "text", "reasoning")
_BUILT_FROM = (
    "system_instructions",
    "input",
    "model_settings",
    "tools",
    "output_schema",
    "handoffs",
    "prompt",
)


def composer(call: ModelCall, flag: str) -> Callable[[list[Any]], dict[str, Any]] | None:
    """Return what composes the request of a call with other items, None if that is not known.

    Only for the Responses API. It is built by the SDK's own model, so it is the one that would be
    sent; a version whose model does not build it apart has no such thing.

    Args:
        call: The call.
        flag: The mark of protected items, which no provider knows.
    """
    build = getattr(call.model, "_build_response_create_kwargs", None)
    if not is_a(call.model, "OpenAIResponsesModel") or build is None:
        return None

    def compose(items: list[Any]) -> dict[str, Any]:
        going = call.with_input(items).unmarked(flag)
        request: dict[str, Any] = build(**{name: going.argument(name) for name in _BUILT_FROM})
        return request

    return compose


# What both `responses.create` and `responses.compact` take.
_COMPACTED = ("model", "input", "instructions", "extra_headers", "extra_query")


def compacter(
    call: ModelCall, flag: str
) -> Callable[[list[Any]], tuple[Any, dict[str, Any]]] | None:
    """Return what gives the client of a call, and other items as a request to its compaction.

    The client is the agent's own, as nobody else can read what the provider seals: a client with
    another address or key would bring an item that the next call is refused for.

    Args:
        call: The call.
        flag: The mark of protected items, which no provider knows.
    """
    compose, model = composer(call, flag), call.model
    client_of = getattr(model, "_get_client", None)
    if compose is None or client_of is None or _reader(model) is None or call.argument("prompt"):
        return None

    def compact(items: list[Any]) -> tuple[Any, dict[str, Any]]:
        request = compose(items)
        plain = {name: request.get(name) for name in _COMPACTED}
        # What is left out has a value that says so, and no plain type.
        return client_of(), {k: v for k, v in plain.items() if isinstance(v, str | list | Mapping)}

    return compact


def counter(call: ModelCall, flag: str) -> Callable[[list[Any]], Awaitable[int]] | None:
    """Return what lets the provider count a call with other items, None if it cannot be asked.

    Only OpenAI's Responses API can, and where the request can be composed.

    Args:
        call: The call.
        flag: The mark of protected items, which no provider knows.
    """
    compose = composer(call, flag)
    client_of = getattr(call.model, "_get_client", None)
    if compose is None or client_of is None:
        return None

    async def count(items: list[Any]) -> int:
        request = compose(items)
        asked = {name: request[name] for name in _COUNTED if name in request}
        client = client_of().with_options(max_retries=0)  # our own count is as near as a retry
        answer = await client.responses.input_tokens.count(**asked)
        return int(answer.input_tokens)

    return count
