"""The usage that every answer reports: the truth, the cache, and what a test may override."""

import json
from itertools import pairwise

import pytest

from compact_otel.core.types import CallContext, FixedTokens
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.testing import Echo, Script, Step

TOOL = {
    "type": "function",
    "name": "find",
    "description": "Finds.",
    "parameters": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
    "strict": False,
}
CHAT_TOOL = {"type": "function", "function": {k: v for k, v in TOOL.items() if k != "type"}}
SCHEMA = {"type": "object", "properties": {"sum": {"type": "number"}}}
LONG = {"role": "user", "content": "so it goes " * 2000}  # 5507 tokens of four characters
USER = {"role": "user", "content": "go on"}


def test_the_truth_is_what_the_tiktoken_estimator_counts(serve, respond, chat):
    truth = TiktokenEstimator()
    api = serve(estimator=None)
    items = [{"role": "user", "content": "What is the weather in Paris?"}]

    call = CallContext(model="gpt-4.1", instructions="Be brief.", tools=[TOOL])
    answer = respond(api, items, model="gpt-4.1", instructions="Be brief.", tools=[TOOL])
    expected = sum(truth.count_items(items, call)) + truth.count_fixed(call).total
    assert answer.json["usage"]["input_tokens"] == expected

    call = CallContext(model="gpt-4.1", api="chat", tools=[TOOL], output_schema=SCHEMA)
    answer = chat(
        api,
        items,
        model="gpt-4.1",
        tools=[CHAT_TOOL],
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}},
    )
    expected = sum(truth.count_items(items, call)) + truth.count_fixed(call).total
    assert answer.json["usage"]["prompt_tokens"] == expected


class Watching:
    """Notes what it is asked."""

    def __init__(self):
        self.calls = []

    def count_items(self, items, call):
        self.calls.append(call)
        return [1] * len(items)

    def count_fixed(self, call):
        return FixedTokens()


def test_the_estimator_is_told_all_that_costs_tokens(serve, respond, chat):
    estimator = Watching()
    api = serve(estimator=estimator)
    respond(
        api,
        "hi",
        instructions="Be brief.",
        tools=[TOOL, {"type": "web_search"}],
        tool_choice={"type": "function", "name": "find"},
        text={"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}},
    )
    assert estimator.calls[0] == CallContext(
        model="gpt-5.4",
        api="responses",
        provider="openai",
        instructions="Be brief.",
        tools=(TOOL, {"type": "web_search"}),
        output_schema=SCHEMA,
        tool_choice="find",
    )
    estimator.calls.clear()
    chat(
        api,
        [USER],
        tools=[CHAT_TOOL],
        tool_choice={"type": "function", "function": {"name": "find"}},
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}},
    )
    assert estimator.calls[0] == CallContext(
        model="gpt-5.4",
        api="chat",
        provider="openai",
        tools=(TOOL,),
        output_schema=SCHEMA,
        tool_choice="find",
    )


def test_input_output_and_reasoning_add_up(serve, respond, chat):
    api = serve(lambda request: Step("so it is", reasoning=True))
    usage = respond(api, [LONG]).json["usage"]
    assert usage["input_tokens"] == api.requests[0].tokens == 5507
    assert usage["output_tokens"] > usage["output_tokens_details"]["reasoning_tokens"] > 0
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    usage = chat(api, [LONG]).json["usage"]
    assert usage["prompt_tokens"] == 5507
    assert usage["completion_tokens"] > usage["completion_tokens_details"]["reasoning_tokens"] > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_stream_reports_the_same_usage(serve, respond, chat):
    api = serve(lambda request: Step("so it is"))
    at_once = respond(api, [USER]).json["usage"]
    streamed = json.loads(respond(api, [USER], stream=True).events[-1])
    assert streamed["response"]["usage"] == at_once


