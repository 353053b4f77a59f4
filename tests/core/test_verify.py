"""Each invariant is broken once, on purpose, and the break is found."""

from dataclasses import replace

import pytest

from compact_otel.core.assemble import View, summary_item, whole
from compact_otel.core.errors import VerificationError
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import Cleared, Opaque
from compact_otel.core.verify import verify
from tests.histories import (
    answer,
    approved,
    assistant,
    call,
    output,
    reasoning,
    summary,
    system,
    user,
)


def check(items, kept, *, text="s", before=None, **policy):
    after = View(kept=tuple(kept), summary=text, version=1)
    verify(items, before or whole(items), after, CompactPolicy(**policy))


BREAKS = {
    "out of order": ([user(), assistant(), user()], [2, 1]),
    "doubled": ([user(), assistant(), user()], [1, 1, 2]),
    "the item at 0 may not": ([system(), user(), user()], [2]),
    "the item at 2 may not": ([user(), assistant(), user()], [0, 1]),
    "the item at 1 may not": ([user(), {**assistant(), "protected": True}, user()], [2]),
    "at 0 may not be": ([user(), {"type": "compaction"}, user()], [1, 2]),
    "torn apart": ([call("a"), output("a"), user()], [1, 2]),
    "were torn": ([call("a"), output("a"), user()], [0, 2]),
    "the reasoning item at 0": ([reasoning(), call("a"), output("a"), user()], [1, 2, 3]),
    "reasoning item at 1": ([user(), reasoning(), answer(), user()], [0, 1, 3]),
    "the summary at 0": ([summary(), user(), assistant(), user()], [0, 3]),
}


@pytest.mark.parametrize("message", BREAKS)
def test_a_broken_rule_is_found(message):
    items, kept = BREAKS[message]
    with pytest.raises(VerificationError, match=message):
        check(items, kept)


def test_an_item_that_was_dropped_before_may_not_come_back():
    items = [user(), assistant(), user()]
    before = View(kept=(1, 2), summary="s", version=1)
    with pytest.raises(VerificationError, match="came back"):
        check(items, [0, 2], before=before)


TALKED = [system(), user(), call("a"), output("a"), user()]


def check_cleared(index):
    entry = Cleared(index=index, text="gone", tokens=3, superseded=True)
    after = View(kept=(0, 1, 2, 3, 4), summary="s", version=1, cleared=(entry,))
    verify(TALKED, whole(TALKED), after, CompactPolicy())


def test_the_output_of_a_tool_may_be_cleared():
    check_cleared(3)


@pytest.mark.parametrize(
    ("index", "message"), [(0, "may not be"), (9, "may not be"), (2, "output")]
)
def test_nothing_else_may_be_cleared(index, message):
    with pytest.raises(VerificationError, match=message):
        check_cleared(index)


def test_an_output_that_was_cleared_does_not_come_back():
    items = [*TALKED[:4], call("b"), output("b"), user()]
    first, second = (Cleared(index=n, text="gone", tokens=3, superseded=True) for n in (3, 5))
    before = View(kept=tuple(range(7)), cleared=(first,))
    after = View(kept=tuple(range(7)), cleared=(second,))
    with pytest.raises(VerificationError, match="came back that had been cleared"):
        verify(items, before, after, CompactPolicy())


def test_what_a_provider_has_sealed_is_replaced_or_stays():
    items = [user(), assistant(), user()]
    sealed = Opaque(items=({"type": "compaction", "encrypted_content": "x"},), tokens=1, reader="m")
    before = View(kept=(1, 2), summary="s", version=1, opaque=sealed)
    with pytest.raises(VerificationError, match="sealed was dropped"):
        check(items, [2], before=before)
    verify(items, before, replace(before, kept=(2,)), CompactPolicy())


def test_a_result_without_a_summary_is_none():
    with pytest.raises(VerificationError, match="need a summary"):
        check([user(), user()], [1], text=None)


@pytest.mark.parametrize(
    ("items", "kept"),
    [
        ([user(), assistant(), user()], [2]),
        ([system(), summary(), user(), user()], [0, 3]),
        # Summaries that must stay do not block every later compaction.
        ([{**summary(), "protected": True}, user(), user()], [0, 2]),
        ([summary(role="user"), {"type": "compaction"}, user(), user()], [0, 1, 3]),
        ([call("a"), summary(), output("a"), user(), user()], [0, 1, 2, 4]),
        # What does not follow out of reasoning is not bound to it.
        ([reasoning(), user(), user()], [2]),
        ([reasoning(), summary(), user()], [0, 2]),
        ([reasoning(), approved(), user()], [1, 2]),
    ],
)
def test_what_keeps_the_rules_passes(items, kept):
    check(items, kept)


