"""What is read from items of any shape, by whomever they were put together."""

from __future__ import annotations

import json

import pytest

from compact_otel.core.facts.reading import Called, Said, parse_json, read, text_of

SAID = {
    "a user": ({"role": "user", "content": "hi"}, Said(0, "user", "hi")),
    "the system": ({"role": "system", "content": "hi"}, Said(0, "instructions", "hi")),
    "a developer": ({"role": "developer", "content": "hi"}, Said(0, "instructions", "hi")),
    "the assistant": (
        {
            "id": "m1",
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "One.", "annotations": [{"title": "no"}]},
                {"type": "refusal", "refusal": "Two."},
            ],
        },
        Said(0, "assistant", "One.\nTwo."),
    ),
    "a user with a picture": (
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look:"},
                {"type": "input_image", "image_url": "data:abc", "detail": "high"},
                {"type": "input_file", "file_data": "Zm9v", "filename": "a.txt"},
            ],
        },
        Said(0, "user", "Look:\na.txt"),
    ),
    "nobody": (
        {"type": "reasoning", "id": "r1", "encrypted_content": "x", "summary": [{"text": "Hm."}]},
        Said(0, "assistant", "Hm."),
    ),
    "an unknown item": (
        {"type": "odd", "data": "x", "status": "done", "score": 3, "ok": True, "deep": {"a": "b"}},
        Said(0, "assistant", "3\nb"),
    ),
}


@pytest.mark.parametrize("who", SAID)
def test_what_was_said_is_read(who):
    item, said = SAID[who]
    assert read([item]) == [said]


CALLED = {
    "with JSON for arguments": (
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": 1}'},
        Called(0, "f", {"a": 1}),
    ),
    "with text for arguments": (
        {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "a = 1"},
        Called(0, "f", "a = 1"),
    ),
    "with an action": (
        {"type": "computer_call", "call_id": "c", "action": {"type": "click", "x": 3}},
        Called(0, "computer_call", {"type": "click", "x": 3}),
    ),
    "with nothing": ({"type": "web_search_call", "id": "c"}, Called(0, "web_search_call", {})),
    "with its result in it": (
        {"type": "mcp_call", "id": "c", "name": "f", "arguments": "{}", "output": '["x"]'},
        Called(0, "f", {}, ["x"]),
    ),
}


@pytest.mark.parametrize("how", CALLED)
def test_a_call_is_read(how):
    item, called = CALLED[how]
    assert read([item]) == [called]


def test_a_chat_message_with_calls_is_read_and_so_are_their_results():
    function = {"name": "f", "arguments": '{"a": 1}'}
    items = [
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}, "odd"],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    assert read(items, 5) == [Said(5, "assistant", "Let me see."), Called(5, "f", {"a": 1}, "done")]


def test_a_result_goes_to_its_call_and_stands_alone_where_that_is_elsewhere():
    items = [
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c2", "output": '{"b": 2}'},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c3", "output": "lost"},
        {"type": "function_call_output", "call_id": "c4", "name": "h", "output": "named"},
    ]
    assert read(items) == [
        Called(0, "f", {}, "one"),
        Called(1, "g", {}, {"b": 2}),
        Called(4, "tool", {}, "lost"),
        Called(5, "h", {}, "named"),
    ]


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ({"a": 1}, {"a": 1}),
        ({"type": "text", "text": "hi"}, "hi"),
        ([{"type": "input_text", "text": '{"a": 1}'}], {"a": 1}),
        ("  [1, 2]", [1, 2]),
        ("{broken", "{broken"),
        ("plain", "plain"),
    ],
)
def test_a_result_is_data_if_it_is_some_else_text(output, shown):
    (called,) = read([{"type": "function_call_output", "call_id": "c", "output": output}])
    assert called.output == shown


def test_what_says_nothing_is_no_record():
    odd = ["text", None, 7, {"role": "user", "content": "  "}, {"role": "user"}, {}]
    assert read([*odd, {"role": "user", "content": "hi"}]) == [Said(6, "user", "hi")]


def test_content_is_read_to_the_depth_of_twenty():
    def deep(levels):
        return {"a": [deep(levels - 2)]} if levels else "here"

    assert text_of(deep(20)) == "here"
    assert text_of(deep(22)) == ""


def test_only_objects_and_lists_are_parsed():
    assert parse_json("7") == "7"
    assert parse_json('"x"') == '"x"'
    assert parse_json("") == ""
    assert parse_json("[" * 200_000) == "[" * 200_000
    assert parse_json(json.dumps({"a": [1]})) == {"a": [1]}
