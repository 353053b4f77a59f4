"""The lists of a report: all calls, and all items that left the context."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from compact_otel.report.data import Call, Removed, Report
from compact_otel.report.markup import Markup, el, joined
from compact_otel.report.tally import GROUPS
from compact_otel.report.words import LABELS, counted

_ROWS = 1_000
_LINE = 110
"""Characters of an item that are seen before it is opened."""


def calls_table(report: Report) -> Markup:
    """Return all calls as a table, behind a line that opens it."""
    step = max(1, -(-len(report.calls) // _ROWS))
    names = ("Call", "Items", "Tokens", "Without compaction", *LABELS.values(), "Compaction")
    rows = [
        _row(call)
        for call in report.calls
        if call.number % step == 0 or call.number == 1 or call.compactions
    ]
    which = "All model calls" if step == 1 else f"Every {step}th model call, and the compacted ones"
    head = el("tr", *(el("th", name, scope="col") for name in names))
    table = el(
        "table",
        el("caption", f"{which}. A star: worked out from the archived history, not measured."),
        el("thead", head),
        el("tbody", rows, id="calls"),
    )
    scroller = el(
        "div", table, class_="scroller", tabindex=0, role="region", aria_label="Table of calls"
    )
    return el("details", el("summary", "The same as a table"), scroller, class_="as-table")


def _row(call: Call) -> Markup:
    star = "" if call.measured else "*"
    return el(
        "tr",
        el("th", str(call.number), scope="row"),
        el("td", f"{call.items:,}"),
        el("td", f"{call.tokens:,}{star}"),
        el("td", f"{call.tokens_whole:,}"),
        [el("td", f"{call.layers[group]:,}") for group in GROUPS],
        el("td", ", ".join(map(str, call.compactions))),
    )


def removed(report: Report) -> Markup:
    """Return the section of what left the context."""
    if not report.removed:
        return joined()
    return el(
        "section",
        el("h2", "What left the context", id="removed"),
        el("p", *_said(report)),
        _filter(report),
        el("div", _groups(report), id="items"),
        aria_labelledby="removed",
    )


def _said(report: Report) -> Iterator[str]:
    left = report.removed_in_all - len(report.removed)
    yield f"{counted(report.removed_in_all, 'item')}, oldest first. "
    if left:
        yield f"The oldest {left:,} are not listed. "
    if any(one.left_out for one in report.removed):
        yield "Long ones are shortened, and say by how much. "
    if report.kind == "archive":
        yield "The archive has all of them, in full."


def _filter(report: Report) -> Markup:
    """Return what searches the list; the script shows it."""
    kinds = [el("option", "all kinds", value="")]
    kinds += [
        el("option", kind, value=kind) for kind in sorted({one.kind for one in report.removed})
    ]
    return el(
        "div",
        el("label", "Search ", el("input", type="search", id="search", autocomplete="off")),
        el("label", "Kind ", el("select", kinds, id="of-kind")),
        el("output", "", id="found", for_="search of-kind"),
        role="search",
        class_="filter",
        hidden=True,
    )


def _groups(report: Report) -> Iterator[Markup]:
    """Yield what each compaction removed, behind a line that opens it."""
    for number, found in groupby(report.removed, lambda one: one.compaction):
        items = list(found)
        tokens = sum(one.tokens for one in items)
        said = f"Compaction {number}: {counted(len(items), 'item')}"
        title = el("summary", said, el("span", f" {tokens:,} tokens", class_="by"))
        # A link to what is inside opens it, in a browser without scripts, too.
        rows = el("ol", map(_item, items), id=f"removed-{number}", class_="items")
        yield el("details", title, rows, class_="group")


def _item(one: Removed) -> Markup:
    told = joined(
        el("span", f"#{one.index}", class_="index"),
        el("span", _name(one), class_=f"kind {_colour(one.kind)}"),
        el("span", f"{one.tokens:,} tok", class_="tokens"),
    )
    gone = el("span", one.what, class_="gone")
    line = " ".join(one.text.split())
    is_short = len(line) <= _LINE and not one.left_out and "\n" not in one.text.strip()
    ends = "" if is_short or len(line) <= _LINE else "…"
    preview = el("span", f"{line[:_LINE]}{ends}" or "(no text)", class_="line", dir="auto")
    row = joined(told, gone, preview)
    if is_short:
        shown = el("div", row, class_="row")
    else:
        more = f" [{counted(one.left_out, 'character')} more]" if one.left_out else ""
        whole = el("div", one.text, el("i", more), class_="text", dir="auto")
        shown = el("details", el("summary", row, class_="row"), whole)
    return el("li", shown, data_kind=one.kind)


def _name(one: Removed) -> str:
    """Return what an item is, in the words of whoever built the agent where it is of a tool."""
    if one.tool is None:
        return one.kind.replace("_", " ")
    return f"{one.tool} →" if _colour(one.kind) == "tools" else f"→ {one.tool}"


def _colour(kind: str) -> str:
    if kind in ("user", "assistant"):
        return kind
    if kind.endswith("_output") or kind == "tool":
        return "tools"
    return "assistant" if kind.endswith("_call") else "other"
