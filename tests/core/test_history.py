"""What one call knows from the call before it, and what it leaves to the next."""

from collections import UserDict
from dataclasses import replace
from itertools import accumulate

import pytest

from compact_otel.core.calibration import Heard, Truth
from compact_otel.core.history import Histories, History, Recollection, copied
from compact_otel.core.ledger import Ledger, prefix_keys
from compact_otel.core.sizes import SharedParts, size_of
from compact_otel.core.types import CallContext, Checkpoint, FixedTokens, Usage
from tests.flows import Words, job, said, turns, words

TEN = turns(5)
USAGE = Usage(input_tokens=700, output_tokens=90)
FIXED = FixedTokens(instructions=4, tools_schema=3, framing=2)
CALL = CallContext(model="m")


def record(items, covered, **changes):
    """Return a compaction that keeps nothing of a beginning."""
    fields = {
        "key": prefix_keys(items)[covered - 1],
        "covered": covered,
        "kept": (),
        "summary": "s",
        "version": 1,
        "summary_id": "i",
        "strategy": "brief",
        "tokens_before": 9,
        "tokens_after": 4,
    }
    return Checkpoint(**{**fields, **changes})


def history(items=TEN, **changes):
    """Return a history that was counted, with what else is known of it."""
    fields = {
        "items": items,
        "keys": prefix_keys(items),
        "instructions": [],
        "sizes": list(accumulate(map(size_of, items))),
        "tokens": [50] * len(items),
        "call": CALL,
        "estimator": "words",
        "fixed": FIXED,
    }
    return History(**{**fields, **changes})


def look(items, known, **options):
    """Return a look at a history that is counted, in the order in which the flow asks."""
    memory = Recollection(items, known)
    memory.checkpoint(options.pop("ledger", Ledger()), lambda _: True)
    memory.count(job(items, **options).scale)
    return memory


def other(count):
    return [said("user", f"-other{n}") for n in range(count)]


# Whether it is the conversation from before.


@pytest.mark.parametrize(
    ("items", "short_lived", "usage"),
    [
        (TEN, 3, USAGE),
        ([*TEN, *other(5)], 3, USAGE),
        ([*TEN[:-3], *other(1)], 3, None),  # what stood there for one call only is gone
        ([*TEN[:-4], *other(1)], 0, None),
        ([*other(1), *TEN], 3, None),
        (other(3), 0, None),
    ],
)
def test_a_conversation_goes_on_where_one_of_its_last_four_items_is_still_there(
    items, short_lived, usage
):
    known = history(checkpoint=record(TEN, 4), short_lived=2, usage=USAGE)
    memory = Recollection(items, known)
    assert (memory.short_lived, memory.usage) == (short_lived, usage)


@pytest.mark.parametrize(
    ("calls", "changes", "short_lived"),
    [
        (0, {}, 1),
        (2, {}, 1),
        (3, {}, 0),
        (2, {"short_lived": 4}, 5),
        (2, {"checkpoint": None}, 0),
    ],
)
def test_a_compaction_that_is_followed_by_another_within_two_calls_did_not_last(
    calls, changes, short_lived
):
    known = history(**{"checkpoint": record(TEN, 4), "calls": calls, **changes})
    assert Recollection(TEN, known).short_lived == short_lived


@pytest.mark.parametrize("kind", [tuple, lambda items: [UserDict(item) for item in items]])
def test_a_history_of_another_kind_is_the_same_history(kind):
    known = history(usage=USAGE, calls=2)
    memory = Recollection(kind([*TEN, *other(1)]), known)
    assert memory.usage == USAGE
    assert memory.keys == prefix_keys([*TEN, *other(1)])
    assert memory.remembered(counted=1, expected=1).calls == 3


def test_of_a_new_history_nothing_is_known():
    memory = look(TEN, None)
    assert (memory.short_lived, memory.usage, memory.heard, memory.truth) == (0, None, None, None)
    assert memory.compacted_usage is None
    assert memory.key == prefix_keys(TEN)[-1]
    assert Recollection([], None).key == ""
    assert (history().key, history([]).key) == (memory.key, "")


