"""Where each part runs, what it sees there, and that a conversation is free again afterwards."""

import asyncio
import threading

import pytest

from compact_otel import CompactConfig, CompactManager
from compact_otel.adapters import MemoryStorage
from compact_otel.config import StorageConfig, SummarizerConfig
from compact_otel.engine.performing import is_compacting
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.summarizers.extractive import ExtractiveSummarizer
from tests.histories import Exporter, talk


class Places:
    """Notes for each part whether it runs in the thread of the caller.

    Attributes:
        apart: By part, whether it ran in another thread.
        compacting: What `is_compacting` said, of all parts.
    """

    def __init__(self):
        self.apart = {}
        self.compacting = set()
        self._here = threading.get_ident()

    def note(self, part):
        self.apart.setdefault(part, set()).add(threading.get_ident() != self._here)
        self.compacting.add(is_compacting())


@pytest.fixture
def places():
    return Places()


def noted(kind, places, part, *methods):
    """Return a part of a foreign class that notes where its methods run."""

    def noting(method):
        def call(self, *args):
            places.note(part)
            return getattr(kind, method)(self, *args)

        return call

    return type(kind.__name__, (kind,), {name: noting(name) for name in methods})()


class Asking(ExtractiveSummarizer):
    """One that is awaited."""

    immediate = False

    def __init__(self, places):
        super().__init__()
        self._places = places

    async def summarize(self, request):
        self._places.note("summarizer")
        return super().summarize(request)


def manager(places, **parts):
    storage = noted(MemoryStorage, places, "storage", "load_checkpoints", "save_checkpoint")
    return CompactManager(
        CompactConfig(max_context_tokens=4000, storage=StorageConfig(adapter="none")),
        exporters=[noted(Exporter, places, "exporter", "export")],
        storage=storage,
        **parts,
    )


async def test_in_a_loop_only_what_does_not_block_runs_in_it(places):
    made = manager(
        places,
        estimator=noted(TiktokenEstimator, places, "estimator", "count_items"),
        summarizer=noted(ExtractiveSummarizer, places, "summarizer", "summarize"),
    )
    assert (await made.apreflight("s", talk(40))).outcome == "compacted"
    assert places.apart == {
        "estimator": {True},
        "summarizer": {True},
        "storage": {True},
        "exporter": {False},
    }
    assert places.compacting == {True}
    assert not is_compacting()


async def test_a_coroutine_is_asked_in_the_loop_of_the_call(places):
    """There its client belongs."""
    made = manager(places, summarizer=Asking(places))
    assert (await made.apreflight("s", talk(40))).outcome == "compacted"
    assert places.apart["summarizer"] == {False}


def test_without_a_loop_what_may_hang_runs_apart_too(places):
    made = manager(places, summarizer=Asking(places))
    assert made.preflight("s", talk(40)).outcome == "compacted"
    assert places.apart == {"summarizer": {True}, "storage": {True}, "exporter": {False}}
    assert places.compacting == {True}


@pytest.mark.parametrize("ends", ["well", "badly", "cancelled"])
async def test_a_conversation_is_free_again_however_a_compaction_ends(ends):
    claims = []

    class Claimed(MemoryStorage):
        def claim(self, session_id, key, timeout):
            claims.append(key)
            return super().claim(session_id, key, timeout)

        def save_transcript(self, session_id, messages):
            if ends == "badly":
                raise OSError("disk")
            return super().save_transcript(session_id, messages)

    class Slow(ExtractiveSummarizer):
        async def summarize(self, request):
            await asyncio.sleep(0.2 if ends == "cancelled" else 0)
            return super().summarize(request)

    storage = Claimed()
    made = CompactManager(
        CompactConfig(
            max_context_tokens=4000,
            storage=StorageConfig(adapter="none"),
            summarizer=SummarizerConfig(timeout=20),
        ),
        storage=storage,
        summarizer=Slow(),
    )
    asking = asyncio.create_task(made.apreflight("s", talk(40)))
    if ends == "cancelled":
        await asyncio.sleep(0.05)
        asking.cancel()
    await asyncio.wait({asking})
    for _ in range(1000):  # what was given up goes on, and gives back what it has
        with MemoryStorage.claim(storage, "s", claims[0] if claims else "", 0) as free:
            if claims and free:
                break
        await asyncio.sleep(0.01)
    assert free
