"""The Responses API's own compaction: user messages, and one item that only the server can read."""

import pytest
from openai import BadRequestError

from compact_otel.testing import Step

CALL = {"type": "function_call", "call_id": "call_1", "name": "find", "arguments": "{}"}
HISTORY = [
    {"role": "user", "content": "find it"},
    CALL,
    {"type": "function_call_output", "call_id": "call_1", "output": "here"},
    {"role": "user", "content": [{"type": "input_text", "text": "and now?"}]},
]


@pytest.fixture
def compact(post):
    return lambda api, **body: post(api, "/responses/compact", {"model": "gpt-5.4", **body})


def test_user_messages_and_one_opaque_item_come_back_and_are_taken_again(serve, respond, compact):
    api = serve(lambda request: Step(f"{len(request.items)} items"))
    body = compact(api, input=HISTORY).json
    assert set(body) == {"id", "created_at", "object", "output", "usage"}
    assert body["object"] == "response.compaction"
    *messages, compaction = body["output"]
    texts = [part["text"] for item in messages for part in item["content"]]
    assert texts == ["find it", "and now?"]
    assert compaction["type"] == "compaction"
    answer = respond(api, [*body["output"], {"role": "user", "content": "go on"}])
    assert answer.json["output"][0]["content"][0]["text"] == "4 items"
    request = api.requests[0]
    assert (request.path, request.api) == ("/v1/responses/compact", "responses")
    assert request.tokens == body["usage"]["input_tokens"] > 0


def test_a_chain_can_be_compacted_by_the_id_of_its_last_response(serve, respond, compact):
    api = serve()
    last = respond(api, "hello").json["id"]
    body = compact(api, previous_response_id=last).json
    assert [item["type"] for item in body["output"]] == ["message", "compaction"]


@pytest.mark.parametrize(
    ("history", "message"),
    [(HISTORY[:2], "No tool output found"), ([{"role": "user", "content": "x" * 1000}], "exceeds")],
    ids=["not legal", "too long"],
)
def test_what_a_response_would_refuse_is_refused(history, message, serve, compact):
    answer = compact(serve(context_window=100), input=history)
    assert answer.status == 400
    assert message in answer.error["message"]


async def test_the_content_of_the_opaque_item_cannot_be_made_up(serve):
    made_up = {"type": "compaction", "encrypted_content": "gAAAAABmade-up=="}
    async with serve().client() as client:
        with pytest.raises(BadRequestError, match="could not be verified"):
            await client.responses.create(model="gpt-5.4", input=[made_up])
