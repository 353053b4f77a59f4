"""What is wrong with a body or an item by itself, over HTTP, with OpenAI's own words for it."""

from dataclasses import dataclass
from typing import Any

import pytest
from openai.types.responses import response_input_item_param as params

USER = {"role": "user", "content": "go on"}
CALL = {"type": "function_call", "call_id": "c", "name": "t", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "x"}
ITEM_ROLES = "'assistant', 'system', 'developer', and 'user'"
CHAT_ROLES = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'"
INPUT_PARTS = "'input_text', 'input_image', 'input_file', 'scoped_content', and 'input_audio'"
TOO_LONG = (
    "Invalid '{}': string too long. Expected a string with maximum length 1000, "
    "but got a string with length 1001 instead."
)


@dataclass
class Refusal:
    """What is sent, and the error that comes back."""

    sent: Any
    message: str
    code: str | None
    param: str | None


def missing(sent, param):
    text = f"Missing required parameter: '{param}'."
    return Refusal(sent, text, "missing_required_parameter", param)


def unknown(sent, param):
    return Refusal(sent, f"Unknown parameter: '{param}'.", "unknown_parameter", param)


def too_long(sent, param):
    return Refusal(sent, TOO_LONG.format(param), "string_above_max_length", param)


def wrong_type(sent, param, expected, got):
    text = f"Invalid type for '{param}': expected {expected}, but got {got} instead."
    return Refusal(sent, text, "invalid_type", param)


def wrong_value(sent, param, value, valid):
    text = f"Invalid value: '{value}'. Supported values are: {valid}."
    return Refusal(sent, text, "invalid_value", param)


def by_message(refusal):
    return f"{refusal.param}: {refusal.message[:40]}"


def said(role, part):
    return {"role": role, "content": [part]}


def check(answer, refusal):
    assert answer.status == 400
    assert answer.error == {
        "message": refusal.message,
        "type": "invalid_request_error",
        "param": refusal.param,
        "code": refusal.code,
    }


ITEMS = [
    wrong_value({"role": "tool", "content": "x"}, "input[1]", "tool", ITEM_ROLES),
    wrong_value({}, "input[1]", "", ITEM_ROLES),
    wrong_type("just a string", "input[1]", "an input item", "a string"),
    wrong_type(None, "input[1]", "an input item", "null"),
    wrong_type({**CALL, "call_id": 7}, "input[1].call_id", "a string", "an integer"),
    wrong_type(
        {"role": "assistant", "content": None},
        "input[1].content",
        "one of an array of objects or string",
        "null",
    ),
    wrong_value(
        said("assistant", {"type": "input_text", "text": "x"}),
        "input[1].content[0]",
        "input_text",
        "'output_text' and 'refusal'",
    ),
    wrong_value(
        said("user", {"type": "output_text", "text": "x"}),
        "input[1].content[0]",
        "output_text",
        INPUT_PARTS,
    ),
    wrong_type(said("user", 0.5), "input[1].content[0]", "an object", "a decimal number"),
    missing({"role": "assistant"}, "input[1].content"),
    missing(said("user", {"type": "input_text"}), "input[1].content[0].text"),
    missing({"type": "function_call", "call_id": "c", "arguments": "{}"}, "input[1].name"),
    missing({"type": "function_call_output", "output": "x"}, "input[1].call_id"),
    missing({"type": "function_call_output", "call_id": "c"}, "input[1].output"),
    missing({"type": "reasoning", "id": "rs_1"}, "input[1].summary"),
    unknown({**USER, "protected": True}, "input[1].protected"),
    unknown({**USER, "phase": "commentary"}, "input[1].phase"),
    unknown({**CALL, "_agents_tool_title": "T"}, "input[1]._agents_tool_title"),
    too_long({**OUTPUT, "output": "x" * 1001}, "input[1].output"),
    too_long({**CALL, "arguments": "x" * 1001}, "input[1].arguments"),
    too_long({"role": "assistant", "content": "x" * 1001}, "input[1].content"),
    too_long(said("user", {"type": "input_text", "text": "x" * 1001}), "input[1].content[0].text"),
]


@pytest.mark.parametrize("refusal", ITEMS, ids=by_message)
def test_an_item_that_is_wrong_by_itself_is_named(refusal, serve, respond):
    check(respond(serve(max_string_length=1000), [USER, refusal.sent]), refusal)


def test_an_unknown_item_type_is_answered_with_the_known_ones(serve, respond):
    answer = respond(serve(), [USER, {"type": "summary", "text": "x"}])
    assert answer.status == 400
    message = answer.error["message"]
    assert message.startswith("Invalid value: 'summary'. Supported values are: 'additional_tools',")
    assert message.endswith("'tool_search_output', and 'web_search_call'.")
    assert (answer.error["code"], answer.error["param"]) == ("invalid_value", "input[1]")


