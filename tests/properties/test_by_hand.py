"""A compaction by hand is told item by item, and the figures add up, whatever the history."""

import json
from dataclasses import replace

from hypothesis import event, given, settings

from compact_otel.config import CompactConfig
from compact_otel.core.items import api_of
from compact_otel.core.measure import Scale
from compact_otel.core.types import CallContext, Window
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.manual.changes import changes
from compact_otel.manual.compaction import compacted
from compact_otel.tokens.opening import Opened
from compact_otel.tokens.reading import from_bytes
from tests.histories import histories, is_summary, readable, settings_of_a_window


def opened(history, setting):
    """Return a history as if it came out of a file, and the settings to compact it with."""
    items = [item for item in map(readable, history) if {"role", "type"} & set(item)]
    items = [item for item in items if isinstance(item.get("role", item.get("type")), str)]
    found = from_bytes(json.dumps(items).encode(), "call")
    policy = replace(
        CompactConfig().policy,
        keep_recent_turns=setting.keep_recent_turns,
        keep_tool_io_pairs=setting.keep_tool_io_pairs,
    )
    call = CallContext(model="gpt-4o", api=api_of(found.items))
    scale = Scale(
        estimator=TiktokenEstimator(),
        call=call,
        policy=policy,
        window=Window(size=128_000, output_reserve=16_384, source="catalog"),
    )
    config = CompactConfig(policy=policy)
    return Opened(path="-", found=found, scale=scale, model="gpt-4o", source="option"), config


@settings(max_examples=60)
@given(history=histories(), setting=settings_of_a_window)
def test_what_becomes_of_the_items_adds_up_to_what_comes_out(history, setting):
    call, config = opened(history, setting)

    outcome = compacted(call, config)

    event(outcome.outcome)
    fates, summary = outcome.fates, outcome.summary
    assert [fate.index for fate in fates] == list(range(len(call.found.items)))
    staying = [call.found.items[fate.index] for fate in fates if fate.fate == "kept"]
    cleared = sum(fate.fate == "cleared" for fate in fates)
    assert [item for item in outcome.items if any(item is one for one in staying)] == staying
    assert len(outcome.items) == len(staying) + cleared + (summary is not None)
    if summary is not None:
        assert is_summary(outcome.items[summary.before])
    gone = sum(fate.tokens - fate.tokens_after for fate in fates)
    added = 0 if summary is None else summary.tokens
    assert outcome.before.total - gone + added == outcome.after.total

    shown = list(changes(outcome, config.redaction.redactor()))
    assert [fate for change in shown for fate in change.fates] == list(fates)
    assert sum(change.op == "summary" for change in shown) == (summary is not None)
