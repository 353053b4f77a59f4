"""A run on the terminal: what happened without compact_otel, what with it, and what a trace shows.

Readable at 80 columns and without colour. Everything goes out as `Text`: nothing in a recorded
value or an error message is taken for markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from compact_otel.demo.figures import Compaction, Death, Figures, attributes, in_order
from compact_otel.schema import OUTCOME

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

_LOST_SHOWN = 8

# What a reader of the tree wants to know; the rest is in the trace.
_OF_SPANS = (OUTCOME, "compact.tokens.before", "compact.tokens.after")
_OF_EVENTS = (
    "compact.estimate.phase",
    "compact.trigger.decision",
    "compact.trigger.reason",
    "compact.reduction.step",
    "compact.tokens.before",
    "compact.tokens.after",
    "compact.tokens.budget",
    "compact.tokens.removed",
    "compact.summarizer.name",
    "compact.summary.version",
    "compact.summary.tokens",
    "compact.messages.pruned",
    "compact.kept.recent_turns",
    "compact.kept.tool_pairs",
    "compact.archive.id",
    "compact.failure.stage",
    "compact.failure.fallback",
    "error.type",
)


def render(figures: Figures, console: Console) -> None:
    """Print a run; the last line is the result."""
    for part in _parts(figures):
        console.print(part)
        console.print()
    console.print(_result(figures))


def _result(figures: Figures) -> Text:
    with_ = f"{figures.with_.survived} of {figures.turns}"
    if figures.without is None:
        return Text(f"Survived {with_} turns with compact_otel.", "bold")
    return Text(
        f"Survived {figures.without.survived} of {figures.turns} turns without compact_otel, "
        f"{with_} with it.",
        "bold",
    )


def _parts(figures: Figures) -> Iterator[RenderableType]:
    settings = figures.settings
    api = "Chat Completions" if settings.api == "chat" else "Responses"
    server = "OpenAI" if settings.live else "a local server"
    yield Text(
        f"A customer service session of {figures.turns} turns, {figures.session_tokens:,} tokens "
        f"long in the end, and a window of {settings.window:,}. The agent runs in the OpenAI "
        f"Agents SDK; its model is behind the {api} API of {server}"
        f"{', streamed' if settings.stream else ''}."
    )
    yield _section("1  Without compact_otel", *_without(figures))
    yield _section("2  With compact_otel", *_with(figures))
    tree = _tree(figures)
    if tree is not None:
        yield _section("3  The first compaction in the trace", tree)
    yield _section("4  The archive", *_archive(figures))


def _section(title: str, *body: RenderableType) -> Group:
    return Group(Text(title, "bold"), *(Padding.indent(one, 3) for one in body))


def _without(figures: Figures) -> Iterator[RenderableType]:
    if figures.without is None:
        yield Text("Not played: OpenAI's windows are larger than this session.")
    elif figures.without.death is None:
        yield Text("The session came to its end.")
    else:
        yield _death(figures.without.death)


def _death(death: Death) -> Text:
    status = "" if death.status is None else f"{death.status} "
    return Text.assemble(
        f"Died in turn {death.turn}, at model call {death.model_call}, of\n",
        (f"{status}{death.code or death.type}: {death.message}", "red"),
    )


def _with(figures: Figures) -> Iterator[RenderableType]:
    with_, facts = figures.with_, figures.facts
    if with_.death is not None:
        yield _death(with_.death)
    if figures.compactions:
        yield _table(figures.compactions)
    yield Text(
        f"{with_.survived} turns, {with_.model_calls} model calls, {len(figures.compactions)} "
        f"compactions, {with_.tokens_peak:,} tokens at most, {with_.duration_s:.1f} s"
    )
    if figures.overflow_errors is not None:
        yield Text(f"Overflow errors: {figures.overflow_errors}")
    if facts:
        yield Text(
            f"Facts kept: {facts['kept']} of the {facts['needed']} that tool calls needed. "
            f"{facts['compacted']} of these had been compacted away; the summary held "
            f"{facts['recovered']} of them."
        )
    for need in figures.lost[:_LOST_SHOWN]:
        fact = need.fact
        yield Text(f"Lost in turn {need.turn}: {fact.value}, {fact.argument} of {fact.tool}")
    if len(figures.lost) > _LOST_SHOWN:
        yield Text(f"... and {len(figures.lost) - _LOST_SHOWN} more, which --json names")


def _table(compactions: Sequence[Compaction]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("turn", "call", "tokens", "messages", "summary"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    for one in compactions:
        table.add_row(
            str(one.turn),
            str(one.model_call),
            _change(one.tokens_before, one.tokens_after),
            _change(one.messages_before, one.messages_after),
            "" if one.summary_version is None else f"v{one.summary_version}",
            Text(one.outcome),
        )
    return table


def _change(before: int | None, after: int | None) -> str:
    return " -> ".join(f"{number:,}" for number in (before, after) if number is not None)


def _tree(figures: Figures) -> Tree | None:
    """Return the turn of the first compaction that made a summary, and what happened in it."""
    first = next((one for one in figures.compactions if one.summary_version), None)
    if first is None:
        return None
    turn = next(span for span in figures.spans if span.name == f"turn {first.turn}")
    tree = Tree(_span(turn), guide_style="dim")
    for span in in_order(_children(figures.spans, turn)):
        branch = tree.add(_span(span))
        if attributes(span).get(OUTCOME) == first.outcome:
            for event in span.events:
                branch.add(_described(event.name, event.attributes or {}, _OF_EVENTS))
    return tree


def _children(spans: Sequence[ReadableSpan], parent: ReadableSpan) -> Iterator[ReadableSpan]:
    for span in spans:
        if span.parent is not None and span.parent.span_id == parent.context.span_id:
            yield span


def _span(span: ReadableSpan) -> Text:
    nanoseconds = (span.end_time or 0) - (span.start_time or 0)
    text = _described(span.name, attributes(span), _OF_SPANS)
    return text.append(f" {nanoseconds / 1e6:,.0f}ms", "dim")


def _described(name: str, facts: Mapping[str, Any], shown: Sequence[str]) -> Text:
    """Return a name with some of its attributes behind it, without the prefix they all have."""
    text = Text.assemble((name, "bold"))
    for key in shown:
        if key in facts:
            text.append(f" {key.removeprefix('compact.')}=", "dim").append(str(facts[key]))
    return text


def _archive(figures: Figures) -> Iterator[RenderableType]:
    yield Text(str(figures.archive), overflow="fold")
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for beginning, what in (
        ("transcript-", "the history before each compaction"),
        ("summary-", "what took its place"),
        ("events", "what was measured, decided and done"),
        ("checkpoints", "what a restarted agent goes on with"),
    ):
        names = [name for name in figures.archive_files if name.startswith(beginning)]
        if names:
            table.add_row(Text(f"{len(names)} x" if len(names) > 1 else ""), names[0], what)
    yield table if table.row_count else Text("Nothing was archived.")
