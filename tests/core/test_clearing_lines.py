"""Which outputs of tools give way, to which line, word for word and to the token."""

import json
from dataclasses import replace

import pytest

from compact_otel.core import clearing
from compact_otel.core.clearing import shortened, why, without_stale, without_superseded
from compact_otel.core.facts import Facts
from compact_otel.core.types import Cleared
from tests.flows import Words, called, measured, said, words

AGAIN = "the same call was made again later"
SAME = "a later output says the same"
OLD = "it is older than the latest calls; what it said in short"
LARGE = "it is too large to stay; what it said in short"


def line(reason, tokens=200, made="read({})"):
    return f"[The output of {made}, {tokens} tokens, was removed to save space: {reason}.]"


def history(*texts, **call):
    """Return a question and calls of one tool with these outputs, at 2, 4, 6 and so on."""
    calls = [called(f"c{n}", text, **call) for n, text in enumerate(texts)]
    return [said("user", 0, 10), *(item for pair in calls for item in pair)]


def cleared(state):
    return {entry.index: entry.text for entry in state.view.cleared}


def superseded(*texts, **call):
    return cleared(without_superseded(measured(history(*texts, **call), 5000)))


FILLED = words(197)
"""With three words more an output of 200 tokens."""


@pytest.mark.parametrize(
    ("earlier", "later", "reason"),
    [
        (f"a b c {FILLED}", f"a b c {FILLED} d", AGAIN),
        # Of five different words three came back, which is enough; two of them are too few.
        (f"a b c d {FILLED}", f"a b x y {FILLED}", AGAIN),
        (f"a b c d {FILLED}", f"a x y z {FILLED}", None),
        (f"a b c {FILLED}", f"a b c {FILLED}", SAME),
        # Lines are held against lines where there are four of them.
        (f"a\nb\n\n c \n{FILLED}", f"c\nb\na\n{FILLED} d", AGAIN),
        (f"a\nb\nc\n{FILLED}", f"c\nx\ny\n{FILLED}", None),
        (f"a\nb\n{FILLED}", f"b\n{FILLED} a", AGAIN),
        # Values are held against values of the same key, however deep, in any order.
        (
            json.dumps({"a": 1, "b": [2, {"c": FILLED}]}),
            json.dumps({"b": [{"c": FILLED}, 2], "a": 9}),
            AGAIN,
        ),
        (json.dumps({"a": 1, "b": FILLED}), json.dumps({"b": 1, "a": FILLED}), None),
        (json.dumps([1, 2, 3, FILLED]), json.dumps([FILLED, 3, 2]), AGAIN),
        (json.dumps(f"a b c {FILLED}"), json.dumps(f"a b c d {FILLED}"), AGAIN),
    ],
)
def test_an_output_gives_way_if_most_of_it_came_again(earlier, later, reason):
    found = without_superseded(measured(history(earlier, later), 5000)).view.cleared
    gone = line(reason, len(earlier.split()))
    size = len(gone.split())
    assert found == ((Cleared(2, gone, size, superseded=True),) if reason else ())


def test_it_gives_way_to_the_latest_of_all_calls_like_it():
    texts = [f"a{n} of the same file {FILLED}" for n in range(4)]
    assert superseded(*texts) == {n: line(AGAIN, 202) for n in (2, 4, 6)}
    assert superseded(*texts[:3], f"something else {FILLED}", name="read") == {}


def test_another_tool_or_other_arguments_are_another_call():
    text = f"a b c {FILLED}"
    for other in ({"name": "look"}, {"arguments": '{"path": 1}'}):
        items = [*history(text), *history(f"{text} d", **other)[1:]]
        items[-1]["call_id"] = items[-2]["call_id"] = "other"
        assert cleared(without_superseded(measured(items, 5000))) == {}
        items[-1]["output"] = text
        assert cleared(without_superseded(measured(items, 5000))) == {2: line(SAME)}


@pytest.mark.parametrize(("size", "found"), [(119, {}), (120, {2: line(AGAIN, 120)})])
def test_a_small_output_is_not_worth_its_line(size, found):
    text = f"a b c {words(size - 3)}"
    assert superseded(text, f"{text} d") == found


def test_a_line_that_is_no_shorter_than_the_output_saves_nothing():
    class Dear(Words):
        def count_items(self, items, call):
            lines = [str(item.get("output", "")).startswith("[The output") for item in items]
            counts = super().count_items(items, call)
            return [200 if is_line else n for is_line, n in zip(lines, counts, strict=True)]

    items = history(f"a b c {FILLED}", f"a b c {FILLED} d")
    assert cleared(without_superseded(measured(items, 5000, estimator=Dear()))) == {}
    longer = history(f"a b c d {FILLED}", f"a b c {FILLED} d e")
    assert set(cleared(without_superseded(measured(longer, 5000, estimator=Dear())))) == {2}


