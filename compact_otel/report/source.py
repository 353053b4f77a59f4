"""A session as it was found, before anything is counted: histories, and what was done to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from compact_otel.core.items import is_generated
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import CallContext, Checkpoint, FixedTokens, Item, Window
from compact_otel.report.episodes import Episode

Kind = Literal["archive", "replay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A compaction.

    Attributes:
        number: Its number, 1 for the first.
        length: Items of the history that it was made of.
        record: What it left, None if that is no longer known.
        created: When its summary was stored, ISO 8601; '' if that is not known.
        note: What a caller said who compacted by hand, None otherwise.
        episode: What the events tell of it, None if they are gone.
    """

    number: int
    length: int
    record: Checkpoint | None
    created: str = ""
    note: str | None = None
    episode: Episode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A model call.

    Attributes:
        length: Items of the history in front of it.
        tokens: What it was measured at as it went out, None if it has to be worked out.
    """

    length: int
    tokens: int | None = None


@dataclass(slots=True, kw_only=True)
class Stretch:
    """A history that only grew.

    Attributes:
        items: All of it.
        start: How many of its items were told before, with another history.
        before: The compaction in force at its first call, None if there was none.
        steps: Its compactions, oldest first.
        seen: Its model calls; None: where its answers begin.
    """

    items: Sequence[Item]
    start: int = 0
    before: Checkpoint | None = None
    steps: list[Step] = field(default_factory=list)
    seen: list[Seen] | None = None

    def calls(self) -> list[Seen]:
        """Return its model calls, oldest first."""
        if self.seen is not None:
            return self.seen
        ends = {step.length for step in self.steps}
        answers = answers_in(self.items, max(1, self.start + 1), len(self.items))
        return [Seen(length=length) for length in sorted(ends.union(answers))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """All that is known of a session.

    Attributes:
        kind: Whether it happened (`archive`), or was played (`replay`).
        name: Its id, or the name of the file.
        call: What stood beside the items, as far as that is known; with a model.
        window: What the model takes in.
        policy: When compaction was due.
        fixed: Tokens beside the items.
        stretches: Its histories, oldest first.
        others: What happened in calls that were not compacted.
        notes: What a reader has to know to trust the figures.
    """

    kind: Kind
    name: str
    call: CallContext
    window: Window
    policy: CompactPolicy
    fixed: FixedTokens
    stretches: Sequence[Stretch]
    others: Sequence[Episode]
    notes: Sequence[str]


def answers_in(items: Sequence[Item], start: int, stop: int) -> list[int]:
    """Return where answers of the model begin: each was a call with the items before it."""
    return [
        index
        for index in range(max(1, start), stop)
        if is_generated(items[index]) and not is_generated(items[index - 1])
    ]
