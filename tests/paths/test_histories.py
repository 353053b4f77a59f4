"""Where the history lives: at the server, in a session, or rewritten by the SDK on its way."""

import functools

import pytest
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    SessionSettings,
    SQLiteSession,
)
from agents.run import ModelInputData
from openai import BadRequestError

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
MODELS = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}
ways = pytest.mark.parametrize("way", ["run", "run_streamed"])
kinds = pytest.mark.parametrize("kind", list(MODELS))


class Between(OpenAIResponsesModel):
    """Sees what the runner gives to us, and what we give to the model."""

    def __init__(self, *args):
        super().__init__(*args)
        self.given, self.taken = [], []
        for name in ("get_response", "stream_response"):  # on the object: in front of our wrapper
            setattr(self, name, functools.partial(self._called, name))

    def _called(self, name, *args, **kwargs):
        self.given.append(kwargs["input"] if "input" in kwargs else args[1])
        return getattr(type(self), name).__get__(self)(*args, **kwargs)

    async def get_response(self, system_instructions, input, *args, **kwargs):
        self.taken.append(input)
        return await super().get_response(system_instructions, input, *args, **kwargs)

    async def stream_response(self, system_instructions, input, *args, **kwargs):
        self.taken.append(input)
        async for event in super().stream_response(system_instructions, input, *args, **kwargs):
            yield event


def greets_or_looks_up(request):
    return Step("hello") if request.newest_user_text == "hello" else looks_up_then_answers(request)


@ways
@pytest.mark.parametrize("chain", ["previous_response_id", "conversation_id"])
async def test_a_history_that_the_server_keeps_goes_out_as_it_is(chain, way, observed, switch_on):
    switch_on()
    with LocalOpenAI(greets_or_looks_up, context_window=3 * WINDOW) as api:
        async with api.client() as client:
            ident = "conv_1"
            if chain == "previous_response_id":
                ident = (await client.responses.create(model=MODEL, input="hello")).id
                api.clear()
            model = Between(MODEL, client)
            agent = Agent("clerk", tools=[look_up], model=model)
            with unchanged(talk()) as history, observed.program():
                result = await WAYS[way](agent, history, **{chain: ident})
        assert result.final_output == ANSWER
        assert [request.error for request in api.requests] == [None, None]
        assert [len(request.items) for request in api.requests] == [len(history), 1]
    assert all(taken is given for taken, given in zip(model.taken, model.given, strict=True))
    assert observed.outcomes == ["skipped", "skipped"]
    assert observed.values("compact.trigger.reason") == ["server_managed"] * 2
    observed.check_parents()


@ways
async def test_a_chain_that_is_yet_to_begin_begins_compacted(way, observed, switch_on):
    """With `auto_previous_response_id` the first call brings all, later ones what is new."""
    switch_on()
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        async with api.client() as client:
            model = Between(MODEL, client)
            agent = Agent("clerk", tools=[look_up], model=model)
            with unchanged(talk()) as history, observed.program():
                result = await WAYS[way](agent, history, auto_previous_response_id=True)
        assert result.final_output == ANSWER
        observed.check(api)
        assert len(api.requests[1].items) == 1
    assert observed.outcomes == ["compacted", "skipped"]
    assert model.taken[1] is model.given[1]
    assert observed.values("compact.trigger.reason")[1] == "server_managed"


@ways
@kinds
async def test_a_session_that_gives_only_its_newest_items(kind, way, observed, switch_on):
    """The window over the session slides, so each run brings a history that begins elsewhere."""
    switch_on()
    session = SQLiteSession("sliding")
    config = RunConfig(session_settings=SessionSettings(limit=31))
    await session.add_items(talk(20)[:-1])
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
        async with api.client() as client:
            agent = Agent("clerk", tools=[look_up], model=MODELS[kind](MODEL, client))
            with observed.program():
                for _ in range(3):
                    result = await WAYS[way](agent, QUESTION, session=session, run_config=config)
                    assert result.final_output == ANSWER
        assert len(api.requests) == 6
        observed.check(api)
    stored = await session.get_items()
    session.close()
    assert "COMPACT-SUMMARY" not in str(stored)
    assert stored[:40] == talk(20)[:-1]


def without_ids(call):
    """Strip the other ids, too, as users do whose model refuses calls without their reasoning."""
    items = [{name: item[name] for name in item if name != "id"} for item in call.model_data.input]
    return ModelInputData(input=items, instructions=call.model_data.instructions)


@ways
@pytest.mark.parametrize("ids", ["kept", "stripped"])
async def test_reasoning_stays_with_what_follows_it(ids, way, observed, switch_on):
    switch_on()
    config = RunConfig()
    if ids == "stripped":
        config = RunConfig(reasoning_item_id_policy="omit", call_model_input_filter=without_ids)
    with LocalOpenAI(reads_page_after_page, context_window=WINDOW) as api:
        async with api.client() as client:
            agent = Agent("reader", tools=[read], model=OpenAIResponsesModel(MODEL, client))
            with unchanged(talk(4, "Tell me of customer alpha")) as history, observed.program():
                result = await WAYS[way](agent, history, run_config=config, max_turns=20)
        assert result.final_output == f"I read {PAGES} pages of alpha."
        observed.check(api)
        items = [item for request in api.requests for item in request.items]
    reasoning = [item for item in items if item.get("type") == "reasoning"]
    assert {"id" in item for item in reasoning} == {ids == "kept"}


@ways
async def test_what_is_refused_without_us_is_refused_with_us_and_not_sent_twice(
    way, observed, switch_on
):
    """Without the reasoning's ids alone, calls name a reasoning item that is not there."""
    config = RunConfig(reasoning_item_id_policy="omit")
    refusals = []
    with LocalOpenAI(reads_page_after_page, context_window=WINDOW) as api:
        async with api.client() as client:
            agent = Agent("reader", tools=[read], model=OpenAIResponsesModel(MODEL, client))
            for _ in range(2):
                with pytest.raises(BadRequestError, match="without its required 'reasoning'"):
                    await WAYS[way](agent, "Tell me of customer alpha", run_config=config)
                refusals.append([request.status for request in api.requests])
                api.clear()
                switch_on()
    assert refusals == [[200, 400], [200, 400]]
    assert observed.outcomes == ["skipped", "skipped"]
