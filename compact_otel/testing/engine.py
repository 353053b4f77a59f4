"""The server without its sockets: a request comes in as JSON, a reply goes out.

A transport reads a body, asks `Engine.respond`, waits `Reply.delay_s`, and writes the reply in its
own way: HTTP as a body or server-sent events, a websocket as frames. Each further endpoint is a
method beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compact_otel.core.types import CallContext, Item
from compact_otel.testing.behaviour import (
    ApiName,
    Miss,
    ModelBehaviour,
    ModelRequest,
    Step,
    readable_text,
    settle,
)
from compact_otel.testing.chat_api import ChatApi
from compact_otel.testing.dialect import Dialect, Turn, Usage
from compact_otel.testing.errors import ApiError, ContextOverflowError
from compact_otel.testing.memory import Ids
from compact_otel.testing.metering import Meter, PromptCache, call_context, tool_names
from compact_otel.testing.responses_api import ResponsesApi
from compact_otel.testing.stream import Event
from compact_otel.testing.window import Window

_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """A request that the server got, and how it ended.

    Attributes:
        number: 1 for the first request since the server was made.
        path: Path of the URL, behind `ws:` if the request came over a websocket.
        api: Which API it was for, None for a path that is no endpoint.
        body: The body as it came, None if it was no JSON.
        tokens: Input tokens, 0 if it was refused before it was measured.
        cached_tokens: How many of them the prompt cache had.
        status: HTTP status of the reply; 200 for an error inside a stream.
        error: The error object of the reply, None if the request was answered.
    """

    number: int
    path: str
    api: ApiName | None = None
    body: Any = None
    tokens: int = 0
    cached_tokens: int = 0
    status: int = _OK
    error: Mapping[str, Any] | None = None

    @property
    def error_code(self) -> str | None:
        """The error's `code`; None without an error, and for the many errors without a code."""
        code = (self.error or {}).get("code")
        return None if code is None else str(code)

    @property
    def items(self) -> Sequence[Any]:
        """The input items or messages that the body brought; empty for a plain string."""
        body = self.body if isinstance(self.body, Mapping) else {}
        items = body.get("messages") if self.api == "chat" else body.get("input")
        return items if isinstance(items, list) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back.

    Attributes:
        status: HTTP status.
        body: What is answered at once.
        events: What is streamed; None if the body is the answer.
        finished: Whether the stream ends as one should, with the end marker of Chat.
        delay_s: Seconds to wait before the first byte.
    """

    status: int = _OK
    body: Mapping[str, Any]
    events: Iterator[Event] | None = None
    finished: bool = True
    delay_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """One request on its way, and what is found out about it."""

    number: int
    path: str
    api: ApiName
    body: Any
    tokens: int = 0
    cached_tokens: int = 0
    delay_s: float = 0.0


class Engine:
    """Plays one behaviour by the rules of the API; safe to call from many threads at once."""

    def __init__(
        self, behaviour: ModelBehaviour, *, meter: Meter, window: Window, max_string: int
    ) -> None:
        ids = Ids()
        self._behaviour = behaviour
        self._meter = meter
        self._window = window
        self._cache = PromptCache()
        self._responses = ResponsesApi(ids, max_string)
        self._dialects: dict[ApiName, Dialect] = {
            "responses": self._responses,
            "chat": ChatApi(ids, max_string),
        }
        self._lock = threading.Lock()
        self._count = 0
        self._requests: dict[int, RecordedRequest] = {}
        self._missing: list[Miss] = []
        self._reasoning: dict[str, int] = {}  # tokens by the id of the item

    @property
    def requests(self) -> list[RecordedRequest]:
        """What came in, in the order in which it came."""
        with self._lock:
            return [self._requests[number] for number in sorted(self._requests)]

    @property
    def missing(self) -> list[Miss]:
        """What steps needed and were played without."""
        with self._lock:
            return list(self._missing)

    def clear(self) -> None:
        """Forget requests and misses; ids, chains, the cache and the numbering go on."""
        with self._lock:
            self._requests.clear()
            self._missing.clear()

    def respond(self, api: ApiName, path: str, body: Any) -> Reply:
        """Answer one request. Blocks as long as the behaviour does."""
        exchange = _Exchange(number=self._new_number(), path=path, api=api, body=body)
        return self._exchanged(exchange, self._answer)

    def compact(self, path: str, body: Any) -> Reply:
        """Answer a request to compact a history, as the Responses API does; no model is played."""
        exchange = _Exchange(number=self._new_number(), path=path, api="responses", body=body)
        return self._exchanged(exchange, self._compacted)

    def count(self, path: str, body: Any) -> Reply:
        """Answer a request to count the tokens of another; no model is played."""
        exchange = _Exchange(number=self._new_number(), path=path, api="responses", body=body)
        return self._exchanged(exchange, self._counted)

    def _exchanged(self, exchange: _Exchange, answer: Callable[[_Exchange], Reply]) -> Reply:
        error: ApiError | None = None
        try:
            reply = answer(exchange)
        except ApiError as raised:
            error = raised
            reply = self._refusal(exchange, error)
        self._record(
            RecordedRequest(
                number=exchange.number,
                path=exchange.path,
                api=exchange.api,
                body=exchange.body,
                tokens=exchange.tokens,
                cached_tokens=exchange.cached_tokens,
                status=reply.status,
                error=None if error is None else error.error,
            )
        )
        return reply

    def refuse(self, api: ApiName | None, path: str, error: ApiError) -> Reply:
        """Answer a request that cannot even be read."""
        number = self._new_number()
        self._record(
            RecordedRequest(
                number=number, path=path, api=api, status=error.status, error=error.error
            )
        )
        return Reply(status=error.status, body={"error": error.error})

    def _answer(self, exchange: _Exchange) -> Reply:
        api, body = exchange.api, exchange.body
        dialect = self._dialects[api]
        items = dialect.admit(body)
        call = call_context(api, body)
        measure = self._meter.measure(items, call, self._reasoning)
        exchange.tokens = measure.total  # before the check: a refused request has its tokens too
        exchange.tokens = self._window.admit(api, body, measure.total)
        step = self._play(exchange, items, call)
        exchange.delay_s = step.delay_s
        if step.failure is not None:
            raise step.failure
        cached = self._cache.cached_tokens(call, items, measure)
        exchange.cached_tokens = min(cached, exchange.tokens)
        turn = Turn(body, items, step)
        output = dialect.generate(turn)
        reasoning = step.reasoning_tokens if step.reasoning else 0
        self._reasoning.update(
            (item["id"], round(reasoning)) for item in output if item.get("type") == "reasoning"
        )
        usage = Usage(
            input=exchange.tokens,
            cached=exchange.cached_tokens,
            output=self._meter.output(output, call) + reasoning,
            reasoning=reasoning,
        )
        answer = dialect.answer(turn, output, usage)
        events = answer.events if body.get("stream") else None
        return Reply(body=answer.body, events=events, delay_s=step.delay_s)

    def _counted(self, exchange: _Exchange) -> Reply:
        items = self._responses.admit(exchange.body)
        exchange.tokens = self._meter.measure(
            items, call_context("responses", exchange.body), self._reasoning
        ).total
        answer = {"object": "response.input_tokens", "input_tokens": exchange.tokens}
        return Reply(body=answer)

    def _compacted(self, exchange: _Exchange) -> Reply:
        body = exchange.body
        items = self._responses.admit(body)
        call = call_context("responses", body)
        exchange.tokens = self._meter.measure(items, call, self._reasoning).total
        exchange.tokens = self._window.admit("responses", body, exchange.tokens)
        output = self._responses.compact(items)
        usage = Usage(
            input=exchange.tokens, cached=0, output=self._meter.output(output, call), reasoning=0
        )
        return Reply(body=self._responses.compaction(output, usage))

    def _play(self, exchange: _Exchange, items: Sequence[Item], call: CallContext) -> Step:
        """Ask the behaviour, and note what its step misses."""
        request = ModelRequest(
            api=exchange.api,
            model=call.model,
            instructions=call.instructions,
            items=items,
            tools=tool_names(call),
            text=readable_text(call.instructions, items),
            number=exchange.number,
        )
        try:
            step, missing = settle(self._behaviour(request), request)
        except ApiError:
            raise
        except Exception as error:  # the user's code; the reply says what it did
            text = f"The model behaviour raised {type(error).__name__}: {error}"
            raise ApiError(text, status=500, code="behaviour_failed") from error
        if missing:
            with self._lock:
                self._missing.extend(missing)
        return step

    def _refusal(self, exchange: _Exchange, error: ApiError) -> Reply:
        body, refusal = exchange.body, {"error": error.error}
        streamed = isinstance(body, Mapping) and body.get("stream")
        if not (streamed and isinstance(error, ContextOverflowError) and self._window.in_stream):
            return Reply(status=error.status, body=refusal, delay_s=exchange.delay_s)
        events: Iterator[Event]
        if self._window.style == "empty_stream":
            events = iter(())
        elif exchange.api == "chat":
            events = iter([refusal])
        else:
            events = self._responses.overflow_events(body, error, self._window.style)
        return Reply(body=refusal, events=events, finished=False)

    def _new_number(self) -> int:
        with self._lock:
            self._count += 1
            return self._count

    def _record(self, request: RecordedRequest) -> None:
        with self._lock:
            self._requests[request.number] = request
