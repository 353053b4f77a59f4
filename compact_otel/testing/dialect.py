"""What the two APIs have in common: the same request to the model in two forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from compact_otel.core.types import Item
from compact_otel.testing.behaviour import Step
from compact_otel.testing.stream import Event


@dataclass(frozen=True, slots=True)
class Turn:
    """A request that was accepted, and what the model does about it.

    Attributes:
        body: The request.
        items: All its items or messages, those of a server-managed chain in front.
        step: The step that is played.
    """

    body: Mapping[str, Any]
    items: Sequence[Item]
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The tokens of a turn; `output` includes `reasoning`, and `input` includes `cached`."""

    input: int
    cached: int
    output: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A turn's answer in both forms.

    Attributes:
        body: What is answered at once.
        events: What is streamed instead.
    """

    body: dict[str, Any]
    events: Iterator[Event]


class Dialect(Protocol):
    """One API: which requests it takes and how it writes its answers."""

    def admit(self, body: Any) -> Sequence[Item]:
        """Return all items of a request.

        Raises:
            ApiError: If the API would refuse it.
        """
        ...

    def generate(self, turn: Turn) -> list[Item]:
        """Return what the model puts out, in the form in which it may come back as input."""
        ...

    def answer(self, turn: Turn, output: list[Item], usage: Usage) -> Answer:
        """Return the answer, and remember what later requests may refer to."""
        ...
