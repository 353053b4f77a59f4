"""Runs with more than one agent, tool and model: each call is decided by its own history."""

import json
import re
from collections import Counter

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)
from pydantic import BaseModel, Field

from compact_otel.testing import LocalOpenAI, Step
from tests.paths.program import MODEL, WAYS, WINDOW, look_up, run, talk, unchanged

PAGES = 9
MODELS = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}
ways = pytest.mark.parametrize("way", ["run", "run_streamed"])
kinds = pytest.mark.parametrize("kind", list(MODELS))


@function_tool
def read(customer: str, page: int) -> str:
    """Read a page of a customer's file."""
    return f"page {page} of {customer}: " + f"{customer} paid order #{page} " * 120


def reads_page_after_page(request):
    """Play a model that reads a customer's file to its end, from the newest page it knows of."""
    customer = re.search(r"customer (\w+)", request.text)[1]
    newest = max(
        (int(n) for n in re.findall(rf"page (\d+) of {customer}", request.text)), default=0
    )
    if newest < PAGES:
        return Step(calls=[("read", {"customer": customer, "page": newest + 1})], reasoning=True)
    return Step(f"I read {newest} pages of {customer}.")


def delegates(request):
    """Play a chief that asks an expert about two customers at once, and the expert."""
    if "ask_expert" not in request.tools:
        return reads_page_after_page(request)
    if request.items[-1].get("role") == "user":
        asked = [("ask_expert", {"input": f"customer {name}"}) for name in ("alpha", "beta")]
        return Step(calls=asked, reasoning=True)
    return Step("Both are known.", needs=["9 pages of alpha", "9 pages of beta"])


@ways
@kinds
async def test_an_agent_as_a_tool_has_a_history_of_its_own(kind, way, observed, switch_on):
    switch_on()
    with LocalOpenAI(delegates, context_window=WINDOW) as api:
        with unchanged(talk()) as history, observed.program():
            async with api.client() as client:
                model = MODELS[kind](MODEL, client)
                expert = Agent("expert", tools=[read], model=model)
                tool = expert.as_tool("ask_expert", "Asks about a customer.", max_turns=20)
                result = await WAYS[way](Agent("chief", tools=[tool], model=model), history)
        assert result.final_output == "Both are known."
        assert api.missing == []
        observed.check(api)
        texts = [json.dumps(request.items) for request in api.requests if "tools" in request.body]
        inner = [text for text in texts if "ask_expert" not in text and "order #3" in text]
    compacted = observed.outcomes.count("compacted")
    assert compacted >= 3, "the chief's history and those of both experts"
    assert any("COMPACT-SUMMARY" in text for text in inner)
    assert not any("alpha" in text and "beta" in text for text in inner)


async def test_a_run_inside_a_tool_is_decided_below_the_tools_span(observed, switch_on):
    switch_on()
    tool_spans = []
    with LocalOpenAI(delegates, context_window=WINDOW) as api:
        async with api.client() as client:
            model = OpenAIResponsesModel(MODEL, client)
            expert = Agent("expert", tools=[read], model=model)

            @function_tool
            async def ask_expert(input: str) -> str:
                with observed.program("tool") as span:
                    tool_spans.append(span.get_span_context().span_id)
                    return (await Runner.run(expert, input, max_turns=20)).final_output

            with observed.program() as span:
                await run(Agent("chief", tools=[ask_expert], model=model), talk())
        assert {request.error for request in api.requests} == {None}
    parents = Counter(decision.parent.span_id for decision in observed.decisions)
    assert parents == {
        span.get_span_context().span_id: 2,
        **dict.fromkeys(tool_spans, PAGES + 1),
    }


def hands_over(request):
    """Play a clerk that hands over at once, and an expert that answers."""
    if "transfer_to_expert" in request.tools:
        return Step(calls=[("transfer_to_expert", {})], reasoning=True)
    return Step("The expert answers.")


