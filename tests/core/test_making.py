"""How a compaction is made: what is planned, what a writer is given, what the result may be."""

from dataclasses import replace

import pytest

from compact_otel.core import events
from compact_otel.core.assemble import View
from compact_otel.core.errors import (
    BrokenOffError,
    InsufficientBudget,
    SummaryError,
    VerificationError,
)
from compact_otel.core.facts import Repaired
from compact_otel.core.flow import compaction
from compact_otel.core.job import Checks, Summarize, VerifyFacts, Writer
from compact_otel.core.making import check_size, failure, planned
from compact_otel.core.policy import Plan
from compact_otel.core.types import CallContext, Cleared, Opaque, Summary, Usage
from tests.flows import (
    EXTRACTIVE,
    FRAME,
    MODEL,
    WHOLE,
    called,
    drive,
    job,
    measured,
    said,
    turns,
    words,
)
from tests.histories import summary

TEN = turns(10)
CHECKS = Checks(floor=0.5, ledger_pct=0.4)


def test_a_plan_says_what_stays_where_the_summary_stands_and_what_it_may_have():
    history = [said("system", 0, 10), *TEN, *called("c1", "x y z"), *turns(1)]
    made = job(history, keep_user_tokens=120)
    found = planned(made, state := measured(history, keep_user_tokens=120), state.limits)
    assert found.plan == Plan(
        kept=(0, 1, 20, 21, 22, 23, 24),
        dropped=tuple(range(2, 20)),
        summary_budget=500 - 223,
        step=0,
        keep_recent_turns=1,
        keep_tool_io_pairs=1,
        pinned=2,
        recent_turns=1,
        tool_pairs=1,
        kept_tokens=9 + 10 + 50 + 50 + 1 + 3 + 50 + 50,
        user_messages=1,
        place=2,
    )
    assert (found.kept, found.dropped, found.place) == (found.plan.kept, found.plan.dropped, 2)
    assert found.view == View(kept=found.kept, place=2)
    assert (found.frame_tokens, found.tokens) == (FRAME, 500)


def test_a_plan_is_in_the_terms_of_the_whole_history():
    sealed = Opaque(
        items=({"type": "compaction", "encrypted_content": "x"},), tokens=30, reader="r"
    )
    lines = (Cleared(5, "[gone]", 1, superseded=True), Cleared(18, "[gone]", 1, superseded=True))
    view = View(kept=(0, *range(5, 20)), summary=words(90), version=3, cleared=lines, opaque=sealed)
    state = measured(TEN).seen_as(view)
    assert state.total == 9 + 16 * 50 - 98 + 26 + 90 + 30
    found = planned(job(TEN), state, state.limits)
    assert (found.kept, found.dropped) == ((18, 19), (0, *range(5, 18)))
    assert found.view == View(kept=(18, 19), cleared=lines[1:], opaque=sealed)
    # 116 tokens of the last summary, and half of the others that go: 600 and a line.
    assert found.plan.kept_tokens == 9 + 30 + 1 + 50
    assert found.plan.summary_budget == 500 - 90