def test_a_chat_stream_reports_usage_only_if_asked(serve, chat):
    api = serve(lambda request: Step("so it is"))
    at_once = chat(api, [USER]).json["usage"]
    *chunks, last = chat(api, [USER], stream=True).events
    assert last == "[DONE]"
    assert all("usage" not in json.loads(chunk) for chunk in chunks)
    options = {"include_usage": True}
    *chunks, usage, last = chat(api, [USER], stream=True, stream_options=options).events
    assert [json.loads(chunk)["usage"] for chunk in chunks] == [None] * len(chunks)
    assert json.loads(usage)["usage"] == at_once
    assert json.loads(usage)["choices"] == []


def cached(answer):
    return answer.json["usage"]["input_tokens_details"]["cached_tokens"]


def test_a_repeated_prefix_comes_from_the_cache(serve, respond):
    api = serve()
    assert cached(respond(api, [LONG])) == 0
    assert cached(respond(api, [LONG, USER])) == 5504  # 5507 in steps of 128
    assert cached(respond(api, [LONG, {**USER, "content": "other"}, USER])) == 5504
    assert cached(respond(api, [USER, LONG])) == 0
    assert api.requests[1].cached_tokens == 5504


def test_the_cache_begins_at_1024_tokens(serve, respond):
    api = serve()
    for size, expected in ((1023, 0), (1024, 1024)):
        text = "x" * (size * 4 - len(json.dumps({"role": "user", "content": ""})))
        item = {"role": "user", "content": text}
        respond(api, [item])
        assert cached(respond(api, [item, USER])) == expected
        assert api.requests[-2].tokens == size


@pytest.mark.parametrize(
    "other", [{"instructions": "x"}, {"tools": [TOOL]}, {"model": "gpt-4.1"}], ids=str
)
def test_another_head_has_another_cache(other, serve, respond):
    api = serve()
    respond(api, [LONG])
    assert cached(respond(api, [LONG], **other)) == 0
    assert cached(respond(api, [LONG], **other)) == 5504


def test_instructions_alone_can_be_cached(serve, respond):
    api = serve()
    long = "be brief " * 1000  # 2250 tokens
    respond(api, "one", instructions=long)
    assert cached(respond(api, "two", instructions=long)) == 2176


def test_generated_items_that_come_back_keep_the_cache(serve, respond):
    api = serve(Echo())
    items = [LONG]
    for _ in range(3):
        items = [*items, *respond(api, items).json["output"], USER]
    sizes = [(request.tokens, request.cached_tokens) for request in api.requests]
    for (before, _), (_, hit) in pairwise(sizes):
        assert before - 128 < hit <= before


def test_a_refused_request_does_not_fill_the_cache(serve, respond):
    api = serve(context_window=6000)
    call = {"type": "function_call", "call_id": "c", "name": "t", "arguments": "{}"}
    assert respond(api, [LONG, call]).status == 400
    assert respond(api, [LONG], max_output_tokens=1000).status == 400
    assert cached(respond(api, [LONG])) == 0


def test_chat_has_a_cache_too(serve, chat):
    api = serve()
    chat(api, [LONG])
    details = chat(api, [LONG, USER]).json["usage"]["prompt_tokens_details"]
    assert details["cached_tokens"] == 5504


def test_skew_stretches_everything_that_is_counted(serve, respond):
    plain, skewed = serve(), serve(token_skew=1.5)
    for api in (plain, skewed):
        respond(api, [LONG])
        respond(api, [LONG, USER])
    (_, one), (_, other) = plain.requests, skewed.requests
    assert other.tokens == round(one.tokens * 1.5)
    assert other.cached_tokens == round(5507 * 1.5) // 128 * 128


def test_a_step_can_report_another_usage(serve, respond, chat):
    api = serve(
        Script([Step("x", usage={"input_tokens": 7}), Step("x", usage={"prompt_tokens": 7})])
    )
    assert respond(api, [LONG]).json["usage"]["input_tokens"] == 7
    assert chat(api, [LONG]).json["usage"]["prompt_tokens"] == 7
    assert [request.tokens for request in api.requests] == [5507, 5507]
