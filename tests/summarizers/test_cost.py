"""What a summary cost stands in its event, on the span and in metrics; once, and all of it."""

import opentelemetry.metrics._internal as otel_metrics
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from compact_otel.config import CompactConfig, StorageConfig
from compact_otel.core.errors import SummaryError
from compact_otel.core.types import Summary, Usage
from compact_otel.manager import CompactManager
from compact_otel.testing import LocalOpenAI, Step
from tests.ahead.program import DUE, SOFT, Watch, wait_until
from tests.histories import Estimator, Exporter, manager, talk
from tests.summarizers.openai_bench import NOTE, desk, errand, in_turn, summarizer

LONG = talk(12)
COST = ("prompt_tokens", "completion_tokens", "cached_tokens")


class Writer:
    """Answers what it is told to, in turn."""

    name = "writer"

    def __init__(self, *answers):
        self._answers = list(answers)

    def summarize(self, request):
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def paid(read, written, cached=0):
    return Usage(input_tokens=read, output_tokens=written, cached_tokens=cached)


def cost(exporter):
    (made,) = exporter.named("summary_created")
    return tuple(made.get(f"compact.summary.{name}") for name in COST)


def written(*answers):
    exporter = Exporter()
    result = manager(900, summarizer=Writer(*answers), exporters=[exporter]).preflight("s", LONG)
    return exporter, result


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_what_a_model_of_openai_cost_is_what_the_server_counted(api):
    exporter = Exporter()
    with LocalOpenAI(in_turn(NOTE)) as server:
        made, _ = desk(summarizer(server, api=api), exporters=[exporter])
        assert made.preflight("s", errand()).outcome == "compacted"
        (asked,) = server.requests
    read, wrote, cached = cost(exporter)
    assert (read, cached) == (asked.tokens, 0)
    assert 5 < wrote < 200


def test_parts_and_answers_that_were_not_used_count_as_well():
    exporter = Exporter()
    with LocalOpenAI(in_turn(Step("I cannot help with that."), NOTE)) as server:
        made, _ = desk(summarizer(server), exporters=[exporter])
        assert made.preflight("s", errand()).outcome == "compacted"
        asked = server.requests
    assert len(asked) == 2
    assert cost(exporter)[0] == sum(request.tokens for request in asked)


def test_what_a_users_own_summariser_says_that_it_cost():
    exporter, result = written(Summary("what was", usage=paid(700, 30, 500)))
    assert result.outcome == "compacted"
    assert cost(exporter) == (700, 30, 500)


def test_nothing_is_said_of_a_cost_that_nobody_knows():
    exporter, _ = written("what was")
    assert cost(exporter) == (None, None, None)


def test_a_summary_in_vain_is_on_the_bill_of_the_one_that_is_used():
    exporter, result = written(SummaryError("no", reason="refused", usage=paid(700, 3)))
    assert result.outcome == "fallback"
    assert cost(exporter) == (700, 3, 0)


def test_one_that_is_asked_twice_has_cost_both():
    history = [
        {"role": role, "content": f"Booking BK-77{n:03} is in room R{n:03}. " + "well " * 30}
        for n in range(12)
        for role in ("user", "assistant")
    ]
    exporter = Exporter()
    writer = Writer(
        Summary("All is well.", usage=paid(700, 3)), Summary("Still well.", usage=paid(800, 4, 600))
    )
    made = manager(900, summarizer=writer, exporters=[exporter])
    made.preflight("s", history)
    (error,) = exporter.named("error")
    assert error["compact.failure.fallback"] == "retry_facts"
    assert cost(exporter) == (1500, 7, 600)


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": 7},
        Usage(input_tokens="7"),
        Usage(input_tokens=-1),
        Usage(input_tokens=True),
    ],
    ids=repr,
)
def test_a_cost_that_is_none_is_told_as_the_mistake_that_it_is(usage):
    exporter, result = written(Summary("what was", usage=usage))
    assert result.outcome == "fallback"
    assert exporter.named("error")[0]["error.type"] == "type"
    assert cost(exporter) == (None, None, None)


