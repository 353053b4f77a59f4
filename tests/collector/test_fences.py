"""What must not reach a backend is taken out of span events and log records, and nothing else."""

import time

import pytest
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tests.collector.agent import CANARY, KEY, MAIL
from tests.collector.programs import Collector, attributes

EVENT = "compact.summary_created"
FACTS = {
    "compact.summary.tokens": 780,
    "compact.summary.compression_ratio": 0.12,
    "compact.summary.id": "3f0c2d9e8b7a4c51",
    "compact.estimator.name": "tiktoken:o200k_base",
}
SENT = {
    **FACTS,
    "compact.summary.content": f"They said {CANARY}.",
    "compact.recall.query": CANARY,
    "compact.failure.message": f"{MAIL} used {KEY} here",
    "compact.summary.model": "m" * 5000,
}


OF_OTHERS = {
    "db.statement": "connect with password=hunter2 now",
    "server.address": "postgres://shop:hunter2@db.example:5432/shop",
    "note": "glpat-Ab3xYz0123456789ABCD for gitlab, and tokens: 780",
}


@pytest.fixture(scope="module")
def received(tmp_path_factory):
    """Send an event of both kinds; return the attributes of each as they left the collector."""
    collector = Collector(tmp_path_factory.mktemp("fences"))
    with collector.running("otelcol.yaml"):
        traces, logs = TracerProvider(), LoggerProvider()
        traces.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(f"{collector.otlp}/v1/traces"))
        )
        logs.add_log_record_processor(
            BatchLogRecordProcessor(OTLPLogExporter(f"{collector.otlp}/v1/logs"))
        )
        with traces.get_tracer("application").start_as_current_span("root") as span:
            span.set_attributes(OF_OTHERS)
            span.add_event(EVENT, SENT)
            span.add_event("note", {"text": "n" * 5000, "keys": [KEY, "harmless"]})
            logs.get_logger("application").emit(
                timestamp=time.time_ns(), event_name=EVENT, attributes=SENT, body=f"with {KEY}"
            )
        traces.shutdown()
        logs.shutdown()
    (span,), (record,) = collector.spans(), collector.logs()
    assert KEY not in collector.kept
    ours, note = span["events"]
    assert len(attributes(note)["text"]) == 5000, "somebody else's text is not for us to cut"
    return {
        "span": attributes(span),
        "span event": attributes(ours),
        "log record": attributes(record),
    }


@pytest.fixture(params=["span event", "log record"])
def told(request, received):
    return received[request.param]


def test_numbers_ids_and_names_come_through_as_they_were(told):
    assert {name: told.get(name) for name in FACTS} == FACTS


def test_content_is_gone(told):
    assert told.keys() & {"compact.summary.content", "compact.recall.query"} == set()
    assert CANARY not in str(told)


def test_secrets_are_masked_inside_their_text(told):
    assert told["compact.failure.message"] == "**** used **** here"


def test_secrets_of_other_instrumentations_are_masked_by_their_name_or_issuer(received):
    assert received["span"]["db.statement"] == "connect with **** now"
    assert received["span"]["server.address"] == "postgres****db.example:5432/shop"
    assert received["span"]["note"] == "**** for gitlab, and tokens: 780"


def test_long_texts_are_cut(told):
    assert len(told["compact.summary.model"]) == 4096


def test_a_span_event_carries_its_name_for_the_metrics(received):
    assert received["span event"]["compact.event.name"] == EVENT
