"""What the tests of the background summary share: histories, summarisers, ways to ask, spans."""

import asyncio
import threading
import time

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from compact_otel.config import CompactConfig, StorageConfig, SummarizerConfig
from compact_otel.core import frame
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import SummaryRequest
from compact_otel.manager import CompactManager
from tests.histories import Estimator, is_summary, talk

WINDOW = 2000
"""Tokens. So 1,400 are the soft trigger, 1,700 the trigger and 1,000 the target."""
TRIGGER, TARGET = 1700, 1000

SOFT, DUE = talk(16), talk(20)
"""Histories of 1,493 and 1,865 tokens: one to prepare for, and the same when it is due."""

PATIENCE_S = 20.0
"""Longer than anything here takes on a machine with other work; a test that waits so long fails."""


async def until(condition):
    """Wait in an event loop until something holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.005)


def wait_until(condition):
    """Wait in a thread until something holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


class Gated:
    """Answers when it is let, each time with another text; as a rule at once.

    Attributes:
        requests: What it was asked.
        asked: Set when it is asked.
        released: It waits for this.
    """

    name = "gated"

    def __init__(self, *, closed=False):
        self.requests: list[SummaryRequest] = []
        self.asked, self.released = threading.Event(), threading.Event()
        if not closed:
            self.released.set()

    def _hear(self, request):
        self.requests.append(request)
        self.asked.set()
        return f"summary {len(self.requests)} of {len(request.items)} items"

    def summarize(self, request):
        answer = self._hear(request)
        assert self.released.wait(PATIENCE_S)
        return answer


class AsyncGated(Gated):
    async def summarize(self, request):
        answer = self._hear(request)
        await until(self.released.is_set)
        return answer


KINDS = {"sync": Gated, "coroutine": AsyncGated}


async def awaited(manager, history, session="s", **options):
    return await manager.apreflight(session, history, **options)


async def in_a_thread(manager, history, session="s", **options):
    return await asyncio.to_thread(manager.preflight, session, history, **options)


async def blocking_the_loop(manager, history, session="s", **options):
    return manager.preflight(session, history, **options)


WAYS = {way.__name__: way for way in (awaited, in_a_thread, blocking_the_loop)}


class Watch:
    """Makes managers, and shows what their spans tell."""

    def __init__(self):
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("application")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.provider.shutdown()

    def manager(self, summarizer, **options):
        """Return a manager with a window of WINDOW; policy fields, parts and `timeout` as keywords.

        Args:
            summarizer: The summariser.
            options: `timeout` is that of the summariser, in seconds.
        """
        policy = {name: options.pop(name) for name in CompactPolicy.__slots__ if name in options}
        config = CompactConfig(
            max_context_tokens=options.pop("window", WINDOW),
            mode=options.pop("mode", "compact"),
            policy=CompactPolicy(
                **{
                    "hard_cap_buffer": 0,
                    "summary_max_tokens": 300,
                    "keep_user_tokens": 0,
                    **policy,
                }
            ),
            summarizer=SummarizerConfig(timeout=options.pop("timeout", PATIENCE_S)),
            storage=StorageConfig(adapter="none"),
            **{name: options.pop(name) for name in ("agents",) if name in options},
        )
        parts = {"estimator": Estimator(), "exporters": (), "tracer_provider": self.provider}
        return CompactManager(config, summarizer=summarizer, **{**parts, **options})

    @property
    def spans(self):
        """The spans of decisions and preparations that have ended."""
        found = self._exporter.get_finished_spans()
        return [span for span in found if span.name == "compact_context"]

    @property
    def preparations(self):
        """Those of what was written ahead of time."""
        return [span for span in self.spans if is_ahead(span)]

    @property
    def decisions(self):
        """Those of the calls."""
        return [span for span in self.spans if not is_ahead(span)]

    @property
    def outcomes(self):
        """What came of the calls."""
        return [span.attributes["compact.outcome"] for span in self.decisions]


def is_ahead(span):
    return span.attributes.get("compact.trigger.type") == "background"


def told(span, event):
    """Return the attributes of the events of one name on a span."""
    return [dict(entry.attributes) for entry in span.events if entry.name == f"compact.{event}"]


def was_prepared(span):
    """Say whether the summary of a call was written ahead of time."""
    created = told(span, "summary_created")
    return [made.get("compact.summary.prepared") for made in created] == [True]


def summary_in(result):
    """Return the text of the one summary in a result."""
    (made,) = [item for item in result.messages if is_summary(item)]
    return frame.unwrap(made)[1]
