"""A note that is asked for behind the agent's own call: what is sent, and when it is not."""

from __future__ import annotations

import pytest

from compact_otel.core.errors import ConfigError, SummaryError
from compact_otel.summarizers.openai import OpenAISummarizer
from compact_otel.summarizers.prompts import PROMPTS
from compact_otel.testing import LocalOpenAI, Step
from tests.histories import user
from tests.summarizers.openai_bench import NOTE, by_model, errand, in_turn, request, summarizer

MODEL = "gpt-4.1-mini"
TOOL = {"type": "function", "name": "find_order", "parameters": {"type": "object"}, "strict": False}
SHORTER, IN_FULL = "At most 120 words (200 tokens)", "At most 240 words (400 tokens)"


class Omitted:
    """What the client of OpenAI calls a value that is not sent."""


def call(**more):
    """Return a call of the agent as its model composes it, and the client takes it."""
    composed = {
        "model": MODEL,
        "instructions": "You help with orders.",
        "tools": [TOOL],
        "input": errand(),
        "temperature": 0.7,
        "max_output_tokens": 77,
        "metadata": {"user": "ann"},
        "extra_headers": {"x-key": "secret"},
        "stream": Omitted(),
        "text": Omitted(),
    }
    return {**composed, **more}


def behind(composed=None, **options):
    composed = call() if composed is None else composed
    steps = []
    tell = lambda reason, fallback: steps.append((reason, fallback))  # noqa: E731
    made = request(prefix=lambda: composed, tell=tell, **options)
    return made, steps


def asker(server, **options):
    return summarizer(server, shape="prefix", **options)


def last(asked):
    return asked.body["input"][-1]["content"]


def is_transcript(asked):
    return isinstance(asked.body["input"], str)


async def test_the_call_stands_in_front_as_it_was_and_the_question_behind_it():
    made, steps = behind(kept=[user("It is order B-2 now.")], note="keep the depots")
    with LocalOpenAI(in_turn(NOTE)) as server:
        assert (await asker(server).summarize(made)).text == NOTE
    (asked,) = server.requests
    body = asked.body
    assert body["input"][:-1] == errand()
    assert (body["instructions"], body["tools"]) == ("You help with orders.", [TOOL])
    assert body["tool_choice"] == "none"
    assert (body["temperature"], body["store"]) == (0, False)
    assert body["max_output_tokens"] > 400
    assert not {"metadata", "text", "stream", "x-key"} & set(body)
    assert body["input"][-1]["role"] == "user"
    assert last(asked).startswith(PROMPTS.prefix_frame)
    assert PROMPTS.sections["task_state"] in last(asked)
    assert IN_FULL in last(asked)
    assert "[user]\n> It is order B-2 now." in last(asked)
    assert "> keep the depots" in last(asked)
    assert "depot 1 on Monday" not in last(asked), "what goes stands in front, once"
    assert steps == []


async def test_what_a_note_left_out_is_named_and_a_previous_one_is_to_be_replaced():
    made, _ = behind(missing=("order A-77: total 12.50",), previous_summary="what was")
    with LocalOpenAI(in_turn(NOTE)) as server:
        await asker(server).summarize(made)
    (asked,) = server.requests
    assert "> order A-77: total 12.50" in last(asked)
    assert "It replaces the previous note" in last(asked)


async def test_the_same_again_shorter_has_the_same_bytes_in_front():
    made, steps = behind()
    with LocalOpenAI(in_turn("All is well with order A-17. " * 80, NOTE)) as server:
        assert (await asker(server).summarize(made)).text == NOTE
    first, second = server.requests
    assert first.body["input"][:-1] == second.body["input"][:-1]
    assert SHORTER in last(second)
    assert second.cached_tokens > 0
    assert steps == [("too_long", "retry_shorter")]


async def test_a_model_that_reasons_does_so_as_the_agent_has_it():
    made, _ = behind(call(model="gpt-5-mini", reasoning={"effort": "high"}))
    with LocalOpenAI(in_turn(NOTE)) as server:
        await asker(server, model="gpt-5-mini").summarize(made)
    (asked,) = server.requests
    assert asked.body["reasoning"] == {"effort": "high"}
    assert "temperature" not in asked.body


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Step("I cannot help with that."), "refused"),
        (Step(calls=[("find_order", {})]), "empty"),
        (Step(status=400, error={"message": "No."}), "bad_request"),
        (
            Step(error={"code": "context_length_exceeded", "message": "Too long."}),
            "window_exceeded",
        ),
    ],
)
async def test_what_another_shape_may_help_is_asked_for_as_a_transcript(fault, reason):
    made, steps = behind()
    with LocalOpenAI(in_turn(fault, NOTE)) as server:
        assert (await asker(server).summarize(made)).text == NOTE
    assert [is_transcript(asked) for asked in server.requests] == [False, True]
    assert PROMPTS.sections["task_state"] in server.requests[1].body["instructions"]
    assert steps == [(reason, "retry_transcript")]


async def test_the_next_model_has_no_part_in_the_cache_and_gets_a_transcript():
    made, steps = behind()
    behave = by_model(gpt_4_1_mini=Step(status=500), small=Step(NOTE))
    with LocalOpenAI(behave) as server:
        writer = asker(server, fallback_models=["small"], max_retries=0)
        assert (await writer.summarize(made)).model == "small"
    assert [is_transcript(asked) for asked in server.requests] == [False, True]
    assert steps == [("server_error", "retry_model")]


BY_SCHEMA = {"format": {"type": "json_schema", "name": "verdict", "schema": {}}}


@pytest.mark.parametrize(
    "composed",
    [
        call(model="gpt-4o"),
        call(model=Omitted()),
        call(input="all as one string"),
        call(text=BY_SCHEMA),
        call(prompt={"id": "pmpt_1"}),
    ],
    ids=["another model", "no model", "no items", "a schema", "a stored prompt"],
)
async def test_a_call_that_cannot_be_repeated_is_summarised_from_a_transcript(composed):
    made, steps = behind(composed)
    with LocalOpenAI(in_turn(NOTE)) as server:
        assert (await asker(server).summarize(made)).text == NOTE
    assert [is_transcript(asked) for asked in server.requests] == [True]
    assert steps == []


async def test_a_call_that_cannot_be_composed_is_summarised_from_a_transcript():
    def broken():
        raise TypeError("another version of the SDK")

    with LocalOpenAI(in_turn(NOTE)) as server:
        for prefix in (None, broken):
            assert (await asker(server).summarize(request(prefix=prefix))).text == NOTE
    assert all(map(is_transcript, server.requests))


async def test_without_the_shape_nobody_composes_a_call():
    def never():
        raise AssertionError

    with LocalOpenAI(in_turn(NOTE)) as server:
        assert (await summarizer(server).summarize(request(prefix=never))).text == NOTE


async def test_answers_are_judged_in_this_shape_as_in_the_other():
    made, steps = behind()
    answers = in_turn("Goal: booking ZX-EXAMPLE-41.")
    with LocalOpenAI(answers) as server, pytest.raises(SummaryError) as raised:
        await asker(server).summarize(made)
    assert raised.value.reason == "copied"
    assert steps == [("copied", "retry_transcript"), ("copied", "retry_brief")]


def test_a_shape_that_cannot_be_is_an_error_with_the_way_out():
    with pytest.raises(ConfigError, match="need `shape` to be one of transcript, prefix, got 'x'"):
        OpenAISummarizer(shape="x")
    with pytest.raises(ConfigError, match="got 'chat': use the shape transcript"):
        OpenAISummarizer(api="chat", shape="prefix")
