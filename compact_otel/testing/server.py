"""The network side: a server on 127.0.0.1, in a thread of its own, as long as a `with` lasts."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from compact_otel.core.protocols import TokenEstimator
from compact_otel.testing.behaviour import ApiName, Miss, ModelBehaviour
from compact_otel.testing.engine import Engine, RecordedRequest, Reply
from compact_otel.testing.errors import ApiError, invalid_url, no_api_key, unreadable_body
from compact_otel.testing.metering import Meter
from compact_otel.testing.stream import END_OF_CHAT_STREAM, event_text
from compact_otel.testing.websocket import responses_endpoint
from compact_otel.testing.window import OverflowStyle, Window

if TYPE_CHECKING:
    from openai import AsyncOpenAI

# Turns of the loop until a connection that was just accepted is among those that are known: its
# task begins, its protocol is told of it, its task ends.
_ACCEPTED_AFTER = 3
_WORKERS = 64  # behaviours that can block at the same time
_COMPACT = "/v1/responses/compact"
_COUNT = "/v1/responses/input_tokens"
_ENDPOINTS: dict[str, ApiName] = {
    "/v1/responses": "responses",
    "/v1/chat/completions": "chat",
    _COMPACT: "responses",
    _COUNT: "responses",
}


class LocalOpenAI:
    """A strict local imitation of the OpenAI API, for tests of programs that use it.

        with LocalOpenAI(Script([Step("Hello.")]), context_window=8_000) as api:
            client = AsyncOpenAI(base_url=api.base_url, api_key="any")

    The server answers while the `with` lasts. It may be entered again: a new port, but chains,
    ids and requests go on, as after an outage.

    Args:
        behaviour: What the model answers: a callable from ModelRequest to Step.
        context_window: Tokens of input and `max_output_tokens` together; more is refused. None
            for no limit.
        token_skew: Multiplies every count, to imitate a provider that counts differently from
            the estimator.
        overflow: How a streamed request learns that it does not fit: `http` (status 400),
            `sse_error` (an `error` event with a nested error), `sse_error_flat` (the documented
            `error` event), `sse_failed` (`response.failed`), `empty_stream` (status 200 and no
            event at all). Without a stream it is status 400. `llama_cpp` is llama.cpp's own
            status 400, streamed or not. Chat has one form for the three `sse` ones.
        estimator: Counts tokens; `TiktokenEstimator()` if None.
        max_string_length: The longest text accepted in one place, in characters.

    Raises:
        ValueError: If an argument is impossible.
    """

    def __init__(
        self,
        behaviour: ModelBehaviour,
        *,
        context_window: int | None = None,
        token_skew: float = 1.0,
        overflow: OverflowStyle = "http",
        estimator: TokenEstimator | None = None,
        max_string_length: int = 10_485_760,
    ) -> None:
        if token_skew <= 0:
            raise ValueError(f"need `token_skew` > 0, got {token_skew}")
        if estimator is None:
            from compact_otel.estimators.tiktoken import TiktokenEstimator

            estimator = TiktokenEstimator()
        self._engine = Engine(
            behaviour,
            meter=Meter(estimator, token_skew),
            window=Window(context_window, overflow),
            max_string=max_string_length,
        )
        self._thread: _ServerThread | None = None

    def __enter__(self) -> Self:
        """Start to serve."""
        if self._thread is not None:
            raise RuntimeError("this LocalOpenAI is already running")
        self._thread = _ServerThread(self._engine)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop to serve, and wait for the thread to end."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL; it ends in `/v1`.

        Raises:
            RuntimeError: Outside of the `with` block.
        """
        if self._thread is None:
            raise RuntimeError("LocalOpenAI serves inside of its `with` block only")
        return f"http://127.0.0.1:{self._thread.port}/v1"

    @property
    def requests(self) -> list[RecordedRequest]:
        """What came in so far, in order; a request is in it once its reply is decided."""
        return self._engine.requests

    @property
    def missing(self) -> list[Miss]:
        """What steps needed, did not find, and were played without."""
        return self._engine.missing

    def clear(self) -> None:
        """Forget requests and misses; chains, the prompt cache and the numbering go on."""
        self._engine.clear()

    def client(self) -> AsyncOpenAI:
        """Return a client of this server that does not retry; close it as any other.

        It goes straight to the server, whatever proxy the environment names.
        """
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        return AsyncOpenAI(
            base_url=self.base_url,
            api_key="local",
            max_retries=0,
            http_client=DefaultAsyncHttpxClient(trust_env=False),
        )


