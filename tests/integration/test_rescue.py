"""A call that is refused as too large all the same is compacted harder and sent once more."""

import contextlib

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
)
from agents.exceptions import AgentsException
from openai import APIError

import compact_otel
from compact_otel.testing import LocalOpenAI, Step

MODELS = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}
TRUE_WINDOW = 3000
HISTORY = [
    {"role": role, "content": f"{role} {n}: " + "word " * 200}
    for n in range(16)
    for role in ("user", "assistant")
] + [{"role": "user", "content": "and now?"}]


def answer(request):
    return Step("here is the answer")


def wrong_window(tracer_provider, **options):
    """Instrument with a window far larger than the server's, so that the first attempt fails."""
    return compact_otel.instrument(
        max_context_tokens=12_000,
        hard_cap_buffer=200,
        storage={"adapter": "none"},
        tracer_provider=tracer_provider,
        **options,
    )


async def ask(api, form, *, streamed, history=HISTORY, **settings):
    agent = Agent(
        name="asked",
        model=MODELS[form]("some-model", openai_client=api.client()),
        model_settings=ModelSettings(**settings),
    )
    if not streamed:
        return (await Runner.run(agent, history)).final_output
    result = Runner.run_streamed(agent, history, run_config=RunConfig(tracing_disabled=True))
    async for _ in result.stream_events():
        pass
    return result.final_output


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("form", list(MODELS))
@pytest.mark.parametrize(
    "overflow",
    ["http", "sse_error", "sse_error_flat", "sse_failed", "llama_cpp", "empty_stream"],
)
async def test_every_shape_of_refusal_is_rescued(
    overflow, form, streamed, exporter, tracer_provider
):
    wrong_window(tracer_provider)
    with LocalOpenAI(answer, context_window=TRUE_WINDOW, overflow=overflow) as api:
        assert await ask(api, form, streamed=streamed) == "here is the answer"
    first, second = api.requests
    assert first.error is not None or overflow == "empty_stream"
    assert (second.status, second.error) == (200, None)
    assert second.tokens <= TRUE_WINDOW < first.tokens

    skipped, rescue = exporter.get_finished_spans()
    assert skipped.attributes["compact.outcome"] == "skipped"
    assert rescue.attributes["compact.trigger.type"] == "reactive"
    assert rescue.attributes["compact.trigger.reason"] == "context_overflow"
    assert rescue.attributes["compact.outcome"] == "compacted"
    assert rescue.events[0].name == "compact.rescue"
    assert rescue.events[0].attributes["compact.window.source"] == "learned"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_what_was_learned_holds_for_the_next_call_of_the_model(
    streamed, exporter, tracer_provider
):
    wrong_window(tracer_provider)
    with LocalOpenAI(answer, context_window=TRUE_WINDOW) as api:
        await ask(api, "chat", streamed=streamed)
        await ask(api, "chat", streamed=streamed, history=[*HISTORY[2:], HISTORY[1], HISTORY[-1]])
    assert [request.status for request in api.requests] == [400, 200, 200]
    last = exporter.get_finished_spans()[-1]
    assert last.attributes["compact.trigger.type"] == "preflight"
    assert last.attributes["compact.window.size"] == pytest.approx(TRUE_WINDOW, rel=0.02)


async def test_a_provider_that_counts_more_than_we_do_is_rescued_too(exporter, tracer_provider):
    """It says how many tokens it found, and from then on ours are taken for as many more."""
    compact_otel.instrument(
        max_context_tokens=8000,
        hard_cap_buffer=200,
        storage={"adapter": "none"},
        tracer_provider=tracer_provider,
    )
    with LocalOpenAI(answer, context_window=8000, token_skew=1.5) as api:
        assert await ask(api, "chat", streamed=False) == "here is the answer"
        assert await ask(api, "chat", streamed=False) == "here is the answer"
        # Another conversation: nothing of it was counted before.
        history = [*HISTORY[2:], HISTORY[1], HISTORY[-1]]
        assert await ask(api, "chat", streamed=False, history=history) == "here is the answer"
    assert [request.status for request in api.requests] == [400, 200, 200, 200]
    assert exporter.get_finished_spans()[-1].attributes["compact.window.size"] == 8000


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_a_second_refusal_reaches_the_caller(streamed, tracer_provider):
    wrong_window(tracer_provider)
    with LocalOpenAI(answer, context_window=120) as api, pytest.raises(APIError) as refused:
        await ask(api, "responses", streamed=streamed)
    assert refused.value.code == "context_length_exceeded"
    assert 1 <= len(api.requests) <= 2


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_other_errors_pass_as_they_are_and_cost_no_second_call(streamed, tracer_provider):
    wrong_window(tracer_provider)

    def fail(request):
        return Step(status=429, error={"code": "rate_limit_exceeded", "message": "slow down"})

    with LocalOpenAI(fail) as api, pytest.raises(APIError, match="slow down"):
        await ask(api, "responses", streamed=streamed)
    assert len(api.requests) == 1


async def test_a_history_that_the_server_keeps_is_not_rescued(tracer_provider):
    wrong_window(tracer_provider)
    with LocalOpenAI(answer, context_window=TRUE_WINDOW) as api:
        agent = Agent(name="asked", model=OpenAIResponsesModel("m", openai_client=api.client()))
        with pytest.raises(APIError) as refused:
            await Runner.run(agent, HISTORY, conversation_id="conv_1")
    assert refused.value.code == "context_length_exceeded"
    assert len(api.requests) == 1


async def test_an_answer_that_stops_at_its_output_limit_is_no_overflow(tracer_provider):
    wrong_window(tracer_provider)

    def stop(request):
        return Step("half an ans", incomplete="max_output_tokens")

    with LocalOpenAI(stop) as api, contextlib.suppress(AgentsException):
        await ask(api, "responses", streamed=True)
    assert len(api.requests) == 1


async def test_a_window_smaller_than_the_buffer_is_learned_and_lived_with(
    exporter, tracer_provider
):
    compact_otel.instrument(
        max_context_tokens=12_000, storage={"adapter": "none"}, tracer_provider=tracer_provider
    )
    with LocalOpenAI(answer, context_window=1400) as api:
        for n in range(3):
            question = {"role": "user", "content": f"question {n}"}
            assert await ask(api, "chat", streamed=False, history=[*HISTORY, question])
    assert [request.status for request in api.requests] == [400, 200, 200, 200]
    outcomes = [span.attributes["compact.outcome"] for span in exporter.get_finished_spans()]
    assert "error" not in outcomes