def test_a_summary_stands_where_the_first_item_was_dropped():
    items = ["a", "b", "c", "d"]

    def cleared(item, text):
        raise AssertionError(item)

    def shown(*kept, place=None):
        view = View(kept=kept, summary="s", version=2, place=place)
        return ["S" if "v2" in item else item for item in view.render(items, str, cleared)]

    assert shown(0, 3) == ["a", "S", "d"]
    assert shown(2, 3) == ["S", "c", "d"]
    assert shown(0, 1) == ["a", "b", "S"]
    assert shown() == ["S"]
    assert shown(0, 2, 3, place=3) == ["a", "c", "S", "d"]
    assert shown(0, 1, 3, place=1) == ["a", "b", "S", "d"]  # nothing is missing before
    assert whole(items).render(items, str, cleared) == items


def test_a_summary_message_has_a_type_for_the_responses_api_only():
    message = {"role": "assistant", "content": "x"}
    assert summary_item("x", "assistant", "chat") == message
    assert summary_item("x", "assistant", "responses") == {"type": "message", **message}


CALLED = [user(), call("a"), output("a"), call("b"), output("b"), user()]
GONE = Cleared(index=2, text="gone", tokens=3, superseded=True)


def seen(kept, **changes):
    return View(**{"kept": tuple(kept), "summary": "s", "version": 1, **changes})


SAID = {
    "survivors are out of order or doubled": [
        (CALLED, whole(CALLED), seen([0, 5, 3, 4])),
        (CALLED, whole(CALLED), seen([0, 0, 5])),
    ],
    "an item came back that had been dropped": [
        (CALLED, seen([0, 3, 4, 5]), seen([0, 1, 2, 5])),
    ],
    "the item at 0 may not be dropped, and was": [
        ([system(), {**assistant(), "protected": True}, user()], seen([0, 1, 2]), seen([2])),
    ],
    "what the provider has sealed was dropped": [
        (
            CALLED,
            seen(
                range(6),
                opaque=Opaque(
                    items=({"type": "compaction", "encrypted_content": "x"},), tokens=1, reader="m"
                ),
            ),
            seen([5]),
        ),
    ],
    "an item was cleared that may not be": [
        (CALLED, whole(CALLED), seen([5], cleared=(GONE,))),
        (
            [*CALLED[:2], {**output("a"), "protected": True}, *CALLED[3:]],
            whole(CALLED),
            seen(range(6), cleared=(GONE,)),
        ),
    ],
    "an item was cleared that is no output of a tool": [
        (CALLED, whole(CALLED), seen(range(6), cleared=(replace(GONE, index=1),))),
    ],
    "an output came back that had been cleared": [
        (
            CALLED,
            seen(range(6), cleared=(GONE,)),
            seen(range(6), cleared=(replace(GONE, index=4),)),
        ),
        (
            CALLED,
            seen(range(6), cleared=(GONE,)),
            seen(range(6), cleared=(replace(GONE, text="x"),)),
        ),
    ],
    "a call and its output were torn apart": [
        (CALLED, whole(CALLED), seen([0, 1, 3, 4, 5])),
        (CALLED, whole(CALLED), seen([0, 2, 3, 4, 5])),
    ],
    "the reasoning item at 1 was torn from what follows it": [
        ([user(), reasoning(), answer(), user()], seen(range(4)), seen([0, 1, 3])),
        ([user(), reasoning(), answer(), user()], seen(range(4)), seen([0, 2, 3])),
        ([user(), reasoning(), reasoning(), answer(), user()], seen(range(5)), seen([2, 3, 4])),
        ([user(), reasoning(), call("a"), output("a"), user()], seen(range(5)), seen([2, 3, 4])),
    ],
    "need a summary in the result": [
        (CALLED, whole(CALLED), seen([0, 5], summary=None)),
    ],
    "the summary at 1 was replaced, and is still there": [
        ([user(), summary(), assistant(), user()], seen(range(4)), seen([0, 1, 3])),
        (
            [user(), summary(), assistant(), user()],
            seen([1, 2, 3], summary=None),
            seen([1, 3]),
        ),
    ],
}


@pytest.mark.parametrize(
    ("message", "case"), [(said, case) for said, cases in SAID.items() for case in cases]
)
def test_a_broken_rule_is_named(message, case):
    items, before, after = case
    with pytest.raises(VerificationError) as caught:
        verify(items, before, after, CompactPolicy())
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("items", "before", "after"),
    [
        (CALLED, whole(CALLED), whole(CALLED)),
        (CALLED, whole(CALLED), seen(range(6), summary=None, cleared=(GONE,))),
        # What was cleared may go with its call.
        (
            CALLED,
            seen(range(6), cleared=(GONE,)),
            seen([0, 3, 4, 5], cleared=(replace(GONE, index=4),)),
        ),
        (CALLED, seen(range(6), cleared=(GONE,)), seen([5])),
        ([user(), reasoning(), answer(), user()], seen(range(4)), seen([3])),
        ([user(), reasoning(), output("x"), user()], seen(range(4)), seen([2, 3])),
        ([user(), reasoning(), system(), user()], seen(range(4)), seen([2, 3])),
        ([summary(), *CALLED], seen(range(7)), seen([6])),
        ([summary(), *CALLED], seen(range(7), summary=None), seen(range(7), summary=None)),
    ],
)
def test_what_breaks_no_rule_passes(items, before, after):
    verify(items, before, after, CompactPolicy())
