"""The compactions of a report, one card each."""

from __future__ import annotations

from collections.abc import Iterator

from compact_otel.core import events
from compact_otel.report.chart import bar, key
from compact_otel.report.data import Compaction, Report, SummaryShown
from compact_otel.report.markup import Child, Markup, el, joined
from compact_otel.report.tally import GROUPS, Layers
from compact_otel.report.words import LABELS, counted, dollars, share

_REASONS = {
    "trigger_reached": "the trigger was reached",
    "buffer_reached": "the buffer in front of the window was reached",
    "window_exceeded": "the call was larger than the window",
    "manual": "it was asked for by hand",
    "context_overflow": "the provider refused the call",
    "soft_trigger_reached": "the soft trigger was reached",
}


def compactions(report: Report) -> Markup:
    """Return the section of the compactions."""
    listed = {one.compaction for one in report.removed}
    cards = [
        _card(one, is_last=one is report.compactions[-1], is_listed=one.number in listed)
        for one in report.compactions
    ]
    nothing = el("p", "Nothing was compacted: no call came near the trigger.")
    return el(
        "section",
        el("h2", "Compactions", id="compactions"),
        cards or nothing,
        aria_labelledby="compactions",
    )


def _card(one: Compaction, *, is_last: bool, is_listed: bool) -> Markup:
    ident = f"compaction-{one.number}"
    name = el(
        "h3",
        el("span", str(one.number), class_="number"),
        f" {one.tokens_before:,} → {one.tokens_after:,} tokens",
        id=f"{ident}-name",
    )
    return el(
        "article",
        el("header", name, el("p", *_when(one), class_="when")),
        el("div", _layers(one), el("dl", *_figures(one), class_="figures"), class_="columns"),
        [el("p", said, class_="failure") for said in one.failures],
        _summary(one.summary, is_open=is_last),
        _link(one) if is_listed else None,
        id=ident,
        tabindex="-1",
        aria_labelledby=f"{ident}-name",
    )


def _when(one: Compaction) -> Iterator[Child]:
    why = _REASONS.get(one.reason or "", (one.reason or "").replace("_", " "))
    yield f"Before model call {one.call:,}"
    yield f", as {why}" if why else None
    if one.when:
        yield joined(" · ", el("time", one.when.replace("T", " ").replace("Z", " UTC")))
    if one.note and one.note != "manual":
        yield joined(" · ", el("bdi", f"“{one.note}”"))


def _layers(one: Compaction) -> Markup:
    """Return what the call was made of before and after."""
    most = max(one.tokens_before, one.tokens_after)
    rows = [
        el(
            "tr",
            el("th", key(group), LABELS[group], scope="row"),
            el("td", f"{one.layers_before[group]:,}"),
            el("td", f"{one.layers_after[group]:,}"),
        )
        for group in GROUPS
        if one.layers_before[group] or one.layers_after[group]
    ]
    head = el("tr", *(el("th", name, scope="col") for name in ("Tokens", "before", "after")))
    return el(
        "div",
        _bar("before", one.layers_before, most),
        _bar("after", one.layers_after, most),
        el("table", el("thead", head), el("tbody", rows), class_="layers"),
        class_="before-after",
    )


def _bar(name: str, layers: Layers, most: int) -> Markup:
    return el("div", el("span", name), bar(layers, most), class_="bar-row", aria_hidden="true")


def _figures(one: Compaction) -> Iterator[Markup]:
    """Yield what was kept, summarised and dropped, and what that costs."""
    if (stayed := one.stayed) is not None:
        yield _figure("Kept", _kept(one), ", ".join(_why_kept(stayed)))
    if one.summarised is not None:
        earlier = (one.stands_for or 0) - one.summarised
        more = f"with {counted(earlier, 'earlier item')}, {one.stands_for:,} in all"
        yield _figure("Summarised", counted(one.summarised, "item"), more if earlier > 0 else "")
    if one.cleared:
        said = "a line stands in for what they said"
        yield _figure("Cleared", counted(one.cleared, "tool output"), said)
    saved = one.tokens_before - one.tokens_after
    yield _figure(
        "Freed", counted(saved, "token"), f"{share(saved, one.tokens_before)} of the call"
    )
    if one.cache is not None:
        yield _cache(one.cache, one.calls_after)
    if (policy := one.policy) is not None and policy.step:
        turns, pairs = policy.keep_recent_turns, policy.keep_tool_io_pairs
        said = f"to {counted(turns, 'turn')} and {counted(pairs, 'tool call')}, to fit"
        yield _figure("Keep counts lowered", counted(policy.step, "time"), said)
    if one.rescue is not None and one.rescue.reported_tokens:
        said = f"{one.rescue.reported_tokens:,} tokens, by the provider's count"
        yield _figure("Refused", "1 call", said)