def test_instructions_are_found_where_they_stand():
    rules, style = said("system", 0), said("developer", 1)
    known = Recollection([rules, *TEN, style], None)
    assert known.instructions == [0, 11]
    before = history([rules, *TEN, style], instructions=[0, 11])
    grown = Recollection([rules, *TEN, style, *other(1), rules], before)
    assert grown.instructions == [0, 11, 13]
    assert Recollection([rules, *TEN, *other(1), style], before).instructions == [0, 12]
    assert before.instructions == [0, 11]


# What the provider counted.


@pytest.mark.parametrize(
    ("items", "changes", "heard"),
    [
        ([*TEN, *other(1)], {}, Heard(700, 640)),
        (TEN, {"expected": 0}, None),
        (TEN, {"usage": None}, None),
        (TEN, {"usage": replace(USAGE, is_context=False)}, None),
        (TEN[:-1], {}, None),
    ],
)
def test_how_the_estimate_of_the_call_before_came_out(items, changes, heard):
    assert (
        Recollection(items, history(**{"usage": USAGE, "expected": 640, **changes})).heard == heard
    )


@pytest.mark.parametrize(
    ("changes", "truth"),
    [
        ({}, Truth(700, 509)),
        ({"usage": None}, Truth(1, 2)),
        ({"counted": 0}, Truth(1, 2)),
        ({"usage": replace(USAGE, is_context=False)}, Truth(1, 2)),
        ({"usage": None, "anchor": None}, None),
    ],
)
def test_what_was_counted_last_is_that_of_the_call_or_of_one_before(changes, truth):
    known = history(**{"usage": USAGE, "counted": 509, "anchor": Truth(1, 2), **changes})
    assert known.truth == truth
    memory = look([*TEN, *other(1)], known)
    assert memory.truth == truth
    left = memory.remembered(counted=559, expected=600)
    assert left.anchor == truth
    assert (left.counted, left.expected, left.usage) == (559, 600, None)


@pytest.mark.parametrize(
    ("items", "changes", "options"),
    [
        ([*TEN[:-1], *other(1)], {}, {}),
        (TEN, {"call": None}, {}),
        (TEN, {"estimator": "other"}, {}),
        (TEN, {}, {"call": CallContext(model="another")}),
        (TEN, {}, {"call": CallContext(model="m", api="chat")}),
        (TEN, {}, {"call": CallContext(model="m", reasoning_context="all_turns")}),
        (TEN, {"checkpoint": record(TEN, 4)}, {"call": CallContext(model="another")}),
    ],
)
def test_it_says_nothing_of_another_call(items, changes, options):
    known = history(usage=USAGE, counted=509, base=Truth(3, 4), **changes)
    memory = look(items, known, **options)
    assert memory.truth is None
    left = memory.remembered(counted=1, expected=1)
    assert (left.anchor, left.base) == (None, None)


def test_it_says_nothing_where_another_compaction_is_in_force():
    made = record(TEN, 4)
    known = history(usage=USAGE, counted=509, checkpoint=made, base=Truth(3, 4), generation=1)
    ledger = Ledger()
    ledger.add(made)
    assert look(TEN, known, ledger=ledger).truth == Truth(700, 509)
    assert look(TEN, known, ledger=ledger).remembered(counted=1, expected=1).base == Truth(3, 4)
    # Read from a storage in between, it is the same one.
    ledger.add(replace(made, tokens_before=10))
    assert look(TEN, known, ledger=ledger).truth == Truth(700, 509)
    ledger.add(replace(made, summary_id="j"))
    assert look(TEN, known, ledger=ledger).truth is None
    assert look(TEN, replace(known, checkpoint=None), ledger=ledger).truth is None


@pytest.mark.parametrize(
    ("items", "changes", "told"),
    [
        ([*TEN, *other(1)], {}, True),
        (TEN, {"calls": 1}, False),
        (TEN, {"usage": None}, False),
        (TEN, {"usage_before": None}, False),
        (TEN[:-1], {}, False),
    ],
)
def test_the_counts_before_and_with_a_compaction_are_known_at_the_next_call(items, changes, told):
    before = Usage(input_tokens=900)
    known = history(**{"usage": USAGE, "usage_before": before, **changes})
    assert Recollection(items, known).compacted_usage == ((before, USAGE) if told else None)


# What is counted.


