"""What a trace tells of a summariser: a span a request, its cost, why it was not used."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from compact_otel.core.errors import SummaryError
from compact_otel.schema import SCHEMA_URL
from compact_otel.testing import LocalOpenAI, Step
from compact_otel.version import __version__
from tests.summarizers.openai_bench import (
    NOTE,
    by_model,
    desk,
    errand,
    in_turn,
    request,
    summarizer,
)


class Tracing:
    def __init__(self):
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def chats(self):
        return [
            span for span in self.exporter.get_finished_spans() if span.name != "compact_context"
        ]

    @property
    def steps(self):
        return [
            (event.attributes["error.type"], event.attributes["compact.failure.fallback"])
            for span in self.chats
            for event in span.events
        ]


@pytest.fixture
def tracing():
    made = Tracing()
    yield made
    made.provider.shutdown()


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_a_request_is_a_span_below_the_compaction_with_what_it_cost(tracing, api):
    with LocalOpenAI(in_turn(NOTE)) as server:
        port = int(server.base_url.rpartition(":")[2].partition("/")[0])
        made = summarizer(server, api=api, tracer_provider=tracing.provider)
        manager, _ = desk(made, tracer_provider=tracing.provider)
        assert manager.preflight("s", errand()).outcome == "compacted"
        usage = server.requests[0].tokens
    chat, compaction = tracing.exporter.get_finished_spans()
    assert compaction.name == "compact_context"
    assert chat.parent.span_id == compaction.context.span_id
    assert (chat.name, chat.kind) == ("chat gpt-4.1-mini", SpanKind.CLIENT)
    scope = chat.instrumentation_scope
    assert (scope.name, scope.version, scope.schema_url) == (
        "compact_otel",
        __version__,
        SCHEMA_URL,
    )
    told = dict(chat.attributes)
    assert told.pop("gen_ai.response.id")
    assert told.pop("gen_ai.usage.output_tokens") > 5
    assert told.pop("gen_ai.request.max_tokens") > 100
    assert told.pop("gen_ai.request.seed", 42) == 42
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4.1-mini",
        "gen_ai.request.temperature": 0.0,
        "gen_ai.response.model": "gpt-4.1-mini",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": usage,
        "server.address": "127.0.0.1",
        "server.port": port,
    }
    assert chat.status.status_code is StatusCode.UNSET
    assert not chat.events


async def test_each_step_of_the_chain_is_told_with_its_reason(tracing):
    large = iter([Step("All is well. " * 200), Step("I cannot help with that."), Step(status=500)])
    behave = by_model(large=Step(), small=Step(NOTE))
    answers = lambda asked: next(large) if asked.model == "large" else behave(asked)  # noqa: E731
    with LocalOpenAI(answers) as server:
        made = summarizer(
            server,
            model="large",
            fallback_models=["small"],
            window=50_000,
            max_retries=0,
            tracer_provider=tracing.provider,
        )
        await made.summarize(request())
    assert tracing.steps == [
        ("too_long", "retry_shorter"),
        ("refused", "retry_brief"),
        ("server_error", "retry_model"),
    ]
    assert [span.attributes.get("error.type") for span in tracing.chats] == [
        "too_long",
        "refused",
        "server_error",
        None,
    ]
    # Only where there was no answer the request itself has failed.
    failed = [span.status.status_code is StatusCode.ERROR for span in tracing.chats]
    assert failed == [False, False, True, False]


async def test_no_content_is_on_any_span(tracing):
    answers = in_turn(Step("I cannot help with A-1."), Step("A-1 " * 900), Step(status=400))
    with LocalOpenAI(answers) as server, pytest.raises(SummaryError):
        await summarizer(server, tracer_provider=tracing.provider).summarize(request())
    assert tracing.chats
    assert "A-1" not in "".join(span.to_json() for span in tracing.chats)


async def test_a_cancelled_request_ends_its_span(tracing):
    with LocalOpenAI(in_turn(Step(NOTE, delay_s=30))) as server:
        made = summarizer(server, tracer_provider=tracing.provider)
        task = asyncio.ensure_future(made.summarize(request()))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (chat,) = tracing.chats
    assert chat.attributes["error.type"] == "CancelledError"


async def test_a_processor_that_fails_costs_nothing(tracing):
    class Broken(SimpleSpanProcessor):
        def on_start(self, span, parent_context=None):
            raise RuntimeError

    tracing.provider.add_span_processor(Broken(tracing.exporter))
    with LocalOpenAI(in_turn(NOTE)) as server:
        made = summarizer(server, tracer_provider=tracing.provider)
        assert (await made.summarize(request())).text == NOTE


@pytest.mark.parametrize("mode", ["span", "log"])
def test_where_events_are_log_records_the_spans_of_requests_have_none(mode, tracing):
    logs = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    with LocalOpenAI(in_turn("All is well. " * 2000, NOTE)) as server:
        made = summarizer(server, tracer_provider=tracing.provider)
        manager, _ = desk(
            made, events=mode, tracer_provider=tracing.provider, logger_provider=provider
        )
        assert manager.preflight("s", errand()).outcome == "compacted"
    logged = [data.log_record.event_name for data in logs.get_finished_logs()]
    assert (len(tracing.steps), logged.count("compact.error")) == {
        "span": (1, 0),
        "log": (0, 1),
    }[mode]


def test_where_instrumentation_is_suppressed_a_summary_is_asked_for_and_no_span_tells_of_it(
    tracing,
):
    with LocalOpenAI(in_turn(NOTE)) as server, suppress_instrumentation():
        made = summarizer(server, tracer_provider=tracing.provider)
        manager, _ = desk(made, tracer_provider=tracing.provider)
        assert manager.preflight("s", errand()).outcome == "compacted"
        assert len(server.requests) == 1
    assert tracing.exporter.get_finished_spans() == ()
