"""Which values of what was removed a summary still says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compact_otel.core.facts.salience import Vocabulary

_TELLING = 2.0
"""Forms below this weight, such as years and single capitals, stand everywhere."""


class Carried:
    """Collects the values of what is removed, and finds them in summaries."""

    def __init__(self) -> None:
        self._vocabulary = Vocabulary()
        self._values: set[str] = set()

    def add(self, texts: Iterable[str]) -> None:
        """Take in what is removed."""
        for text in texts:
            self._values.update(self._vocabulary.values_in(text))

    def places_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of each telling value in a text that stood in what was removed."""
        weights = self._vocabulary.form_weights
        for start, end, value in self._vocabulary.places_in(text):
            if value in self._values and weights.get(value, 0.0) >= _TELLING:
                yield start, end
