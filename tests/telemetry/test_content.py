"""The content gate: no word goes out unless it was asked for, and then without its secrets."""

import pytest
from agents import Agent, OpenAIResponsesModel, RunConfig, Runner
from agents.tracing import get_trace_provider, set_trace_provider
from agents.tracing.provider import DefaultTraceProvider

import compact_otel
from compact_otel import recall_tool, telemetry
from compact_otel.content import LONGEST, NO_CONTENT, captured, cleaned
from compact_otel.core.types import CallContext
from compact_otel.exporters.ariadne import AriadneSpanExporter
from compact_otel.testing import LocalOpenAI, Step
from tests.histories import Exporter, Storage, Summarizer, manager
from tests.telemetry.runs import CALL, LONG, Failing, recalled

TOLD = {
    "compact.summary.content",
    "compact.recall.query",
    "exception.message",
    "exception.stacktrace",
}
KEY = "sk-" + "proj-Ab3dEfGh1jKlMnOp4rStUvWx"


class Saying(Summarizer):
    """A summariser that says what it is told to."""

    def __init__(self, text):
        super().__init__()
        self._text = text

    def summarize(self, request):
        return self._text


async def everything(signals, **options):
    """Have a summary, an exception and a query told."""
    with signals.tracer().start_as_current_span("execute_tool"):
        await recalled(events="both", **signals.providers)
    failing = Failing(ValueError(f"could not read item 3: password={KEY}"))
    made = manager(900, summarizer=failing, events="both", **signals.providers)
    await made.apreflight("s", LONG, call=CallContext(**{"model": "gpt-4o", **options}))


def content_on(events):
    return {name for event in events for name in event.attributes if name in TOLD}


@pytest.mark.parametrize(
    ("value", "on_spans", "in_logs"),
    [
        (None, False, False),
        ("", False, False),
        ("NO_CONTENT", False, False),
        ("SPAN_ONLY", True, False),
        ("EVENT_ONLY", False, True),
        ("SPAN_AND_EVENT", True, True),
        ("span_and_event", True, True),
        ("true", False, False),
    ],
)
async def test_content_goes_where_the_environment_says(value, on_spans, in_logs, signals, captures):
    if value is not None:
        captures(value)
    await everything(signals)
    assert content_on(signals.span_events) == (TOLD if on_spans else set())
    assert content_on(signals.log_events) == (TOLD if in_logs else set())


@pytest.mark.parametrize("value", ["true", "1", "SPANS"])
def test_a_value_that_nobody_knows_is_told_once_and_means_no_content(value, captures, caplog):
    captures(value)
    assert [captured(), captured(), captured({})] == [NO_CONTENT] * 3
    (record,) = caplog.records
    assert record.getMessage() == (
        "need `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` to be one of NO_CONTENT, "
        f"SPAN_ONLY, EVENT_ONLY, SPAN_AND_EVENT, got {value!r}; no content goes out"
    )


def test_the_viewers_exporter_asks_the_same_gate(captures, caplog):
    captures("true")
    AriadneSpanExporter()
    manager(900).preflight("s", LONG, call=CALL)
    assert len([r for r in caplog.records if "no content goes out" in r.getMessage()]) == 1


async def test_what_goes_out_is_what_was_said_without_its_secrets(signals, captures):
    captures("SPAN_AND_EVENT")
    await everything(signals)
    for events in (signals.span_events, signals.log_events):
        told = [event.attributes for event in events]
        (message,) = [each["exception.message"] for each in told if "exception.message" in each]
        assert message == "could not read item 3: password=<REDACTED>"
        (trace,) = [e["exception.stacktrace"] for e in told if "exception.stacktrace" in e]
        assert trace.startswith("Traceback")
        assert "in summarize" in trace
        queries = [e["compact.recall.query"] for e in told if "compact.recall.query" in e]
        assert queries == ["question", "voucher", "x"]
        summaries = [e["compact.summary.content"] for e in told if "compact.summary.content" in e]
        assert any("items, after" in text for text in summaries)
    assert KEY not in signals.everything


