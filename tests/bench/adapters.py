"""What users would pick instead, each behind the same two calls.

An adapter takes a history as Responses items, converts it to its library's own types (that is not
timed), and returns two functions. Each takes one more item in and returns the call to time:
`steady` one that finds nothing to do, `triggered` one that compacts, with a summariser that costs
nothing. What the call returns is what goes to the model, and `left` says how many messages of it
are whole.

Libraries are imported inside the adapters: one runs at a time, in a process of its own
(`worker.py`), and one that is not installed is a row of the table all the same.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Item = dict[str, Any]
Call = Callable[[], "Any | Awaitable[Any]"]

SUMMARY = "The customer asked about orders, and the clerk looked them up."
HIGH, LOW = 100_000_000, 30_000
"""Tokens: more than any history here has, and fewer."""
KEEP = 20
"""Messages that stay, where a library lets one say so."""


class Sides(NamedTuple):
    """The two calls of a library; `triggered` is None where there is no threshold."""

    steady: Callable[[Item], Call]
    triggered: Callable[[Item], Call] | None
    left: Callable[[Any], int] = len


@dataclass(frozen=True, slots=True)
class Peer:
    """A row of the table.

    Attributes:
        name: What the row is called.
        adapter: Makes the calls.
        counts: What it decides by.
        package: The distribution to install, None for what is always there.
        reads: Whether the decision reads the items at all.
        apart: Why it cannot be installed beside the others, None if it can.
        python: The Python it needs.
    """

    name: str
    adapter: Callable[[list[Item]], Sides]
    counts: str
    package: str | None = None
    reads: bool = True
    apart: str | None = None
    python: str = "3.11"


def texts_of(item: Item) -> list[str]:
    """Return the texts of an item."""
    names = ("content", "arguments", "output")
    return [item[name] for name in names if isinstance(item.get(name), str)]


# --- rulers ---


def recount(items: list[Item]) -> Sides:
    """Count every text with tiktoken, as one does who remembers nothing."""
    from compact_otel.estimators.vocabulary import o200k

    encode = o200k().encode_ordinary
    return _whole(items, lambda text: len(encode(text)))


def characters(items: list[Item]) -> Sides:
    """Divide the characters by four: the least that a look at the items can cost."""
    return _whole(items, len)


def _whole(items: list[Item], count: Callable[[str], int]) -> Sides:
    def steady(new: Item) -> Call:
        longer = [*items, new]

        def call() -> list[Item]:
            assert sum(count(text) for item in longer for text in texts_of(item)) < HIGH * 4
            return longer

        return call

    return Sides(steady, None)


# --- compact_otel ---


class _Stub:
    immediate = True  # so that nothing is written ahead of time, in the midst of a measurement

    def summarize(self, request: Any) -> str:
        return SUMMARY


def compact_otel(items: list[Item]) -> Sides:
    """Decide from a thread, as `CompactManager.preflight`."""
    return _ours(items, "preflight")


def compact_otel_async(items: list[Item]) -> Sides:
    """Decide from an event loop, as the wrapper of a model call does."""
    return _ours(items, "apreflight")


def _ours(items: list[Item], method: str) -> Sides:
    from compact_otel import CompactConfig, CompactManager
    from compact_otel.estimators.vocabulary import o200k

    o200k()  # without it a small call is only guessed, which costs less than what is to be measured

    def manager(window: int) -> CompactManager:
        config = CompactConfig.load(max_context_tokens=window, storage={"adapter": "none"})
        return CompactManager(config, summarizer=_Stub())

    steadily = manager(HIGH)
    tokens = steadily.preflight("s", items).tokens_before
    trigger_pct = steadily.config.policy.trigger_pct

    def steady(new: Item) -> Call:
        longer = [*items, new]
        steadily.preflight("s", items)
        return lambda: getattr(steadily, method)("s", longer)

    def triggered(new: Item) -> Call:
        longer = [*items, new]
        # The history as it is stays below the trigger, and the new item is one too many.
        crossed = manager(int((tokens + 4) / trigger_pct))
        assert crossed.preflight("s", items).outcome == "skipped"
        return lambda: getattr(crossed, method)("s", longer)

    return Sides(steady, triggered, lambda result: len(result.messages))


# --- the Agents SDK, and what is made for it ---


class _ListSession:
    """A session of the Agents SDK that is a list."""

    session_id, session_settings = "s", None

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = list(items)

    async def get_items(self, limit: int | None = None) -> list[Item]:
        return list(self.items)

    async def add_items(self, items: list[Item]) -> None:
        self.items.extend(items)

    async def clear_session(self) -> None:
        self.items.clear()


def agents_sdk(items: list[Item]) -> Sides:
    """`OpenAIResponsesCompactionSession` asks how many items there are; the server compacts."""
    from types import SimpleNamespace

    from agents.memory import OpenAIResponsesCompactionSession

    class Responses:
        async def compact(self, **request: Any) -> Any:
            output = [{"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}]
            return SimpleNamespace(output=output, usage=None)

    client: Any = SimpleNamespace(responses=Responses())

    def session(kept: _ListSession, least: int) -> Any:
        return OpenAIResponsesCompactionSession(
            "s",
            kept,  # type: ignore[arg-type]
            client=client,
            should_trigger_compaction=lambda seen: len(seen["session_items"]) >= least,
        )

    kept = _ListSession(items)
    steadily = session(kept, HIGH)

    def steady(new: Item) -> Call:
        _finish(steadily.add_items([new]))

        async def call() -> list[Item]:
            await steadily.run_compaction({"compaction_mode": "input"})
            return kept.items

        return call

    def triggered(new: Item) -> Call:
        own = _ListSession([*items, new])
        crossed = session(own, 2)

        async def call() -> list[Item]:
            await crossed.run_compaction({"compaction_mode": "input"})
            return own.items

        return call

    return Sides(steady, triggered)


def local_compaction(items: list[Item]) -> Sides:
    """openai-agents-context-compaction with its default counter."""
    return _local_compaction(items)


def local_compaction_tiktoken(items: list[Item]) -> Sides:
    """openai-agents-context-compaction with tiktoken, as its documentation suggests."""
    from compact_otel.estimators.vocabulary import o200k

    # Its own `TiktokenCounter` does the same, but downloads the vocabulary.
    encode = o200k().encode
    return _local_compaction(items, token_counter=lambda text: len(encode(text)))


def _local_compaction(items: list[Item], **options: Any) -> Sides:
    from openai_agents_context_compaction import LocalCompactionSession

    def function(limit: int) -> Callable[[list[Any]], Awaitable[list[Any]]]:
        kept = _ListSession(items)
        session = LocalCompactionSession(kept, token_budget=limit, **options)

        def decide(history: list[Any]) -> Awaitable[list[Any]]:
            kept.items = history
            return session.get_items()

        return decide

    return _plain(items, function)


def agentic(items: list[Item]) -> Sides:
    """agentic-context-compaction, which keeps the newest."""
    from context_compactor import ContextCompactor
    from context_compactor.strategies.generic import KeepRecentMessages
    from context_compactor.tokenizers.openai_agents import OpenAIAgentsTokenCounter

    def compactor(limit: int) -> Any:
        return ContextCompactor(
            max_context_tokens=limit,
            strategy=KeepRecentMessages(KEEP),
            token_counter=OpenAIAgentsTokenCounter(),
        )

    # It counts a tenth of what there is, so less is a low limit.
    return _plain(items, lambda limit: compactor(limit).maybe_compact, low=LOW // 20)


def _plain(
    messages: list[Any],
    compact: Callable[[int], Callable[[list[Any]], Any]],
    *,
    convert: Callable[[Item], Any] = lambda item: item,
    left: Callable[[Any], int] = len,
    low: int = LOW,
) -> Sides:
    """Return the sides of a library that is one function of limit and messages."""
    high = compact(HIGH)

    def steady(new: Item) -> Call:
        longer = [*messages, convert(new)]
        return lambda: high(longer)

    def triggered(new: Item) -> Call:
        crossed, longer = compact(low), [*messages, convert(new)]
        return lambda: crossed(longer)

    return Sides(steady, triggered, left)


# --- LangChain and what stands on it ---


def _langchain_message(item: Item) -> Any:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

    if item.get("type") == "function_call":
        call = {
            "name": item["name"],
            "args": json.loads(item["arguments"]),
            "id": item["call_id"],
            "type": "tool_call",
        }
        return AIMessage("", tool_calls=[call])
    if item.get("type") == "function_call_output":
        return ToolMessage(item["output"], tool_call_id=item["call_id"])
    kinds = {"user": HumanMessage, "assistant": AIMessage, "system": SystemMessage}
    return kinds[item["role"]](item["content"])


def _langchain_model() -> Any:
    from langchain_core.language_models.fake_chat_models import FakeListChatModel

    return FakeListChatModel(responses=[SUMMARY])


def _exact() -> Callable[[Sequence[Any]], int]:
    """Return a counter of LangChain messages that asks tiktoken, with no memory."""
    from compact_otel.estimators.vocabulary import o200k

    encode = o200k().encode_ordinary

    def count(messages: Sequence[Any]) -> int:
        calls = (call for message in messages for call in getattr(message, "tool_calls", ()))
        texts = [str(message.content) for message in messages]
        texts += [f"{call['name']} {json.dumps(call['args'])}" for call in calls]
        return sum(len(encode(text)) + 3 for text in texts)

    return count


def langchain(items: list[Item]) -> Sides:
    """`SummarizationMiddleware` with its own counter."""
    return _langchain(items)


def langchain_tiktoken(items: list[Item]) -> Sides:
    """`SummarizationMiddleware` with real tokens."""
    return _langchain(items, token_counter=_exact())


def _langchain(items: list[Item], **options: Any) -> Sides:
    from langchain.agents.middleware import SummarizationMiddleware

    def middleware(limit: int) -> Callable[[list[Any]], list[Any]]:
        made = SummarizationMiddleware(
            _langchain_model(), trigger=("tokens", limit), keep=("messages", KEEP), **options
        )

        def decide(messages: list[Any]) -> list[Any]:
            change = made.before_model({"messages": messages}, None)  # type: ignore[arg-type]
            return messages if change is None else change["messages"][1:]  # behind "remove all"

        return decide

    messages = [_langchain_message(item) for item in items]
    return _plain(messages, middleware, convert=_langchain_message)


def _wrapping(middleware: Callable[[int], Any], items: list[Item]) -> Sides:
    """Return the sides of a middleware that wraps the model call."""
    from langchain.agents.middleware.types import ModelRequest, ModelResponse
    from langchain_core.messages import AIMessage

    def function(limit: int) -> Callable[[list[Any]], list[Any]]:
        made, model = middleware(limit), _langchain_model()
        sent: list[Any] = []

        def handler(request: Any) -> Any:
            sent[:] = [request.messages]
            return ModelResponse(result=[AIMessage("")])

        def decide(messages: list[Any]) -> list[Any]:
            request: Any = ModelRequest(
                model=model, messages=messages, tools=[], state={"messages": messages}
            )
            made.wrap_model_call(request, handler)
            whole: list[Any] = sent[0]
            return whole

        return decide

    messages = [_langchain_message(item) for item in items]
    return _plain(
        messages,
        function,
        convert=_langchain_message,
        left=lambda sent: sum(message.content != "[cleared]" for message in sent),
    )


def context_editing(items: list[Item]) -> Sides:
    """LangChain's `ContextEditingMiddleware`, which clears tool outputs."""
    from langchain.agents.middleware import ClearToolUsesEdit, ContextEditingMiddleware

    return _wrapping(
        lambda limit: ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=limit)]), items
    )


