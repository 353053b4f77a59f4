"""The live path: a decision is in the viewer while its summary is still being written."""

import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult

from compact_otel import CompactConfig, CompactManager
from compact_otel.core.types import CallContext
from compact_otel.exporters import providers
from compact_otel.exporters.ariadne import AriadneSpanExporter, courier
from compact_otel.exporters.ariadne.live import LivePath, live_path
from tests.exporters.ariadne_server import AriadneServer

CALL = CallContext(model="gpt-4o")
DECIDED = ("compact.trigger_decision", {"compact.trigger.decision": "compact"})
OURS = {"gen_ai.operation.name": "compact_context", "compact.outcome": "compacted"}


class Waiting:
    """Writes a summary as soon as the viewer shows why, or gives up on it."""

    def __init__(self, viewer):
        self._viewer = viewer
        self.has_seen = False

    def summarize(self, request):
        shown = self._viewer.named
        self.has_seen = self._viewer.wait_for(lambda: shown("· trigger_decision compact"))
        return "what was said before"


class Broken:
    def summarize(self, request):
        raise RuntimeError("no")


@pytest.fixture
def viewer(monkeypatch):
    monkeypatch.setattr(providers, "_own", None)
    with AriadneServer() as server:
        monkeypatch.setenv("COMPACT_ARIADNE_URL", server.endpoint)
        yield server


@pytest.fixture
def exporter(viewer):
    made = AriadneSpanExporter()
    yield made
    made.shutdown()


@pytest.fixture
def provider(exporter):
    """Return one that exports a moment later than usual, so that only the live path is at once."""
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(
        BatchSpanProcessor(exporter, schedule_delay_millis=3_600_000, max_queue_size=20_000)
    )
    yield made
    made.shutdown()


def talk(turns, about=0):
    for turn in range(turns):
        yield {"role": "user", "content": f"question {turn} about {about}"}
        yield {"role": "assistant", "content": f"answer {turn} " * 40}
    yield {"role": "user", "content": "and now?"}


def manager(summarizer, **telemetry):
    config = CompactConfig.load(
        max_context_tokens=4_000,
        soft_trigger_pct=0,
        storage={"adapter": "none"},
        telemetry={"exporter": "ariadne", "agent_spans": "off", **telemetry},
        summarizer={"verify": False},
    )
    return CompactManager(config, summarizer=summarizer, tracer_provider=TracerProvider())


def started(provider, *events, attributes=OURS, path=None):
    """Return a span that is not over, after its live path has heard of each event."""
    span = provider.get_tracer("t").start_span("compact_context", attributes=attributes)
    for name, facts in events:
        span.add_event(name, facts)
        if path is not None:
            path(span)
    return span


def ended(path, span):
    span.end()
    path(span)
    return f"{span.context.span_id:016x}"


def eventually(holds):
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end, "within ten seconds"
        time.sleep(0.005)


def idents(viewer):
    return [row["span_id"] for row in viewer.spans()]


def test_a_decision_is_shown_while_the_summary_is_written(viewer):
    summarizer = Waiting(viewer)
    assert manager(summarizer).preflight("s", list(talk(40)), call=CALL).outcome == "compacted"
    assert summarizer.has_seen
    assert viewer.wait_for(lambda: viewer.named("⟲ compact "))
    assert viewer.complaints == []


def test_it_is_shown_in_the_viewer_that_the_provider_is_joined_with(viewer):
    summarizer = Waiting(viewer)
    made = manager(summarizer)
    other = AriadneSpanExporter("http://127.0.0.1:9")  # newer, and of somebody else
    made.preflight("s", list(talk(40)), call=CALL)
    assert summarizer.has_seen
    assert not any(other.counts.values())


