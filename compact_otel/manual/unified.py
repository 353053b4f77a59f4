"""Before against after on the terminal, as a diff is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from compact_otel.manual.changes import Change
from compact_otel.manual.compaction import Outcome
from compact_otel.manual.render import STYLES
from compact_otel.manual.words import NOTHING, change, of_item, of_summary, place
from compact_otel.tokens.opening import counted

_MOST_LINES = 3
_MOST_LETTERS = 160

_SIGNS = {"kept": " ", "cleared": "~", "dropped": "-", "summary": "+"}


def show(
    outcome: Outcome,
    diff: Iterable[Change],
    notes: Sequence[str],
    console: Console,
    *,
    is_full: bool,
) -> None:
    """Print a diff.

    Args:
        outcome: The compaction.
        diff: Its changes.
        notes: What a reader has to know to trust the figures.
        console: Where to.
        is_full: Whether what goes is shown in full.
    """

    def line(text: str, style: str = "") -> None:
        console.print(Text(text, style), soft_wrap=True)

    for note in notes:
        line(f"Note: {note}", "yellow")
    before, after = outcome.before, outcome.after
    line(f"--- {outcome.call.name}: {_size(before.items, before.total)}", "bold")
    line(f"+++ compacted: {_size(after.items, after.total)}", "bold")
    for one in diff:
        for text in _change(outcome, one, is_full=is_full):
            line(f"{_SIGNS[one.op]} {text}".rstrip(), STYLES[one.op] or "dim")
    line(NOTHING if outcome.outcome == "noop" else change(outcome), "bold")


def _size(items: int, tokens: int) -> str:
    return f"{counted(items, 'item')}, {counted(tokens, 'token')}"


def title(outcome: Outcome, one: Change) -> str:
    """Return what a change is about."""
    if one.op == "summary":
        return of_summary(outcome)
    if one.op == "kept":
        first, tokens = one.fates[0], counted(one.tokens_before, "token")
        what = counted(len(one.fates), "item") if len(one.fates) > 1 else of_item(first)
        return f"[{place(one.fates)}] {what}, {tokens} kept"
    (fate,) = one.fates
    after = f" -> {one.tokens_after:,}" if one.op == "cleared" else ""
    return f"[{fate.index}] {of_item(fate)}, {one.tokens_before:,}{after} tokens ({fate.why})"


def _change(outcome: Outcome, one: Change, *, is_full: bool) -> Iterator[str]:
    yield title(outcome, one)
    lines = one.before if one.op == "dropped" else one.after
    # What takes the place of something is what one looks for here, so it is never cut.
    cut = one.op == "dropped" and not is_full
    yield from (f"    {line}" for line in (_cut(lines) if cut else lines))


def _cut(lines: Sequence[str]) -> Iterator[str]:
    for line in lines[:_MOST_LINES]:
        left = len(line) - _MOST_LETTERS
        yield line if left <= 0 else f"{line[:_MOST_LETTERS]}... ({counted(left, 'letter')} more)"
    if len(lines) > _MOST_LINES:
        yield f"... ({counted(len(lines) - _MOST_LINES, 'line')} more)"
