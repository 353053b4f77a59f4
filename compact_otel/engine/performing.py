"""Does what the flow of one request asks for: summarisers, storage, claims, those who listen.

Each thing has a place: on the spot if it neither blocks nor waits, else apart, and for a limited
time. Who hangs is left out for a while.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from compact_otel.adapters.claims import ThreadClaims
from compact_otel.adapters.memory import MemoryStorage
from compact_otel.config import CompactConfig
from compact_otel.core import events
from compact_otel.core.history import Recollection, copied
from compact_otel.core.job import (
    Claim,
    CountExactly,
    Effect,
    FlowResult,
    Job,
    LoadCheckpoints,
    Postpone,
    SaveCheckpoint,
    SaveSummary,
    SaveTranscript,
    Summarize,
    VerifyFacts,
)
from compact_otel.core.measure import name_of
from compact_otel.core.protocols import ClaimingStorage, StorageAdapter, Summarizer, TokenEstimator
from compact_otel.core.types import Checkpoint, SummaryRequest
from compact_otel.engine.driver import Place
from compact_otel.engine.flights import Turn
from compact_otel.engine.known import Known
from compact_otel.engine.parts import Hung, Parts, is_own
from compact_otel.engine.preparations import Preparations
from compact_otel.engine.spool import STORAGE, Spool
from compact_otel.engine.steps import Steps
from compact_otel.engine.telling import Announcing, Telling
from compact_otel.engine.waiting import Log
from compact_otel.engine.workers import WORKERS
from compact_otel.engine.writes import Writes
from compact_otel.metering import Meters
from compact_otel.patience import Patience
from compact_otel.redaction import Gate, Source
from compact_otel.suppression import is_suppressed
from compact_otel.telemetry import CompactSpan, Telemetry
from compact_otel.windows import Windows

ESTIMATOR = "the estimator"
PROVIDER = "the provider, asked to count"

_LOOK = 0.2
"""Seconds after which whoever waits for a claim looks whether the other one still goes on.

Who does not wait for a summary waits as long as that, too: a storage gives a claim back apart, so
the one of the call before may be on its way.
"""

_BESIDES = 0.5
"""Seconds that whoever has a claim needs beside the summary; to give up before is to pay twice."""

VERIFY_LIMIT = 5.0
"""Seconds that the facts of a summary may take. Those of 130,000 tokens take 0.2."""

STEP_LIMIT = 5.0
"""Seconds that the flow itself may take to go on. A plan for 5,000 items takes 0.1."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What the requests of one manager share."""

    config: CompactConfig
    parts: Parts
    known: Known
    claims: ThreadClaims
    ahead: Preparations
    patience: Patience
    telemetry: Telemetry
    meters: Meters
    announcing: Announcing
    spool: Spool
    windows: Windows
    untold: deque[events.Event]

    @property
    def estimator(self) -> TokenEstimator:
        """The estimator; one that hung a moment ago fails at once."""
        hung = self.patience.is_resting(ESTIMATOR)
        return Hung(self.parts.estimator) if hung else self.parts.estimator

    def storage(self) -> StorageAdapter:
        """Return the storage.

        Raises:
            RuntimeError: If there is none.
            TimeoutError: If it is left out, because it hung a moment ago.
        """
        if self.parts.storage is None:
            raise RuntimeError("the flow asked for a storage that is not there")
        self.be_patient_with(STORAGE)
        return self.parts.storage

    def be_patient_with(self, who: str) -> None:
        """Check that somebody is not left out.

        Raises:
            TimeoutError: If they are, because they hung a moment ago.
        """
        if self.patience.is_resting(who):
            raise TimeoutError(f"{who} hung a moment ago")


