"""The estimate corrects itself by what the provider counted."""

import statistics

import pytest

from compact_otel.core.calibration import Truth, applied, factor, has_grown, learned, refused
from compact_otel.core.types import CallContext, Usage
from compact_otel.overflow import Overflow
from tests.histories import Estimator, Exporter, Summarizer, manager, talk, user

ESTIMATOR = Estimator()


class Provider:
    """Counts `share` times what our estimator counts, and `constant` that nobody can see."""

    def __init__(self, made, share=1.0, constant=0, model="m"):
        self._made, self._share, self._constant = made, share, constant
        self._call = CallContext(model=model)

    def tokens(self, messages):
        counted = ESTIMATOR.count_fixed(self._call).total + sum(
            ESTIMATOR.count_items(messages, self._call)
        )
        return round(counted * self._share) + self._constant

    def look(self, history, session="s"):
        return self._made.preflight(session, history, call=self._call)

    def answer(self, history, session="s", **usage):
        """Look at a call, and say what it had."""
        result = self.look(history, session)
        tokens = self.tokens(result.messages)
        told = Usage(**{"input_tokens": tokens, **usage})
        self._made.heard(session, result.history_key, told)
        return result, tokens


@pytest.fixture
def exporter():
    return Exporter()


@pytest.fixture
def provider_of(exporter):
    def make(limit=100_000, **kind):
        return Provider(manager(limit, exporters=[exporter], soft_trigger_pct=0), **kind)

    return make


# The arithmetic.


def test_only_what_came_since_the_last_truth_is_estimated():
    truth = Truth(tokens=1_350, counted=1_000)
    assert factor(1_100, truth, 1.0) * 1_100 == pytest.approx(1_450)
    assert factor(1_100, truth, 1.4) * 1_100 == pytest.approx(1_490)


def test_what_left_the_call_is_taken_off():
    """As reasoning does when a new question comes."""
    assert factor(900, Truth(1_350, 1_000), 1.0) * 900 == pytest.approx(1_250)


def test_without_a_truth_the_ratio_counts_unless_it_is_noise():
    assert factor(1_000, None, 1.4) == 1.4
    assert factor(1_000, None, 1.02) == 1.0
    assert applied(0.98) == 1.0


def test_a_server_that_leaves_things_out_does_not_hide_a_history():
    assert factor(1_000, Truth(tokens=10, counted=1_000), 1.0) == 0.5


@pytest.mark.parametrize("share", [0.8, 1.0, 1.4, 2.0])
def test_a_ratio_comes_near_what_it_should_be(share):
    ratio = 1.0
    for step in range(20):
        before = Truth(round(share * 1_000 * step), 1_000 * step)
        after = Truth(round(share * 1_000 * (step + 1)), 1_000 * (step + 1))
        ratio = learned(ratio, before, after)
    assert ratio == pytest.approx(share, rel=0.01)


def test_one_odd_answer_does_not_turn_a_ratio_over():
    assert learned(1.0, Truth(1_000, 1_000), Truth(90_000, 1_300)) <= 2.0
    assert learned(1.0, Truth(1_000, 1_000), Truth(0, 1_300)) >= 0.8
    assert not has_grown(Truth(1_000, 1_000), Truth(9_000, 1_100))
    assert refused(1.0, Truth(90_000, 1_000)) <= 4.0


# Calls.


@pytest.mark.parametrize("constant", [0, 350])
@pytest.mark.parametrize("share", [0.8, 1.0, 1.15, 1.41, 2.0])
def test_from_the_second_call_on_the_estimate_is_right(provider_of, share, constant):
    provider, errors = provider_of(share=share, constant=constant), []
    for turns in range(1, 40):
        result, tokens = provider.answer(talk(turns))
        errors.append(abs(result.tokens_after - tokens) / tokens)
    assert statistics.median(errors[1:]) <= 0.01
    assert max(errors[5:]) <= 0.06


def test_an_estimate_that_was_right_stays_as_it_is(provider_of):
    provider = provider_of()
    for turns in range(1, 10):
        result, tokens = provider.answer(talk(turns))
        assert result.tokens_after == tokens


@pytest.mark.parametrize("constant", [0, 350])
@pytest.mark.parametrize("share", [0.8, 1.15, 1.41, 2.0])
def test_a_provider_that_counts_otherwise_is_never_asked_for_too_much(share, constant):
    """Through many compactions, and without wasting the window."""
    window = 4_000
    made = manager(window, soft_trigger_pct=0, summary_max_tokens=200, hard_cap_buffer=100)
    provider, fullest, compactions = Provider(made, share, constant), 0, 0
    for turns in range(1, 150):
        result, tokens = provider.answer(talk(turns))
        assert tokens <= window
        fullest, compactions = max(fullest, tokens), compactions + (result.outcome == "compacted")
    assert compactions >= 3
    assert fullest >= 0.75 * window


def test_another_conversation_with_the_model_begins_with_the_ratio(provider_of):
    provider = provider_of(share=1.4)
    for turns in range(1, 30, 4):
        provider.answer(talk(turns))
    fresh = [user("something else " * 200)]
    result = provider.look(fresh, session="new")
    assert result.tokens_after == pytest.approx(provider.tokens(fresh), rel=0.1)


def test_another_model_does_not(provider_of):
    provider = provider_of(share=1.4)
    for turns in range(1, 30, 4):
        provider.answer(talk(turns))
    other = Provider(provider._made, model="other")
    assert other.look(talk(4), session="new").tokens_after == other.tokens(talk(4))


