"""Before against after as one page of HTML: no script, nothing loaded, light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from compact_otel.manual.changes import Change
from compact_otel.manual.compaction import Outcome
from compact_otel.manual.unified import title
from compact_otel.manual.words import NOTHING, change, of_item
from compact_otel.tokens.render import LABELS

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_OPEN_LINES, _OPEN_LETTERS = 12, 600
"""What goes and has more than these is folded."""

_STYLE = """\
:root {
  color-scheme: light dark;
  --page: #ffffff; --text: #1f2328; --soft: #59636e; --line: #d1d9e0; --bar: #eff2f5;
  --gone: #ffebe9; --new: #dafbe1; --changed: #fff8c5; --mark: #0969da;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --text: #e6edf3; --soft: #9198a1; --line: #3d444d; --bar: #151b23;
    --gone: #3c1618; --new: #12341d; --changed: #3a2f0b; --mark: #58a6ff;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
p { margin: .25rem 0; }
.soft { color: var(--soft); }
.total { font-size: 1.1rem; font-weight: 600; }
.note { border-left: 3px solid var(--mark); padding-left: .6rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .1rem .8rem .1rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
tr:last-child { font-weight: 600; }
.changes { border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
.changes > * { border-bottom: 1px solid var(--line); padding: .3rem .7rem; }
.changes > :last-child { border-bottom: 0; }
.kept { background: var(--bar); color: var(--soft); }
.dropped { background: var(--gone); }
.cleared { background: var(--changed); }
.summary { background: var(--new); }
summary { cursor: pointer; }
summary, .head { overflow-wrap: anywhere; font-size: .9rem; }
pre { margin: .3rem 0 .2rem; white-space: pre-wrap; overflow-wrap: anywhere;
  font: .82rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
@media (max-width: 36rem) { body { padding: .6rem; } th, td { padding-right: .5rem; } }
"""
_SIGNS = {"kept": "", "cleared": "~ ", "dropped": "- ", "summary": "+ "}


def page(outcome: Outcome, about: str, notes: Sequence[str], diff: Iterable[Change]) -> str:
    """Return the page.

    Args:
        outcome: The compaction.
        about: What was compacted, for which model.
        notes: What a reader has to know to trust the figures.
        diff: Its changes.
    """
    said = NOTHING if outcome.outcome == "noop" else change(outcome)
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>Compaction of {escape(outcome.call.name)}</title>",
        f"<style>\n{_STYLE}</style>",
        "</head>",
        "<body>",
        f"<h1>{escape(outcome.call.name)}</h1>",
        f'<p class="soft">{escape(about)}</p>',
        f'<p class="total">{escape(said)}</p>',
        *(f'<p class="note">{escape(note)}</p>' for note in notes),
        *_layers(outcome),
        '<div class="changes">',
        *(part for one in diff for part in _change(outcome, one)),
        "</div>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _layers(outcome: Outcome) -> Iterator[str]:
    yield "<table>"
    yield "<tr><th>tokens</th><th>before</th><th>after</th><th>saved</th></tr>"
    for before, after in zip(outcome.before.layers, outcome.after.layers, strict=True):
        if before.tokens or after.tokens:
            yield _row(LABELS[before.name], before.tokens, after.tokens)
    yield _row("total", outcome.before.total, outcome.after.total)
    yield "</table>"


def _row(name: str, before: int, after: int) -> str:
    saved = f"{before - after:,}" if before != after else ""
    return f"<tr><td>{name}</td><td>{before:,}</td><td>{after:,}</td><td>{saved}</td></tr>"


def _change(outcome: Outcome, one: Change) -> Iterator[str]:
    head = f"{_SIGNS[one.op]}{escape(title(outcome, one))}"
    if one.op == "kept":
        lines: Sequence[str] = [
            f"[{fate.index}] {of_item(fate)}, {fate.tokens:,} tokens ({fate.why})"
            for fate in one.fates
        ]
    else:
        lines = one.after if one.op == "summary" else one.before
    is_short = len(lines) <= _OPEN_LINES and sum(map(len, lines)) <= _OPEN_LETTERS
    is_open = one.op == "summary" or (one.op == "dropped" and is_short)
    if one.op == "cleared":
        yield f'<div class="cleared"><div class="head">{head}</div>{_pre(one.after)}'
        yield f"<details><summary>what it said</summary>{_pre(lines)}</details></div>"
    elif lines:
        mark = " open" if is_open else ""
        yield f'<details class="{one.op}"{mark}><summary>{head}</summary>{_pre(lines)}</details>'
    else:
        yield f'<div class="{one.op}"><div class="head">{head}</div></div>'


def _pre(lines: Sequence[str]) -> str:
    text = "\n".join(lines)
    return f"<pre>{escape(text)}</pre>"
