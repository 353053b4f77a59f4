"""A compaction that is made ahead of time, step by step, and put into force when it is due."""

from dataclasses import replace

import pytest

from compact_otel.core import events
from compact_otel.core.assemble import replay, whole
from compact_otel.core.facts import Repaired
from compact_otel.core.flow import compaction, preparation
from compact_otel.core.job import (
    Claim,
    LoadCheckpoints,
    SaveCheckpoint,
    Summarize,
    VerifyFacts,
)
from compact_otel.core.types import Ahead, Checkpoint, Summary
from tests.flows import (
    CHECKS,
    EXTRACTIVE,
    LOOKED,
    MADE,
    TEN,
    WHOLE,
    asked_for,
    called,
    compacted,
    decision,
    drive,
    estimate,
    holding,
    job,
    names,
    reading,
    said,
    turns,
    words,
)

EIGHT = turns(8)
"""809 tokens: over the soft trigger."""


def ahead(items=EIGHT, **options):
    return job(items, trigger="background", **options)


def prepared(items=EIGHT, **options):
    effects, _ = drive(preparation(ahead(items, **options)), {Claim: True})
    return asked_for(effects, SaveCheckpoint)[0].checkpoint


def test_a_compaction_is_made_ahead_and_stored_without_being_in_force():
    made = ahead(storage="shelf")
    written = Summary("what was said", model="mini")
    effects, result = drive(preparation(made), {Claim: True, Summarize: written})
    (asked,) = asked_for(effects, Summarize)
    assert effects == [
        Claim(made.memory.keys[7], patient=False),
        LoadCheckpoints(anew=True),
        estimate("before", 809),
        decision("compact", "soft_trigger_reached", 809, trigger="background"),
        asked,
        events.SummaryCreated(
            summary_id="id1",
            version=1,
            strategy="task_state",
            summarizer="model",
            model="mini",
            input_messages=14,
            input_tokens=700,
            tokens=3,
            compression_ratio=3 / 700,
            text="what was said",
        ),
        SaveCheckpoint(
            Checkpoint(
                key=made.memory.keys[13],
                covered=14,
                kept=(),
                summary="what was said",
                version=1,
                summary_id="id1",
                strategy="task_state",
                tokens_before=809,
                tokens_after=138,
                model="m",
                ahead=Ahead(
                    step=0,
                    keep_recent_turns=1,
                    keep_tool_io_pairs=1,
                    summarizer="model",
                    writer="mini",
                    tokens=3,
                    input_messages=14,
                    input_tokens=700,
                ),
            )
        ),
    ]
    assert (result.outcome, result.view) == ("prepared", whole(EIGHT))
    assert (result.tokens_before, result.tokens_after, result.error) == (809, 138, None)
    # 41 tokens may come until it is due, and stay word for word.
    assert asked.request.max_tokens == 500 - 41 - 109 - 26


def test_what_was_made_ahead_is_put_into_force_when_it_is_due():
    checkpoint = prepared(checks=CHECKS)
    checkpoint = replace(checkpoint, ahead=replace(checkpoint.ahead, writer="mini"))
    effects, result = drive(compaction(job(TEN, ready=holding(checkpoint))))
    assert names(effects) == [*LOOKED, *MADE]
    assert effects[3:6] == [
        events.SummaryCreated(
            summary_id="id1",
            version=1,
            strategy="task_state",
            summarizer="model",
            model="mini",
            input_messages=14,
            input_tokens=700,
            tokens=3,
            compression_ratio=3 / 700,
            facts_found=4,
            facts_in_prose=3,
            facts_kept=4,
            coverage_before=0.75,
            coverage_after=1.0,
            prepared=True,
            text="what was said",
        ),
        events.PolicyApplied(
            step=0,
            keep_recent_turns=1,
            keep_tool_io_pairs=1,
            tokens_before=1009,
            tokens_after=338,
            messages_before=20,
            messages_after=7,
        ),
        events.PrunedMessages(
            pruned=14,
            pinned=1,
            protected=None,
            recent_turns=3,
            tool_pairs=0,
            tokens_removed=671,
            messages_before=20,
            messages_after=7,
        ),
    ]
    (saved,) = asked_for(effects, SaveCheckpoint)
    assert saved.checkpoint == replace(checkpoint, ahead=None, tokens_before=1009, tokens_after=338)
    assert (result.outcome, result.prepared) == ("compacted", True)
    assert result.view == replay(TEN, checkpoint)


