"""The figures of a model call on the terminal.

Readable from 60 columns on and without colour; on a terminal that knows ASCII only the bars are of
ASCII. Everything goes out as `Text`, so nothing in a file is taken for markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from compact_otel.tokens.figures import Drop, Figures, Large, Layer, LayerName, Part

LABELS: Final[Mapping[LayerName, str]] = {
    "instructions": "instructions",
    "system": "system messages",
    "developer": "developer messages",
    "tools_schema": "tools and schemas",
    "user": "user",
    "assistant": "assistant",
    "tool_calls": "tool calls",
    "tool_outputs": "tool outputs",
    "reasoning": "reasoning",
    "compaction": "compaction",
    "media": "images and files",
    "summaries": "summaries",
    "protected": "protected",
    "other": "other",
    "framing": "framing",
}
_SOURCES: Final[Mapping[str, str]] = {
    "config": "as set",
    "default": "assumed",
    "learned": "learned from a refusal",
}
_BAR = 30  # columns at most
_GAUGE = 72


def render(figures: Figures, heading: str, notes: Sequence[str], console: Console) -> None:
    """Print the figures.

    Args:
        figures: What to show.
        heading: What was counted, for which model.
        notes: What a reader has to know to trust the figures.
        console: Where to.
    """
    console.print(Text(heading, "bold"))
    for note in notes:
        console.print(Text(f"Note: {note}", "yellow"))
    console.print()
    console.print(_breakdown(figures, console))
    console.print()
    for part in _window(figures, console):
        console.print(part)
    if figures.largest:
        console.print()
        console.print(Text("Largest items", "bold"))
        console.print(_largest(figures))


def _breakdown(figures: Figures, console: Console) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in ("tokens", "share", "items"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    columns = max(4, min(_BAR, console.width - 46))
    for part, tokens in figures.parts.items():
        layers = [one for one in figures.layers if one.part == part and (one.tokens or one.items)]
        bar = _bar(tokens, figures.total, columns, console) if _is_leaf(part, layers) else Text()
        items = str(layers[0].items) if _is_leaf(part, layers) and layers else ""
        table.add_row(Text(part, "bold"), *_amount(tokens, figures.total), items, bar)
        for layer in () if _is_leaf(part, layers) else layers:
            table.add_row(
                f"  {LABELS[layer.name]}",
                *_amount(layer.tokens, figures.total),
                "" if layer.name == "framing" else f"{layer.items:,}",
                _bar(layer.tokens, figures.total, columns, console),
            )
    table.add_row(
        Text("total", "bold"), *_amount(figures.total, figures.total), f"{figures.items:,}", ""
    )
    return table


def _is_leaf(part: Part, layers: Sequence[Layer]) -> bool:
    """Say whether a part has nothing to be divided into."""
    return not layers or part in ("developer", "tools_schema")


def _amount(tokens: int, of: int) -> tuple[str, str]:
    return f"{tokens:,}", f"{tokens / max(1, of):.1%}"


def _bar(tokens: int, of: int, columns: int, console: Console) -> Text:
    """Return a bar that is `columns` long for the whole."""
    eighths = ceil(8 * columns * tokens / max(1, of))
    if console.options.ascii_only:
        return Text("#" * ceil(eighths / 8), "cyan")
    rest = " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    return Text("█" * (eighths // 8) + rest, "cyan")


def _window(figures: Figures, console: Console) -> Iterator[RenderableType]:
    window, limits, total = figures.window, figures.limits, figures.total
    source = _SOURCES.get(window.source, "")
    told = f"Window of {window.size:,} tokens{f' ({source})' if source else ''}"
    if window.output_reserve:
        told += f", {window.output_reserve:,} of them for the answer"
    yield Text(told, "bold")
    yield from _gauge(figures, console)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for name, tokens, what in (
        ("this call", total, ""),
        ("target", limits.target, "what a compaction aims for"),
        ("trigger", limits.trigger, "a compaction from here on"),
        ("input limit", window.input_limit, "more is refused"),
    ):
        table.add_row(f"  {name}", *_amount(tokens, window.input_limit), Text(what, "dim"))
    yield table
    yield _verdict(figures.drop, limits.trigger - total)


def _gauge(figures: Figures, console: Console) -> Iterator[Text]:
    """Yield a bar of the call against the input limit, and below it what its places are."""
    limit, limits = figures.window.input_limit, figures.limits
    columns = max(20, min(_GAUGE, console.width - 4))
    most = max(limit, figures.total)
    full, empty, mark = ("#", ".", "^") if console.options.ascii_only else ("█", "░", "▲")
    filled = min(columns, ceil(columns * figures.total / most))
    yield Text.assemble(
        "  ", (full * filled, "red" if figures.drop.due else "cyan"), empty * (columns - filled)
    )
    marked = {"target": limits.target, "trigger": limits.trigger}
    if most > limit:
        marked["input limit"] = limit
    places = {name: min(columns - 1, columns * tokens // most) for name, tokens in marked.items()}
    for row in _marks(places, mark, columns):
        yield Text(f"  {row}", "dim")


def _marks(places: Mapping[str, int], mark: str, columns: int) -> list[str]:
    """Return rows that mark columns by name; what would run into another goes below it."""
    rows: list[str] = []
    for name, place in places.items():
        words, start = f"{mark} {name}", place
        if place + len(words) > columns:
            words, start = f"{name} {mark}", max(0, place - len(name) - 1)
        free = next((n for n, row in enumerate(rows) if len(row) < start), None)
        if free is None:
            rows.append(" " * start + words)
        else:
            rows[free] = rows[free].ljust(start) + words
    return rows


def _verdict(drop: Drop, left: int) -> Text:
    if not drop.due:
        return Text(f"No compaction is due: {left:,} tokens are left until the trigger.")
    told = (
        f"A compaction is due ({drop.reason}). "
        f"At least {drop.at_least:,} tokens have to go to reach the target"
    )
    if drop.impossible is not None:
        return Text(f"{told}. That cannot be done: {drop.impossible}.", "red")
    if not drop.items:
        return Text(f"{told}, but what the policy lets go would not save enough.")
    return Text(
        f"{told}; the policy would drop {drop.items:,} items with {drop.tokens:,} tokens for a "
        f"summary of at most {drop.summary_at_most:,}."
    )


def _largest(figures: Figures) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("index", "tokens", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("item", overflow="fold")
    for one in figures.largest:
        table.add_row(str(one.index), *_amount(one.tokens, figures.total), _described(one))
    return table


def _described(item: Large) -> RenderableType:
    text = Text(" ".join(name for name in (item.role, item.type) if name) or "?")
    if item.tool is not None:
        text.append(f" {item.tool}", "bold")
    if item.layer in ("protected", "summaries"):
        text.append(f" ({LABELS[item.layer]})", "dim")
    if item.preview is None:
        return text
    return Group(text, Text(item.preview, "dim", no_wrap=True, overflow="ellipsis"))
