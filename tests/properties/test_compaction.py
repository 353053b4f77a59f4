"""What holds for every history, however strange: the manager as a user sees it."""

import asyncio
import copy
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import assume, event, given, settings

from compact_otel.core.errors import InsufficientBudget
from compact_otel.core.types import CallContext
from tests.histories import (
    AsyncSummarizer,
    Estimator,
    Setting,
    Summarizer,
    complaints,
    histories,
    is_cleared,
    is_ours,
    is_summary,
    manager_for,
    opens,
    readable,
    reasoned,
    settings_of_a_window,
)


def preflight(manager, history):
    """Return the result, or None if what must stay does not fit."""
    try:
        result = manager.preflight("s", history, call=CallContext(api="chat"))
    except InsufficientBudget:
        event("InsufficientBudget")
        return None
    event(result.outcome)
    assert result.error is None, result.error
    return result


def survivors(result, history):
    """Return the given objects that are in a result, without a summary of ours."""
    return [item for item in result.messages if not is_ours(item, history)]


def positions(items, history):
    places = {id(item): place for place, item in enumerate(history)}
    return [places[id(item)] for item in items]


def compacted(history, setting, **options):
    """Return the result of a compaction; other outcomes are no example."""
    result = preflight(manager_for(history, setting, **options), history)
    assume(result is not None and result.outcome == "compacted")
    return result


def test_most_drawn_histories_are_really_compacted():
    outcomes = Counter()

    @settings(max_examples=150)
    @given(history=histories(min_chunks=4), setting=settings_of_a_window)
    def look(history, setting):
        result = preflight(manager_for(history, setting), history)
        outcomes["raised" if result is None else result.outcome] += 1

    look()
    assert outcomes["compacted"] > 0.25 * outcomes.total(), outcomes
    assert outcomes["skipped"] > 0, outcomes
    assert outcomes["error"] == 0, outcomes


@given(history=histories(), setting=settings_of_a_window)
def test_survivors_are_the_given_objects_in_their_order(history, setting):
    result = preflight(manager_for(history, setting), history)
    assume(result is not None)
    kept = [item for item in result.messages if not (is_summary(item) and is_ours(item, history))]
    strange = [item for item in history if not isinstance(item, dict)]  # None is None everywhere
    same = [item for item in kept if any(item is other for other in history)]
    assert len(kept) - len(same) == result.cleared
    places = positions([item for item in same if item not in strange], history)
    assert places == sorted(set(places))
    assert len(result.messages) - len(kept) == (result.summary is not None)
    assert result.dropped == len(history) - len(kept)


@given(history=histories(), setting=settings_of_a_window)
def test_the_given_list_and_its_items_are_left_as_they_were(history, setting):
    before, objects = copy.deepcopy(history), list(history)
    result = preflight(manager_for(history, setting), history)
    assert history == before
    assert all(left is right for left, right in zip(history, objects, strict=True))
    assert result is None or result.messages is not history


@given(history=histories(), setting=settings_of_a_window)
def test_the_api_has_no_more_to_complain_about_than_before(history, setting):
    result = compacted(history, setting)
    assert complaints(survivors(result, history)) <= complaints(history)


@given(history=histories(), setting=settings_of_a_window)
def test_reasoning_and_what_follows_it_go_or_stay_together(history, setting):
    result = compacted(history, setting)
    kept = {id(item) for item in result.messages}
    for left, right in reasoned(history):
        assert (left in kept) == (right in kept)
    followed = {pair for pair in reasoned(history) if pair[0] in kept}
    assert followed <= reasoned(survivors(result, history))


@given(history=histories(), setting=settings_of_a_window)
def test_parallel_calls_go_or_stay_together(history, setting):
    result = compacted(history, setting)
    kept = {id(item) for item in result.messages}
    for left, right in pairwise(history):
        if readable(left).get("type") == readable(right).get("type") == "function_call":
            assert (id(left) in kept) == (id(right) in kept)