@pytest.mark.parametrize(
    ("keep", "places"), [(1, {2, 4, 6}), (2, {2, 4}), (3, {2}), (4, set()), (9, set())]
)
def test_the_latest_calls_keep_their_outputs(keep, places):
    items = history(*(f"a{n} of the same file {FILLED}" for n in range(4)))
    assert (
        set(cleared(without_superseded(measured(items, 5000, keep_tool_io_pairs=keep)))) == places
    )
    everything = without_stale(
        measured(items, 5000, keep_tool_io_pairs=keep, clear_tool_outputs="stale"), 0
    )
    assert set(cleared(everything)) == places


@pytest.mark.parametrize("place", [1, 2])
def test_a_protected_call_keeps_its_output_and_so_does_a_protected_output(place):
    items = history(f"a b c {FILLED}", f"a b c {FILLED} d")
    items[place]["protected"] = True
    for state in (measured(items, 5000), measured(items, 5000, clear_tool_outputs="stale")):
        assert without_superseded(state) is state
        assert shortened(state, 250).view.cleared == ()


def test_what_was_cleared_before_stays_as_it_was():
    state = measured(history(*(f"a{n} of the same file {FILLED}" for n in range(3))), 5000)
    before = Cleared(2, "[gone]", 1, superseded=True)
    known = state.seen_as(replace(state.view, cleared=(before,)))
    after = without_superseded(known)
    assert after.view.cleared[0] == before
    assert cleared(after) == {2: "[gone]", 4: line(AGAIN, 202)}
    assert without_superseded(after) is after
    assert cleared(shortened(known, 200)).keys() == {2, 4, 6}


@pytest.mark.parametrize("how", ["superseded", "stale"])
def test_where_nothing_came_again_the_call_is_the_same(how):
    state = measured(history(*(f"a{n} b{n} c{n} {FILLED}" for n in range(3))), 5000)
    assert without_superseded(state) is not None
    off = measured(history(f"a b c {FILLED}", f"a b c {FILLED}"), clear_tool_outputs="off")
    assert without_superseded(off) is off
    assert without_stale(off, 0) is off
    only = measured(history(f"a b c {FILLED}", f"a b c {FILLED}"), clear_tool_outputs="superseded")
    assert without_stale(only, 0) is only


# What a line says.


@pytest.mark.parametrize(
    ("call", "made"),
    [
        ({"arguments": '{"path":\n  "a.py"}'}, 'read({"path": "a.py"})'),
        ({"arguments": "x" * 120}, f"read({'x' * 120})"),
        ({"arguments": "x" * 121}, f"read({'x' * 120}...)"),
        ({"arguments": {"path": 1}}, "read()"),
        ({"name": ""}, "a tool({})"),
        ({"name": "look", "arguments": ""}, "look()"),
    ],
)
def test_a_line_names_the_call_with_its_arguments_in_short(call, made):
    text = f"a b c {FILLED}"
    assert superseded(text, text, **call) == {2: line(SAME, made=made)}


def chat(ident, text, **made):
    calls = [
        {"id": "another", "type": "function", "function": {"name": "no"}},
        {"id": ident, **made},
    ]
    answer = {"role": "tool", "tool_call_id": ident, "content": text}
    return [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "another", "content": "x"},
        answer,
    ]


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ({"type": "function", "function": {"name": "read", "arguments": "[1]"}}, "read([1])"),
        ({"type": "custom", "custom": {"name": "grep", "input": "to do"}}, "grep(to do)"),
        ({"type": "function", "name": "bare"}, "bare()"),
        ({"type": "function"}, "a tool()"),
        ({"type": "function", "function": {"name": "read", "arguments": {}}}, "read()"),
    ],
)
def test_a_call_of_chat_completions_is_named_by_the_one_that_was_answered(made, named):
    text = f"a b c {FILLED}"
    items = [said("user", 0, 10), *chat("c1", text, **made), *chat("c2", text, **made)]
    state = without_superseded(measured(items, 5000))
    assert cleared(state) == {3: line(SAME, made=named)}


def test_a_call_whose_id_is_no_text_has_no_name():
    text = f"a b c {FILLED}"
    items = [said("user", 0, 10), *chat("1", text), *chat("2", text)]
    for number, at in ((1, 1), (2, 4)):
        items[at]["tool_calls"][1]["id"] = number
    assert cleared(without_superseded(measured(items, 5000))) == {3: line(SAME, made="a tool()")}


def test_a_custom_call_is_named_by_its_input():
    text = f"a b c {FILLED}"
    items = [
        {"type": f"custom_tool_call{more}", "call_id": ident, **rest}
        for ident in ("c1", "c2")
        for more, rest in (("", {"name": "grep", "input": "x"}), ("_output", {"output": text}))
    ]
    state = without_superseded(measured([said("user", 0, 10), *items], 5000))
    assert cleared(state) == {2: line(SAME, made="grep(x)")}


