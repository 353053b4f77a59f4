"""The shapes on the wire, judged by the types of the openai package."""

import json

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from compact_otel.testing import Step

EVENT = TypeAdapter(ResponseStreamEvent)
USER = {"role": "user", "content": "go on"}
TOOL = {"type": "function", "name": "find", "description": "", "parameters": {}, "strict": True}
LONG = "Nothing is as it was, and that is how it has always been. " * 20
STEPS = {
    "text": Step("Hello."),
    "long text": Step(LONG),
    "empty text": Step(""),
    "one call": Step(calls=[("find", {"q": LONG})]),
    "parallel calls": Step(calls=[("find", {"q": 1}), ("find", {"q": "Zürich"})]),
    "all at once": Step("Let me see.", calls=[("find", {}), ("find", {})], reasoning=True),
    "incomplete": Step("Hel", incomplete="max_output_tokens"),
    "filtered": Step("", incomplete="content_filter"),
    "nothing": Step(),
}
steps = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)


@steps
def test_a_response_has_the_shape_of_openai(step, serve, respond):
    body = respond(serve(lambda request: step), "hi", tools=[TOOL]).json
    response = Response.model_validate(body, strict=True)
    assert response.output_text == (step.text or "")
    calls = [item for item in response.output if item.type == "function_call"]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == list(step.calls)
    assert [item.type for item in response.output].count("reasoning") == step.reasoning
    assert response.status == ("incomplete" if step.incomplete else "completed")
    if step.incomplete:
        assert response.incomplete_details.reason == step.incomplete


@steps
def test_the_events_of_a_stream_add_up_to_the_response(step, serve, respond):
    answer = respond(serve(lambda request: step), "hi", tools=[TOOL], stream=True)
    raw = [json.loads(event) for event in answer.events]
    events = [EVENT.validate_python(event, strict=True) for event in raw]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    names = [line[7:] for line in answer.text.splitlines() if line.startswith("event: ")]
    assert names == [event.type for event in events]
    assert names[:2] == ["response.created", "response.in_progress"]
    assert names[-1] == f"response.{events[-1].response.status}"
    assert not {event.response.id for event in (*events[:2], events[-1])} - {events[0].response.id}

    final = raw[-1]["response"]["output"]
    done = [event["item"] for event in raw if event["type"] == "response.output_item.done"]
    added = [event["item"] for event in raw if event["type"] == "response.output_item.added"]
    assert done == final
    assert [item["id"] for item in added] == [item["id"] for item in final]
    deltas = {item["id"]: "" for item in final}
    for event in raw:
        if event["type"].endswith(".delta"):
            deltas[event["item_id"]] += event["delta"]
    for item in final:
        if item["type"] == "message":
            assert deltas[item["id"]] == item["content"][0]["text"] == step.text
        if item["type"] == "function_call":
            assert deltas[item["id"]] == item["arguments"]


def test_a_stream_comes_in_pieces_however_long_it_is(serve, respond):
    for text, most in ((LONG, 40), ("x" * 100_000, 40)):
        api = serve(lambda request, text=text: Step(text))
        events = respond(api, "hi", stream=True).events
        assert 8 < len(events) < most


@steps
def test_a_completion_has_the_shape_of_openai(step, serve, chat):
    body = chat(serve(lambda request: step), [USER]).json
    completion = ChatCompletion.model_validate(body, strict=True)
    (choice,) = completion.choices
    assert choice.message.content == step.text
    calls = choice.message.tool_calls or []
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == list(
        step.calls
    )
    expected = {"max_output_tokens": "length", "content_filter": "content_filter"}.get(
        step.incomplete, "tool_calls" if step.calls else "stop"
    )
    assert choice.finish_reason == expected


@steps
def test_the_chunks_of_a_stream_add_up_to_the_completion(step, serve, chat):
    *data, end = chat(serve(lambda request: step), [USER], stream=True).events
    assert end == "[DONE]"
    chunks = [ChatCompletionChunk.model_validate(json.loads(event), strict=True) for event in data]
    assert len({chunk.id for chunk in chunks}) == 1
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert choices[0].delta.role == "assistant"
    assert "".join(choice.delta.content or "" for choice in choices) == (step.text or "")
    calls = {}
    for choice in choices:
        for call in choice.delta.tool_calls or ():
            name, arguments = calls.get(call.index, ("", ""))
            calls[call.index] = (
                name + (call.function.name or ""),
                arguments + (call.function.arguments or ""),
            )
    played = [(name, json.loads(arguments)) for name, arguments in calls.values()]
    assert played == list(step.calls)
    assert [choice.finish_reason for choice in choices].count(None) == len(choices) - 1
    assert choices[-1].finish_reason is not None


def test_ids_are_never_given_twice_not_even_by_another_server(serve, respond):
    seen = []
    for api in (serve(lambda request: STEPS["all at once"]), serve(lambda request: Step("x"))):
        for _ in range(2):
            response = respond(api, "hi").json
            seen += [response["id"], *(item["id"] for item in response["output"])]
            seen += [item["call_id"] for item in response["output"] if "call_id" in item]
    assert len(seen) == len(set(seen))


def test_encrypted_content_comes_only_if_asked_for(serve, respond):
    api = serve(lambda request: Step("x", reasoning=True))
    (reasoning, _) = respond(api, "hi").json["output"]
    assert reasoning["encrypted_content"] is None
    (reasoning, _) = respond(api, "hi", include=["reasoning.encrypted_content"]).json["output"]
    assert reasoning["encrypted_content"].startswith("gAAAAA")