def must_stay(history):
    """Yield what no compaction may drop, by the rules that a reader of the docs knows."""
    known = [None, "message", "reasoning", "mcp_approval_request", "mcp_approval_response"]
    asked = [
        item for item in history if readable(item).get("role") == "user" and not is_summary(item)
    ]
    yield from asked[-1:]
    loose = {ident for _, ident, _ in complaints(history)}
    for place, item in enumerate(history):
        fields = readable(item)
        kind, meta = fields.get("type"), fields.get("meta") or {}
        rest = [readable(other).get("type") for other in history[place:]]
        unknown = (
            kind not in known
            and not str(kind).endswith(("_call", "_call_output"))
            and kind != "mcp_list_tools"
        )
        if (
            unknown
            or not fields
            or fields.get("role") in ("system", "developer")
            or fields.get("protected") is True
            or meta.get("protected") is True
            or (id(item) in loose and kind != "reasoning")
            or "compaction" in rest
        ):
            yield item


@given(history=histories(), setting=settings_of_a_window)
def test_what_must_stay_stays(history, setting):
    result = compacted(history, setting)
    kept = {id(item) for item in result.messages}
    for item in must_stay(history):
        assert id(item) in kept, item


@given(history=histories(), setting=settings_of_a_window)
def test_a_result_has_one_summary_and_those_that_may_not_go(history, setting):
    result = compacted(history, setting)
    pinned = [id(item) for item in must_stay(history)]
    old = [item for item in survivors(result, history) if is_summary(item)]
    free = [item for item in old if id(item) not in pinned]
    spans = any(True for item in history for _ in opens(item))
    assert not free or spans  # one that stands between a call and its output stays with them
    # Where outputs that were cut short are enough, nothing else goes.
    assert result.summary is not None or (result.cleared and not result.dropped)
    assert result.tokens_after < result.tokens_before


def outputs_in_short(result, history):
    """Return the outputs that are said in short: beside their calls, and too large for them."""
    whole = {id(item) for item in result.messages}

    def which(item):
        """Return all of it but its text."""
        return repr([at for at in readable(item).items() if at[0] not in ("output", "content")])

    short = Counter(which(item) for item in result.messages if is_cleared(item))
    found = []
    for item in reversed(history):  # of several of one call id, the latest stayed
        if id(item) not in whole and short[which(item)]:
            short[which(item)] -= 1
            found.append(item)
    return found


@given(history=histories(), setting=settings_of_a_window)
def test_nothing_vanishes_without_being_shown_to_the_summariser(history, setting):
    summarizer = Summarizer()
    result = compacted(history, setting, summarizer=summarizer, clear_tool_outputs="off")
    if result.summary is None:  # the latest call alone is too large: its output is said in short
        assert result.cleared
        assert not result.dropped
        return
    (request,) = summarizer.requests
    there = {id(item) for item in result.messages}
    there |= {id(output) for output in outputs_in_short(result, history)}
    gone = [readable(item) for item in history if id(item) not in there]
    assert list(request.items) == [item for item in gone if not is_summary(item)]
    assert len(request.items) + len(request.kept) + len(
        [item for item in gone if is_summary(item)]
    ) == len(history)
    if any(is_summary(item) for item in gone):
        assert request.previous_summary is not None
    else:
        assert request.previous_summary is None


@given(history=histories(), setting=settings_of_a_window)
def test_a_result_is_smaller_and_within_the_budget_or_unchanged(history, setting):
    manager = manager_for(history, setting)
    result = preflight(manager, history)
    assume(result is not None)
    if result.outcome in ("skipped", "noop"):
        assert all(left is right for left, right in zip(result.messages, history, strict=True))
        assert result.tokens_after == result.tokens_before
        return
    limit = manager.config.max_context_tokens - setting.hard_cap_buffer
    assert result.tokens_after < result.tokens_before
    assert result.tokens_after <= limit
    if all(isinstance(item, dict) for item in history):
        assert Estimator().total(result.messages) == result.tokens_after