def test_spans_of_a_provider_that_does_not_export_there_do_not_go_ahead(
    viewer, exporter, monkeypatch
):
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "ariadne")  # of the global provider
    made = manager(Broken(), exporter="none")
    assert made.preflight("s", list(talk(40)), call=CALL).outcome == "fallback"
    time.sleep(0.05)
    assert viewer.requests == []


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (DECIDED, "· trigger_decision compact"),
        (("compact.rescue", {"compact.rescue.attempt": 1}), "· rescue attempt 1"),
        (
            (
                "compact.error",
                {"compact.failure.stage": "summarize", "compact.failure.fallback": "extractive"},
            ),
            "· error summarize → extractive",
        ),
    ],
)
def test_what_somebody_waits_for_comes_before_its_span_below_a_trace_with_a_name(
    event, shown, viewer, exporter, provider
):
    span = started(provider, event, path=LivePath(exporter))
    assert viewer.wait_for(lambda: len(viewer.rows) == 2)
    trace, row = viewer.rows
    assert row["name"] == shown
    assert row["parent_id"] == f"{span.context.span_id:016x}"
    assert (trace["type"], trace["trace_id"]) == ("trace", row["trace_id"])
    assert "started_at" not in trace, "or it would be shown as running for ever"


def test_a_trace_keeps_the_name_under_which_it_was_announced(viewer, exporter, provider):
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("run"):
        first = {**OURS, "gen_ai.agent.name": "reception"}
        ended(LivePath(exporter), started(provider, attributes=first))
        assert viewer.wait_for(viewer.spans)
        provider.force_flush()
        tracer.start_span("later", attributes={"gen_ai.agent.name": "orders"}).end()
    provider.force_flush()
    announced, complete = (row for row in viewer.rows if row["type"] == "trace")
    assert complete["name"] == announced["name"]
    assert complete["metadata"] == announced["metadata"]
    assert complete["ended_at"]


def test_what_nobody_waits_for_does_not_go_ahead(viewer, exporter, provider):
    path = LivePath(exporter)
    skipped = ("compact.trigger_decision", {"compact.trigger.decision": "skip"})
    started(provider, ("compact.token_estimate", {}), skipped, path=path)
    ident = ended(path, started(provider))
    assert viewer.wait_for(viewer.spans)
    assert idents(viewer) == [ident]


def test_no_row_comes_twice_and_none_is_lost(viewer, exporter, provider):
    path = LivePath(exporter)
    expected = []
    for number in range(900):
        if number % 3:
            span = provider.get_tracer("t").start_span("step")
            span.end()
            expected.append(f"{span.context.span_id:016x}")
        else:
            span = started(provider, ("compact.token_estimate", {}), DECIDED, path=path)
            ident = ended(path, span)
            expected += [ident, f"{ident}.e0", f"{ident}.e1"]
    provider.force_flush()
    assert viewer.wait_for(lambda: len(viewer.rows) >= len(expected))
    assert sorted(idents(viewer)) == sorted(expected)
    assert exporter.counts["delivered"] == len(viewer.rows)
    assert viewer.complaints == []


def test_a_run_with_failures_is_told_once(viewer):
    made = manager(Broken())
    for number in range(4):
        made.preflight(f"s{number}", list(talk(40, number)), call=CALL)
    assert viewer.wait_for(lambda: len(viewer.named("· pruned_messages")) == 4)
    assert len(set(idents(viewer))) == len(idents(viewer))
    assert len(viewer.named("⟲ compact ")) == len(viewer.named("· trigger_decision")) == 4


def test_a_row_that_is_refused_ahead_costs_no_other_one_and_is_not_tried_again(
    viewer, exporter, provider, monkeypatch
):
    take = viewer.take
    monkeypatch.setattr(viewer, "take", lambda body: 400 if b'.e1"' in body else take(body))
    path = LivePath(exporter)
    span = started(provider, DECIDED, ("compact.rescue", {}), path=path)
    ident = ended(path, span)
    assert viewer.wait_for(lambda: ident in idents(viewer))
    provider.force_flush()
    assert sorted(idents(viewer)) == [ident, f"{ident}.e0"]
    assert exporter.counts["rejected"] == 1


