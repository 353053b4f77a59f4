"""What others do without a model, as the kits call it: a history and a budget in, less of it out.

The compactors of compaction-conformance-kit come with it. Those marked with a star look for the
headers of the kit's own canaries, which nothing outside of the kit has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import kit_compactbench
import kit_conformance
import kit_dialogue
from kit_conformance import kit
from kit_pipeline import Item, text_of

Count = Callable[[Item], int]
Shorten = Callable[[list[Item], int, Count], list[Item]]
Row = dict[str, float | str]

_OWN = {
    "LossyTruncationCompactor": "kit: truncation",
    "NaiveSummaryCompactor": "kit: naive summary",
    "SummaryTailCompactor": "kit: summary and tail",
    "PinnedRulesCompactor": "kit: pinned rules *",
    "ChecklistCompactor": "kit: checklist *",
    "UpdateAwareChecklistCompactor": "kit: update-aware checklist *",
    "SemanticChecklistCompactor": "kit: semantic checklist *",
}
_FRAME_CHARS = 20
"""What the kit writes around a turn, and more."""


def drop_oldest(items: list[Item], room: int, count: Count) -> list[Item]:
    """Keep what the system says and the newest that fits."""
    system = [item for item in items if item.get("role") == "system"]
    left = room - sum(map(count, system))
    kept: list[Item] = []
    for item in reversed([item for item in items if item.get("role") != "system"]):
        left -= count(item)
        if left < 0:
            break
        kept.append(item)
    return [*system, *reversed(kept)]


def local_compaction(items: list[Item], room: int, count: Count) -> list[Item]:
    """Do as openai-agents-context-compaction does; it counts texts."""
    from adapters import _ListSession
    from openai_agents_context_compaction import LocalCompactionSession

    per_text = {text_of(item): count(item) for item in items}
    session = LocalCompactionSession(
        _ListSession(items),  # type: ignore[arg-type]
        token_budget=room,
        token_counter=lambda text: per_text.get(text, len(text)),
    )
    return list(asyncio.run(session.get_items()))


def trim_messages(items: list[Item], room: int, count: Count) -> list[Item]:
    """Do as LangChain's `trim_messages` does, with the settings of its documentation."""
    from adapters import _langchain_message
    from langchain_core.messages import trim_messages as trimmed

    messages = [_langchain_message(item) for item in items]
    for place, message in enumerate(messages):
        message.id = str(place)
    kept = trimmed(
        messages,
        max_tokens=room,
        token_counter=lambda some: sum(count(items[int(one.id)]) for one in some),
        strategy="last",
        include_system=True,
    )
    return [items[int(message.id)] for message in kept]


SHORTENERS: dict[str, Shorten] = {
    "drop oldest": drop_oldest,
    **({"LangChain `trim_messages`": trim_messages} if find_spec("langchain_core") else {}),
    **(
        {"openai-agents-context-compaction": local_compaction}
        if find_spec("openai_agents_context_compaction")
        else {}
    ),
}


def _compactor(title: str, shorten: Shorten) -> type[kit_conformance.Product]:
    class Peer(kit_conformance.Product):
        """The kit's `Compactor`."""

        name = title

        def compact(
            self, turns: list[Any], round_num: int = 1, budget_chars: int | None = None
        ) -> Any:
            """Return the kit's record of what would be sent on."""
            items: list[Item] = [{"role": turn.role, "content": turn.text} for turn in turns]
            if len(turns) == 1:
                items = self._made.get(turns[0].text, items)
            if budget_chars is not None:
                items = shorten(items, budget_chars, lambda item: len(text_of(item)) + _FRAME_CHARS)
            text = kit_conformance.as_text(items)
            self._made[text] = items
            compacted = kit("compacted").CompactedContext
            return compacted(text=text, compactor_name=self.name, round_num=round_num)

    return Peer


def conformance(budget: float) -> dict[str, Row]:
    """Return the kit's figures for each, in per cent."""
    rows = {
        title: _figures(_compactor(title, shorten), budget) for title, shorten in SHORTENERS.items()
    }
    for name, title in _OWN.items():
        module = "semantic" if name.startswith("Semantic") else "compactors"
        rows[title] = _figures(getattr(kit(module), name), budget)
    rows["kit: progressive summary"] = _figures(kit("adapters").ProgressiveSummaryCompactor, budget)
    return rows


def _figures(compactor: Any, budget: float) -> Row:
    found = kit_conformance.benchmark(budget, compactor=compactor)
    corpus = kit_conformance.generated(budget, compactor=compactor)
    names = ("compliant", "survival", "semantic_resolved", "stale")
    own: Row = {name: round(found[name], 1) for name in names}
    return {
        **own,
        "generated_survival": round(corpus["survival"], 1),
        "generated_resolved": round(corpus["updates_resolved"], 1),
    }


def compactbench(templates: Path | None) -> dict[str, Row]:
    """Return retention and stale-free for each, in per cent."""
    rows: dict[str, Row] = {}
    for title, shorten in SHORTENERS.items():
        found = kit_compactbench.elite(templates, shortened=_in_characters(shorten))
        rows[title] = {name: round(found[name], 1) for name in ("retention", "stale_free")}
    return rows


def _in_characters(shorten: Shorten) -> Callable[[Sequence[Item], int], list[Item]]:
    return lambda items, room: shorten(list(items), room, lambda item: len(text_of(item)))


def dialogue(folder: Path) -> dict[str, Row]:
    """Return what of the canaries and the changes is left after five rounds."""
    rows: dict[str, Row] = {}
    for title, shorten in SHORTENERS.items():
        if shorten is trim_messages:  # it counts messages, and these are items
            continue
        by_tokens = _in_tokens(shorten)
        left = kit_dialogue.canaries(folder, by_tokens)["round_5"]
        rows[title] = {"canaries": left, **kit_dialogue.updates(folder, by_tokens)}
    return rows


def _in_tokens(shorten: Shorten) -> Callable[[Sequence[Item], int], list[Item]]:
    return lambda items, room: shorten(
        list(items), room, lambda item: kit_dialogue.tokens_of([item])
    )
