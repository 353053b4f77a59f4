"""Runs that do not go straight through: approvals, guardrails, retries, deadlines, cancellation."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailTripwireTriggered,
    ModelRetrySettings,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    exceptions,
    retry_policies,
)

from compact_otel.testing import LocalOpenAI, Script, Step
from tests.paths.program import (
    MODEL,
    QUESTION,
    WAYS,
    WINDOW,
    CountingSummarizer,
    look_up,
    looks_up_then_answers,
    pay,
    run,
    run_streamed,
    talk,
    unchanged,
)

ANSWER = f"I found the record of {QUESTION}"
MODELS = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}
ways = pytest.mark.parametrize("way", ["run", "run_streamed"])
deadlines = pytest.mark.skipif(
    not hasattr(exceptions, "ModelTimeoutError"), reason="the SDK has `timeout` from 0.21.1 on"
)
kinds = pytest.mark.parametrize("kind", list(MODELS))


@pytest.fixture
def api():
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        yield api


@pytest.fixture
async def client(api):
    async with api.client() as client:
        yield client


async def settled():
    """Check that no task but the test's own is left, or not for long."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, pending = await asyncio.wait(others, timeout=5)
        assert not pending


async def test_an_approved_run_goes_on_in_another_process(tmp_path, observed, switch_on):
    """The pending call survives the compaction, and what was compacted here is known there."""
    archive, state_file = tmp_path / "archive", tmp_path / "state.json"
    summarizer = CountingSummarizer()
    switch_on(storage={"adapter": "fs", "path": str(archive)}, summarizer=summarizer)
    script = Script([Step(calls=[("pay", {"amount": 7})], reasoning=True), Step("It is paid.")])
    with LocalOpenAI(script, context_window=WINDOW) as api, unchanged(talk()) as history:
        async with api.client() as client:
            agent = Agent("clerk", tools=[pay], model=OpenAIResponsesModel(MODEL, client))
            with observed.program():
                waiting = await run_streamed(agent, history)
            assert len(waiting.interruptions) == 1
            observed.check(api)
            state_file.write_text(waiting.to_state().to_string())
        program = Path(__file__).with_name("resuming.py")
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, program, api.base_url, state_file, archive],
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        first, second = api.requests
    assert json.loads(done.stdout) == ["It is paid.", 0, ["replayed"]]
    assert summarizer.calls == 1
    assert second.error is None
    assert [item.get("type") for item in second.items[-2:]] == [
        "function_call",
        "function_call_output",
    ]
    assert len(second.items) == len(first.items) + 3


@ways
async def test_a_guardrail_that_passes_runs_beside_the_decision(
    way, api, client, observed, switch_on
):
    seen = []

    async def look(context, agent, input):
        seen.append(len(input))
        await asyncio.sleep(0.05)
        return GuardrailFunctionOutput(None, tripwire_triggered=False)

    switch_on()
    model = OpenAIResponsesModel(MODEL, client)
    agent = Agent("clerk", tools=[look_up], model=model, input_guardrails=[InputGuardrail(look)])
    with unchanged(talk()) as history, observed.program():
        assert (await WAYS[way](agent, history)).final_output == ANSWER
    observed.check(api)
    assert seen == [len(history)], "a guardrail judges what the user said, not what we made of it"


@ways
async def test_a_guardrail_that_trips_in_the_midst_of_a_compaction(
    way, api, client, observed, switch_on
):
    async def trip(context, agent, input):
        await asyncio.sleep(0.1)
        return GuardrailFunctionOutput(None, tripwire_triggered=True)

    summarizer = CountingSummarizer(seconds=0.5)
    switch_on(summarizer=summarizer)
    plain = Agent("clerk", tools=[look_up], model=OpenAIResponsesModel(MODEL, client))
    guarded = plain.clone(input_guardrails=[InputGuardrail(trip)])
    with unchanged(talk()) as history, observed.program():
        with pytest.raises(InputGuardrailTripwireTriggered):
            await WAYS[way](guarded, history)
        assert summarizer.calls == 1, "the compaction was under way"
        await settled()
        assert (await WAYS[way](plain, history)).final_output == ANSWER
    observed.check_parents()
    assert {request.error for request in api.requests} == {None}


