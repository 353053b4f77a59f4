"""A note that is asked for behind the agent's own call, which the provider has in its cache."""

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
)
from pydantic import BaseModel

import compact_otel
from compact_otel.summarizers.prompts import PROMPTS
from compact_otel.testing import LocalOpenAI, Step
from tests.sabotage.program import client_of, look_up

MODEL = "gpt-4.1-mini"
WINDOW = 24_000
NOTE = "## Goal\nWhat is paid.\n## State\ncustomer 0: paid\ncustomer 1: paid"
ASKED = PROMPTS.prefix_frame[:40]
WRITTEN = Step(NOTE)
CACHED = 0.8
PLANTED = "Item 'rs_1' not found."


def plays(*, note=WRITTEN, answer="It is paid. " + "Indeed. " * 40):
    """Return a model that looks up and answers as the agent, and writes a note when asked."""

    def behave(request):
        if request.newest_user_text.startswith(ASKED):
            return note
        if (request.instructions or "").startswith(PROMPTS.frame):
            return WRITTEN
        if request.items[-1].get("role") == "user":
            asked = {"question": request.newest_user_text}
            return Step(calls=[("look_up", asked)], reasoning=True, reasoning_tokens=0)
        return Step(answer, reasoning=True, reasoning_tokens=0)

    return behave


@pytest.fixture
def program(monkeypatch, tracer_provider, exporter):
    """Return what runs an agent in a session until it was compacted."""

    async def run(
        behave, *, turns=16, agent=None, policy=(), ways=OpenAIResponsesModel, **summarizer
    ):
        monkeypatch.setenv("OPENAI_API_KEY", "local")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with LocalOpenAI(behave, context_window=WINDOW) as api:
            monkeypatch.setenv("OPENAI_BASE_URL", api.base_url)
            compact_otel.instrument(
                max_context_tokens=WINDOW,
                storage={"adapter": "none"},
                summarizer={"model": MODEL, "shape": "prefix", **summarizer},
                tracer_provider=tracer_provider,
                **{"soft_trigger_pct": 0, "keep_recent_turns": 2, **dict(policy)},
            )
            async with client_of(api.base_url) as client:
                settings = {"name": "clerk", "instructions": "Look it up.", "tools": [look_up]}
                settings = {**settings, "model": ways(MODEL, client), **(agent or {})}
                session = SQLiteSession("many turns")
                for turn in range(turns):
                    await Runner.run(Agent(**settings), f"What of customer {turn}", session=session)
        refused = [request.error for request in api.requests if request.error]
        assert [error for error in refused if error["message"] != PLANTED] == []
        compacted = [
            span
            for span in exporter.get_finished_spans()
            if span.attributes.get("compact.outcome") in ("compacted", "prepared")
        ]
        assert compacted
        return api.requests, compacted

    return run


def notes(requests):
    """Return the requests for a note behind a call, each with the agent's request before it."""
    found = []
    for number, request in enumerate(requests):
        newest = request.items[-1] if request.items else {}
        if str(newest.get("content")).startswith(ASKED):
            found.append((requests[number - 1], request))
    return found


async def test_nearly_all_of_the_request_comes_from_the_cache_again_and_again(program):
    requests, compacted = await program(plays(), turns=24)
    assert len(notes(requests)) == len(compacted) >= 2
    for number, (before, asked) in enumerate(notes(requests)):
        assert asked.cached_tokens >= CACHED * asked.tokens
        assert asked.body["instructions"] == before.body["instructions"]
        assert asked.body["tools"] == before.body["tools"]
        assert list(asked.items[:-1]) == list(before.items[: len(asked.items) - 1])
        assert asked.body["tool_choice"] == "none"
        assert asked.body["store"] is False
        assert (f"<COMPACT-SUMMARY v{number}" in str(asked.items[:-1])) == (number > 0)
    told = compacted[0].attributes
    assert told["compact.summary.prompt_tokens"] == notes(requests)[0][1].tokens
    assert told["compact.summary.cached_tokens"] == notes(requests)[0][1].cached_tokens


async def test_a_summary_that_is_written_ahead_is_cached_as_well(program):
    requests, compacted = await program(plays(), policy={"soft_trigger_pct": 0.6})
    assert compacted[0].attributes["compact.outcome"] == "prepared"
    for _, asked in notes(requests):
        assert asked.cached_tokens >= CACHED * asked.tokens


async def test_what_the_call_sets_for_its_model_is_sent_again(program):
    settings = ModelSettings(
        parallel_tool_calls=False,
        extra_args={"prompt_cache_key": "of this user"},
        max_tokens=900,
        temperature=0.7,
    )
    requests, _ = await program(plays(), agent={"model_settings": settings})
    body = notes(requests)[0][1].body
    assert (body["parallel_tool_calls"], body["prompt_cache_key"]) == (False, "of this user")
    assert body["temperature"] == 0
    assert body["max_output_tokens"] != 900


@function_tool
def burn(question: str) -> str:
    """Must not run."""
    raise AssertionError(question)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Step(calls=[("burn", {"question": "now"})]), "empty"),
        (Step("I cannot help with that."), "refused"),
        (Step(status=400, error={"message": PLANTED}), "bad_request"),
    ],
    ids=["a call", "a refusal", "a bad request"],
)
async def test_what_comes_of_it_in_vain_is_asked_for_as_a_transcript(answer, reason, program):
    requests, compacted = await program(plays(note=answer), agent={"tools": [look_up, burn]})
    (error,) = [event for event in compacted[0].events if event.name == "compact.error"]
    assert error.attributes["error.type"] == reason
    assert error.attributes["compact.failure.fallback"] == "retry_transcript"
    assert notes(requests)


class Verdict(BaseModel):
    paid: bool


@pytest.mark.parametrize("why", ["another model", "an answer by schema", "another api"])
async def test_where_it_would_not_be_the_agents_own_request_it_is_a_transcript(why, program):
    options = {
        "another model": {"model": "gpt-4o-mini"},
        "an answer by schema": {"agent": {"output_type": Verdict}},
        "another api": {"ways": OpenAIChatCompletionsModel},
    }[why]
    by_schema = {"answer": '{"paid": true}' + " " * 400} if "schema" in why else {}
    requests, compacted = await program(plays(**by_schema), **options)
    assert not notes(requests)
    assert not [event for event in compacted[0].events if event.name == "compact.error"]
    (made,) = [event for event in compacted[0].events if event.name == "compact.summary_created"]
    assert made.attributes["compact.summarizer.name"] == "openai"
