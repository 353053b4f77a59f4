"""What a behaviour sees, and what its steps do."""

import threading

import pytest

from compact_otel.testing import ApiError, Echo, FirstMatch, Miss, ModelRequest, Script, Step

USER = {"role": "user", "content": "go on"}


def request_with(text, tools=()):
    return ModelRequest(
        api="responses",
        model="m",
        instructions=None,
        items=[{"role": "user", "content": text}],
        tools=tools,
        text=text,
        number=1,
    )


def texts(answer):
    return [part["text"] for item in answer.json["output"] for part in item["content"]]


def test_a_behaviour_sees_the_request_as_the_model_would(serve, respond):
    seen = []

    def behaviour(request):
        seen.append(request)
        return Step("ok")

    items = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "input_text", "text": "where is it?"}]},
        {"type": "function_call", "call_id": "call_9", "name": "find", "arguments": '{"q": "it"}'},
        {"type": "function_call_output", "call_id": "call_9", "output": "in Zürich"},
    ]
    tools = [
        {"type": "function", "name": "find", "parameters": {}, "strict": True},
        {"type": "web_search"},
    ]
    api = serve(behaviour)
    respond(api, items, instructions="You find things.", tools=tools)
    (request,) = seen
    assert (request.api, request.model, request.number) == ("responses", "gpt-5.4", 1)
    assert request.instructions == "You find things."
    assert request.items == items
    assert request.tools == ("find", "web_search")
    assert request.text.splitlines() == [
        "You find things.",
        "be brief",
        "where is it?",
        "find",
        '{"q": "it"}',
        "in Zürich",
    ]


def test_a_chat_request_is_seen_the_same_way(serve, chat):
    seen = []

    def behaviour(request):
        seen.append(request)
        return Step("ok")

    call = {"id": "call_9", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_9", "content": "in Zürich"},
    ]
    tools = [{"type": "function", "function": {"name": "find", "parameters": {}}}]
    chat(serve(behaviour), messages, tools=tools)
    (request,) = seen
    assert (request.api, request.instructions, request.tools) == ("chat", None, ("find",))
    assert request.text.splitlines() == ["be brief", "find", "{}", "in Zürich"]


def test_what_a_model_cannot_read_is_not_in_the_text(serve, respond):
    seen = []

    def behaviour(request):
        seen.append(request)
        return Step("ok", reasoning=True)

    api = serve(behaviour)
    include = ["reasoning.encrypted_content"]
    output = respond(api, "hi", include=include).json["output"]
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}
    respond(api, [USER, *output, {"role": "user", "content": [image]}], include=include)
    assert seen[1].text.splitlines() == ["go on", "ok", "low"]


def test_echo_answers_the_newest_user_text(serve, respond):
    items = [
        {"role": "user", "content": "old"},
        {"role": "user", "content": [{"type": "input_text", "text": "new"}]},
        {"role": "assistant", "content": "hm"},
    ]
    assert texts(respond(serve(Echo()), items)) == ["new"]


def test_a_text_with_a_lone_surrogate_comes_back(serve, post):
    body = '{"model": "m", "input": "broken \\ud83d emoji"}'
    api = serve(Echo(), estimator=None)  # the default one has to count it, too
    assert texts(post(api, "/responses", body)) == ["broken \ud83d emoji"]


def test_a_script_is_played_in_order_and_then_says_that_it_is_over(serve, respond):
    script = Script([Step("one"), Step("two")])
    api = serve(script)
    assert texts(respond(api, "hi")) == ["one"]
    assert script.remaining == 1
    assert texts(respond(api, "hi")) == ["two"]
    answer = respond(api, "hi")
    assert answer.status == 500
    assert answer.error == {
        "message": "The script is exhausted: all of its 2 steps were played, and request 3 needs "
        "one more.",
        "type": "server_error",
        "param": None,
        "code": "script_exhausted",
    }


def test_a_step_is_played_though_what_it_needs_is_missing_and_the_miss_is_listed(serve, respond):
    api = serve(Script([Step("one"), Step("two", needs=["order-7", "gate 3"])]))
    respond(api, "hi")
    assert texts(respond(api, "we stand at gate 3")) == ["two"]
    assert api.missing == [(1, "order-7")] == [Miss(step=1, value="order-7")]
    api.clear()
    assert api.missing == []


def test_a_step_waits_while_its_alternative_is_played(serve, respond):
    script = Script([Step("shipped", needs=["order-7"], otherwise=Step("which order?"))])
    api = serve(script)
    assert texts(respond(api, "where is it?")) == ["which order?"]
    assert texts(respond(api, "well?")) == ["which order?"]
    assert script.remaining == 1
    assert texts(respond(api, "order-7")) == ["shipped"]
    assert script.remaining == 0
    assert api.missing == []