def test_what_did_not_get_through_ahead_comes_with_its_span(
    viewer, exporter, provider, monkeypatch, caplog
):
    now = [100.0]
    monkeypatch.setattr(exporter._delivery, "_clock", lambda: now[0])
    viewer.otherwise = 503
    span = started(provider, DECIDED, path=LivePath(exporter))
    eventually(lambda: "[Ariadne] nothing is sent" in caplog.text)
    viewer.otherwise = None
    now[0] += 60
    span.end()
    assert provider.force_flush()
    assert len(viewer.spans()) == 2
    assert exporter.counts == {"delivered": 3, "rejected": 0, "dropped": 0}


@pytest.mark.parametrize("arrives", [True, False])
def test_what_is_on_its_way_is_waited_for_and_counted_once(
    arrives, viewer, exporter, provider, monkeypatch
):
    reached, go = threading.Event(), threading.Event()
    take = viewer.take

    def held(body):
        reached.set()
        go.wait(5)
        return take(body) if arrives else 503

    monkeypatch.setattr(viewer, "take", held)
    span = started(provider, DECIDED, path=LivePath(exporter))
    assert reached.wait(5)
    span.end()
    with ThreadPoolExecutor(1) as pool:
        exported = pool.submit(exporter.export, [span._readable_span()])
        with pytest.raises(TimeoutError):  # nobody knows yet whether the decision has to come again
            exported.result(0.2)
        go.set()
        result = exported.result(10)
    # A trace, named ahead and again with its root, a span, and its event.
    if arrives:
        assert result is SpanExportResult.SUCCESS
        assert exporter.counts == {"delivered": 4, "rejected": 0, "dropped": 0}
        assert len(set(idents(viewer))) == len(idents(viewer)) == 2
    else:
        assert result is SpanExportResult.FAILURE
        assert exporter.counts == {"delivered": 0, "rejected": 0, "dropped": 3}


def test_a_span_that_forgets_its_oldest_events_mixes_up_no_rows(viewer, exporter):
    provider = TracerProvider(span_limits=SpanLimits(max_events=2), shutdown_on_exit=False)
    path = LivePath(exporter)
    events = [DECIDED, *[("compact.rescue", {"compact.rescue.attempt": at}) for at in range(1, 4)]]
    ident = ended(path, started(provider, *events, path=path))
    assert viewer.wait_for(lambda: ident in idents(viewer))
    names = {row["span_id"].partition(".")[2]: row["name"] for row in viewer.spans()}
    assert names.pop("").startswith("⟲")
    assert names == {
        "e0": "· trigger_decision compact",
        **{f"e{at}": f"· rescue attempt {at}" for at in range(1, 4)},
    }


def test_who_wants_no_rows_of_events_gets_none_ahead(viewer):
    exporter = AriadneSpanExporter(event_rows="none")
    path = LivePath(exporter)
    ident = ended(path, started(TracerProvider(), DECIDED, path=path))
    assert viewer.wait_for(viewer.spans)
    assert idents(viewer) == [ident]


class RecordOnly(Sampler):
    def should_sample(self, *args, **kwargs):
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self):
        return "records, and exports nothing"


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, RecordOnly()], ids=["off", "record only"])
def test_what_is_not_sampled_does_not_go_ahead(sampler, viewer, exporter, provider):
    path = LivePath(exporter)
    span = TracerProvider(sampler).get_tracer("t").start_span("compact_context", attributes=OURS)
    span.end()
    path(span)
    ident = ended(path, started(provider))
    assert viewer.wait_for(viewer.spans)
    assert idents(viewer) == [ident]


def test_after_shutdown_nothing_goes_ahead(viewer, exporter, provider):
    exporter.shutdown()
    ended(LivePath(exporter), started(provider))
    time.sleep(0.05)
    assert viewer.requests == []


