"""A history in a file, played call by call: what compaction would do to this conversation.

A real manager decides, with the settings in force. It asks no model (the extractive summariser
writes the summaries), stores nothing, and sends nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from compact_otel.config import CompactConfig, replace_fields
from compact_otel.core.items import is_generated
from compact_otel.core.protocols import TokenEstimator
from compact_otel.core.types import ArchiveReceipt, CallContext, Checkpoint, Item
from compact_otel.manager import CompactManager
from compact_otel.prices import TABLE
from compact_otel.report.episodes import Episode, episodes
from compact_otel.report.source import Seen, Source, Step, Stretch, answers_in
from compact_otel.summarizers.extractive import ExtractiveSummarizer
from compact_otel.tokens.reading import ModelCall
from compact_otel.windows import Windows

_SESSION = "replay"


@dataclass(slots=True)
class _Record:
    """Takes down what a manager does: its storage and its exporter in one.

    Attributes:
        summaries: What was stored beside each summary, oldest first.
        told: The events of the call at hand.
    """

    name: str = "none"
    summaries: list[Mapping[str, Any]] = field(default_factory=list)
    told: list[Mapping[str, Any]] = field(default_factory=list)

    def save_transcript(self, session_id: str, messages: Sequence[Item]) -> ArchiveReceipt:
        """Give out the next number."""
        step = len(self.summaries) + 1
        return _receipt(session_id, step, len(messages))

    def save_summary(
        self, session_id: str, step: int, summary: Mapping[str, Any]
    ) -> ArchiveReceipt:
        """Keep what a compaction left."""
        self.summaries.append(summary)
        return _receipt(session_id, step, 1)

    def save_event(self, session_id: str, event: Mapping[str, Any]) -> None:
        """Do nothing: the exporter has heard of it."""

    def save_checkpoint(self, session_id: str, checkpoint: Checkpoint) -> None:
        """Do nothing: the manager remembers it."""

    def load_checkpoints(self, session_id: str) -> Sequence[Checkpoint]:  # noqa: ARG002
        """Return none: nothing was stored by others."""
        return ()

    def export(self, event: Mapping[str, Any]) -> None:
        """Take down an event."""
        self.told.append(event)


def _receipt(session_id: str, step: int, messages: int) -> ArchiveReceipt:
    ident = f"transcript-pre-compact-{step:03d}"
    return ArchiveReceipt(
        id=ident, step=step, location=session_id, size=0, messages=messages, redacted=False
    )


def from_replay(
    found: ModelCall, name: str, model: str, config: CompactConfig, estimator: TokenEstimator
) -> Source:
    """Play a history.

    Args:
        found: The history, and what stands beside it.
        name: What it is called.
        model: The model that it is played for.
        config: When to compact; what it says of storage and summarisers does not matter here.
        estimator: Counts tokens.
    """
    call = replace(found.call, model=model)
    policy, limit = config.settings_for(model, None)
    stretch, others = asyncio.run(_played(found.items, call, _quiet(config), estimator))
    return Source(
        kind="replay",
        name=name,
        call=call,
        window=Windows().of(model, limit),
        policy=policy,
        fixed=estimator.count_fixed(call),
        stretches=[stretch],
        others=others,
        notes=list(_notes(found, stretch)),
    )


def _quiet(config: CompactConfig) -> CompactConfig:
    """Return the settings without what would reach beyond this process."""
    return replace_fields(
        config,
        mode="compact",
        telemetry={"exporter": "none", "events": "span"},
        estimator={"exact": False},
        summarizer={"model": None, "fallback_models": (), "native": False, "shape": "transcript"},
        storage={"adapter": "none", "encryption_key": None, "encrypt": None},
        on_insufficient_budget="passthrough",
    )


async def _played(
    items: Sequence[Item], call: CallContext, config: CompactConfig, estimator: TokenEstimator
) -> tuple[Stretch, list[Episode]]:
    record, others = _Record(), list[Episode]()
    manager = CompactManager(
        config,
        estimator=estimator,
        summarizer=ExtractiveSummarizer(),
        storage=record,
        exporters=[record],
    )
    TABLE.load().join()  # or the first compactions would have no price
    stretch, seen = Stretch(items=items), list[Seen]()
    for length in _lengths(items):
        record.told.clear()
        before = len(record.summaries)
        result = await manager.apreflight(
            _SESSION, list(items[:length]), call=call, on_insufficient="passthrough"
        )
        seen.append(Seen(length=length, tokens=result.tokens_after))
        told = episodes(record.told)
        if result.outcome == "error":
            others += told
        if len(record.summaries) > before:
            summary = record.summaries[-1]
            stretch.steps.append(
                Step(
                    number=len(record.summaries),
                    length=length,
                    record=Checkpoint.from_dict(summary),
                    episode=next(iter(told), None),
                )
            )
    stretch.seen = seen
    return stretch, others


def _lengths(items: Sequence[Item]) -> Iterator[int]:
    """Yield how many items each call has in front of it."""
    answers = answers_in(items, 1, len(items))
    yield from answers
    if items and (not answers or _is_open(items)):
        yield len(items)


def _is_open(items: Sequence[Item]) -> bool:
    """Say whether a history waits for an answer."""
    return not is_generated(items[-1])


def _notes(found: ModelCall, stretch: Stretch) -> Iterator[str]:
    yield (
        "This conversation was played: a compaction was made wherever the settings ask for one, "
        "with the summariser that needs no model. Tokens are those of the offline estimator."
    )
    if found.server_state:
        names = ", ".join(found.server_state)
        yield f"What the server adds by {names} is not in the file and not counted."
    if found.archived:
        yield "It comes from an archive, which holds no instructions or tools."
    if len(stretch.calls()) < 2:  # noqa: PLR2004 - one call is no course
        yield "There is a single call in it, so there is no course to be drawn."
