"""What a request costs.

The figures follow from what OpenAI's API has answered to requests of the same shapes; how well that
carries over to other requests is measured in `test_accuracy`.
"""

import json
from dataclasses import replace

import pytest

from compact_otel.core.types import CallContext, FixedTokens
from compact_otel.estimators import text

GPT_4O = CallContext(model="gpt-4o")
GPT_5 = CallContext(model="gpt-5.2")
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Tell what the sky looks like over a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
QUESTION = {"role": "user", "content": "What is the weather in Paris?"}
CALL = {
    "type": "function_call",
    "id": "fc_68a1",
    "call_id": "call_1",
    "name": "get_weather",
    "arguments": '{"city":"Paris"}',
    "status": "completed",
}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "sunny, 21 degrees"}


def total(estimator, items, call):
    return sum(estimator.count_items(items, call)) + estimator.count_fixed(call).total


def one(estimator, item, call=GPT_5):
    (tokens,) = estimator.count_items([item], call)
    return tokens


def chat(model, **beside):
    return CallContext(model=model, api="chat", **beside)


@pytest.mark.parametrize(
    ("model", "tokens"), [("gpt-4o", 14), ("gpt-4.1-mini", 14), ("gpt-5", 13), ("o3", 13)]
)
@pytest.mark.parametrize("api", ["responses", "chat"])
def test_a_question_costs_its_text_and_the_frame_around_it(tiktoken, model, api, tokens):
    assert total(tiktoken, [QUESTION], CallContext(model=model, api=api)) == tokens


def test_instructions_cost_as_much_as_one_more_message(tiktoken):
    call = CallContext(model="gpt-4.1-mini", instructions="Follow the system instructions.")
    assert total(tiktoken, [{"role": "user", "content": ""}], call) == 16


def test_the_conversation_of_openais_cookbook_costs_what_the_cookbook_says(tiktoken):
    # https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken, gpt-4o
    messages = [
        {
            "role": "system",
            "content": "You are a helpful, pattern-following assistant that translates corporate "
            "jargon into plain English.",
        },
        {
            "role": "system",
            "name": "example_user",
            "content": "New synergies will help drive top-line growth.",
        },
        {
            "role": "system",
            "name": "example_assistant",
            "content": "Things working well together will increase revenue.",
        },
        {
            "role": "system",
            "name": "example_user",
            "content": "Let's circle back when we have more bandwidth to touch base on "
            "opportunities for increased leverage.",
        },
        {
            "role": "system",
            "name": "example_assistant",
            "content": "Let's talk later when we're less busy about how to do better.",
        },
        {
            "role": "user",
            "content": "This late pivot means we don't have time to boil the ocean for the client "
            "deliverable.",
        },
    ]
    assert total(tiktoken, messages, chat("gpt-4o")) == 124


@pytest.mark.parametrize(
    ("call", "tokens"),
    [
        (CallContext(model="gpt-5-mini", tools=[WEATHER]), 13 + 32 + 8),
        (chat("gpt-5-mini", tools=[WEATHER]), 13 + 32 + 90),
        (CallContext(model="gpt-4o", tools=[WEATHER]), 14 + 32 + 2),
        (chat("gpt-4o", tools=[WEATHER]), 14 + 32 + 8),
        (chat("gpt-4o", tools=[WEATHER], instructions=""), 4 + 14 + 32 + 4),
        (CallContext(model="gpt-4o", tools=[WEATHER], tool_choice="required"), 48),
        (CallContext(model="gpt-4o", tools=[WEATHER], tool_choice="get_weather"), 48 + 16),
        (CallContext(model="gpt-5-mini", tools=[WEATHER], tool_choice="get_weather"), 53),
    ],
)
def test_a_question_with_a_tool_costs_what_its_model_and_api_make_of_it(tiktoken, call, tokens):
    assert total(tiktoken, [QUESTION], call) == tokens


@pytest.mark.parametrize(
    ("model", "harmony"),
    [
        ("gpt-5", True),
        ("gpt-5.4-mini-2026-03-17", True),
        ("gpt-6.2", True),
        ("o1-pro", True),
        ("o4-mini", True),
        ("gpt-oss-120b", True),
        ("openai/gpt-5", True),
        ("litellm/azure/o3", True),
        ("ft:gpt-5-mini:acme::1", True),
        ("gpt-4o", False),
        ("ft:gpt-4.1-2025-04-14:acme::1", False),
        ("gpt-4", False),
        ("gpt-3.5-turbo", False),
        ("litellm/ollama/olmo-2", False),
        ("claude-opus-5", False),
        (None, False),
        ("", False),
    ],
)
def test_the_family_is_read_from_any_form_of_a_models_name(tiktoken, model, harmony):
    fixed = tiktoken.count_fixed(CallContext(model=model))
    assert fixed == FixedTokens(framing=2 if harmony else 3)


