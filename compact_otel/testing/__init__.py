"""A strict local imitation of OpenAI, to test that an agent survives what the real one refuses.

    from agents import Agent, OpenAIResponsesModel, RunConfig, Runner, function_tool
    from compact_otel.testing import LocalOpenAI, Script, Step

    @function_tool
    def find_order(order: str) -> str:
        return f"{order} left the warehouse on Monday."

    call = Step(calls=[("find_order", {"order": "A-17"})])
    script = Script([call, Step("Since Monday.", needs=["on Monday"])])
    with LocalOpenAI(script, context_window=8_000) as api:
        model = OpenAIResponsesModel("gpt-5.4", api.client())
        agent = Agent("clerk", tools=[find_order], model=model)
        config = RunConfig(tracing_disabled=True)
        result = Runner.run_sync(agent, "Is A-17 on its way?", run_config=config)
    assert result.final_output == "Since Monday."
    assert not api.missing  # the agent had all it needed
    assert all(request.error is None for request in api.requests)  # nothing was refused

It speaks HTTP on 127.0.0.1 (`/v1/responses`, also over a websocket, `/v1/responses/compact`,
`/v1/responses/input_tokens`, and `/v1/chat/completions`, streamed or not), counts tokens, and
enforces what OpenAI does, in OpenAI's
words: the pairing of calls and outputs, of reasoning and what follows it, ids, encrypted content,
lengths, and the context window. What the model says is a *behaviour*: a function from
`ModelRequest` to `Step`, or one of `Script`, `FirstMatch` and `Echo`.
"""

from compact_otel.testing.behaviour import (
    Echo,
    FirstMatch,
    Miss,
    ModelBehaviour,
    ModelRequest,
    Script,
    Step,
)
from compact_otel.testing.engine import RecordedRequest
from compact_otel.testing.errors import ApiError
from compact_otel.testing.server import LocalOpenAI
from compact_otel.testing.window import OverflowStyle

__all__ = [
    "ApiError",
    "Echo",
    "FirstMatch",
    "LocalOpenAI",
    "Miss",
    "ModelBehaviour",
    "ModelRequest",
    "OverflowStyle",
    "RecordedRequest",
    "Script",
    "Step",
]
