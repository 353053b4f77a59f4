"""The page: one file, nothing loaded, nothing that a browser is not told to allow.

What was archived may have been written by anybody. It is text here and nothing else (`markup`), and
the page says so to the browser as well: its policy allows one style sheet and one script, by their
hashes, and no request at all.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib import resources

from compact_otel.report import chart
from compact_otel.report.compactions import compactions
from compact_otel.report.data import Report
from compact_otel.report.listed import calls_table, removed
from compact_otel.report.markup import Markup, el, joined
from compact_otel.report.tally import GROUPS
from compact_otel.report.words import LABELS, counted, dollars, share, short
from compact_otel.version import __version__


def page(report: Report) -> str:
    """Return a report as an HTML document."""
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    name = f"{report.name}: what compaction did"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", name="robots", content="noindex"),
        el("title", name),
        el("style", Markup(style)),
    )
    body = el("body", *_body(report), el("script", Markup(script)))
    return f"<!doctype html>{el('html', head, body, lang='en')}"


def _part(name: str) -> str:
    return resources.files("compact_otel.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _body(report: Report) -> Iterator[Markup]:
    yield el("a", "Skip to the compactions", href="#compactions", class_="skip")
    yield el("header", *_head(report))
    parts = [_course(report), compactions(report), removed(report), _others(report)]
    yield el("main", parts, id="main")
    yield el("footer", *_foot(report))


def _head(report: Report) -> Iterator[Markup]:
    kind = "Session" if report.kind == "archive" else "Played from a file"
    yield el("p", f"{kind} · {report.model}", class_="kind")
    yield el("h1", el("bdi", report.name))
    yield el("p", _verdict(report), class_="verdict")
    yield el("dl", *_tiles(report), class_="tiles")


def _verdict(report: Report) -> Markup:
    if not report.calls:
        return joined("There is no model call to be shown.")
    window, made = report.window.input_limit, len(report.compactions)
    whole = report.peak_whole
    calls = counted(len(report.calls), "model call")
    fits = f"{calls} in a window of {window:,} tokens"
    if not made:
        return joined(f"{fits}, and no compaction: the largest call has {whole:,} of them.")
    would = f"the largest would have had {whole:,} tokens"
    times = f", {whole / window:.1f} times the window" if whole > window else ""
    return joined(f"{fits}, ", el("b", counted(made, "compaction")), f". Without, {would}{times}.")


def _tiles(report: Report) -> Iterator[Markup]:
    limit = report.window.input_limit
    yield _tile(
        "Largest call", short(report.peak), f"tokens, {share(report.peak, limit)} of the window"
    )
    spared = report.tokens_whole - report.tokens_sent
    if report.compactions:
        less = share(spared, report.tokens_whole)
        yield _tile("Input not sent", short(spared), f"tokens over all calls, {less} less")
    yield from _facts(report)
    yield from _money(report)
    what = f"items, in {counted(len(report.compactions), 'compaction')}"
    yield _tile("Left the context", f"{report.removed_in_all:,}", what)


def _tile(name: str, figure: str, what: str) -> Markup:
    return el("div", el("dt", name), el("dd", el("b", figure), " ", el("span", what)))


def _facts(report: Report) -> Iterator[Markup]:
    """Yield how well the newest summary that was held against the facts did."""
    for one in reversed(report.compactions):
        created = one.summary.created if one.summary else None
        if created is not None and created.facts_found and created.facts_kept is not None:
            kept = share(created.facts_kept, created.facts_found)
            what = f"{created.facts_kept} of {created.facts_found}, in the latest summary"
            yield _tile("Facts held", kept, what)
            return


def _money(report: Report) -> Iterator[Markup]:
    """Yield what all compactions together cost or saved, by what each was expected to do."""
    effects = [(one.cache, one.calls_after) for one in report.compactions if one.cache]
    priced = [
        cache.cost_saved * (calls - 1) - cache.cost_lost
        for cache, calls in effects
        if cache.cost_saved is not None and cache.cost_lost is not None
    ]
    if priced and len(priced) == len(report.compactions):
        total = sum(priced)
        word = "Saved on input" if total >= 0 else "Spent on input"
        yield _tile(word, dollars(abs(total)), "expected, prompt cache included")
    elif effects:
        calls = [cache.break_even_calls for cache, _ in effects if cache.break_even_calls]
        if calls:
            typical = round(sorted(calls)[len(calls) // 2])
            what = "later, as a median; prompt cache included"
            yield _tile("Pays for itself", counted(max(1, typical), "call"), what)


def _course(report: Report) -> Markup:
    if not report.calls:
        return joined()
    figure = el(
        "figure",
        chart.chart(report, chart.WIDE),
        chart.chart(report, chart.NARROW),
        _scrubber(report),
        el("figcaption", el("ul", *_legend(report), class_="legend")),
    )
    return el(
        "section",
        el("h2", "Context over model calls", id="course"),
        figure,
        calls_table(report),
        aria_labelledby="course",
    )


def _scrubber(report: Report) -> Markup:
    """Return what walks through the calls; the script shows it."""
    last = len(report.calls)
    return el(
        "div",
        el("input", type="range", min=1, max=last, value=last, id="call"),
        el("p", el("label", "Call ", for_="call"), el("output", "", id="at-call", for_="call")),
        class_="scrubber",
        hidden=True,
    )


def _legend(report: Report) -> Iterator[Markup]:
    for group in GROUPS:
        if any(call.layers[group] for call in report.calls):
            yield el("li", chart.key(group), LABELS[group])
    if report.compactions:
        dash = el("line", x1=0, x2=22, y1=6, y2=6, class_="ghost")
        image = el("svg", dash, class_="key long", viewBox="0 0 22 12", aria_hidden="true")
        yield el("li", image, "Without compaction")
        ring = el("circle", cx=6, cy=6, r=5)
        mark = el("g", ring, class_="mark")
        image = el("svg", mark, class_="key", viewBox="0 0 12 12", aria_hidden="true")
        yield el("li", image, "Compaction")


def _others(report: Report) -> Markup:
    if not report.others:
        return joined()
    lines = [
        el("li", el("time", one.when) if one.when else None, " ", one.what) for one in report.others
    ]
    return el(
        "section",
        el("h2", "What else happened", id="others"),
        el("ul", lines, class_="others"),
        aria_labelledby="others",
    )


def _foot(report: Report) -> Iterator[Markup]:
    yield el("h2", "Where the figures come from")
    yield el("ul", [el("li", note) for note in report.notes])
    said = "Secrets and personal data of known shapes are <REDACTED>."
    if not report.redacted:
        said = "Redaction is off: secrets and personal data stand here as they are."
    yield el("p", f"{said} This page is one file and loads nothing. compact_otel {__version__}")
