"""Model classes of an application, run by the real runner: one decision for one call of the API."""

import json

import pytest
from agents import Agent, Model, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner
from openai import InternalServerError

from compact_otel.testing import LocalOpenAI, Step
from tests.paths.program import (
    MODEL,
    QUESTION,
    WAYS,
    WINDOW,
    look_up,
    looks_up_then_answers,
    talk,
    unchanged,
)
from tests.paths.test_agents import PAGES, read, reads_page_after_page

ANSWER = f"I found the record of {QUESTION}"
ways = pytest.mark.parametrize("way", list(WAYS))


class Fallback(Model):
    """Asks one model after the other until one answers."""

    def __init__(self, *models):
        self.models = models

    async def get_response(self, *args, **kwargs):
        for model in self.models[:-1]:
            try:
                return await model.get_response(*args, **kwargs)
            except InternalServerError:
                continue
        return await self.models[-1].get_response(*args, **kwargs)

    async def stream_response(self, *args, **kwargs):
        for model in self.models[:-1]:
            try:
                async for event in model.stream_response(*args, **kwargs):
                    yield event
            except InternalServerError:
                continue
            return
        async for event in self.models[-1].stream_response(*args, **kwargs):
            yield event


class Logged:
    """A mixin that is no Model."""

    def __init__(self, *args):
        super().__init__(*args)
        self.sizes = []

    async def get_response(self, system_instructions, input, *args, **kwargs):
        self.sizes.append(len(input))
        return await super().get_response(system_instructions, input, *args, **kwargs)

    async def stream_response(self, system_instructions, input, *args, **kwargs):
        self.sizes.append(len(input))
        async for event in super().stream_response(system_instructions, input, *args, **kwargs):
            yield event


class LoggedResponses(Logged, OpenAIResponsesModel):
    pass


class LoggedTwice(LoggedResponses):
    async def get_response(self, *args, **kwargs):
        return await super().get_response(*args, **kwargs)


@ways
async def test_a_model_that_falls_back_is_decided_once_for_all_it_asks(way, observed, switch_on):
    switch_on()
    down = LocalOpenAI(lambda request: Step(status=500))
    up = LocalOpenAI(looks_up_then_answers, context_window=WINDOW)
    with down, up, unchanged(talk()) as history, observed.program():
        async with down.client() as first, up.client() as second:
            model = Fallback(
                OpenAIResponsesModel(MODEL, first), OpenAIChatCompletionsModel(MODEL, second)
            )
            agent = Agent("clerk", tools=[look_up], model=model)
            assert (await WAYS[way](agent, history)).final_output == ANSWER
    observed.check(up)
    assert len(down.requests) == len(up.requests) == 2
    assert len(down.requests[0].items) == len(up.requests[0].items) < len(history)


@ways
@pytest.mark.parametrize("model_class", [LoggedResponses, LoggedTwice])
async def test_mixins_and_chains_of_super(model_class, way, observed, switch_on):
    switch_on()
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        async with api.client() as client:
            model = model_class(MODEL, client)
            with unchanged(talk()) as history, observed.program():
                result = await WAYS[way](Agent("clerk", tools=[look_up], model=model), history)
        assert result.final_output == ANSWER
        observed.check(api)
        assert model.sizes == [len(request.items) for request in api.requests]


class Asking(OpenAIResponsesModel):
    """Asks an agent before it answers, and passes on what that said."""

    expert: Agent

    async def get_response(self, system_instructions, input, *args, **kwargs):
        said = (await Runner.run(self.expert, "customer alpha", max_turns=20)).final_output
        return await super().get_response(said, input, *args, **kwargs)


def reads_or_answers(request):
    return reads_page_after_page(request) if "read" in request.tools else Step("Now I know.")


async def test_an_agent_that_a_model_runs_is_decided_by_its_own_history(observed, switch_on):
    switch_on()
    with LocalOpenAI(reads_or_answers, context_window=WINDOW) as api:
        async with api.client() as client:
            model = Asking(MODEL, client)
            model.expert = Agent("expert", tools=[read], model=OpenAIResponsesModel(MODEL, client))
            with unchanged(talk()) as history, observed.program():
                result = await WAYS["run"](Agent("chief", model=model), history)
        assert result.final_output == "Now I know."
        observed.check(api)
        *inner, outer = api.requests
        assert len(inner) == PAGES + 1
        assert outer.body["instructions"] == f"I read {PAGES} pages of alpha."
        assert not any("order #3 word" in json.dumps(request.items) for request in inner)
    assert observed.outcomes.count("compacted") == 2
