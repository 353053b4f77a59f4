"""What a call has at most and about, before a vocabulary is there.

A token has at least one byte, so a call with fewer bytes than a threshold has fewer tokens. Many
programs never come near their window: they need no vocabulary, and not its time and memory.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from compact_otel.estimators.framing import framing_for
from compact_otel.estimators.items import item_tokens
from compact_otel.estimators.offered import offered_tokens
from compact_otel.estimators.text import ByText
from compact_otel.estimators.tiktoken import TiktokenEstimator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compact_otel.core.types import CallContext, Item
    from compact_otel.estimators.framing import Framing

# About what the patterns of OpenAI's vocabularies cut a text into.
_PIECES = re.compile(
    r"[A-Z]?[a-z]+|[A-Z]+|[0-9]{1,3}|[^\sA-Za-z0-9\x80-\U0010ffff]+"
    r"|\s*\n\s*|[ \t]{2,}|[\x80-\U0010ffff]"
)
_USUAL_WORD = 11
"""Letters; a longer word has a token more for every six."""

_USUAL_SIGNS = 8
"""Signs in a row; each behind the first is a fifth of a token, beyond these a sixteenth."""

_BEYOND_ASCII = 0.7
"""Tokens of a character beyond ASCII: between 0.3 (Cyrillic) and 2 (emoji)."""


class RoughEstimator(TiktokenEstimator):
    """A `TokenEstimator` without a vocabulary: within 5 % for most texts of a page or more.

    Attributes:
        name: For telemetry.
    """

    name = "pieces"

    def __init__(self) -> None:
        super().__init__()
        self._guesses = _Guesses()
        self._bytes = _Bytes()

    def is_warm_for(self, model: str | None) -> bool:
        """Say that nothing here takes long: there is nothing to load."""
        del model
        return True

    def most(self, items: Sequence[Item], call: CallContext) -> int:
        """Return what a call has at most, for any vocabulary of bytes."""
        framing = framing_for(call.model, call.api)
        instructions = framing.message + self._bytes[call.instructions or ""]
        offered = offered_tokens(call, framing, self._bytes)
        counts = item_tokens(items, call, framing, self._bytes, self._media)
        return framing.request + instructions + offered + sum(counts)

    def _counts_for(self, call: CallContext, framing: Framing) -> ByText[int]:
        del call, framing  # what other vocabularies make of a text lies within the error
        return self._guesses


class _Bytes(ByText[int]):
    __slots__ = ()

    def _worked_out(self, text: str) -> int:
        return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class _Guesses(ByText[int]):
    __slots__ = ()

    def _worked_out(self, text: str) -> int:
        return round(sum(map(_tokens, _PIECES.findall(text))))


def _tokens(piece: str) -> float:
    first, length = piece[0], len(piece)
    if not first.isascii():
        return _BEYOND_ASCII
    if first.isalpha():
        return 1 + max(0, length - _USUAL_WORD) / 6
    if first.isalnum() or first.isspace():
        return 1
    usual = min(length, _USUAL_SIGNS)
    return 1 + (usual - 1) / 5 + (length - usual) / 16
