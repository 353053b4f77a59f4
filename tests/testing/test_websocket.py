"""The Responses API over a websocket: the same answers as over HTTP, in frames."""

import json
from contextlib import contextmanager

import pytest
from agents import Agent, OpenAIResponsesWSModel, RunConfig, Runner, function_tool
from agents.models.openai_responses import ResponsesWebSocketError
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect

from compact_otel.testing import Script, Step

CREATE = {"type": "response.create", "model": "gpt-5.4"}
CONFIG = RunConfig(tracing_disabled=True)


@contextmanager
def connected(api, **headers):
    headers = headers or {"Authorization": "Bearer any"}
    url = api.base_url.replace("http", "ws") + "/responses"
    with connect(url, additional_headers=headers, proxy=None) as connection:

        def ask(frame):
            connection.send(frame if isinstance(frame, str) else json.dumps(frame))
            while True:
                event = json.loads(connection.recv(timeout=30))
                yield event
                if event["type"] in ("error", "response.completed", "response.failed"):
                    return

        yield lambda frame: list(ask(frame))


def types(events):
    return [event["type"] for event in events]


def test_a_request_is_answered_by_the_events_of_its_stream(serve, respond):
    step = Step("It is.", calls=[("find", {"q": 1})], reasoning=True)
    api = serve(lambda request: step)
    with connected(api) as ask:
        frames = ask({**CREATE, "input": "Is it?"})
    lines = respond(api, "Is it?", stream=True).events
    assert types(frames) == types(map(json.loads, lines))
    over_websocket, over_http = api.requests
    assert (over_websocket.path, over_websocket.api) == ("ws:/v1/responses", "responses")
    assert over_websocket.body == {"model": "gpt-5.4", "input": "Is it?", "stream": True}
    assert over_websocket.tokens == over_http.tokens > 0


def test_a_connection_serves_one_request_after_the_other_and_outlives_an_error(serve):
    api = serve(context_window=200)
    with connected(api) as ask:
        first = ask({**CREATE, "input": "hi"})[-1]["response"]
        (error,) = ask({**CREATE, "input": "x" * 1000})
        last = ask({**CREATE, "input": "on", "previous_response_id": first["id"]})
    assert (error["type"], error["status"]) == ("error", 400)
    assert error["error"]["code"] == "context_length_exceeded"
    assert last[-1]["response"]["output"][0]["content"][0]["text"] == "on"
    assert [request.error_code for request in api.requests] == [
        None,
        "context_length_exceeded",
        None,
    ]


@pytest.mark.parametrize("frame", ["{", "[]", json.dumps({"type": "response.delete"})])
def test_a_frame_that_is_no_request_is_an_error_frame(frame, serve):
    api = serve()
    with connected(api) as ask:
        (error,) = ask(frame)
        assert (error["type"], error["status"]) == ("error", 400)
        assert types(ask({**CREATE, "input": "hi"}))[-1] == "response.completed"


def test_a_connection_without_a_key_is_a_401(serve):
    api = serve()
    with pytest.raises(InvalidStatus) as refused, connected(api, Other="header"):
        pass
    assert refused.value.response.status_code == 401
    assert api.requests[0].status == 401


@pytest.mark.parametrize(
    ("overflow", "frames"),
    [
        ("http", ["error"]),
        ("llama_cpp", ["error"]),
        ("sse_error", ["response.created", "error"]),
        ("sse_error_flat", ["response.created", "error"]),
        ("sse_failed", ["response.created", "response.failed"]),
    ],
)
def test_an_overflow_comes_in_the_shape_asked_for(overflow, frames, serve):
    api = serve(context_window=50, overflow=overflow)
    with connected(api) as ask:
        assert types(ask({**CREATE, "input": "x" * 1000})) == frames


def test_a_stream_without_an_event_ends_the_connection(serve):
    api = serve(context_window=50, overflow="empty_stream")
    with connected(api) as ask, pytest.raises(ConnectionClosedOK):
        ask({**CREATE, "input": "x" * 1000})


@function_tool
def look_up(key: str) -> str:
    """Look a key up."""
    return f"the value of {key} is {sum(map(ord, key))}"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_the_agents_sdk_runs_over_it(streamed, serve):
    steps = [
        Step(calls=[("look_up", {"key": "a"})], reasoning=True),
        Step("It is 97.", needs=["the value of a is 97"]),
        Step(status=429, error={"code": "rate_limit_exceeded", "message": "slow down"}),
    ]
    api = serve(Script(steps))
    async with api.client() as client:
        model = OpenAIResponsesWSModel("gpt-5.4", client)
        agent = Agent("clerk", tools=[look_up], model=model)

        async def ask():
            if not streamed:
                return (await Runner.run(agent, "What is a?", run_config=CONFIG)).final_output
            result = Runner.run_streamed(agent, "What is a?", run_config=CONFIG)
            async for _ in result.stream_events():
                pass
            return result.final_output

        assert await ask() == "It is 97."
        with pytest.raises(ResponsesWebSocketError) as failed:
            await ask()
        await model.close()
    assert failed.value.code == "rate_limit_exceeded"
    assert {request.path for request in api.requests} == {"ws:/v1/responses"}
    assert api.missing == []
