"""The four places where a user can put something of their own.

Each is a Protocol: a class with these methods fits, nothing is inherited or registered. Attribute
`name`, where there is one, goes into telemetry; without it the class name does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from compact_otel.core.types import (
    ArchiveReceipt,
    CallContext,
    Checkpoint,
    FixedTokens,
    Item,
    Summary,
    SummaryRequest,
)


@runtime_checkable
class TokenEstimator(Protocol):
    """Counts tokens the way the model's provider will.

    class CharsOverFour:
        def count_items(self, items, call):
            return [len(str(item)) // 4 for item in items]

        def count_fixed(self, call):
            return FixedTokens(instructions=len(call.instructions or "") // 4)
    """

    def count_items(self, items: Sequence[Item], call: CallContext) -> Sequence[int]:
        """Return the tokens of each item, framing included, in the order given.

        Called with the whole history on every model call, so remember what was counted. `items`
        come in their context: an item may cost nothing because of what follows it. An estimator
        with an attribute `incremental = True` gets only what is new, from the last user message
        on: it promises that an item's tokens change only when a user message or a compaction item
        comes behind it, and no more after the first user message.

        Args:
            items: Items of the history, oldest first.
            call: What stands beside them: the model, and in which API they go out.

        Returns:
            As many numbers as there are items.
        """
        ...

    def count_fixed(self, call: CallContext) -> FixedTokens:
        """Return the tokens of what stands beside the items."""
        ...


@runtime_checkable
class Summarizer(Protocol):
    r"""Turns a stretch of history into a text that stands for it. May be a coroutine function.

    class FirstWords:
        def summarize(self, request):
            return "\n".join(str(item.get("content"))[:80] for item in request.items)
    """

    def summarize(
        self, request: SummaryRequest
    ) -> Summary | str | Awaitable[Summary] | Awaitable[str]:
        """Return the summary.

        Args:
            request: What goes, and how long the answer may be.

        Raises:
            SummaryError: If there is none to be had; the next summariser in line is asked, then
                the items are dropped with a note that says so.
        """
        ...


@runtime_checkable
class StorageAdapter(Protocol):
    """Keeps what is compacted away, and the checkpoints that make a compaction last.

    `session_id` may be any string: making it safe is the adapter's job. Methods block; the async
    paths call them in a thread. Any exception is caught, reported as an event, and the run goes on.

    What could not be stored waits in memory and is given again later: after an OSError, which says
    that the place is at fault, until there is no room for it; after any other error three times.
    """

    name: str

    def save_transcript(self, session_id: str, messages: Sequence[Item]) -> ArchiveReceipt:
        """Store the history as it was before a compaction, under the next step number.

        Args:
            session_id: The session.
            messages: The whole history, oldest first.
        """
        ...

    def save_summary(
        self, session_id: str, step: int, summary: Mapping[str, Any]
    ) -> ArchiveReceipt:
        """Store a summary with its figures beside the transcript of the same step.

        Args:
            session_id: The session.
            step: Number of the transcript.
            summary: JSON data: the checkpoint as `Checkpoint.as_dict` gives it, and figures.
        """
        ...

    def save_event(self, session_id: str, event: Mapping[str, Any]) -> None:
        """Append one event to the session's log.

        Args:
            session_id: The session.
            event: JSON data, as an `Exporter` gets it.
        """
        ...

    def save_checkpoint(self, session_id: str, checkpoint: Checkpoint) -> None:
        """Store a checkpoint; one with the same key replaces it.

        Args:
            session_id: The session.
            checkpoint: What `load_checkpoints` has to return again, equal to it.
        """
        ...

    def load_checkpoints(self, session_id: str) -> Sequence[Checkpoint]:
        """Return the session's checkpoints, oldest first; none is an empty sequence."""
        ...


@runtime_checkable
class ClaimingStorage(Protocol):
    """A storage that several processes share, so that they do not pay twice for one summary.

    What a `StorageAdapter` may have besides. One without this method is shared as well, but two
    processes that compact the same history at the same time each ask for a summary.
    """

    def claim(self, session_id: str, key: str, timeout: float) -> AbstractContextManager[bool]:
        """Keep others from compacting a conversation meanwhile.

        Entered in one thread and perhaps left in another. A claim ends with its holder's process,
        however that ends.

        Args:
            session_id: The session.
            key: How the conversation begins; others under the same session do not wait for it.
            timeout: Seconds to wait for whoever has the claim.

        Returns:
            A context manager that enters with True when the claim is held, with False if it could
            not be had in time.
        """
        ...


@runtime_checkable
class ReadableArchive(Protocol):
    """What a `StorageAdapter` needs so that it can be read back; those of this package have it.

    `session_id` may be any string. Methods block, and may raise anything.
    """

    name: str

    def steps(self, session_id: str) -> Sequence[int]:
        """Return the numbers of the session's transcripts, ascending; none is an empty sequence."""
        ...

    def load_transcript(self, session_id: str, step: int) -> Sequence[Mapping[str, Any]]:
        """Return the items that `save_transcript` stored, oldest first.

        Args:
            session_id: The session.
            step: Number of the transcript, of `steps`.
        """
        ...

    def load_summary(self, session_id: str, step: int) -> Mapping[str, Any]:
        """Return what `save_summary` stored.

        Args:
            session_id: The session.
            step: Number of the transcript that it stands for.

        Raises:
            OSError: With ENOENT as its `errno`, if nothing was stored.
        """
        ...


@runtime_checkable
class Exporter(Protocol):
    """Takes every event as it happens, beside OpenTelemetry."""

    def export(self, event: Mapping[str, Any]) -> None:
        """Take one event: `{"ts", "session_id", "event", ...attributes}`, JSON data, no content.

        Called in the path of a model call: do not block. Exceptions are caught and logged once.
        """
        ...