def test_a_conversation_that_goes_on_with_another_model_begins_anew(provider_of):
    provider = provider_of(constant=500)
    provider.answer(talk(4))
    other = Provider(provider._made, model="other")
    assert other.look(talk(5)).tokens_after == other.tokens(talk(5))


def test_a_history_that_was_edited_is_counted_anew(provider_of, exporter):
    provider = provider_of(constant=500)
    provider.answer(talk(4))
    edited = [user("hello"), *talk(5)[1:]]
    result = provider.look(edited)
    assert result.tokens_after == provider.tokens(edited) - 500
    assert exporter.named("token_estimate")[-1]["compact.estimate.calibration"] == "none"


def test_a_call_whose_usage_never_came_rests_on_the_one_before(provider_of):
    provider = provider_of(constant=500)
    provider.answer(talk(4))
    provider.look(talk(5))
    provider.look(talk(6))
    assert provider.look(talk(7)).tokens_after == provider.tokens(talk(7))


def test_the_sum_of_several_rounds_is_not_taken_for_the_size_of_a_call(provider_of, exporter):
    """As a web search of the provider's own is counted."""
    provider = provider_of(constant=500)
    provider.answer(talk(4))
    provider.answer(talk(5), input_tokens=116_000, is_context=False)
    assert provider.look(talk(6)).tokens_after == provider.tokens(talk(6))
    assert "compact.estimate.previous_error" not in exporter.named("token_estimate")[-1]


def test_after_a_compaction_what_was_left_is_counted_anew(provider_of, exporter):
    provider = provider_of(limit=1_000, constant=20)
    for turns in range(1, 13):
        result, _ = provider.answer(talk(turns))
    assert result.summary
    calibrations = [
        event["compact.estimate.calibration"]
        for event in exporter.named("token_estimate")
        if event["compact.estimate.phase"] == "before"
    ]
    assert calibrations[:3] == ["none", "anchor", "anchor"]


# What is told.


def test_events_tell_what_was_counted_what_it_was_taken_for_and_how_that_came_out(
    provider_of, exporter
):
    provider = provider_of(constant=350)
    first, tokens = provider.answer(talk(2))
    second, _ = provider.answer(talk(3))
    told = exporter.named("token_estimate")
    assert told[0]["compact.estimate.calibration"] == "none"
    assert "compact.tokens.counted" not in told[0]
    assert "compact.estimate.previous" not in told[0]
    assert told[1]["compact.estimate.calibration"] == "anchor"
    assert told[1]["compact.tokens.before"] == second.tokens_after
    assert told[1]["compact.tokens.counted"] == second.tokens_after - 350
    assert told[1]["compact.estimate.previous"] == tokens
    error = (first.tokens_after - tokens) / tokens
    assert told[1]["compact.estimate.previous_error"] == pytest.approx(error)


def test_the_parts_still_add_up(provider_of, exporter):
    provider = provider_of(share=1.41, constant=77)
    for turns in range(1, 9):
        result, _ = provider.answer([{"role": "system", "content": "be exact"}, *talk(turns)])
    told = exporter.named("token_estimate")[-1]
    parts = ("system", "developer", "tools_schema", "messages")
    assert sum(told[f"compact.tokens.{part}"] for part in parts) == result.tokens_after
    assert told["compact.tokens.system"] > 0


def test_a_summariser_is_asked_in_the_tokens_of_the_provider():
    summarizer = Summarizer()
    made = manager(4_000, soft_trigger_pct=0, summarizer=summarizer)
    provider, turns = Provider(made, share=2.0), 0
    while not summarizer.requests:
        turns += 1
        provider.answer(talk(turns))
    (request,) = summarizer.requests
    text = "a word or two " * 20
    assert request.count_text(text) == pytest.approx(2 * len(text.split()), rel=1)
    assert request.count_text(text) > ESTIMATOR.count_items([user(text)], CallContext())[0] * 1.5


# Refusals.


async def test_a_refusal_that_names_the_count_is_believed(provider_of):
    provider = provider_of(limit=5_000)
    refused_call = provider.look(talk(40))
    counted = refused_call.tokens_after
    result = await provider._made.arescue(
        "s",
        talk(40),
        call=CallContext(model="m"),
        estimate=counted,
        refused=Overflow(limit=4_000, used=counted * 2),
        history_key=refused_call.history_key,
    )
    assert result.outcome == "compacted"
    assert provider.tokens(result.messages) * 2 <= 4_000
    fresh = [user("something else " * 200)]
    later = provider.look(fresh, session="new")
    assert later.tokens_after == pytest.approx(2 * provider.tokens(fresh), rel=0.01)


# Reasoning that only the provider sees.


STEP = [
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {"type": "function_call", "name": "go", "arguments": "{}", "call_id": "c1"},
    {"type": "function_call_output", "call_id": "c1", "output": "done"},
]


@pytest.mark.parametrize(("context", "stays"), [(None, False), ("all_turns", True)])
def test_what_the_model_wrote_and_nobody_sees_is_counted_as_long_as_it_is_there(
    provider_of, context, stays
):
    provider = provider_of()
    provider._call = CallContext(model="m", reasoning_context=context)
    question = [user("why " * 50)]
    provider.answer(question, output_tokens=900)
    thought = [*question, *STEP]
    result = provider.look(thought)
    hidden = result.tokens_after - provider.tokens(thought)
    assert 850 < hidden < 900
    provider._made.heard("s", result.history_key, Usage(input_tokens=result.tokens_after))
    asked_again = [*thought, user("and now?")]
    left = provider.look(asked_again).tokens_after - provider.tokens(asked_again)
    assert left == (hidden if stays else 0)
