"""Near the trigger OpenAI is asked how many tokens a call has, for those who switch that on."""

import asyncio

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
)
from openai.types.shared import Reasoning

import compact_otel
from compact_otel.testing import LocalOpenAI, Step
from tests.histories import talk

WINDOW = 6_000
COUNT = "/v1/responses/input_tokens"
NEAR = [*talk(45, 40), {"role": "user", "content": "and now?"}]  # 4,370 tokens: trigger 4,500
FAR = [*talk(30, 40), {"role": "user", "content": "and now?"}]


@function_tool
def look_up(question: str) -> str:
    """Look something up."""
    return question


@pytest.fixture
def switch_on(tracer_provider):
    def on(**estimator):
        compact_otel.instrument(
            max_context_tokens=WINDOW,
            soft_trigger_pct=0,
            estimator={"exact": True, **estimator},
            storage={"adapter": "none"},
            tracer_provider=tracer_provider,
        )

    return on


async def ask(api, history, *, model=OpenAIResponsesModel, streamed=False):
    agent = Agent(
        "clerk",
        instructions="Be exact.",
        model=model("gpt-4.1-mini", openai_client=api.client()),
        model_settings=ModelSettings(reasoning=Reasoning(effort="low")),
        tools=[look_up],
    )
    if streamed:
        result = Runner.run_streamed(agent, history)
        async for _ in result.stream_events():
            pass
        return result.final_output
    return (await Runner.run(agent, history)).final_output


def fine(request):
    return Step("fine")


def counted(api):
    return [request for request in api.requests if request.path == COUNT]


def told(exporter, name):
    (span,) = exporter.get_finished_spans()
    return [event.attributes for event in span.events if event.name == f"compact.{name}"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("skew", "outcome"), [(1.0, "skip"), (1.15, "compact")])
async def test_what_the_provider_counts_decides(skew, outcome, streamed, switch_on, exporter):
    switch_on()
    with LocalOpenAI(fine, context_window=WINDOW, token_skew=skew) as api:
        assert await ask(api, NEAR, streamed=streamed) == "fine"
    (asked,) = counted(api)
    estimate, *_ = told(exporter, "token_estimate")
    assert estimate["compact.estimate.calibration"] == "exact"
    assert estimate["compact.tokens.before"] == asked.tokens
    (decision,) = told(exporter, "trigger_decision")
    assert decision["compact.trigger.decision"] == outcome
    assert {request.status for request in api.requests} == {200}


async def test_it_is_the_very_call_that_is_counted(switch_on):
    switch_on()
    with LocalOpenAI(fine, context_window=WINDOW) as api:
        await ask(api, [*NEAR[:-1], {**NEAR[-1], "protected": True}])
    question, call = api.requests
    assert set(question.body) >= {"model", "input", "instructions", "tools", "reasoning"}
    assert {name: call.body[name] for name in question.body} == question.body
    assert "protected" not in str(question.body)
    assert question.tokens == call.tokens


async def test_far_from_the_trigger_nobody_is_asked(switch_on):
    switch_on()
    with LocalOpenAI(fine, context_window=WINDOW) as api:
        await ask(api, FAR)
    assert not counted(api)


async def test_a_chat_model_cannot_be_asked(switch_on):
    switch_on()
    with LocalOpenAI(fine, context_window=WINDOW) as api:
        await ask(api, NEAR, model=OpenAIChatCompletionsModel)
    assert not counted(api)


async def test_by_default_nobody_is_asked(tracer_provider):
    compact_otel.instrument(max_context_tokens=WINDOW, tracer_provider=tracer_provider)
    with LocalOpenAI(fine, context_window=WINDOW) as api:
        await ask(api, NEAR)
    assert not counted(api)


@pytest.fixture
async def hanging():
    """A server that takes a request and never answers; the number of those it took."""
    taken, over = [], asyncio.Event()

    async def take(reader, writer):
        taken.append(await reader.read(1))
        await over.wait()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/v1", taken
    over.set()
    server.close()
    await server.wait_closed()


class CountsElsewhere(OpenAIResponsesModel):
    """Counts at another server than the one that answers."""

    elsewhere = "http://127.0.0.1:9/v1"
    answering = False

    def _get_client(self):
        client = super()._get_client()
        return client if self.answering else client.with_options(base_url=self.elsewhere)

    async def _fetch_response(self, *args, **kwargs):
        self.answering = True
        try:
            return await super()._fetch_response(*args, **kwargs)
        finally:
            self.answering = False


async def test_where_it_fails_our_own_count_stands(switch_on, exporter):
    switch_on()
    with LocalOpenAI(fine, context_window=WINDOW) as api:
        assert await ask(api, NEAR, model=CountsElsewhere) == "fine"
    (error,) = told(exporter, "error")
    assert error["compact.failure.stage"] == "estimate"
    assert error["compact.failure.fallback"] == "local_estimate"
    assert error["error.type"] == "APIConnectionError"
    (estimate,) = told(exporter, "token_estimate")
    assert estimate["compact.estimate.calibration"] == "none"


async def test_who_hangs_costs_the_time_limit_once(switch_on, exporter, hanging, monkeypatch):
    url, taken = hanging
    monkeypatch.setattr(CountsElsewhere, "elsewhere", url)
    switch_on(timeout=0.3)
    with LocalOpenAI(fine, context_window=WINDOW) as api:
        for number in range(3):
            assert await ask(api, [*NEAR, *talk(number, 5)][-len(NEAR) :], model=CountsElsewhere)
    assert len(taken) == 1
    kinds = [
        event.attributes["error.type"]
        for span in exporter.get_finished_spans()
        for event in span.events
        if event.name == "compact.error"
    ]
    assert set(kinds) == {"timeout"}
