"""What a compaction does to the prompt cache: foreseen, measured, and a gate on it."""

from types import SimpleNamespace

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from compact_otel.core import flow
from compact_otel.core.caching import expected, measured
from compact_otel.core.events import CacheEffect
from compact_otel.core.types import Price, Usage
from compact_otel.prices import TABLE, price_of
from compact_otel.usage import usage_in
from tests.histories import Exporter, manager, talk

CACHING = Usage(input_tokens=10_000, cached_tokens=9_000)
NOT_CACHING = Usage(input_tokens=10_000)


def test_what_follows_the_prefix_is_lost_once_and_what_is_gone_is_saved_each_time():
    effect = expected(before=10_000, after=4_000, prefix=1_000, usage=CACHING, price=None)
    assert (effect.kept, effect.lost, effect.saved) == (1_000, 3_000, 6_000)
    # Once 3,000 tokens at nine tenths of the price more, each time 6,000 at a tenth less.
    assert effect.break_even_calls == 4.5


def test_money_is_known_where_the_price_is():
    price = Price(input=2e-6, cached=5e-7)
    effect = expected(before=10_000, after=4_000, prefix=1_000, usage=CACHING, price=price)
    assert effect.cost_lost == pytest.approx(3_000 * 1.5e-6)
    assert effect.cost_saved == pytest.approx(6_000 * 5e-7)
    assert effect.break_even_calls == pytest.approx(effect.cost_lost / effect.cost_saved, abs=0.1)


def test_a_provider_without_a_cache_loses_nothing():
    price = Price(input=2e-6, cached=5e-7)
    effect = expected(before=10_000, after=4_000, prefix=1_000, usage=NOT_CACHING, price=price)
    assert (effect.lost, effect.break_even_calls, effect.cost_lost) == (0, 0.0, 0.0)
    assert effect.cost_saved == pytest.approx(6_000 * 2e-6)


def test_a_small_request_says_nothing_about_the_cache():
    small = Usage(input_tokens=900)
    assert expected(before=900, after=400, prefix=100, usage=small, price=None).lost == 300


def test_what_the_provider_counted_is_what_was_lost():
    after = Usage(input_tokens=4_200, cached_tokens=1_024)
    effect = measured(CACHING, after, None)
    assert effect.phase == "measured"
    assert (effect.kept, effect.lost, effect.saved) == (1_024, 3_176, 5_800)


def test_a_call_that_grew_all_the_same_has_no_break_even():
    assert measured(CACHING, Usage(input_tokens=12_000), None).break_even_calls is None


# The manager.


def counted(made, history, cached):
    """Look at a call, and hear that the estimate was right and how much came from the cache."""
    result = made.preflight("s", history)
    usage = Usage(input_tokens=result.tokens_after, cached_tokens=cached)
    made.heard("s", result.history_key, usage)
    return result


def test_the_call_after_a_compaction_tells_what_the_provider_counted():
    exporter = Exporter()
    made = manager(900, exporters=[exporter], soft_trigger_pct=0)
    before = counted(made, talk(8), 512)
    after = counted(made, talk(12), 64)
    assert (before.outcome, after.outcome) == ("skipped", "compacted")
    assert made.preflight("s", talk(13)).outcome == "replayed"
    foreseen, seen = exporter.named("cache_effect")
    assert foreseen["compact.cache.phase"] == "expected"
    assert seen["compact.cache.phase"] == "measured"
    saved = before.tokens_after - after.tokens_after
    assert (seen["compact.cache.kept"], seen["compact.cache.saved"]) == (64, saved)
    made.preflight("s", talk(14))
    assert len(exporter.named("cache_effect")) == 2


def test_a_count_for_another_history_is_not_believed():
    exporter = Exporter()
    made = manager(900, exporters=[exporter], soft_trigger_pct=0)
    first = made.preflight("s", talk(8))
    made.preflight("s", talk(12))
    made.heard("s", first.history_key, CACHING)
    made.heard("nobody", first.history_key, CACHING)
    made.preflight("s", talk(13))
    (only,) = exporter.named("cache_effect")
    assert only["compact.cache.phase"] == "expected"


def gated(calls, window=1_300, **options):
    # 1,121 tokens: over the trigger at 85 %, under the budget.
    made = manager(
        window, max_break_even_calls=calls, hard_cap_buffer=100, soft_trigger_pct=0, **options
    )
    counted(made, talk(9), 512)
    return made


@pytest.mark.parametrize(
    ("calls", "outcome"), [(0, "compacted"), (1_000, "compacted"), (1, "skipped")]
)
def test_a_call_that_fits_is_left_alone_where_compacting_pays_too_late(calls, outcome):
    assert gated(calls).preflight("s", talk(12)).outcome == outcome


@pytest.mark.parametrize(
    ("calls", "decision", "reason"),
    [(1_000, "compact", "trigger_reached"), (1, "skip", "break_even_too_far")],
)
def test_a_call_has_one_decision_and_it_is_what_was_done(calls, decision, reason):
    exporter, reader = Exporter(), InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    made = gated(calls, exporters=[exporter], meter_provider=provider)
    made.preflight("s", talk(12))
    _, told = exporter.named("trigger_decision")
    assert (told["compact.trigger.decision"], told["compact.trigger.reason"]) == (decision, reason)
    counted = {
        point.attributes["compact.trigger.reason"]: point.value
        for metric in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
        if metric.name == "compact.decisions"
        for point in metric.data.data_points
    }
    assert counted == {"below_trigger": 1, reason: 1}
    provider.shutdown()


