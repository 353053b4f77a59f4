"""The Responses API over a websocket: requests one after the other on a connection that stays.

A request is a `response.create` frame with the members of the body; the answer comes as frames, the
events of the stream. What HTTP says by a status is an `error` frame with that status in it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from compact_otel.testing.engine import Engine, Reply
from compact_otel.testing.errors import ApiError, no_api_key, unreadable_body

_REQUEST = "response.create"


def responses_endpoint(
    engine: Engine, wait: Callable[[Reply], Awaitable[None]]
) -> Callable[[WebSocket], Awaitable[None]]:
    """Return the endpoint that answers one connection after the other.

    Args:
        engine: Plays the behaviour.
        wait: Waits as long as a reply is to be late.
    """

    async def endpoint(connection: WebSocket) -> None:
        # Told from the same request over HTTP by the scheme, as in the URL of the client.
        path = f"ws:{connection.url.path}"
        if not connection.headers.get("authorization"):
            reply = engine.refuse("responses", path, no_api_key())
            await connection.send_denial_response(JSONResponse(reply.body, reply.status))
            return
        await connection.accept()
        try:
            while True:
                request = await connection.receive_text()
                reply = await asyncio.to_thread(_reply, engine, path, request)
                await wait(reply)
                frames = list(_frames(reply))
                for frame in frames:
                    await connection.send_text(frame)
                if not frames:  # a stream without an event: without this the client waits for ever
                    await connection.close()
                    return
        except WebSocketDisconnect:
            return  # the client has what it wants

    return endpoint


def _reply(engine: Engine, path: str, frame: str) -> Reply:
    try:
        body = _body(frame)
    except ApiError as error:
        return engine.refuse("responses", path, error)
    return engine.respond("responses", path, body)


def _body(frame: str) -> dict[str, Any]:
    """Return the body of a request; over a websocket every answer is streamed.

    Raises:
        ApiError: If the frame is no request.
    """
    try:
        request = json.loads(frame)
    except ValueError as error:
        raise unreadable_body() from error
    if not isinstance(request, dict) or request.get("type") != _REQUEST:
        raise ApiError(
            f"Expected a frame of type '{_REQUEST}'.", code="invalid_value", param="type"
        )
    return {name: request[name] for name in request if name != "type"} | {"stream": True}


def _frames(reply: Reply) -> Iterator[str]:
    refusal = {"type": "error", "status": reply.status, **reply.body}
    for event in [refusal] if reply.events is None else reply.events:
        yield json.dumps(event)
