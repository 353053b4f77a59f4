"""What a compaction is asked, what it asks for on its way, and what comes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from compact_otel.core import events
from compact_otel.core.assemble import View
from compact_otel.core.facts import Facts
from compact_otel.core.history import History, Recollection
from compact_otel.core.items import server_compacted
from compact_otel.core.ledger import Ledger
from compact_otel.core.measure import Scale
from compact_otel.core.types import (
    ArchiveReceipt,
    Checkpoint,
    Item,
    Outcome,
    Price,
    SummaryRequest,
    TriggerType,
)


@dataclass(frozen=True, slots=True)
class Writer:
    """A summariser, as far as the flow knows it.

    Attributes:
        name: What telemetry calls it.
        immediate: Whether it needs no model and no network, so nothing is gained by asking ahead.
        native: Whether it is the provider's own compaction, whose result only the provider reads.
    """

    name: str
    immediate: bool = False
    native: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """How what a summariser wrote is held against the facts of what goes.

    Attributes:
        floor: Below this coverage it is asked once more, with what it left out named, and its prose
            gives way where there is no room for both.
        ledger_pct: Share of the summary's tokens that it leaves to what is put back.
    """

    floor: float
    ledger_pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a compaction is asked to do, with everything it may use.

    Attributes:
        items: The history as it came, as mappings to read.
        scale: What it is measured with, and the policy.
        trigger: Who asks.
        ledger: Earlier compactions.
        ready: Compactions that were made ahead of time.
        memory: The history, with what is known of it from its last call.
        writers: The summarisers, in the order in which they are asked.
        storage: Name of the storage adapter, None if nothing is stored.
        new_id: Makes a random id.
        stand_back: Why the call is not ours to change, None if it is.
        on_insufficient: What the caller does if what must stay does not fit.
        note: What the caller said, by hand.
        rescue: What the provider refused, if this is a second attempt.
        price: Returns what the model's input costs, None if it is not known.
        count: Lets the provider count the tokens of a view; None if it cannot be asked.
        checks: How summaries are verified, None if they are used as they were written.
        compose: Returns the call with a view of some items as the request that the agent's model
            would send; None if that is not known, or not asked for.
        native: Returns the client of that model, and a view of some items as a request to its
            `responses.compact`; None if it cannot be asked.
    """

    items: Sequence[Item]
    scale: Scale
    trigger: TriggerType
    ledger: Ledger
    ready: Ledger
    memory: Recollection
    writers: Sequence[Writer]
    storage: str | None
    new_id: Callable[[], str]
    stand_back: str | None = None
    on_insufficient: Literal["passthrough", "raise"] = "passthrough"
    note: str | None = None
    rescue: events.Rescue | None = None
    price: Callable[[], Price | None] = lambda: None
    count: Callable[[View], Awaitable[int]] | None = None
    checks: Checks | None = None
    compose: Callable[[Sequence[Item], View], Mapping[str, Any]] | None = None
    native: Callable[[Sequence[Item], View], tuple[Any, dict[str, Any]]] | None = None

    @property
    def line(self) -> Sequence[int]:
        """The writers that may be asked, in their order.

        A `compaction` item hides all that precedes it, so behind one that stands in the history
        there can be no other.
        """
        native = self.native is not None and not server_compacted(self.items)
        return [n for n, writer in enumerate(self.writers) if native or not writer.native]

    def reads(self, checkpoint: Checkpoint) -> bool:
        """Say whether the call's model can read what stands for the items."""
        opaque = checkpoint.opaque
        return opaque is None or opaque.reader == self.scale.call.reader


@dataclass(frozen=True, slots=True)
class LoadCheckpoints:
    """Put the session's stored checkpoints into the ledger.

    Attributes:
        anew: Whether others may have stored more since the last time.
    """

    anew: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """Keep others, threads and processes, from compacting the same conversation until the end.

    Where others of the same event loop compact the very same history, this one waits for them first
    and claims nothing: the answer is a `Recollection`, as most often they leave nothing to do.

    Attributes:
        key: How the conversation begins.
        patient: Whether to wait for somebody's summary, or only for who gives the claim back.
    """

    key: str
    patient: bool = True


@dataclass(frozen=True, slots=True)
class CountExactly:
    """Ask the provider for the tokens of a view."""

    view: View


@dataclass(frozen=True, slots=True)
class Summarize:
    """Ask a summariser."""

    request: SummaryRequest
    attempt: int


@dataclass(frozen=True, slots=True)
class VerifyFacts:
    """Put back into a summary's text what it lacks; answer a `Repaired`."""

    facts: Facts
    text: str
    floor: float


@dataclass(frozen=True, slots=True)
class SaveTranscript:
    """Store the history as it is before the compaction."""


@dataclass(frozen=True, slots=True)
class SaveSummary:
    """Store a summary with its figures, beside the transcript of the same step."""

    step: int
    checkpoint: Checkpoint
    dropped: Sequence[int]


@dataclass(frozen=True, slots=True)
class SaveCheckpoint:
    """Hold a checkpoint, in force or ahead of time, and store it if there is a storage."""

    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Held:
    """What became of something that could not be stored.

    Attributes:
        waits: Whether it waits in memory.
        messages: Items that were to be stored, None if it is no history.
        size: Bytes of them, as JSON.
    """

    waits: bool = False
    messages: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Postpone:
    """Hold in memory what could not be stored, until it can be; answer what is `Held`.

    Attributes:
        checkpoint: The compaction.
        dropped: What its summary stands for; None if only the checkpoint is missing.
        receipt: That of the transcript; None if it is missing, too.
    """

    checkpoint: Checkpoint
    dropped: Sequence[int] | None = None
    receipt: ArchiveReceipt | None = None


Effect = (
    events.Event
    | LoadCheckpoints
    | Claim
    | CountExactly
    | Summarize
    | VerifyFacts
    | SaveTranscript
    | SaveSummary
    | SaveCheckpoint
    | Postpone
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowResult:
    """What came out; the fields mean what they mean in `CompactResult`.

    `history` is what the next call may start from, with the compaction in force; None if nothing
    was learned. `soon` says that the next compaction is near enough to be prepared, `prepared` that
    this one was.
    """

    view: View
    outcome: Outcome
    tokens_before: int = 0
    tokens_after: int = 0
    error: Exception | None = None
    archive: ArchiveReceipt | None = None
    history: History | None = None
    soon: bool = False
    prepared: bool = False

    @property
    def replayed(self) -> Checkpoint | None:
        """The compaction in force, None without one; of an earlier call if it was replayed."""
        return None if self.history is None else self.history.checkpoint