class Incremental(Words):
    """Remembers what it was asked for."""

    incremental = True

    def __init__(self):
        self.asked = []

    def count_items(self, items, call):
        self.asked.append(len(items))
        return super().count_items(items, call)


COMPACTION = {"type": "compaction", "encrypted_content": "x"}


@pytest.mark.parametrize(
    ("new", "changes", "options", "asked"),
    [
        ([said("assistant", 9)], {}, {}, 1),
        ([], {}, {}, 0),
        ([said("user", 9)], {}, {}, 3),  # from the newest question that was known
        ([COMPACTION], {}, {}, 11),
        ([said("assistant", 9)], {"tokens": None}, {}, 11),
        ([said("assistant", 9)], {"estimator": "other"}, {}, 11),
        ([said("assistant", 9)], {}, {"call": CallContext(model="another")}, 11),
    ],
)
def test_only_what_is_new_is_counted(new, changes, options, asked):
    estimator = Incremental()
    items = [*TEN, *new]
    memory = Recollection(items, history(**changes))
    tokens, fixed = memory.count(job(items, estimator=estimator, **options).scale)
    assert estimator.asked == [asked]
    assert tokens == Words().count_items(items, CALL)
    assert fixed == FIXED


def test_what_stands_beside_is_counted_anew_for_another_call():
    known = history(fixed=FixedTokens(7, 7, 7))
    assert look(TEN, known).remembered(counted=1, expected=1).fixed == FixedTokens(7, 7, 7)
    for changes, options in (
        ({"estimator": "other"}, {}),
        ({}, {"call": CallContext(model="m", instructions="x")}),
        ({"fixed": None}, {}),
    ):
        memory = look(TEN, replace(known, **changes), **options)
        assert memory.remembered(counted=1, expected=1).fixed == FIXED


THOUGHT = {"type": "reasoning", "id": "rs1", "summary": []}


@pytest.mark.parametrize(
    ("new", "usage", "options", "hidden"),
    [
        ([THOUGHT, said("assistant", 9, 30)], USAGE, {}, {10: 60}),
        ([THOUGHT, THOUGHT, said("assistant", 9, 30)], USAGE, {}, {11: 60}),
        ([THOUGHT, said("assistant", 9, 100)], USAGE, {}, {10: 0}),
        ([THOUGHT, *other(1)], USAGE, {}, {}),
        (
            [THOUGHT, *other(1)],
            USAGE,
            {"call": CallContext(model="m", reasoning_context="all_turns")},
            {10: 90},
        ),
        ([said("assistant", 9, 30)], USAGE, {}, {2: 5}),
        ([THOUGHT], None, {}, {2: 5}),
        ([THOUGHT], replace(USAGE, is_context=False), {}, {2: 5}),
        (
            [THOUGHT, {"type": "function_call_output", "call_id": "c", "output": words(80)}],
            USAGE,
            {},
            {10: 90},
        ),
    ],
)
def test_reasoning_that_only_the_provider_has_costs_what_cannot_be_seen_of_an_answer(
    new, usage, options, hidden
):
    known = history(usage=usage, hidden={2: 5} if hidden == {2: 5} else {})
    items = [*TEN, *new]
    memory = look(items, known, **options)
    left = memory.remembered(counted=1, expected=1)
    assert left.hidden == hidden
    plain = Words().count_items(items, CALL)
    assert left.tokens == [n + hidden.get(place, 0) for place, n in enumerate(plain)]


def test_of_an_edited_history_no_reasoning_is_known():
    known = history(usage=USAGE, hidden={2: 5})
    assert look([*TEN[:-1], THOUGHT], known).remembered(counted=1, expected=1).hidden == {}


# Which compaction is in force.


def test_the_one_that_is_known_is_taken_without_looking_for_it_again():
    made, asked = record(TEN, 4), []
    ledger = Ledger()
    ledger.add(made)

    def fits(checkpoint):
        asked.append(checkpoint)
        return True

    first = Recollection(TEN, None)
    assert first.checkpoint(ledger, fits) == made
    known = history(checkpoint=made, generation=ledger.generation)
    assert Recollection([*TEN, *other(2)], known).checkpoint(ledger, fits) == made
    assert asked == [made]
    # Whoever cannot read it looks for another one, and so does who has edited the history.
    assert Recollection(TEN, known).checkpoint(ledger, fits, lambda _: False) == made
    assert Recollection(TEN[:-1], known).checkpoint(ledger, fits) == made
    assert Recollection([*TEN, COMPACTION], known).checkpoint(ledger, lambda _: False) is None
    assert asked == [made] * 3