@given(history=histories(), setting=settings_of_a_window)
def test_the_same_history_again_gives_the_same_bytes_without_a_summariser(history, setting):
    summarizer = Summarizer()
    manager = manager_for(history, setting, summarizer=summarizer)
    first = preflight(manager, history)
    assume(first is not None and first.outcome == "compacted")
    asked = len(summarizer.requests)
    assert bool(asked) == (first.summary is not None)  # or outputs were cleared
    again = preflight(manager, copy.deepcopy(history))
    assert again is not None
    assert again.outcome in ("replayed", "noop")
    assert repr(again.messages) == repr(first.messages)
    assert len(summarizer.requests) == asked  # twice where its first summary left facts out


@given(history=histories(), setting=settings_of_a_window)
def test_a_result_handed_back_is_not_summarised_again(history, setting):
    summarizer = Summarizer()
    manager = manager_for(history, setting, summarizer=summarizer)
    first = preflight(manager, history)
    assume(first is not None and first.outcome == "compacted")
    again = preflight(manager, first.messages)
    assert again is not None
    assert again.outcome in ("skipped", "noop")
    assert again.messages == first.messages
    assert len(summarizer.requests) == (first.summary is not None)  # or outputs were cleared


@settings(max_examples=30)
@given(history=histories(rare=False, min_chunks=8), setting=settings_of_a_window)
def test_between_two_compactions_what_is_sent_only_grows_at_its_end(history, setting):
    manager = manager_for(history, setting)
    sent = None
    for length in range(1, len(history) + 1):
        result = preflight(manager, history[:length])
        if result is None:
            return
        if sent is not None and result.outcome not in ("compacted", "fallback"):
            assert len(result.messages) == len(sent) + 1
            assert result.messages[: len(sent)] == sent
        sent = result.messages


@pytest.mark.parametrize("fed_back", [False, True])
@settings(max_examples=40)
@given(history=histories(rare=False, min_chunks=8))
def test_growing_on_and_on_keeps_one_summary_whose_number_counts_up(fed_back, history):
    summarizer = Summarizer()
    manager = manager_for(history, Setting(0.8, 1, 1, 0, "assistant"), summarizer=summarizer)
    versions, past = [], []
    for _ in range(4):
        past = [*past, *copy.deepcopy(history)]
        result = preflight(manager, past)
        if result is None:
            return
        summaries = [item for item in result.messages if is_summary(item)]
        assert len(summaries) <= 1
        if result.outcome in ("compacted", "fallback"):
            versions.append(result.summary_version)
        if result.outcome == "compacted":
            folded = summarizer.requests[-1].previous_summary
            assert (folded is None) == (result.summary_version == 1)
        if fed_back:
            past = result.messages
    assert versions == list(range(1, len(versions) + 1))


@settings(max_examples=60)
@given(history=histories(), setting=settings_of_a_window)
def test_sync_and_async_give_the_same(history, setting):
    async def in_a_loop(manager):
        try:
            return await manager.apreflight("s", history, call=CallContext(api="chat"))
        except InsufficientBudget as error:
            return str(error)

    sync = preflight(manager_for(history, setting), history)
    for summarizer in (Summarizer(), AsyncSummarizer()):
        other = asyncio.run(in_a_loop(manager_for(history, setting, summarizer=summarizer)))
        if sync is None:
            assert isinstance(other, str)
        else:
            assert other == sync


@settings(max_examples=60)
@given(history=histories(), setting=settings_of_a_window)
def test_compacting_by_hand_holds_the_same_promises(history, setting):
    summarizer = Summarizer()
    manager = manager_for(history, setting, summarizer=summarizer)
    try:
        result = manager.manual_compact("s", history, "the user asked")
    except InsufficientBudget:
        return
    assert result.outcome in ("compacted", "noop", "fallback")
    assert complaints(survivors(result, history)) <= complaints(history)
    kept = {id(item) for item in result.messages}
    assert all(id(item) in kept for item in must_stay(history))
    assert result.outcome == "noop" or result.tokens_after < result.tokens_before
    assert all(request.note == "the user asked" for request in summarizer.requests)
