"""What stands behind the table of `quality.py`: rounds, bad summarisers, repetition, time.

    uv run python tests/bench/quality_rounds.py [--data DIR] [--json]

* five rounds: one long session summarised in one go, and in five on top of one another;
* lorem ipsum: a summariser whose words are worth nothing, so that all that is left was put back;
* by hand: what `manual_compact` removes with the settings as they are, and whether doing it again
  changes anything;
* protected at most: what a budget holds of the items that shall stay word for word, smallest first,
  if it is spent on nothing else;
* seconds of a core: the extractive note and the check of a summary, on the sessions above 100,000
  tokens.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quality import DATA
from quality_pipeline import Product
from quality_score import (
    Conversation,
    Item,
    Scorer,
    at_risk,
    contains,
    cuts,
    load,
    normed,
    protected,
    summarised,
    text_of,
)

from compact_otel import CompactConfig, CompactManager
from compact_otel.core.facts import Facts
from compact_otel.core.types import SummaryRequest
from compact_otel.estimators.text import TextCounts
from compact_otel.summarizers import ExtractiveSummarizer

BUDGET, ROUNDS, KEPT, LONG, LARGE = 0.25, 5, 8, 60_000, 100_000
_SHARES = (0.3, 0.5, 1.0)
LOREM = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut "
    "labore et dolore magna aliqua. "
)


class LoremIpsum:
    """A summariser that says nothing."""

    name = "lorem ipsum"

    def summarize(self, request: SummaryRequest) -> str:
        text = LOREM
        while request.count_text(text) > request.max_tokens and len(text) > 1:
            text = text[: len(text) // 2]
        return text


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    try:
        conversations = load(asked.data)
    except ValueError as error:
        print(f"{error}\nGive conversations with `--data DIR`.", file=sys.stderr)
        return 2
    scorer = Scorer(TextCounts().__getitem__)
    figures = {
        "five_rounds": five_rounds(scorer, conversations),
        "lorem_ipsum": lorem_ipsum(scorer, conversations),
        "by_hand": by_hand(conversations),
        "protected_at_most": protected_at_most(scorer, conversations),
        "seconds": seconds(scorer, conversations),
    }
    for name, figure in figures.items():
        print(json.dumps({"figure": name, **figure}) if asked.json else f"{name}: {figure}")
    return 0


def five_rounds(scorer: Scorer, conversations: Sequence[Conversation]) -> dict[str, Any]:
    """Return the recall of one note, and of one that was made in five rounds."""
    shares: dict[str, list[float]] = {"once": [], "in_rounds": []}
    for conversation in conversations:
        counted = [scorer.tokens(item) for item in conversation["items"]]
        if sum(counted) < LONG:
            continue
        cut = cuts(conversation, counted)[-1]
        items, facts = conversation["items"][:cut], at_risk(conversation, cut)
        going, kept = items[:-KEPT], items[-KEPT:]
        room = int(sum(counted[:cut]) * BUDGET)
        ends = [len(going) * number // ROUNDS for number in range(1, ROUNDS + 1)]
        for name, stops in (("once", ends[-1:]), ("in_rounds", ends)):
            note, start = None, 0
            for stop in stops:
                staying = kept if stop == ends[-1] else items[stop : stop + KEPT]
                note = _note(scorer, going[start:stop], staying, room, note)
                start = stop
            text = normed("\n".join([note or "", *map(text_of, kept)]))
            if facts:
                held = sum(contains(normed(str(fact["value"])), text) for fact in facts)
                shares[name].append(held / len(facts))
    return {name: _percent(found) for name, found in shares.items()}


def lorem_ipsum(scorer: Scorer, conversations: Sequence[Conversation]) -> dict[str, Any]:
    """Return the table's figures where the summariser says nothing, and the facts put back."""
    rows = list(scorer.score(Product(scorer, LoremIpsum()), conversations, BUDGET))
    shares = []
    for conversation in conversations:
        items = conversation["items"]
        going, kept = items[: len(items) * 3 // 4], items[len(items) * 3 // 4 :]
        size = sum(map(scorer.tokens, going))
        facts = Facts(_request(scorer, going, kept, int(size * BUDGET)))
        shares.append(facts.repaired(LOREM, 0.5).coverage.after)
    return {**summarised(rows), "coverage_after": _percent(shares)}


def by_hand(conversations: Sequence[Conversation]) -> dict[str, Any]:
    """Return what `manual_compact` removes of the long sessions, and whether it does so once."""
    removed, stable = [], True
    for conversation in conversations:
        if conversation.get("tokens", LONG) < LONG:
            continue
        manager = CompactManager(CompactConfig.load(storage={"adapter": "none"}), exporters=())
        result = manager.manual_compact("session", conversation["items"])
        removed.append(1 - result.tokens_after / result.tokens_before)
        again = manager.preflight("session", result.messages)
        stable &= list(again.messages) == list(result.messages)
    least = round(100 * min(removed), 1) if removed else None
    return {"removed": _percent(removed), "least_removed": least, "again_changes_nothing": stable}


def protected_at_most(
    scorer: Scorer, conversations: Sequence[Conversation]
) -> dict[str, float | None]:
    """Return the share of the protected items that fits, by the share of the budget they may have.

    A call stays with its output or goes with it.
    """
    found: dict[str, list[float]] = {}
    for conversation in conversations:
        items = conversation["items"]
        counted = [scorer.tokens(item) for item in items]
        for cut in cuts(conversation, counted):
            units: dict[object, list[int]] = {}
            for index in protected(items[:cut]):
                units.setdefault(items[index].get("call_id") or index, []).append(counted[index])
            sizes = sorted(units.values(), key=lambda unit: sum(unit) / len(unit))
            for share in _SHARES:
                room, held = int(sum(counted[:cut]) * BUDGET) * share, 0
                for unit in sizes:
                    if sum(unit) <= room:
                        room, held = room - sum(unit), held + len(unit)
                found.setdefault(f"{share:.0%}", []).append(held / sum(map(len, sizes)))
    return {share: _percent(shares) for share, shares in found.items()}


def seconds(scorer: Scorer, conversations: Sequence[Conversation]) -> dict[str, Any]:
    """Return the median time of a note and of a check, on sessions above 100,000 tokens."""
    notes, checks = [], []
    for conversation in conversations:
        items: list[Item] = conversation["items"]
        if sum(map(scorer.tokens, items)) < LARGE:
            continue
        request = _request(scorer, items[:-KEPT], items[-KEPT:], 4000)
        for _ in range(3):
            start = time.process_time()
            ExtractiveSummarizer().summarize(request)
            notes.append(time.process_time() - start)
            start = time.process_time()
            Facts(request).repaired(LOREM, 0.5)
            checks.append(time.process_time() - start)
    if not notes:
        return {"note": None, "check": None}
    return {
        "note": round(statistics.median(notes), 3),
        "check": round(statistics.median(checks), 3),
    }


def _note(
    scorer: Scorer, going: list[Item], kept: list[Item], room: int, previous: str | None
) -> str:
    request = _request(scorer, going, kept, room, previous)
    return ExtractiveSummarizer().summarize(request).text


def _request(
    scorer: Scorer, going: list[Item], kept: list[Item], room: int, previous: str | None = None
) -> SummaryRequest:
    return SummaryRequest(
        items=going,
        kept=kept,
        previous_summary=previous,
        max_tokens=max(room, 64),
        count_text=lambda text: scorer.tokens({"role": "assistant", "content": text}),
    )


def _percent(shares: Sequence[float]) -> float | None:
    return round(100 * sum(shares) / len(shares), 1) if shares else None


if __name__ == "__main__":
    sys.exit(main())