def test_an_alternative_can_have_an_alternative(serve, respond):
    last = Step("I give up")
    step = Step("a", needs=["A"], otherwise=Step("b", needs=["B"], otherwise=last))
    api = serve(lambda request: step)
    assert [texts(respond(api, text)) for text in ("A", "B", "C")] == [["a"], ["b"], ["I give up"]]


def test_a_miss_of_an_alternative_counts_for_the_step_it_stands_in_for(serve, respond):
    api = serve(Script([Step("a", needs=["A"], otherwise=Step("b", needs=["B"]))]))
    assert texts(respond(api, "hi")) == ["b"]
    assert api.missing == [(0, "B")]


def test_what_is_needed_can_stand_in_a_tool_output_or_in_arguments(serve, respond):
    call = Step(calls=[("find", {"city": "Zürich"})])
    api = serve(Script([call, Step("done", needs=["Zürich", "Platz 4"])]))
    output = respond(api, "go").json["output"]
    answer = {"type": "function_call_output", "call_id": output[0]["call_id"], "output": "Platz 4"}
    respond(api, [USER, *output, answer])
    assert api.missing == []


def test_the_first_matching_rule_is_played_every_time(serve, respond):
    rules = [
        (lambda request: "order" in request.text, Step("an order", needs=["number"])),
        (lambda request: request.number > 2, Step("late")),
    ]
    api = serve(FirstMatch(rules, otherwise=Step("hm")))
    played = [texts(respond(api, text)) for text in ("hi", "order", "order", "hi")]
    assert played == [["hm"], ["an order"], ["an order"], ["late"]]
    assert api.missing == [(0, "number"), (0, "number")]


def test_rules_can_be_a_mapping_and_without_a_match_the_request_fails(serve, respond):
    api = serve(FirstMatch({lambda request: "order" in request.text: Step("an order")}))
    assert texts(respond(api, "order")) == ["an order"]
    answer = respond(api, "hi")
    assert (answer.status, answer.error["code"]) == (500, "no_rule_matches")


def test_a_step_can_fail_as_openai_does(serve, respond, chat):
    error = {"message": "Slow down.", "type": "requests", "code": "rate_limit_exceeded"}
    api = serve(lambda request: Step(status=429, error=error))
    for answer in (respond(api, "hi"), respond(api, "hi", stream=True), chat(api, [USER])):
        assert answer.status == 429
        assert answer.error == {**error, "param": None}
    assert [request.error_code for request in api.requests] == ["rate_limit_exceeded"] * 3


def test_a_status_alone_is_enough_to_fail_and_so_is_an_error(serve, respond):
    answer = respond(serve(lambda request: Step(status=503)), "hi")
    assert (answer.status, answer.error["type"]) == (503, "server_error")
    answer = respond(serve(lambda request: Step(error={"code": "odd"})), "hi")
    assert (answer.status, answer.error["code"]) == (400, "odd")


def test_a_behaviour_can_raise_the_error_itself(serve, respond):
    def behaviour(request):
        raise ApiError("No such model.", status=404, code="model_not_found", param="model")

    answer = respond(serve(behaviour), "hi")
    assert answer.status == 404
    assert answer.error == {
        "message": "No such model.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        (lambda request: 1 / 0, "The model behaviour raised ZeroDivisionError: division by zero"),
        (
            lambda request: None,
            "The model behaviour raised TypeError: need a Step from a behaviour, got None",
        ),
    ],
)
def test_a_mistake_in_a_behaviour_is_a_500_that_says_so(behaviour, text, serve, respond):
    answer = respond(serve(behaviour), "hi")
    assert (answer.status, answer.error["message"]) == (500, text)


def test_raw_arguments_go_out_as_they_are(serve, respond):
    api = serve(lambda request: Step(calls=[("find", '{"q": ')]))
    assert respond(api, "hi").json["output"][0]["arguments"] == '{"q": '


def test_a_script_shared_by_threads_plays_every_step_once():
    script = Script([Step(str(number)) for number in range(400)])
    played = []

    def play():
        played.extend([script(request_with("hi")).text for _ in range(50)])

    threads = [threading.Thread(target=play) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(played, key=int) == [str(number) for number in range(400)]


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"needs": "order-7"}, TypeError, "need a sequence of values in `needs`"),
        ({"status": 200}, ValueError, "need an error status from 400 to 599 in `status`, got 200"),
        ({"delay_s": -1}, ValueError, "need `delay_s` >= 0, got -1"),
    ],
)
def test_an_impossible_step_is_refused_where_it_is_written(fields, error, text):
    with pytest.raises(error, match=text):
        Step("x", **fields)
