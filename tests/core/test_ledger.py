from collections import OrderedDict
from dataclasses import replace

import pytest

from compact_otel.core.ledger import Ledger, digest, prefix_keys
from compact_otel.core.types import Checkpoint, Cleared, Opaque
from tests.histories import answer, assistant, call, talk, user


def checkpoint(key, covered=1):
    return Checkpoint(
        key=key,
        covered=covered,
        kept=(),
        summary="s",
        version=1,
        summary_id="i",
        strategy="brief",
        tokens_before=2,
        tokens_after=1,
    )


def always(_):
    return True


SAME = {
    "a type that is implied": ({"type": "message", **user()}, user()),
    "an id": (call(id="fc1"), call()),
    "a status": ({**call(), "status": "completed"}, call()),
    "who made it": ({**call(), "created_by": "x", "provider_data": {"a": 1}}, call()),
    "what the SDK strips": ({**call(), "_agents_tool_title": "x"}, call()),
    "None": ({**call(), "namespace": None}, call()),
    "key order": (dict(reversed(call().items())), call()),
    "string or part": (answer("hello"), assistant("hello")),
    "meta": ({**user(), "meta": {"seen": 1}}, user()),
}
DIFFERENT = {
    "content": (user("a"), user("b")),
    "role": (user("a"), assistant("a")),
    "call id": (call("a"), call("b")),
    "kind of call": (call("a"), call("a", "shell_call")),
    "two parts": (
        assistant([{"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}]),
        assistant("a"),
    ),
    "user part": (user([{"type": "input_text", "text": "a"}]), user("a")),
    "reference": ({"type": "item_reference", "id": "a"}, {"type": "item_reference", "id": "b"}),
    "reference without type": ({"id": "a"}, {"id": "b"}),
    "surrogates": (user("\ud800"), user("\ud801")),
    "number or text": (user("1"), user(1)),
}


@pytest.mark.parametrize("case", SAME)
def test_an_item_is_the_same_item_whatever_the_sdk_changed(case):
    left, right = SAME[case]
    assert digest(left) == digest(right)


@pytest.mark.parametrize("case", DIFFERENT)
def test_other_content_is_another_item(case):
    left, right = DIFFERENT[case]
    assert digest(left) != digest(right)


def test_any_value_can_be_digested():
    assert len(digest({"role": "user", "content": {1, 2}, 3: b"x", ("a",): object})) == 32


def test_a_key_speaks_of_everything_before_it():
    items = talk(3)
    keys = prefix_keys(items)
    assert len(set(keys)) == len(items)
    assert prefix_keys(items[:2]) == keys[:2]
    assert prefix_keys([items[1], items[0], *items[2:]])[-1] != keys[-1]
    assert prefix_keys([]) == []


def test_the_longest_known_beginning_that_fits_is_found():
    ledger, keys = Ledger(), prefix_keys(talk(3))
    short, long = checkpoint(keys[1], 2), checkpoint(keys[3], 4)
    ledger.add(short)
    ledger.add(long)
    assert ledger.find(keys, always) is long
    assert ledger.find(keys[:3], always) is short
    assert ledger.find(keys[:1], always) is None
    assert ledger.find(keys, lambda found: found is not long) is short
    assert ledger.find([], always) is None


def test_a_record_under_the_key_of_another_length_is_not_taken():
    ledger, keys = Ledger(), prefix_keys(talk(3))
    ledger.add(checkpoint(keys[3], 2))
    assert ledger.find(keys, always) is None


def test_a_record_with_the_same_key_is_replaced():
    ledger, keys = Ledger(), prefix_keys(talk(1))
    first = checkpoint(keys[0])
    ledger.add(first)
    ledger.add(replace(first, summary="newer"))
    assert len(ledger) == 1
    assert ledger.find(keys, always).summary == "newer"


def test_the_least_recently_used_goes_first():
    ledger = Ledger(limit=2)
    ledger.add(checkpoint("a"))
    ledger.add(checkpoint("b"))
    assert ledger.find(["a"], always) is not None
    ledger.add(checkpoint("c"))
    assert ledger.find(["b"], always) is None
    assert ledger.find(["a"], always) is not None
    assert len(ledger) == 2


def test_large_records_go_before_there_are_many():
    sealed = {"type": "compaction", "encrypted_content": "x" * 1_000_000}
    large = replace(checkpoint("a"), opaque=Opaque(items=(sealed,), tokens=9, reader="m"))
    ledger = Ledger(max_bytes=2_500_000)
    ledger.add(large)
    ledger.add(large)  # again, which is no more
    ledger.add(replace(large, key="b"))
    assert len(ledger) == 2
    ledger.add(replace(checkpoint("c"), summary="s" * 1_000_000))
    assert [key for key in "abc" if ledger.find([key], always)] == ["b", "c"]
    lines = (Cleared(0, "x" * 9_000_000, 1, superseded=False),)
    ledger.add(replace(checkpoint("d"), cleared=lines))
    assert [key for key in "abcd" if ledger.find([key], always)] == ["d"]  # larger than all
    ledger.add(checkpoint("e"))
    ledger.add(checkpoint("f"))
    assert [key for key in "def" if ledger.find([key], always)] == ["e", "f"]


def test_a_record_that_another_thread_drops_meanwhile_is_still_answered():
    class Racing(OrderedDict):
        def get(self, key, default=None):
            return self.pop(key, default)

    ledger = Ledger()
    ledger._checkpoints = Racing(a=checkpoint("a"))
    assert ledger.find(["a"], always).key == "a"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"id": "a", "x": 1}, {"id": "b", "x": 1}),
        ({"type": "message", "content": "x", "role": "user"}, {"content": "x", "role": "user"}),
        ({"content": [{"type": "output_text", "text": "x"}]}, {"content": "x"}),
        ({"x": {"a": 1, "b": 2}}, {"x": {"b": 2, "a": 1}}),
    ],
)
def test_what_says_nothing_of_an_item_is_left_out(left, right):
    assert digest(left) == digest(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (
            {"type": "item_reference", "id": "a", "x": 1},
            {"type": "item_reference", "id": "b", "x": 1},
        ),
        ({"type": "call"}, {"type": "other"}),
        ({"content": [{"type": "input_text", "text": "x"}]}, {"content": "x"}),
        ({"content": [{"type": "output_text", "text": "x"}, {}]}, {"content": "x"}),
        ({"output": [{"type": "output_text", "text": "x"}]}, {"output": "x"}),
        ({"content": []}, {"content": "x"}),
    ],
)
def test_what_says_something_of_an_item_is_not(left, right):
    assert digest(left) != digest(right)


