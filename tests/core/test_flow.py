"""What one look at a call asks for, tells and gives, step by step, without who drives it."""

from dataclasses import replace

import pytest

from compact_otel.core import events
from compact_otel.core.assemble import View, replay, whole
from compact_otel.core.flow import compaction, conversation_of, known_view
from compact_otel.core.job import (
    Claim,
    CountExactly,
    LoadCheckpoints,
    SaveCheckpoint,
    SaveSummary,
    SaveTranscript,
    Summarize,
    VerifyFacts,
    Writer,
)
from compact_otel.core.ledger import Ledger
from compact_otel.core.types import Checkpoint, Price, Summary, Usage
from tests.flows import (
    CHECKS,
    LOOKED,
    RECEIPT,
    TEN,
    USAGE,
    Words,
    asked_for,
    compacted,
    decision,
    drive,
    estimate,
    holding,
    job,
    names,
    said,
    turns,
)

# A call that is left alone.


def test_a_call_that_is_not_ours_to_change_is_not_even_measured():
    effects, result = drive(compaction(job(TEN, stand_back="paused")))
    assert effects == [
        events.TriggerDecision(decision="skip", trigger="preflight", reason="paused")
    ]
    assert (result.outcome, result.view, result.history) == ("skipped", whole(TEN), None)


def test_a_calm_call_is_measured_and_goes_out_as_it_came():
    history = turns(3)
    effects, result = drive(compaction(job(history)))
    assert effects == [estimate("before", 309), decision("skip", "below_trigger", 309)]
    assert (result.outcome, result.view) == ("skipped", whole(history))
    assert (result.tokens_before, result.tokens_after) == (309, 309)
    assert (result.error, result.archive, result.prepared) == (None, None, False)
    assert (result.history.counted, result.history.expected) == (309, 309)
    assert result.history.items == history


@pytest.mark.parametrize(
    ("size", "outcome", "soon"),
    [
        (699, "skipped", False),
        (700, "skipped", True),
        (849, "skipped", True),
        (850, "noop", False),  # one question, and nothing can go
    ],
)
def test_the_next_compaction_is_near_from_the_soft_trigger_to_the_trigger(size, outcome, soon):
    _, result = drive(compaction(job([said("user", 1, size - 9)])))
    assert (result.outcome, result.soon) == (outcome, soon)
    assert result.tokens_after == size


def test_an_estimator_that_breaks_leaves_the_call_as_it_is():
    class Broken(Words):
        def count_items(self, items, call):
            raise KeyError(items[0]["content"])

    effects, result = drive(compaction(job(TEN, estimator=Broken())))
    (told,) = effects
    assert told == events.Failure(
        stage="estimate",
        fallback="passthrough",
        error_type="KeyError",
        message="the tokens of the call could not be counted",
    )
    assert (result.outcome, result.view, result.error) == ("error", whole(TEN), told.error)
    assert isinstance(told.error, KeyError)


# A compaction from beginning to end.


