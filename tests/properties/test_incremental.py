"""What is taken over from the call before is what a fresh look would have given."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from compact_otel.core.assemble import whole
from compact_otel.core.history import Histories, History, Recollection
from compact_otel.core.items import as_mapping
from compact_otel.core.ledger import Ledger, prefix_keys
from compact_otel.core.measure import Scale
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import CallContext, FixedTokens, Window
from compact_otel.estimators.tiktoken import TiktokenEstimator
from tests.histories import histories, reasoning, talk

ESTIMATOR = TiktokenEstimator()
CALL = CallContext(model="gpt-5")
encrypted = st.integers(0, 9000).map(lambda n: {**reasoning(), "encrypted_content": "x" * n})
compactions = st.integers(0, 4000).map(
    lambda n: {"type": "compaction", "id": "cmp", "encrypted_content": "x" * n}
)
mixed = st.lists(
    st.one_of(histories(), st.lists(encrypted, max_size=2), st.lists(compactions, max_size=1)),
    max_size=5,
).map(lambda parts: [as_mapping(item) for part in parts for item in part])


def scale(call=CALL, estimator=ESTIMATOR):
    return Scale(estimator=estimator, call=call, policy=CompactPolicy(), window=Window(size=10_000))


def looked_at(items, known=None, ruler=None, ledger=None):
    memory = Recollection(items, known)
    memory.checkpoint(ledger or Ledger(), lambda checkpoint: True)
    memory.count(ruler or scale())
    return memory.remembered(counted=0, expected=0)


def same(left, right):
    names = ("items", "keys", "instructions", "tokens", "fixed")
    return all(getattr(left, name) == getattr(right, name) for name in names)


@given(history=mixed, cuts=st.lists(st.floats(0, 1), max_size=4))
def test_a_growing_history_costs_the_same_as_one_counted_afresh(history, cuts):
    known = None
    for cut in [*sorted(cuts), 1.0]:
        items = copy.deepcopy(history[: round(cut * len(history))])
        known = looked_at(items, known)
        assert same(known, looked_at(items))


@given(history=mixed, other=mixed, cut=st.floats(0, 1))
def test_a_history_that_changed_its_course_is_counted_afresh_from_there(history, other, cut):
    known = looked_at(history)
    changed = [*history[: round(cut * len(history))], *other]
    assert same(looked_at(changed, known), looked_at(changed))


def test_an_item_changed_in_place_is_noticed():
    items = talk(5)
    known = looked_at(items)
    items[2]["content"] = "something else entirely, and longer than it was before"
    assert same(looked_at(items, known), looked_at(items))
    assert known.keys != looked_at(items, known).keys


def test_another_model_is_another_count():
    items = talk(5)
    known = looked_at(items)
    old = scale(CallContext(model="gpt-4o"))
    assert looked_at(items, known, old).tokens == looked_at(items, None, old).tokens


def test_other_tools_are_counted_anew():
    known = looked_at(talk(2))
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {}}
    ruler = scale(CallContext(model="gpt-5", tools=[tool]))
    assert looked_at(talk(2), known, ruler).fixed == ESTIMATOR.count_fixed(ruler.call)


class Counting:
    """Remembers how many items it was asked for."""

    def __init__(self, *, incremental):
        self.incremental = incremental
        self.asked = []

    def count_items(self, items, call):
        self.asked.append(len(items))
        return [1] * len(items)

    def count_fixed(self, call):
        return FixedTokens()


def test_only_an_estimator_that_promises_it_is_asked_for_what_is_new_alone():
    question, answer = talk(1)
    for incremental, asked in ((True, [40, 1, 4]), (False, [40, 41, 42])):
        estimator = Counting(incremental=incremental)
        ruler = scale(estimator=estimator)
        known = looked_at(talk(20), None, ruler)
        known = looked_at([*talk(20), answer], known, ruler)
        # A new question settles what came since the last one, so that is counted once more.
        looked_at([*talk(20), answer, question], known, ruler)
        assert estimator.asked == asked


def test_the_memory_of_histories_is_bounded_by_their_items():
    memory = Histories(limit=100)
    for number in range(50):
        items = talk(5)
        memory.put(f"s{number}", History(items=items, keys=prefix_keys(items), instructions=[]))
    assert memory.get("s0") is None
    assert memory.get("s49") is not None
    held = [number for number in range(50) if memory.get(f"s{number}") is not None]
    assert sum(len(memory.get(f"s{number}").items) for number in held) <= 100


def test_a_history_larger_than_the_bound_is_not_held_and_not_an_error():
    memory = Histories(limit=3)
    items = talk(5)
    memory.put("s", History(items=items, keys=prefix_keys(items), instructions=[]))
    assert memory.get("s") is None
    assert tuple(whole(items).kept) == tuple(range(10))
