"""The tools of the recorded session, as the Agents SDK takes them."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

from agents import FunctionTool

if TYPE_CHECKING:
    from compact_otel.core.types import Item
    from compact_otel.demo.recording import Recording

_NOT_RECORDED = "Error: this recording holds no answer to these arguments"


class RecordedTools:
    """The tools of the session: they answer what they answered then.

    The same question may have been answered differently as bookings changed, so the answers to it
    are given in their order, the last one for good.
    """

    def __init__(self, recording: Recording) -> None:
        self._schemas = recording.tools
        self._answers: dict[tuple[str, str], deque[str]] = {}
        for tool, arguments, output in recording.outputs:
            self._answers.setdefault((tool, _canonical(arguments)), deque()).append(output)

    def answer(self, tool: str, arguments: str) -> str:
        """Return the recorded output of a call, or an error text that a model can read."""
        answers = self._answers.get((tool, _canonical(arguments)))
        if answers is None:
            return _NOT_RECORDED
        return answers.popleft() if len(answers) > 1 else answers[0]

    def functions(self) -> list[FunctionTool]:
        """Return the tools as the SDK takes them."""
        return [self._function(schema) for schema in self._schemas]

    def _function(self, schema: Item) -> FunctionTool:
        name = schema["name"]

        async def invoke(_context: Any, arguments: str) -> str:
            return self.answer(name, arguments)

        return FunctionTool(
            name=name,
            description=schema["description"],
            params_json_schema=dict(schema["parameters"]),
            on_invoke_tool=invoke,
            strict_json_schema=False,  # the recorded schemas have optional members
        )


def _canonical(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except ValueError:  # a live model may write anything
        return arguments