def test_a_secret_is_taken_out_before_a_text_is_cut():
    before = "x" * (LONGEST - 10)
    assert cleaned({"a": f"{before} {KEY}"})["a"].endswith(" <REDACTED")
    assert len(cleaned({"a": "ä" * LONGEST})["a"]) == LONGEST // 2
    assert cleaned({"a": "\ud800"}) == {"a": "?"}


async def test_exporters_and_the_archive_get_no_content_whatever_is_asked_for(captures):
    captures("SPAN_AND_EVENT")
    exporter, storage = Exporter(), Storage()
    summary = Saying("the budget is zebra-lake")
    made = manager(900, exporters=[exporter], storage=storage, summarizer=summary)
    made.preflight("s", LONG, call=CALL)
    assert "compact.summary_created" in {event["event"] for event in exporter.events}
    assert "zebra-lake" not in str(exporter.events)
    assert "zebra-lake" not in str(storage.events)


@pytest.mark.parametrize(("mode", "value"), [("log", "SPAN_ONLY"), ("span", "EVENT_ONLY")])
async def test_words_are_not_even_read_where_they_have_nowhere_to_go(
    mode, value, signals, captures, monkeypatch
):
    captures(value)
    read = []
    monkeypatch.setattr(telemetry, "content_of", lambda event: read.append(event) or {})
    await manager(900, events=mode, **signals.providers).apreflight("s", LONG, call=CALL)
    assert signals.span_events or signals.log_events
    assert read == []


def test_an_exception_that_cannot_be_read_costs_its_text_only(signals, captures):
    class UnreadableError(Exception):
        def __str__(self):
            raise KeyError("zebra-lake")

    captures("SPAN_ONLY")
    made = manager(900, summarizer=Failing(UnreadableError()), **signals.providers)
    assert made.preflight("s", LONG, call=CALL).outcome == "fallback"
    (error,) = [event for event in signals.span_events if event.name == "compact.error"]
    assert error.attributes["exception.message"] == "<unreadable: KeyError>"
    assert error.attributes["error.type"] == "UnreadableError"


async def test_a_call_that_the_sdk_traces_without_data_tells_no_content(signals, captures):
    captures("SPAN_AND_EVENT")
    failing = Failing(ValueError("the budget is zebra-lake"))
    made = manager(900, summarizer=failing, events="both", **signals.providers)
    await made.apreflight("s", LONG, call=CallContext(model="gpt-4o", content=False))
    assert content_on([*signals.span_events, *signals.log_events]) == set()
    assert "zebra-lake" not in signals.everything


@pytest.fixture
def sdk_tracing():
    """Switch the SDK's own tracing on, whatever other tests did, and upload nothing."""
    before = get_trace_provider()
    set_trace_provider(DefaultTraceProvider())
    yield
    set_trace_provider(before)


@pytest.mark.usefixtures("sdk_tracing")
@pytest.mark.parametrize("with_data", [True, False])
async def test_a_run_says_whether_its_words_may_be_traced(with_data, signals, captures):
    def asks_then_answers(request):
        if request.items[-1].get("type") == "function_call_output":
            return Step("Done.")
        return Step(calls=[("recall_conversation", {"query": "question"})])

    captures("SPAN_ONLY")
    compact_otel.instrument(
        max_context_tokens=1200,
        hard_cap_buffer=0,
        keep_recent_turns=1,
        summarizer=Saying("the budget is zebra-lake"),
        storage={"adapter": "memory"},
        tracer_provider=signals.tracer_provider,
    )
    with LocalOpenAI(asks_then_answers) as api:
        model = OpenAIResponsesModel("gpt-4o", api.client())
        agent = Agent("Clerk", model=model, tools=[recall_tool()])
        config = RunConfig(trace_include_sensitive_data=with_data)
        with signals.tracer().start_as_current_span("application"):
            await Runner.run(agent, [*LONG, {"role": "user", "content": "So?"}], run_config=config)
    told = {"compact.summary.content", "compact.recall.query"} if with_data else set()
    assert content_on(signals.span_events) == told
