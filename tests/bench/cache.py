"""What compaction does to the bill of the provider's prompt cache, over a hundred turns.

    uv run python tests/bench/cache.py [--json]

A recorded session is played against each way of shortening it, with a window of 60 % of what it
would grow to. A cached token costs a tenth; a prefix is cached as far as it equals, item by item,
what the call before sent. The figure is the cost of all input, as a multiple of no compaction.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from compact_otel import CompactConfig, CompactManager
from compact_otel.core.types import CallContext
from compact_otel.demo.recording import bundled
from compact_otel.estimators.tiktoken import TiktokenEstimator

TURNS = 100
CACHED = 0.1
SHARE = 0.6

Item = dict[str, Any]
Shorten = Callable[[list[Item]], Sequence[Item]]


def session() -> list[list[Item]]:
    """Return the history at each model call."""
    recorded = [dict(item) for item in bundled().items]
    items: list[Item] = []
    while sum(item.get("role") == "user" for item in items) <= TURNS:
        mark = f" ({len(items)})"
        for item in recorded:
            copy = dict(item)
            if "call_id" in copy:
                copy["call_id"] += mark
            if isinstance(copy.get("content"), str):
                copy["content"] += mark
            items.append(copy)
    calls, turns = [], 0
    for n, item in enumerate(items):
        speaks = item.get("role") == "user" or item.get("type") == "function_call_output"
        turns += item.get("role") == "user"
        if turns > TURNS:
            break
        follows = items[n + 1] if n + 1 < len(items) else {}
        if speaks and follows.get("type") != "function_call_output":
            calls.append(items[: n + 1])
    return calls


class Meter:
    """Adds up what a series of calls costs."""

    def __init__(self, call: CallContext) -> None:
        self._call = call
        self._estimator = TiktokenEstimator()
        self._last: list[str] = []
        self.cost = 0.0
        self.breaks = 0

    def tokens(self, items: Sequence[Item]) -> list[int]:
        """Return the tokens of each item."""
        return list(self._estimator.count_items(items, self._call))

    def sent(self, items: Sequence[Item]) -> None:
        """Take one call into account."""
        tokens = self.tokens(items)
        texts = [json.dumps(item, sort_keys=True) for item in items]
        same = 0
        while same < min(len(texts), len(self._last)) and texts[same] == self._last[same]:
            same += 1
        self.breaks += same < len(self._last)
        fixed = self._estimator.count_fixed(self._call).total
        fixed_cost = fixed * (CACHED if self._last else 1.0)
        self.cost += fixed_cost + CACHED * sum(tokens[:same]) + sum(tokens[same:])
        self._last = texts


def starts_of_turns(items: Sequence[Item]) -> list[int]:
    """Return where a history may be cut by simple rules: in front of user messages."""
    return [n for n, item in enumerate(items) if item.get("role") == "user"]


def drop_oldest(meter: Meter, budget: int, keep_first: int = 0) -> Shorten:
    """Drop whole turns from the front, but for the first ones, until the rest fits."""

    def shorten(items: list[Item]) -> Sequence[Item]:
        tokens, cuts = meter.tokens(items), starts_of_turns(items)
        head = items[: cuts[keep_first]] if keep_first and len(cuts) > keep_first else []
        for cut in cuts[keep_first:]:
            if sum(tokens[: len(head)]) + sum(tokens[cut:]) <= budget:
                return items if cut == len(head) else [*head, *items[cut:]]
        return items[cuts[-1] :]

    return shorten


def figures() -> list[dict[str, Any]]:
    """Play the session once a way."""
    recorded = bundled()
    call = CallContext(
        model="gpt-4o", instructions=recorded.instructions, tools=list(recorded.tools)
    )
    calls = session()
    fixed = TiktokenEstimator().count_fixed(call).total
    peak = fixed + sum(Meter(call).tokens(calls[-1]))
    window = int(peak * SHARE)
    config = CompactConfig.load(max_context_tokens=window, storage={"adapter": "none"})
    manager = CompactManager(config)
    outcomes: list[str] = []

    def ours(items: list[Item]) -> Sequence[Item]:
        result = manager.preflight("s", items, call=call)
        outcomes.append(result.outcome)
        return result.messages

    budget = window - config.policy.hard_cap_buffer - fixed
    ways: dict[str, Callable[[Meter], Shorten]] = {
        "no compaction": lambda _: lambda items: items,
        "compact_otel": lambda _: ours,
        "drop oldest": lambda meter: drop_oldest(meter, budget),
        "keep first and last": lambda meter: drop_oldest(meter, budget, keep_first=2),
    }
    rows: list[dict[str, Any]] = []
    for name, way in ways.items():
        meter = Meter(call)
        shorten = way(meter)
        for items in calls:
            meter.sent(shorten(items))
        rows.append({"way": name, "calls": len(calls), "cost": meter.cost, "breaks": meter.breaks})
    for row in rows:
        row["relative"] = row["cost"] / rows[0]["cost"]
        row["window"], row["peak"] = window, peak
        row["compactions"] = outcomes.count("compacted") if row["way"] == "compact_otel" else None
    return rows


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    as_json = parser.parse_args().json
    for row in figures():
        if as_json:
            print(json.dumps(row))
        else:
            made = "" if row["compactions"] is None else f", {row['compactions']} compactions"
            print(
                f"{row['way']:>20}: {row['relative']:5.2f} x the cost, "
                f"{row['breaks']:3} cache breaks in {row['calls']} calls{made}"
            )


if __name__ == "__main__":
    main()