def _kept(one: Compaction) -> str:
    if one.items_after is None:
        return "-"
    return counted(one.items_after - (one.summary is not None), "item")


def _why_kept(stayed: events.PrunedMessages) -> Iterator[str]:
    for number, what in ((stayed.recent_turns, "recent turn"), (stayed.tool_pairs, "tool call")):
        if number:
            yield counted(number, what)
    if stayed.user_messages:
        yield counted(stayed.user_messages, "message") + " of users"
    if stayed.pinned:
        yield f"{stayed.pinned:,} pinned"


def _cache(cache: events.CacheEffect, calls_after: int) -> Markup:
    """Return what happens to the provider's prompt cache, and whether that pays."""
    said = f"{cache.kept:,} tokens stay in it, {cache.lost:,} are read anew once"
    if cache.break_even_calls is None:
        return _figure("Prompt cache", "does not pay", said)
    later = calls_after - 1
    pays = f"after {cache.break_even_calls:.0f} calls"
    if cache.break_even_calls < 1.5:  # noqa: PLR2004 - is shown as one
        pays = "with the next call"
    word = "paid back" if later >= cache.break_even_calls else f"pays {pays}"
    said += f"; {counted(later, 'call')} followed" if later else "; none followed yet"
    if cache.cost_lost is not None and cache.cost_saved is not None:
        said += f"; {dollars(cache.cost_lost)} once, {dollars(cache.cost_saved)} less for each call"
    return _figure("Prompt cache", word, said)


def _figure(name: str, figure: str, what: str) -> Markup:
    told = el("span", what) if what else None
    return el("div", el("dt", name), el("dd", el("b", figure), " ", told))


def _summary(shown: SummaryShown | None, *, is_open: bool) -> Markup | None:
    if shown is None:
        return None
    title = joined(f"Summary v{shown.version}", el("span", *_made_by(shown), class_="by"))
    put_back = None
    if shown.put_back:
        put_back = joined(
            el("h4", "Facts put back, which it had left out"),
            el("div", shown.put_back, class_="text put-back"),
        )
    return el(
        "details",
        el("summary", title),
        el("p", *_facts(shown), class_="facts"),
        el(
            "div",
            *_marked(shown),
            class_="text",
            role="group",
            tabindex=0,
            aria_label=f"Text of summary {shown.version}",
        ),
        put_back,
        el("p", f"[{counted(shown.left_out, 'character')} more]") if shown.left_out else None,
        open=is_open,
        class_="summary",
    )


def _made_by(shown: SummaryShown) -> Iterator[Child]:
    created = shown.created
    yield f" {shown.strategy}"
    if created is not None:
        yield f", by {created.model or created.summarizer}, {created.tokens:,} tokens for "
        yield f"{created.input_tokens:,}"
        if created.prepared:
            yield ", written ahead"


def _facts(shown: SummaryShown) -> Iterator[Child]:
    created = shown.created
    if created is not None and created.facts_found and created.facts_kept is not None:
        yield el("b", f"{created.facts_kept} of {created.facts_found} key facts")
        yield " of what went are in it"
        back = created.facts_kept - (created.facts_in_prose or 0)
        yield f", {back} of them put back" if back > 0 else None
        if created.coverage_after is not None:
            yield f": {created.coverage_after:.1%} by weight"
        yield ". "
    if shown.carried:
        yield el("mark", "Marked")
        yield " is what stood in the items that were removed."


def _marked(shown: SummaryShown) -> Iterator[Child]:
    """Yield the prose, with what it carries over marked."""
    done = 0
    for start, end in shown.carried:
        yield shown.prose[done:start]
        yield el("mark", shown.prose[start:end])
        done = end
    yield shown.prose[done:]


def _link(one: Compaction) -> Markup:
    gone = (one.summarised or 0) + (one.cleared or 0)
    return el(
        "p",
        el(
            "a",
            f"See the {counted(gone, 'item')} that it removed",
            href=f"#removed-{one.number}",
        ),
        class_="see",
    )
