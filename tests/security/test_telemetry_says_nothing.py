"""A canary in every place where a user's or a tool's text can be: no signal carries it."""

import contextlib

import pytest
from agents import Agent, ModelSettings, OpenAIResponsesModel, RunConfig, Runner, function_tool

import compact_otel
from compact_otel import InsufficientBudget, protect, recall_tool
from compact_otel.adapters import MemoryStorage
from compact_otel.core.types import CallContext, Message
from compact_otel.testing import LocalOpenAI, Step
from tests.histories import (
    Estimator,
    Storage,
    Summarizer,
    assistant,
    call,
    chat_calls,
    chat_output,
    manager,
    output,
    system,
    user,
)
from tests.telemetry.conftest import Signals

CANARY = "canary-7f3a"
LONG = f"{CANARY} " * 40
TOOL = {"type": "function", "name": CANARY, "description": CANARY, "parameters": {CANARY: CANARY}}
CALL = CallContext(
    model="gpt-4o",
    instructions=CANARY,
    tools=(TOOL,),
    output_schema={"title": CANARY},
    tool_choice=CANARY,
)


def history():
    parts = [{"type": "input_text", "text": LONG}, {"type": "input_image", "image_url": CANARY}]
    return [
        system(CANARY),
        {**user(LONG), "name": CANARY, "meta": {"note": CANARY}, "provider_data": {"x": CANARY}},
        user(parts),
        assistant(LONG),
        {
            "type": "reasoning",
            "id": "rs1",
            "summary": [{"text": CANARY}],
            "encrypted_content": CANARY,
        },
        call(CANARY, arguments=CANARY, id=CANARY),
        output(CANARY, parts),
        {**chat_calls(CANARY), "refusal": CANARY},
        chat_output(CANARY, LONG),
        {"type": CANARY, CANARY: CANARY},
        Message("user", LONG, {CANARY: CANARY}),
        protect(user(LONG)),
        assistant(LONG),
        user(CANARY),
    ]


class LeakingSummarizer(Summarizer):
    def summarize(self, request):
        raise ValueError(f"could not read {CANARY}")


class Repeating(Summarizer):
    def summarize(self, request):
        return CANARY


class LeakingEstimator(Estimator):
    def count_items(self, items, call):
        raise ValueError(CANARY)


class LeakingStorage(Storage):
    def save_transcript(self, session_id, messages):
        raise OSError(CANARY)


@pytest.fixture
def signals(monkeypatch):
    monkeypatch.delenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", raising=False)
    made = Signals()
    yield made
    compact_otel.uninstrument()
    made.shut()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"summarizer": Repeating()},
        {"summarizer": LeakingSummarizer()},
        {"estimator": LeakingEstimator()},
        {"storage": LeakingStorage()},
        {"limit": 60},
        {"mode": "observe"},
    ],
    ids=["compacted", "repeating", "summariser", "estimator", "storage", "budget", "observed"],
)
def test_no_word_is_in_any_signal(options, signals):
    made = manager(**{"limit": 700, "events": "both", **options}, **signals.providers)
    for ask in (made.preflight, made.manual_compact):
        with contextlib.suppress(InsufficientBudget):
            ask("s", history(), call=CALL)
    assert len(signals.ours) == 2
    assert signals.log_events
    assert signals.metrics
    assert CANARY not in signals.everything


@function_tool(name_override="look_up")
def look_up(question: str) -> str:
    """Return what is known."""
    return LONG


def looks_up_recalls_and_answers(request):
    """Play a model that puts the canary wherever a model can."""
    steps = [
        Step(calls=[("look_up", {"question": CANARY})], reasoning=True),
        Step(calls=[("recall_conversation", {"query": CANARY})]),
    ]
    return steps[request.number - 1] if request.number <= len(steps) else Step(CANARY)


async def test_no_word_of_a_run_of_the_agents_sdk_is_in_any_signal(signals):
    compact_otel.instrument(
        max_context_tokens=2500,
        hard_cap_buffer=0,
        keep_recent_turns=1,
        storage=MemoryStorage(),
        telemetry={"events": "both"},
        **signals.providers,
    )
    with LocalOpenAI(looks_up_recalls_and_answers) as api:
        agent = Agent(
            "Clerk",
            instructions=LONG,
            model=OpenAIResponsesModel("gpt-4o", api.client()),
            tools=[look_up, recall_tool()],
            model_settings=ModelSettings(metadata={"note": CANARY}),
        )
        asked = [item for n in range(12) for item in (user(f"{n}: {LONG}"), assistant(LONG))]
        with signals.tracer().start_as_current_span("application"):
            off = RunConfig(tracing_disabled=True)  # the SDK's own, which uploads
            done = await Runner.run(agent, [*asked, user(CANARY)], run_config=off)
    assert done.final_output == CANARY
    told = {event.name for event in [*signals.span_events, *signals.log_events]}
    assert {"compact.summary_created", "compact.recall"} <= told
    assert CANARY not in signals.everything
    assert "compact_context" in signals.everything


def test_the_canary_is_seen_where_content_is_asked_for(signals, monkeypatch):
    """Or the tests above could not fail."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    made = manager(700, summarizer=LeakingSummarizer(), **signals.providers)
    made.manual_compact("s", history(), call=CALL)
    assert CANARY in signals.everything