def test_what_fails_while_a_compaction_is_planned_is_told_behind_the_decision(monkeypatch):
    def fails(*_):
        raise ValueError

    monkeypatch.setattr(flow, "without_superseded", fails)
    exporter = Exporter()
    gated(1_000, exporters=[exporter]).preflight("s", talk(12))
    assert exporter.names[2:5] == ["token_estimate", "trigger_decision", "error"]
    assert exporter.names[2:].count("trigger_decision") == 1


def test_a_fault_of_ours_while_it_is_planned_does_not_hide_the_decision(monkeypatch):
    def fails(*_, **__):
        raise ValueError

    monkeypatch.setattr(flow, "planned", fails)
    exporter = Exporter()
    assert gated(1_000, exporters=[exporter]).preflight("s", talk(12)).outcome == "error"
    assert exporter.names[2:] == ["token_estimate", "trigger_decision", "error"]


def test_a_call_that_does_not_fit_is_compacted_whatever_it_costs():
    assert gated(1, window=1_180).preflight("s", talk(12)).outcome == "compacted"


# Where the numbers come from.


def answer(**usage):
    details = SimpleNamespace(cached_tokens=usage.pop("cached_tokens", 0))
    return SimpleNamespace(usage=SimpleNamespace(input_tokens_details=details, **usage))


def test_usage_is_read_from_responses_and_from_the_last_event_of_a_stream():
    whole = answer(input_tokens=50, output_tokens=7, cached_tokens=40)
    read = Usage(input_tokens=50, cached_tokens=40, output_tokens=7)
    assert usage_in(whole) == read
    assert usage_in(SimpleNamespace(type="response.completed", response=whole)) == read
    assert usage_in(SimpleNamespace(type="response.created", response=whole)) is None


@pytest.mark.parametrize(
    "nothing",
    [
        None,
        object(),
        SimpleNamespace(usage=None),
        answer(input_tokens=0, output_tokens=3),
        answer(input_tokens="50", output_tokens=3),
        SimpleNamespace(type="response.completed", response=None),
    ],
)
def test_an_answer_without_numbers_has_no_usage(nothing):
    assert usage_in(nothing) is None


def test_a_model_without_a_price_has_none():
    assert price_of(None) is None
    assert price_of("no-such-model-anywhere") is None


class Broken:
    """A table that has nothing of what is asked for."""


def test_a_table_of_another_make_gives_no_price(monkeypatch):
    monkeypatch.setattr(TABLE, "module", Broken())
    assert price_of("gpt-4.1-mini") is None


def test_the_price_of_a_model_is_that_of_the_table():
    pytest.importorskip("genai_prices")
    TABLE.load().join()
    price = price_of("azure/gpt-4.1-mini")
    assert price is not None
    assert 0 < price.cached < price.input < 1e-3


SMALL = Usage(input_tokens=1_023)


@pytest.mark.parametrize(
    ("usage", "price", "found"),
    [
        # kept, lost, saved, calls, what it costs once, and what each later call costs less
        (CACHING, None, (1_000, 3_000, 6_000, 4.5, None, None)),
        (None, None, (1_000, 3_000, 6_000, 4.5, None, None)),
        (SMALL, None, (1_000, 3_000, 6_000, 4.5, None, None)),
        (Usage(input_tokens=1_024), None, (0, 0, 6_000, 0.0, None, None)),
        (CACHING, Price(input=4, cached=1), (1_000, 3_000, 6_000, 1.5, 9_000, 6_000)),
        (CACHING, Price(input=0, cached=0), (1_000, 3_000, 6_000, 4.5, 0, 0)),
        (CACHING, Price(input=4, cached=0), (1_000, 3_000, 6_000, None, 12_000, 0)),
        (NOT_CACHING, Price(input=4, cached=1), (0, 0, 6_000, 0.0, 0, 24_000)),
    ],
)
def test_what_a_compaction_does_to_the_cache(usage, price, found):
    effect = expected(before=10_000, after=4_000, prefix=1_000, usage=usage, price=price)
    kept, lost, saved, calls, once, each = found
    assert effect == CacheEffect(
        phase="expected",
        kept=kept,
        lost=lost,
        saved=saved,
        break_even_calls=calls,
        cost_lost=once,
        cost_saved=each,
    )


def test_of_what_is_in_front_nothing_is_lost():
    effect = expected(before=900, after=400, prefix=500, usage=None, price=None)
    assert (effect.kept, effect.lost, effect.break_even_calls) == (500, 0, 0.0)
    grown = expected(before=400, after=400, prefix=100, usage=None, price=None)
    assert (grown.saved, grown.break_even_calls) == (0, None)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (CACHING, Usage(input_tokens=4_000), (0, 4_000, 6_000, 6.0)),
        (NOT_CACHING, Usage(input_tokens=4_000), (0, 0, 6_000, 0.0)),
        (NOT_CACHING, Usage(input_tokens=4_000, cached_tokens=1), (1, 3_999, 6_000, 6.0)),
        (CACHING, Usage(input_tokens=9_999, cached_tokens=9_000), (9_000, 999, 1, 8991.0)),
    ],
)
def test_what_a_compaction_did_to_the_cache(before, after, found):
    kept, lost, saved, calls = found
    assert measured(before, after, None) == CacheEffect(
        phase="measured", kept=kept, lost=lost, saved=saved, break_even_calls=calls
    )
