"""The saw-tooth: context tokens over model calls, as inline SVG.

Drawn twice, wide and narrow, as a drawing that is only scaled has letters that nobody reads on a
phone; the style sheet shows one of them. Colours are those of the style sheet, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor, log10

from compact_otel.report.data import Compaction, Report
from compact_otel.report.markup import Markup, el
from compact_otel.report.tally import GROUPS, Group, Layers
from compact_otel.report.words import short

_HEADROOM = 1.12
_POINTS = 700
"""Calls that are drawn at most, beside those with a compaction."""
_MARKED = 120
"""Compactions that get a numbered mark; of more only a tick is drawn."""
_APART = 15
"""Units between two names of lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A drawing, in its own units.

    Attributes:
        name: `wide` or `narrow`; part of ids.
        width: All of it.
        height: All of it.
        left: Room for the numbers of the axis.
        right: Room for the names of the lines; 0: they stand in the drawing.
        ticks: About how many numbers an axis has.
        radius: Of the mark of a compaction.
    """

    name: str
    width: int
    height: int
    left: int
    right: int
    ticks: int
    radius: float


WIDE = Size(name="wide", width=1040, height=400, left=52, right=150, ticks=10, radius=9)
NARROW = Size(name="narrow", width=380, height=330, left=40, right=8, ticks=4, radius=7.5)
_TOP, _BOTTOM = 26, 40


@dataclass(frozen=True, slots=True)
class _Point:
    """A state of the context: after a call, or before a compaction of it."""

    number: int
    tokens: int
    layers: Layers


class _Plane:
    """Turns calls and tokens into places."""

    def __init__(self, size: Size, report: Report) -> None:
        self.size = size
        self.calls = len(report.calls)
        peaks = [call.tokens for call in report.calls]
        peaks += [one.tokens_before for one in report.compactions]
        self.most = _HEADROOM * max(report.window.input_limit, *peaks, 1)
        self.bottom = size.height - _BOTTOM
        self.end = size.width - size.right

    def x(self, number: float) -> float:
        if self.calls == 1:
            return (self.size.left + self.end) / 2
        step = (self.end - self.size.left) / (self.calls - 1)
        return round(self.size.left + (number - 1) * step, 1)

    def y(self, tokens: float) -> float:
        return round(self.bottom - (self.bottom - _TOP) * tokens / self.most, 1)


def chart(report: Report, size: Size) -> Markup:
    """Return the drawing of a report with at least one call."""
    plane = _Plane(size, report)
    points = list(_points(report))
    name = f"chart-{size.name}"
    clip = f"{name}-plane"
    box = el("rect", x=size.left, y=_TOP, width=plane.end - size.left, height=plane.bottom - _TOP)
    return el(
        "svg",
        el("title", "Context tokens over model calls", id=f"{name}-title"),
        el("desc", _told(report), id=f"{name}-desc"),
        el("clipPath", box, id=clip),
        el("g", *_axes(plane), class_="axis", aria_hidden="true"),
        el("g", *_areas(plane, points), aria_hidden="true"),
        el("g", _ghost(plane, report), clip_path=f"url(#{clip})", aria_hidden="true"),
        el("path", d=_line(plane, points), class_="saw", aria_hidden="true"),
        el("g", *_lines(plane, report), aria_hidden="true"),
        el("line", x1=0, x2=0, y1=_TOP, y2=plane.bottom, class_="cursor", aria_hidden="true"),
        [_mark(plane, one) for one in report.compactions],
        class_=f"chart {size.name}",
        viewBox=f"0 0 {size.width} {size.height}",
        role="group",
        aria_labelledby=f"{name}-title {name}-desc",
        data_left=plane.x(1),
        data_right=plane.x(plane.calls),
    )


def _told(report: Report) -> str:
    return (
        f"{len(report.calls)} model calls, {len(report.compactions)} compactions. The largest "
        f"call has {report.peak:,} tokens of a window of {report.window.input_limit:,}; without "
        f"compaction it would have {report.peak_whole:,}. The table below has all calls."
    )


def _points(report: Report) -> Iterator[_Point]:
    """Yield what is drawn; of very many calls only some."""
    step = max(1, -(-len(report.calls) // _POINTS))
    of_call: dict[int, list[Compaction]] = {}
    for one in report.compactions:
        of_call.setdefault(one.call, []).append(one)
    for call in report.calls:
        made = of_call.get(call.number, [])
        for one in made:
            yield _Point(call.number, one.tokens_before, one.layers_before)
            yield _Point(call.number, one.tokens_after, one.layers_after)
        near = call.number % step == 0 or call.number + 1 in of_call
        if not made and (near or call.number in (1, len(report.calls))):
            yield _Point(call.number, call.tokens, call.layers)


def _areas(plane: _Plane, points: Sequence[_Point]) -> Iterator[Markup]:
    """Yield what the context is made of, one layer on the other."""
    floor_ = [0] * len(points)
    for group in GROUPS:
        ceiling = [low + point.layers[group] for low, point in zip(floor_, points, strict=True)]
        if ceiling != floor_:
            yield el("path", d=_band(plane, points, floor_, ceiling), class_=f"area {group}")
        floor_ = ceiling


def _band(plane: _Plane, points: Sequence[_Point], low: Sequence[int], high: Sequence[int]) -> str:
    places = list(zip(points, low, high, strict=True))
    there = [f"{plane.x(point.number):g} {plane.y(top):g}" for point, _, top in places]
    back = [f"{plane.x(point.number):g} {plane.y(base):g}" for point, base, _ in reversed(places)]
    return f"M{'L'.join([*there, *back])}Z"


def _line(plane: _Plane, points: Sequence[_Point]) -> str:
    return "M" + "L".join(
        f"{plane.x(point.number):g} {plane.y(point.tokens):g}" for point in points
    )


def _ghost(plane: _Plane, report: Report) -> Markup | None:
    """Return what the calls would have been without compaction, as far as it fits."""
    if not report.compactions:
        return None
    step = max(1, -(-len(report.calls) // _POINTS))
    ends = (1, len(report.calls))
    drawn = [call for call in report.calls if call.number % step == 0 or call.number in ends]
    places = [f"{plane.x(call.number):g} {plane.y(call.tokens_whole):g}" for call in drawn]
    return el("path", d="M" + "L".join(places), class_="ghost")


def _lines(plane: _Plane, report: Report) -> Iterator[Markup]:
    """Yield the window, the trigger and the target, and their names where they do not collide."""
    known = {
        "window": report.window.input_limit,
        "trigger": report.limits.trigger,
        "target": report.limits.target,
    }
    below = 0.0
    for name, tokens in known.items():
        y = plane.y(tokens)
        yield el("line", x1=plane.size.left, x2=plane.end, y1=y, y2=y, class_=f"limit {name}")
        below = max(y + 4, below + _APART)
        said = f"{name} {tokens:,}"
        if plane.size.right > _APART:
            yield el("text", said, x=plane.end + 16, y=below, class_=f"name {name}")
        else:  # where the first calls leave room
            said = f"{name} {short(tokens)}"
            yield el("text", said, x=plane.size.left + 3, y=below - 9, class_=f"name {name}")
    if report.compactions and (leaves := _leaves(plane, report)) is not None:
        last = f"without compaction: {short(report.peak_whole)}"
        if leaves > (plane.size.left + plane.end) / 2:
            yield el("text", last, x=leaves - 6, y=_TOP - 8, class_="name in ghost-name")
        else:
            yield el("text", last, x=leaves + 8, y=_TOP - 8, class_="name ghost-name")


def _leaves(plane: _Plane, report: Report) -> float | None:
    """Return where the calls without compaction leave the drawing, None if they stay in it."""
    over = (call for call in report.calls if call.tokens_whole > plane.most)
    first = next(over, None)
    return None if first is None else plane.x(first.number)


def _mark(plane: _Plane, one: Compaction) -> Markup:
    """Return a link to a compaction."""
    x, y = plane.x(one.call), plane.y(one.tokens_before)
    said = (
        f"Compaction {one.number}, at call {one.call}: {one.tokens_before:,} to "
        f"{one.tokens_after:,} tokens"
    )
    number = (
        el("text", str(one.number), x=x, y=y + 3.6, aria_hidden="true")
        if one.number <= _MARKED
        else None
    )
    return el(
        "a",
        el("title", said),
        el("circle", cx=x, cy=y, r=plane.size.radius),
        number,
        href=f"#compaction-{one.number}",
        class_="mark",
    )


def _axes(plane: _Plane) -> Iterator[Markup]:
    for tokens in _ticks(plane.most, plane.size.ticks // 2 + 1):
        y = plane.y(tokens)
        yield el("line", x1=plane.size.left, x2=plane.end, y1=y, y2=y)
        yield el("text", short(tokens), x=plane.size.left - 6, y=y + 4, class_="y")
    base = plane.bottom + 18
    for number in _ticks(plane.calls, plane.size.ticks):
        if number >= 1:
            yield el("text", f"{number:,.0f}", x=plane.x(number), y=base, class_="x")
    middle = (plane.size.left + plane.end) / 2
    yield el("text", "model calls", x=middle, y=plane.size.height - 6, class_="x unit")


def _ticks(most: float, about: int) -> Iterator[float]:
    """Yield round numbers from 0 to `most`."""
    raw = max(most, 1) / max(1, about)
    power = 10 ** floor(log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    step = max(1, step)
    yield from (step * n for n in range(int(most // step) + 1))


def bar(layers: Layers, most: int) -> Markup:
    """Return a bar of what a context is made of, against the longest one beside it."""
    at, parts = 0.0, []
    for group in GROUPS:
        width = round(1000 * layers[group] / max(1, most), 2)
        if width:
            parts.append(el("rect", x=at, y=0, width=width, height=20, class_=f"area {group}"))
        at += width
    return el(
        "svg",
        parts,
        class_="bar",
        viewBox="0 0 1000 20",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def key(group: Group | str) -> Markup:
    """Return a patch of a colour, for a legend."""
    patch = el("rect", width=12, height=12, rx=3, class_=f"area {group}")
    return el("svg", patch, class_="key", viewBox="0 0 12 12", aria_hidden="true")
