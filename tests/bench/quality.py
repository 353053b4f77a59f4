"""What the agent needs later and still finds after a compaction, ours beside what others do.

    uv run python tests/bench/quality.py [--data DIR] [--budget 0.25] [--by group] [--json]

Real conversations are cut in the middle and compacted to a share of their tokens, without a model.
Which facts later calls needed is known, so what is lost can be counted (`quality_score`). Nothing
is left out: a cut at which what must stay does not fit counts with an extractive note alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quality_pipeline import BASELINES, Product
from quality_score import Conversation, Row, Scorer, load, summarised

from compact_otel.estimators.text import TextCounts

DATA = Path(__file__).parents[3] / "shared" / "data" / "transcripts"
COLUMNS = (
    "recall", "bound", "recall_write", "recall_goal", "ratio", "over_budget", "valid", "protected",
)  # fmt: skip
BARS = {
    0.10: {"recall": 82, "bound": 74, "recall_write": 85, "recall_goal": 80},
    0.25: {"recall": 95, "bound": 91, "recall_write": 96, "recall_goal": 95, "protected": 80},
    0.50: {
        "recall": 99.5, "bound": 98.5, "recall_write": 99.5, "recall_goal": 99.5, "protected": 89,
    },
}  # fmt: skip
OURS = "compact_otel"

Line = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 2 if there is nothing to judge."""
    asked = _asked(arguments)
    try:
        conversations = load(asked.data)
    except ValueError as error:
        print(f"{error}\nGive conversations with `--data DIR`.", file=sys.stderr)
        return 2
    counts = TextCounts()
    scorer = Scorer(counts.__getitem__)
    lines: list[Line] = []
    for budget in asked.budget:
        lines += _lines(scorer, conversations, budget, asked.by)
    if asked.json:
        for line in lines:
            print(json.dumps(line))
        return 0
    print("\n".join(table(lines)))
    for line in lines:
        if line["compactor"] == OURS and "by" not in line and line["refused"]:
            print(
                f"\nAt {line['budget']:.0%} what must stay did not fit at {line['refused']} of "
                f"{line['cuts']} cuts; there the extractive note was scored."
            )
    return 0


def table(lines: Sequence[Line]) -> list[str]:
    """Return the figures as a table in Markdown, with the bars where there are some."""
    head = ["budget", "compactor", "cuts", *COLUMNS]
    rows = [[str(_shown(line.get(name))) for name in head] for line in lines]
    for line in lines:
        bar = BARS.get(line["budget"])
        if bar and line["compactor"] == OURS and "by" not in line:
            place = lines.index(line) + 1
            told = [f">= {bar[name]}" if name in bar else "" for name in COLUMNS]
            rows.insert(place + sum(row[1] == "bar" for row in rows), ["", "bar", "", *told])
    divided = ["---"] * len(head)
    return [f"| {' | '.join(cells)} |" for cells in (head, divided, *rows)]


def _lines(
    scorer: Scorer, conversations: Sequence[Conversation], budget: float, by: str | None
) -> list[Line]:
    """Return a line for the product and for each baseline, and those of groups."""
    product = Product(scorer)
    compactors = {OURS: product, **{name: make(scorer) for name, make in BASELINES.items()}}
    lines: list[Line] = []
    for name, compact in compactors.items():
        parts: defaultdict[str, list[Row]] = defaultdict(list)
        for conversation in conversations:
            found = list(scorer.score(compact, [conversation], budget))
            if found and by is not None:
                parts[str(conversation.get(by, ""))] += found
            parts[""] += found
        for part, rows in sorted(parts.items()):
            line: Line = {"budget": budget, "compactor": f"{name}, {part}" if part else name}
            line |= {"by": part} if part else {}
            line |= {"cuts": len(rows), **summarised(rows)}
            if compact is product and not part:
                line["refused"] = product.refused
            lines.append(line)
    return lines


def _shown(value: object) -> object:
    return "-" if value is None else value


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR")
    parser.add_argument("--budget", type=_share, nargs="+", default=[0.25], metavar="SHARE")
    parser.add_argument("--by", choices=("group", "shape", "id"))
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    return parser.parse_args(arguments)


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"need 0 < share < 1 of the tokens, got {text}")
    return share


if __name__ == "__main__":
    sys.exit(main())