def test_one_that_covers_more_is_found_when_the_history_has_come_that_far():
    items = [*TEN, *other(4)]
    made, longer = record(TEN, 4), record(items, 12)
    ledger = Ledger()
    ledger.add(made)
    ledger.add(longer)
    known = history(checkpoint=made, generation=ledger.generation)
    assert Recollection(items[:11], known).checkpoint(ledger, lambda _: True) == made
    assert Recollection(items, known).checkpoint(ledger, lambda _: True) == longer
    assert (
        Recollection(items, replace(known, checkpoint=None)).checkpoint(ledger, lambda _: True)
        == longer
    )


def test_one_that_did_not_fit_may_fit_later():
    made, longer = record(TEN, 4), record(TEN, 8)
    ledger = Ledger()
    ledger.add(made)
    ledger.add(longer)
    first = Recollection(TEN, None)
    assert first.checkpoint(ledger, lambda found: found.covered < 8) == made
    left = first.remembered(counted=1, expected=1)
    assert (left.checkpoint, left.unfit, left.generation) == (made, True, 2)
    second = Recollection([*TEN, *other(1)], left)
    assert second.checkpoint(ledger, lambda _: True) == longer
    assert not second.remembered(counted=1, expected=1).unfit
    settled = replace(left, unfit=False)
    assert Recollection(TEN, settled).checkpoint(ledger, lambda _: True) == made


def test_a_new_compaction_of_another_thread_is_found():
    made, longer = record(TEN, 4), record(TEN, 8)
    ledger = Ledger()
    ledger.add(made)
    known = history(checkpoint=made, generation=ledger.generation)
    ledger.add(longer)
    assert Recollection(TEN, known).checkpoint(ledger, lambda _: True) == longer


# What is left to the next call.


def test_a_call_that_goes_on_leaves_what_it_knew_and_one_call_more():
    known = history(calls=2, short_lived=1, usage=USAGE)
    items = [*TEN, *other(1)]
    left = look(items, known).remembered(counted=7, expected=8)
    assert left == History(
        items=items,
        keys=prefix_keys(items),
        instructions=[],
        sizes=list(accumulate(map(size_of, items))),
        tokens=[50] * 11,
        call=CALL,
        estimator="words",
        fixed=FIXED,
        generation=0,
        calls=3,
        short_lived=1,
        counted=7,
        expected=8,
    )
    assert left.items[0] is known.items[0]
    assert left.items[-1] is not items[-1]
    anew = look(other(3), known).remembered(counted=7, expected=8)
    assert (anew.calls, anew.short_lived) == (0, 0)


def test_a_compaction_begins_to_count_calls_anew():
    known = history(
        calls=1,
        short_lived=1,
        usage=USAGE,
        counted=500,
        checkpoint=record(TEN, 2),
        base=Truth(3, 4),
    )
    made = record(TEN, 8, tokens_after=44)
    memory = look(TEN, known)
    left = memory.compacted(made, counted=43)
    assert left == replace(
        memory.remembered(counted=43, expected=44),
        checkpoint=made,
        anchor=None,
        base=None,
        calls=0,
        short_lived=2,
        usage_before=USAGE,
    )


# How much is held.


def test_as_many_histories_are_held_as_have_so_many_items_together():
    held = Histories(limit=30)
    for name in "abc":
        held.put(name, history())
    assert all(held.get(name) for name in "abc")
    held.put("a", history(TEN[:4]))  # instead of its ten
    held.put("d", history(TEN[:6]))
    assert all(held.get(name) for name in "abcd")
    held.put("e", history(TEN[:1]))
    assert [name for name in "abcde" if held.get(name) is None] == ["b"]
    held.put("f", history(TEN[:9]))
    assert [name for name in "abcdef" if held.get(name) is None] == ["b"]
    held.put("g", history(TEN[:1]))
    assert [name for name in "abcdefg" if held.get(name) is None] == ["b", "c"]


def pictured(letter):
    return [{"role": "user", "content": [{"type": "input_image", "image_url": letter * 1_000_000}]}]


