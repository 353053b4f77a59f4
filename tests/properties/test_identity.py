"""When an earlier compaction is found again, and when it must not be."""

import copy
import json

from hypothesis import assume, given
from hypothesis import strategies as st

from compact_otel.core import frame
from compact_otel.core.errors import InsufficientBudget
from compact_otel.core.items import blocks
from compact_otel.core.ledger import digest
from compact_otel.core.types import CallContext, Checkpoint
from compact_otel.estimators.noop import NoopEstimator
from tests.histories import (
    Storage,
    Summarizer,
    complaints,
    histories,
    is_ours,
    is_summary,
    manager_for,
    readable,
    settings_of_a_window,
    user,
)

CHAT = CallContext(api="chat")


def compacted(manager, history):
    try:
        result = manager.preflight("s", history, call=CHAT)
    except InsufficientBudget:
        result = None
    assume(result is not None and result.outcome == "compacted")
    return result


def covered(history, result):
    """Return how many items the compaction speaks of: up to the last one that it dropped."""
    kept = {id(item) for item in result.messages}
    return max(place for place, item in enumerate(history) if id(item) not in kept) + 1


@given(history=histories(), setting=settings_of_a_window, place=st.floats(0, 1, exclude_max=True))
def test_a_history_with_an_item_removed_never_gets_an_old_summary_back(history, setting, place):
    assume(not any(map(is_summary, history)))
    manager = manager_for(history, setting)
    result = compacted(manager, history)
    end = covered(history, result)
    gone = int(place * end)
    rest = [*history[:gone], *history[gone + 1 :]]
    told, other = ([digest(readable(item)) for item in items[:end]] for items in (history, rest))
    assume(told != other)  # of equal items in a row nobody can tell which one was removed
    try:
        again = manager.preflight("s", rest, call=CHAT)
    except InsufficientBudget:
        return
    assert again.outcome != "replayed"
    assert again.summary_version in (None, 1)  # 2 would have been made of the old one


@given(history=histories(rare=False), setting=settings_of_a_window)
def test_a_fork_behind_what_was_compacted_gets_the_summary_too(history, setting):
    manager = manager_for(history, setting)
    result = compacted(manager, history)
    fork = [*copy.deepcopy(history[: covered(history, result)]), user("another way")]
    other = manager.preflight("another session", fork, call=CHAT)
    assert other.outcome == "replayed"
    assert other.summary == result.summary
    assert other.messages[-1] is fork[-1]


@given(history=histories(rare=False), setting=settings_of_a_window, cut=st.floats(0, 1))
def test_a_fork_inside_what_was_compacted_still_ends_with_what_was_asked_last(
    history, setting, cut
):
    manager = manager_for(history, setting)
    compacted(manager, history)
    fork = history[: 1 + int(cut * (len(history) - 1))]
    try:
        other = manager.preflight("s", fork, call=CHAT)
    except InsufficientBudget:
        return
    asked = [item for item in fork if readable(item).get("role") == "user"]
    assert not asked or any(item is asked[-1] for item in other.messages)
    assert complaints([item for item in other.messages if not is_ours(item, fork)]) <= (
        complaints(fork)
    )


def retold(item):
    """Return an item as the SDK may hand it over the next time."""
    if not isinstance(item, dict):
        return item
    told = dict(reversed(item.items()))
    if (
        told.get("type") != "item_reference"
        and len(told) > 1
        and isinstance(told.get("type", ""), str)
    ):
        if told.get("type") not in (None, "mcp_approval_request"):
            told["id"] = "other_id"
        told |= {"status": "in_progress", "created_by": "x", "_agents_tool_title": "t"}
    if told.get("role") == "assistant" and isinstance(told.get("content"), str):
        text = told["content"]
        told["content"] = [{"type": "output_text", "text": text, "annotations": []}]
        told["type"] = "message"
    return told


@given(history=histories(), setting=settings_of_a_window)
def test_what_the_sdk_changes_about_an_item_does_not_change_who_it_is(history, setting):
    summarizer = Summarizer()
    ruler = NoopEstimator(4)  # which does not look at what is changed here
    manager = manager_for(history, setting, summarizer=summarizer, estimator=ruler)
    result = compacted(manager, history)
    again = manager.preflight("s", [retold(item) for item in history], call=CHAT)
    assert again.summary == result.summary
    assert again.dropped == result.dropped
    assert again.cleared == result.cleared
    assert len(summarizer.requests) == (result.summary is not None)


@given(history=histories(), setting=settings_of_a_window)
def test_another_process_finds_the_compaction_in_the_storage(history, setting):
    storage = Storage()
    result = compacted(manager_for(history, setting, storage=storage), history)
    storage.checkpoints = {
        key: [Checkpoint.from_dict(json.loads(json.dumps(kept.as_dict()))) for kept in stored]
        for key, stored in storage.checkpoints.items()
    }
    summarizer = Summarizer()
    other = manager_for(history, setting, storage=storage, summarizer=summarizer)
    again = other.preflight("s", history, call=CHAT)
    assert repr(again.messages) == repr(result.messages)
    assert summarizer.requests == []


@given(text=st.text() | st.text(alphabet="</>COMPACT-SUMMARY v1\n "), version=st.integers(1, 10**8))
def test_a_frame_opens_once_and_closes_once_whatever_is_in_it(text, version):
    content = frame.wrap(version, text)
    assert content.upper().count("<COMPACT-SUMMARY") == 1
    assert content.upper().count("</COMPACT-SUMMARY") == 1
    assert frame.unwrap({"role": "user", "content": content}) == (version, frame.defuse(text))
    assert frame.wrap(version, frame.defuse(text)) == content


@given(history=histories())
def test_blocks_cover_a_history_without_gaps_and_in_order(history):
    items = [readable(item) for item in history]
    found = blocks(items)
    assert [index for block in found for index in range(block.start, block.stop)] == [
        *range(len(items))
    ]
    assert all(block.start < block.stop for block in found)
