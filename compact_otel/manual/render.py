"""A compaction on the terminal: what it saves layer by layer, what stays, goes, and why.

Everything goes out as `Text`, so nothing in a file is taken for markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from compact_otel.manual.compaction import Fate, Outcome
from compact_otel.manual.words import (
    NOTHING,
    because,
    by_itself,
    change,
    of_item,
    of_summary,
    place,
)
from compact_otel.tokens.opening import counted
from compact_otel.tokens.render import LABELS

_STRETCHES = 3

STYLES: Mapping[str, str] = {
    "kept": "",
    "cleared": "yellow",
    "summarised": "red",
    "dropped": "red",
    "summary": "green",
}


def render(
    outcome: Outcome,
    heading: str,
    notes: Sequence[str],
    previews: Mapping[int, str] | None,
    console: Console,
) -> None:
    """Print a plan.

    Args:
        outcome: What to show.
        heading: What was planned, for which model.
        notes: What a reader has to know to trust the figures.
        previews: How each item begins, by its place; None to show the items by
            the reason for what becomes of them.
        console: Where to.
    """
    console.print(Text(heading, "bold"))
    for note in notes:
        console.print(Text(f"Note: {note}", "yellow"))
    console.print()
    console.print(_layers(outcome))
    console.print()
    for part in _said(outcome):
        console.print(part)
    if outcome.fates:
        console.print()
        console.print(_reasons(outcome) if previews is None else _items(outcome, previews))
    console.print()
    left = outcome.before.limits.trigger - outcome.before.total
    console.print(Text(by_itself(outcome.before.drop, left)))


def _layers(outcome: Outcome) -> Table:
    made = _table(">before", ">after", ">saved", first="")
    for before, after in zip(outcome.before.layers, outcome.after.layers, strict=True):
        if before.tokens or after.tokens:
            saved = before.tokens - after.tokens
            shown = f"{saved:,}" if saved else ""
            made.add_row(LABELS[before.name], f"{before.tokens:,}", f"{after.tokens:,}", shown)
    total, left = outcome.before.total, outcome.after.total
    made.add_row(Text("total", "bold"), f"{total:,}", f"{left:,}", f"{total - left:,}")
    return made


def _said(outcome: Outcome) -> Iterator[RenderableType]:
    if outcome.outcome == "noop":
        yield Text(NOTHING, "bold")
        return
    yield Text(f"{change(outcome)}; the target is {outcome.aim:,}", "bold")
    yield Text(f"+ {of_summary(outcome)}", STYLES["summary"])
    yield Text(f"Keep counts: {_counts(outcome)}")


def _counts(outcome: Outcome) -> str:
    now, policy = outcome.kept_by, outcome.policy
    told = f"{counted(now.recent_turns, 'turn')}, {counted(now.tool_io_pairs, 'tool call')}"
    if not now.steps:
        return f"{told}, as set"
    return (
        f"{told}, reduced from {policy.keep_recent_turns} and {policy.keep_tool_io_pairs} in "
        f"{counted(now.steps, 'step')}"
    )


def _reasons(outcome: Outcome) -> Table:
    made = _table("why", ">items", ">tokens", "places", first="fate")
    for fate in ("kept", "cleared", "summarised"):
        groups: dict[str, list[Fate]] = {}
        for one in outcome.fates:
            if one.fate == fate:
                groups.setdefault(one.why, []).append(one)
        for number, (why, items) in enumerate(sorted(groups.items(), key=_size)):
            made.add_row(
                Text("" if number else fate, STYLES[fate]),
                because(why, outcome.kept_by),
                f"{len(items):,}",
                _tokens(items),
                Text(_places(items), "dim"),
            )
    return made


def _size(group: tuple[str, Sequence[Fate]]) -> int:
    return -sum(one.tokens for one in group[1])


def _places(items: Sequence[Fate]) -> str:
    """Return where items stand, the first few stretches of it."""
    stretches: list[list[Fate]] = []
    for one in items:
        if stretches and one.index == stretches[-1][-1].index + 1:
            stretches[-1].append(one)
        else:
            stretches.append([one])
    shown = ", ".join(map(place, stretches[:_STRETCHES]))
    return f"{shown}, ..." if len(stretches) > _STRETCHES else shown


def _items(outcome: Outcome, previews: Mapping[int, str]) -> Table:
    made = _table(">tokens", "fate", "why", "item", first="place")
    for one in outcome.fates:
        text = Text(of_item(one), overflow="ellipsis", no_wrap=True)
        text.append(f" {previews.get(one.index, '')}", "dim")
        made.add_row(
            str(one.index), _tokens([one]), Text(one.fate, STYLES[one.fate]), one.why, text
        )
    return made


def _tokens(run: Sequence[Fate]) -> str:
    before, after = (sum(getattr(one, name) for one in run) for name in ("tokens", "tokens_after"))
    return f"{before:,} -> {after:,}" if run[0].fate == "cleared" else f"{before:,}"


def _table(*names: str, first: str) -> Table:
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    made.add_column(first, no_wrap=True)
    for name in names:
        if name.startswith(">"):
            made.add_column(name[1:], justify="right", no_wrap=True)
        else:
            made.add_column(name, overflow="fold")
    return made
