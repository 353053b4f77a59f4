"""The real Agents SDK runs against the server: what it sends is legal, what it gets works."""

import json

import openai
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
from agents.exceptions import ModelBehaviorError
from pydantic import BaseModel

from compact_otel.testing import Script, Step

MODELS = [OpenAIResponsesModel, OpenAIChatCompletionsModel]
CONFIG = RunConfig(tracing_disabled=True)


@function_tool
def look_up(key: str) -> str:
    """Look a key up."""
    return f"the value of {key} is {sum(map(ord, key))}"


@pytest.fixture(params=[False, True], ids=["at once", "streamed"])
def run(request):
    """Run an agent to its end, in one of the two ways."""

    async def play(agent, text, **options):
        if not request.param:
            return await Runner.run(agent, text, run_config=CONFIG, **options)
        result = Runner.run_streamed(agent, text, run_config=CONFIG, **options)
        async for _ in result.stream_events():
            pass
        return result

    play.streamed = request.param
    return play


@pytest.fixture(params=MODELS, ids=lambda model: model.__name__)
def model_class(request):
    return request.param


def refused(api):
    return [request.error for request in api.requests if request.error is not None]


async def test_rounds_of_tools_with_reasoning(run, model_class, serve):
    value = "the value of b is 98"
    steps = [
        Step(calls=[("look_up", {"key": "a"})], reasoning=True),
        Step(calls=[("look_up", {"key": "b"}), ("look_up", {"key": "c"})], reasoning=True),
        Step("It is 98.", needs=["the value of a is 97", value], reasoning=True),
    ]
    api = serve(Script(steps))
    async with api.client() as client:
        settings = ModelSettings(include_usage=True)
        model = model_class("gpt-5.4", client)
        agent = Agent("clerk", "Be exact.", tools=[look_up], model=model, model_settings=settings)
        result = await run(agent, "What is b?")
    assert result.final_output == "It is 98."
    assert (refused(api), api.missing) == ([], [])
    usage = result.context_wrapper.usage
    assert (usage.requests, len(api.requests)) == (3, 3)
    assert [entry.input_tokens for entry in usage.request_usage_entries] == [
        request.tokens for request in api.requests
    ]
    assert usage.output_tokens_details.reasoning_tokens > 0


async def test_a_session_carries_the_history_from_run_to_run(run, model_class, serve, tmp_path):
    steps = []
    for key in "abc":
        steps.append(Step(calls=[("look_up", {"key": key})] * 2, reasoning=True))
        steps.append(Step(f"{key} is {ord(key)}.", reasoning=True))
    api = serve(Script([*steps, Step("all known", needs=["a is 97.", "b is 98.", "c is 99."])]))
    session = SQLiteSession("s", tmp_path / "session.db")
    async with api.client() as client:
        agent = Agent("clerk", tools=[look_up], model=model_class("gpt-5.4", client))
        for key in "abc":
            result = await run(agent, f"What is {key}?", session=session)
            assert result.final_output == f"{key} is {ord(key)}."
        await run(agent, "And now?", session=session)
    session.close()
    assert (refused(api), api.missing) == ([], [])
    sizes = [len(request.items) for request in api.requests]
    assert sizes == sorted(sizes)


async def test_a_handoff_from_one_api_to_the_other(run, serve):
    steps = [
        Step(calls=[("look_up", {"key": "a"})], reasoning=True),
        Step(calls=[("transfer_to_expert", {})]),
        Step(calls=[("look_up", {"key": "b"})]),
        Step("It is 98.", needs=["the value of a is 97", "the value of b is 98"]),
    ]
    api = serve(Script(steps))
    async with api.client() as client:
        expert = Agent(
            "expert", tools=[look_up], model=OpenAIChatCompletionsModel("gpt-5.4", client)
        )
        clerk = Agent(
            "clerk",
            tools=[look_up],
            handoffs=[expert],
            model=OpenAIResponsesModel("gpt-5.4", client),
        )
        result = await run(clerk, "What is b?")
    assert (result.final_output, result.last_agent.name) == ("It is 98.", "expert")
    assert (refused(api), api.missing) == ([], [])
    assert [request.api for request in api.requests] == ["responses"] * 2 + ["chat"] * 2


async def test_an_agent_that_stores_nothing_carries_its_encrypted_reasoning(run, serve):
    steps = [
        Step(calls=[("look_up", {"key": "a"})], reasoning=True),
        Step("It is 97.", reasoning=True),
    ]
    api = serve(Script(steps))
    settings = ModelSettings(store=False, response_include=["reasoning.encrypted_content"])
    async with api.client() as client:
        model = OpenAIResponsesModel("gpt-5.4", client)
        agent = Agent("clerk", tools=[look_up], model=model, model_settings=settings)
        await run(agent, "What is a?")
    assert refused(api) == []
    assert any(item.get("encrypted_content") for item in api.requests[1].items)