# Old outputs go one by one, the oldest first.

OWNED = [f"owner: OWN-{n}77-X\n{words(198)}" for n in range(5)]


@pytest.mark.parametrize(
    ("saved", "places"),
    [
        (-1, set()),
        (0, set()),
        (1, {2}),
        (173, {2}),
        (174, {2, 4}),
        (346, {2, 4}),
        (900, {2, 4, 6, 8}),
    ],
)
def test_as_many_old_outputs_go_as_it_takes(saved, places):
    state = measured(history(*OWNED), 5000, clear_tool_outputs="stale")
    lean = without_stale(state, state.total - saved)
    assert set(cleared(lean)) == places
    assert state.total - lean.total == 173 * len(places)
    assert all(not entry.superseded for entry in lean.view.cleared)
    for n, text in enumerate(cleared(lean).values()):
        assert text == f"{line(OLD)}\n- read(): owner: OWN-{n}77-X"


def test_what_is_cleared_already_does_not_count_as_saved():
    state = measured(history(*OWNED), 5000, clear_tool_outputs="stale")
    first = without_stale(state, state.total - 1)
    second = without_stale(first, first.total - 1)
    assert set(cleared(second)) == {2, 4}


def test_an_output_that_is_too_small_saves_nothing():
    state = measured(history(words(119), *OWNED), 5000, clear_tool_outputs="stale")
    assert set(cleared(without_stale(state, state.total - 1))) == {4}


def rows(count):
    return "\n".join(f"invoice INV-{n:05d}-Q is over {n * 3}.50 euro" for n in range(count))


@pytest.fixture
def asked(monkeypatch):
    """Return the requests for facts."""
    requests = []

    class Asked(Facts):
        def __init__(self, request):
            requests.append(request)
            super().__init__(request)

    monkeypatch.setattr(clearing, "Facts", Asked)
    return requests


@pytest.mark.parametrize(
    ("count", "tokens", "most"), [(30, 180, 27), (100, 600, 90), (400, 2400, 200)]
)
def test_an_old_output_keeps_facts_for_a_share_of_its_tokens(count, tokens, most, asked):
    items = history(rows(count), "latest")
    state = measured(items, 9000, clear_tool_outputs="stale")
    (entry,) = without_stale(state, 0).view.cleared
    head, _, facts = entry.text.partition("\n")
    assert head == line(OLD, tokens)
    assert facts.startswith("- read():\n    invoice INV-00000-Q is over 0.50 euro\n")
    assert entry.tokens == len(entry.text.split())
    (request,) = asked
    assert (request.items, request.strategy) == (items[1:3], "brief")
    assert request.max_tokens == most >= request.count_text(facts) == len(facts.split())


@pytest.mark.parametrize("most", [60, 150])
def test_what_is_too_large_to_stay_keeps_as_many_facts_as_it_is_told(most, asked):
    state = measured(history(rows(30), "latest"), 9000)
    (entry,) = shortened(state, most).view.cleared
    assert (entry.index, entry.text.partition("\n")[0]) == (2, line(LARGE, 180))
    assert not entry.superseded
    (request,) = asked
    assert request.max_tokens == most


def test_only_what_has_more_tokens_than_that_is_too_large():
    state = measured(history(rows(30), rows(31)), 9000, clear_tool_outputs="off")
    assert set(cleared(shortened(state, 100))) == {2, 4}
    assert shortened(state, 186) is state


# Why.


@pytest.mark.parametrize(
    ("text", "again", "reason"),
    [
        (line(AGAIN), True, "called again"),
        (line(SAME), True, "said again"),
        (f"{line(OLD)}\n- a fact", False, "old"),
        (f"{line(LARGE)}\n- a fact", False, "large"),
        ("[an older form]", True, "said again"),
        (f"[an older form]\n{line(LARGE)}", False, "old"),
    ],
)
def test_a_line_says_why(text, again, reason):
    assert why(Cleared(2, text, 9, superseded=again)) == reason


def test_the_estimate_of_a_factor_holds_for_what_is_saved():
    plain = measured(history(*OWNED), 5000, clear_tool_outputs="stale")
    scaled = measured(history(*OWNED), 5000, clear_tool_outputs="stale", factor=2.0)
    assert scaled.total == 2 * plain.total
    assert set(cleared(without_stale(scaled, scaled.total - 346))) == {2}
    assert set(cleared(without_stale(scaled, scaled.total - 347))) == {2, 4}


def test_the_line_tells_where_to_look_it_up_if_there_is_a_way():
    items = history(f"a b c {FILLED}", f"a b c {FILLED}")
    (plain,) = without_superseded(measured(items, 5000)).view.cleared
    (told,) = without_superseded(measured(items, 5000, recall=True)).view.cleared
    assert told.text == plain.text
    assert told.tokens == plain.tokens + 13