def langmem(items: list[Item]) -> Sides:
    """langmem's `summarize_messages`."""
    from langmem.short_term import summarize_messages

    model = _langchain_model()
    numbers = iter(range(1_000_000))

    def message(item: Item) -> Any:
        made = _langchain_message(item)
        made.id = f"m{next(numbers)}"  # it refuses messages without an id
        return made

    def summarizer(limit: int) -> Callable[[list[Any]], Any]:
        return lambda messages: (
            summarize_messages(
                messages,
                running_summary=None,
                model=model,
                max_tokens=limit,
                max_summary_tokens=256,
            ).messages
        )

    return _plain([message(item) for item in items], summarizer, convert=message)


def deepagents(items: list[Item]) -> Sides:
    """The summarisation middleware of deepagents, with its archive in memory."""
    from deepagents.backends import StoreBackend
    from deepagents.middleware.summarization import SummarizationMiddleware
    from langgraph.store.memory import InMemoryStore

    def middleware(limit: int) -> Any:
        return SummarizationMiddleware(
            _langchain_model(),
            backend=StoreBackend(store=InMemoryStore(), namespace=lambda _: ("bench",)),
            trigger=("tokens", limit),
            keep=("messages", KEEP),
        )

    return _wrapping(middleware, items)


def compact_middleware(items: list[Item]) -> Sides:
    """compact-middleware, Claude Code's way for LangChain."""
    from compact_middleware import CompactionConfig, CompactionMiddleware
    from deepagents.backends import StoreBackend
    from langgraph.store.memory import InMemoryStore

    def middleware(limit: int) -> Any:
        return CompactionMiddleware(
            _langchain_model(),
            backend=StoreBackend(store=InMemoryStore(), namespace=lambda _: ("bench",)),
            config=CompactionConfig(trigger=("tokens", limit), keep=("messages", KEEP)),
        )

    return _wrapping(middleware, items)


