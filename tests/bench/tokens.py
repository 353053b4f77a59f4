"""How right the token estimate is, over requests of which the provider's own count is known.

    uv run python tests/bench/tokens.py [--data FILE] [--json]

FILE is `.jsonl` or `.jsonl.gz`; `token_rows.py` says what a row has to have, and by default it is
../shared/data/tokens/usage.jsonl.gz beside this repository. *Clean* rows are those that can be
counted from the request alone; of the others (`exclude` says why not) the figures come apart.

* `accuracy`: the estimate as it is before any answer came back, by API, model family and feature;
* `naive`: the same requests counted as others do (`naive_tokens.py`);
* `anchor`: later calls of a conversation, with what the provider counted for the one before;
* `excluded`: rows that are not clean, by reason;
* `bars`: what we promise.

Errors are shares of the true count, in per cent: mean, median and 95th percentile of |error|;
*under* is the share of requests that are counted by more than 5 % too low, *bias* the mean error
with its sign. Simulated usage is the true one times a factor plus a constant: Claude's tokenisers
make 1.15 or 1.4 tokens of one, and charge a few hundred for having tools.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from naive_tokens import NAIVE
from token_rows import USAGE, Row, features_of, items_of, model_of, read, to_call

from compact_otel.core.calibration import Truth, applied, factor, has_grown, learned
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.model_names import base_name

LONG = 500
"""Tokens from which on a request is no toy."""

FEATURES = (
    "function tools",
    "calls in the history",
    "reasoning",
    "images",
    "output schema",
    "instructions",
)

SIMULATED = (
    ("as it is", 1.0, 0),
    ("x 1.15", 1.15, 0),
    ("x 1.15 + 350", 1.15, 350),
    ("x 1.4", 1.4, 0),
    ("x 1.4 + 500", 1.4, 500),
)

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Counted:
    """A row with its estimate.

    Attributes:
        row: The row.
        truth: Tokens by the provider's count.
        tokens: Tokens by ours.
        features: What the request has besides messages.
        failed: What the estimator raised, '' if it counted.
    """

    row: Row
    truth: int
    tokens: int
    features: set[str]
    failed: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether the request alone says what it costs."""
        return not self.row.get("exclude")

    @property
    def is_long(self) -> bool:
        """Whether it is a long text."""
        return self.truth >= LONG and "images" not in self.features

    @property
    def family(self) -> str:
        """The model's name without what tells it from its siblings."""
        name = base_name(model_of(self.row)).lower()
        found = re.search(r"gpt-(oss|35|[\d.]+o?)|o\d|[a-z]+", name)
        return found[0].replace("gpt-35", "gpt-3.5") if found else "?"


def counted(estimator: TiktokenEstimator, row: Row) -> Counted:
    """Count a row as a call would be; who cannot count it at all is as wrong as can be."""
    truth = row["input_tokens"]
    try:
        items, call = to_call(row)
        tokens = sum(estimator.count_items(items, call)) + estimator.count_fixed(call).total
        return Counted(row, truth, tokens, features_of(row))
    except Exception as error:  # noqa: BLE001 - told in the table
        return Counted(row, truth, 0, set(), type(error).__name__)


# --- figures ---


def figures(pairs: Iterable[tuple[float, float]]) -> Figures:
    """Return what is said of estimates, given as (estimate, truth); shares in per cent."""
    errors = [100 * (estimate - truth) / truth for estimate, truth in pairs]
    if not errors:
        return {"n": 0}
    sizes = sorted(map(abs, errors))
    return {
        "n": len(errors),
        "mean": statistics.mean(sizes),
        "median": statistics.median(sizes),
        "p95": sizes[ceil(0.95 * len(sizes)) - 1],
        "under": 100 * sum(error < -5 for error in errors) / len(errors),
        "bias": statistics.mean(errors),
    }


def ours(rows: Iterable[Counted]) -> Figures:
    """Return the figures of our estimates."""
    return figures((row.tokens, row.truth) for row in rows)


