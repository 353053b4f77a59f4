"""What is said of a compaction, whoever shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from compact_otel.config import CompactConfig
from compact_otel.manual.compaction import Fate, KeepCounts, Outcome, keeps
from compact_otel.printable import printable
from compact_otel.tokens.figures import Drop
from compact_otel.tokens.opening import counted

_BECAUSE: Mapping[str, str] = {
    "instruction": "an instruction",
    "role": "of a role that is never pruned",
    "protected": "marked as protected",
    "newest question": "the newest question",
    "provider's compaction": "the provider's own compaction speaks of it",
    "open": "waits for its other half, or of an unknown kind",
    "tied": "belongs to what must stay",
    "recent turn": "of the last {turns}",
    "recent call": "of the last {calls}",
    "user's words": "what users said earlier and there is room for",
    "room": "there is room for it",
    "older turn": "not of the last {turns}",
    "older call": "not of the last {calls}",
    "earlier summary": "an earlier summary, which the new one holds",
    "called again": "the same call was made again later",
    "said again": "a later output says the same",
    "old": "older than the latest calls",
    "large": "too large to stay",
}

NOTHING = "Nothing would be gained: everything stays."


def about(outcome: Outcome, what: str) -> str:
    """Return what was found in the file, and how it was looked at."""
    call, items = outcome.call, counted(outcome.before.items, "item")
    return f"{call.found.kind}, {items}, {what} for {call.counted_for}"


def notes(outcome: Outcome, config: CompactConfig, *, is_rehearsal: bool) -> Iterator[str]:
    """Yield what a reader has to know to trust the figures."""
    yield from outcome.call.notes(outcome.before)
    if is_rehearsal and config.summarizer.model is not None:
        yield (
            f"the settings have {printable(config.summarizer.model)} write summaries: `compact` "
            "asks it, and text and size of the summary will differ from the extractive one here."
        )
    missed = outcome.after.total - outcome.aim
    if outcome.outcome != "noop" and missed > 0:
        yield (
            f"the target of {counted(outcome.aim, 'token')} is missed by {missed:,}: the least "
            "that may stay is larger."
        )
    yield from (f"{told}." for told in outcome.failures)
    if not is_rehearsal and not keeps(config):
        yield (
            f"nothing is archived, as `storage.adapter` is {config.storage.adapter}: what goes is "
            "in the file that is compacted only."
        )
    if not is_rehearsal and keeps(config) and not config.redaction.enabled:
        yield "`redaction.enabled` is false: the archive holds secrets as they are."


def change(outcome: Outcome) -> str:
    """Return what a compaction saves."""
    before, after = outcome.before.total, outcome.after.total
    saved = before - after
    return f"{before:,} -> {after:,} tokens, {saved:,} saved ({saved / max(1, before):.1%})"


def of_summary(outcome: Outcome) -> str:
    """Return what the summary is, without its text."""
    made = outcome.summary
    if made is None:
        return "no summary"
    told = [f"summary v{made.version}", f"{made.tokens:,} tokens"]
    if made.summarizer is None:
        return ", ".join((*told, "only a note that items are gone"))
    by = printable(made.summarizer if made.model is None else f"{made.summarizer} {made.model}")
    told += [f"strategy {made.strategy}", f"by {by}"]
    if made.facts_found is not None:
        told.append(f"{made.facts_kept:,} of {made.facts_found:,} facts")
    return ", ".join(told)


def by_itself(drop: Drop, left: int) -> str:
    """Return whether an agent would compact the call without being told to.

    Args:
        drop: What the policy says of the call.
        left: Tokens until the trigger.
    """
    if drop.due:
        return f"An agent would compact this call by itself ({drop.reason})."
    return (
        f"An agent would not compact this call by itself yet: {left:,} tokens are left until the "
        "trigger."
    )


def because(why: str, kept_by: KeepCounts) -> str:
    """Return a reason in a few words."""
    if (why, kept_by.recent_turns) == ("older turn", 0):
        return "there is room for no turn"
    if (why, kept_by.tool_io_pairs) == ("older call", 0):
        return "there is room for no tool call"
    turns, calls = kept_by.recent_turns, kept_by.tool_io_pairs
    return _BECAUSE[why].format(
        turns="turn" if turns == 1 else f"{turns:,} turns",
        calls="tool call" if calls == 1 else f"{calls:,} tool calls",
    )


def of_item(fate: Fate) -> str:
    """Return what an item is."""
    return " ".join(filter(None, (fate.role, fate.type, fate.tool))) or "?"


def place(fates: Sequence[Fate]) -> str:
    """Return where items stand in the file, which is without gaps."""
    first, last = fates[0].index, fates[-1].index
    return str(first) if first == last else f"{first}-{last}"
