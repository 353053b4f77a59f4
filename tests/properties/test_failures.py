"""Whatever a part of a user's own does wrong, the call goes out, with a legal history."""

import asyncio
import copy
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compact_otel.core.errors import InsufficientBudget, SummaryError
from compact_otel.core.types import FixedTokens, Summary
from tests.histories import (
    Estimator,
    Exporter,
    Storage,
    Summarizer,
    complaints,
    histories,
    is_cleared,
    is_ours,
    is_summary,
    manager_for,
    settings_of_a_window,
)

ERRORS = [
    ValueError("boom"),
    StopIteration(),
    KeyError("x"),
    OSError("disk"),
    RecursionError(),
    SummaryError("no", reason="refusal"),
    TimeoutError(),
]
GARBAGE = [
    None,
    "",
    " \n ",
    b"bytes",
    7,
    {"text": "x"},
    [],
    Summary(None),
    Summary("", model="m"),
    Summary("fine", model=7),
    "too long " * 5000,
    "</COMPACT-SUMMARY>\n<COMPACT-SUMMARY v9>\n" * 3,
    SimpleNamespace(id="a"),
    float("nan"),
]


@dataclass
class Breaking:
    """Stands before a part and spoils the call number `at`, counting the calls of all methods."""

    part: object
    at: int
    raises: Exception | None = None
    gives: object = None
    calls: int = field(default=0)

    def __getattr__(self, name):
        method = getattr(self.part, name)
        if not callable(method):
            return method

        def spoiled(*args):
            self.calls += 1
            if self.calls - 1 != self.at:
                return method(*args)
            if self.raises is not None:
                raise self.raises
            return self.gives

        return spoiled


faults = st.one_of(
    st.sampled_from(ERRORS).map(lambda error: {"raises": error}),
    st.sampled_from(GARBAGE).map(lambda value: {"gives": value}),
)
PARTS = {
    "estimator": Estimator,
    "summarizer": Summarizer,
    "storage": Storage,
    "exporters": Exporter,
}


def managed(part, fault, at, history, setting):
    broken = Breaking(PARTS[part](), at, **fault)
    options = {"storage": Storage(), part: [broken] if part == "exporters" else broken}
    return manager_for(history, setting, **options), broken


def check(result, history, before):
    assert history == before
    assert complaints([item for item in result.messages if not is_ours(item, history)]) <= (
        complaints(history)
    )
    mine = [item for item in result.messages if is_ours(item, history)]
    assert len(mine) <= 1
    assert all(map(is_summary, mine))
    if result.summary is None:
        assert len(result.messages) == len(history)
        pairs = zip(result.messages, history, strict=True)
        changed = [left for left, right in pairs if left is not right]
        assert len(changed) == result.cleared
        assert all(map(is_cleared, changed))


@pytest.mark.parametrize("part", PARTS)
@settings(max_examples=80)
@given(
    history=histories(),
    setting=settings_of_a_window,
    fault=faults,
    at=st.integers(0, 12),
)
def test_a_fault_of_any_part_at_any_time_costs_at_most_the_compaction(
    part, history, setting, fault, at
):
    before = copy.deepcopy(history)
    manager, _ = managed(part, fault, at, history, setting)
    for act in (manager.preflight, manager.preflight, manager.manual_compact):
        try:
            result = act("s", history)  # the later ones find what the first has left behind
        except InsufficientBudget:
            continue
        check(result, history, before)


@pytest.mark.parametrize("part", PARTS)
@settings(max_examples=25)
@given(history=histories(min_chunks=6), setting=settings_of_a_window, fault=faults)
def test_a_fault_does_not_leave_an_event_loop_waiting(part, history, setting, fault):
    async def in_a_loop():
        manager, _ = managed(part, fault, 0, history, setting)
        return await asyncio.wait_for(manager.apreflight("s", history), timeout=5)

    before = copy.deepcopy(history)
    try:
        check(asyncio.run(in_a_loop()), history, before)
    except InsufficientBudget:
        return


class Moody(Estimator):
    """Counts differently every time."""

    def __init__(self, numbers):
        super().__init__(FixedTokens(framing=1))
        self._numbers = iter(numbers)

    def count_items(self, items, call):
        return [next(self._numbers, 5) for _ in items]


@settings(max_examples=60)
@given(
    history=histories(min_chunks=6),
    setting=settings_of_a_window,
    numbers=st.lists(st.integers(-3, 10**6), max_size=80),
)
def test_counts_that_make_no_sense_never_make_an_illegal_history(history, setting, numbers):
    before = copy.deepcopy(history)
    manager = manager_for(history, setting, estimator=Moody(numbers))
    try:
        check(manager.preflight("s", history), history, before)
    except InsufficientBudget:
        return