# Metrics, by the real SDK.


@pytest.fixture
def metrics(monkeypatch):
    """Return what reads the metrics: {name: [(attributes, figure)]}."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(otel_metrics, "_METER_PROVIDER", provider)

    def read():
        data = reader.get_metrics_data()
        return {
            metric.name: [
                (dict(point.attributes), getattr(point, "value", None) or point.sum)
                for point in metric.data.data_points
            ]
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    yield read
    provider.shutdown()


def test_cost_duration_and_saving_are_metrics_of_every_compaction(metrics):
    writer = Writer(
        Summary("what was", model="m", usage=paid(700, 30)),
        Summary("what else was", model="m", usage=paid(300, 20)),
    )
    made = manager(900, summarizer=writer)
    first = made.preflight("one", LONG)
    second = made.preflight("two", talk(12, 50))
    assert (first.outcome, second.outcome) == ("compacted", "compacted")
    of = {
        "compact.summarizer.name": "writer",
        "compact.policy.strategy": "task_state",
        "compact.summary.model": "m",
    }
    found = metrics()
    assert found["compact.summary.prompt_tokens"] == [(of, 1000)]
    assert found["compact.summary.completion_tokens"] == [(of, 50)]
    ((labels, seconds),) = found["compact.summary.duration"]
    assert labels == of
    assert seconds > 0
    removed = sum(result.tokens_before - result.tokens_after for result in (first, second))
    assert found["compact.tokens.removed"] == [
        ({"compact.policy.strategy": "task_state", "compact.outcome": "compacted"}, removed)
    ]


def test_the_share_of_facts_that_a_summary_holds_is_a_metric(metrics):
    exporter = Exporter()
    manager(4000, exporters=[exporter], summarizer=None).preflight("s", errand(24))
    (made,) = exporter.named("summary_created")
    kept, found = (made[f"compact.summary.facts_{name}"] for name in ("kept", "found"))
    ((labels, share),) = metrics()["compact.summary.coverage"]
    assert labels == {
        "compact.summarizer.name": "extractive",
        "compact.policy.strategy": "task_state",
    }
    assert share == pytest.approx(kept / found)


def test_calls_that_are_left_alone_replayed_or_only_observed_cost_nothing(metrics):
    watched = CompactConfig(
        mode="observe", max_context_tokens=2000, storage=StorageConfig(adapter="none")
    )
    made = CompactManager(watched, estimator=Estimator())
    made.preflight("s", talk(40))
    assert made.preflight("s", talk(2)).outcome == "skipped"
    assert metrics() == {}
    real = manager(900)
    real.preflight("s", LONG)
    before = metrics()["compact.tokens.removed"]
    assert real.preflight("s", LONG).outcome == "replayed"
    assert metrics()["compact.tokens.removed"] == before


def test_a_summary_that_was_written_ahead_is_paid_for_once(metrics):
    exporter = Exporter()
    with Watch() as watch:
        writer = Writer(Summary("what was", usage=paid(700, 30)))
        made = watch.manager(writer, exporters=[exporter])
        assert made.preflight("s", SOFT).outcome == "skipped"
        wait_until(lambda: watch.preparations)
        assert made.preflight("s", DUE).outcome == "compacted"
    ahead, due = exporter.named("summary_created")
    assert ahead["compact.summary.prompt_tokens"] == 700
    assert due["compact.summary.prepared"] is True
    assert not {f"compact.summary.{name}" for name in (*COST, "duration")} & set(due)
    ((_, tokens),) = metrics()["compact.summary.prompt_tokens"]
    assert tokens == 700


def test_a_meter_that_fails_costs_nothing(monkeypatch, caplog):
    def broken(*args, **options):
        raise RuntimeError

    monkeypatch.setattr("compact_otel.metering._of_global", {})  # as in a process that has none yet
    monkeypatch.setattr("opentelemetry.metrics.get_meter", broken)
    assert manager(900).preflight("s", LONG).outcome == "compacted"
    assert [record.getMessage() for record in caplog.records] == [
        "a metric failed with RuntimeError; calls go on without it"
    ]
