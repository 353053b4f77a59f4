"""The tool in the hands of an agent: the real Agents SDK, and a model that lacks a fact."""

import asyncio
import json
import subprocess
import sys
import time

import pytest
from agents import (
    Agent,
    FunctionTool,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    set_tracing_disabled,
)
from agents.tool_context import ToolContext
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import compact_otel
from compact_otel import ConfigError, recall_tool
from compact_otel.adapters import MemoryStorage
from compact_otel.recall import RECALL_TOOL
from compact_otel.session import Past, in_session, set_past
from compact_otel.testing import LocalOpenAI, Step
from tests.histories import Exporter, Storage, assistant, call, output, talk, user

WINDOW = 4000
MODELS = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}


class Forgetful:
    """Writes summaries without a single fact."""

    name = "forgetful"

    def summarize(self, request):
        return "The user asked for several things, and they were done."


@pytest.fixture(autouse=True, scope="module")
def _no_sdk_trace_upload():
    set_tracing_disabled(True)


@pytest.fixture(autouse=True)
def _switched_off_afterwards():
    yield
    compact_otel.uninstrument()


@pytest.fixture
def instrumented(storage, monkeypatch):
    monkeypatch.setenv("COMPACT_SUMMARIZER_VERIFY", "false")  # or the facts would be put back
    return lambda **options: compact_otel.instrument(
        max_context_tokens=WINDOW,
        hard_cap_buffer=0,
        keep_recent_turns=1,
        keep_user_tokens=0,
        storage=storage,
        **{"summarizer": Forgetful(), **options},
    )


def knows_or_asks(request):
    """Play a model that answers from what it sees, and otherwise looks it up, once."""
    newest = request.items[-1]
    asked = request.newest_user_text
    if not asked.startswith("Which voucher"):
        return Step("Noted.")
    ident = asked.split()[-1]
    for line in request.text.splitlines():
        if f"{ident} has voucher" in line:
            return Step(line.split()[-1])
    if newest.get("role") == "user":
        return Step(calls=[(RECALL_TOOL, {"query": f"voucher {ident}"})])
    return Step("I do not know.")


def clerk(api, form="responses", tools=None):
    model = MODELS[form]("gpt-4.1-mini", openai_client=api.client())
    return Agent("clerk", model=model, tools=[recall_tool()] if tools is None else tools)


async def tell(agent, text, session, *, streamed=False):
    if not streamed:
        return (await Runner.run(agent, text, session=session)).final_output
    result = Runner.run_streamed(agent, text, session=session)
    async for _ in result.stream_events():
        pass
    return result.final_output


async def forget(agent, session, fact, *, streamed=False):
    """Tell an agent a fact, and then so much else that it is compacted away."""
    await tell(agent, fact, session, streamed=streamed)
    for number in range(8):
        await tell(agent, f"note {number} " + "and so on " * 250, session, streamed=streamed)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("form", list(MODELS))
async def test_an_agent_gets_back_what_was_compacted_away(instrumented, form, streamed):
    instrumented()
    with LocalOpenAI(knows_or_asks, context_window=WINDOW) as api:
        agent, session = clerk(api, form), SQLiteSession("mine")
        await forget(agent, session, "A-17 has voucher V-9", streamed=streamed)
        assert "V-9" not in json.dumps(api.requests[-1].body)
        asked = "Which voucher has A-17"
        assert await tell(agent, asked, session, streamed=streamed) == "V-9"
    assert {request.status for request in api.requests} == {200}


def said_of_recall(request):
    """Return whether the summary in a request names the tool, None if there is no summary."""
    for item in request.body["input"]:
        text = json.dumps(item)
        if "COMPACT-SUMMARY v" in text:
            return RECALL_TOOL in text
    return None


