"""Our own bridge: what it shows of a run, and where it stays away."""

import pytest
from agents import Agent, OpenAIResponsesModel, Runner, function_tool
from agents.tracing import add_trace_processor
from opentelemetry import trace
from opentelemetry.trace import StatusCode

import compact_otel
from compact_otel.testing import LocalOpenAI, Step
from tests.bridges.program import clerk_with_handoff, looks_up_then_hands_over
from tests.paths.program import MODEL, WAYS, talk

pytestmark = pytest.mark.parametrize("bridge", ["own"], indirect=True)
ways = pytest.mark.parametrize("way", list(WAYS))

SECRET = "xylophone-4711"


async def hand_over(way):
    with LocalOpenAI(looks_up_then_hands_over, context_window=None) as api:
        async with api.client() as client:
            await WAYS[way](clerk_with_handoff("responses", client), talk())


def names_and_parents(tree):
    """Return each span's name with its parent's; turns and calls come in pairs."""
    parents = [(span, tree.parent_of(span)) for span in tree.spans]
    return [(span.name, parent.name if parent else None) for span, parent in parents]


@ways
async def test_a_run_is_one_tree(way, tracing):
    tracing.compact_on()
    with tracing.application():
        await hand_over(way)
    found = names_and_parents(tracing.tree())
    # A guardrail runs beside the first call, below the turn or, in a stream, below the agent.
    assert [place for place in found if place[0] != "guardrail harmless"] == [
        ("application", None),
        ("invoke_workflow Agent workflow", "application"),
        ("invoke_agent Clara", "invoke_workflow Agent workflow"),
        ("turn 1", "invoke_agent Clara"),
        ("compact_context", "turn 1"),
        (f"chat {MODEL}", "turn 1"),
        ("execute_tool look_up", "turn 1"),
        ("turn 2", "invoke_agent Clara"),
        ("compact_context", "turn 2"),
        (f"chat {MODEL}", "turn 2"),
        ("handoff to Edgar", "turn 2"),
        ("invoke_agent Edgar", "invoke_workflow Agent workflow"),
        ("turn 3", "invoke_agent Edgar"),
        ("compact_context", "turn 3"),
        (f"chat {MODEL}", "turn 3"),
    ]
    assert len(found) == 16


async def test_a_model_span_has_the_usage_and_who_answered(tracing):
    tracing.compact_on()
    await hand_over("run")
    call = tracing.tree().model_spans[0]
    said = dict(call.attributes)
    assert said.pop("gen_ai.usage.input_tokens") > 0
    assert said.pop("gen_ai.usage.output_tokens") > 0
    assert said.pop("gen_ai.usage.cache_read.input_tokens") >= 0
    assert said.pop("gen_ai.response.id").startswith("resp_")
    assert said == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.model": MODEL,
        "gen_ai.conversation.compacted": True,
    }


@function_tool(failure_error_function=None)
def fails(secret: str) -> str:
    """Fail, and quote what it was given."""
    raise ValueError(f"cannot do {secret}")


def calls_what_fails(request):
    return Step(calls=[("fails", {"secret": SECRET})])


async def test_a_failure_is_marked_and_nothing_that_was_said_is_shown(tracing):
    tracing.compact_on()
    with LocalOpenAI(calls_what_fails, context_window=None) as api:
        async with api.client() as client:
            agent = Agent(
                "Clara", f"Keep {SECRET}.", model=OpenAIResponsesModel(MODEL, client), tools=[fails]
            )
            with pytest.raises(Exception, match=SECRET):
                await Runner.run(agent, f"Do {SECRET}.")
    tree = tracing.tree()
    (tool,) = [span for span in tree.spans if span.name == "execute_tool fails"]
    assert tool.status.status_code is StatusCode.ERROR
    assert tool.attributes["error.type"] == "_OTHER"
    assert SECRET not in "".join(span.to_json() for span in tree.spans)


@ways
async def test_who_runs_an_agent_has_the_same_span_current_afterwards(way, tracing):
    tracing.compact_on()
    with tracing.application() as application:
        await hand_over(way)
        assert trace.get_current_span() is application
    await hand_over(way)
    assert not trace.get_current_span().get_span_context().is_valid


class _Other:
    """Listens to the SDK's tracing, and is taken for whom it says it is."""

    def __init__(self, module):
        type(self).__module__ = module

    def __getattr__(self, name):
        return lambda *given, **named: None


@pytest.mark.parametrize(
    ("module", "agent_spans", "ours"),
    [
        ("openinference.instrumentation.openai_agents._processor", "auto", False),
        ("opentelemetry.instrumentation.openai_agents.span_processor", "auto", False),
        ("opentelemetry.instrumentation.openai_agents.span_processor", "on", True),
        ("an.application", "auto", True),
    ],
)
async def test_where_another_bridge_is_ours_stays_away(module, agent_spans, ours, tracing):
    add_trace_processor(_Other(module))
    tracing.compact_on(telemetry={"agent_spans": agent_spans})
    await hand_over("run")
    names = {span.name for span in tracing.tree().spans}
    assert ("invoke_agent Clara" in names) is ours
    assert "compact_context" in names


@pytest.mark.parametrize("options", [{"mode": "off"}, {"telemetry": {"agent_spans": "off"}}])
async def test_switched_off_it_shows_nothing(options, tracing):
    tracing.compact_on()
    await hand_over("run")
    compact_otel.uninstrument()
    tracing.tree()

    tracing.compact_on(**options)
    await hand_over("run")
    assert {span.name for span in tracing.tree().spans} <= {"compact_context"}
    compact_otel.uninstrument()
    await hand_over("run")
    assert not tracing.tree().spans
