"""From a model's name to what it takes in.

The context window counts input and output together; what a request may hold is the window minus
the model's longest output. Figures: the providers' model pages, as collected by genai-prices and
the Agents SDK (2026-11).
"""

from __future__ import annotations

import logging
import re

from compact_otel.core.types import Window
from compact_otel.forks import mutex
from compact_otel.overflow import Overflow

_log = logging.getLogger("compact_otel")

_UNKNOWN = Window(size=128_000, output_reserve=16_384, source="default")

# The first pattern that fits the beginning of the name decides.
_CATALOG: tuple[tuple[str, int, int], ...] = (
    (r".*-chat-latest$", 128_000, 16_384),
    (r"gpt-5\.4-(mini|nano)", 400_000, 128_000),
    (r"gpt-5\.[456]|gpt-6", 1_050_000, 128_000),
    (r"gpt-5", 400_000, 128_000),
    (r"gpt-4\.1", 1_047_576, 32_768),
    (r"gpt-4o|chatgpt-4o", 128_000, 16_384),
    (r"o1-(mini|preview)", 128_000, 65_536),
    (r"o[134]", 200_000, 100_000),
    (r"gpt-oss", 131_072, 32_768),
    (r"gpt-4-(turbo|1106|0125|vision)", 128_000, 4_096),
    (r"gpt-4-32k", 32_768, 4_096),
    (r"gpt-4\.5", 128_000, 16_384),
    (r"gpt-4", 8_192, 2_048),
    (r"gpt-3\.5|gpt-35", 16_385, 4_096),
    (r"computer-use", 8_192, 1_024),
    (r".*claude", 200_000, 32_000),
    (r"gemini", 1_000_000, 65_536),
)
_PATTERNS = tuple((re.compile(p, re.IGNORECASE), size, out) for p, size, out in _CATALOG)


class Windows:
    """What each model takes in: what is set or listed, unless a refusal has proved it smaller."""

    def __init__(self) -> None:
        self._learned: dict[str | None, int] = {}
        self._warned: set[str | None] = set()
        self._lock = mutex()

    def of(self, model: str | None, max_context_tokens: int | None = None) -> Window:
        """Return what a model takes in; of an unknown one 128,000 tokens, with one warning.

        Args:
            model: Name as given to the SDK; None if a stored prompt chooses the model.
            max_context_tokens: What the user says of the input; None for the list.
        """
        window = self._believed(model, max_context_tokens)
        learned = self._learned.get(model)
        if learned is None or learned >= window.input_limit:
            return window
        return Window(size=learned, source="learned")

    def _believed(self, model: str | None, said: int | None) -> Window:
        if said is not None:
            return Window(size=said, source="config")
        if model is not None:
            for pattern, size, output in _PATTERNS:
                if pattern.match(base_name(model)):
                    return Window(size=size, output_reserve=output, source="catalog")
        if model not in self._warned:
            self._warned.add(model)
            _log.warning(
                "no context window is known for model %r: assuming %d tokens. "
                "Set `max_context_tokens` (COMPACT_MAX_CONTEXT_TOKENS) to its real size.",
                model,
                _UNKNOWN.size,
            )
        return _UNKNOWN

    def learn(self, model: str | None, estimate: int, refused: Overflow) -> None:
        """Remember the largest input that a model can have, going by what it refused.

        Args:
            model: The model.
            estimate: Tokens of the refused call as we count them, 0 if unknown.
            refused: What the provider says; its numbers are in its own tokens, so they are scaled
                to ours where it gives its count of the call, too.
        """
        limit = refused.limit or estimate
        if refused.limit and refused.used and estimate > 0:
            limit = estimate * refused.limit // refused.used
        if estimate > 0:
            limit = min(limit, estimate)
        if limit > 0:
            with self._lock:
                self._learned[model] = min(limit, self._learned.get(model, limit))


def base_name(model: str) -> str:
    """Return a model's name without provider prefixes and `ft:`: `azure/ft:gpt-4o` is `gpt-4o`."""
    return model.rpartition("/")[2].removeprefix("ft:")