@pytest.mark.parametrize(
    ("items", "options"),
    [
        ([{**TEN[0], "content": "another beginning"}, *TEN[1:]], {}),  # edited
        (turns(22), {}),  # grown by more than was foreseen
        (TEN, {"trigger": "manual"}),
        ([{**TEN[0], "protected": True}, *TEN[1:]], {}),
    ],
)
def test_what_was_made_ahead_is_not_taken_for_another_call(items, options):
    checkpoint = prepared()
    if items[0].get("protected"):
        checkpoint = replace(checkpoint, key=job(items).memory.keys[13])
    effects, result = drive(compaction(job(items, ready=holding(checkpoint), **options)))
    assert "Summarize" in names(effects)
    assert (result.outcome, result.prepared) == ("compacted", False)


def test_what_is_told_of_it_counts_what_stays_now():
    rules = said("system", 0, 10)
    made_ahead = prepared([rules, *EIGHT])
    due = [rules, *EIGHT, *called("c1", words(60)), *called("c2", words(60)), *turns(2)]
    effects, result = drive(compaction(job(due, ready=holding(made_ahead))))
    assert result.prepared
    (told,) = asked_for(effects, events.PrunedMessages)
    assert (told.pinned, told.recent_turns, told.tool_pairs, told.pruned) == (2, 3, 2, 14)
    assert (told.messages_before, told.messages_after) == (25, 12)


@pytest.mark.parametrize(("size", "taken"), [(711, True), (712, False)])
def test_what_was_made_ahead_is_taken_where_it_comes_out_below_the_trigger(size, taken):
    made = job([*EIGHT, said("user", 9, size)], ready=holding(prepared()))
    effects, result = drive(compaction(made))
    assert ("Summarize" in names(effects)) == (not taken)
    assert (result.prepared, result.tokens_after == 849) == (taken, taken)


def test_what_was_made_ahead_is_not_taken_once_another_one_came_in_between():
    """Both are the first of their history, and the one ahead covers more."""
    checkpoint, _ = compacted(TEN)
    made_ahead = prepared(turns(12))
    assert (made_ahead.version, made_ahead.covered, checkpoint.covered) == (1, 22, 18)
    due = job(turns(28), 2200, ledger=holding(checkpoint), ready=holding(made_ahead))
    effects, result = drive(compaction(due))
    assert "Summarize" in names(effects)
    assert (result.prepared, result.view.version) == (False, 2)


@pytest.mark.parametrize(
    ("options", "answers", "expected", "outcome"),
    [
        ({}, {Claim: False}, LOOKED, "noop"),
        (
            {},
            {Claim: OSError()},
            [
                "Claim", "archive: OSError, passthrough", *LOOKED[1:],
                "Summarize", "SummaryCreated", "SaveCheckpoint",
            ],
            "prepared",
        ),
        (
            {},
            {Claim: True, Summarize: ValueError()},
            [*LOOKED, "Summarize", "summarize: ValueError, passthrough"],
            "error",
        ),
        ({"writers": [EXTRACTIVE]}, {Claim: True}, LOOKED, "error"),
        ({"ready": holding(prepared())}, {Claim: True}, LOOKED, "noop"),
        (
            {"checks": CHECKS},
            {Claim: True, VerifyFacts: Repaired(words(900), WHOLE)},
            [
                *LOOKED, "Summarize", "VerifyFacts", "SummaryCreated",
                "assemble: VerificationError, passthrough",
            ],
            "error",
        ),
    ],
)  # fmt: skip
def test_ahead_of_time_only_who_takes_long_is_asked_and_a_failure_costs_nothing(
    options, answers, expected, outcome
):
    effects, result = drive(preparation(ahead(**options)), answers)
    assert names(effects) == expected
    assert (result.outcome, result.view) == (outcome, whole(EIGHT))
    assert (result.error is not None) == (outcome == "error")


def test_nothing_is_made_ahead_where_clearing_will_do():
    history = [*reading(4), *turns(1)]
    effects, result = drive(preparation(ahead(history, clear_tool_outputs="stale")), {Claim: True})
    assert names(effects) == LOOKED
    assert result.outcome == "noop"
