"""Outputs of tools give way before a summary is paid for, step by step."""

import pytest

from compact_otel.core import events
from compact_otel.core.assemble import View
from compact_otel.core.flow import compaction
from compact_otel.core.job import (
    SaveCheckpoint,
    Summarize,
)
from tests.flows import (
    LOOKED,
    MADE,
    REPORTED,
    TEN,
    Words,
    asked_for,
    called,
    compacted,
    drive,
    holding,
    job,
    names,
    reading,
    said,
    turns,
    words,
)


def test_outputs_that_came_again_give_way_and_nobody_is_asked_for_a_summary():
    history = reading(5)
    effects, result = drive(compaction(job(history, trigger_pct=0.6, target_pct=0.5)))
    assert names(effects) == [*LOOKED, *REPORTED, "SaveCheckpoint"]
    lines = [entry.text for entry in result.view.cleared]
    removed = "[The output of read(a.py), 200 tokens, was removed to save space"
    assert lines == [f"{removed}: the same call was made again later.]"] * 4
    size = len(lines[0].split())
    assert [entry.index for entry in result.view.cleared] == [2, 4, 6, 8]
    assert {(entry.tokens, entry.superseded) for entry in result.view.cleared} == {(size, True)}
    assert result.tokens_after == 9 + 20 + 5 + 200 + 4 * size
    (pruned,) = asked_for(effects, events.PrunedMessages)
    assert (pruned.pruned, pruned.cleared, pruned.cleared_tokens) == (0, 4, 800)
    assert (pruned.tokens_removed, pruned.tool_pairs) == (800 - 4 * size, 5)
    (saved,) = asked_for(effects, SaveCheckpoint)
    assert (saved.checkpoint.covered, saved.checkpoint.kept) == (9, tuple(range(9)))
    assert (saved.checkpoint.summary, saved.checkpoint.version) == (None, 0)
    assert saved.checkpoint.summary_id == "id1"


def test_a_summary_in_force_stays_where_only_outputs_are_cleared():
    checkpoint, history = compacted(TEN)
    made = job([*TEN, *reading(4)[1:]], known=history, ledger=holding(checkpoint))
    effects, result = drive(compaction(made))
    assert names(effects) == [*LOOKED, *REPORTED, "SaveCheckpoint"]
    (saved,) = asked_for(effects, SaveCheckpoint)
    assert (saved.checkpoint.summary, saved.checkpoint.version) == ("what was said", 1)
    assert saved.checkpoint.kept == tuple(range(18, 26))
    assert [entry.index for entry in saved.checkpoint.cleared] == [21, 23, 25]
    assert (result.view.summary, result.view.version) == ("what was said", 1)
    (applied,) = asked_for(effects, events.PolicyApplied)
    assert (applied.step, applied.keep_recent_turns, applied.keep_tool_io_pairs) == (0, 1, 1)


class Choosy(Words):
    """Breaks over the line that stands for an output."""

    def count_items(self, items, call):
        if any(str(item.get("output", "")).startswith("[The output of") for item in items):
            raise ValueError
        return super().count_items(items, call)


UNCLEARED = events.Failure(
    stage="assemble",
    fallback="passthrough",
    error_type="ValueError",
    message="the outputs of tools could not be cleared, so nothing of them is",
)


@pytest.mark.parametrize(
    ("history", "options"),
    [
        (reading(5), {}),
        (
            [*turns(3), *called("c0", words(300, "a")), *called("c1", words(301, "b"))],
            {"clear_tool_outputs": "stale", "trigger_pct": 0.8},
        ),
        ([said("user", 0, 700), *called("c", words(1200))], {}),
    ],
    ids=["superseded", "stale", "too large"],
)
def test_an_estimator_that_breaks_over_a_line_costs_the_clearing_only(history, options):
    effects, result = drive(compaction(job(history, estimator=Choosy(), **options)))
    assert names(effects) == [
        *LOOKED, "assemble: ValueError, passthrough", "Summarize", *MADE,
    ]  # fmt: skip
    assert effects[3] == UNCLEARED
    assert (result.outcome, result.view.cleared) == ("compacted", ())


@pytest.mark.parametrize(
    ("window", "sizes", "places"),
    [
        (1000, (0, 1200), {4}),
        (2000, (200, 1800), {4}),
        (2000, (201, 1800), {2, 4}),
    ],
)
def test_where_not_even_the_latest_call_fits_what_is_large_is_said_in_short(window, sizes, places):
    """More than a tenth of the budget, and more than 100 tokens."""
    pair = [item for n, size in enumerate(sizes) for item in called(f"c{n}", words(size))]
    history = [said("user", 0, window * 3 // 4), *pair]
    effects, result = drive(compaction(job(history, window, keep_tool_io_pairs=2)))
    assert names(effects) == [*LOOKED, *REPORTED, "SaveCheckpoint"]
    assert {entry.index for entry in result.view.cleared} == places
    assert all("it is too large to stay" in entry.text for entry in result.view.cleared)
    assert (result.view.kept, result.view.summary) == (range(5), None)
    assert result.tokens_after < window


def test_a_turn_that_does_not_fit_goes_into_the_summary():
    history = [*turns(2), said("user", 5), said("assistant", 5, 900)]
    effects, result = drive(compaction(job(history)))
    (asked,) = asked_for(effects, Summarize)
    assert asked.request.items == [*history[:4], history[5]]
    assert asked.request.max_tokens == 500 - 9 - 50 - 26
    assert result.view == View(kept=(4,), summary="what was said", version=1)
    (applied,) = asked_for(effects, events.PolicyApplied)
    assert (applied.keep_recent_turns, applied.keep_tool_io_pairs) == (0, 1)


def test_a_large_output_goes_into_the_summary_in_short_where_it_leaves_little_room():
    history = [*turns(4), said("user", 5, 500), *called("c", words(1200))]
    effects, result = drive(compaction(job(history)))
    (asked,) = asked_for(effects, Summarize)
    assert asked.request.items == [*history[:8], *history[9:]]
    assert result.view == View(kept=(8,), summary="what was said", version=1)
    (told,) = asked_for(effects, events.SummaryCreated)
    assert told.input_tokens == 400 + 1 + 91


@pytest.mark.parametrize("estimator", [Words(), Choosy()])
def test_what_is_told_where_nothing_helps_speaks_of_the_items_as_they_are(estimator):
    question = {**said("user", 5, 980), "protected": True}
    history = [*turns(1), question, *called("c", words(1200))]
    effects, result = drive(compaction(job(history, estimator=estimator)))
    assert names(effects)[-1] == "decide: InsufficientBudget, passthrough"
    assert result.error.needed == 9 + 980 + 1 + 1200 + 26 + 32
    assert "the largest item, at 3, has 1200" not in str(result.error)
    assert "the largest item, at 4, has 1200" in str(result.error)


def test_by_hand_there_is_a_summary_although_clearing_would_be_enough():
    history = [*reading(4), *turns(4)]
    effects, result = drive(compaction(job(history, trigger="manual")))
    assert "Summarize" in names(effects)
    assert result.view.summary == "what was said"