def subsets(clean: Sequence[Counted]) -> dict[str, list[Counted]]:
    """Return the clean rows in all the ways they are looked at, empty ones left out."""
    found = {
        "all clean rows": list(clean),
        f">= {LONG} tokens, no images": [row for row in clean if row.is_long],
    }
    for api in ("chat", "responses"):
        found[f"api: {api}"] = [row for row in clean if row.row["api"] == api]
    for family in sorted({row.family for row in clean}):
        found[f"model: {family}"] = [row for row in clean if row.family == family]
    for feature in FEATURES:
        found[feature] = [row for row in clean if feature in row.features]
    found["none of these"] = [row for row in clean if not row.features & set(FEATURES)]
    return {name: rows for name, rows in found.items() if rows}


def accuracy(clean: Sequence[Counted]) -> list[Figures]:
    """Return our figures, one row a subset."""
    return [{"rows": name, **ours(rows)} for name, rows in subsets(clean).items()]


def naive(clean: Sequence[Counted], encode: Callable[[str], int]) -> list[Figures]:
    """Return the figures of others beside ours, one row an estimator and subset."""
    wanted = ("all clean rows", f">= {LONG} tokens, no images", *FEATURES[:4])
    made: list[Figures] = []
    looked_at = {name: rows for name, rows in subsets(clean).items() if name in wanted}
    for name, rows in looked_at.items():
        made.append({"rows": name, "estimator": "compact_otel", **ours(rows)})
        for other, count in NAIVE.items():
            pairs = [(count(row.row, encode), row.truth) for row in rows if not row.failed]
            made.append({"rows": name, "estimator": other, **figures(pairs)})
    return made


def excluded(rows: Sequence[Counted]) -> list[Figures]:
    """Return our figures of rows that are not clean, one row a reason."""
    by_reason: dict[str, list[Counted]] = defaultdict(list)
    for row in rows:
        for reason in {str(reason).partition(":")[0] for reason in row.row["exclude"]}:
            by_reason[reason].append(row)
    return [{"rows": name, **ours(by_reason[name])} for name in sorted(by_reason)]


# --- the anchor ---


@dataclass(frozen=True, slots=True)
class Step:
    """A call and the one before it in the same conversation."""

    before: Counted
    after: Counted


def steps(rows: Sequence[Counted]) -> list[Step]:
    """Return each call that continues an earlier one of its recording, in the order of the file.

    It continues the longest whose items it begins with, of the same model and API: so the manager
    finds out what to anchor on, too.
    """
    by_recording: dict[Any, list[Counted]] = defaultdict(list)
    found = []
    for row in rows:
        if row.failed:
            continue
        key = row.row.get("source"), row.row["api"], model_of(row.row)
        items = items_of(row.row)
        earlier = [
            other
            for other in by_recording[key]
            if len(before := items_of(other.row)) < len(items) and items[: len(before)] == before
        ]
        if earlier:
            found.append(Step(max(earlier, key=lambda other: len(items_of(other.row))), row))
        by_recording[key].append(row)
    return found


def anchored(
    made: Sequence[Step], scale: float, constant: int, *, known: float | None
) -> list[tuple[float, float]]:
    """Return (estimate, truth) of each step, with usage as another provider might count.

    Args:
        made: The steps, in the order in which the calls are made.
        scale: Its tokens for one of OpenAI's.
        constant: What it adds to each request.
        known: The ratio that is known of the model; None to learn it on the way, as the manager
            does.
    """
    ratios: dict[str, float] = {}
    pairs = []
    for step in made:
        model = model_of(step.after.row)
        ratio = ratios.get(model, 1.0) if known is None else known
        before, after = (
            Truth(round(scale * row.truth + constant), row.tokens)
            for row in (step.before, step.after)
        )
        pairs.append((after.counted * factor(after.counted, before, applied(ratio)), after.tokens))
        if has_grown(before, after):
            ratios[model] = learned(ratio, before, after)
    return pairs


