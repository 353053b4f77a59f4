"""What an operator sees without a single trace: every metric, from real runs of the SDK."""

import pytest
from opentelemetry import trace
from opentelemetry.metrics import NoOpCounter, NoOpHistogram, NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import compact_otel
from compact_otel import CompactManager, metering
from compact_otel.adapters import MemoryStorage
from compact_otel.core import events
from compact_otel.core.types import CallContext
from compact_otel.testing import LocalOpenAI
from tests.histories import Estimator, Summarizer, manager, talk
from tests.integration.test_rescue import TRUE_WINDOW, answer, ask

LONG = talk(16, 50)
CALL = CallContext(model="gpt-4o")
STRATEGY = {"compact.policy.strategy": "task_state"}


@pytest.fixture
def meters():
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)

    def read():
        data = reader.get_metrics_data()
        return {
            metric.name: sorted(
                (
                    (dict(point.attributes), getattr(point, "value", None) or point.sum)
                    for point in metric.data.data_points
                ),
                key=str,
            )
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    yield provider, read
    provider.shutdown()


def counted(meters, limit=900, **options):
    return manager(limit, meter_provider=meters[0], **options)


def test_each_call_that_is_looked_at_is_a_decision_with_its_size_and_time(meters):
    made = counted(meters, soft_trigger_pct=0)
    skipped = made.preflight("s", talk(2), call=CALL)
    compacted = made.preflight("s", LONG, call=CALL)
    replayed = made.preflight("s", LONG, call=CALL)
    assert [r.outcome for r in (skipped, compacted, replayed)] == [
        "skipped",
        "compacted",
        "replayed",
    ]
    found, model = meters[1](), {"gen_ai.request.model": "gpt-4o"}
    told = {"compact.trigger.type": "preflight", **model}
    reasons = {
        (labels.pop("compact.trigger.decision"), labels.pop("compact.trigger.reason")): count
        for labels, count in found["compact.decisions"]
        if {**told, **labels} == labels
    }
    assert reasons == {("compact", "window_exceeded"): 1, ("skip", "below_trigger"): 2}
    sizes = {
        labels["compact.estimate.phase"]: size for labels, size in found["compact.context.tokens"]
    }
    assert sizes == {
        "before": sum(r.tokens_before for r in (skipped, compacted, replayed)),
        "after": compacted.tokens_after,
    }
    filled = {
        labels["compact.trigger.decision"]: share
        for labels, share in found["compact.window.utilization"]
    }
    assert filled["compact"] > 1 > filled["skip"] > 0
    outcomes = {labels["compact.outcome"] for labels, _ in found["compact.operation.duration"]}
    assert outcomes == {"skipped", "compacted", "replayed"}
    assert all(seconds > 0 for _, seconds in found["compact.operation.duration"])
    assert found["compact.messages.pruned"] == [(STRATEGY, compacted.dropped)]


def test_what_went_wrong_is_counted_with_what_was_done_instead(meters):
    class Broken(Summarizer):
        def summarize(self, request):
            raise ConnectionError("no")

    made = counted(meters, summarizer=Broken(), soft_trigger_pct=0)
    assert made.preflight("s", LONG, call=CALL).outcome == "fallback"
    found = meters[1]()
    assert found["compact.failures"] == [
        (
            {
                "compact.failure.stage": "summarize",
                "compact.failure.fallback": "extractive",
                "error.type": "ConnectionError",
            },
            1,
        )
    ]
    ((labels, _),) = found["compact.operation.duration"]
    assert (labels["compact.outcome"], labels["error.type"]) == ("fallback", "ConnectionError")


def test_the_size_of_an_archive_is_told(meters):
    made = counted(meters, storage=MemoryStorage())
    made.preflight("s", LONG, call=CALL)
    ((labels, size),) = meters[1]()["compact.archive.size"]
    assert labels == {"compact.archive.adapter": "memory"}
    assert size > 1000


def test_a_summary_made_ahead_is_no_decision(meters):
    made = counted(meters, summarizer=Summarizer())
    made.preflight("s", talk(2), call=CALL)
    decisions = meters[1]()["compact.decisions"]
    assert {labels["compact.trigger.type"] for labels, _ in decisions} == {"preflight"}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("window", "result"), [(TRUE_WINDOW, "recovered"), (150, "failed")])
async def test_a_call_that_was_refused_is_counted_with_what_became_of_it(
    window, result, streamed, meters
):
    compact_otel.instrument(
        max_context_tokens=12_000,
        hard_cap_buffer=200,
        storage={"adapter": "none"},
        meter_provider=meters[0],
    )
    with LocalOpenAI(answer, context_window=window) as api:
        if result == "recovered":
            await ask(api, "responses", streamed=streamed)
        else:
            with pytest.raises(Exception, match="context"):
                await ask(api, "responses", streamed=streamed)
    assert meters[1]()["compact.rescues"] == [
        ({"compact.rescue.result": result, "gen_ai.request.model": "some-model"}, 1)
    ]


def test_nothing_that_names_somebody_or_says_anything_is_an_attribute(meters):
    made = counted(meters, storage=MemoryStorage())
    call = CallContext(model="gpt-4o", agent="canary", conversation="canary")
    made.preflight("canary", [*LONG, {"role": "user", "content": "canary"}], call=call)
    assert "canary" not in str(meters[1]())


def test_metrics_do_not_need_a_recording_span(meters):
    with trace.use_span(trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)):
        CompactManager(meter_provider=meters[0], estimator=Estimator()).preflight("s", talk(2))
    assert meters[1]()["compact.decisions"]


def test_where_nobody_can_ever_read_metrics_nothing_is_recorded_after_the_first(monkeypatch):
    made = manager(10_000, meter_provider=NoOpMeterProvider())
    made.preflight("s", talk(2), call=CALL)
    recorded = []
    monkeypatch.setattr(NoOpCounter, "add", lambda *_, **__: recorded.append("add"))
    monkeypatch.setattr(NoOpHistogram, "record", lambda *_, **__: recorded.append("record"))
    assert made.preflight("s", talk(2), call=CALL).outcome == "skipped"
    assert recorded == []


@pytest.mark.parametrize("where", ["get_meter", "create_histogram", "record"])
def test_a_meter_provider_that_fails_costs_its_metrics_and_a_line_in_the_log(where, caplog):
    class Failing:
        def __getattr__(self, name):
            if name == where:
                raise RuntimeError("CANARY")
            return lambda *_, **__: Failing()

    made = manager(900, meter_provider=Failing())
    assert made.preflight("s", LONG, call=CALL).outcome == "compacted"
    assert [record.getMessage() for record in caplog.records] == [
        "a metric failed with RuntimeError; calls go on without it"
    ]


def test_a_fault_of_ours_costs_one_record(meters, monkeypatch, caplog):
    def fails(*_):
        raise KeyError("CANARY")

    monkeypatch.setitem(metering._RECORDERS, events.TriggerDecision, fails)
    made = counted(meters)
    assert made.preflight("s", talk(2), call=CALL).outcome == "skipped"
    assert [record.getMessage() for record in caplog.records] == [
        "a metric failed with KeyError; calls go on without it"
    ]
    assert set(meters[1]()) == {"compact.context.tokens", "compact.operation.duration"}
