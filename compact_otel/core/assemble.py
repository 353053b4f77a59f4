"""From a history and what is known of its compactions to the list that goes out.

The result holds the given objects themselves, in their order, and one message more: the summary, at
the place of the first item it stands for. Nothing is copied, converted or changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from compact_otel.core import frame
from compact_otel.core.settings import SummaryRole
from compact_otel.core.types import Checkpoint, Item

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A history as it goes out.

    Attributes:
        kept: Indices of the items that stay, ascending.
        summary: Text of the summary that stands for the others, None if there is none.
        version: The N of its frame, 0 without a summary.
    """

    kept: Sequence[int]
    summary: str | None = None
    version: int = 0

    def render(
        self, items: Sequence[T], summary_message: Callable[[str], T], *, recall: bool = False
    ) -> list[T]:
        """Return the list to send, with `summary_message(content)` in its place.

        Args:
            items: The whole history.
            summary_message: Makes a message of a framed summary.
            recall: As in `frame.wrap`.
        """
        if self.summary is None and len(self.kept) == len(items):
            return list(items)
        made = [items[index] for index in self.kept]
        if self.summary is not None:
            content = frame.wrap(self.version, self.summary, recall=recall)
            made.insert(self.intact, summary_message(content))
        return made

    @property
    def intact(self) -> int:
        """How many items stand at the beginning as they did, before anything is missing."""
        return next((n for n, index in enumerate(self.kept) if n != index), len(self.kept))


def whole(items: Sequence[object]) -> View:
    """Return the view in which nothing is missing."""
    return View(kept=range(len(items)))


def replay(items: Sequence[object], checkpoint: Checkpoint) -> View:
    """Return the history as an earlier compaction of its beginning left it."""
    return View(
        kept=(*checkpoint.kept, *range(checkpoint.covered, len(items))),
        summary=checkpoint.summary,
        version=checkpoint.version,
    )


def summary_item(content: str, role: SummaryRole, api: Literal["responses", "chat"]) -> Item:
    """Return the message that carries a summary, in a form that every model class accepts.

    Some servers of the Responses API ask for the `type` of an assistant message; the Agents SDK's
    Chat Completions converter takes a message with a `type` for an output with content parts.
    """
    message = {"role": role, "content": content}
    return {"type": "message", **message} if api == "responses" else message