@ways
async def test_a_handoff_to_a_smaller_model_of_another_api(way, observed, switch_on):
    """A history that fits the first model's window is compacted for the second one's."""
    switch_on(max_context_tokens=None)
    large, small = (
        LocalOpenAI(hands_over, context_window=12_289),
        LocalOpenAI(hands_over, context_window=6_144),
    )
    with large, small, unchanged(talk(22)) as history, observed.program():
        async with large.client() as first, small.client() as second:
            expert = Agent("expert", model=OpenAIChatCompletionsModel("gpt-4", second))
            clerk = Agent(
                "clerk", model=OpenAIResponsesModel("gpt-3.5-turbo", first), handoffs=[expert]
            )
            result = await WAYS[way](clerk, history)
    assert result.final_output == "The expert answers."
    observed.check(large, small)
    assert (len(large.requests), len(small.requests)) == (1, 1)
    assert observed.outcomes == ["skipped", "compacted"]
    assert observed.values("compact.window.size") == [16_385, 8_192]


def hands_over_to_a_reader(request):
    if "transfer_to_expert" in request.tools:
        return hands_over(request)
    return reads_page_after_page(request)


@ways
async def test_a_handoff_that_nests_the_history(way, observed, switch_on):
    """The expert gets all that was said as one message, so its history is compacted on its own."""
    switch_on()
    config = RunConfig(nest_handoff_history=True)
    with LocalOpenAI(hands_over_to_a_reader, context_window=WINDOW) as api:
        with unchanged(talk(8, "Tell me of customer alpha")) as history, observed.program():
            async with api.client() as client:
                model = OpenAIResponsesModel(MODEL, client)
                expert = Agent("expert", tools=[read], model=model)
                clerk = Agent("clerk", model=model, handoffs=[expert])
                result = await WAYS[way](clerk, history, run_config=config, max_turns=20)
        assert result.final_output == "I read 9 pages of alpha."
        observed.check(api)
        nested = ["<CONVERSATION HISTORY>" in str(request.items) for request in api.requests]
    assert nested[:2] == [False, True]


def looks_three_up_at_a_time(request):
    """Play a model that makes three calls in each response, eight times over."""
    newest = max(map(int, re.findall(r"record of (\d+)", request.text)), default=0)
    if newest < 24:
        asked = [("look_up", {"question": str(newest + n)}) for n in (1, 2, 3)]
        return Step("Let me see.", calls=asked, reasoning=True)
    return Step("I saw 24 records.")


@ways
@kinds
async def test_parallel_tool_calls_stay_with_their_outputs(kind, way, observed, switch_on):
    switch_on()

    @function_tool(name_override="look_up")
    def look_long_up(question: str) -> str:
        return f"record of {question}: " + f"order #{question} was paid " * 60

    with LocalOpenAI(looks_three_up_at_a_time, context_window=WINDOW) as api:
        with unchanged(talk(2)) as history, observed.program():
            async with api.client() as client:
                agent = Agent(
                    "clerk",
                    tools=[look_long_up],
                    model=MODELS[kind](MODEL, client),
                    model_settings=ModelSettings(parallel_tool_calls=True),
                )
                result = await WAYS[way](agent, history, max_turns=20)
        assert result.final_output == "I saw 24 records."
        assert len(api.requests) == 9
        observed.check(api)


class Report(BaseModel):
    """What is known of a customer."""

    customer: str = Field(description="The customer's name, " + "as it stands on the order, " * 200)
    paid: bool


@ways
@kinds
async def test_answer_schema_and_handoffs_count(kind, way, observed, switch_on):
    """They can be what a history does not fit beside."""
    switch_on()
    text = Report(customer="alpha", paid=True).model_dump_json()
    with LocalOpenAI(lambda request: Step(text), context_window=WINDOW) as api:
        async with api.client() as client:
            model = MODELS[kind](MODEL, client)
            expert = Agent("expert", handoff_description="Knows it all. " * 50)
            plain = Agent("clerk", tools=[look_up], model=model)
            typed = plain.clone(output_type=Report, handoffs=[expert])
            with unchanged(talk(9)) as history, observed.program():
                await WAYS[way](plain, history)
                result = await WAYS[way](typed, history)
        assert result.final_output == Report(customer="alpha", paid=True)
        observed.check(api)
        sent = [request.tokens for request in api.requests]
    assert observed.outcomes == ["skipped", "compacted"]
    skipped, compacted = observed.decisions
    schemas = [
        span.events[0].attributes["compact.tokens.tools_schema"] for span in (skipped, compacted)
    ]
    assert schemas[1] > schemas[0] + 1000
    assert skipped.attributes["compact.tokens.before"] == pytest.approx(sent[0], rel=0.01)
    assert compacted.attributes["compact.tokens.after"] == pytest.approx(sent[1], rel=0.01)