@pytest.mark.parametrize("wrong", ["hang", "drip", 400, 413, 500])
def test_nobody_waits_for_a_viewer_that_does_not_take_it_and_memory_is_bounded(
    wrong, viewer, exporter
):
    viewer.otherwise = wrong
    provider, path = TracerProvider(shutdown_on_exit=False), LivePath(exporter)
    kept = []
    began = time.monotonic()
    for _ in range(2_200):
        span = started(provider, DECIDED, path=path)
        ended(path, span)
        kept.append(weakref.ref(span))
        del span
    assert time.monotonic() - began < 5  # of seconds there would be thousands
    gc.collect()
    # What waits, and what is at hand at the moment.
    assert sum(ref() is not None for ref in kept) <= 2 * courier._MOST


def test_a_run_with_a_viewer_that_hangs_takes_no_longer(viewer):
    viewer.otherwise = "hang"
    made = manager(Broken())
    began = time.monotonic()
    assert made.preflight("s", list(talk(40)), call=CALL).outcome == "fallback"
    assert time.monotonic() - began < 1.5


def test_its_thread_ends_when_there_is_nothing_to_do_and_comes_back(
    viewer, exporter, provider, monkeypatch
):
    monkeypatch.setattr(courier, "_IDLE_S", 0.02)
    path = LivePath(exporter)
    others = set(threading.enumerate())
    for count in (1, 2):
        ended(path, started(provider))
        names = {each: each.name for each in set(threading.enumerate()) - others}
        (thread,) = [each for each, name in names.items() if name == "compact_otel.ariadne"]
        assert viewer.wait_for(lambda wanted=count: len(viewer.spans()) == wanted)
        thread.join(5)
        assert not thread.is_alive()


FORKING = """
import os, sys, time
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from compact_otel.exporters.ariadne import AriadneSpanExporter
from compact_otel.exporters.ariadne.live import LivePath

exporter = AriadneSpanExporter()
provider, path = TracerProvider(), LivePath(exporter)
provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=3_600_000))

def decide():
    ours = {"gen_ai.operation.name": "compact_context", "compact.outcome": "compacted"}
    span = provider.get_tracer("t").start_span("compact_context", attributes=ours)
    span.end()
    path(span)

for _ in range(20):
    decide()  # most wait while the first one goes
child = os.fork()
decide()
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
provider.shutdown()
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_sends_what_is_its_own(viewer):
    viewer.delay = 0.1
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(set(idents(viewer))) == len(idents(viewer)) == 20 + 2


@pytest.mark.parametrize(
    ("environment", "joined", "there"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"OTEL_TRACES_EXPORTER": "otlp, ariadne"}, False, True),
        ({"OTEL_TRACES_EXPORTER": "ariadne", "COMPACT_ARIADNE_LIVE": "false"}, False, False),
        ({"COMPACT_ARIADNE_LIVE": "true"}, False, True),
        ({"COMPACT_ARIADNE_LIVE": "maybe"}, False, False),
    ],
)
def test_it_is_there_where_the_viewer_is_unless_it_is_told_otherwise(
    environment, joined, there, exporter, caplog
):
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        wanted = CompactConfig.load().telemetry.ariadne_live
    path = live_path(environment, exporter if joined else None, wanted=wanted)
    assert (path is not None) is there
    wrong = "telemetry.ariadne_live must be true or false, got 'maybe' (COMPACT_ARIADNE_LIVE)"
    assert (wrong in caplog.text) == (environment.get("COMPACT_ARIADNE_LIVE") == "maybe")


def test_it_goes_by_the_newest_exporter_that_was_not_shut_down(viewer):
    path = LivePath()
    with AriadneServer() as other:
        older, newer = AriadneSpanExporter(other.endpoint), AriadneSpanExporter()
        AriadneSpanExporter(other.endpoint).shutdown()
        ended(path, started(TracerProvider()))
        assert viewer.wait_for(viewer.spans)
        newer.shutdown()
        ended(path, started(TracerProvider()))
        assert other.wait_for(other.spans)
        assert (len(viewer.spans()), len(other.spans())) == (1, 1)
        older.shutdown()
