"""Draw docs/figures/quality.svg from the lines that `quality.py --json` prints.

    uv run python tests/bench/quality.py --budget 0.1 0.25 0.5 --json > lines.json
    uv run python tests/bench/quality_figure.py lines.json docs/figures/quality.svg

The same lines give the same bytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, PANEL, TOP, ROW, LABEL = 960, 250, 84, 34, 170
COLORS = {"recall": "#1f5fa8", "bound": "#8fb8e0"}

_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
    'font-family="system-ui, sans-serif" font-size="13" fill="#222">'
)


def drawn(lines: list[dict[str, object]]) -> str:
    """Return the figure: a panel for each budget, a row for each compactor, two bars a row."""
    budgets = sorted({float(str(line["budget"])) for line in lines})
    names = list(dict.fromkeys(str(line["compactor"]) for line in lines if "by" not in line))
    height = TOP + ROW * len(names) + 34
    parts = [
        _HEAD.format(width=WIDTH, height=height),
        "<title>Facts that later calls needed and that survive a compaction, in per cent</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        _text(16, 26, "Facts that later calls needed and still find", 'font-weight="600"'),
    ]
    for place, (name, told) in enumerate(
        (("recall", "the value still stands"), ("bound", "beside what it belongs to"))
    ):
        left = 420 + place * 220
        parts += [
            f'<rect x="{left}" y="15" width="12" height="12" fill="{COLORS[name]}"/>',
            f'<text x="{left + 18}" y="26">{name}: {told}</text>',
        ]
    for row, name in enumerate(names):
        weight = ' font-weight="600"' if row == 0 else ""
        y = TOP + row * ROW + 19
        parts.append(
            f'<text x="{LABEL - 10}" y="{y}" text-anchor="end"{weight}>{escape(name)}</text>'
        )
    for column, budget in enumerate(budgets):
        left = LABEL + column * (PANEL + 10)
        parts.append(
            f'<text x="{left}" y="{TOP - 12}" font-weight="600">{budget:.0%} of the tokens</text>'
        )
        for share in (0, 50, 100):
            x = left + share * (PANEL - 50) / 100
            bottom = TOP + ROW * len(names)
            parts += [
                f'<line x1="{x:g}" y1="{TOP}" x2="{x:g}" y2="{bottom}" stroke="#ddd"/>',
                _text(x, bottom + 18, str(share), 'text-anchor="middle" fill="#666"'),
            ]
        for row, name in enumerate(names):
            line = next(
                one
                for one in lines
                if one["compactor"] == name and float(str(one["budget"])) == budget
            )
            for place, figure in enumerate(("recall", "bound")):
                value = float(str(line[figure] or 0))
                y, long = TOP + row * ROW + 4 + place * 13, value * (PANEL - 50) / 100
                size = f'width="{long:g}" height="12"'
                parts += [
                    f'<rect x="{left}" y="{y}" {size} fill="{COLORS[figure]}"/>',
                    _text(left + long + 4, y + 10, f"{value:.1f}", 'font-size="11"'),
                ]
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: int, told: str, how: str) -> str:
    return f'<text x="{x:g}" y="{y}" {how}>{escape(told)}</text>'


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    source, target = map(Path, sys.argv[1:])
    lines = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(drawn(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
