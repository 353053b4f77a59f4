"""Spans on their way to the viewer: nothing lost, nothing twice, and nobody waits for it."""

import json
import logging
import os
import time

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from compact_otel import ConfigError
from compact_otel.exporters.ariadne import AriadneSpanExporter
from compact_otel.exporters.ariadne.payload import MOST_BYTES
from tests.exporters.ariadne_server import AriadneServer

LIMIT_S = 8
"""Above the five seconds that a delivery may take; a machine is busy at times."""


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("COMPACT_ARIADNE_")]:
        monkeypatch.delenv(name)


def spans(count=1, attributes=None, name="step"):
    """Return so many finished spans below a root that is finished last."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(kept, max_queue_size=20_000))
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("root"):
        for _ in range(count):
            tracer.start_span(name, attributes=attributes or {}).end()
    provider.force_flush()
    return kept.get_finished_spans()


def ids(server):
    return [row["span_id"] for row in server.spans()]


def test_ten_thousand_spans_arrive_once_each_in_small_requests():
    given = spans(10_000)
    with AriadneServer() as server:
        exporter = AriadneSpanExporter(server.endpoint)
        for start in range(0, len(given), 512):
            assert exporter.export(given[start : start + 512]) is SpanExportResult.SUCCESS
        assert sorted(ids(server)) == sorted(f"{span.context.span_id:016x}" for span in given)
    assert exporter.counts == {"delivered": 10_002, "rejected": 0, "dropped": 0}
    assert max(server.requests) <= MOST_BYTES
    assert len([row for row in server.rows if row["type"] == "trace"]) == 1
    assert server.complaints == []


HOSTILE = {
    "none in a list": ("a", None, "b"),
    "not a number": float("nan"),
    "endless": float("inf"),
    "huge": 2**63 - 1,
    "bytes": b"\xff\x00",
    "__proto__": "x",
    "long": "x" * 300_000,
    "many long": ("y" * 100_000,) * 8,
    "half a pair": "\ud800 and \udfff",
    "every control": "".join(map(chr, range(32))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_costs_nobody_else_a_row(name, caplog):
    caplog.set_level(logging.ERROR, "opentelemetry")
    given = spans(3, {name: HOSTILE[name]})
    with AriadneServer() as server:
        exporter = AriadneSpanExporter(server.endpoint)
        assert exporter.export(given) is SpanExportResult.SUCCESS
    assert len(ids(server)) == 4
    assert server.complaints == []
    assert exporter.counts["rejected"] == 0


@pytest.mark.parametrize("status", [400, 500, 413])
def test_what_is_refused_is_halved_until_the_bad_row_stands_alone(status, monkeypatch, caplog):
    given = spans(20)
    with AriadneServer() as server:
        take = server.take
        monkeypatch.setattr(server, "take", lambda body: status if b'"bad"' in body else take(body))
        bad = spans(1, name="bad")[:1]
        exporter = AriadneSpanExporter(server.endpoint)
        assert exporter.export([*given, *bad]) is SpanExportResult.FAILURE
        assert len(ids(server)) == len(given) == len(set(ids(server)))
        assert exporter.counts == {"delivered": 22, "rejected": 1, "dropped": 0}
        exporter.export(bad)
    (told,) = [record.message for record in caplog.records]
    assert told.startswith("[Ariadne] ")
    assert "refused a span" in told


@pytest.mark.parametrize("wrong", ["hang", "drip", "reset", "nonsense", 404, 502])
def test_a_viewer_that_does_not_take_spans_costs_a_bounded_time_and_then_none(wrong, caplog):
    given = spans(400)
    with AriadneServer(otherwise=wrong) as server:
        exporter = AriadneSpanExporter(server.endpoint)
        start = time.monotonic()
        assert exporter.export(given) is SpanExportResult.FAILURE
        assert time.monotonic() - start < LIMIT_S
        asked = len(server.requests)
        start = time.monotonic()
        assert exporter.export(given) is SpanExportResult.FAILURE
        assert time.monotonic() - start < 1
        assert len(server.requests) == asked <= 2
    assert exporter.counts["dropped"] == 401 + 1 + 401
    assert len([record for record in caplog.records if "[Ariadne]" in record.message]) == 1


def test_a_viewer_that_comes_back_is_found_again_and_asked_less_often_until_then(
    caplog, monkeypatch
):
    given = spans(1)
    with AriadneServer(otherwise=503) as server:
        exporter = AriadneSpanExporter(server.endpoint)
        now = [100.0]
        monkeypatch.setattr(exporter._delivery, "_clock", lambda: now[0])
        exporter.export(given)
        for rest in (1, 2, 4, 8):
            now[0] += rest - 0.1
            asked = server.asked
            exporter.export(given)
            assert server.asked == asked
            now[0] += 0.1
            exporter.export(given)
            assert server.asked == asked + 1
        server.otherwise = None
        now[0] += 16
        assert exporter.export(given) is SpanExportResult.SUCCESS
        server.otherwise = 503
        exporter.export(given)
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 2  # once an outage


def test_a_trace_is_named_after_the_agent_that_was_asked_first():
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(kept))
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("run"):
        first = tracer.start_span("a", attributes={"gen_ai.agent.name": "reception"})
        tracer.start_span("b", attributes={"gen_ai.agent.name": "orders"}).end()
        first.end()
    provider.force_flush()
    with AriadneServer() as server:
        AriadneSpanExporter(server.endpoint).export(kept.get_finished_spans())
        (trace,) = [row for row in server.rows if row["type"] == "trace"]
    assert trace["metadata"]["agent_name"] == "reception"


def test_a_viewer_that_is_started_again_gets_what_comes_then(caplog, monkeypatch):
    with AriadneServer() as server:
        exporter = AriadneSpanExporter(server.endpoint)
        now = [100.0]
        monkeypatch.setattr(exporter._delivery, "_clock", lambda: now[0])
        assert exporter.export(spans(3)) is SpanExportResult.SUCCESS
        port = int(server.endpoint.rpartition(":")[2])
    assert exporter.export(spans(3)) is SpanExportResult.FAILURE
    now[0] += 2
    with AriadneServer(port=port) as again:
        given = spans(3)
        assert exporter.export(given) is SpanExportResult.SUCCESS
        assert sorted(ids(again)) == sorted(f"{span.context.span_id:016x}" for span in given)
    assert exporter.counts == {"delivered": 10, "rejected": 0, "dropped": 5}
    assert caplog.text.count("[Ariadne] nothing is sent") == 1


def test_a_slow_viewer_gets_everything_once():
    with AriadneServer() as server:
        server.delay = 0.1
        exporter = AriadneSpanExporter(server.endpoint)
        assert exporter.export(spans(700)) is SpanExportResult.SUCCESS
        assert len(set(ids(server))) == len(ids(server)) == 701


def test_each_request_has_a_connection_of_its_own():
    """The viewer closes one that is idle, and a request may meet that moment."""
    with AriadneServer() as server:
        exporter = AriadneSpanExporter(server.endpoint)
        for _ in range(3):
            exporter.export(spans(1))
    assert server.connections == len(server.requests) == 3


def test_one_lost_connection_is_tried_again():
    with AriadneServer(answers=["reset"]) as server:
        exporter = AriadneSpanExporter(server.endpoint)
        assert exporter.export(spans(3)) is SpanExportResult.SUCCESS
    assert len(set(ids(server))) == 4


def test_nobody_there_is_told_once_and_nothing_waits(caplog):
    exporter = AriadneSpanExporter("http://127.0.0.1:9")
    for _ in range(3):
        exporter.export(spans(2))
    assert exporter.counts["dropped"] == 3 * (1 + 3)
    (told,) = [record.message for record in caplog.records]
    assert "[Ariadne] nothing is sent to http://127.0.0.1:9 for now: it does not answer" in told


def test_after_a_fork_parent_and_child_both_send():
    with AriadneServer() as server:
        exporter = AriadneSpanExporter(server.endpoint)
        exporter.export(spans(1))
        here, there = spans(1), spans(1)
        child = os.fork()
        if child == 0:
            done = exporter.export(there) is SpanExportResult.SUCCESS
            os._exit(0 if done else 1)
        exporter.export(here)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(set(ids(server))) == len(ids(server)) == 6


def test_what_became_of_rows_is_a_metric(monkeypatch):
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr("opentelemetry.metrics.get_meter", provider.get_meter)
    with AriadneServer() as server:
        exporter = AriadneSpanExporter(server.endpoint)
        exporter.export(spans(2))
        exporter.export(spans(1))
    (metric,) = (
        json.loads(reader.get_metrics_data().to_json())["resource_metrics"][0]["scope_metrics"][0]
    )["metrics"]
    assert (metric["name"], metric["unit"]) == ("compact.ariadne.events", "{event}")
    (point,) = metric["data"]["data_points"]
    assert point["attributes"] == {"compact.ariadne.result": "delivered"}
    assert point["value"] == 4 + 3


def test_a_program_that_names_its_meter_provider_in_the_environment_still_sets_it(monkeypatch):
    monkeypatch.setenv("OTEL_PYTHON_METER_PROVIDER", "sdk_meter_provider")
    provider = MeterProvider()
    asked = []
    monkeypatch.setattr(
        "opentelemetry.metrics.get_meter",
        lambda *scope, **more: asked.append(scope) or provider.get_meter(*scope, **more),
    )
    exporter = AriadneSpanExporter("http://127.0.0.1:9")
    assert not asked, "the question makes one, and then no other can be set"
    exporter.export(spans(1))
    assert asked


def test_what_was_shut_down_sends_nothing():
    with AriadneServer() as server:
        exporter = AriadneSpanExporter(server.endpoint)
        exporter.shutdown()
        assert exporter.export(spans(1)) is SpanExportResult.FAILURE
        assert exporter.force_flush()
    assert server.requests == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"endpoint": "localhost:5175"}, "endpoint must be an address such as .*, got 'localho"),
        ({"endpoint": "http://x:99999"}, "endpoint must be an address such as"),
        ({"timeout": 3}, "timeout must be > 0 and <= 2, got 3"),
        ({"timeout": "soon"}, "timeout must be a number > 0 and <= 2, got 'soon'"),
        ({"event_rows": "most"}, "event_rows must be one of compact, all, none, got 'most'"),
        ({"group": "trace"}, "group must be one of agent, session, got 'trace'"),
        ({"icon": "some"}, "icon must be true or false, got 'some'"),
    ],
)
def test_an_impossible_setting_says_which_and_what_would_do(
    arguments, message, monkeypatch, caplog
):
    with pytest.raises(ConfigError, match=message):
        AriadneSpanExporter(**arguments)
    ((name, value),) = arguments.items()
    name = "url" if name == "endpoint" else name
    monkeypatch.setenv(f"COMPACT_ARIADNE_{name.upper()}", str(value))
    AriadneSpanExporter()  # made by OpenTelemetry, which would give up on all telemetry
    (told,) = [record.message for record in caplog.records]
    assert f"COMPACT_ARIADNE_{name.upper()}" in told
    assert "it counts as not set" in told


def test_a_typo_in_the_environment_names_what_there_is(monkeypatch, caplog):
    monkeypatch.setenv("COMPACT_ARIADNE_ENDPIONT", "http://127.0.0.1:5175")
    AriadneSpanExporter()
    (told,) = [record.message for record in caplog.records]
    assert "COMPACT_ARIADNE_ENDPIONT is not a setting; there are COMPACT_ARIADNE_URL" in told


def test_the_environment_is_read_and_arguments_win(monkeypatch):
    with AriadneServer() as server:
        monkeypatch.setenv("COMPACT_ARIADNE_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("COMPACT_ARIADNE_EVENT_ROWS", "all")
        exporter = AriadneSpanExporter(server.endpoint)
        assert exporter.export(spans(1)) is SpanExportResult.SUCCESS


def test_another_machine_is_told_of_once(caplog):
    AriadneSpanExporter("http://viewer.example:5175")
    (told,) = [record.message for record in caplog.records]
    assert "is not this machine" in told


def test_content_is_shown_where_it_was_asked_for(monkeypatch):
    given = spans(1, {"gen_ai.input.messages": "canary"})
    with AriadneServer() as server:
        AriadneSpanExporter(server.endpoint).export(given)
        assert "canary" not in str(server.rows)
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
        AriadneSpanExporter(server.endpoint).export(given)
        assert "canary" in str(server.rows)


def test_what_opentelemetry_makes_reads_the_file_and_redacts_as_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mail = "erika@example.com"
    seen = {"tool.arguments.note": f"{mail} saw a zebra"}
    with AriadneServer() as server:
        AriadneSpanExporter(server.endpoint).export(spans(1, seen))
        assert mail not in str(server.rows)
        assert "zebra" in str(server.rows)
    with AriadneServer() as server:
        (tmp_path / "compact.yaml").write_text(
            f"telemetry: {{ariadne_url: '{server.endpoint}'}}\n"
            "redaction: {allow: [email], patterns: [zebra]}\n"
        )
        AriadneSpanExporter().export(spans(1, seen))
        assert mail in str(server.rows)
        assert "zebra" not in str(server.rows)


def test_a_file_that_is_wrong_is_told_and_leaves_what_is_right(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compact.yaml").write_text(
        "telemetry: {ariadne_url: nowhere}\nredaction: {allow: [email]}\npolicy: {trigger_pct: 7}\n"
    )
    exporter = AriadneSpanExporter()
    assert exporter.endpoint == "http://127.0.0.1:5175"
    (told,) = [record.message for record in caplog.records]
    assert "telemetry.ariadne_url must be an address such as" in told
    assert "(compact.yaml:1)" in told
    assert "trigger_pct" not in told
    (tmp_path / "compact.yaml").write_text("telemetry: [")
    assert AriadneSpanExporter().endpoint == "http://127.0.0.1:5175"
    assert "nothing of that file holds" in caplog.text