# --- other frameworks ---


def harness_warm(items: list[Item]) -> Sides:
    """pydantic-ai-harness with the usage of the last response in the history."""
    return _harness(items, used=LOW)


def harness_cold(items: list[Item]) -> Sides:
    """pydantic-ai-harness without any usage."""
    return _harness(items, used=0)


def _harness(items: list[Item], used: int) -> Sides:
    from pydantic_ai import RunContext
    from pydantic_ai.messages import (
        ModelRequest,
        ModelResponse,
        TextPart,
        ToolCallPart,
        ToolReturnPart,
        UserPromptPart,
    )
    from pydantic_ai.models import ModelRequestContext, ModelRequestParameters
    from pydantic_ai.models.test import TestModel
    from pydantic_ai.usage import RequestUsage, RunUsage
    from pydantic_ai_harness.compaction import SummarizingCompaction

    names: dict[str, str] = {}
    model = TestModel(custom_output_text=SUMMARY)

    def message(item: Item) -> Any:
        if item.get("type") == "function_call":
            names[item["call_id"]] = item["name"]
            part = ToolCallPart(item["name"], item["arguments"], tool_call_id=item["call_id"])
            return ModelResponse(parts=[part])
        if item.get("type") == "function_call_output":
            name = names[item["call_id"]]
            done = ToolReturnPart(name, item["output"], tool_call_id=item["call_id"])
            return ModelRequest(parts=[done])
        if item["role"] == "assistant":
            return ModelResponse(parts=[TextPart(item["content"])])
        return ModelRequest(parts=[UserPromptPart(item["content"])])

    messages = [message(item) for item in items]
    if used:
        messages[-1].usage = RequestUsage(input_tokens=used, output_tokens=5)

    def function(limit: int) -> Callable[[list[Any]], Awaitable[list[Any]]]:
        made: SummarizingCompaction[None] = SummarizingCompaction(
            model, max_tokens=limit, keep_messages=KEEP
        )

        async def decide(history: list[Any]) -> list[Any]:
            context: RunContext[None] = RunContext(
                deps=None, model=model, usage=RunUsage(), messages=history
            )
            request = ModelRequestContext(
                model=model,
                messages=history,
                model_settings=None,
                model_request_parameters=ModelRequestParameters(),
            )
            return (await made.before_model_request(context, request)).messages

        return decide

    return _plain(messages, function, convert=message, low=LOW - 1)


