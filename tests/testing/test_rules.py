"""The rules of the API, each broken once over HTTP, with OpenAI's own words for it."""

import pytest

from compact_otel.testing import Echo, FirstMatch, Script, Step

USER = {"role": "user", "content": "go on"}
REASONED_CALL = Step(calls=[("look", {"at": "it"})], reasoning=True)
REASONED_TEXT = Step("I see.", reasoning=True)


def invalid(message, param, code=None):
    return {"message": message, "type": "invalid_request_error", "param": param, "code": code}


@pytest.fixture
def history(serve, respond):
    """Return (server, items): a user message, reasoning, a call, its output, reasoning, text."""

    def play(**request):
        rules = [(lambda seen: "function_call_output" in str(seen.items), REASONED_TEXT)]
        api = serve(FirstMatch(rules, otherwise=REASONED_CALL))
        items = [{"role": "user", "content": "look"}]
        items += respond(api, items, **request).json["output"]
        items.append(
            {"type": "function_call_output", "call_id": items[-1]["call_id"], "output": "x"}
        )
        items += respond(api, items, **request).json["output"]
        assert [item.get("type") for item in items] == [
            None,
            "reasoning",
            "function_call",
            "function_call_output",
            "reasoning",
            "message",
        ]
        return api, items

    return play


def without(items, *indices):
    return [item for index, item in enumerate(items) if index not in indices]


def without_id(item):
    return {name: value for name, value in item.items() if name not in ("id", "status")}


def test_the_history_that_the_server_itself_made_is_legal(history, respond):
    api, items = history()
    assert respond(api, [*items, USER]).status == 200


NO_OUTPUT = "No tool output found for function call {call_id}."
NO_CALL = "No tool call found for function call output with call_id {call_id}."
NO_FOLLOWER = (
    "Item '{first_reasoning}' of type 'reasoning' was provided without its required following item."
)
NO_REASONING = (
    "Item '{call}' of type 'function_call' was provided without its required 'reasoning' "
    "item: '{first_reasoning}'."
)
NO_REASONING_FOR_MESSAGE = (
    "Item '{message}' of type 'message' was provided without its required 'reasoning' "
    "item: '{last_reasoning}'."
)
DUPLICATE = (
    "Duplicate item found with id {message}. Remove duplicate items from your input and try again."
)
SAID = {"role": "assistant", "content": "so"}
TEARS = {
    "a call without its output": (lambda items: without(items, 3), NO_OUTPUT),
    "an output without its call": (lambda items: without(items, 1, 2), NO_CALL),
    "an output in front of its call": (
        lambda items: [items[0], items[3], items[1], items[2], *items[4:]],
        NO_CALL,
    ),
    "reasoning at the end": (lambda items: items[:2], NO_FOLLOWER),
    "reasoning in front of a user message": (lambda items: [*items[:2], USER], NO_FOLLOWER),
    "reasoning in front of an output": (
        lambda items: [items[0], without_id(items[2]), items[1], items[3]],
        NO_FOLLOWER,
    ),
    "a call that keeps its id without its reasoning": (
        lambda items: without(items, 1),
        NO_REASONING,
    ),
    "a message that keeps its id without its reasoning": (
        lambda items: without(items, 4),
        NO_REASONING_FOR_MESSAGE,
    ),
    "reasoning behind what it led to": (
        lambda items: [*items[:4], items[5], items[4], SAID],
        NO_REASONING_FOR_MESSAGE,
    ),
    "an item twice": (lambda items: [*items, items[5]], DUPLICATE),
    "a reference to what stands there as well": (
        lambda items: [*items, {"type": "item_reference", "id": items[5]["id"]}],
        DUPLICATE,
    ),
}


@pytest.mark.parametrize(("tear", "text"), TEARS.values(), ids=TEARS)
def test_a_torn_history_is_refused_with_the_text_of_the_api(tear, text, history, respond):
    api, items = history()
    answer = respond(api, tear(items))
    message = text.format(
        call_id=items[2]["call_id"],
        first_reasoning=items[1]["id"],
        call=items[2]["id"],
        last_reasoning=items[4]["id"],
        message=items[5]["id"],
    )
    assert (answer.status, answer.error) == (400, invalid(message, "input"))


def test_items_that_lost_their_ids_need_no_reasoning(history, respond):
    api, items = history()
    bare = [items[0], without_id(items[2]), items[3], without_id(items[5]), USER]
    assert respond(api, bare).status == 200


def test_the_text_of_a_message_may_become_a_plain_string(history, respond):
    api, items = history()
    assert respond(api, [{"role": "assistant", "content": "I saw."}, USER]).status == 200
    assert respond(api, [*items, {"role": "assistant", "content": "and"}, USER]).status == 200