class _ServerThread:
    """A thread that serves from when this is made until `stop`."""

    def __init__(self, engine: Engine) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        stopping = asyncio.Event()
        config = uvicorn.Config(
            _application(engine, stopping),
            loop="asyncio",
            http="h11",
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,  # a library that is tested with must not touch the process's logging
            access_log=False,
            date_header=False,
        )
        self._server = _Server(config, stopping)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve(sockets=[listener])),
            name="compact-otel-local-openai",
            daemon=True,
        )
        self._thread.start()
        self._server.up.wait()

    def stop(self) -> None:
        """End the server and its thread."""
        self._server.stop()
        self._thread.join()


class _Server(uvicorn.Server):
    """A server that is told to stop, instead of looking ten times a second whether it should."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self.up = threading.Event()
        self._stopping = stopping
        self._loop: asyncio.AbstractEventLoop  # from when it is up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(_WORKERS, "compact-otel-behaviour"))
        self.up.set()

    async def main_loop(self) -> None:
        await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - they are the servers' own
        # uvicorn is graceful: a tenth of a second to all, and for ever to a client that stopped
        # reading. Tests start hundreds of servers, and when they stop, no client waits.
        for server in self.servers:
            for listener in server.sockets:
                with suppress(NotImplementedError):  # Windows accepts in another way
                    self._loop.remove_reader(listener)
        for _ in range(_ACCEPTED_AFTER):  # a closed server could not take what it has accepted
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)


def _application(engine: Engine, stopping: asyncio.Event) -> Starlette:
    async def endpoint(request: Request) -> Response:
        path = request.url.path
        api = _ENDPOINTS[path]
        try:
            body = await _read(request)
        except ApiError as error:
            return _response(engine.refuse(api, path, error), api)
        others = {_COMPACT: engine.compact, _COUNT: engine.count}
        respond = others.get(path, partial(engine.respond, api))
        reply = await asyncio.to_thread(respond, path, body)
        await wait(reply)
        return _response(reply, api)

    async def wait(reply: Reply) -> None:
        if reply.delay_s:
            # Nobody waits for this answer any more once the server stops.
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), reply.delay_s)

    async def no_endpoint(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        refusal = invalid_url(request.method, request.url.path, status)
        return _response(engine.refuse(None, request.url.path, refusal), None)

    return Starlette(
        routes=[
            *(Route(path, endpoint, methods=["POST"]) for path in _ENDPOINTS),
            WebSocketRoute("/v1/responses", responses_endpoint(engine, wait)),
        ],
        exception_handlers={404: no_endpoint, 405: no_endpoint},
    )


async def _read(request: Request) -> object:
    if not request.headers.get("authorization"):
        raise no_api_key()
    try:
        body: object = json.loads(await request.body())
    except ValueError as error:
        raise unreadable_body() from error
    return body


def _response(reply: Reply, api: ApiName | None) -> Response:
    # A client that nobody closes then holds no socket, which its test would be warned of.
    headers = {"connection": "close"}
    if reply.events is not None:
        return StreamingResponse(
            _stream(reply, api), reply.status, headers, media_type="text/event-stream"
        )
    # ASCII: a text from the wire may hold lone surrogates, which UTF-8 cannot.
    return Response(json.dumps(reply.body), reply.status, headers, media_type="application/json")


async def _stream(reply: Reply, api: ApiName | None) -> AsyncIterator[str]:
    for event in reply.events or ():
        yield event_text(event)
    if api == "chat" and reply.finished:
        yield END_OF_CHAT_STREAM
