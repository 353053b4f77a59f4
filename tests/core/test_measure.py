"""How large a call is, part by part, in the estimator's tokens and in the provider's."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from compact_otel.core import events
from compact_otel.core.assemble import View, cleared_item, replay, whole
from compact_otel.core.calibration import (
    Heard,
    Truth,
    applied,
    factor,
    has_grown,
    is_believable,
    learned,
    refused,
)
from compact_otel.core.measure import Measured, name_of
from compact_otel.core.types import Checkpoint, Cleared, FixedTokens, Opaque, Window
from tests.flows import FRAME, Words, called, measured, said, turns

TEN = turns(5)
SEALED = Opaque(
    items=({"type": "message", "content": "x"}, {"type": "compaction", "encrypted_content": "y"}),
    tokens=30,
    reader="r",
)
LINE = Cleared(4, "[gone]", 6, superseded=True)


class Says(Words):
    """Counts as it is told to."""

    def __init__(self, counts=(), fixed=None):
        self.counts, self.fixed = counts, fixed

    def count_items(self, items, call):
        return self.counts

    def count_fixed(self, call):
        return self.fixed


def scale_of(estimator):
    return replace(measured([]).scale, estimator=estimator)


def endless():
    while True:
        yield 1


@pytest.mark.parametrize(
    ("counts", "error", "message"),
    [
        ([1], TypeError, "the estimator gave 1 counts or more for 2"),
        ([1, 2, 3], TypeError, "the estimator gave 3 counts or more for 2"),
        (endless(), TypeError, "the estimator gave 3 counts or more for 2"),
        ([1, 2.0], TypeError, "'float' object cannot be interpreted as an integer"),
        ([1, -1], ValueError, "nothing has -1 tokens"),
        ([1, 10**12 + 1], ValueError, "nothing has 1000000000001 tokens"),
    ],
)
def test_an_estimator_gives_one_whole_number_for_each_item(counts, error, message):
    with pytest.raises(error, match=message):
        scale_of(Says(counts)).items(TEN[:2])


def test_what_an_estimator_gives_is_taken_as_it_is():
    assert scale_of(Says([0, 10**12])).items(TEN[:2]) == [0, 10**12]
    fixed = SimpleNamespace(instructions=1, tools_schema=2, framing=4)
    assert scale_of(Says(fixed=fixed)).fixed() == FixedTokens(1, 2, 4)
    for name in ("instructions", "tools_schema", "framing"):
        with pytest.raises(ValueError, match="nothing has -1 tokens"):
            scale_of(Says(fixed=SimpleNamespace(**{**vars(fixed), name: -1}))).fixed()


@pytest.mark.parametrize(
    ("view", "tokens", "length"),
    [
        ({"kept": range(10)}, 509, 10),
        ({"kept": (0, 8, 9)}, 159, 3),
        ({"kept": (8, 9), "summary": "a b c", "version": 1}, 109 + FRAME + 3, 3),
        ({"kept": (8, 9), "summary": "", "version": 1, "opaque": SEALED}, 139 + FRAME, 5),
        ({"kept": range(10), "cleared": (LINE,)}, 509 - 50 + 6, 10),
    ],
)
def test_a_view_adds_up(view, tokens, length):
    for share in (1.0, 1.5):
        state = measured(TEN, factor=share).seen_as(View(**view))
        assert (state.counted, state.length) == (tokens, length)
        assert state.total == round(tokens * share)
        assert state.view == View(**view)


def test_the_provider_s_tokens_are_rather_too_many():
    state = measured(TEN, factor=1.5).seen_as(
        View(kept=(3, 4, 9), cleared=(LINE,), summary="a", version=1, opaque=SEALED)
    )
    assert [state.item_tokens[n] for n in (3, 4, 9)] == [75, 9, 75]
    assert state.item_tokens is state.item_tokens
    assert state.fixed == FixedTokens(instructions=6, tools_schema=5, framing=3)
    assert state.summary_tokens == 41  # of 27
    assert state.opaque_tokens == 45
    assert state.calibration == "ratio"
    plain = measured(TEN)
    assert plain.item_tokens is plain.counts
    assert (plain.fixed, plain.opaque_tokens) == (FixedTokens(4, 3, 2), 0)
    assert plain.scale.summary(1, "a b") == FRAME + 2
    lined = plain.seen_as(View(kept=range(10), cleared=(LINE,)))
    assert lined.item_tokens == [50, 50, 50, 50, 6, *[50] * 5]


SPOKEN = [said("system", 0, 20), *turns(2), said("developer", 1, 30), *turns(1)]


def test_an_estimate_says_what_the_tokens_are():
    heard = Heard(tokens=400, expected=380)
    assert measured(SPOKEN).estimate("before", heard) == events.TokenEstimate(
        phase="before",
        tokens_before=359,
        window=1000,
        utilization=0.359,
        window_source="config",
        estimator="words",
        system=24,
        developer=30,
        tools_schema=3,
        messages=359 - 57,
        previous=400,
        previous_error=-0.05,
    )
    scaled = measured(SPOKEN, factor=2.0).seen_as(View(kept=(5, 6, 7), summary="a", version=1))
    counted = 9 + 130 + FRAME + 1
    assert scaled.estimate("before") == events.TokenEstimate(
        phase="before",
        tokens_before=2 * counted,
        window=1000,
        utilization=2 * counted / 1000,
        window_source="config",
        estimator="words",
        system=8,
        developer=60,
        tools_schema=6,
        messages=2 * counted - 74,
        history=2 * 359,
        counted=counted,
        calibration="ratio",
    )
    after = scaled.estimate("after")
    assert (after.tokens_before, after.tokens_after) == (None, 2 * counted)
    assert after.history is None
    lined = measured(TEN).seen_as(View(kept=range(10), cleared=(LINE,)))
    assert lined.estimate("before").history == 509


def test_what_the_provider_counts_is_taken_for_the_whole_call():
    state = measured(TEN).known_to_have(600)
    assert (state.total, state.counted, state.calibration) == (600, 509, "exact")
    assert state.scale.factor == 600 / 509
    assert measured([]).seen_as(View(kept=())).known_to_have(18).scale.factor == 2.0
    for tokens in (254, 2001, -1):
        with pytest.raises(ValueError, match="tokens"):
            measured(TEN).known_to_have(tokens)
    with pytest.raises(ValueError, match="no call has as many tokens as the provider counted"):
        measured(TEN).known_to_have(2001)
    assert measured(TEN).known_to_have(255).total == 255


def test_an_anchor_corrects_the_count_of_what_it_speaks_of():
    plain = measured(TEN, factor=1.2)
    state = Measured.of(
        plain.scale,
        whole(TEN),
        items=TEN,
        counts=plain.counts,
        fixed=plain.counted_fixed,
        instructions=(),
        truth=Truth(tokens=500, counted=409),
    )
    assert (state.total, state.calibration) == (500 + 120, "anchor")


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (SimpleNamespace(name="mine"), "mine"),
        (SimpleNamespace(name=""), "SimpleNamespace"),
        (SimpleNamespace(name=7), "SimpleNamespace"),
        (object(), "object"),
    ],
)
def test_a_part_has_a_name(part, name):
    assert name_of(part) == name


# Calibration.


@pytest.mark.parametrize(
    ("tokens", "counted", "believable"),
    [
        (1, 0, True),
        (0, 0, False),
        (200, 0, True),
        (201, 0, False),
        (50, 100, True),
        (49, 100, False),
    ],
)
def test_what_a_provider_may_have_counted(tokens, counted, believable):
    assert is_believable(tokens, Window(size=100), counted) is believable


def test_the_arithmetic_of_a_ratio():
    assert [applied(ratio) for ratio in (0.94, 0.96, 1.04, 1.06)] == [0.94, 1.0, 1.0, 1.06]
    assert factor(0, Truth(9, 9), 1.3) == 1.3
    assert factor(100, Truth(80, 90), 1.5) == (80 + 15) / 100
    assert has_grown(Truth(0, 100), Truth(0, 300))
    assert not has_grown(Truth(0, 100), Truth(0, 299))
    assert learned(1.0, Truth(100, 100), Truth(400, 300)) == pytest.approx(0.7 + 0.3 * 1.5)
    assert learned(1.0, Truth(100, 100), Truth(9000, 300)) == pytest.approx(0.7 + 0.3 * 4)
    assert learned(0.5, Truth(100, 100), Truth(100, 300)) == 0.5
    assert refused(1.0, Truth(900, 199)) == 1.0
    assert refused(1.0, Truth(300, 200)) == 1.5
    assert refused(1.0, Truth(3000, 200)) == 4.0


# Views.

LINED = {"kept": range(10), "cleared": (LINE, Cleared(6, "[old]", 6, superseded=False))}


@pytest.mark.parametrize(
    ("now", "then", "same"),
    [
        ({"kept": range(10)}, {"kept": range(8)}, 8),
        ({"kept": (0, 1, 5)}, {"kept": range(10)}, 2),
        (LINED, {"kept": range(10)}, 4),
        (LINED, LINED, 10),
        (LINED, {**LINED, "cleared": LINED["cleared"][:1]}, 6),
        ({"kept": (0, 1, 5), "summary": "s", "version": 1}, {"kept": (0, 1, 5)}, 2),
        ({"kept": (0, 1, 5)}, {"kept": (0, 1, 5), "summary": "s", "version": 1}, 2),
        (
            {"kept": (0, 1, 5, 6), "summary": "s", "version": 1},
            {"kept": (0, 1, 5, 6), "summary": "s", "version": 1},
            4,
        ),
        (
            {"kept": (0, 1, 5), "summary": "s", "version": 2, "place": 5},
            {"kept": (0, 1, 5), "summary": "s", "version": 1, "place": 9},
            2,
        ),
        ({"kept": range(10), "opaque": SEALED}, {"kept": range(10)}, 0),
        ({"kept": range(10), "opaque": SEALED}, {"kept": range(10), "opaque": SEALED}, 10),
    ],
)
def test_how_much_of_a_call_is_as_it_was_in_the_one_before(now, then, same):
    assert View(**now).as_in(View(**then)) == same


@pytest.mark.parametrize("recall", [True, False])
def test_a_view_is_sent_with_its_summary_and_its_lines(recall):
    items = [
        said("user", 0, 2),
        *called("c", "found"),
        {"role": "tool", "content": "x"},
        said("user", 1),
    ]
    lines = (Cleared(2, "[gone]", 1, superseded=True), Cleared(3, "[old]", 1, superseded=False))
    view = View(kept=(1, 2, 3), cleared=lines, summary="s", version=4, place=2)
    call, framed, second, third = view.render(
        items, lambda content: {"content": content}, cleared_item, recall=recall
    )
    assert call is items[1]
    assert framed["content"].startswith("<COMPACT-SUMMARY v4>")
    note = "\n[Exact words, ids and outputs can be looked up with the tool recall_conversation.]"
    assert second == {**items[2], "output": f"[gone]{note if recall else ''}"}
    assert third == {**items[3], "content": f"[old]{note if recall else ''}"}
    assert ("recall_conversation" in framed["content"]) == recall


def test_a_record_is_replayed_over_the_history_as_it_is_now():
    record = Checkpoint(
        key="k",
        covered=5,
        kept=(0, 4),
        summary="s",
        version=3,
        summary_id="i",
        strategy="brief",
        tokens_before=9,
        tokens_after=4,
        place=4,
        cleared=(LINE,),
        opaque=SEALED,
    )
    assert replay(TEN[:7], record) == View(
        kept=(0, 4, 5, 6), summary="s", version=3, place=4, cleared=(LINE,), opaque=SEALED
    )
    assert replay(TEN[:5], replace(record, covered=4, kept=())).kept == (4,)
