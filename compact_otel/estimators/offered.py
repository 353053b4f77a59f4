"""What it costs that a model may call tools, and must answer in a form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compact_otel.estimators.schemas import output_schema_text, tools_json, tools_text

if TYPE_CHECKING:
    from compact_otel.core.types import CallContext
    from compact_otel.estimators.framing import Framing
    from compact_otel.estimators.text import ByText

# Tools that the provider runs: what offering them costs. Their results come as items.
_HOSTED = {
    "web_search": 294,
    "web_search_preview": 294,
    "image_generation": 342,
    "code_interpreter": 660,
    "custom": 142,
    "tool_search": 95,
}
_HOSTED_UNMEASURED = 300

_UNNAMED_CHOICES = (None, "auto", "none", "required")


def offered_tokens(call: CallContext, framing: Framing, counts: ByText[int]) -> int:
    """Return the tokens of tools, tool choice and output schema."""
    functions = [tool for tool in call.tools if tool.get("type") == "function"]
    tokens = sum(
        _HOSTED.get(str(tool.get("type")), _HOSTED_UNMEASURED)
        for tool in call.tools
        if tool.get("type") != "function"
    )
    if functions:
        tokens += framing.tools - framing.further_tool * (len(functions) - 1)
        text = tools_text(functions) if framing.declares_types else tools_json(functions)
        tokens += counts[text]
    if call.output_schema is not None:
        tokens += framing.schema + counts[output_schema_text(call.output_schema)]
    if tokens and call.instructions is None:
        tokens += framing.made_up_system
    if call.tool_choice not in _UNNAMED_CHOICES:
        tokens += framing.named_choice
    return tokens