def agent_framework(items: list[Item]) -> Sides:
    """Microsoft's Agent Framework: a token budget over its summarisation strategy."""
    from agent_framework import (
        CharacterEstimatorTokenizer,
        ChatResponse,
        Content,
        Message,
        SummarizationStrategy,
        TokenBudgetComposedStrategy,
        apply_compaction,
    )

    class Client:
        async def get_response(self, messages: Any, **options: Any) -> Any:
            return ChatResponse(messages=[Message("assistant", [SUMMARY])])

    def message(item: Item) -> Any:
        if item.get("type") == "function_call":
            arguments = item["arguments"]
            call = Content.from_function_call(item["call_id"], item["name"], arguments=arguments)
            return Message("assistant", [call])
        if item.get("type") == "function_call_output":
            done = Content.from_function_result(item["call_id"], result=item["output"])
            return Message("tool", [done])
        return Message(item["role"], [item["content"]])

    def function(limit: int) -> Callable[[list[Any]], Awaitable[list[Any]]]:
        client: Any = Client()
        strategy = TokenBudgetComposedStrategy(
            token_budget=limit,
            tokenizer=CharacterEstimatorTokenizer(),
            strategies=[SummarizationStrategy(client=client, target_count=KEEP)],
        )
        return lambda history: apply_compaction(history, strategy=strategy)

    high, low = function(HIGH), function(LOW)
    kept = [message(item) for item in items]

    def steady(new: Item) -> Call:
        longer = [*kept, message(new)]
        return lambda: high(longer)

    def triggered(new: Item) -> Call:
        own = [message(item) for item in items]  # what is left out is marked in the messages
        _finish(high(own))  # and so are their counts, by the call before
        own.append(message(new))
        return lambda: low(own)

    return Sides(steady, triggered)


