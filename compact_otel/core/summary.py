"""What is asked of a summariser, and what of its answer may be used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from compact_otel.core import frame
from compact_otel.core.assemble import View
from compact_otel.core.errors import SummaryError
from compact_otel.core.events import SummaryCreated
from compact_otel.core.measure import Measured
from compact_otel.core.policy import Plan
from compact_otel.core.types import Coverage, Item, Summary, SummaryRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A summary to put in.

    Attributes:
        text: The text, without its frame.
        version: The N of the frame.
        id: Random id, for telemetry.
        created: The event that tells of it, None if the text is only a note that items are gone.
        planned: Whether the summariser that was to write it did.
        coverage: What it holds of the facts of what goes, None if that was not looked at.
    """

    text: str
    version: int
    id: str
    created: SummaryCreated | None
    planned: bool
    coverage: Coverage | None = None

    @classmethod
    def note(cls, request: SummaryRequest, version: int, ident: str) -> Made:
        """Return the last summary, if there is one, with a note that more is gone."""
        note = f"{len(request.items)} earlier items were removed without a summary."
        known = [] if request.previous_summary is None else [request.previous_summary]
        text = "\n".join([*known, note])
        return cls(text=text, version=version, id=ident, created=None, planned=False)


def ask(
    state: Measured,
    plan: Plan,
    kept: Sequence[int],
    dropped: Sequence[int],
    *,
    frame_tokens: int,
    note: str | None,
) -> tuple[SummaryRequest, int]:
    """Return the request for a plan, and the number that the summary will have."""
    items = [state.items[index] for index in dropped]
    stay = [state.items[index] for index in kept]
    previous, version = _folded(state.view, items, stay)
    scale = state.scale
    request = SummaryRequest(
        items=[item for item in items if frame.unwrap(item) is None],
        kept=stay,
        previous_summary=previous,
        strategy=scale.policy.strategy,
        max_tokens=plan.summary_budget - frame_tokens,
        count_text=lambda text: scale.summary(version + 1, text) - frame_tokens,
        note=note,
    )
    return request, version + 1


def _folded(view: View, dropped: Iterable[Item], kept: Iterable[Item]) -> tuple[str | None, int]:
    """Return the text of the summaries that the next one replaces, and the highest number yet."""
    found = _summaries(dropped)
    if view.summary is not None:
        found.append((view.version, view.summary))
    text = "\n".join(text for _, text in found) if found else None
    return text, max((version for version, _ in (*found, *_summaries(kept))), default=0)


def _summaries(items: Iterable[Item]) -> list[tuple[int, str]]:
    return [known for item in items if (known := frame.unwrap(item)) is not None]


_CHARS_PER_TOKEN = 128
"""More than this no token of a usual vocabulary has."""


def usable(answer: Any, request: SummaryRequest) -> Summary:
    """Return a summariser's answer as a Summary that may be used.

    Raises:
        SummaryError: If it is no text, empty, or longer than asked for.
    """
    summary = Summary(answer) if isinstance(answer, str) else answer
    if (
        not isinstance(summary, Summary)
        or not isinstance(summary.text, str)
        or not isinstance(summary.model, str | None)
    ):
        kind = type(answer).__name__
        raise SummaryError(
            f"need a Summary of strings or a str from the summariser, got {kind}", reason="type"
        )
    text = str.strip(summary.text)  # a plain str, whatever it was
    if not text:
        raise SummaryError("the summary is empty", reason="empty")
    if len(text) > request.max_tokens * _CHARS_PER_TOKEN:  # to count it could take minutes
        raise SummaryError(f"the summary has {len(text)} characters", reason="too_long")
    size = request.count_text(text)
    if size > request.max_tokens:
        raise SummaryError(
            f"the summary has {size} tokens, {request.max_tokens} were asked for", reason="too_long"
        )
    return replace(summary, text=text)
