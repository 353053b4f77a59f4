"""With nothing to be kept by chance, what is kept is what somebody must see."""

import time
from collections import Counter

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from compact_otel.telemetry import OUTCOME, SPAN
from tests.collector.programs import Collector

PLAIN = 200
LATE_S = 3
"""Three times what the collector waits for after a root, as the tests set it."""

KEPT = ["failed", "fell back", "not helped", "rescued", "broken", "slow", "failed late"]


class Application:
    """Traces of a root and one compaction."""

    def __init__(self, endpoint):
        self._provider = TracerProvider()
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces"))
        )
        self._tracer = self._provider.get_tracer("application")

    def begin(self, name, **more):
        return self._tracer.start_span(name, **more)

    def compaction(self, root, *, outcome="compacted", event=None, **more):
        attributes = {OUTCOME: outcome, "compact.trigger.type": "preflight", **more}
        below = set_span_in_context(root)
        span = self._tracer.start_span(SPAN, context=below, attributes=attributes)
        if event is not None:
            span.add_event(event)
        span.end()

    def trace(self, name, **compaction):
        root = self.begin(name)
        self.compaction(root, **compaction)
        root.end()
        return root

    def sent(self):
        assert self._provider.force_flush()

    def close(self):
        self._provider.shutdown()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Send traces to a collector that keeps no percentage; return the spans that it kept."""
    collector = Collector(tmp_path_factory.mktemp("sampling"))
    with collector.running("otelcol.yaml", COMPACT_SAMPLING_PERCENTAGE="0"):
        application = Application(collector.otlp)
        for _ in range(PLAIN):
            plain = application.trace("plain", event="compact.summary_created")
        failed = application.trace("failed", event="compact.error")
        application.trace("fell back", outcome="fallback")
        application.trace("not helped", outcome="error")
        application.trace("rescued", **{"compact.trigger.type": "reactive"})
        broken = application.begin("broken")
        broken.set_status(Status(StatusCode.ERROR))
        broken.end()
        now = time.time_ns()
        application.begin("slow", start_time=now - 31 * 10**9).end(now)
        late = application.begin("failed late")
        application.compaction(late)
        application.sent()

        time.sleep(LATE_S)
        application.compaction(late, event="compact.error")
        late.end()
        for root in (plain, failed):
            application.compaction(root, outcome="replayed")
        application.close()
    return collector.spans()  # as it stops, it decides on what it still holds


def test_exactly_the_traces_with_an_incident_are_kept(kept):
    roots = [span["name"] for span in kept if not span.get("parentSpanId")]
    assert Counter(roots) == dict.fromkeys(KEPT, 1)


def test_a_failure_long_after_the_first_span_keeps_the_whole_trace(kept):
    (late,) = {span["traceId"] for span in kept if span["name"] == "failed late"}
    assert len([span for span in kept if span["traceId"] == late]) == 3


def test_what_comes_after_the_verdict_follows_it(kept):
    outcomes = [
        value["value"]["stringValue"]
        for span in kept
        for value in span.get("attributes", ())
        if value["key"] == OUTCOME
    ]
    assert outcomes.count("replayed") == 1, (
        "of the trace that was kept, not of the one that was not"
    )