MEMBERS = {
    "message": (params.ResponseOutputMessageParam, [], []),
    "function_call": (params.ResponseFunctionToolCallParam, [], [OUTPUT]),
    "function_call_output": (params.FunctionCallOutput, [CALL], []),
    "reasoning": (params.ResponseReasoningItemParam, [], [{"role": "assistant", "content": "so"}]),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_that_the_openai_types_know_is_taken(name, serve, respond):
    members, before, after = MEMBERS[name]
    values = {**CALL, **OUTPUT, "role": "assistant", "content": "said", "summary": []}
    item = {member: values.get(member) for member in members.__annotations__}
    answer = respond(serve(), [*before, {**item, "type": name}, *after, USER])
    assert answer.status == 200


MESSAGES = [
    wrong_value({"role": "bogus", "content": "x"}, "messages[1].role", "bogus", CHAT_ROLES),
    missing({"content": "x"}, "messages[1].role"),
    missing({"role": "tool", "content": "x"}, "messages[1].tool_call_id"),
    missing(
        {"role": "assistant", "tool_calls": [{"type": "function"}]},
        "messages[1].tool_calls[0].id",
    ),
    wrong_type(
        {"role": "user", "content": 7},
        "messages[1].content",
        "one of a string or array of objects",
        "an integer",
    ),
    wrong_type("x", "messages[1]", "an object", "a string"),
    wrong_type(
        {"role": "assistant", "tool_calls": {}},
        "messages[1].tool_calls",
        "an array of objects",
        "an object",
    ),
    wrong_type(
        {"role": "assistant", "tool_calls": [True]},
        "messages[1].tool_calls[0]",
        "an object",
        "a boolean",
    ),
    too_long(
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "type": "function", "function": {"arguments": "x" * 1001}}],
        },
        "messages[1].tool_calls[0].function.arguments",
    ),
    too_long({"role": "user", "content": "x" * 1001}, "messages[1].content"),
    Refusal(
        {"role": "assistant", "content": "x", "tool_calls": []},
        "Invalid 'messages[1].tool_calls': empty array. Expected an array with minimum length 1, "
        "but got an empty array instead.",
        "empty_array",
        "messages[1].tool_calls",
    ),
    Refusal(
        {"role": "assistant", "content": None},
        "Invalid value for 'content': expected a string, got null.",
        None,
        "messages.[1].content",
    ),
]


@pytest.mark.parametrize("refusal", MESSAGES, ids=by_message)
def test_a_message_that_is_wrong_by_itself_is_named(refusal, serve, chat):
    check(chat(serve(max_string_length=1000), [USER, refusal.sent]), refusal)


NO_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
    "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not "
    "valid JSON. If you have trouble figuring out how to fix this, please contact us through our "
    "help center at help.openai.com.)"
)
BODIES = [
    Refusal("{nonsense", NO_JSON, None, None),
    Refusal("", NO_JSON, None, None),
    Refusal([], "Invalid type for body: expected an object, but got an array instead.", None, None),
]
RESPONSE_BODIES = [
    *BODIES,
    missing({"input": "hi"}, "model"),
    wrong_type({"model": 7, "input": "hi"}, "model", "a string", "an integer"),
    wrong_type(
        {"model": "m", "input": {}},
        "input",
        "one of a string or array of input items",
        "an object",
    ),
    wrong_type(
        {"model": "m", "input": "hi", "previous_response_id": ["resp_1"]},
        "previous_response_id",
        "a string",
        "an array",
    ),
    Refusal(
        {"model": "m", "input": []},
        "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation' must be "
        "provided.",
        "missing_required_parameter",
        None,
    ),
]
CHAT_BODIES = [
    *BODIES,
    Refusal({"messages": [USER]}, "you must provide a model parameter", None, None),
    missing({"model": "m"}, "messages"),
    wrong_type({"model": "m", "messages": "hi"}, "messages", "an array of objects", "a string"),
    Refusal(
        {"model": "m", "messages": []},
        "Invalid 'messages': empty array. Expected an array with minimum length 1, "
        "but got an empty array instead.",
        "empty_array",
        "messages",
    ),
]


@pytest.mark.parametrize("refusal", RESPONSE_BODIES, ids=by_message)
def test_a_malformed_response_request_is_refused(refusal, serve, post):
    api = serve()
    answer = post(api, "/responses", refusal.sent)
    check(answer, refusal)
    (request,) = api.requests
    assert (request.status, request.tokens, request.error) == (400, 0, answer.error)


@pytest.mark.parametrize("refusal", CHAT_BODIES, ids=by_message)
def test_a_malformed_chat_request_is_refused(refusal, serve, post):
    check(post(serve(), "/chat/completions", refusal.sent), refusal)
