"""Records that wait for a collection: what is exported is what would have been without waiting."""

import gc
import weakref

import pytest
from opentelemetry import trace
from opentelemetry.metrics._internal import _ProxyMeter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from compact_otel import deferral
from compact_otel.adapters import MemoryStorage
from compact_otel.deferral import Deferred
from compact_otel.patience import Patience
from tests.histories import manager, talk
from tests.telemetry.runs import CALL, LONG

DELTA = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)


class Metered:
    """A meter provider with readers, and managers whose traces are sampled or not."""

    def __init__(self, *readers):
        self.readers = readers or (InMemoryMetricReader(),)
        self.provider = MeterProvider(self.readers, shutdown_on_exit=False)
        self._tracers = []

    def manager(self, sampler=ALWAYS_OFF, limit=10_000, **options):
        self._tracers.append(TracerProvider(sampler, shutdown_on_exit=False))
        return manager(
            limit, tracer_provider=self._tracers[-1], meter_provider=self.provider, **options
        )

    def collected(self, number=0):
        """Return metric -> its points, with what makes a series."""
        data = self.readers[number].get_metrics_data()
        return {
            metric.name: metric.data
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def shut(self):
        for provider in (self.provider, *self._tracers):
            provider.shutdown()


@pytest.fixture
def metered():
    made = []

    def make(*readers):
        made.append(Metered(*readers))
        return made[-1]

    yield make
    for each in made:
        each.shut()


def counts(data):
    """Return how many records each histogram and counter has."""
    return {
        name: sum(getattr(point, "count", None) or point.value for point in found.data_points)
        for name, found in data.items()
        if name in ("compact.decisions", "compact.context.tokens", "compact.window.utilization")
        or name == "compact.operation.duration"
    }


def each(number):
    names = ("decisions", "context.tokens", "window.utilization", "operation.duration")
    return dict.fromkeys((f"compact.{name}" for name in names), number)


def series(data):
    """Return what a backend makes of an export, without times and how long things took."""
    return {
        (name, type(found).__name__, getattr(found, "is_monotonic", None)): sorted(
            (
                sorted(point.attributes.items()),
                getattr(point, "explicit_bounds", ()),
                getattr(point, "value", None) or point.count,
                None if name.endswith("duration") else getattr(point, "bucket_counts", None),
                None if name.endswith("duration") else getattr(point, "sum", None),
            )
            for point in found.data_points
        )
        for name, found in data.items()
    }


def test_a_backend_sees_the_same_whether_records_waited_or_not(metered):
    exports = []
    for sampler in (ALWAYS_ON, ALWAYS_OFF):
        meters = metered()
        made = meters.manager(sampler, limit=900, storage=MemoryStorage(), soft_trigger_pct=0)
        made.preflight("s", talk(2), call=CALL)
        meters.collected()
        for history in (talk(2), talk(2), LONG, LONG):
            made.preflight("s", history, call=CALL)
        exports.append(series(meters.collected()))
    assert exports[0] == exports[1]
    names = {name for name, *_ in exports[0]}
    assert {"compact.decisions", "compact.tokens.removed", "compact.archive.size"} <= names


def test_each_collection_of_differences_has_the_calls_since_the_one_before(metered):
    meters = metered(InMemoryMetricReader(preferred_temporality=DELTA))
    made, found = meters.manager(), []
    for calls in (1, 3, 2):
        for _ in range(calls):
            made.preflight("s", talk(2), call=CALL)
        found.append(counts(meters.collected()))
    assert found == [each(1), each(3), each(2)]


def test_every_reader_gets_what_waited(metered):
    meters = metered(InMemoryMetricReader(), InMemoryMetricReader(preferred_temporality=DELTA))
    made = meters.manager()
    for number in (1, 0):
        meters.collected(number)
        made.preflight("s", talk(2), call=CALL)
    made.preflight("s", talk(2), call=CALL)
    assert counts(meters.collected(0)) == counts(meters.collected(1)) == each(3)


def test_nothing_is_lost_of_a_manager_that_is_gone_nor_of_one_that_came_later(metered):
    meters = metered()
    first = meters.manager()
    first.preflight("s", talk(2), call=CALL)
    meters.collected()
    first.preflight("s", talk(2), call=CALL)
    second = meters.manager()
    second.preflight("s", talk(2), call=CALL)
    del first
    gc.collect()
    assert counts(meters.collected()) == each(3)
    second.preflight("s", talk(2), call=CALL)
    assert counts(meters.collected()) == each(4)


def test_what_was_not_collected_when_the_provider_shuts_down_is_exported_then():
    class Last(InMemoryMetricReader):
        def shutdown(self, timeout_millis=30_000, **kwargs):
            self.collect()  # as a periodic reader does

    meters = Metered(Last())
    made = meters.manager()
    made.preflight("s", talk(2), call=CALL)
    meters.collected()
    made.preflight("s", talk(2), call=CALL)
    kept = []
    meters.readers[0]._receive_metrics = lambda data, *_, **__: kept.append(data)
    meters.shut()
    (metric,) = [
        metric
        for scope in kept[-1].resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if metric.name == "compact.decisions"
    ]
    assert sum(point.value for point in metric.data.data_points) == 2


def test_more_than_may_wait_is_recorded_all_the_same(metered, monkeypatch):
    monkeypatch.setattr(deferral, "MOST", 2)
    meters = metered()
    made = meters.manager()
    made.preflight("s", talk(2), call=CALL)
    meters.collected()
    for _ in range(5):
        made.preflight("s", talk(2), call=CALL)
    assert counts(meters.collected()) == each(6)


def test_exemplars_point_to_calls_that_are_kept_and_never_to_whoever_collects(metered):
    meters = metered()
    kept, dropped = meters.manager(ALWAYS_ON), meters.manager()
    for _ in range(2):
        kept.preflight("s", talk(2), call=CALL)
        dropped.preflight("s", talk(2), call=CALL)
        with meters._tracers[0].get_tracer("scraper").start_as_current_span("GET /metrics") as span:
            found = meters.collected()
    exemplars = [
        exemplar
        for point in found["compact.operation.duration"].data_points
        for exemplar in point.exemplars
    ]
    assert exemplars
    assert span.get_span_context().trace_id not in {each.trace_id for each in exemplars}
    assert all(each.trace_id for each in exemplars)


def test_one_instrument_that_fails_costs_its_records_and_a_line_in_the_log(caplog):
    class Instrument:
        def __init__(self):
            self.got = []

        def record(self, value, labels, context):
            self.got.append((value, labels, trace.get_current_span(context)))

    class Broken(Instrument):
        def record(self, value, labels, context):
            raise RuntimeError("CANARY")

    waiting, patience = Deferred(), Patience()

    def call(work):
        patience.call("a metric", work)

    good = Instrument()
    assert not waiting.record(good, 1.0, {}, call)  # nobody has collected yet
    waiting.collected()
    for instrument in (Broken(), good, Broken()):
        assert waiting.record(instrument, 1.0, {}, call)
    assert list(waiting.collected()) == []
    assert good.got == [(1.0, {}, trace.INVALID_SPAN)]
    assert [record.getMessage() for record in caplog.records] == [
        "a metric failed with RuntimeError; calls go on without it"
    ]


def test_a_meter_of_another_implementation_records_at_once(caplog):
    waiting = deferral.deferred(object())
    assert not waiting.add(None, 1, {}, None)
    assert caplog.records == []


def test_what_waits_keeps_no_provider_alive(metered):
    meters = Metered()
    made = meters.manager()
    made.preflight("s", talk(2), call=CALL)
    meters.collected()
    made.preflight("s", talk(2), call=CALL)
    meters.shut()
    gone = weakref.ref(meters.provider)
    del meters, made
    gc.collect()
    assert gone() is None


def test_managers_without_a_provider_of_their_own_leave_no_instruments_behind():
    """Until a program sets its provider, OpenTelemetry keeps whatever meter is asked for."""

    def kept():
        gc.collect()
        return sum(isinstance(one, _ProxyMeter) for one in gc.get_objects())

    def once():
        manager(10_000).preflight("s", talk(2), call=CALL)

    once()
    before = kept()
    for _ in range(3):
        once()
    assert kept() == before
