"""The estimator for OpenAI's models: tiktoken's vocabulary, and what the server puts around it.

Over recorded requests the median error is 0 %. The parts of the formula: `items` for the history,
`schemas` for tools and structured answers, `framing` for the constants. Every model counts with
o200k; of the old ones that have another vocabulary the texts come out within a few per cent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compact_otel.core.types import FixedTokens
from compact_otel.estimators import vocabulary
from compact_otel.estimators.framing import Framing, framing_for
from compact_otel.estimators.items import item_tokens
from compact_otel.estimators.schemas import output_schema_text, tools_text
from compact_otel.estimators.text import TextCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compact_otel.core.types import CallContext, Item

# Tools that the provider runs: what offering them costs. Their results come as items.
_HOSTED = {
    "web_search": 294,
    "web_search_preview": 294,
    "image_generation": 342,
    "custom": 142,
    "tool_search": 95,
}
_HOSTED_UNMEASURED = 300

_UNNAMED_CHOICES = (None, "auto", "none", "required")


class TiktokenEstimator:
    """A `TokenEstimator` that counts what OpenAI would, without asking anyone.

    The first count loads the vocabulary: about 0.4 s of work and 70 MB, once per process, from
    the installed package. Where that would be in the way, call `warm_up` in a thread. Counts are
    remembered by text, so a history costs only what is new in it. One estimator serves any number
    of sessions and threads.

    Attributes:
        name: For telemetry.
        incremental: What follows an item changes its tokens only if that is a user message or a
            compaction item; the first user message behind it settles them.
    """

    name = "tiktoken:o200k_base"
    incremental = True

    def __init__(self) -> None:
        self._counts = TextCounts()

    @property
    def is_warm(self) -> bool:
        """Whether the vocabulary is loaded, so that nothing here takes long."""
        return vocabulary.is_loaded()

    def warm_up(self) -> None:
        """Load the vocabulary if it is not loaded yet.

        Raises:
            RuntimeError: If the installed package is damaged; every count then raises it too.
        """
        vocabulary.o200k()

    def count_text(self, text: str) -> int:
        """Return the tokens of a text by itself."""
        return self._counts[text]

    def count_items(self, items: Sequence[Item], call: CallContext) -> list[int]:
        """Return the tokens of each item, framing included, in the order given."""
        return item_tokens(items, call, framing_for(call.model, call.api), self._counts)

    def count_fixed(self, call: CallContext) -> FixedTokens:
        """Return the tokens of instructions, tools, tool choice, output schema and framing."""
        framing = framing_for(call.model, call.api)
        instructions = 0
        if call.instructions is not None:
            instructions = framing.message + self._counts[call.instructions]
        return FixedTokens(
            instructions=instructions,
            tools_schema=self._offered(call, framing),
            framing=framing.request,
        )

    def _offered(self, call: CallContext, framing: Framing) -> int:
        """Return the tokens of what the model may call and how it must answer."""
        functions = [tool for tool in call.tools if tool.get("type") == "function"]
        tokens = sum(
            _HOSTED.get(str(tool.get("type")), _HOSTED_UNMEASURED)
            for tool in call.tools
            if tool.get("type") != "function"
        )
        if functions:
            tokens += framing.tools - framing.further_tool * (len(functions) - 1)
            tokens += self._counts[tools_text(functions)]
        if call.output_schema is not None:
            tokens += framing.schema + self._counts[output_schema_text(call.output_schema)]
        if tokens and call.instructions is None:
            tokens += framing.made_up_system
        if call.tool_choice not in _UNNAMED_CHOICES:
            tokens += framing.named_choice
        return tokens