def test_a_chain_goes_on_from_where_it_is_known():
    items = talk(3)
    keys = prefix_keys(items)
    assert (len(keys), len(set(keys)), {len(key) for key in keys}) == (6, 6, {64})
    assert prefix_keys(items, keys[:2]) == keys
    assert prefix_keys(items, keys) == keys
    assert prefix_keys(items[1:])[0] != keys[0]
    assert prefix_keys([]) == []
    changed = [*items[:-1], user("other")]
    assert prefix_keys(changed, keys[:5])[:5] == keys[:5]


def test_a_ledger_says_what_it_holds():
    ledger = Ledger(limit=2)
    one, two, three = checkpoint("1"), checkpoint("2", 2), checkpoint("3", 3)
    for record in (one, two):
        ledger.add(record)
    assert (len(ledger), ledger.generation) == (2, 2)
    assert ledger.has(one)
    assert not ledger.has(replace(one, summary="other"))
    keys = ["1", "2", "3"]
    assert ledger.find(keys, always) == two
    assert ledger.find(keys, always, beyond=1) == two
    assert ledger.find(keys, always, beyond=2) is None
    assert ledger.find(keys[:1], always) == one  # and so it was used last
    ledger.add(three)
    assert (ledger.has(one), ledger.has(two), ledger.has(three)) == (True, False, True)
    assert ledger.generation == 3
