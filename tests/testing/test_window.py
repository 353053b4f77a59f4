"""The context window, and every way in which servers say that it is full."""

import json

import pytest

from compact_otel.core.types import FixedTokens
from compact_otel.testing import LocalOpenAI, Step

OVERFLOW = {
    "message": "Your input exceeds the context window of this model. "
    "Please adjust your input and try again.",
    "type": "invalid_request_error",
    "param": "input",
    "code": "context_length_exceeded",
}
CHAT_OVERFLOW = {
    "message": "This model's maximum context length is 100 tokens. However, your messages "
    "resulted in 101 tokens. Please reduce the length of the messages.",
    "type": "invalid_request_error",
    "param": "messages",
    "code": "context_length_exceeded",
}
STYLES = ["http", "sse_error", "sse_error_flat", "sse_failed", "llama_cpp", "empty_stream"]


class Words:
    """One token per word, so that the size of a request can be written down."""

    def count_items(self, items, call):
        return [len(str(item.get("content", "")).split()) for item in items]

    def count_fixed(self, call):
        return FixedTokens(instructions=len((call.instructions or "").split()))


def words(count):
    return [{"role": "user", "content": "word " * count}]


@pytest.fixture
def window(serve):
    """A server that takes 100 words."""
    return lambda overflow="http", **options: serve(
        context_window=100, overflow=overflow, estimator=Words(), **options
    )


def test_the_window_is_exact(window, respond, chat):
    api = window()
    assert respond(api, words(100)).status == 200
    assert respond(api, words(101)).status == 400
    assert respond(api, words(98), instructions="be very brief").status == 400
    assert chat(api, words(100)).status == 200
    assert chat(api, words(101)).status == 400
    assert [request.tokens for request in api.requests] == [100, 101, 101, 100, 101]


def test_the_output_limit_is_part_of_the_window(window, respond, chat):
    api = window()
    assert respond(api, words(60), max_output_tokens=40).status == 200
    assert respond(api, words(61), max_output_tokens=40).error == OVERFLOW
    assert chat(api, words(60), max_completion_tokens=40).status == 200
    for name in ("max_completion_tokens", "max_tokens"):
        assert chat(api, words(61), **{name: 40}).error["message"] == (
            "This model's maximum context length is 100 tokens. However, you requested 101 tokens "
            "(61 in the messages, 40 in the completion). "
            "Please reduce the length of the messages or completion."
        )


@pytest.mark.parametrize("style", [style for style in STYLES if style != "llama_cpp"])
def test_without_a_stream_an_overflow_is_a_400(style, window, respond, chat):
    api = window(style)
    answer = respond(api, words(101))
    assert (answer.status, answer.error) == (400, OVERFLOW)
    answer = chat(api, words(101))
    assert (answer.status, answer.error) == (400, CHAT_OVERFLOW)


def test_a_stream_may_be_refused_before_it_starts(window, respond, chat):
    api = window("http")
    answer = respond(api, words(101), stream=True)
    assert (answer.status, answer.error) == (400, OVERFLOW)
    answer = chat(api, words(101), stream=True)
    assert (answer.status, answer.error) == (400, CHAT_OVERFLOW)


def test_a_stream_may_end_with_a_nested_error(window, respond):
    answer = respond(window("sse_error"), words(101), stream=True)
    created, error = map(json.loads, answer.events)
    assert answer.status == 200
    assert created["type"] == "response.created"
    assert created["response"]["status"] == "in_progress"
    assert error == {"type": "error", "sequence_number": 1, "error": OVERFLOW}


def test_a_stream_may_end_with_a_flat_error(window, respond):
    _, error = map(json.loads, respond(window("sse_error_flat"), words(101), stream=True).events)
    flat = {name: OVERFLOW[name] for name in ("code", "message", "param")}
    assert error == {"type": "error", "sequence_number": 1, **flat}


def test_a_stream_may_end_with_a_failed_response(window, respond):
    created, failed = map(json.loads, respond(window("sse_failed"), words(101), stream=True).events)
    assert failed["type"] == "response.failed"
    assert failed["response"]["id"] == created["response"]["id"]
    assert failed["response"]["status"] == "failed"
    short = {name: OVERFLOW[name] for name in ("code", "message")}
    assert failed["response"]["error"] == short


@pytest.mark.parametrize("style", ["sse_error", "sse_error_flat", "sse_failed"])
def test_a_chat_stream_has_one_form_for_an_error(style, window, chat):
    answer = chat(window(style), words(101), stream=True)
    assert answer.status == 200
    assert [json.loads(event) for event in answer.events] == [{"error": CHAT_OVERFLOW}]


def test_a_stream_may_be_empty(window, respond, chat):
    api = window("empty_stream")
    for answer in (respond(api, words(101), stream=True), chat(api, words(101), stream=True)):
        assert (answer.status, answer.text) == (200, "")
    assert [(request.status, request.error_code) for request in api.requests] == [
        (200, "context_length_exceeded"),
        (200, "context_length_exceeded"),
    ]


@pytest.mark.parametrize("stream", [True, False])
def test_llama_cpp_counts_the_input_alone_and_keeps_one_token(stream, window, respond, chat):
    api = window("llama_cpp")
    for send in (respond, chat):
        assert send(api, words(99), max_output_tokens=50, max_tokens=50).status == 200
        answer = send(api, words(100), stream=stream)
        assert answer.status == 400
        assert answer.error == {
            "code": 400,
            "message": "request (100 tokens) exceeds the available context size (100 tokens), "
            "try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 100,
            "n_ctx": 100,
        }


def test_truncation_auto_is_never_refused(window, respond):
    api = window()
    answer = respond(api, words(300), truncation="auto")
    assert answer.status == 200
    assert answer.json["usage"]["input_tokens"] == 100
    assert respond(api, words(300), truncation="disabled").status == 400


def test_chat_does_not_know_truncation(window, chat):
    assert chat(window(), words(101), truncation="auto").status == 400


def test_a_torn_history_is_told_before_an_overflow(window, respond):
    call = {"type": "function_call", "call_id": "c", "name": "t", "arguments": "{}"}
    answer = respond(window(), [*words(300), call])
    assert answer.error["message"] == "No tool output found for function call c."


def test_a_provider_that_counts_more_refuses_earlier(window, respond):
    api = window(token_skew=1.25)
    assert respond(api, words(80)).json["usage"]["input_tokens"] == 100
    assert respond(api, words(81)).status == 400


def test_without_a_window_nothing_overflows(serve, respond):
    assert respond(serve(), words(50_000)).status == 200


def test_a_failing_step_is_no_overflow(window, respond):
    error = {"code": "context_length_exceeded"}
    api = window("sse_error", behaviour=lambda request: Step(status=400, error=error))
    assert respond(api, words(1), stream=True).status == 400


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"context_window": 0}, "need `context_window` >= 1, got 0"),
        ({"token_skew": 0}, "need `token_skew` > 0, got 0"),
        ({"overflow": "loud"}, "need `overflow` to be one of http, sse_error, .*, got 'loud'"),
    ],
)
def test_impossible_settings_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        LocalOpenAI(lambda request: Step(), **options)
