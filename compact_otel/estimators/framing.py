"""What a provider adds around our text: the constants of the token formula.

Read off several hundred requests to OpenAI and Azure and the usage that came back. Two families of
models wrap a conversation differently: those that speak the harmony format (`o1` and later, `gpt-5`
and later, `gpt-oss`; https://github.com/openai/harmony), and all others, for which the constants of
`gpt-4o` stand.

The tokenisers of other makers are not public. Of them is known how many tokens they make of a text
for each one of o200k, from some hundred requests; what is in doubt, the usage of the first answer
settles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from compact_otel.model_names import understood

if TYPE_CHECKING:
    from compact_otel.model_names import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """Tokens that come on top of names, arguments and texts.

    Attributes:
        request: An empty request.
        message: A message.
        assistant: A message of the assistant.
        call: A tool call; its name counts twice, as the output carries it again.
        parallel: More for each of several calls in one Chat message.
        output: A tool output.
        tools: Function tools, beside their declarations.
        further_tool: Taken off for each function tool but the first.
        schema: An output schema, with a name of usual length.
        made_up_system: The system message that the server adds if tools or a schema come without.
        named_choice: A `tool_choice` that names a tool.
        ratio: Tokens of a text for each one of our vocabulary.
        declares_types: Whether the model is shown tools as TypeScript and not as JSON.
    """

    request: int
    message: int = 4
    assistant: int
    call: int
    parallel: int = 0
    output: int
    tools: int
    further_tool: int = 0
    schema: int = 9
    made_up_system: int = 0
    named_choice: int = 0
    ratio: float = 1.0
    declares_types: bool = True


_RESPONSES = Framing(
    request=3, assistant=4, call=7, output=7, tools=2, further_tool=1, named_choice=16
)
_CHAT = Framing(
    request=3,
    assistant=4,
    call=6,
    parallel=5,
    output=7,
    tools=4,
    further_tool=1,
    made_up_system=4,
    named_choice=16,
)
_HARMONY_RESPONSES = Framing(request=2, assistant=6, call=10, output=8, tools=8)
_HARMONY_CHAT = Framing(request=2, assistant=6, call=9, output=10, tools=90)
_CLAUDE = Framing(
    request=3, assistant=4, call=5, output=7, tools=350, ratio=1.15, declares_types=False
)
_OTHERS: dict[Family, Framing] = {
    "claude": _CLAUDE,
    "claude-new": replace(_CLAUDE, ratio=1.41),
    "gemini": Framing(
        request=0, assistant=4, call=5, output=7, tools=0, ratio=1.07, declares_types=False
    ),
    "open": Framing(
        request=3, assistant=4, call=5, output=7, tools=0, ratio=1.15, declares_types=False
    ),
}


@lru_cache(maxsize=1024)
def framing_for(model: str | None, api: Literal["responses", "chat"]) -> Framing:
    """Return the constants for a model name as given to the SDK, a provider prefix included."""
    family = understood(model).family
    if family in _OTHERS:
        return _OTHERS[family]
    if family == "harmony":
        return _HARMONY_RESPONSES if api == "responses" else _HARMONY_CHAT
    return _RESPONSES if api == "responses" else _CHAT
