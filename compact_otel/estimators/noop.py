"""An estimator for tests: characters divided by a number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from compact_otel.core.errors import ConfigError
from compact_otel.core.types import FixedTokens
from compact_otel.estimators.items import leaves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compact_otel.core.types import CallContext, Item


class NoopEstimator:
    """A `TokenEstimator` whose counts can be told by looking: a token is so many characters.

    Counts the texts that a model would see: no ids, no roles, no framing, and nothing for pictures.
    No model counts like this; use it where a test needs sizes and no vocabulary.

    Args:
        chars_per_token: Characters that make a token, above 0.

    Raises:
        ConfigError: If `chars_per_token` is not above 0.

    Attributes:
        name: For telemetry.
    """

    name = "noop"

    def __init__(self, chars_per_token: float = 4) -> None:
        if not chars_per_token > 0:
            raise ConfigError(f"need `chars_per_token` > 0, got {chars_per_token!r}")
        self._chars_per_token = chars_per_token

    def count_text(self, text: str) -> int:
        """Return the characters of a text divided by `chars_per_token`, rounded up."""
        return math.ceil(len(text) / self._chars_per_token)

    def count_items(self, items: Sequence[Item], call: CallContext) -> list[int]:  # noqa: ARG002 - the protocol gives it
        """Return the tokens of each item, in the order given."""
        return [self._count(item) for item in items]

    def count_fixed(self, call: CallContext) -> FixedTokens:
        """Return the tokens of instructions, tools and output schema; framing is 0."""
        return FixedTokens(
            instructions=self._count(call.instructions),
            tools_schema=self._count([call.tools, call.output_schema]),
        )

    def _count(self, value: Any) -> int:
        chars = sum(len(leaf) for leaf in leaves(value) if isinstance(leaf, str))
        return math.ceil(chars / self._chars_per_token)
