"""What is asked of a summariser, and what of its answer may be used."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from compact_otel.core import frame
from compact_otel.core.assemble import View, cleared_item
from compact_otel.core.errors import SummaryError
from compact_otel.core.events import SummaryCreated
from compact_otel.core.measure import Measured
from compact_otel.core.policy import Plan
from compact_otel.core.types import Coverage, Item, Opaque, Summary, SummaryRequest, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A summary to put in.

    Attributes:
        text: The text, without its frame; None if there is none and nothing was dropped.
        version: The N of the frame.
        id: Random id, for telemetry.
        created: The event that tells of it, None if the text is only a note that items are gone, or
            as it was.
        planned: Whether the summariser that was to write it did.
        coverage: What it holds of the facts of what goes, None if that was not looked at.
        opaque: What it stands beside from now on; None if that is what it stood beside before.
    """

    text: str | None
    version: int
    id: str
    created: SummaryCreated | None
    planned: bool
    coverage: Coverage | None = None
    opaque: Opaque | None = None

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
    going = [(item, frame.unwrap(item)) for item in _shown(state, dropped)]
    places = [n for n, (_, summary) in zip(dropped, going, strict=True) if summary is None]
    stay = [state.items[index] for index in kept]
    folded = [summary for _, summary in going if summary is not None]
    previous, version = _folded(state.view, folded, stay)
    scale = state.scale
    request = SummaryRequest(
        items=[item for item, summary in going if summary is None],
        kept=stay,
        previous_summary=previous,
        strategy=scale.policy.strategy,
        max_tokens=plan.summary_budget - frame_tokens,
        count_text=lambda text: scale.summary(version + 1, text) - frame_tokens,
        note=note,
        turns_before=_turns(state.items[: places[0]]) if places else 0,
        kept_after=[bisect_left(places, index) for index in kept],
    )
    return request, version + 1


def _turns(items: Iterable[Item]) -> int:
    return sum(item.get("role") == "user" and frame.unwrap(item) is None for item in items)


def _shown(state: Measured, dropped: Sequence[int]) -> Iterator[Item]:
    """Yield what goes as a summariser sees it: without what a later output has superseded."""
    lines = {entry.index: entry.text for entry in state.view.cleared if entry.superseded}
    for index in dropped:
        item = state.items[index]
        yield cleared_item(item, lines[index]) if index in lines else item


def _folded(
    view: View, dropped: Sequence[tuple[int, str]], kept: Iterable[Item]
) -> tuple[str | None, int]:
    """Return the text of the summaries that the next one replaces, and the highest number yet."""
    found = [*dropped] if view.summary is None else [*dropped, (view.version, view.summary)]
    staying = [known for item in kept if (known := frame.unwrap(item)) is not None]
    text = "\n".join(text for _, text in found) if found else None
    return text, max((version for version, _ in (*found, *staying)), default=0)


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
        or not isinstance(summary.opaque, tuple)
        or (summary.opaque and request.native is None)
        or not is_usage(summary.usage)
    ):
        kind = type(answer).__name__
        raise SummaryError(
            f"need a str or a Summary (of strings, its `usage` of whole numbers) from the "
            f"summariser, got {kind}",
            reason="type",
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


def is_usage(usage: Any) -> bool:
    """Say whether something is a usage that can be told, or None."""
    if usage is None:
        return True
    names = ("input_tokens", "cached_tokens", "output_tokens")
    return isinstance(usage, Usage) and all(
        type(getattr(usage, name)) is int and 0 <= getattr(usage, name) <= _MOST for name in names
    )


_MOST = 10**12
"""Tokens; no summary costs more, and telemetry has 64 bits."""