def test_a_compaction_asks_and_tells_in_this_order_with_these_figures():
    made = job(
        TEN,
        storage="shelf",
        checks=CHECKS,
        price=lambda: Price(input=2.0, cached=0.5),
        writers=[Writer("model")],
    )
    written = Summary("what was said", model="mini", usage=USAGE)
    effects, result = drive(compaction(made), {Summarize: written})
    keys = made.memory.keys
    checkpoint = Checkpoint(
        key=keys[17],
        covered=18,
        kept=(),
        summary="what was said",
        version=1,
        summary_id="id1",
        strategy="task_state",
        tokens_before=1009,
        tokens_after=138,
        model="m",
    )
    (asked,) = asked_for(effects, Summarize)
    (verified,) = asked_for(effects, VerifyFacts)
    assert effects == [
        LoadCheckpoints(),
        Claim(keys[7]),
        LoadCheckpoints(anew=True),
        estimate("before", 1009),
        decision("compact", "window_exceeded", 1009),
        asked,
        verified,
        events.SummaryCreated(
            summary_id="id1",
            version=1,
            strategy="task_state",
            summarizer="model",
            model="mini",
            input_messages=18,
            input_tokens=900,
            tokens=3,
            compression_ratio=3 / 900,
            facts_found=4,
            facts_in_prose=3,
            facts_kept=4,
            coverage_before=0.75,
            coverage_after=1.0,
            prompt_tokens=700,
            completion_tokens=30,
            cached_tokens=20,
            text="what was said",
        ),
        events.PolicyApplied(
            step=0,
            keep_recent_turns=1,
            keep_tool_io_pairs=1,
            tokens_before=1009,
            tokens_after=138,
            messages_before=20,
            messages_after=3,
        ),
        events.PrunedMessages(
            pruned=18,
            pinned=1,
            protected=None,
            recent_turns=1,
            tool_pairs=0,
            tokens_removed=871,
            messages_before=20,
            messages_after=3,
        ),
        estimate("after", 138),
        events.CacheEffect(
            phase="expected",
            kept=9,
            lost=129,
            saved=871,
            break_even_calls=0.4,
            cost_lost=129 * 1.5,
            cost_saved=871 * 0.5,
        ),
        SaveTranscript(),
        SaveSummary(1, checkpoint, tuple(range(18))),
        events.Archival(
            archive_id="transcript-1", adapter="shelf", messages=20, size=90, redacted=True
        ),
        SaveCheckpoint(checkpoint),
    ]
    assert (asked.attempt, asked.request.items, asked.request.kept) == (0, TEN[:18], TEN[18:])
    # The target of 500 less 9 beside the items, 100 that stay and the frame; 0.6 of it is prose.
    assert asked.request.max_tokens == int((500 - 109 - 26) * 0.6)
    assert (verified.text, verified.floor) == ("what was said", 0.5)
    assert result.view == View(kept=(18, 19), summary="what was said", version=1)
    assert (result.outcome, result.archive, result.soon) == ("compacted", RECEIPT, False)
    assert (result.tokens_before, result.tokens_after) == (1009, 138)
    assert result.replayed == checkpoint
    assert (result.history.counted, result.history.expected) == (138, 138)
    assert not result.prepared


def test_the_next_call_replays_it_and_asks_nobody():
    checkpoint, history = compacted(TEN)
    made = job([*TEN, *turns(1)], known=history, ledger=holding(checkpoint), storage="shelf")
    effects, result = drive(compaction(made))
    assert effects == [
        estimate("before", 238, history=1109),
        decision("skip", "below_trigger", 238),
    ]
    assert result.outcome == "replayed"
    assert result.view == View(kept=(18, 19, 20, 21), summary="what was said", version=1)
    assert (result.history.calls, result.history.checkpoint) == (1, checkpoint)


def test_who_waited_takes_what_the_other_one_stored_meanwhile():
    checkpoint, _ = compacted(TEN)
    ledger = Ledger()
    waited = job(TEN, ledger=ledger)
    effects, result = drive(compaction(waited), {Claim: lambda _: ledger.add(checkpoint)})
    assert names(effects) == LOOKED
    assert effects[2] == decision("skip", "below_trigger", 138)
    assert result.outcome == "replayed"


def test_a_conversation_is_named_by_its_first_eight_items():
    keys = job(TEN).memory.keys
    assert conversation_of(job(TEN)) == conversation_of(job(turns(12))) == keys[7]
    assert conversation_of(job(turns(2))) == keys[3]
    assert conversation_of(job([])) == ""


def test_a_record_that_does_not_fit_the_history_or_its_reader_is_not_replayed():
    checkpoint, _ = compacted(TEN)
    assert known_view(job(TEN, ledger=holding(checkpoint))) == replay(TEN, checkpoint)
    question = [{**item, "protected": n == 4} for n, item in enumerate(TEN)]
    for unfit in (
        job(question, ledger=holding(replace(checkpoint, key=job(question).memory.keys[17]))),
        job(TEN, ledger=holding(replace(checkpoint, kept=("x",)))),
    ):
        assert known_view(unfit) == whole(TEN)


