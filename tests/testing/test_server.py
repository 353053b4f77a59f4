"""The server as a thing that starts, is used by many at once, and is gone afterwards."""

import asyncio
import gc
import json
import logging
import socket
import threading
import time
from dataclasses import FrozenInstanceError

import openai
import pytest

from compact_otel.testing import Echo, LocalOpenAI, Script, Step

USER = {"role": "user", "content": "go on"}


def test_a_request_without_a_key_is_a_401(serve, post):
    api = serve()
    for path in ("/responses", "/chat/completions"):
        answer = post(api, path, {"model": "m", "input": "hi"}, headers={})
        assert answer.status == 401
        assert answer.error["message"].startswith("You didn't provide an API key.")
        assert answer.error["type"] == "invalid_request_error"
        assert (answer.error["param"], answer.error["code"]) == (None, None)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/embeddings", 404), ("GET", "/models", 404), ("GET", "/responses", 405)],
)
def test_what_is_no_endpoint_is_told_as_openai_does(method, path, status, serve, post):
    api = serve()
    answer = post(api, path, {}, method=method)
    assert answer.status == status
    assert answer.error == {
        "message": f"Invalid URL ({method} /v1{path})",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    (request,) = api.requests
    assert (request.path, request.api, request.status) == (f"/v1{path}", None, status)


def test_requests_are_recorded_as_they_came(serve, respond, chat):
    api = serve(context_window=50)
    respond(api, [USER], metadata={"a": "b"})
    chat(api, [USER])
    respond(api, "x" * 1000)
    first, second, third = api.requests
    assert (first.number, first.path, first.api) == (1, "/v1/responses", "responses")
    assert first.body == {"model": "gpt-5.4", "input": [USER], "metadata": {"a": "b"}}
    assert (first.status, first.error, first.error_code) == (200, None, None)
    assert (second.path, second.api) == ("/v1/chat/completions", "chat")
    assert first.items == second.items == [USER]
    assert first.tokens == second.tokens > 0
    assert (third.status, third.error_code) == (400, "context_length_exceeded")
    assert third.tokens > 250
    with pytest.raises(FrozenInstanceError):
        first.status = 500


def test_the_record_can_be_cleared_and_the_server_goes_on(serve, respond):
    api = serve()
    first = respond(api, "hi").json["id"]
    api.clear()
    assert api.requests == []
    assert respond(api, "on", previous_response_id=first).status == 200
    assert [request.number for request in api.requests] == [2]


async def test_the_client_of_the_server_does_not_retry(serve):
    api = serve(lambda request: Step(status=500))
    async with api.client() as client:
        with pytest.raises(openai.InternalServerError):
            await client.responses.create(model="m", input="hi")
    assert len(api.requests) == 1


async def test_fifty_requests_at_once_are_answered_each_by_its_own(serve):
    # All of them are in the behaviour at the same time, or the barrier breaks.
    together = threading.Barrier(50, timeout=30)

    def behaviour(request):
        together.wait()
        return Echo()(request)

    api = serve(behaviour)
    async with api.client() as client:

        async def ask(number):
            response = await client.responses.create(model="m", input=f"number {number}")
            return response.output_text, response.id

        answers = await asyncio.gather(*map(ask, range(50)))
    assert [text for text, _ in answers] == [f"number {number}" for number in range(50)]
    assert len({ident for _, ident in answers}) == 50
    assert [request.number for request in api.requests] == list(range(1, 51))
    assert {request.status for request in api.requests} == {200}


async def test_many_histories_at_once_do_not_mix(serve):
    """Threads of calls, reasoning and chains, streamed and not, over both APIs."""

    def behaviour(request):
        name = request.newest_user_text
        rounds = sum(f"{name} was here" in str(item) for item in request.items)
        if rounds < 3:
            return Step(calls=[("mark", {"name": name})] * 2, reasoning=True)
        return Step(f"{name} is done", needs=[f"{name} was here"])

    api = serve(behaviour)
    async with api.client() as client:

        async def by_responses(name, *, chained):
            history, previous = [{"role": "user", "content": name}], openai.omit
            new = history
            for _ in range(10):
                stream = await client.responses.create(
                    model="m",
                    input=new if chained else history,
                    previous_response_id=previous,
                    stream=True,
                )
                response = [event async for event in stream][-1].response
                calls = [item for item in response.output if item.type == "function_call"]
                if not calls:
                    return response.output_text
                outputs = [
                    {
                        "type": "function_call_output",
                        "call_id": call.call_id,
                        "output": f"{name} was here" if index else "so?",
                    }
                    for index, call in enumerate(calls)
                ]
                items = [item.to_dict() for item in response.output]
                history, new = [*history, *items, *outputs], outputs
                previous = response.id if chained else openai.omit
            raise AssertionError("no end")

        names = [f"thread-{number:02d}" for number in range(30)]
        texts = await asyncio.gather(
            *(by_responses(name, chained=index % 2 == 0) for index, name in enumerate(names))
        )
    assert texts == [f"{name} is done" for name in names]
    assert api.missing == []
    assert {request.error_code for request in api.requests} == {None}
    assert len(api.requests) == 30 * 4


def test_a_delay_keeps_nobody_else_waiting(serve, respond):
    api = serve(Script([Step("slow", delay_s=1), Step("quick")]))
    answers = []

    def ask():
        answers.append(respond(api, "hi").json["output"][0]["content"][0]["text"])

    first = threading.Thread(target=ask)
    first.start()
    while not api.requests:
        time.sleep(0.005)
    ask()
    first.join()
    assert answers == ["quick", "slow"]


async def test_a_client_that_gave_up_does_not_keep_the_server(estimator):
    with LocalOpenAI(lambda request: Step("late", delay_s=60), estimator=estimator) as api:
        async with api.client() as client:
            with pytest.raises(openai.APITimeoutError):
                await client.with_options(timeout=0.2).responses.create(model="m", input="hi")
        before = time.monotonic()
    assert api.requests[0].status == 200  # decided, though nobody waited for it
    assert time.monotonic() - before < 5


def test_a_client_that_stopped_reading_does_not_keep_the_server(estimator, caplog):
    with LocalOpenAI(lambda request: Step("x" * 1_000_000), estimator=estimator) as api:
        port = int(api.base_url.split(":")[2].removesuffix("/v1"))
        body = json.dumps({"model": "m", "input": "hi", "stream": True})
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(
                b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n"
                + f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            connection.recv(100)
            before = time.monotonic()
            api.__exit__(None, None, None)
            assert time.monotonic() - before < 5
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_nothing_is_left_when_the_server_is_gone(estimator, post):
    before = set(threading.enumerate())
    for _ in range(3):
        with LocalOpenAI(Echo(), estimator=estimator) as api:
            assert post(api, "/responses", {"model": "m", "input": "hi"}).status == 200
            url = api.base_url
            assert set(threading.enumerate()) != before
        assert set(threading.enumerate()) == before
        with pytest.raises(RuntimeError, match="inside of its `with` block"):
            api.base_url  # noqa: B018 - reading it is the test
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(url.split(":")[2].removesuffix("/v1"))))
    gc.collect()  # an unclosed socket would be a warning, and so an error


def test_nothing_is_left_of_clients_that_come_when_the_server_goes(estimator):
    for _ in range(10):
        with LocalOpenAI(Echo(), estimator=estimator) as api:
            port = int(api.base_url.split(":")[2].removesuffix("/v1"))
            client = socket.create_connection(("127.0.0.1", port))
        client.close()
    gc.collect()  # an unclosed socket would be a warning, and so an error


def test_a_server_can_come_back(estimator, respond):
    api = LocalOpenAI(Echo(), estimator=estimator)
    with api:
        ident = respond(api, "hi").json["id"]
        with pytest.raises(RuntimeError, match="already running"), api:
            pass
    with api:
        assert respond(api, "on", previous_response_id=ident).status == 200
    assert len(api.requests) == 2


def test_two_servers_stand_side_by_side(serve, respond):
    one, other = serve(lambda request: Step("one")), serve(lambda request: Step("other"))
    assert one.base_url != other.base_url
    respond(one, "hi")
    assert (len(one.requests), len(other.requests)) == (1, 0)
