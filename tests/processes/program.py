"""What the processes of these tests share: a history, a summariser that is counted, a manager."""

import json
import os
import time
from contextlib import contextmanager
from pathlib import Path

from compact_otel import CompactConfig, CompactManager
from compact_otel.adapters import FileStorage
from compact_otel.config import StorageConfig, SummarizerConfig
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import CallContext
from compact_otel.estimators.noop import NoopEstimator

CALL = CallContext(model="gpt-4o")
WINDOW = 20_000
"""Tokens; an item of `history` has 500, so from 34 items on it is too long."""
FIRST = 34
"""Items of the first history that is compacted."""


def history(length, session="shared"):
    """Return the beginning of one long conversation; every item names its session and place."""
    return [
        {
            "role": "assistant" if place % 2 else "user",
            "content": f"item {place} of {session} ".ljust(2_000, "."),
        }
        for place in range(length)
    ]


class CountedSummarizer:
    """Takes its time, and writes a line to a file for every summary that is paid for.

    No two of its summaries are equal, so a view shows whose it is.
    """

    name = "counted"

    def __init__(self, bill, seconds=0.3):
        self._bill = Path(bill)
        self._seconds = seconds

    def summarize(self, request):
        ident = f"{os.getpid()}-{time.monotonic_ns()}"
        line = json.dumps({"ident": ident, "items": len(request.items)}) + "\n"
        descriptor = os.open(self._bill, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, line.encode())
        os.close(descriptor)
        time.sleep(self._seconds)
        return f"summary {ident} of {len(request.items)} items"


def paid(bill):
    """Return how many summaries were paid for."""
    return len(Path(bill).read_text().splitlines()) if Path(bill).exists() else 0


class ToldStorage(FileStorage):
    """Says on which step of a compaction it is, before it takes the step."""

    def __init__(self, path, tell):
        super().__init__(path)
        self._tell = tell

    @contextmanager
    def claim(self, session_id, key, timeout):
        with super().claim(session_id, key, timeout) as held:
            self._tell("claimed")
            yield held
            self._tell("over")

    def save_transcript(self, session_id, messages):
        self._tell("transcript")
        return super().save_transcript(session_id, messages)

    def save_checkpoint(self, session_id, checkpoint):
        self._tell("checkpoint")
        super().save_checkpoint(session_id, checkpoint)


def manager(storage, summarizer, *, ahead=False, patience=60.0):
    """Return a real manager with a window of WINDOW tokens.

    Args:
        storage: The storage, None for nowhere.
        summarizer: The summariser.
        ahead: Whether summaries are written before they are due, as they are by default.
        patience: Seconds to wait for a summary, one's own or another's.
    """
    policy = CompactPolicy() if ahead else CompactPolicy(soft_trigger_pct=0)
    config = CompactConfig(
        max_context_tokens=WINDOW,
        policy=policy,
        storage=StorageConfig(adapter="none"),
        summarizer=SummarizerConfig(timeout=patience),
    )
    return CompactManager(
        config,
        estimator=NoopEstimator(),
        summarizer=summarizer,
        storage=storage,
        exporters=(),
    )
