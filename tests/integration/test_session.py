"""A session of more than three windows: it dies without us and lives with us, on every path."""

import json
from itertools import pairwise

import pytest
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
)
from openai import BadRequestError

import compact_otel
from compact_otel.summarizers.extractive import ExtractiveSummarizer
from compact_otel.testing import LocalOpenAI, Step

WINDOW = 6000
TURNS = 26
MODELS = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}


class CountingSummarizer:
    name = "counting"

    def __init__(self):
        self.calls = 0
        self._inner = ExtractiveSummarizer()

    def summarize(self, request):
        self.calls += 1
        return self._inner.summarize(request)


def looks_up_then_answers(request):
    """Play a model that calls a tool after each question and answers from its output."""
    newest = request.items[-1]
    if newest.get("role") == "user":
        return Step(calls=[("look_up", {"question": request.newest_user_text})], reasoning=True)
    text = newest.get("output") or newest.get("content")
    return Step(f"The record says: {str(text)[:80]}", reasoning=True)


@function_tool
def look_up(question: str) -> str:
    """Return a long record."""
    number = question.rsplit(maxsplit=1)[-1]
    return "\n".join(
        f"order #{number}{line:03d} of customer c_{number}: paid" for line in range(80)
    )


async def converse(api, model_class, *, streamed, turns=TURNS):
    """Run the whole session; return how many turns were survived."""
    agent = Agent(
        name="clerk",
        instructions="Answer from the records.",
        model=model_class("gpt-4.1-mini", openai_client=api.client()),
        tools=[look_up],
    )
    session = SQLiteSession("long-session")
    for turn in range(turns):
        question = f"What do you know of customer {turn}"
        if streamed:
            result = Runner.run_streamed(agent, question, session=session)
            async for _ in result.stream_events():
                pass
        else:
            result = await Runner.run(agent, question, session=session)
        assert "The record says" in result.final_output


def sent(request):
    """Return what a request carried, as the bytes of each of its items."""
    items = request.body.get("input") or request.body["messages"]
    return [json.dumps(item, sort_keys=True) for item in items]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("form", list(MODELS))
async def test_without_us_the_session_dies_of_its_window(form, streamed):
    with (
        LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api,
        pytest.raises(BadRequestError) as died,
    ):
        await converse(api, MODELS[form], streamed=streamed)
    assert died.value.code == "context_length_exceeded"


def is_ahead(span):
    return span.attributes["compact.trigger.type"] == "background"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("form", list(MODELS))
async def test_with_us_it_lives_and_pays_for_one_summary_a_compaction(
    form, streamed, tmp_path, exporter, tracer_provider
):
    summarizer = CountingSummarizer()
    compact_otel.instrument(
        max_context_tokens=WINDOW,
        summarizer=summarizer,
        storage={"adapter": "fs", "path": str(tmp_path)},
        tracer_provider=tracer_provider,
    )
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        await converse(api, MODELS[form], streamed=streamed)

    spans = [span for span in exporter.get_finished_spans() if not is_ahead(span)]
    outcomes = [span.attributes["compact.outcome"] for span in spans]
    compactions = outcomes.count("compacted")
    whole = spans[-1].attributes["compact.tokens.history"]
    assert len(api.requests) == len(spans) == 2 * TURNS >= 40
    assert whole > 3 * WINDOW
    assert {request.status for request in api.requests} == {200}
    assert set(outcomes) == {"skipped", "compacted", "replayed"}
    assert compactions >= 3
    assert summarizer.calls - compactions in (0, 1)  # the last one may be ready and not yet due

    for span, (before, after) in zip(spans[1:], pairwise(api.requests), strict=True):
        prefix_held = sent(after)[: len(sent(before))] == sent(before)
        assert prefix_held == (span.attributes["compact.outcome"] != "compacted")

    archive = tmp_path / "long-session"
    assert len(list(archive.glob("transcript-pre-compact-*.jsonl"))) == compactions
    assert len(list(archive.glob("summary-*.json"))) == compactions


async def test_the_estimate_is_what_the_server_counts(tmp_path, exporter, tracer_provider):
    compact_otel.instrument(
        max_context_tokens=WINDOW, storage={"adapter": "none"}, tracer_provider=tracer_provider
    )
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        await converse(api, OpenAIResponsesModel, streamed=False)
    for span, request in zip(exporter.get_finished_spans(), api.requests, strict=True):
        final = span.attributes.get(
            "compact.tokens.after", span.attributes["compact.tokens.before"]
        )
        assert abs(final - request.tokens) <= 0.01 * request.tokens + 5


@pytest.mark.parametrize(
    ("model", "streamed"),
    [
        (OpenAIResponsesModel, False),
        (OpenAIResponsesModel, True),
        (OpenAIChatCompletionsModel, False),
    ],
)
async def test_the_effect_on_the_prompt_cache_is_what_the_server_counted(
    model, streamed, exporter, tracer_provider
):
    compact_otel.instrument(
        max_context_tokens=WINDOW, storage={"adapter": "none"}, tracer_provider=tracer_provider
    )
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        await converse(api, model, streamed=streamed)
    calls = list(zip(exporter.get_finished_spans(), api.requests, strict=True))
    compactions = 0
    for (span, request), (following, _) in pairwise(calls):
        compacted = span.attributes["compact.outcome"] == "compacted"
        compactions += compacted
        phases = [span.attributes.get("compact.cache.phase") for span in (span, following)]
        assert (phases[0] == "expected") == compacted
        assert (phases[1] == "measured") == compacted
        if compacted:
            assert following.attributes["compact.cache.kept"] == request.cached_tokens
            assert following.attributes["compact.cache.saved"] > 0
    assert compactions >= 3


async def test_the_callers_session_keeps_the_whole_history(tracer_provider):
    compact_otel.instrument(
        max_context_tokens=WINDOW, storage={"adapter": "none"}, tracer_provider=tracer_provider
    )
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        agent = Agent(
            name="clerk",
            model=OpenAIResponsesModel("gpt-4.1-mini", openai_client=api.client()),
            tools=[look_up],
        )
        session = SQLiteSession("mine")
        for turn in range(12):
            await Runner.run(agent, f"What do you know of customer {turn}", session=session)
    items = await session.get_items()
    assert [item["content"] for item in items if item.get("role") == "user"] == [
        f"What do you know of customer {turn}" for turn in range(12)
    ]
    assert "COMPACT-SUMMARY" not in json.dumps(items)
    assert "COMPACT-SUMMARY" in json.dumps(api.requests[-1].body)


async def test_a_new_process_takes_the_compaction_from_the_archive(tmp_path, tracer_provider):
    """A fresh manager over the same archive asks no summariser for what is already covered."""
    counts = []
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        agent = Agent(
            name="clerk",
            model=OpenAIResponsesModel("gpt-4.1-mini", openai_client=api.client()),
            tools=[look_up],
        )
        session = SQLiteSession("shared")
        for turn in range(10):
            summarizer = CountingSummarizer()
            compact_otel.instrument(
                max_context_tokens=WINDOW,
                summarizer=summarizer,
                storage={"adapter": "fs", "path": str(tmp_path)},
                tracer_provider=tracer_provider,
            )
            await Runner.run(agent, f"What do you know of customer {turn}", session=session)
            compact_otel.uninstrument()
            counts.append(summarizer.calls)
    assert sum(counts) < 8
    assert counts.count(0) >= 4, "a process that finds a checkpoint must not summarise again"