@pytest.mark.parametrize(
    ("rules", "turned", "trigger", "room"),
    [
        (0, 10, "preflight", (1009 - 109) // 2),  # half of what goes
        (0, 20, "preflight", 500 + 350 // 2 - 109),
        (300, 6, "preflight", (909 - 409) // 2),
        (300, 6, "manual", 909 // 2 + 350 // 2 - 409),
    ],
)
def test_what_a_provider_seals_may_miss_the_target_by_half_of_the_way_to_the_trigger(
    rules, turned, trigger, room
):
    history = [*([said("system", 0, rules)] if rules else ()), *turns(turned)]
    state = measured(history)
    assert planned(job(history, trigger=trigger), state, state.limits).room == room


def test_nothing_is_planned_where_nothing_can_go():
    state = measured(turns(1))
    assert planned(job(turns(1)), state, state.limits) is None


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        (1009, 1009, VerificationError("the result has 1009 tokens, 1009 before")),
        (1009, 1008, InsufficientBudget(
            needed=1008,
            budget=1000,
            guidance="the summary came out longer than planned; lower `policy.target_pct`",
        )),
        (1009, 1000, None),
        (900, 899, None),
    ],
)  # fmt: skip
def test_a_result_is_smaller_and_within_the_budget(before, after, error):
    state = measured(turns(3))
    given = replace(state, total=before), replace(state, total=after)
    if error is None:
        check_size(*given)
        return
    with pytest.raises(type(error)) as caught:
        check_size(*given)
    assert str(caught.value) == str(error)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SummaryError("x", reason="refused"), "refused"),
        (BrokenOffError(KeyboardInterrupt()), "KeyboardInterrupt"),
        (TimeoutError(), "timeout"),
        (KeyError("x"), "KeyError"),
    ],
)
def test_a_failure_is_told_in_a_word_and_a_sentence_of_ours(error, told):
    made = failure("archive", error, "raise")
    assert made == events.Failure(
        stage="archive",
        fallback="raise",
        error_type=told,
        message="the archive could not be read or written",
    )
    assert made.error is error
    assert failure("archive", error, "raise", "otherwise").message == "otherwise"


# What a writer is given.


def test_a_writer_gets_the_call_as_it_was_sent_up_to_the_last_item_that_goes():
    history = [*TEN[:4], {**TEN[4], "protected": True}, *TEN[5:]]
    made = job(history, compose=lambda items, view: {"items": items, "view": view})
    effects, result = drive(compaction(made))
    (asked,) = (each for each in effects if isinstance(each, Summarize))
    assert asked.request.prefix() == {"items": history, "view": View(kept=tuple(range(18)))}
    assert asked.request.native is None
    assert asked.request.kept == [history[4], *history[18:]]
    assert asked.request.kept_after == [4, 17, 17]
    assert asked.request.turns_before == 0
    assert result.view.kept == (4, 18, 19)
    (pruned,) = (each for each in effects if isinstance(each, events.PrunedMessages))
    assert (pruned.protected, pruned.pinned, pruned.pruned) == ("4", 2, 17)


def test_a_writer_is_told_what_to_put_first_and_what_the_caller_said():
    made = job(TEN, strategy="decision_log", note="Keep the prices.", trigger="manual")
    effects, result = drive(compaction(made))
    (asked,) = (each for each in effects if isinstance(each, Summarize))
    assert (asked.request.strategy, asked.request.note) == ("decision_log", "Keep the prices.")
    assert [asked.request.count_text(text) for text in ("", "a b c")] == [0, 3]
    (created,) = (each for each in effects if isinstance(each, events.SummaryCreated))
    assert created.strategy == result.replayed.strategy == "decision_log"


def test_summaries_that_the_history_holds_are_taken_up():
    history = [summary(3, "first"), *TEN, {**summary(5, "stays"), "protected": True}, *turns(1)]
    effects, result = drive(compaction(job(history)))
    (asked,) = (each for each in effects if isinstance(each, Summarize))
    assert asked.request.previous_summary == "first"
    assert asked.request.items == TEN
    assert asked.request.kept_after == [20, 20, 20]
    assert (result.view.version, result.view.kept) == (6, (21, 22, 23))


def test_what_is_protected_is_named_by_its_place_and_label():
    history = [
        {**item, "meta": {"protected": True}} if n in (2, 5) else item for n, item in enumerate(TEN)
    ]
    history[5]["meta"]["label"] = "refund rules"
    effects, _ = drive(compaction(job(history)))
    (pruned,) = (each for each in effects if isinstance(each, events.PrunedMessages))
    assert pruned.protected == "2, 5:refund rules"