async def test_storing_nothing_without_encrypted_reasoning_fails_as_with_openai(run, serve):
    api = serve(Script([Step(calls=[("look_up", {"key": "a"})], reasoning=True)]))
    async with api.client() as client:
        model = OpenAIResponsesModel("gpt-5.4", client)
        settings = ModelSettings(store=False)
        agent = Agent("clerk", tools=[look_up], model=model, model_settings=settings)
        with pytest.raises(openai.NotFoundError, match="Items are not persisted when `store` is"):
            await run(agent, "What is a?")


@pytest.mark.parametrize(
    "options", [{"auto_previous_response_id": True}, {"conversation_id": "conv_1"}], ids=str
)
async def test_the_server_can_keep_the_history(options, run, serve):
    values = ["the value of a is 97", "the value of b is 98", "the value of c is 99"]
    steps = [Step(calls=[("look_up", {"key": key})], reasoning=True) for key in "abc"]
    api = serve(Script([*steps, Step("done", needs=values)]))
    async with api.client() as client:
        model = OpenAIResponsesModel("gpt-5.4", client)
        agent = Agent("clerk", tools=[look_up], model=model)
        result = await run(agent, "What are they?", **options)
    assert result.final_output == "done"
    assert (refused(api), api.missing) == ([], [])
    assert [len(request.items) for request in api.requests] == [1, 1, 1, 1]
    tokens = [request.tokens for request in api.requests]
    assert tokens == sorted(set(tokens))


async def test_a_structured_answer(run, model_class, serve):
    class Answer(BaseModel):
        key: str
        value: int

    text = json.dumps({"key": "a", "value": 97})
    api = serve(Script([Step(text)]))
    async with api.client() as client:
        agent = Agent("clerk", model=model_class("gpt-5.4", client), output_type=Answer)
        result = await run(agent, "What is a?")
    assert result.final_output == Answer(key="a", value=97)


# What the SDK raises for each way to say that the window is full: streamed, and at once.
BAD = openai.BadRequestError
OVERFLOWS = [
    (OpenAIResponsesModel, "http", (BAD, BAD)),
    (OpenAIResponsesModel, "sse_error", (openai.APIError, BAD)),
    (OpenAIResponsesModel, "sse_error_flat", (ModelBehaviorError, BAD)),
    (OpenAIResponsesModel, "sse_failed", (ModelBehaviorError, BAD)),
    (OpenAIResponsesModel, "llama_cpp", (BAD, BAD)),
    (OpenAIResponsesModel, "empty_stream", (ModelBehaviorError, BAD)),
    (OpenAIChatCompletionsModel, "http", (BAD, BAD)),
    (OpenAIChatCompletionsModel, "sse_error", (openai.APIError, BAD)),
    (OpenAIChatCompletionsModel, "llama_cpp", (BAD, BAD)),
    (OpenAIChatCompletionsModel, "empty_stream", (None, BAD)),
]


@pytest.mark.parametrize(("model_class", "overflow", "raised"), OVERFLOWS)
async def test_an_overflow_reaches_the_user_as_known(model_class, overflow, raised, run, serve):
    steps = [Step(calls=[("look_up", {"key": "a" * 4000})]), Step("done")]
    api = serve(Script(steps), context_window=1000, overflow=overflow)
    expected = raised[0] if run.streamed else raised[1]
    async with api.client() as client:
        agent = Agent("clerk", tools=[look_up], model=model_class("gpt-5.4", client))
        if expected is None:  # an empty Chat stream passes for an empty answer
            assert (await run(agent, "go")).final_output == ""
        else:
            with pytest.raises(expected) as caught:
                await run(agent, "go")
            assert type(caught.value) is expected
            if overflow == "llama_cpp":
                assert caught.value.type == "exceed_context_size_error"
                assert caught.value.body["n_ctx"] == 1000
            elif isinstance(caught.value, openai.APIError):
                assert caught.value.code == "context_length_exceeded"
    assert [request.error is None for request in api.requests] == [True, False]


async def test_a_response_that_was_cut_off_is_told_as_such(run, model_class, serve):
    api = serve(Script([Step("It is", incomplete="max_output_tokens")]))
    async with api.client() as client:
        agent = Agent("clerk", model=model_class("gpt-5.4", client))
        if model_class is OpenAIResponsesModel:
            with pytest.raises(ModelBehaviorError, match="incomplete"):
                await run(agent, "go")
        else:
            assert (await run(agent, "go")).final_output == "It is"