def _finish(coroutine: Any) -> Any:
    """Return what a coroutine gives that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def strands_warm(items: list[Item]) -> Sides:
    """Strands with the usage of the last response in the history."""
    return _strands(items, used=LOW)


def strands_cold(items: list[Item]) -> Sides:
    """Strands without any usage."""
    return _strands(items, used=0)


def _strands(items: list[Item], used: int) -> Sides:
    from strands import Agent
    from strands.agent.conversation_manager import SummarizingConversationManager
    from strands.event_loop.event_loop import _estimate_input_tokens
    from strands.hooks import BeforeModelCallEvent
    from strands.models import Model

    class Stub(Model):
        def __init__(self, limit: int) -> None:
            self.config = {"context_window_limit": limit}

        def get_config(self) -> Any:
            return self.config

        def update_config(self, **config: Any) -> None:
            raise NotImplementedError

        def structured_output(self, *arguments: Any, **options: Any) -> Any:
            raise NotImplementedError

        async def stream(self, *arguments: Any, **options: Any) -> Any:
            yield {"messageStart": {"role": "assistant"}}
            yield {"contentBlockDelta": {"delta": {"text": SUMMARY}}}
            yield {"contentBlockStop": {}}
            yield {"messageStop": {"stopReason": "end_turn"}}

    def message(item: Item) -> Any:
        if item.get("type") == "function_call":
            arguments = json.loads(item["arguments"])
            use = {"toolUseId": item["call_id"], "name": item["name"], "input": arguments}
            return {"role": "assistant", "content": [{"toolUse": use}]}
        if item.get("type") == "function_call_output":
            done = {
                "toolUseId": item["call_id"],
                "status": "success",
                "content": [{"text": item["output"]}],
            }
            return {"role": "user", "content": [{"toolResult": done}]}
        return {"role": item["role"], "content": [{"text": item["content"]}]}

    messages = [message(item) for item in items]
    if used:
        usage = {"inputTokens": used, "outputTokens": 5, "totalTokens": used + 5}
        messages[-1]["metadata"] = {"usage": usage}

    def function(limit: int) -> Callable[[list[Any]], Awaitable[list[Any]]]:
        manager = SummarizingConversationManager(proactive_compression=True)
        agent = Agent(model=Stub(limit), conversation_manager=manager, callback_handler=None)

        async def decide(history: list[Any]) -> list[Any]:
            agent.messages = history
            # What its event loop does in front of every model call.
            projected = await _estimate_input_tokens(agent)
            event = BeforeModelCallEvent(agent=agent, projected_input_tokens=projected)
            manager._on_before_model_call_threshold(event)
            return agent.messages

        return decide

    return _plain(messages, function, convert=message)


def adk_warm(items: list[Item]) -> Sides:
    """Google's ADK with the usage of the last response in the session."""
    return _adk(items, used=LOW)


def adk_cold(items: list[Item]) -> Sides:
    """Google's ADK without any usage."""
    return _adk(items, used=0)