@pytest.mark.parametrize(
    ("checks", "writer", "most"),
    [
        (None, MODEL, 365),
        (CHECKS, MODEL, 219),
        (CHECKS, EXTRACTIVE, 365),
        (Checks(floor=0.5, ledger_pct=0.9), MODEL, 64),
    ],
)
def test_prose_leaves_room_for_the_facts_that_follow_it(checks, writer, most):
    effects, _ = drive(compaction(job(TEN, checks=checks, writers=[writer])))
    (asked,) = (each for each in effects if isinstance(each, Summarize))
    assert asked.request.max_tokens == most


@pytest.mark.parametrize(("room", "asked"), [(64 + FRAME - 1, False), (64 + FRAME, True)])
def test_nobody_is_asked_for_a_summary_that_can_say_nothing(room, asked):
    history = [*TEN, {**said("user", 1, 1000 - 9 - room), "protected": True}]
    effects, result = drive(compaction(job(history)))
    assert any(isinstance(each, Summarize) for each in effects) == asked
    assert result.outcome == ("compacted" if asked else "fallback")


# What a provider seals.

CALL = CallContext(model="m", reader="r")
NATIVE = Writer("native", native=True)
SAID = {"type": "message", "role": "user", "content": words(5)}
MORE = {"type": "message", "role": "user", "content": words(3)}
SEALED = {"type": "compaction", "encrypted_content": words(7)}


def sealing(history=TEN, **options):
    return job(
        history,
        call=CALL,
        writers=[NATIVE, EXTRACTIVE],
        native=lambda items, view: ("client", {"input": (items, view)}),
        **options,
    )


def answered(output_tokens=40, **changes):
    usage = Usage(input_tokens=900, output_tokens=output_tokens) if output_tokens else None
    return Summary("In front.", **{"opaque": (SAID, SEALED), "usage": usage, **changes})


def told_of(effects, kind):
    (found,) = (each for each in effects if isinstance(each, kind))
    return found


@pytest.mark.parametrize(("output_tokens", "sealed"), [(40, 40), (6, 7), (None, 7)])
def test_what_a_provider_sealed_stands_in_front_and_costs_what_it_says_at_least(
    output_tokens, sealed
):
    effects, result = drive(compaction(sealing()), {Summarize: answered(output_tokens)})
    assert result.view == View(
        kept=(18, 19),
        summary="In front.",
        version=1,
        opaque=Opaque(items=(SAID, SEALED), tokens=5 + sealed, reader="r"),
    )
    assert result.tokens_after == 9 + 100 + FRAME + 2 + 5 + sealed
    created = told_of(effects, events.SummaryCreated)
    assert (created.tokens, created.summarizer) == (2 + 5 + sealed, "native")
    assert created.compression_ratio == (7 + sealed) / 900
    assert result.replayed.opaque == result.view.opaque
    assert told_of(effects, events.PolicyApplied).messages_after == 5
    asked = told_of(effects, Summarize)
    assert asked.request.native() == ("client", {"input": (TEN, View(kept=tuple(range(18))))})
    assert result.outcome == "compacted"


@pytest.mark.parametrize(("checks", "beside"), [(None, 64), (CHECKS, 146)])
@pytest.mark.parametrize("over", [0, 1])
def test_what_a_provider_sealed_must_leave_room_for_what_stands_beside_it(checks, beside, over):
    most = 450 - FRAME - 5 - 3 - beside + over
    effects, result = drive(compaction(sealing(checks=checks)), {
        Summarize: [answered(most, opaque=(SAID, MORE, SEALED)), "short"], VerifyFacts: None,
    })  # fmt: skip
    failures = [each for each in effects if isinstance(each, events.Failure)]
    if not over:
        assert result.view.opaque.tokens == most + 5 + 3
        assert result.outcome == "compacted"
        return
    assert str(failures[0].error) == "what came back has 451 tokens, there is room for 450"
    assert (failures[0].error_type, failures[0].fallback) == ("too_long", "extractive")
    assert (result.view.opaque, result.view.summary) == (None, "short")
    assert told_of(effects, events.SummaryCreated).completion_tokens == most
    assert result.outcome == "fallback"


