"""Every model class of the SDK, by object and by name, in every way to call it."""

import importlib

import pytest
from agents import (
    Agent,
    ModelSettings,
    MultiProvider,
    OpenAIChatCompletionsModel,
    OpenAIProvider,
    OpenAIResponsesModel,
    OpenAIResponsesWSModel,
    RunConfig,
)
from agents.models.interface import ModelTracing

from compact_otel.testing import LocalOpenAI
from tests.paths.program import (
    MODEL,
    QUESTION,
    WAYS,
    WINDOW,
    look_up,
    looks_up_then_answers,
    run,
    talk,
    unchanged,
)

MODELS = {
    "responses": OpenAIResponsesModel,
    "websocket": OpenAIResponsesWSModel,
    "chat": OpenAIChatCompletionsModel,
}
PATHS = {
    "responses": "/v1/responses",
    "websocket": "ws:/v1/responses",
    "chat": "/v1/chat/completions",
}
ANSWER = f"I found the record of {QUESTION}"


@pytest.fixture
def api():
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        yield api


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("kind", list(MODELS))
async def test_a_run_is_decided_call_by_call(kind, way, api, observed, switch_on):
    switch_on()
    with unchanged(talk()) as history, observed.program():
        async with api.client() as client:
            agent = Agent("clerk", tools=[look_up], model=MODELS[kind](MODEL, client))
            result = await WAYS[way](agent, history)
    assert result.final_output == ANSWER
    assert result.to_input_list()[: len(history)] == history
    observed.check(api)
    assert observed.outcomes == ["compacted", "replayed"]
    assert {request.path for request in api.requests} == {PATHS[kind]}


@pytest.mark.parametrize("kind", list(MODELS))
async def test_without_us_the_same_run_is_refused(kind, api):
    with pytest.raises(Exception, match=r"exceeds the context window|maximum context length"):
        async with api.client() as client:
            await run(Agent("clerk", model=MODELS[kind](MODEL, client)), talk())


PROVIDERS = {
    "OpenAIProvider": lambda client: OpenAIProvider(openai_client=client),
    "OpenAIProvider, chat": lambda client: OpenAIProvider(
        openai_client=client, use_responses=False
    ),
    "OpenAIProvider, websocket": lambda client: OpenAIProvider(
        openai_client=client, use_responses_websocket=True
    ),
    "MultiProvider": lambda client: MultiProvider(openai_client=client),
    "MultiProvider, websocket": lambda client: MultiProvider(
        openai_client=client, openai_use_responses_websocket=True
    ),
}


@pytest.mark.parametrize("way", ["run", "run_streamed"])
@pytest.mark.parametrize("provider", list(PROVIDERS))
async def test_a_model_may_be_given_by_name(provider, way, api, observed, switch_on):
    switch_on()
    name = f"openai/{MODEL}" if provider.startswith("Multi") else MODEL
    with unchanged(talk()) as history, observed.program():
        async with api.client() as client:
            models = PROVIDERS[provider](client)
            agent = Agent("clerk", tools=[look_up], model=name)
            result = await WAYS[way](agent, history, run_config=RunConfig(model_provider=models))
            await models.aclose()
    assert result.final_output == ANSWER
    observed.check(api)
    assert {request.body["model"] for request in api.requests} == {MODEL}
    assert set(observed.values("gen_ai.request.model")) == {MODEL}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", list(MODELS))
async def test_a_model_may_be_called_without_a_runner(kind, streamed, api, observed, switch_on):
    switch_on()
    more = {"previous_response_id": None, "conversation_id": None, "prompt": None}
    with unchanged(talk()) as history, observed.program():
        async with api.client() as client:
            model = MODELS[kind](MODEL, client)
            arguments = ("Be brief.", history, ModelSettings(), [look_up], None, [])
            if streamed:
                stream = model.stream_response(*arguments, ModelTracing.DISABLED, **more)
                output = [event async for event in stream][-1].response.output
            else:
                response = await model.get_response(*arguments, ModelTracing.DISABLED, **more)
                output = response.output
            await model.close()
    assert output[-1].name == "look_up"
    observed.check(api)


@pytest.mark.parametrize("way", list(WAYS))
async def test_the_scripted_model_of_users_tests_is_decided_too(way, observed, switch_on):
    testing = pytest.importorskip("agents.testing", reason="the SDK has it from 0.21 on")
    switch_on()
    asked = testing.function_call("look_up", {"question": "a"}, call_id="c1")
    model = testing.ScriptedModel([[asked], [testing.assistant_message("done")]])
    with unchanged(talk()) as history, observed.program():
        result = await WAYS[way](Agent("clerk", tools=[look_up], model=model), history)
    assert result.final_output == "done"
    model.assert_complete()
    observed.check_parents()
    assert observed.outcomes == ["compacted", "replayed"]
    first, second = (call.input for call in model.calls)
    assert len(first) < len(history)
    assert second[: len(first)] == first


# The model class, and what it takes beside a model's name; AnyLLM chooses the API by itself.
OTHERS = {
    "litellm": ("litellm", "LitellmModel", {}),
    "any_llm": ("any_llm", "AnyLLMModel", {}),
    "any_llm, chat": ("any_llm", "AnyLLMModel", {"api": "chat_completions"}),
}


@pytest.fixture(params=list(OTHERS))
def other_model(request, api):
    package, name, options = OTHERS[request.param]
    pytest.importorskip(package)
    models = importlib.import_module(f"agents.extensions.models.{package}_model")
    return getattr(models, name)(f"openai/{MODEL}", api.base_url, "local", **options)


@pytest.mark.parametrize("way", ["run", "run_streamed"])
async def test_models_of_other_packages(other_model, way, api, observed, switch_on):
    switch_on()
    with unchanged(talk()) as history, observed.program():
        result = await WAYS[way](Agent("clerk", tools=[look_up], model=other_model), history)
    assert result.final_output == ANSWER
    observed.check(api)
    sent = api.requests[0]
    assert observed.decisions[0].attributes["compact.tokens.after"] == sent.tokens


async def test_other_models_are_left_alone_only_where_they_send_the_setting(
    other_model, api, observed, switch_on
):
    """`truncation` lets the server drop items; it reaches the Responses API only."""
    switch_on()
    settings = ModelSettings(truncation="auto")
    agent = Agent("clerk", tools=[look_up], model=other_model, model_settings=settings)
    with observed.program():
        await run(agent, talk())
    left_alone = "truncation_auto" in observed.values("compact.trigger.reason")
    assert left_alone == (api.requests[0].path == "/v1/responses")
    assert left_alone == (api.requests[0].body.get("truncation") == "auto")