class Performance:
    """Performs the effects of one flow.

    Args:
        shared: What the requests of the manager share.
        session_id: The session.
        job: What the flow was asked.
        writers: The summarisers, in the order in which the job names them.
        span: The span of the request.
        observed: Whether nothing that happens here is done or paid for.
        blocking: Whether the caller waits in this thread.
        turn: What those take in an event loop who compact one history; None where none is needed.
    """

    def __init__(
        self,
        shared: Shared,
        session_id: str,
        job: Job,
        writers: tuple[Summarizer, ...],
        span: CompactSpan,
        *,
        observed: bool,
        blocking: bool,
        turn: Turn | None = None,
    ) -> None:
        self._shared = shared
        self._turn = turn
        self._session_id = session_id
        self._job = job
        self._writers = writers
        self._span = span
        self._source = Source(shared.parts.gate, job.items)
        self._telling = Telling(session_id, span, shared.parts.exporters, shared.patience)
        self._meter = (
            None
            if observed or shared.meters.is_off or is_suppressed()
            else shared.meters.of(
                shared.telemetry.name(job.scale.call.model), job.scale.policy.strategy, job.trigger
            )
        )
        self._began = time.perf_counter()
        self._blocked = running_loop() if blocking else None
        self._held = _Held()
        self._held_by_storage = _Held()
        self._at_storage = False
        self._stored_s = 0.0
        self._asked_at = 0.0
        self._steps = Steps()
        self._asking_since: float | None = None
        self._summarizing_s = 0.0
        self._noted: deque[tuple[float, events.Event]] = deque()
        self._writes = Writes(
            shared.spool, shared.announcing, session_id, shared.storage, shared.parts.storage
        )
        self._log: Log | None = None
        self._apart = not shared.parts.has_own_estimator

    def notes(self, effect: Effect) -> bool:
        """Take down an event of a flow that goes on in another thread."""
        if not self._apart or not isinstance(effect, events.Event):
            return False
        self._stop_asking()
        self._noted.append((time.time(), self._timed(effect)))
        return True

    def tell(self) -> None:
        """Tell what happened apart: in order, and from the thread of the caller."""
        for happened, event in self._steps.taken():
            self._tell(event, happened)
        while self._noted:
            noted_at, noted = self._noted.popleft()
            self._tell(noted, noted_at)

    def step(self) -> Place | None:
        """Say where the flow goes on: apart where an estimator may block, or a plan is made."""
        return Place(apart=True, limit=STEP_LIMIT) if self._apart else None

    def place(self, effect: Effect) -> Place | None:
        """Say where an effect is performed."""
        config, storage = self._shared.config, self._job.storage
        match effect:
            case CountExactly() | Summarize() | VerifyFacts():
                return self._place_of_work_on_a_summary(effect)
            case Claim():
                # As long as somebody else's summary may take; whoever has the turn has limits.
                limit = config.summarizer.timeout + _BESIDES + config.storage.timeout
                waits = self._turn is not None and not self._turn.take()
                return Place(apart=not waits, limit=math.inf if waits else limit)
            case LoadCheckpoints(anew=anew) if anew or not self._shared.known.has_read(
                self._session_id
            ):
                return Place(apart=True, limit=self.storage_limit)
            case SaveTranscript() | SaveSummary() | SaveCheckpoint() if storage is not None:
                self._writes.begin()
                return Place(apart=True, limit=self.storage_limit)
            case Postpone():
                return Place(apart=True, limit=STEP_LIMIT)
        return None

    def _place_of_work_on_a_summary(self, effect: CountExactly | Summarize | VerifyFacts) -> Place:
        config = self._shared.config
        if isinstance(effect, CountExactly):
            return Place(apart=False, limit=config.estimator.timeout)
        if isinstance(effect, VerifyFacts):
            return Place(apart=True, limit=VERIFY_LIMIT)
        waits = inspect.iscoroutinefunction(self._writers[effect.attempt].summarize)
        limit = config.summarizer.timeout
        if effect.request.missing:
            limit -= min(self._asked_for, limit / 2)
        else:
            self._asked_at = time.monotonic()
        self._steps, self._asking_since = Steps(), time.monotonic()
        return Place(apart=not waits, limit=limit)

    @property
    def _asked_for(self) -> float:
        """Seconds since a summariser was first asked for the summary at hand."""
        return time.monotonic() - self._asked_at

    @property
    def storage_limit(self) -> float:
        """Seconds that the storage has left for this request."""
        return max(0.0, self._shared.config.storage.timeout - self._stored_s)

    def perform(self, effect: Effect) -> Any:
        """Do what the flow asks for; a summariser may answer with an awaitable."""
        if not isinstance(effect, Summarize):
            self._stop_asking()
        match effect:
            case LoadCheckpoints() | SaveTranscript() | SaveSummary() | SaveCheckpoint():
                with self._storing():
                    return self._perform(effect)
            case VerifyFacts(facts, text, floor):
                return facts.repaired(text, floor)
        return self._perform(effect)

    def _stop_asking(self) -> None:
        if self._asking_since is not None:
            self._summarizing_s += time.monotonic() - self._asking_since
            self._asking_since = None

    def _timed(self, event: events.Event) -> events.Event:
        """Return an event with what only a clock knows of it."""
        if not isinstance(event, events.SummaryCreated) or event.prepared:
            return event
        return replace(event, duration=self._summarizing_s)

    def _tell(self, event: events.Event, happened: float | None = None) -> None:
        if isinstance(event, events.SummaryCreated) and event.text and self._span.shows_content:
            event = replace(event, text=self._source.taken_out(event.text))
        self._telling.tell(event, happened)
        if self._meter is not None:
            self._meter.told(event)

    @contextmanager
    def _storing(self) -> Iterator[None]:
        """Take the time that is spent inside from what the storage has for this request."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._stored_s += time.monotonic() - began
            if not self.storage_limit:
                self._shared.patience.rest(STORAGE, self._stored_s)

    def _perform(self, effect: Effect) -> Any:
        known, session_id = self._shared.known, self._session_id
        match effect:
            case events.Event():
                self.tell()
                self._tell(self._timed(effect))
            case LoadCheckpoints(anew=anew):
                known.read(session_id, self._storage, anew=anew)
            case Claim() if self._turn is not None and self._turn.waits:
                return self._after(self._turn)
            case Claim(key, patient):
                self._apart = True  # what follows takes its time
                return self._claim(key, patient=patient)
            case CountExactly(view) if self._job.count is not None:
                self._be_patient_with(PROVIDER)
                return self._job.count(view)
            case Summarize():
                return self._summarize(effect)
            case SaveTranscript() | SaveSummary() | SaveCheckpoint() | Postpone():
                return self._write(effect)
        return None

    def _write(self, effect: SaveTranscript | SaveSummary | SaveCheckpoint | Postpone) -> Any:
        job = self._job
        match effect:
            case SaveTranscript():
                return self._writes.save_transcript(job.items, self.storage_limit)
            case SaveSummary(step, checkpoint, dropped):
                self._writes.save_summary(step, self._public(checkpoint), dropped, job.note)
            case SaveCheckpoint(checkpoint):
                self._shared.known.hold(checkpoint)
                if job.storage is not None:
                    self._writes.save_checkpoint(checkpoint)
            case Postpone(checkpoint, dropped):
                public = checkpoint if dropped is None else self._public(checkpoint)
                return self._writes.postpone(
                    replace(effect, checkpoint=public), job.items, job.note
                )
        return None

    def _public(self, checkpoint: Checkpoint) -> Checkpoint:
        """Return a compaction as its summary may be read in the archive."""
        if checkpoint.summary is None or isinstance(self._shared.parts.storage, MemoryStorage):
            return checkpoint
        return replace(checkpoint, summary=self._source.taken_out(checkpoint.summary))

    def _summarize(self, effect: Summarize) -> Any:
        request, writer = effect.request, self._writers[effect.attempt]
        self._be_patient_with(_who(writer))
        if request.missing and self._asked_for > self._shared.config.summarizer.timeout / 2:
            raise TimeoutError("no time to ask once more")
        request = replace(request, tell=self._steps.tell)
        if not is_own(writer):
            items, kept = copied(request.items), copied(request.kept)
            request = replace(request, items=items, kept=kept)
        if self._shared.config.redaction.summarizer_prompt and not _is_near(writer):
            request = _redacted(request, self._shared.parts.gate)
        return writer.summarize(request)

    def overdue(self, effect: Effect, limit: float) -> None:
        """Leave out for a while who did not answer in time."""
        match effect:
            case Summarize(attempt=attempt):
                self._shared.patience.rest(_who(self._writers[attempt]), limit)
            case CountExactly():
                self._shared.patience.rest(PROVIDER, limit)
            case LoadCheckpoints() | SaveTranscript() | SaveSummary() | SaveCheckpoint():
                self._shared.patience.rest(STORAGE, limit)
            case Claim() if self._at_storage:  # it was told for how long to wait
                self._shared.patience.rest(STORAGE, limit)

    def end(self, result: FlowResult) -> None:
        """Say on the span what came of it."""
        if self._meter is not None:
            removed = result.tokens_before - result.tokens_after
            self._meter.ended(result.outcome, removed, time.perf_counter() - self._began)
        self._span.end(result.outcome, result.replayed)

    def release(self) -> None:
        """Let others compact this conversation."""
        if here := self._held.end():
            here.close()  # on the spot: whoever asks next must not find it taken
        if stored := self._held_by_storage.end():
            WORKERS.start(stored.close)  # it may block

    def begin_to_keep_events(self) -> None:
        """Get ready for `keep_events`."""
        self._log = Log.of(self._telling.records())
        self._writes.begin()

    def keep_events(self) -> None:
        """Give all events to the archive; may block.

        Raises:
            Exception: Whatever the storage raises.
        """
        if self._log is not None:
            with self._storing():
                self._writes.save_log(self._log)

    def settle(self) -> None:
        """Hold the events that were not kept; if all was, try what waits of other calls."""
        if self._log is not None:
            self._writes.settle(self._log)

    async def _after(self, turn: Turn) -> Recollection:
        """Wait for a turn, and return the history with what is known of it by then."""
        await turn.wait()
        return Recollection(self._job.items, self._shared.known.history(self._session_id))

    def _claim(self, key: str, *, patient: bool) -> bool:
        """Claim a conversation; return whether that worked."""
        if self._blocked is not None and self._shared.ahead.runs_in(
            self._session_id, self._blocked
        ):
            return False  # the one who has it runs in the very loop that waits for us
        longest = self._shared.config.summarizer.timeout + _BESIDES
        until = time.monotonic() + (longest if patient else _LOOK)
        # A session may be forked, and runs without one are named by how they begin: those that are
        # not the same conversation do not wait for one another.
        had = self._claim_among_threads(f"{self._session_id} {key}", until)
        if self._job.storage is not None and isinstance(self._storage, ClaimingStorage):
            self._at_storage = True
            left = until - time.monotonic()
            claim = self._storage.claim(self._session_id, key, max(0.0, left))
            had = self._held_by_storage.take(claim) and had
        return had

    def _claim_among_threads(self, conversation: str, until: float) -> bool:
        """Claim a conversation, also from who has it and does not go on."""
        while True:
            self._shared.ahead.give_up(self._session_id)
            left = until - time.monotonic()
            if self._held.take(self._shared.claims.claim(conversation, min(left, _LOOK))):
                return True
            if left <= _LOOK:
                return False

    @property
    def _storage(self) -> StorageAdapter:
        return self._shared.storage()

    def _be_patient_with(self, who: str) -> None:
        """Check that somebody is not left out.

        Raises:
            TimeoutError: If they are, because they hung a moment ago.
        """
        self._shared.be_patient_with(who)


class _Held:
    """Claims that were had; one that comes after the end is given back at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: list[AbstractContextManager[bool]] = []
        self._ended = False

    def take(self, claim: AbstractContextManager[bool]) -> bool:
        """Enter a claim, which may block; return whether it was had."""
        had = claim.__enter__()
        with self._lock:
            held = had and not self._ended
            if held:
                self._claims.append(claim)
        if not held:
            claim.__exit__(None, None, None)
        return had

    def end(self) -> ExitStack | None:
        """Return what gives the claims back, None if there are none."""
        with self._lock:
            claims, self._claims, self._ended = self._claims, [], True
        if not claims:  # as with almost every call
            return None
        stack = ExitStack()
        for claim in reversed(claims):
            stack.push(claim)
        return stack