@ways
@kinds
async def test_a_retried_call_pays_for_one_summary(kind, way, observed, switch_on):
    summarizer = CountingSummarizer()
    switch_on(summarizer=summarizer)
    busy = Step(status=503, error={"message": "busy"})
    settings = ModelSettings(
        retry=ModelRetrySettings(
            max_retries=3,
            backoff={"initial_delay": 0.01},
            policy=retry_policies.http_status([503]),
        )
    )
    with LocalOpenAI(Script([busy, busy, Step("at last")]), context_window=WINDOW) as api:
        async with api.client() as client:
            agent = Agent("clerk", model=MODELS[kind](MODEL, client), model_settings=settings)
            with unchanged(talk()) as history, observed.program():
                assert (await WAYS[way](agent, history)).final_output == "at last"
        assert [request.status for request in api.requests] == [503, 503, 200]
        sent = [request.items for request in api.requests]
    assert sent[0] == sent[1] == sent[2]
    assert summarizer.calls == 1
    assert observed.outcomes == ["compacted", "replayed", "replayed"]
    observed.check_parents()


@deadlines
@ways
async def test_a_deadline_that_is_met_leaves_the_compaction_as_it_is(
    way, api, client, observed, switch_on
):
    switch_on(summarizer=CountingSummarizer(seconds=0.05))
    settings = ModelSettings(timeout=20)
    model = OpenAIResponsesModel(MODEL, client)
    agent = Agent("clerk", tools=[look_up], model=model, model_settings=settings)
    with unchanged(talk()) as history, observed.program():
        assert (await WAYS[way](agent, history)).final_output == ANSWER
    observed.check(api)


@deadlines
@ways
async def test_a_deadline_holds_for_a_slow_summariser_too(way, api, client, observed, switch_on):
    """`ModelSettings.timeout` bounds the whole attempt; the next one finds the summary done."""
    summarizer = CountingSummarizer(seconds=0.8)
    switch_on(summarizer=summarizer)
    model = OpenAIResponsesModel(MODEL, client)
    agent = Agent("clerk", tools=[look_up], model=model)
    hurried = agent.clone(model_settings=ModelSettings(timeout=0.2))
    with unchanged(talk()) as history, observed.program():
        began = time.monotonic()
        with pytest.raises(exceptions.ModelTimeoutError):
            await WAYS[way](hurried, history)
        assert time.monotonic() - began < 0.7
        assert api.requests == []
        await settled()
        assert (await WAYS[way](agent, history)).final_output == ANSWER
    assert summarizer.calls == 1
    observed.check_parents()
    assert {request.error for request in api.requests} == {None}


@deadlines
@ways
async def test_attempts_that_each_run_out_of_time_share_one_summary(
    way, api, client, observed, switch_on
):
    summarizer = CountingSummarizer(seconds=1.0)
    switch_on(summarizer=summarizer)
    settings = ModelSettings(
        timeout=0.4,
        retry=ModelRetrySettings(
            max_retries=5, backoff={"initial_delay": 0.01}, policy=lambda context: True
        ),
    )
    model = OpenAIResponsesModel(MODEL, client)
    agent = Agent("clerk", tools=[look_up], model=model, model_settings=settings)
    with unchanged(talk()) as history, observed.program():
        assert (await WAYS[way](agent, history)).final_output == ANSWER
        await settled()
    assert summarizer.calls == 1
    assert observed.outcomes.count("compacted") == 1
    assert {*observed.outcomes} == {"compacted", "CancelledError", "replayed"}
    assert {request.error for request in api.requests} == {None}
    observed.check_parents()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_a_run_cancelled_in_the_midst_of_a_compaction(
    streamed, api, client, observed, switch_on
):
    summarizer = CountingSummarizer(seconds=0.5)
    switch_on(summarizer=summarizer)
    agent = Agent("clerk", tools=[look_up], model=OpenAIResponsesModel(MODEL, client))
    with unchanged(talk()) as history, observed.program():
        if streamed:
            result = Runner.run_streamed(agent, history)
            await summarizer.asked.wait()
            result.cancel()
            assert [event async for event in result.stream_events()] == []
        else:
            task = asyncio.create_task(Runner.run(agent, history))
            await summarizer.asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await settled()
        assert api.requests == []
        assert (await run(agent, history)).final_output == ANSWER
    assert summarizer.calls == 1, "what was begun is of use to the next run"
    assert {request.error for request in api.requests} == {None}
    observed.check_parents()


async def test_a_program_that_ends_in_the_midst_of_a_compaction(api, observed, switch_on):
    """Its event loop is closed under us: that takes no longer, and the span says what happened."""
    summarizer = CountingSummarizer(seconds=30)
    switch_on(summarizer=summarizer)

    async def short_lived():
        async with api.client() as client:
            agent = Agent("clerk", model=OpenAIResponsesModel(MODEL, client))
            async with asyncio.timeout(0.3):
                await Runner.run(agent, talk())

    with observed.program():
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(asyncio.run, short_lived())
        assert time.monotonic() - began < 5
    assert (summarizer.calls, api.requests) == (1, [])
    [span] = observed.decisions
    assert span.attributes["error.type"] == "CancelledError"
    observed.check_parents()
