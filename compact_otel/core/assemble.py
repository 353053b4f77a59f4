"""From a history and what is known of its compactions to the list that goes out.

The result holds the given objects themselves, in their order, and one message more, the summary.
Nothing is copied, converted or changed but tool outputs that were cleared: of these it holds copies
with another text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from compact_otel.core import frame
from compact_otel.core.settings import SummaryRole
from compact_otel.core.types import Checkpoint, Cleared, Item, Opaque

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A history as it goes out.

    Attributes:
        kept: Indices of the items that stay, ascending.
        summary: Text of the summary that stands for the others, None if there is none.
        version: The N of its frame, 0 without a summary.
        place: The summary stands in front of what is kept from this index on; None: at the place of
            the first item it stands for.
        cleared: Tool outputs that a line stands for, ascending.
        opaque: What stands in front of everything: the provider passes over all that precedes a
            `compaction` item. None if there is none.
    """

    kept: Sequence[int]
    summary: str | None = None
    version: int = 0
    place: int | None = None
    cleared: tuple[Cleared, ...] = ()
    opaque: Opaque | None = None

    def render(
        self,
        items: Sequence[T],
        summary_message: Callable[[str], T],
        cleared_message: Callable[[T, str], T],
        *,
        recall: bool = False,
    ) -> list[T]:
        """Return the list to send behind `opaque`, with `summary_message(content)` in its place.

        Args:
            items: The whole history.
            summary_message: Makes a message of a framed summary.
            cleared_message: Returns a tool output with another text.
            recall: As in `frame.wrap`.
        """
        if self.summary is None and len(self.kept) == len(items) and not self.cleared:
            return list(items)
        lines = {entry.index: frame.cleared(entry.text, recall=recall) for entry in self.cleared}
        made = [
            cleared_message(items[index], lines[index]) if index in lines else items[index]
            for index in self.kept
        ]
        if self.summary is not None:
            content = frame.wrap(self.version, self.summary, recall=recall)
            made.insert(self.before_summary, summary_message(content))
        return made

    def as_in(self, earlier: View) -> int:
        """Return how many items stand at the beginning as they did in an earlier view."""
        if self.opaque != earlier.opaque:
            return 0
        lines, were = ({each.index: each.text for each in view.cleared} for view in (self, earlier))
        same = 0
        for now, then in zip(self.kept, earlier.kept, strict=False):
            if now != then or lines.get(now) != were.get(then):
                break
            same += 1
        if (self.summary, self.version) == (earlier.summary, earlier.version):
            return same
        places = (view.before_summary for view in (self, earlier) if view.summary is not None)
        return min((same, *places))

    @property
    def before_summary(self) -> int:
        """How many of the kept items stand in front of the summary."""
        gap = next((n for n, index in enumerate(self.kept) if n != index), len(self.kept))
        before = 0 if self.place is None else bisect_left(self.kept, self.place)
        return max(gap, before)


def whole(items: Sequence[object]) -> View:
    """Return the view in which nothing is missing."""
    return View(kept=range(len(items)))


def replay(items: Sequence[object], checkpoint: Checkpoint) -> View:
    """Return the history as an earlier compaction of its beginning left it."""
    return View(
        kept=(*checkpoint.kept, *range(checkpoint.covered, len(items))),
        summary=checkpoint.summary,
        version=checkpoint.version,
        place=checkpoint.place,
        cleared=checkpoint.cleared,
        opaque=checkpoint.opaque,
    )


def summary_item(content: str, role: SummaryRole, api: Literal["responses", "chat"]) -> Item:
    """Return the message that carries a summary, in a form that every model class accepts.

    Some servers of the Responses API ask for the `type` of an assistant message; the Agents SDK's
    Chat Completions converter takes a message with a `type` for an output with content parts.
    """
    message = {"role": role, "content": content}
    return {"type": "message", **message} if api == "responses" else message


def cleared_item(item: Item, text: str) -> Item:
    """Return a tool output with another text."""
    member = "content" if item.get("role") == "tool" else "output"
    return {**item, member: text}