def _adk(items: list[Item], used: int) -> Sides:
    import warnings

    warnings.simplefilter("ignore")  # everything in it is experimental, and says so
    from google.adk.agents import LlmAgent
    from google.adk.apps.app import EventsCompactionConfig
    from google.adk.apps.compaction import _run_compaction_for_token_threshold_config
    from google.adk.apps.llm_event_summarizer import LlmEventSummarizer
    from google.adk.events import Event
    from google.adk.flows.llm_flows.context._compaction import _process_compaction_events
    from google.adk.models import BaseLlm, LlmResponse
    from google.adk.sessions import InMemorySessionService, Session
    from google.genai import types

    class Stub(BaseLlm):
        async def generate_content_async(self, request: Any, stream: bool = False) -> Any:
            content = types.Content(role="model", parts=[types.Part(text=SUMMARY)])
            yield LlmResponse(content=content)

    names: dict[str, str] = {}
    numbers = iter(range(1_000_000))
    service = InMemorySessionService()
    agent = LlmAgent(name="clerk", model=Stub(model="stub"))

    def event(item: Item) -> Any:
        if item.get("type") == "function_call":
            names[item["call_id"]] = item["name"]
            arguments = json.loads(item["arguments"])
            call = types.FunctionCall(id=item["call_id"], name=item["name"], args=arguments)
            author, part = "clerk", types.Part(function_call=call)
        elif item.get("type") == "function_call_output":
            name = names[item["call_id"]]
            done = types.FunctionResponse(
                id=item["call_id"], name=name, response={"result": item["output"]}
            )
            author, part = "user", types.Part(function_response=done)
        else:
            author = "user" if item["role"] == "user" else "clerk"
            part = types.Part(text=item["content"])
        role = "model" if author == "clerk" and part.function_response is None else "user"
        number = next(numbers)
        return Event(
            author=author,
            content=types.Content(role=role, parts=[part]),
            invocation_id=f"i{number}",
            timestamp=float(number + 1),
        )

    events = [event(item) for item in items]
    if used:
        usage = types.GenerateContentResponseUsageMetadata(prompt_token_count=used)
        events[-1].usage_metadata = usage

    def function(limit: int) -> Callable[[list[Any]], Awaitable[Any]]:
        config = EventsCompactionConfig(
            token_threshold=limit,
            event_retention_size=KEEP,
            summarizer=LlmEventSummarizer(llm=Stub(model="stub")),
        )
        created = _finish(service.create_session(app_name="bench", user_id="u"))
        session: Session = created

        async def decide(history: list[Any]) -> Any:
            session.events = history
            await _run_compaction_for_token_threshold_config(
                config=config,
                session=session,
                session_service=service,
                agent=agent,
                agent_name="clerk",
                current_branch=None,
            )
            return session.events

        return decide

    return _plain(
        events,
        function,
        convert=event,
        left=lambda session: len(_process_compaction_events(session)),
    )


# --- functions over Chat Completions messages ---