def anchor(rows: Sequence[Counted]) -> list[Figures]:
    """Return the figures of later calls, one row a kind of usage."""
    clean = steps([row for row in rows if row.is_clean])
    foreign = [
        row
        for row in rows
        if not row.is_clean and all(str(why).startswith("host:") for why in row.row["exclude"])
    ]
    claude = steps([row for row in foreign if "claude" in row.family])
    others = steps([row for row in foreign if "claude" not in row.family])
    kinds = [(f"clean rows, {name}", clean, scale, added) for name, scale, added in SIMULATED]
    kinds += [("real Claude", claude, 1.0, 0), ("other real hosts", others, 1.0, 0)]
    made = []
    for name, taken, scale, added in kinds:
        if not taken:
            continue
        truths = [(step.after.tokens, scale * step.after.truth + added) for step in taken]
        ways = {
            "no anchor": figures(truths),
            "anchor": figures(anchored(taken, scale, added, known=None)),
        }
        if scale != 1:
            ways["anchor, ratio known"] = figures(anchored(taken, scale, added, known=scale))
        made += [{"usage": name, "way": way, **found} for way, found in ways.items()]
    return made


# --- what we promise ---


def bars(clean: Sequence[Counted], with_anchor: Sequence[Figures]) -> list[Figures]:
    """Return what we promise, and whether it holds; what there are no rows for is left out."""
    everything, long = ours(clean), ours(row for row in clean if row.is_long)
    later = {(row["usage"], row["way"]): row for row in with_anchor}
    promised: list[tuple[str, Figures, str, float]] = [
        ("all clean rows: median", everything, "median", 0),
        ("all clean rows: mean", everything, "mean", 4),
        ("all clean rows: p95", everything, "p95", 10),
        ("all clean rows: under by more than 5 %", everything, "under", 5),
        (f">= {LONG} tokens, no images: mean", long, "mean", 1),
        (f">= {LONG} tokens, no images: p95", long, "p95", 3),
    ]
    for name, scale, _ in SIMULATED:
        usage, most = f"clean rows, {name}", 0 if scale == 1 else 6
        promised.append(
            (
                f"with anchor, {usage}: median",
                later.get((usage, "anchor"), {"n": 0}),
                "median",
                most,
            )
        )
    return [
        {
            "bar": name,
            "n": found["n"],
            "at most": most,
            "measured": found[figure],
            "holds": round(found[figure], 1) <= most,
        }
        for name, found, figure, most in promised
        if found["n"]
    ]


# --- tables ---


def table(rows: Sequence[Figures]) -> str:
    """Return rows as Markdown, columns aligned."""
    names = list(rows[0])
    cells = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    numbers = [isinstance(rows[0][name], int | float) for name in names]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    lines = [
        "| "
        + " | ".join(
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(line, widths, numbers, strict=True)
        )
        + " |"
        for line in cells
    ]
    rule = "|".join(
        "-" * (width + 1) + (":" if is_number else "-")
        for width, is_number in zip(widths, numbers, strict=True)
    )
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]])


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "pass" if value else "FAIL"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}"
    return "" if value is None else str(value)


def sections(rows: Sequence[Counted], encode: Callable[[str], int]) -> dict[str, list[Figures]]:
    """Return all tables, empty ones left out."""
    clean = [row for row in rows if row.is_clean]
    with_anchor = anchor(rows)
    made = {
        "accuracy": accuracy(clean),
        "naive": naive(clean, encode),
        "anchor": with_anchor,
        "excluded": excluded([row for row in rows if not row.is_clean]),
        "failed": [
            {"raised": name, "n": n}
            for name, n in Counter(row.failed for row in rows if row.failed).items()
        ],
        "bars": bars(clean, with_anchor),
    }
    return {name: found for name, found in made.items() if found}


def main() -> int:
    """Print the tables; return 2 if there is no data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=USAGE, help="rows, .jsonl or .jsonl.gz")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    options = parser.parse_args()
    if not options.data.is_file():
        print(
            f"{options.data}: no such file. The recorded requests are not part of this repository; "
            "--data FILE takes others (tests/bench/token_rows.py says what a row has to have).",
            file=sys.stderr,
        )
        return 2
    estimator = TiktokenEstimator()
    try:
        rows = [counted(estimator, row) for row in read(options.data)]
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if not rows:
        print(f"{options.data}: no row in it has an `input_tokens` above 0.", file=sys.stderr)
        return 2
    if not options.json:
        clean = sum(row.is_clean for row in rows)
        print(f"{options.data.name}: {len(rows)} rows with usage, {clean} of them clean.\n")
    for name, found in sections(rows, estimator.count_text).items():
        if options.json:
            for row in found:
                print(json.dumps({"section": name, **row}))
        else:
            print(f"## {name}\n\n{table(found)}\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
