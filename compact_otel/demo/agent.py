"""The agent of the recorded session, built with the real Agents SDK.

Its instructions, its tools and what the user says to it are recorded; who its model is decides the
client. It knows nothing of compact_otel.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agents import (
    Agent,
    Model,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    RunHooks,
    Runner,
    SQLiteSession,
    StopAtTools,
)
from agents.exceptions import AgentsException
from openai import APIError, OpenAIError

from compact_otel.demo.figures import TURN_NUMBER, Death, Played
from compact_otel.demo.recording import HANDS_OVER, Recording, Turn
from compact_otel.demo.tools import RecordedTools

if TYPE_CHECKING:
    from agents import ModelResponse, TResponseInputItem
    from openai import AsyncOpenAI
    from opentelemetry.trace import Tracer

    from compact_otel.demo.settings import Settings

_MOST_CALLS = 50  # of one turn; the SDK's own limit of 10 is below what the recording has


class _Meter(RunHooks[Any]):
    """Counts model calls and their input, by what the API reports."""

    def __init__(self) -> None:
        self.calls = 0
        self.peak = 0

    async def on_llm_start(
        self,
        context: Any,  # noqa: ARG002 - the SDK's signature
        agent: Any,  # noqa: ARG002 - the SDK's signature
        system_prompt: str | None,  # noqa: ARG002 - the SDK's signature
        input_items: list[TResponseInputItem],  # noqa: ARG002 - the SDK's signature
    ) -> None:
        self.calls += 1

    async def on_llm_end(
        self,
        context: Any,  # noqa: ARG002 - the SDK's signature
        agent: Any,  # noqa: ARG002 - the SDK's signature
        response: ModelResponse,
    ) -> None:
        self.peak = max(self.peak, response.usage.input_tokens)


async def play(
    recording: Recording,
    settings: Settings,
    *,
    client: AsyncOpenAI,
    tracer: Tracer,
    session_id: str,
    on_turn: Callable[[int], None],
) -> Played:
    """Let the agent live through the session, as far as it comes.

    Args:
        recording: What the user says and what the tools answer.
        settings: Model, API, and whether to stream.
        client: Where the model is; closed at the end.
        tracer: Makes one span a turn.
        session_id: Name of the SDK's session.
        on_turn: Told the number of every turn that is over.
    """
    kind = OpenAIChatCompletionsModel if settings.api == "chat" else OpenAIResponsesModel
    model: Model = kind(settings.model, client)
    agent = Agent(
        "airline-agent",
        instructions=recording.instructions,
        tools=[*RecordedTools(recording).functions()],
        tool_use_behavior=StopAtTools(stop_at_tool_names=[HANDS_OVER]),
        model=model,
        model_settings=ModelSettings(include_usage=True),  # or a Chat stream does not report it
    )
    meter, death, survived = _Meter(), None, 0
    session = SQLiteSession(session_id)  # in memory
    began = time.perf_counter()
    try:
        for turn in recording.turns:
            with tracer.start_as_current_span(
                f"turn {turn.number}", attributes={TURN_NUMBER: turn.number}
            ):
                await _take(turn, agent, session, meter, stream=settings.stream)
            survived = turn.number
            on_turn(survived)
    except (OpenAIError, AgentsException) as error:
        death = _death(error, survived + 1, meter.calls)
    finally:
        session.close()
        await client.close()
    return Played(
        survived=survived,
        model_calls=meter.calls,
        tokens_peak=meter.peak,
        duration_s=time.perf_counter() - began,
        death=death,
    )


async def _take(
    turn: Turn, agent: Agent[Any], session: SQLiteSession, meter: _Meter, *, stream: bool
) -> None:
    """Take one turn."""
    said: list[Any] = [dict(message) for message in turn.user]
    # The SDK's own tracing would send the conversation to OpenAI.
    config = RunConfig(tracing_disabled=True)
    if not stream:
        await Runner.run(
            agent, said, session=session, max_turns=_MOST_CALLS, hooks=meter, run_config=config
        )
        return
    result = Runner.run_streamed(
        agent, said, session=session, max_turns=_MOST_CALLS, hooks=meter, run_config=config
    )
    async for _ in result.stream_events():
        pass


def _death(error: OpenAIError | AgentsException, turn: int, model_call: int) -> Death:
    message = str(error)
    if isinstance(error, APIError) and isinstance(error.body, dict):
        message = str(error.body.get("message") or message)
    return Death(
        turn=turn,
        model_call=model_call,
        type=type(error).__name__,
        status=getattr(error, "status_code", None),
        code=getattr(error, "code", None),
        message=message,
    )