@pytest.mark.parametrize(
    "call_type",
    [
        "function_call",
        "computer_call",
        "custom_tool_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
        "tool_search_call",
        "program",
    ],
)
def test_every_kind_of_call_is_paired(call_type, serve, respond):
    output_type = {"tool_search_call": "tool_search_output"}.get(call_type, f"{call_type}_output")
    noun = call_type.replace("_", " ")
    call = {"type": call_type, "call_id": "call_1", "name": "t", "arguments": "{}"}
    output = {"type": output_type, "call_id": "call_1", "output": "done"}
    if call_type == "custom_tool_call":
        call["input"] = ""
    api = serve()
    assert respond(api, [USER, call, output]).status == 200
    torn = respond(api, [USER, call])
    assert torn.error["message"] == f"No tool output found for {noun} call_1."
    torn = respond(api, [output, USER, call])
    text = f"No tool call found for {noun} output with call_id call_1."
    assert torn.error["message"] == text


def test_an_output_answers_calls_of_its_own_kind_only(serve, respond):
    call = {"type": "function_call", "call_id": "c", "name": "t", "arguments": "{}"}
    output = {"type": "custom_tool_call_output", "call_id": "c", "output": "done"}
    text = "No tool call found for custom tool call output with call_id c."
    assert respond(serve(), [call, output]).error["message"] == text


def test_a_call_id_that_comes_again_needs_its_own_output(serve, respond):
    call = {"type": "function_call", "call_id": "call_0", "name": "t", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "call_0", "output": "done"}
    api = serve()
    assert respond(api, [call, output, call, output]).status == 200
    torn = respond(api, [call, output, output, call])
    assert torn.error["message"] == "No tool output found for function call call_0."


def test_tool_searches_without_a_call_id_are_paired_in_order(serve, respond):
    call = {"type": "tool_search_call", "arguments": {}, "execution": "server"}
    output = {"type": "tool_search_output", "tools": [], "execution": "server"}
    api = serve()
    assert respond(api, [call, output, call, output, USER]).status == 200
    assert respond(api, [call, output, call, USER]).status == 400


def test_a_local_shell_output_may_name_its_call_in_its_id(serve, respond):
    call = {"type": "local_shell_call", "id": "lsh_1", "call_id": "call_1", "action": {}}
    output = {"type": "local_shell_call_output", "id": "call_1", "output": "done"}
    assert respond(serve(), [call, output]).status == 200


def test_a_compaction_trigger_stands_last(serve, respond):
    trigger = {"type": "compaction_trigger"}
    api = serve()
    assert respond(api, [USER, trigger]).status == 200
    assert respond(api, [trigger, USER]).error["param"] == "input[0]"


def test_calls_of_one_response_may_be_answered_in_any_order(serve, respond):
    api = serve(Script([Step(calls=[("a", {}), ("b", {})]), Step("done")]))
    calls = respond(api, "go").json["output"]
    outputs = [
        {"type": "function_call_output", "call_id": call["call_id"], "output": "x"}
        for call in reversed(calls)
    ]
    assert respond(api, [USER, *calls, *outputs]).status == 200


def test_with_store_false_reasoning_is_not_found_by_its_id(serve, respond):
    api = serve(Script([REASONED_TEXT]))
    output = respond(api, "hi", store=False).json["output"]
    answer = respond(api, [USER, *output, USER], store=False)
    text = (
        f"Item with id '{output[0]['id']}' not found. Items are not persisted when `store` is set "
        "to false. Try again with `store` set to true, or remove this item from your input."
    )
    assert (answer.status, answer.error) == (404, invalid(text, "input"))


def test_encrypted_content_makes_reasoning_independent_of_the_store(serve, respond):
    options = {"store": False, "include": ["reasoning.encrypted_content"]}
    api = serve(Script([REASONED_TEXT, Step("and on")]))
    output = respond(api, "hi", **options).json["output"]
    assert respond(api, [USER, *output, USER], **options).status == 200


def test_a_reference_stands_for_what_was_stored(serve, respond):
    api = serve(Script([Step("seventeen"), Step("so", needs=["seventeen"])]))
    (message,) = respond(api, "hi").json["output"]
    reference = {"type": "item_reference", "id": message["id"]}
    assert respond(api, [USER, reference, USER]).status == 200
    assert respond(api, [USER, {"id": "msg_of_another_server"}, USER]).error["message"] == (
        "Item with id 'msg_of_another_server' not found."
    )
    assert api.missing == []


@pytest.mark.parametrize("kind", ["reasoning", "compaction"])
def test_encrypted_content_is_taken_only_as_it_was_given(kind, serve, respond):
    options = {"store": False, "include": ["reasoning.encrypted_content"]}
    api = serve(Script([REASONED_TEXT]))
    _, message = respond(api, "hi", **options).json["output"]
    forged = {"type": kind, "summary": [], "encrypted_content": "gAAAAABxyz=="}
    answer = respond(api, [USER, forged, without_id(message)], **options)
    text = "The encrypted content gAAA...== could not be verified."
    assert (answer.status, answer.error) == (400, invalid(text, None, "invalid_encrypted_content"))