# Set while a manager works: a summariser may call an instrumented model, which must not come back.
_busy: ContextVar[bool] = ContextVar("compact_otel_busy", default=False)


def is_compacting() -> bool:
    """Say whether this code runs inside a compaction."""
    return _busy.get()


@contextmanager
def performing(
    shared: Shared,
    session_id: str,
    job: Job,
    writers: tuple[Summarizer, ...],
    *,
    observed: bool,
    blocking: bool,
    turn: Turn | None = None,
) -> Iterator[Performance]:
    """Open the span of a job, and perform what it needs; the arguments are those of Performance."""
    with shared.telemetry.span(job.scale.call, job.trigger, observed=observed) as span:
        token = _busy.set(True)
        performance = Performance(
            shared, session_id, job, writers, span, observed=observed, blocking=blocking, turn=turn
        )
        try:
            while shared.untold:
                performance.perform(shared.untold.popleft())
            yield performance
        finally:
            performance.tell()  # of a call that was given up meanwhile
            performance.release()
            _busy.reset(token)


def _is_near(summarizer: Summarizer) -> bool:
    """Say whether what a summariser is shown stays in the process."""
    return getattr(summarizer, "immediate", False) is True


def _redacted(request: SummaryRequest, gate: Gate) -> SummaryRequest:
    """Return a request with nothing secret in it; it can be asked as a transcript only."""
    return replace(
        request,
        items=gate.value(request.items),
        kept=gate.value(request.kept),
        previous_summary=gate.value(request.previous_summary),
        note=gate.value(request.note),
        missing=tuple(gate.value(request.missing)),
        prefix=None,
        native=None,
    )


def _who(summarizer: Summarizer) -> str:
    return f"summarizer {name_of(summarizer)}"


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, None if there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
