"""Whatever becomes of the model, the call goes out: legal, within its budget, and in time."""

from __future__ import annotations

import time

import pytest

from compact_otel.core.errors import SummaryError
from compact_otel.testing import LocalOpenAI, Step
from tests.histories import complaints
from tests.summarizers.openai_bench import (
    NOTE,
    RawServer,
    by_model,
    desk,
    errand,
    in_turn,
    request,
    summarizer,
)

IN_TIME = 15.0  # seconds; the summariser has 2, and the two that run the tests are slow
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
STORM = Step(status=429, error={"code": "rate_limit_exceeded", "message": "Slow down."})

ANSWERS = {
    "rate limits": STORM,
    "no quota": Step(status=429, error={"code": "insufficient_quota"}),
    "server errors": Step(status=500),
    "stalls": Step(NOTE, delay_s=30),
    "no access": Step(status=401),
    "no such model": Step(status=404, error={"code": "model_not_found"}),
    "a bad request": Step(status=400, error={"message": "No."}),
    "a filter": Step(status=400, error={"code": "content_filter"}),
    "refusals": Step("I cannot help with that."),
    "nothing": Step(""),
    "a call": Step(calls=[("run", {"cmd": "rm -rf /"})]),
    "no end": Step("word " * 40_000),
    "a cut": Step(NOTE, incomplete="max_output_tokens"),
    "another script": Step("好的一切都很顺利没有任何问题需要解决。" * 3),
    "the example": Step("Goal: booking ZX-EXAMPLE-41 on 2031-04-10."),
}
RAW = {
    "a page of html": {"body": HTML, "content_type": "text/html"},
    "html that says it is json": {"body": HTML},
    "json of another kind": {"body": b'{"ok": true}'},
    "null": {"body": b"null"},
    "a list": {"body": b"[]"},
    "half of an answer": {"body": b'{"id": "r", "output": [{"type": "mess'},
    "bytes that are no text": {"body": b'{"output": "\xff\xfe"}'},
    "no choices": {"body": b'{"id": "c", "model": "m", "choices": []}'},
    "closed connections": {"body": None},
    "silence": {"body": TimeoutError()},
    "a pause far too long": {"body": b"{}", "status": 429, "headers": [("retry-after", "90")]},
    "a pause that is no number": {"body": b"{}", "status": 503, "headers": [("retry-after", "?")]},
}
REASONS = {
    "rate limits": "rate_limited",
    "no quota": "insufficient_quota",
    "server errors": "server_error",
    "stalls": "timeout",
    "no access": "unauthorized",
    "no such model": "model_not_found",
    "a bad request": "bad_request",
    "a filter": "refused",
    "nothing": "empty",
    "a call": "empty",
    "closed connections": "connection",
    "silence": "timeout",
    "a page of html": "malformed",
    "html that says it is json": "malformed",
}


def check(made, limit):
    began = time.monotonic()
    result = made.preflight("s", errand())
    assert time.monotonic() - began < IN_TIME
    assert result.outcome == "fallback"
    assert "A-2" in result.summary  # the extractive one
    assert result.tokens_after <= limit
    assert not complaints(result.messages)


@pytest.mark.parametrize("api", ["responses", "chat"])
@pytest.mark.parametrize("fault", ANSWERS)
def test_a_model_that_fails_costs_its_summary_only(fault, api):
    with LocalOpenAI(in_turn(ANSWERS[fault])) as server:
        check(*desk(summarizer(server, api=api, timeout=2.0)))
        assert server.requests or fault == "stalls"


@pytest.mark.parametrize("api", ["responses", "chat"])
@pytest.mark.parametrize("fault", RAW)
def test_a_server_that_is_none_costs_the_summary_only(fault, api):
    with RawServer(**RAW[fault]) as server:
        check(*desk(summarizer(server, api=api, timeout=2.0)))
        assert server.calls


@pytest.mark.parametrize("fault", REASONS)
async def test_the_error_says_why_and_not_a_word_of_the_conversation(fault):
    server = LocalOpenAI(in_turn(ANSWERS[fault])) if fault in ANSWERS else RawServer(**RAW[fault])
    timeout = 1.0 if REASONS[fault] == "timeout" else 10.0
    with server, pytest.raises(SummaryError) as raised:
        await summarizer(server, timeout=timeout).summarize(request())
    assert raised.value.reason == REASONS[fault]
    assert "A-1" not in str(raised.value)


def test_a_server_that_nobody_runs():
    with LocalOpenAI(in_turn(NOTE)) as server:
        client = server.client()
    check(*desk(summarizer(server, client=lambda: client, timeout=2.0)))


@pytest.mark.parametrize(
    "fault", ["rate limits", "server errors", "stalls", "no such model", "refusals", "nothing"]
)
async def test_the_next_model_is_asked(fault):
    behave = by_model(large=ANSWERS[fault], small=Step(NOTE))
    with LocalOpenAI(behave) as server:
        made = summarizer(
            server, model="large", fallback_models=["small"], window=50_000, timeout=4.0
        )
        summary = await made.summarize(request())
    assert (summary.text, summary.model) == (NOTE, "small")


async def test_a_storm_that_ends_is_waited_out():
    with LocalOpenAI(in_turn(STORM, STORM, NOTE)) as server:
        assert (await summarizer(server, max_retries=2).summarize(request())).text == NOTE
    assert [asked.status for asked in server.requests] == [429, 429, 200]


async def test_the_time_that_the_server_names_is_waited():
    headers = [("retry-after", "1")]
    began = time.monotonic()
    with RawServer(b"{}", status=429, headers=headers) as server, pytest.raises(SummaryError):
        await summarizer(server, max_retries=1).summarize(request())
    assert time.monotonic() - began >= 1.0
    assert server.calls == 2


async def test_a_server_that_does_not_know_us_is_asked_once():
    with LocalOpenAI(in_turn(Step(status=401))) as server, pytest.raises(SummaryError):
        await summarizer(server).summarize(request())
    assert len(server.requests) == 1
