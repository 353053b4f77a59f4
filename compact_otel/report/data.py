"""What a report shows, as data: texts are redacted. The page and `--json` are two forms of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from compact_otel.core import events
from compact_otel.core.policy import Limits
from compact_otel.core.types import Window
from compact_otel.report.source import Kind
from compact_otel.report.tally import Layers

What = Literal["summarised", "cleared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A model call.

    Attributes:
        number: 1 for the first.
        items: Items of the whole history in front of it.
        tokens: What went out.
        tokens_whole: What would have gone out without any compaction.
        layers: `tokens` by what they are spent on.
        compactions: Numbers of the compactions that were made for it.
        measured: Whether `tokens` was measured then, or is worked out.
    """

    number: int
    items: int
    tokens: int
    tokens_whole: int
    layers: Layers
    compactions: tuple[int, ...]
    measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryShown:
    """A summary.

    Attributes:
        version: The N of its frame.
        strategy: The strategy that made it.
        prose: What the summariser wrote.
        put_back: What was put back into it since the summariser had left it out; '' for nothing.
        left_out: Characters of both that are not there, as it is very long.
        carried: Places in `prose` of values that stood in what was removed.
        created: What the events tell of it, None if nothing; a summary may be older than its event.
    """

    version: int
    strategy: str
    prose: str
    put_back: str
    left_out: int
    carried: tuple[tuple[int, int], ...]
    created: events.SummaryCreated | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """A compaction.

    Attributes:
        number: 1 for the first; an archive's own number for it.
        call: The number of the call it was made for.
        when: ISO 8601 in UTC, '' if unknown or played.
        trigger: What asked for it, None if that is not known.
        reason: Why it was due, None if that is not known.
        note: What a caller said who compacted by hand, None otherwise.
        tokens_before: The call without it.
        tokens_after: The call with it.
        layers_before: `tokens_before` by what they are spent on.
        layers_after: `tokens_after` likewise.
        items_before: Messages that would have gone out.
        items_after: Messages that went out.
        summarised: Items that it dropped for a summary; None if that is not known.
        cleared: Outputs of tools that got a line in their place; None if that is not known.
        stands_for: Items that its summary stands for, earlier ones included; None likewise.
        stayed: What was kept and by which counts, None if that is not known.
        policy: The keep counts that it was made with, None if they are not known.
        summary: The summary in force from here on, None if there is none or it is gone.
        cache: What it was expected to do to the provider's cache, None if that is not known.
        calls_after: Model calls that were seen before the next compaction, this one included.
        failures: What went wrong on the way.
        rescue: The refusal that it answers, None without one.
    """

    number: int
    call: int
    when: str
    trigger: str | None
    reason: str | None
    note: str | None
    tokens_before: int
    tokens_after: int
    layers_before: Layers
    layers_after: Layers
    items_before: int | None
    items_after: int | None
    summarised: int | None
    cleared: int | None
    stands_for: int | None
    stayed: events.PrunedMessages | None
    policy: events.PolicyApplied | None
    summary: SummaryShown | None
    cache: events.CacheEffect | None
    calls_after: int
    failures: tuple[str, ...]
    rescue: events.Rescue | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """An item that left the context.

    Attributes:
        index: Its place in the history, from 0.
        compaction: Number of the compaction that removed it.
        what: Whether a summary stands for it, or a line for its output.
        kind: Its role or type.
        tool: Name of the tool that it calls or answers for, None without one.
        tokens: What it cost.
        text: How its text begins, redacted.
        left_out: Characters of it that are not in `text`.
    """

    index: int
    compaction: int
    what: What
    kind: str
    tool: str | None
    tokens: int
    text: str
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """What happened in a call that was not compacted.

    Attributes:
        when: ISO 8601 in UTC, '' if unknown.
        what: In a few words.
    """

    when: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is shown; texts are redacted.

    Attributes:
        kind: Whether it happened or was played.
        name: Of the session or the file.
        model: The model, as far as it is known.
        window: What it takes in.
        limits: When compaction was due, and what it aimed for.
        calls: Model calls, oldest first.
        compactions: Compactions, oldest first.
        removed: Items that left the context, oldest first.
        removed_in_all: How many there are; `removed` may hold the newest of them only.
        others: What else happened.
        notes: What a reader has to know to trust the figures.
        redacted: Whether texts went through redaction.
    """

    kind: Kind
    name: str
    model: str
    window: Window
    limits: Limits
    calls: tuple[Call, ...]
    compactions: tuple[Compaction, ...]
    removed: tuple[Removed, ...]
    removed_in_all: int
    others: tuple[Other, ...]
    notes: tuple[str, ...]
    redacted: bool

    @property
    def tokens_sent(self) -> int:
        """Tokens of all calls together."""
        return sum(call.tokens for call in self.calls)

    @property
    def tokens_whole(self) -> int:
        """What they would have had without any compaction."""
        return sum(call.tokens_whole for call in self.calls)

    @property
    def peak(self) -> int:
        """The largest call that went out."""
        return max((call.tokens for call in self.calls), default=0)

    @property
    def peak_whole(self) -> int:
        """The largest call that would have gone out without any compaction."""
        return max((call.tokens_whole for call in self.calls), default=0)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        figures = {"tokens_sent": self.tokens_sent, "tokens_whole": self.tokens_whole}
        return {**asdict(self), **figures}