def _chat_message(item: Item) -> Item:
    if item.get("type") == "function_call":
        function = {"name": item["name"], "arguments": item["arguments"]}
        call = {"id": item["call_id"], "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    if item.get("type") == "function_call_output":
        return {"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]}
    return item


def _chat(
    items: list[Item], compact: Callable[[int], Callable[[list[Any]], Any]], **options: Any
) -> Sides:
    messages = [_chat_message(item) for item in items]
    return _plain(messages, compact, convert=_chat_message, **options)


def tessera(items: list[Item]) -> Sides:
    """tessera-transcript, which drops the oldest."""
    import tessera as library

    return _chat(
        items,
        lambda limit: (
            lambda messages: (
                library.compact(messages, max_tokens=limit, adapter="openai").transcript
            )
        ),
    )


def ctx_compact(items: list[Item]) -> Sides:
    """ctx-compact with a summary."""
    from ctx_compact import compact_with_summary

    return _chat(
        items,
        lambda limit: (
            lambda messages: (
                compact_with_summary(
                    messages, max_tokens=limit, keep_tail=KEEP, summarize=lambda dropped: SUMMARY
                ).messages
            )
        ),
    )


def distil(items: list[Item]) -> Sides:
    """distil-llm, which has no threshold: every call is compressed."""
    from distil import compress_messages

    every = _chat(items, lambda _: lambda messages: compress_messages(messages).messages)
    return every._replace(triggered=None)


def cutctx(items: list[Item]) -> Sides:
    """cutctx: mask, then drop. It takes the tokens of each turn from its caller."""
    from cutctx import (
        CharRatioEstimator,
        CompactionBudget,
        CompactionExecutor,
        DropOldestPolicy,
        ObservationMaskingPolicy,
        PolicyChain,
        Role,
        Transcript,
        TranscriptTurn,
    )

    estimate = CharRatioEstimator().estimate_tokens
    numbers = iter(range(1_000_000))

    def turn(item: Item) -> Any:
        text = " ".join(texts_of(item))
        role = {"function_call": "assistant", "function_call_output": "tool"}.get(
            item.get("type", ""), item.get("role", "")
        )
        return TranscriptTurn(
            f"t{next(numbers)}", Role(role), text, estimate(text), item.get("call_id")
        )

    chain = PolicyChain((ObservationMaskingPolicy(), DropOldestPolicy()))
    executor = CompactionExecutor()

    def function(limit: int) -> Callable[[list[Any]], Any]:
        budget = CompactionBudget(limit)

        def decide(turns: list[Any]) -> Any:
            transcript = Transcript(tuple(turns))
            if transcript.token_estimate() <= limit:
                return transcript.turns
            return executor.apply(transcript, chain.decide(transcript, budget)).transcript.turns

        return decide

    return _plain(
        [turn(item) for item in items],
        function,
        convert=turn,
        left=lambda turns: sum("cutctx.kind" not in turn.metadata for turn in turns),
    )


_MCP = "it needs mcp < 2.2, the Agents SDK needs 2.3"
_WEBSOCKETS = "it needs websockets < 16"

PEERS = (
    Peer("compact_otel", compact_otel, "o200k, exact, counted once"),
    Peer("compact_otel, in an event loop", compact_otel_async, "o200k, exact, counted once"),
    Peer(
        "Agents SDK, `OpenAIResponsesCompactionSession`",
        agents_sdk,
        "number of items",
        "openai-agents",
        reads=False,
    ),
    Peer(
        "Strands, usage reported",
        strands_warm,
        "usage, chars/4 of the tail",
        "strands-agents",
        reads=False,
        apart=_MCP,
    ),
    Peer("Strands", strands_cold, "chars/4", "strands-agents", apart=_MCP),
    Peer(
        "pydantic-ai-harness, usage reported",
        harness_warm,
        "usage, chars/4 of the tail",
        "pydantic-ai-harness",
        reads=False,
    ),
    Peer("pydantic-ai-harness", harness_cold, "chars/4", "pydantic-ai-harness"),
    Peer(
        "Google ADK, usage reported",
        adk_warm,
        "usage",
        "google-adk",
        reads=False,
        apart=_WEBSOCKETS,
    ),
    Peer("Google ADK", adk_cold, "chars/4", "google-adk", apart=_WEBSOCKETS),
    Peer("LangChain, `SummarizationMiddleware`", langchain, "chars/4", "langchain"),
    Peer("LangChain, `ContextEditingMiddleware`", context_editing, "chars/4", "langchain"),
    Peer("deepagents", deepagents, "chars/4", "deepagents"),
    Peer("langmem", langmem, "chars/4", "langmem"),
    Peer("MS Agent Framework", agent_framework, "chars/4, kept", "agent-framework-core"),
    Peer(
        "openai-agents-context-compaction",
        local_compaction,
        "chars/4",
        "openai-agents-context-compaction",
    ),
    Peer("agentic-context-compaction", agentic, "chars/4", "agentic-context-compaction"),
    Peer("compact-middleware", compact_middleware, "chars/4", "compact-middleware"),
    Peer("ctx-compact", ctx_compact, "chars/4", "ctx-compact"),
    Peer("tessera", tessera, "chars/4", "tessera-transcript"),
    Peer(
        "cutctx",
        cutctx,
        "the caller's counts",
        "cutctx",
        reads=False,
        apart="it needs Python 3.12",
        python="3.12",
    ),
    Peer("distil, which has no threshold", distil, "heuristic", "distil-llm"),
    Peer("LangChain with tiktoken", langchain_tiktoken, "o200k, exact, every time", "langchain"),
    Peer(
        "openai-agents-context-compaction with tiktoken",
        local_compaction_tiktoken,
        "o200k, exact, every time",
        "openai-agents-context-compaction",
    ),
    Peer("*ruler: the length of every text*", characters, "chars/4"),
    Peer("*ruler: tiktoken over every text*", recount, "o200k, exact, every time"),
)