async def test_the_summary_names_the_tool_where_the_agent_has_it(instrumented):
    exporter = Exporter()
    instrumented(exporters=[exporter])
    with LocalOpenAI(knows_or_asks, context_window=WINDOW) as api:
        await forget(clerk(api), SQLiteSession("mine"), "A-17 has voucher V-9")
        assert said_of_recall(api.requests[-1]) is True
        # and the words are counted
        final = exporter.named("token_estimate")[-1]
        total = final.get("compact.tokens.after") or final["compact.tokens.before"]
        assert abs(total - api.requests[-1].tokens) <= 5


@pytest.mark.parametrize(("tools", "adapter"), [([], "memory"), (None, "none")])
async def test_the_summary_is_silent_where_nothing_can_be_looked_up(tools, adapter):
    compact_otel.instrument(
        max_context_tokens=WINDOW, hard_cap_buffer=0, storage={"adapter": adapter}
    )
    with LocalOpenAI(knows_or_asks, context_window=WINDOW) as api:
        await forget(clerk(api, tools=tools), SQLiteSession("mine"), "A-17 has voucher V-9")
        assert said_of_recall(api.requests[-1]) is False


async def test_without_the_tool_it_is_lost(instrumented):
    instrumented()
    with LocalOpenAI(knows_or_asks, context_window=WINDOW) as api:
        agent, session = clerk(api, tools=[]), SQLiteSession("mine")
        await forget(agent, session, "A-17 has voucher V-9")
        with pytest.raises(
            Exception, match=RECALL_TOOL
        ):  # the model calls a tool that is not there
            await tell(agent, "Which voucher has A-17", session)


async def test_a_run_without_a_session_finds_its_past_too(instrumented):
    instrumented()
    history = [user("A-17 has voucher V-9"), *talk(20, 80), user("Which voucher has A-17")]
    with LocalOpenAI(knows_or_asks, context_window=WINDOW) as api:
        assert (await Runner.run(clerk(api), history)).final_output == "V-9"
        assert "V-9" not in json.dumps(api.requests[0].body)


async def test_sessions_at_the_same_time_read_their_own_past_only(instrumented):
    instrumented()
    with LocalOpenAI(knows_or_asks, context_window=WINDOW) as api:
        agent = clerk(api)  # one tool object for all of them

        async def live(number):
            session = SQLiteSession(f"session-{number}")
            await forget(agent, session, f"A-{number} has voucher V-{number}")
            asked = [f"Which voucher has A-{other}" for other in range(3)]
            return [await tell(agent, text, session) for text in asked]

        answers = await asyncio.gather(*map(live, range(3)))
    unknown = "I do not know."
    assert answers == [
        [f"V-{number}" if other == number else unknown for other in range(3)] for number in range(3)
    ]


async def test_conversations_that_begin_alike_do_not_read_each_other(instrumented):
    """Without a session they share an archive: it is named by how they begin."""
    instrumented()
    greeting, question = user("hello"), user("Which voucher has A-17")
    with LocalOpenAI(knows_or_asks, context_window=WINDOW) as api:
        agent = clerk(api)
        first = [greeting, user("A-17 has voucher V-9"), *talk(20, 80), question]
        assert (await Runner.run(agent, first)).final_output == "V-9"
        for second in ([greeting, question], [greeting, *talk(20, 80), question]):
            assert (await Runner.run(agent, second)).final_output == "I do not know."


async def test_an_agent_used_as_a_tool_does_not_read_the_past_of_its_caller(instrumented):
    instrumented()

    def model(request):
        if "ask_clerk" in request.tools and request.items[-1].get("role") == "user":
            return Step(calls=[("ask_clerk", {"input": "Which voucher has A-17"})])
        if "ask_clerk" in request.tools:
            return Step(f"The clerk says: {request.items[-1].get('output')}")
        return knows_or_asks(request)

    history = [user("A-17 has voucher V-9"), *talk(20, 80), user("Ask the clerk.")]
    with LocalOpenAI(model, context_window=WINDOW) as api:
        inner = clerk(api).as_tool("ask_clerk", "Asks the clerk.")
        result = await Runner.run(clerk(api, tools=[inner]), history)
    assert result.final_output == "The clerk says: I do not know."


