"""The product as the kits call it: a history and a budget in, what would be sent on out.

One round is one `CompactManager.preflight` whose window is the budget, without a model. The next
round starts from what the last one returned, as an application does that keeps the shorter list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compact_otel import CompactConfig, CompactManager
from compact_otel.core.policy import InsufficientBudget
from compact_otel.core.protocols import TokenEstimator
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import CallContext, SummaryRequest
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.summarizers import ExtractiveSummarizer

Item = dict[str, Any]

# The window is full at once, and what is left may fill it: a kit asks for a size, not for headroom.
POLICY: dict[str, Any] = {
    "trigger_pct": 1.0,
    "target_pct": 0.99,
    "soft_trigger_pct": 0,
    "min_saving_pct": 0,
    "hard_cap_buffer": 0,
    "keep_user_tokens": 0,  # what the note itself holds; `--keep-user-tokens` for more
}
_SUMMARY_SHARE = 0.9
_tokens = TiktokenEstimator()
_CALL = CallContext(model="gpt-4o")


def text_of(item: Item) -> str:
    """Return the text of an item as a model sees it."""
    kind = item.get("type")
    if kind == "function_call":
        return f"{item.get('name', '')} {item.get('arguments', '')}"
    if kind == "function_call_output":
        return str(item.get("output", ""))
    content = item.get("content", "")
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content)


def tokens_of(items: Sequence[Item]) -> int:
    """Return the tokens of items in a request."""
    return sum(_tokens.count_items(items, _CALL))


def shorten(
    items: Sequence[Item],
    budget: int,
    *,
    estimator: TokenEstimator = _tokens,
    turns: int = 2,
    calls: int = 2,
    **policy: Any,
) -> list[Item]:
    """Return a history of at most `budget` tokens as `estimator` counts them.

    Args:
        items: The history, oldest first; it may hold a summary that `shorten` made.
        budget: Tokens that may go out.
        estimator: Counts them.
        turns: Newest turns that stay word for word, as far as they fit.
        calls: Newest calls that stay, as far as they fit.
        policy: Other fields of `CompactPolicy`.
    """
    settings: dict[str, Any] = {
        **POLICY,
        "keep_recent_turns": turns,
        "keep_tool_io_pairs": calls,
        "summary_max_tokens": max(64, int(budget * _SUMMARY_SHARE)),
        **policy,
    }
    config = CompactConfig.load(
        max_context_tokens=budget,
        policy=CompactPolicy(**settings),
        storage={"adapter": "none"},
    )
    manager = CompactManager(config, estimator=estimator)
    try:
        return list(manager.preflight("kit", list(items), call=_CALL).messages)
    except InsufficientBudget:
        return list(items)


def note(items: Sequence[Item], budget: int, previous: str | None = None) -> str:
    """Return the note that stands for all of `items`, of at most `budget` characters."""
    request = SummaryRequest(
        items=[item for item in items if item.get("role") != "system"],
        kept=[item for item in items if item.get("role") == "system"],
        previous_summary=previous,
        max_tokens=budget,
        count_text=len,
    )
    return ExtractiveSummarizer().summarize(request).text