@pytest.mark.parametrize(
    "opaque", [(SAID,), ({"type": "compaction"},), ("text",), (SEALED, {"type": "function_call"})]
)
def test_what_could_not_be_sent_back_is_not_used(opaque):
    effects, result = drive(compaction(sealing()), {Summarize: [answered(opaque=opaque), "short"]})
    told = told_of(effects, events.Failure)
    assert (told.error_type, str(told.error)) == ("malformed", "no compaction came back")
    assert told_of(effects, events.SummaryCreated).prompt_tokens == 900
    assert result.view.opaque is None


def test_what_a_provider_sealed_is_checked_against_the_facts_beside_it_only():
    made = sealing(checks=CHECKS)
    effects, result = drive(compaction(made), {Summarize: answered()})
    checked = told_of(effects, VerifyFacts)
    assert (checked.text, checked.floor) == ("In front.", 0.5)
    assert checked.facts._request.max_tokens == 146
    low = replace(WHOLE, facts_after=3, before=0.1)
    effects, result = drive(compaction(made), {
        Summarize: answered(),
        VerifyFacts: lambda asked: Repaired(asked.text, low),
    })  # fmt: skip
    assert sum(isinstance(each, Summarize) for each in effects) == 1
    assert result.view.opaque is not None


def sealed_before(tokens, window=1000, history=None, **options):
    """Return the call behind one whose beginning a provider has sealed."""
    opaque = Opaque(items=(SAID, SEALED), tokens=tokens, reader="r")
    known = drive(compaction(sealing(size=1000)), {Summarize: answered()})[1]
    made = sealing([*TEN, *turns(9)] if history is None else history, size=window, **options)
    made.ledger.add(replace(known.replayed, opaque=opaque))
    return made


def test_a_later_summary_leaves_what_was_sealed_or_takes_it_up():
    made = sealed_before(60)
    effects, result = drive(compaction(made), {Summarize: answered(100)})
    asked = told_of(effects, Summarize)
    _, request = asked.request.native()
    items, view = request["input"]
    assert items == made.items
    assert (view.kept, view.summary, view.version) == (tuple(range(18, 36)), "In front.", 1)
    assert view.opaque.tokens == 60
    assert result.view.opaque == Opaque(items=(SAID, SEALED), tokens=105, reader="r")
    # The one before gives way, so its room is there for the next.
    room = min(675 - 169, (9 + 1000 + FRAME + 2 + 60 - 169) // 2) + 60
    assert str(_too_long(made)) == (
        f"what came back has {999 + 5 + FRAME + 64} tokens, there is room for {room}"
    )
    _, kept = drive(compaction(made), {Summarize: [ValueError(), "short"]})
    assert (kept.view.opaque.tokens, kept.view.summary) == (60, "short")


def _too_long(made):
    effects, _ = drive(compaction(made), {Summarize: [answered(999), "short"]})
    return told_of(effects, events.Failure).error


def test_in_a_window_too_small_for_what_was_sealed_the_call_begins_anew():
    made = sealed_before(900)
    effects, result = drive(compaction(made), {Summarize: "short"})
    asked = told_of(effects, Summarize)
    assert asked.request.items == made.items[:-2]
    assert asked.request.previous_summary is None
    assert result.view == View(kept=(36, 37), summary="short", version=1)


def test_who_cannot_read_what_was_sealed_gets_the_whole_history():
    made = sealed_before(60)
    other = replace(made, scale=replace(made.scale, call=CallContext(model="m", reader="other")))
    effects, result = drive(compaction(other), {Summarize: "short"})
    assert told_of(effects, Summarize).request.items == made.items[:-2]
    assert result.view.opaque is None