@pytest.mark.parametrize(
    ("model", "ratio"),
    [
        ("litellm/anthropic/claude-sonnet-4-5", 1.15),
        ("bedrock/us.anthropic.claude-opus-4-7-v1:0", 1.41),
        ("vertex_ai/gemini-2.5-pro", 1.07),
        ("groq/meta-llama/llama-4-scout", 1.15),
    ],
)
def test_texts_cost_what_the_tokeniser_of_another_maker_makes_of_them(tiktoken, model, ratio):
    texts = [f"Service {number} runs Python 3.{number % 9}." for number in range(600)]
    items = [{"role": "user", "content": text} for text in texts]
    ours = sum(map(tiktoken.count_text, texts))
    frames = 4 * len(texts)
    tokens = sum(tiktoken.count_items(items, chat(model)))
    assert tokens == pytest.approx(ours * ratio + frames, rel=0.01)


def test_to_claude_tools_cost_their_json_and_a_prompt_about_them(tiktoken):
    model = "litellm/anthropic/claude-sonnet-4-5"
    with_tool = tiktoken.count_fixed(chat(model, tools=[WEATHER])).tools_schema
    json_text = json.dumps({key: WEATHER[key] for key in ("name", "description", "parameters")})
    assert with_tool == pytest.approx(350 + 1.15 * tiktoken.count_text(json_text), rel=0.05)
    assert tiktoken.count_fixed(chat(model)).tools_schema == 0


@pytest.mark.parametrize("model", ["gpt-4", "azure/gpt-35-turbo", "ft:gpt-3.5-turbo:acme::1"])
def test_an_old_model_counts_with_its_own_vocabulary(tiktoken, model):
    # As OpenAI's cookbook has it: o200k needs 6 tokens for what takes cl100k 9.
    item = {"role": "user", "content": "お誕生日おめでとう"}
    assert one(tiktoken, item, chat(model)) == 4 + 9
    assert one(tiktoken, item, chat("gpt-4o")) < 4 + 9


def test_an_item_costs_the_same_alone_and_in_a_history_for_every_family(tiktoken):
    history = [QUESTION, CALL, OUTPUT, {"role": "assistant", "content": "It is sunny."}] * 5
    for model in ("gpt-4", "claude-sonnet-4-5", "gemini-3-pro", "gpt-5"):
        call = chat(model)
        assert tiktoken.count_items(history, call) == [one(tiktoken, i, call) for i in history]


def test_fixed_parts_are_told_apart(tiktoken):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    plain = CallContext(model="gpt-5", instructions="Be brief.", tools=[WEATHER])
    structured = CallContext(
        model="gpt-5", instructions="Be brief.", tools=[WEATHER], output_schema=schema
    )
    assert tiktoken.count_fixed(plain) == FixedTokens(instructions=7, tools_schema=40, framing=2)
    assert tiktoken.count_fixed(structured).tools_schema == 40 + 9 + 14


def test_a_hosted_tool_costs_what_offering_it_costs(tiktoken):
    search = CallContext(model="gpt-4.1", tools=[{"type": "web_search", "user_location": None}])
    unknown = CallContext(model="gpt-4.1", tools=[{"type": "time_travel"}])
    assert tiktoken.count_fixed(search).tools_schema == 294
    assert tiktoken.count_fixed(unknown).tools_schema == 300


@pytest.mark.parametrize(
    ("call", "tokens"),
    [(GPT_5, [11, 10 + 2 * 2 + 5, 8 + 6]), (GPT_4O, [11, 7 + 2 * 2 + 5, 7 + 6])],
)
def test_a_call_costs_name_and_arguments_and_its_output_the_text(tiktoken, call, tokens):
    assert tiktoken.count_items([QUESTION, CALL, OUTPUT], call) == tokens


