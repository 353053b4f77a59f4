"""A chat's own `/compact` between two turns, and what the next turn knows."""

import asyncio
import json

import pytest
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesCompactionSession,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
)

import compact_otel
from compact_otel import (
    CompactConfig,
    CompactManager,
    ConfigError,
    compact_session,
    compact_session_sync,
    status,
)
from compact_otel.summarizers.extractive import ExtractiveSummarizer
from compact_otel.testing import LocalOpenAI, Step

WINDOW = 20_000
TURNS = 6
MODELS = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}
kinds = pytest.mark.parametrize("kind", list(MODELS))


class NotingSummarizer:
    def __init__(self):
        self.notes = []

    def summarize(self, request):
        self.notes.append(request.note)
        return ExtractiveSummarizer().summarize(request)


@function_tool
def look_up(question: str) -> str:
    """Return a long record."""
    number = question.rsplit(maxsplit=1)[-1]
    return "\n".join(f"order #{number}{line:02d} of customer {number}: paid" for line in range(30))


def looks_up_then_answers(request):
    newest = request.items[-1]
    if newest.get("role") == "user":
        return Step(calls=[("look_up", {"question": request.newest_user_text})], reasoning=True)
    return Step(f"That is all of {request.newest_user_text.split()[-1]}", reasoning=True)


def clerk(api, kind="responses"):
    model = MODELS[kind]("gpt-4.1-mini", openai_client=api.client())
    return Agent("clerk", instructions="Answer from the records.", tools=[look_up], model=model)


async def chat(agent, session, turns):
    for turn in turns:
        result = await Runner.run(agent, f"What do you know of customer {turn}", session=session)
        assert result.final_output == f"That is all of {turn}"


def carries(request, text):
    return json.dumps(text)[1:-1] in json.dumps(request.items)


@pytest.fixture
def switch_on(tracer_provider):
    def instrument(**options):
        options = {"max_context_tokens": WINDOW, "storage": {"adapter": "memory"}, **options}
        return compact_otel.instrument(tracer_provider=tracer_provider, **options)

    return instrument


@pytest.fixture
def session():
    made = SQLiteSession("chat")
    yield made
    made.close()


@kinds
async def test_the_next_turn_sends_the_summary_and_the_session_stays_whole(
    kind, session, switch_on, exporter
):
    summarizer = NotingSummarizer()
    switch_on(summarizer=summarizer)
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        await chat(clerk(api, kind), session, range(TURNS))
        before = await session.get_items()

        result = await compact_session(session, "keep the order numbers")
        assert result.outcome == "compacted"
        # measured with the instructions and tools of the last call, which lacked its own answer
        assert 0 < result.tokens_before - api.requests[-1].tokens < 100
        assert result.tokens_after <= 0.6 * result.tokens_before
        assert await session.get_items() == before

        await chat(clerk(api, kind), session, ["next"])
        last, first = api.requests[-3], api.requests[-2]
        assert first.tokens < 0.6 * last.tokens
        assert carries(first, result.summary)
    after = await session.get_items()
    assert after[: len(before)] == before
    assert len(after) > len(before)
    assert {request.error for request in api.requests} == {None}
    assert summarizer.notes == ["keep the order numbers"]
    outcomes = [span.attributes["compact.outcome"] for span in exporter.get_finished_spans()]
    assert outcomes == ["skipped"] * 2 * TURNS + ["compacted", "replayed", "replayed"]


async def test_what_is_compacted_again_builds_on_the_summary_before(session, switch_on):
    switch_on()
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        assert status(session).summary is None
        for version in (1, 2):
            await chat(clerk(api), session, range(TURNS))
            result = await compact_session(session)
            known = status(session)
            assert (known.version, known.summary) == (version, result.summary)
            assert (known.dropped, known.tokens_after) == (result.dropped, result.tokens_after)
            assert status("chat") == known


async def test_a_chat_that_is_started_again_remembers(tmp_path, session, switch_on, exporter):
    switch_on(storage={"adapter": "fs", "path": str(tmp_path)})
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        await chat(clerk(api), session, range(TURNS))
        result = await compact_session(session)
        compact_otel.uninstrument()
        switch_on(storage={"adapter": "fs", "path": str(tmp_path)})
        assert status(session).summary == result.summary
        await chat(clerk(api), session, ["next"])
    assert exporter.get_finished_spans()[-1].attributes["compact.outcome"] == "replayed"


# The SDK's second `run_sync` in a thread warns of its own `shutdown_asyncgens()` in the first.
@pytest.mark.filterwarnings("ignore:asynchronous generator:ResourceWarning")
def test_beside_run_sync_it_works_in_the_same_event_loop(session, switch_on):
    switch_on()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
            agent = clerk(api)
            for turn in range(TURNS):
                Runner.run_sync(agent, f"What do you know of customer {turn}", session=session)
            result = compact_session_sync(session)
            assert result.outcome == "compacted"
            Runner.run_sync(agent, "What do you know of customer next", session=session)
            assert carries(api.requests[-1], result.summary)
            assert asyncio.get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def test_where_an_event_loop_runs_the_sync_form_says_what_to_do(session, switch_on):
    switch_on()
    with pytest.raises(RuntimeError, match="await compact_session"):
        compact_session_sync(session)


async def test_an_empty_session_is_no_error(session, switch_on, exporter):
    switch_on()
    for rewrite in (False, True):
        assert (await compact_session(session, rewrite=rewrite)).outcome == "noop"
    assert await session.get_items() == []
    events = [event.name for span in exporter.get_finished_spans() for event in span.events]
    assert "compact.error" not in events


@pytest.mark.parametrize("mode", ["observe", "off"])
async def test_a_compaction_that_no_call_would_replay_is_refused(mode, session, switch_on):
    switch_on(mode=mode)
    with pytest.raises(ConfigError, match=f"`mode` is '{mode}'"):
        await compact_session(session)


async def test_a_session_that_compacts_itself_is_left_to_itself(session, switch_on):
    switch_on()
    with LocalOpenAI(looks_up_then_answers) as api:
        async with api.client() as client:
            theirs = OpenAIResponsesCompactionSession("chat", session, client=client)
            with pytest.raises(ConfigError, match="run_compaction") as refused:
                await compact_session(theirs)
            await theirs.add_items([{"role": "user", "content": "hello"}])
            # the way out that the error names
            assert 'await session.run_compaction({"force": True})' in str(refused.value)
            await theirs.run_compaction({"force": True})
    assert (await session.get_items())[-1]["type"] == "compaction"


async def test_without_a_manager_it_says_how_to_get_one(session):
    with pytest.raises(ConfigError, match=r"compact_otel\.instrument\(\)"):
        await compact_session(session)
    with pytest.raises(ConfigError, match=r"compact_otel\.instrument\(\)"):
        status(session)
    manager = CompactManager(CompactConfig.load(storage={"adapter": "none"}))
    assert status(session, manager=manager).summary is None
    assert (await compact_session(session, manager=manager)).outcome == "noop"


async def test_what_is_no_session_is_a_type_error(switch_on):
    switch_on()
    with pytest.raises(TypeError, match="got str"):
        await compact_session("chat")
    with pytest.raises(TypeError, match="got list"):
        status([])
