"""The estimator for OpenAI's models: tiktoken's vocabulary, and what the server puts around it.

Over recorded requests the median error is 0 %. The parts of the formula: `items` for the history,
`media` for pictures and files, `schemas` for tools and structured answers, `framing` for the
constants. Texts of gpt-4 and gpt-3.5 are counted with cl100k, all others with o200k; for models of
other makers what comes out is scaled to their tokenisers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compact_otel.core.types import FixedTokens
from compact_otel.estimators import vocabulary
from compact_otel.estimators.framing import Framing, framing_for
from compact_otel.estimators.items import item_tokens
from compact_otel.estimators.media import MediaPrices
from compact_otel.estimators.offered import offered_tokens
from compact_otel.estimators.text import ByText, ScaledCounts, TextCounts
from compact_otel.estimators.vocabulary import PUBLISHED
from compact_otel.model_names import EncodingName, understood

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compact_otel.core.types import CallContext, Item


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
        texts = {name: TextCounts(name) for name in PUBLISHED}
        self._texts = texts["o200k_base"]
        self._counts: dict[tuple[EncodingName, float], ByText[int]] = {
            (name, 1.0): counts for name, counts in texts.items()
        }
        self._media = MediaPrices()

    @property
    def is_warm(self) -> bool:
        """Whether the vocabulary of today's models is loaded, so that nothing here takes long."""
        return self.is_warm_for(None)

    def is_warm_for(self, model: str | None) -> bool:
        """Say the same of a model; those of 2023 have another vocabulary."""
        return vocabulary.is_loaded(understood(model).encoding)

    def warm_up(self, model: str | None = None) -> None:
        """Load the vocabulary of a model, None for one of today, if it is not loaded yet.

        Raises:
            RuntimeError: If the installed package is damaged; every count then raises it too.
        """
        vocabulary.encoding(understood(model).encoding)

    def count_text(self, text: str) -> int:
        """Return the tokens of a text by itself, for a model of today."""
        return self._texts[text]

    def count_items(self, items: Sequence[Item], call: CallContext) -> list[int]:
        """Return the tokens of each item, framing included, in the order given."""
        framing = framing_for(call.model, call.api)
        return item_tokens(items, call, framing, self._counts_for(call, framing), self._media)

    def count_fixed(self, call: CallContext) -> FixedTokens:
        """Return the tokens of instructions, tools, tool choice, output schema and framing."""
        framing = framing_for(call.model, call.api)
        counts = self._counts_for(call, framing)
        instructions = 0
        if call.instructions is not None:
            instructions = framing.message + counts[call.instructions]
        return FixedTokens(
            instructions=instructions,
            tools_schema=offered_tokens(call, framing, counts),
            framing=framing.request,
        )

    def _counts_for(self, call: CallContext, framing: Framing) -> ByText[int]:
        """Return the counts of texts for a model."""
        key = (understood(call.model).encoding, framing.ratio)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts.setdefault(key, ScaledCounts(self._texts, framing.ratio))
        return counts
