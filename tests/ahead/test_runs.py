"""Runs of the real Agents SDK: no call waits for a summary, and each is paid for once."""

import asyncio
import json
import threading
import time
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

import compact_otel
from compact_otel.testing import LocalOpenAI, Step
from tests.ahead.program import KINDS, AsyncGated, until, wait_until, was_prepared
from tests.paths.program import MODEL, WAYS, talk

WINDOW = 6000
SOFT = 3700
"""Tokens: the soft trigger, with the buffer that is kept free by default."""
TURNS = 14
MODELS = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}
ways = pytest.mark.parametrize("way", list(WAYS))
kinds = pytest.mark.parametrize("kind", list(KINDS))


@function_tool
def look_up(question: str) -> str:
    """Return a long record."""
    return "\n".join(f"order #{line:03d}: paid ({question})" for line in range(60))


class Thinking:
    """A model that takes longer for an answer than a summariser for a summary."""

    def __init__(self, summarizer, watch):
        self._summarizer, self._watch = summarizer, watch

    def __call__(self, request):
        time.sleep(0.02)
        wait_until(lambda: len(self._summarizer.requests) == len(self._watch.preparations))
        newest = request.items[-1]
        if newest.get("role") == "user":
            return Step(calls=[("look_up", {"question": request.newest_user_text})], reasoning=True)
        return Step("It was paid.", reasoning=True)


def instrument(watch, summarizer, **options):
    return compact_otel.instrument(
        max_context_tokens=options.pop("window", WINDOW),
        summarizer=summarizer,
        storage={"adapter": "none"},
        tracer_provider=watch.provider,
        **options,
    )


def sent(request):
    """Return what a request carried, as the bytes of each of its items."""
    items = request.body.get("input") or request.body["messages"]
    return [json.dumps(item, sort_keys=True) for item in items]


@kinds
@ways
@pytest.mark.parametrize("form", list(MODELS))
async def test_every_summary_of_a_long_session_is_ready_when_it_is_due(form, way, kind, watch):
    summarizer = KINDS[kind]()
    instrument(watch, summarizer)
    session, agents = SQLiteSession("long"), []
    with LocalOpenAI(Thinking(summarizer, watch), context_window=WINDOW) as api:
        async with api.client() as client:
            agent = Agent("clerk", tools=[look_up], model=MODELS[form](MODEL, client))
            with watch.tracer.start_as_current_span("root"):
                for turn in range(TURNS):
                    with watch.tracer.start_as_current_span("agent") as span:
                        agents.append(span.get_span_context().span_id)
                        result = await WAYS[way](agent, f"Was order {turn} paid?", session=session)
                    assert result.final_output == "It was paid."
    assert {request.status for request in api.requests} == {200}
    assert len(watch.decisions) == len(api.requests) == 2 * TURNS

    due = [span for span in watch.decisions if span.attributes["compact.outcome"] == "compacted"]
    assert len(due) >= 3
    assert [was_prepared(span) for span in due] == [True] * len(due)
    made = [span.attributes["compact.summary.id"] for span in watch.preparations]
    assert [span.attributes["compact.summary.id"] for span in due] == made[: len(due)]
    assert len(summarizer.requests) == len(made) <= len(due) + 1

    began = {
        span.parent.span_id
        for span in watch.decisions
        if span not in due and span.attributes["compact.tokens.before"] >= SOFT
    }
    assert {span.parent.span_id for span in watch.preparations} <= began <= set(agents)

    for span, (before, after) in zip(watch.decisions[1:], pairwise(api.requests), strict=True):
        prefix_held = sent(after)[: len(sent(before))] == sent(before)
        assert prefix_held == (span.attributes["compact.outcome"] != "compacted")


@kinds
async def test_a_cancelled_run_leaves_it_to_the_next_one(kind, watch):
    summarizer = KINDS[kind](closed=True)
    instrument(watch, summarizer, window=9000)
    asked = threading.Event()

    def answers_slowly(request):
        asked.set()
        return Step("It was paid.", delay_s=0.5)

    with LocalOpenAI(answers_slowly, context_window=9000) as api:
        async with api.client() as client:
            agent = Agent("clerk", model=OpenAIResponsesModel(MODEL, client))
            run = asyncio.create_task(Runner.run(agent, talk(16)))
            await until(lambda: summarizer.asked.is_set() and asked.is_set())
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            summarizer.released.set()
            await until(lambda: watch.preparations)
            longer = [*talk(20)[:-1], talk(16)[-1]]
            assert (await Runner.run(agent, longer)).final_output == "It was paid."
    assert watch.outcomes == ["skipped", "compacted"]
    assert was_prepared(watch.decisions[-1])
    assert len(summarizer.requests) == 1


def test_run_sync_in_another_thread_does_not_wait_for_the_loop_of_the_first(watch):
    """Each thread has a loop of its own, which stands still when `run_sync` has returned."""

    class FirstHangs(AsyncGated):
        async def summarize(self, request):
            if self.requests:
                return self._hear(request)
            return await super().summarize(request)

    summarizer, results, took = FirstHangs(closed=True), [], []
    instrument(watch, summarizer, window=9000)

    def work(history):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        began = time.monotonic()
        client = api.client()
        agent = Agent("clerk", model=OpenAIResponsesModel(MODEL, client))
        results.append(Runner.run_sync(agent, history).final_output)
        took.append(time.monotonic() - began)
        loop.run_until_complete(client.close())
        loops.append(loop)

    def answers_when_asked(request):
        wait_until(summarizer.asked.is_set)
        return Step("It was paid.")

    loops = []
    with LocalOpenAI(answers_when_asked, context_window=9000) as api:
        for history in (talk(16), [*talk(20)[:-1], talk(16)[-1]]):
            thread = threading.Thread(target=work, args=(history,))
            thread.start()
            thread.join()
    summarizer.released.set()
    for loop in loops:
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()
    assert results == ["It was paid."] * 2
    assert took[1] < 5
    assert watch.outcomes == ["skipped", "compacted"]
    assert not was_prepared(watch.decisions[-1])