# The provider's own count.


@pytest.mark.parametrize(
    ("size", "trigger", "asked"),
    [
        (764, "preflight", False),
        (765, "preflight", True),
        (935, "preflight", True),
        (936, "preflight", False),
        (850, "manual", False),
    ],
)
def test_the_provider_counts_what_is_near_the_trigger(size, trigger, asked):
    made = job([said("user", 1, size - 9)], trigger=trigger, count=lambda _: 0)
    effects, _ = drive(compaction(made), {CountExactly: size})
    assert ("CountExactly" in names(effects)) == asked


def test_what_the_provider_counts_decides():
    made = job(turns(8), count=lambda _: 0)
    effects, result = drive(compaction(made), {CountExactly: 900})
    assert effects[0] == CountExactly(whole(turns(8)))
    assert effects[2] == estimate(
        "before", 900, counted=809, calibration="exact", system=5, tools_schema=4, messages=891
    )
    assert (result.outcome, result.tokens_before) == ("compacted", 900)
    # 138 as the estimator counts
    assert (result.history.counted, result.tokens_after) == (138, 154)
    calm = drive(compaction(made), {CountExactly: 700})[1]
    assert (calm.outcome, calm.tokens_after, calm.history.counted) == ("skipped", 700, 809)


def test_what_no_call_can_have_is_not_believed():
    effects, result = drive(compaction(job(turns(8), count=lambda _: 0)), {CountExactly: "many"})
    assert names(effects)[:2] == ["CountExactly", "estimate: TypeError, local_estimate"]
    assert (result.outcome, result.tokens_after) == ("skipped", 809)


# The prompt cache.


@pytest.mark.parametrize(
    ("size", "most", "reason"),
    [
        # Over the trigger of 977, planned to come to 559: what pays after 10.8 calls.
        (1150, 0, "trigger_reached"),
        (1150, 10, "break_even_too_far"),
        (1150, 11, "trigger_reached"),
        (1009, 10, "buffer_reached"),  # over the budget nobody asks what it costs
        (1200, 10, "below_trigger"),
    ],
)
def test_a_call_that_fits_is_left_alone_where_compacting_pays_too_late(size, most, reason):
    effects, result = drive(compaction(job(TEN, size, max_break_even_calls=most)))
    told = asked_for(effects, events.TriggerDecision)
    left_alone = reason in ("break_even_too_far", "below_trigger")
    assert told == [decision("skip" if left_alone else "compact", reason, 1009, budget=size)]
    assert result.outcome == ("skipped" if left_alone else "compacted")


def test_by_hand_nobody_asks_what_it_costs():
    _, result = drive(compaction(job(TEN, 1150, max_break_even_calls=1, trigger="manual")))
    assert result.outcome == "compacted"


def test_a_held_decision_is_told_once_where_the_plan_fails():
    made = job(TEN, 1150, max_break_even_calls=20, price=lambda: 1 / 0)
    effects, result = drive(compaction(made))
    assert names(effects) == [*LOOKED, "assemble: ZeroDivisionError, passthrough"]
    assert result.outcome == "error"


def test_the_call_after_a_compaction_tells_what_it_did_to_the_cache():
    _, calm = drive(compaction(job(turns(8))))
    before = replace(calm.history, usage=Usage(input_tokens=800, cached_tokens=700))
    _, done = drive(compaction(job(TEN, known=before)))
    assert done.history.usage_before == before.usage
    after = replace(done.history, usage=Usage(input_tokens=140, cached_tokens=10))
    made = job([*TEN, *turns(1)], known=after, ledger=holding(done.history.checkpoint))
    effects, result = drive(compaction(made))
    assert names(effects) == ["TokenEstimate", "CacheEffect", "TriggerDecision"]
    assert effects[1] == events.CacheEffect(
        phase="measured", kept=10, lost=130, saved=660, break_even_calls=1.8
    )
    assert (effects[0].previous, effects[0].previous_error) == (140, (137 - 140) / 140)
    assert effects[0].calibration == "anchor"
    assert result.tokens_after == 240