def test_ids_status_and_annotations_cost_nothing(tiktoken):
    bare = {"type": "function_call", "name": CALL["name"], "arguments": CALL["arguments"]}
    assert one(tiktoken, bare) == one(tiktoken, CALL)
    annotation = {"type": "url_citation", "url": "https://example.com", "title": "Paris"}
    part = {"type": "output_text", "text": "Sunny.", "annotations": [annotation], "logprobs": []}
    message = {
        "type": "message",
        "id": "msg_68a1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    assert one(tiktoken, message) == one(tiktoken, {"role": "assistant", "content": "Sunny."})
    shell = {"type": "local_shell_call", "action": {"command": ["ls", "-l"]}}
    named = {**shell, "id": "lsh_1", "call_id": "call_2", "status": "completed"}
    assert one(tiktoken, shell) == one(tiktoken, named)


def test_text_costs_the_same_in_parts_and_in_an_output(tiktoken):
    parts = [{"type": "input_text", "text": "one two"}, {"type": "input_text", "text": "three"}]
    assert one(tiktoken, {"role": "user", "content": parts}) == 4 + 3
    assert one(tiktoken, {**OUTPUT, "output": parts}) == 8 + 3


def test_a_refusal_costs_its_text_in_both_forms(tiktoken):
    part = {"type": "refusal", "refusal": "I cannot help"}
    assert one(tiktoken, {"role": "assistant", "content": [part]}) == 6 + 3
    assert one(tiktoken, {"role": "assistant", "content": None, "refusal": "I cannot help"}) == 9


def test_chat_calls_and_outputs_cost_what_their_responses_form_costs_in_chat(tiktoken):
    function = {"name": CALL["name"], "arguments": CALL["arguments"]}
    calls = [{"id": "call_1", "type": "function", "function": function}]
    messages = [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": OUTPUT["output"]},
    ]
    for model in ("gpt-4o", "gpt-5"):
        expected = tiktoken.count_items([CALL, OUTPUT], chat(model))
        assert tiktoken.count_items(messages, chat(model)) == expected


def test_a_chat_message_with_text_and_calls_costs_both(tiktoken):
    calls = [{"id": "call_1", "type": "function", "function": {"name": "go", "arguments": "{}"}}]
    call = one(tiktoken, {"role": "assistant", "tool_calls": calls}, chat("gpt-5"))
    talk = one(tiktoken, {"role": "assistant", "content": "On it."}, chat("gpt-5"))
    both = {"role": "assistant", "content": "On it.", "tool_calls": calls}
    assert one(tiktoken, both, chat("gpt-5")) == call + talk


def test_parallel_chat_calls_cost_more_than_two_by_themselves(tiktoken):
    call = {"id": "call_1", "type": "function", "function": {"name": "go", "arguments": "{}"}}
    single = one(tiktoken, {"role": "assistant", "tool_calls": [call]}, chat("gpt-4o"))
    double = one(tiktoken, {"role": "assistant", "tool_calls": [call, call]}, chat("gpt-4o"))
    assert double == 2 * single + 10


def test_a_custom_chat_call_costs_its_input(tiktoken):
    custom = {"id": "call_1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    assert one(tiktoken, {"role": "assistant", "tool_calls": [custom]}, chat("gpt-5")) == 9 + 1 + 3


@pytest.mark.parametrize(
    ("item", "tokens"),
    [
        ({"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "SELECT 1"}, 10 + 4),
        ({"type": "custom_tool_call_output", "call_id": "c", "output": "one two"}, 8 + 2),
        ({"type": "mcp_approval_response", "approval_request_id": "m", "approve": True}, 4 + 1),
        ({"type": "item_reference", "id": "msg_1"}, 4),
        ({"type": "from_the_future", "deep": [{"er": "one two"}], "count": 3}, 4 + 3),
        ({"role": "user", "content": None}, 4),
        ({"role": "user", "content": 42}, 4 + 1),
        ({"role": "user", "content": ["one two", None, {"text": None}]}, 4 + 2),
        ({"type": "function_call"}, 10),
        ("one two", 4 + 2),
        (None, 4),
    ],
)
def test_what_is_odd_or_unknown_costs_its_texts(tiktoken, item, tokens):
    assert one(tiktoken, item) == tokens


def test_reasoning_costs_by_its_length_and_nothing_before_the_last_user_message(tiktoken):
    reasoning = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Thought about Paris."}],
        "encrypted_content": "gAAAAAB" + "x" * 2033,
    }
    loop = [QUESTION, reasoning, CALL, OUTPUT]
    assert tiktoken.count_items(loop, GPT_5)[1] == 200
    assert tiktoken.count_items([*loop, QUESTION], GPT_5)[1] == 0
    assert tiktoken.count_items([*loop, QUESTION, reasoning], GPT_5)[5] == 200
    assert tiktoken.count_items(loop, chat("gpt-5"))[1] == 0
    kept = replace(GPT_5, reasoning_context="all_turns")
    assert tiktoken.count_items([*loop, QUESTION], kept)[1] == 200


def test_short_reasoning_never_costs_less_than_nothing(tiktoken):
    assert one(tiktoken, {"type": "reasoning", "encrypted_content": "gAAAAAB"}) == 0


def test_readable_reasoning_costs_its_text(tiktoken):
    content = [{"type": "reasoning_text", "text": "one two three"}]
    assert one(tiktoken, {"type": "reasoning", "summary": [], "content": content}) == 3


def test_a_compaction_item_stands_for_all_that_precedes_it(tiktoken):
    compaction = {"type": "compaction", "id": "cmp_1", "encrypted_content": "x" * 2808}
    counts = tiktoken.count_items([QUESTION, CALL, OUTPUT, compaction, QUESTION], GPT_5)
    assert counts == [0, 0, 0, 271, 11]


def test_a_history_that_grew_is_not_tokenised_again(tiktoken, monkeypatch):
    history = [QUESTION, CALL, OUTPUT, {"role": "assistant", "content": "It is sunny."}] * 20
    call = CallContext(model="gpt-5.2", instructions="Be brief.", tools=[WEATHER])
    tiktoken.count_items(history, call)
    tiktoken.count_fixed(call)
    tokenised = []
    monkeypatch.setattr(text, "count", lambda string, encoding: tokenised.append(string) or 1)
    tiktoken.count_items(
        [dict(item) for item in history] + [{"role": "user", "content": "New"}], call
    )
    tiktoken.count_fixed(call)
    assert tokenised == ["New"]