ASKING = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        for name in ("a", "b")
    ],
}
ANSWER_A = {"role": "tool", "tool_call_id": "call_a", "content": "A"}
ANSWER_B = {"role": "tool", "tool_call_id": "call_b", "content": "B"}
ANSWER_X = {"role": "tool", "tool_call_id": "call_x", "content": "X"}
UNANSWERED = (
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
    "'tool_call_id'. The following tool_call_ids did not have response messages: "
)
STRAY = (
    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
    "'tool_calls'."
)
UNASKED = (
    "Invalid parameter: 'tool_call_id' of 'call_x' not found in 'tool_calls' of previous message."
)
NO_CONTENT = "Invalid value for 'content': expected a string, got null."


@pytest.mark.parametrize(
    ("messages", "message", "param"),
    [
        ([USER, ASKING], UNANSWERED + "call_a, call_b", "messages.[2].role"),
        ([USER, ASKING, ANSWER_B, USER], UNANSWERED + "call_a", "messages.[3].role"),
        (
            [USER, ASKING, USER, ANSWER_A, ANSWER_B],
            UNANSWERED + "call_a, call_b",
            "messages.[2].role",
        ),
        ([USER, ANSWER_A], STRAY, "messages.[1].role"),
        ([USER, ASKING, ANSWER_A, ANSWER_B, USER, ANSWER_A], STRAY, "messages.[5].role"),
        ([USER, ASKING, ANSWER_A, ANSWER_X], UNASKED, "messages.[3].tool_call_id"),
        ([USER, {"role": "assistant", "content": None}], NO_CONTENT, "messages.[1].content"),
    ],
)
def test_chat_refuses_torn_tool_calls(messages, message, param, serve, chat):
    answer = chat(serve(), messages)
    assert (answer.status, answer.error) == (400, invalid(message, param))


def test_chat_takes_answered_tool_calls_in_any_order(serve, chat):
    assert chat(serve(), [USER, ASKING, ANSWER_B, ANSWER_A, USER]).status == 200


def test_refused_requests_do_not_reach_the_model(serve, respond):
    asked = []

    def behaviour(request):
        asked.append(request)
        return Echo()(request)

    api = serve(behaviour)
    respond(api, [USER, {"type": "function_call_output", "call_id": "c", "output": "x"}])
    respond(api, [USER])
    assert [request.number for request in asked] == [2]


def test_an_unknown_previous_response_is_refused(serve, respond):
    answer = respond(serve(), "hi", previous_response_id="resp_x")
    text = "Previous response with id 'resp_x' not found."
    error = invalid(text, "previous_response_id", "previous_response_not_found")
    assert (answer.status, answer.error) == (400, error)


def test_a_response_that_was_not_stored_starts_no_chain(serve, respond):
    api = serve()
    ident = respond(api, "hi", store=False).json["id"]
    answer = respond(api, "on", previous_response_id=ident)
    assert answer.error["code"] == "previous_response_not_found"


def test_a_chain_needs_the_output_of_its_last_call(serve, respond):
    api = serve(Script([REASONED_CALL, Step("fine")]))
    first = respond(api, "hi").json
    call_id = first["output"][-1]["call_id"]
    torn = respond(api, "and?", previous_response_id=first["id"])
    assert torn.error["message"] == f"No tool output found for function call {call_id}."
    output = {"type": "function_call_output", "call_id": call_id, "output": "x"}
    assert respond(api, [output], previous_response_id=first["id"]).status == 200


def test_a_chain_may_not_be_sent_again(serve, respond):
    api = serve()
    first = respond(api, "hi").json
    answer = respond(api, first["output"], previous_response_id=first["id"])
    assert answer.error["message"].startswith("Duplicate item found with id msg_")


@pytest.mark.parametrize("as_object", [True, False])
def test_a_conversation_grows_by_itself(as_object, serve, respond):
    conversation = {"id": "conv_1"} if as_object else "conv_1"
    api = serve(Script([Step("seventeen"), Step("", needs=["first", "seventeen", "second"])]))
    respond(api, "first", conversation=conversation)
    respond(api, "second", conversation=conversation)
    assert api.missing == []
    assert api.requests[1].tokens > api.requests[0].tokens


def test_a_conversation_keeps_reasoning_whatever_is_stored(serve, respond):
    api = serve(lambda request: REASONED_TEXT)
    for text in ("one", "two", "three"):
        assert respond(api, text, conversation="conv_1", store=False).status == 200
