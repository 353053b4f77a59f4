"""compaction-conformance-kit (MIT) against the product.

Its canaries carry headers such as `HARD CONSTRAINT:`; nothing here or in the package reads them.
Budgets are characters, so a character is a token here.
"""

from __future__ import annotations

import importlib
from typing import Any

from kit_pipeline import Item, note, shorten, text_of

from compact_otel.estimators.noop import NoopEstimator

INSTALL = "uv run --with compaction-conformance-kit==0.8.0 python tests/bench/kits.py"
_CHARACTERS = NoopEstimator(1)
_SEEDS = (1, 2, 3, 4)
_GENERATED = range(1, 21)
_ROLE_CHARS = 14
"""More than the kit's `[assistant] ` and the line's end."""


def kit(module: str) -> Any:
    """Return a module of the kit, or exit with how to install it."""
    try:
        return importlib.import_module(f"compaction_kit.{module}")
    except ImportError as error:
        raise SystemExit(
            f"compaction-conformance-kit is not installed ({error}): {INSTALL}"
        ) from error


def as_text(items: list[Item]) -> str:
    """Return items as the kit writes turns."""
    return "\n".join(f"[{item['role']}] {text_of(item)}" for item in items)


class Product:
    """The kit's `Compactor`.

    The kit hands the last round's text back as one system turn. A program has the items that the
    text was made of, and so has this.
    """

    name = "compact_otel"

    def __init__(self) -> None:
        self._made: dict[str, list[Item]] = {}

    def compact(self, turns: list[Any], round_num: int = 1, budget_chars: int | None = None) -> Any:
        """Return the kit's record of what would be sent on."""
        items = [{"role": turn.role, "content": turn.text} for turn in turns]
        if len(turns) == 1 and turns[0].text in self._made:
            items = self._made[turns[0].text]
        if budget_chars is not None:
            room = budget_chars
            whole = items
            while len(as_text(items)) > budget_chars and room > 0:
                room -= max(1, len(as_text(items)) - budget_chars if items is not whole else 0)
                items = shorten(whole, room, estimator=_CHARACTERS, turns=1)
        text = as_text(items)
        self._made[text] = items
        compacted = kit("compacted").CompactedContext
        return compacted(text=text, compactor_name=self.name, round_num=round_num)


class Note(Product):
    """The same without what always stays: the note that is written of all turns.

    The kit's budgets are smaller than what a request has beside the note: the instructions, the
    newest question, the frame. What compactors in prose are compared by is their text.
    """

    name = "compact_otel note"

    def compact(self, turns: list[Any], round_num: int = 1, budget_chars: int | None = None) -> Any:
        """Return the kit's record of the note; the last one is folded in."""
        known = len(turns) == 1 and turns[0].text in self._made
        items = [] if known else [{"role": turn.role, "content": turn.text} for turn in turns]
        text = note(items, budget_chars or 1 << 30, turns[0].text if known else None)
        self._made[text] = []
        compacted = kit("compacted").CompactedContext
        return compacted(text=text, compactor_name=self.name, round_num=round_num)


def benchmark(
    budget: float = 0.20, rounds: int = 5, compactor: type[Product] = Product
) -> dict[str, float]:
    """Return the kit's own figures at a budget, in per cent."""
    payload = kit("benchmark").run_budget_benchmark(
        {compactor.name: compactor}, budgets=(budget,), seeds=_SEEDS, rounds=rounds
    )
    (entry,) = payload["entries"]
    conflicts = entry["semantic"]["conflicts"]
    return {
        "budget": budget,
        "compliant": float(entry["budget_compliant"]),
        "survival": 100 * entry["randomized"]["overall_final_survival"],
        "semantic_resolved": 100 * entry["semantic"]["resolved_rate"],
        "latest_kept": 100 * conflicts["latest"] / conflicts["n"],
        "stale": float(conflicts["stale"]),
        "conflicts": float(conflicts["n"]),
        "distinct_pairs": 100 * entry["semantic"]["distinct_pair_rate"],
        "output_share": entry["mean_final_output_ratio"],
    }


def generated(
    budget: float = 0.20, rounds: int = 5, compactor: type[Product] = Product
) -> dict[str, float]:
    """Return what survives of its rotating corpus: subjects, wording and values differ by seed."""
    build, run = kit("generated").build_generated_session, kit("runner").run_conformance
    survived = canaries_seen = updated = resolved = 0
    for seed in _GENERATED:
        session, canaries = build(seed)
        result = run(session, compactor(), rounds=rounds, canaries=canaries, budget_fraction=budget)
        final = result.rounds[-1]
        text = final.context.text.lower()
        survived += sum(final.survived.values())
        canaries_seen += len(canaries)
        for canary in canaries:
            if canary.superseded_tokens:
                updated += 1
                latest = all(token in text for token in canary.required_tokens)
                resolved += latest and not any(token in text for token in canary.superseded_tokens)
    return {
        "budget": budget,
        "survival": 100 * survived / canaries_seen,
        "updates_resolved": 100 * resolved / updated,
    }
