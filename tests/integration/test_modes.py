"""Watching without touching, marking what must stay, and the way without patching."""

import copy
import json

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    SQLiteSession,
    function_tool,
)
from openai import BadRequestError

import compact_otel
from compact_otel import CompactConfig, CompactManager, protect
from compact_otel.hooks import before_model_call
from compact_otel.testing import LocalOpenAI, Step

WINDOW = 5000
LONG = [
    {"role": role, "content": f"{role} {n}: " + "word " * 150}
    for n in range(16)
    for role in ("user", "assistant")
] + [{"role": "user", "content": "and now?"}]


def answer(request):
    return Step("here is the answer")


def agent_of(api, model_class=OpenAIResponsesModel, **options):
    return Agent(name="a", model=model_class("gpt-4.1", openai_client=api.client()), **options)


async def test_observing_tells_all_and_changes_nothing(tmp_path, exporter, tracer_provider):
    class Paid:
        def summarize(self, request):
            raise AssertionError("observing must not ask a summariser that may cost money")

    compact_otel.instrument(
        mode="observe",
        max_context_tokens=WINDOW,
        summarizer=Paid(),
        storage={"adapter": "fs", "path": str(tmp_path)},
        tracer_provider=tracer_provider,
    )
    given = copy.deepcopy(LONG)
    with LocalOpenAI(answer) as api:
        await Runner.run(agent_of(api), given)
    [request] = api.requests
    assert request.body["input"] == LONG == given
    assert list(tmp_path.iterdir()) == []
    [span] = exporter.get_finished_spans()
    assert span.attributes["compact.mode"] == "observe"
    assert span.attributes["compact.outcome"] == "compacted"
    assert span.attributes["compact.tokens.after"] < span.attributes["compact.tokens.before"]
    assert "compact.pruned_messages" in [event.name for event in span.events]


async def test_observing_says_the_same_as_compacting_call_by_call(exporter, tracer_provider):
    told = {}
    for mode in ("observe", "compact"):
        exporter.clear()
        manager = CompactManager(
            CompactConfig.load(mode=mode, max_context_tokens=WINDOW, storage={"adapter": "none"}),
            tracer_provider=tracer_provider,
        )
        for length in range(1, len(LONG), 2):
            await manager.apreflight("s", LONG[:length])
        told[mode] = [
            (span.attributes["compact.outcome"], span.attributes["compact.tokens.before"])
            for span in exporter.get_finished_spans()
        ]
    assert told["observe"] == told["compact"]
    assert "compacted" in {outcome for outcome, _ in told["observe"]}


async def test_observing_neither_rescues_nor_raises(tracer_provider):
    compact_otel.instrument(
        mode="observe",
        max_context_tokens=WINDOW,
        on_insufficient_budget="raise",
        storage={"adapter": "none"},
        tracer_provider=tracer_provider,
    )
    huge = [{"role": "user", "content": "word " * 9000}]
    with LocalOpenAI(answer, context_window=WINDOW) as api, pytest.raises(BadRequestError):
        await Runner.run(agent_of(api), huge)
    assert len(api.requests) == 1


async def test_switched_off_nothing_is_looked_at_but_by_hand_it_works(exporter, tracer_provider):
    manager = compact_otel.instrument(
        mode="off",
        max_context_tokens=WINDOW,
        storage={"adapter": "none"},
        tracer_provider=tracer_provider,
    )
    with LocalOpenAI(answer) as api:
        await Runner.run(agent_of(api), LONG)
    assert api.requests[0].body["input"] == LONG
    assert exporter.get_finished_spans() == ()
    assert manager.preflight("s", LONG).messages == LONG
    assert manager.manual_compact("s", LONG).outcome == "compacted"


@pytest.mark.parametrize("model_class", [OpenAIResponsesModel, OpenAIChatCompletionsModel])
async def test_what_is_protected_survives_sessions_and_reaches_the_model_unmarked(
    model_class, exporter, tracer_provider
):
    compact_otel.instrument(
        max_context_tokens=WINDOW, storage={"adapter": "none"}, tracer_provider=tracer_provider
    )
    rule = "Never refund more than 120 euros."
    session = SQLiteSession("protected")
    await session.add_items([protect(rule, "refund rule"), *LONG[1:-1]])
    with LocalOpenAI(answer, context_window=WINDOW) as api:
        for n in range(3):
            await Runner.run(agent_of(api, model_class), f"question {n}", session=session)
    for request in api.requests:
        assert (request.status, request.error) == (200, None)
        assert {"role": "user", "content": rule} in request.items
        assert "refund rule" not in json.dumps(request.body)
    assert (await session.get_items())[0] == protect(rule, "refund rule")
    pruned = [e for s in exporter.get_finished_spans() for e in s.events if "pruned" in e.name]
    assert pruned[0].attributes["compact.kept.protected"] == "0:refund rule"