def test_histories_with_pictures_are_held_as_long_as_there_is_room_for_their_bytes():
    held = Histories(max_bytes=3_500_000)
    for name in "abc":
        held.put(name, look(pictured(name), None).remembered(counted=1, expected=1))
    assert all(held.get(name) for name in "abc")
    known = held.get("a")  # which goes on, and so was used last
    going_on = [*known.items, *pictured("x")]
    held.put("a", look(going_on, known).remembered(counted=1, expected=1))
    assert [name for name in "abc" if held.get(name) is None] == ["b"]
    assert 2_000_000 < held.get("a").size < 2_003_000
    assert held.get("a").sizes == list(accumulate(map(size_of, held.get("a").items)))
    held.put("a", look(pictured("a"), held.get("a")).remembered(counted=1, expected=1))
    held.put("d", look(pictured("d"), None).remembered(counted=1, expected=1))
    assert [name for name in "abcd" if held.get(name) is None] == ["b"]


def test_by_default_no_more_than_128_mib_of_pictures_are_held():
    held = Histories()
    item = pictured("x")[0]  # one text, so that the test itself takes none of it
    for number in range(200):
        held.put(str(number), history([item], sizes=[size_of(item)]))
    assert sum(held.get(str(number)) is not None for number in range(200)) == 134


def test_the_history_in_use_is_held_however_large_it_is():
    held = Histories(max_bytes=1_000)
    for name in "ab":
        held.put(name, look(pictured(name), None).remembered(counted=1, expected=1))
    assert (held.get("a"), held.get("b").size > 1_000_000) == (None, True)


def offering(letter):
    tool = {"type": "function", "name": "f", "description": letter * 100_000, "parameters": {}}
    return CallContext(model="m", tools=[tool], instructions=letter * 10_000)


def test_tools_that_are_built_anew_for_each_conversation_are_held_once():
    held = Histories(max_bytes=200_000)
    for number in range(50):
        held.put(str(number), history(TEN[:1], call=offering("x")))
    assert all(held.get(str(number)) for number in range(50))
    calls = [held.get(str(number)).call for number in range(50)]
    assert calls[0] == offering("x")
    assert len({id(call.tools) for call in calls}) == len({id(call.instructions) for call in calls})
    assert len({id(call.tools) for call in calls}) == 1


def test_tools_that_differ_count_and_what_nobody_has_any_more_is_forgotten():
    held = Histories(max_bytes=250_000)
    for name in "abc":
        held.put(name, history(TEN[:1], call=offering(name)))
    assert [name for name in "abc" if held.get(name)] == ["b", "c"]
    known = held.get("b")
    for _ in range(5):  # the same call over and over
        held.put("b", replace(known, usage=USAGE))
    held.put("c", history(TEN[:1], call=offering("b")))
    held.put("d", history(TEN[:1], call=offering("d")))
    assert [name for name in "bcd" if held.get(name)] == ["b", "c", "d"]


def test_a_call_with_the_same_tools_is_held_as_the_one_before():
    known = history(call=offering("x"))
    memory = look([*TEN, *other(1)], known, call=offering("x"))
    assert memory.remembered(counted=1, expected=1).call is known.call


def test_tools_that_are_no_data_are_neither_shared_nor_an_error():
    tool = {"type": "function", "name": "f"}
    tool["parameters"] = tool
    held = Histories()
    held.put("s", history(call=CallContext(tools=[tool])))
    assert held.get("s").call.tools[0] is tool


def test_what_is_let_go_of_weighs_nothing():
    parts = SharedParts()
    (_, first), (_, second) = parts.take(offering("a")), parts.take(offering("a"))
    assert 110_000 < parts.size < 112_000
    parts.drop(first)
    assert parts.size > 110_000
    parts.drop(second)
    assert parts.size == 0


def test_a_copy_shares_nothing_that_can_be_changed():
    item = UserDict(content=[{"text": "x"}, "y"], meta={"n": 1})
    (copy,) = copied([item])
    assert (copy, type(copy)) == ({"content": [{"text": "x"}, "y"], "meta": {"n": 1}}, dict)
    item["content"][0]["text"] = item["meta"]["n"] = "changed"
    assert copy == {"content": [{"text": "x"}, "y"], "meta": {"n": 1}}
