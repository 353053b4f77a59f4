"""The product, and what others do, as functions from a history and a budget to what is sent.

Ours is the whole pipeline of a compaction by hand: partition, extractive summary, assembly and
verification by `CompactManager`, with the budget as its window.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from quality_score import Compact, Item, Scorer, boundaries, kind_of, text_of

from compact_otel import CompactConfig, CompactManager
from compact_otel.core import frame
from compact_otel.core.errors import InsufficientBudget, SummaryError
from compact_otel.core.protocols import Summarizer
from compact_otel.core.types import CallContext, FixedTokens, SummaryRequest
from compact_otel.summarizers import ExtractiveSummarizer

# The partition keeps so much that half of the largest summary still fits: a third of the budget.
_SUMMARY_SHARE = 1.3
_HEAD, _TAIL, _SHORTENED = 300, 150, 490
_LIST_SHARE, _LIST_OVERHEAD = 0.4, 20
_ENTITY = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://[^\s\"'<>)\]]+|(?:\.{0,2}/)?\w[\w.-]*(?:/[\w.-]+)+"
    r"|\b\d{4}-\d\d-\d\d\b|\b[A-Za-z_]\w*(?:[._]\w+)+\b|\b(?:[A-Z][a-z0-9]+){2,}\b"
    r"|\b(?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-Z0-9]{4,}\b|(?<![\w.])\d{3,}(?:\.\d+)?\b"
)


class _AsScored:
    """Counts tokens as the scorer does, so that a budget means the same to both."""

    incremental = True

    def __init__(self, tokens: Callable[[Item], int]) -> None:
        self._tokens = tokens

    def count_items(self, items: Sequence[Any], call: CallContext) -> list[int]:
        return [self._tokens(item) for item in items]

    def count_fixed(self, call: CallContext) -> FixedTokens:
        return FixedTokens()


class Product:
    """Compacts by hand to a budget.

    Args:
        scorer: Counts tokens.
        summarizer: Writes the summaries; None for the extractive one.
        strategy: What they put first.

    Attributes:
        refused: How often what must stay did not fit into the budget.
    """

    def __init__(
        self, scorer: Scorer, summarizer: Summarizer | None = None, strategy: str = "task_state"
    ) -> None:
        self.refused = 0
        self._scorer = scorer
        self._summarizer = summarizer
        self._strategy = strategy

    def __call__(self, items: list[Item], budget: int) -> list[Item]:
        """Return what would be sent."""
        config = CompactConfig.load(
            max_context_tokens=budget,
            policy={
                "trigger_pct": 1.0,
                "target_pct": 0.9999,
                "soft_trigger_pct": 0,
                "hard_cap_buffer": 0,
                "summary_max_tokens": max(64, int(budget * _SUMMARY_SHARE)),
                "strategy": self._strategy,
            },
            storage={"adapter": "none"},
        )
        manager = CompactManager(
            config,
            estimator=_AsScored(self._scorer.tokens),
            summarizer=self._summarizer,
            exporters=(),
        )
        try:
            return list(manager.manual_compact("session", items).messages)
        except InsufficientBudget:
            self.refused += 1
            return self._note(items, budget)

    def _note(self, items: list[Item], budget: int) -> list[Item]:
        """Return the extractive note, with the newest user message where that leaves half."""

        def message(text: str) -> Item:
            return {"role": "assistant", "content": frame.wrap(1, text)}

        count, empty = self._scorer.tokens, self._scorer.tokens(message(""))
        users = [place for place, item in enumerate(items) if item.get("role") == "user"]
        kept = [place for place in users[-1:] if empty + count(items[place]) <= budget / 2]
        room = budget - empty - sum(count(items[place]) for place in kept)
        request = SummaryRequest(
            items=[item for place, item in enumerate(items) if place not in kept],
            kept=[items[place] for place in kept],
            max_tokens=max(1, room),
            count_text=lambda text: count(message(text)) - empty,
            strategy=self._strategy,  # type: ignore[arg-type] - checked by the policy above
        )
        try:
            note = [message(ExtractiveSummarizer().summarize(request).text)]
        except SummaryError:
            note = []
        sent = [*note, *(items[place] for place in kept)]
        return sent if sum(map(count, sent)) <= budget else []


def drop_oldest(scorer: Scorer) -> Compact:
    """Return what keeps the end, as the trimming of most frameworks does."""

    def compact(items: list[Item], budget: int) -> list[Item]:
        return items[_start_of_tail(scorer, items, budget) :]

    return compact


def first_and_last(scorer: Scorer) -> Compact:
    """Return what keeps the first user message and the end."""

    def compact(items: list[Item], budget: int) -> list[Item]:
        first, rest = _first_user(items)
        cost = sum(map(scorer.tokens, first))
        if cost > budget:
            return drop_oldest(scorer)(items, budget)
        return first + items[_start_of_tail(scorer, items, budget - cost, rest) :]

    return compact


def truncate_tool_outputs(scorer: Scorer) -> Compact:
    """Return what shortens tool outputs, oldest first, and then drops the oldest items."""

    def compact(items: list[Item], budget: int) -> list[Item]:
        items = list(items)
        total = sum(map(scorer.tokens, items))
        for place, item in enumerate(items):
            text = text_of(item)
            if total > budget and kind_of(item) == "output" and len(text) > _SHORTENED:
                shorter = f"{text[:_HEAD]}\n[... shortened ...]\n{text[-_TAIL:]}"
                items[place] = {**item, "output": shorter}
                total += scorer.tokens(items[place]) - scorer.tokens(item)
        return items if total <= budget else first_and_last(scorer)(items, budget)

    return compact


def entity_list(scorer: Scorer) -> Compact:
    """Return what puts a bare list of whatever looks like an entity before the end."""

    def compact(items: list[Item], budget: int) -> list[Item]:
        first, rest = _first_user(items)
        left = budget - sum(map(scorer.tokens, first))
        if left < 0:
            first, rest, left = [], 0, budget
        start = _start_of_tail(scorer, items, left - int(left * _LIST_SHARE), rest)
        left = min(int(left * _LIST_SHARE), left - sum(map(scorer.tokens, items[start:])))
        text = json.dumps([text_of(item) for item in items[rest:start]], ensure_ascii=False)
        found = list(dict.fromkeys(reversed(_ENTITY.findall(text))))
        while found:
            note = {"role": "user", "content": "Seen earlier: " + ", ".join(reversed(found))}
            over = scorer.tokens(note) - left
            if over <= 0:
                return [*first, note, *items[start:]]
            del found[-max(1, len(found) * over // (over + left + _LIST_OVERHEAD)) :]
        return first + items[start:]

    return compact


BASELINES: dict[str, Callable[[Scorer], Compact]] = {
    "drop oldest": drop_oldest,
    "first and last": first_and_last,
    "truncate tool outputs": truncate_tool_outputs,
    "naive list of entities": entity_list,
}


def _first_user(items: Sequence[Item]) -> tuple[list[Item], int]:
    """Return the first user message, and where what follows it begins."""
    for place, item in enumerate(items):
        if item.get("role") == "user":
            return [item], place + 1
    return [], 0


def _start_of_tail(scorer: Scorer, items: Sequence[Item], budget: int, floor: int = 0) -> int:
    """Return where the longest end begins that fits and has no output without its call."""
    legal, opened = set(boundaries(items)), set[object]()
    for place, item in enumerate(items):
        if not opened:
            legal.add(place)
        if kind_of(item) == "call":
            opened.add(item["call_id"])
        elif kind_of(item) == "output":
            opened.discard(item["call_id"])
    total, best = 0, len(items)
    for place in range(len(items) - 1, floor - 1, -1):
        total += scorer.tokens(items[place])
        if total > budget:
            break
        if place in legal:
            best = place
    return best