@pytest.mark.parametrize("mode", ["compact", "observe", "off"])
async def test_the_mark_is_taken_off_on_every_way_out(mode, tracer_provider):
    compact_otel.instrument(mode=mode, storage={"adapter": "none"}, tracer_provider=tracer_provider)
    given = [protect({"role": "user", "content": "short"})]
    settings = ModelSettings(truncation="auto")
    with LocalOpenAI(answer) as api:
        await Runner.run(agent_of(api), given)
        await Runner.run(agent_of(api, model_settings=settings), given)
    assert [request.error for request in api.requests] == [None, None]
    assert given == [protect({"role": "user", "content": "short"})]


def test_protect_takes_items_messages_and_texts_and_copies_them():
    item = {"role": "user", "content": "x", "meta": {"mine": 1}}
    marked = protect(item, "label")
    assert marked["meta"] == {"mine": 1, "protected": True, "label": "label"}
    assert item["meta"] == {"mine": 1}
    message = compact_otel.Message("user", "x")
    assert protect(message).meta == {"protected": True}
    assert message.meta == {}
    with pytest.raises(TypeError, match="got int"):
        protect(7)


async def test_the_filter_compacts_without_patching(tracer_provider):
    manager = CompactManager(
        CompactConfig.load(max_context_tokens=WINDOW, storage={"adapter": "memory"}),
        tracer_provider=tracer_provider,
    )

    @function_tool
    def look_up(number: int) -> str:
        """Return a record."""
        return f"record {number} " * 200

    def model(request):
        newest = request.items[-1]
        if newest.get("role") == "user":
            return Step(calls=[("look_up", {"number": 1})])
        return Step("done")

    config = RunConfig(call_model_input_filter=before_model_call(manager, session_id="mine"))
    session = SQLiteSession("mine")
    with LocalOpenAI(model, context_window=WINDOW) as api:
        for n in range(12):
            agent = agent_of(api, instructions="be brief", tools=[look_up])
            await Runner.run(agent, f"question {n}", session=session, run_config=config)
    assert {request.error is None for request in api.requests} == {True}
    assert "COMPACT-SUMMARY" in json.dumps(api.requests[-1].body)
    summary = manager.status("mine").summary
    assert any(summary in str(item.get("content")) for item in api.requests[-1].items)


async def test_the_filter_does_not_rescue_a_refused_call(tracer_provider):
    manager = CompactManager(
        CompactConfig.load(max_context_tokens=100_000, storage={"adapter": "none"}),
        tracer_provider=tracer_provider,
    )
    config = RunConfig(call_model_input_filter=before_model_call(manager))
    with LocalOpenAI(answer, context_window=WINDOW // 2) as api, pytest.raises(BadRequestError):
        await Runner.run(agent_of(api), LONG, run_config=config)
    assert len(api.requests) == 1


def test_a_status_says_what_is_remembered_also_in_a_new_process(tmp_path):
    config = CompactConfig.load(
        max_context_tokens=WINDOW, storage={"adapter": "fs", "path": str(tmp_path)}
    )
    first = CompactManager(config)
    assert first.status("s").summary is None
    result = first.preflight("s", LONG)
    for manager in (first, CompactManager(config)):
        status = manager.status("s")
        assert status.summary == result.summary
        assert (status.version, status.dropped) == (1, result.dropped)
        assert status.tokens_after == result.tokens_after < status.tokens_before


async def test_a_replayed_call_says_which_summary_it_carries(exporter, tracer_provider):
    config = CompactConfig.load(max_context_tokens=WINDOW, storage={"adapter": "none"})
    manager = CompactManager(config, tracer_provider=tracer_provider)
    await manager.apreflight("s", LONG)
    await manager.apreflight("s", [*LONG, {"role": "assistant", "content": "and so on"}])
    made, replayed = exporter.get_finished_spans()
    assert replayed.attributes["compact.outcome"] == "replayed"
    for name in ("compact.summary.id", "compact.summary.version"):
        assert replayed.attributes[name] == made.attributes[name]


@pytest.mark.parametrize("adapter", ["none", "memory"])
def test_a_status_is_that_of_the_latest_compaction(adapter):
    manager = CompactManager(
        CompactConfig.load(max_context_tokens=WINDOW, storage={"adapter": adapter})
    )
    longer = [*LONG, *({**item, "content": item["content"] + " again"} for item in LONG)]
    for version, history in enumerate((LONG, longer), start=1):
        result = manager.preflight("s", history)
        assert (result.outcome, result.summary_version) == ("compacted", version)
        status = manager.status("s")
        assert (status.version, status.summary) == (version, result.summary)
        assert status.dropped == result.dropped
