"""Before against after, as a sequence of changes that a terminal, a page and JSON can show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from compact_otel.manual.compaction import Fate, Outcome
from compact_otel.manual.texts import lines_of, shown
from compact_otel.redaction import Redactor, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Items that stay, one item that does not stay as it is, or the summary.

    Attributes:
        op: What it is.
        fates: Its items; none for the summary.
        tokens_before: What they cost before.
        tokens_after: What they, or the summary, cost after.
        before: What it said; empty for what stays.
        after: What it says now; empty for what stays or goes.
    """

    op: Literal["kept", "cleared", "dropped", "summary"]
    fates: Sequence[Fate] = ()
    tokens_before: int = 0
    tokens_after: int = 0
    before: Sequence[str] = ()
    after: Sequence[str] = ()


def changes(outcome: Outcome, redactor: Redactor) -> Iterator[Change]:
    """Yield the changes in the order of the file, the summary where it stands in the result.

    Args:
        outcome: The compaction.
        redactor: Takes secrets out of what is shown.
    """
    found, first = outcome.call.found, outcome.call.found.first
    source = Source(redactor, found.items)
    lines = {entry.index: entry.text for entry in outcome.view.cleared}
    at = -1 if outcome.summary is None else outcome.summary.before + first
    run: list[Fate] = []
    staying = 0
    for fate in outcome.fates:
        if fate.fate != "summarised" and staying == at:
            yield from _kept(run)
            yield _summary(outcome, redactor, source)
            run = []
        staying += fate.fate != "summarised"
        if fate.fate == "kept":
            run.append(fate)
            continue
        yield from _kept(run)
        run = []
        index = fate.index - first
        is_cleared = fate.fate == "cleared"
        yield Change(
            op="cleared" if is_cleared else "dropped",
            fates=(fate,),
            tokens_before=fate.tokens,
            tokens_after=fate.tokens_after,
            before=lines_of(found.items[index], redactor),
            after=shown(source.taken_out(redactor.text(lines[index]))) if is_cleared else (),
        )
    yield from _kept(run)
    if staying == at:
        yield _summary(outcome, redactor, source)


def _kept(run: Sequence[Fate]) -> Iterator[Change]:
    if run:
        tokens = sum(fate.tokens for fate in run)
        yield Change(op="kept", fates=tuple(run), tokens_before=tokens, tokens_after=tokens)


def _summary(outcome: Outcome, redactor: Redactor, source: Source) -> Change:
    assert outcome.summary is not None  # noqa: S101 - it has a place
    text = source.taken_out(redactor.text(outcome.summary.text))
    return Change(op="summary", tokens_after=outcome.summary.tokens, after=shown(text))