def test_the_model_can_name_words_and_places_and_nothing_else():
    tool = recall_tool()
    assert isinstance(tool, FunctionTool)
    assert tool.name == RECALL_TOOL == "recall_conversation"
    assert set(tool.params_json_schema["properties"]) == {"query", "position", "offset"}
    assert tool.params_json_schema["additionalProperties"] is False
    assert all(entry["description"] for entry in tool.params_json_schema["properties"].values())


# One call of the tool, by hand.


@pytest.fixture
def spans():
    return InMemorySpanExporter()


@pytest.fixture
def tracer(spans):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return provider.get_tracer("test")


FOUND = [user("Find it."), call("c", arguments='{"n": 1}'), output("c", "voucher V-9")]
HISTORY = [*FOUND, *talk(6), call("d"), output("d", "nothing new")]


@pytest.fixture
def archive(storage, compacted):
    compacted(HISTORY)
    return storage


async def ask(tool, arguments):
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    context = ToolContext(None, tool_name=tool.name, tool_call_id="c1", tool_arguments=text)
    return await tool.on_invoke_tool(context, text)


def by_hand(storage, **options):
    return recall_tool(storage=storage, session_id="s", **options)


def recalled(spans):
    (span,) = spans.get_finished_spans()
    (event,) = span.events
    assert event.name == "compact.recall"
    return dict(event.attributes)


async def test_without_instrument_it_reads_the_session_it_was_made_for(archive):
    assert "> voucher V-9" in await ask(by_hand(archive), {"query": "voucher"})
    assert "> voucher V-9" in await ask(by_hand(archive), {"position": 2})
    assert "> -9" in await ask(by_hand(archive), {"query": "", "position": 2, "offset": 9})
    other = recall_tool(storage=archive, session_id="t")
    assert "Nothing was removed" in await ask(other, {"query": "voucher"})


async def test_a_hit_is_told_on_the_current_span(archive, spans, tracer):
    with tracer.start_as_current_span("execute_tool"):
        answer = await ask(by_hand(archive, count_text=len), {"query": "voucher"})
    assert recalled(spans) == {
        "compact.recall.result": "hit",
        "compact.archive.id": "transcript-pre-compact-001",
        "compact.archive.adapter": archive.name,
        "compact.recall.messages": 2,
        "compact.recall.tokens": len(answer),
    }


async def test_a_miss_is_told_on_the_current_span(archive, spans, tracer):
    with tracer.start_as_current_span("execute_tool"):
        answer = await ask(by_hand(archive, count_text=len), {"query": "zeppelin"})
    assert recalled(spans) == {
        "compact.recall.result": "miss",
        "compact.archive.adapter": archive.name,
        "compact.recall.messages": 0,
        "compact.recall.tokens": len(answer),
    }


async def test_whoever_runs_the_model_calls_can_take_the_event_instead(archive, spans, tracer):
    told = []
    with in_session(None), tracer.start_as_current_span("execute_tool"):
        set_past(Past(storage=archive, session_id="s", history=HISTORY, tell=told.append))
        await ask(recall_tool(), {"query": "voucher"})
    assert [event.result for event in told] == ["hit"]
    assert spans.get_finished_spans()[0].events == ()


async def test_a_listener_that_fails_does_not_cost_the_answer(archive):
    def broken(event):
        raise RuntimeError("no")

    with in_session(None):
        set_past(Past(storage=archive, session_id="s", history=HISTORY, tell=broken))
        assert "V-9" in await ask(recall_tool(), {"query": "voucher"})


async def test_where_nothing_is_archived_it_says_so(spans, tracer):
    with tracer.start_as_current_span("execute_tool"):
        answer = await ask(recall_tool(count_text=len), {"query": "voucher"})
    assert answer.startswith("No archive is kept here")
    assert recalled(spans)["compact.archive.adapter"] == "none"
    with in_session(SQLiteSession("s")):
        assert await ask(recall_tool(), {"query": "voucher"}) == answer
        set_past(Past(storage=None, session_id="s", history=[]))
        assert await ask(recall_tool(), {"query": "voucher"}) == answer


class Broken(MemoryStorage):
    name = "broken"

    def steps(self, session_id):
        raise PermissionError("the words of a conversation")


async def test_a_failing_archive_is_a_sentence_and_an_event(spans, tracer, caplog):
    with tracer.start_as_current_span("execute_tool"):
        answer = await ask(by_hand(Broken()), {"query": "voucher"})
    assert "cannot be read now (PermissionError)" in answer
    assert recalled(spans) == {
        "compact.recall.result": "error",
        "compact.archive.adapter": "broken",
        "error.type": "PermissionError",
    }
    assert "the words" not in answer + caplog.text


async def test_a_storage_that_only_writes_is_a_sentence_and_an_event(spans, tracer):
    with tracer.start_as_current_span("execute_tool"), in_session(None):
        set_past(Past(storage=Storage(), session_id="s", history=HISTORY))
        answer = await ask(recall_tool(), {"query": "voucher"})
    assert "cannot be read now" in answer
    assert recalled(spans)["compact.recall.result"] == "error"


async def test_an_archive_that_hangs_does_not_hold_up_the_run(spans, tracer, monkeypatch):
    class Slow(MemoryStorage):
        def steps(self, session_id):
            time.sleep(0.5)
            return []

    monkeypatch.setattr("compact_otel.recall.tool._PATIENCE_S", 0.02)
    start = time.perf_counter()
    with tracer.start_as_current_span("execute_tool"):
        answer = await ask(by_hand(Slow()), {"query": "voucher"})
    assert time.perf_counter() - start < 0.4
    assert "cannot be read now (TimeoutError)" in answer
    assert recalled(spans)["error.type"] == "TimeoutError"


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "{not json",
        "[]",
        {},
        {"query": None},
        {"query": "voucher", "session_id": "other"},
        {"query": "../../other/transcript-pre-compact-001"},
        {"position": 10**30},
        {"position": "2; DROP TABLE"},
        {"position": 2, "offset": -(10**30)},
        {"query": "\x00\ud800" * 1000},
        {"query": "(a+)+$" * 10_000},
        {"query": "voucher " * 125_000},
    ],
)
async def test_nothing_that_a_model_may_write_raises_or_leads_elsewhere(
    archive, compacted, arguments
):
    compacted([assistant("a voucher of another session"), *talk(6)], "other")
    answer = await ask(by_hand(archive), arguments)
    assert isinstance(answer, str)
    assert answer
    assert "another session" not in answer
    assert len(answer) < 10_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 199}, "need `max_tokens` >= 200, got 199"),
        ({"storage": MemoryStorage()}, "need both `storage` and `session_id`"),
        ({"session_id": "s"}, "need both `storage` and `session_id`"),
    ],
)
def test_a_tool_that_could_not_work_is_not_made(options, message):
    with pytest.raises(ConfigError, match=message):
        recall_tool(**options)


def test_the_module_imports_neither_the_sdk_nor_openai():
    heavy = "{'agents', 'openai', 'tiktoken'}"
    code = f"import compact_otel.recall, sys; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


async def test_the_exporters_of_the_manager_hear_of_a_recall(instrumented):
    heard = Exporter()
    instrumented(exporters=[heard])
    history = [user("A-17 has voucher V-9"), *talk(20, 80), user("Which voucher has A-17")]
    with LocalOpenAI(knows_or_asks, context_window=WINDOW) as api:
        await Runner.run(clerk(api), history, session=None)
    (event,) = heard.named("recall")
    assert event["compact.recall.result"] == "hit"
    assert event["session_id"].startswith("conversation-")
    assert "V-9" not in json.dumps(heard.events)
