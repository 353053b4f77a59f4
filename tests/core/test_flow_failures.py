"""What a look at a call does where a part of it fails, and who is asked for a summary."""

from dataclasses import replace

import pytest

from compact_otel.core import events
from compact_otel.core.assemble import whole
from compact_otel.core.errors import InsufficientBudget, SummaryError, VerificationError
from compact_otel.core.facts import Repaired
from compact_otel.core.flow import compaction
from compact_otel.core.job import (
    Claim,
    CountExactly,
    Held,
    LoadCheckpoints,
    Postpone,
    SaveCheckpoint,
    SaveSummary,
    SaveTranscript,
    Summarize,
    VerifyFacts,
    Writer,
)
from compact_otel.core.types import Coverage, Summary, Usage
from tests.flows import (
    CHECKS,
    EXTRACTIVE,
    LOOKED,
    MADE,
    RECEIPT,
    REPORTED,
    TEN,
    WHOLE,
    asked_for,
    compacted,
    drive,
    estimate,
    holding,
    job,
    names,
    said,
    turns,
    words,
)

# What goes wrong, and what is done instead.

LOAD = "archive: OSError, passthrough"


@pytest.mark.parametrize(
    ("options", "answers", "expected"),
    [
        (
            {"storage": "shelf"},
            {LoadCheckpoints: OSError(), Claim: OSError()},
            [
                "LoadCheckpoints", LOAD, "Claim", LOAD, "LoadCheckpoints", LOAD,
                "TokenEstimate", "TriggerDecision", "Summarize", "SummaryCreated", *REPORTED,
                "SaveTranscript", "SaveSummary", "Archival", "SaveCheckpoint",
            ],
        ),
        (
            {},
            {Summarize: [TimeoutError(), "short"]},
            [*LOOKED, "Summarize", "summarize: timeout, extractive", "Summarize", *MADE],
        ),
        (
            {"writers": [Writer("one"), Writer("two"), EXTRACTIVE]},
            {Summarize: [SummaryError("", reason="refused"), " ", "short"]},
            [
                *LOOKED, "Summarize", "summarize: refused, retry_model",
                "Summarize", "summarize: empty, extractive", "Summarize", *MADE,
            ],
        ),
        (
            {},
            {Summarize: ValueError()},
            [
                *LOOKED, "Summarize", "summarize: ValueError, extractive",
                "Summarize", "summarize: ValueError, policy_pruning",
                *REPORTED, "SaveCheckpoint",
            ],
        ),
        (
            {},
            {SaveCheckpoint: OSError()},
            [*LOOKED, "Summarize", *MADE, LOAD, "Postpone"],
        ),
        (
            {"checks": CHECKS},
            {VerifyFacts: RuntimeError()},
            [*LOOKED, "Summarize", "VerifyFacts", "verify: RuntimeError, passthrough", *MADE],
        ),
        (
            {"checks": CHECKS},
            {VerifyFacts: "no record"},
            [*LOOKED, "Summarize", "VerifyFacts", "verify: TypeError, passthrough", *MADE],
        ),
        (
            {"count": lambda _: 0, "soft_trigger_pct": 0},
            {CountExactly: OverflowError()},
            [
                "CountExactly", "estimate: OverflowError, local_estimate",
                *LOOKED, "Summarize", *MADE,
            ],
        ),
    ],
)  # fmt: skip
def test_a_part_that_fails_is_told_and_the_compaction_goes_on(options, answers, expected):
    size = 1180 if "count" in options else 1000
    effects, result = drive(compaction(job(TEN, size, **options)), answers)
    assert names(effects) == expected
    assert result.error is None
    assert result.outcome == ("fallback" if Summarize in answers else "compacted")
    assert result.tokens_after < 160


def test_without_any_summary_a_note_says_how_much_is_gone():
    _, result = drive(compaction(job(TEN)), {Summarize: ValueError()})
    assert result.view.summary == "18 earlier items were removed without a summary."
    assert result.history.checkpoint.summary_id == "id2"


@pytest.mark.parametrize(
    ("answers", "receipt", "held"),
    [
        ({SaveTranscript: OSError()}, None, Held(waits=True, messages=20, size=900)),
        ({SaveTranscript: {"id": "x"}}, None, Held(waits=True, messages=20, size=900)),
        ({SaveSummary: OSError()}, RECEIPT, Held(waits=True, messages=20, size=900)),
        ({SaveSummary: OSError(), Postpone: OSError()}, RECEIPT, Held()),
    ],
)
def test_what_could_not_be_stored_waits_and_the_record_says_so(answers, receipt, held):
    effects, result = drive(compaction(job(TEN, storage="shelf")), answers)
    at = names(effects).index("Postpone")
    (saved,) = asked_for(effects, SaveCheckpoint)
    unread = "StorageError" if answers.get(SaveTranscript) == {"id": "x"} else "OSError"
    assert effects[at:] == [
        Postpone(saved.checkpoint, tuple(range(18)), receipt),
        events.Archival(
            archive_id="id1",
            adapter="shelf",
            messages=held.messages,
            size=held.size,
            redacted=False,
            error_type=unread,
            waiting=held.waits,
        ),
        events.Failure(
            stage="archive",
            fallback="passthrough",
            error_type=unread,
            message="the archive could not be read or written",
        ),
        saved,
    ]
    assert (result.outcome, result.archive) == ("compacted", None)


def test_an_answer_that_is_no_receipt_is_named_by_its_type():
    effects, _ = drive(compaction(job(TEN, storage="shelf")), {SaveTranscript: 7})
    (told,) = asked_for(effects, events.Failure)
    assert str(told.error) == "need an ArchiveReceipt from `save_transcript`, got int"


def test_a_checkpoint_that_could_not_be_stored_waits_by_itself():
    effects, _ = drive(compaction(job(TEN)), {SaveCheckpoint: OSError()})
    (saved,), (late,) = asked_for(effects, SaveCheckpoint), asked_for(effects, Postpone)
    assert late == Postpone(saved.checkpoint)


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        (words(1100), VerificationError, "verify: VerificationError, passthrough"),
        (words(950), InsufficientBudget, "verify: InsufficientBudget, raise"),
    ],
)
def test_a_result_that_came_out_too_large_is_thrown_away(text, error, told):
    made = job(turns(12), checks=CHECKS, on_insufficient="raise")
    effects, result = drive(compaction(made), {VerifyFacts: Repaired(text, WHOLE)})
    assert names(effects) == [*LOOKED, "Summarize", "VerifyFacts", "SummaryCreated", told]
    assert (result.outcome, result.view) == ("error", whole(turns(12)))
    assert isinstance(result.error, error)
    assert (result.tokens_before, result.tokens_after) == (1209, 1209)


@pytest.mark.parametrize("way", ["passthrough", "raise"])
def test_what_must_stay_and_does_not_fit_is_an_error_that_says_what_happens(way):
    made = job([{**said("user", 1, 1200), "protected": True}], on_insufficient=way)
    effects, result = drive(compaction(made))
    assert names(effects) == [*LOOKED, f"decide: InsufficientBudget, {way}"]
    assert effects[-1].message == "what must stay does not fit into the budget"
    assert (result.outcome, result.error.needed) == ("error", 1209)


def test_a_fault_of_ours_leaves_the_call_as_it_is():
    def price():
        raise ZeroDivisionError

    effects, result = drive(compaction(job(TEN, price=price)))
    assert names(effects) == [
        *LOOKED, "Summarize", "SummaryCreated", *REPORTED[:3],
        "assemble: ZeroDivisionError, passthrough",
    ]  # fmt: skip
    assert effects[-1].message == "the compaction stopped unexpectedly"
    assert (result.outcome, result.view, result.tokens_after) == ("error", whole(TEN), 1009)
    assert isinstance(result.error, ZeroDivisionError)


# Who is asked for a summary.


def covering(before, after):
    return Coverage(facts=4, facts_before=1, facts_after=3, before=before, after=after)


def checked(*coverages):
    return [lambda asked, one=one: Repaired(asked.text, one) for one in coverages]


@pytest.mark.parametrize(
    ("coverages", "answers", "used"),
    [
        ([covering(0.5, 0.8)], ["first", "second"], "first"),
        ([covering(0.4, 0.8), covering(0.1, 0.9)], ["first", "second"], "second"),
        ([covering(0.4, 0.8), covering(0.45, 0.8)], ["first", "second"], "second"),
        ([covering(0.4, 0.8), covering(0.9, 0.7)], ["first", "second"], "first"),
        ([covering(0.4, 0.8)], ["first", ValueError()], "first"),
        ([WHOLE], ["first", "second"], "first"),
        ([replace(WHOLE, before=0.1)], ["first", "second"], "first"),
    ],
)
def test_a_summary_below_the_floor_is_asked_for_once_more_and_the_better_one_is_used(
    coverages, answers, used
):
    effects, result = drive(
        compaction(job(TEN, checks=CHECKS)),
        {Summarize: answers, VerifyFacts: checked(*coverages)},
    )
    asked = asked_for(effects, Summarize)
    again = coverages[0].before < 0.5 and coverages[0].facts_after < 4
    assert len(asked) == 1 + again
    if again:
        first, second = (one.request for one in asked)
        assert (first.missing, second) == ((), replace(first, missing=second.missing))
        assert 0 < len(second.missing) <= 40
        told = asked_for(effects, events.Failure)
        assert told[0] == events.Failure(
            stage="verify",
            fallback="retry_facts",
            error_type="low_coverage",
            message="the summary left out too many facts, so it is asked for once more with them "
            "named",
        )
        assert len(told) == 1 + isinstance(answers[1], Exception)
        if told[1:]:
            assert names(told)[1] == "summarize: ValueError, passthrough"
            assert told[1].message == (
                "the summary was asked for once more in vain, so the first one is used"
            )
    assert result.view.summary == used


def test_what_was_asked_in_vain_is_paid_for_all_the_same():
    failed = SummaryError("", usage=Usage(input_tokens=100, output_tokens=1))
    first, second = (
        Summary(text, model=text, usage=Usage(input_tokens=size, cached_tokens=7, output_tokens=2))
        for text, size in (("first", 200), ("second", 400))
    )
    effects, _ = drive(
        compaction(job(TEN, checks=CHECKS, writers=[Writer("one"), Writer("two"), EXTRACTIVE])),
        {Summarize: [failed, first, second], VerifyFacts: checked(covering(0.4, 0.8))},
    )
    (told,) = asked_for(effects, events.SummaryCreated)
    assert (told.prompt_tokens, told.completion_tokens, told.cached_tokens) == (700, 5, 14)
    assert (told.summarizer, told.model, told.summary_id) == ("two", "first", "id1")
    writers = [Writer("one"), Writer("two"), EXTRACTIVE]
    effects, _ = drive(
        compaction(job(TEN, writers=writers)), {Summarize: [failed, failed, "short"]}
    )
    (told,) = asked_for(effects, events.SummaryCreated)
    assert (told.prompt_tokens, told.completion_tokens, told.model) == (200, 2, None)
    effects, _ = drive(
        compaction(job(TEN, checks=CHECKS)),
        {Summarize: [first, failed], VerifyFacts: checked(covering(0.4, 0.8))},
    )
    (told,) = asked_for(effects, events.SummaryCreated)
    assert (told.prompt_tokens, told.completion_tokens, told.cached_tokens) == (300, 3, 7)


@pytest.mark.parametrize("number", range(5))
def test_no_model_is_asked_after_three_compactions_that_did_not_last(number):
    _, history = compacted(TEN)
    more = [*TEN, *turns(19)[2:]]
    known = replace(history, short_lived=number)
    made = job(more, known=known, writers=[Writer("model"), Writer("two"), EXTRACTIVE])
    made.ledger.add(history.checkpoint)
    effects, result = drive(compaction(made))
    (asked,) = asked_for(effects, Summarize)
    assert asked.attempt == (0 if number < 2 else 2)
    assert result.outcome == ("compacted" if number < 2 else "fallback")
    assert result.history.short_lived == number + 1
    if number >= 2:
        assert asked_for(effects, events.Failure) == [
            events.Failure(
                stage="summarize",
                fallback="extractive",
                error_type="circuit_open",
                message="the last compactions did not last, so no model is asked for this one",
            )
        ]
    near = job([*TEN, *turns(7)[2:]], known=known, ledger=made.ledger)
    _, calm = drive(compaction(near))
    assert (calm.outcome, calm.tokens_after) == ("replayed", 738)
    assert calm.soon == (number < 2)


def test_a_second_compaction_stands_for_the_first_one_too():
    checkpoint, history = compacted(TEN)
    more = [*TEN, *turns(9)]
    made = job(more, known=history, ledger=holding(checkpoint))
    effects, result = drive(compaction(made))
    (asked,) = asked_for(effects, Summarize)
    assert asked.request.previous_summary == "what was said"
    assert asked.request.items == more[18:-2]
    assert asked.request.turns_before == 9
    (told,) = asked_for(effects, events.SummaryCreated)
    assert told.version == result.view.version == 2
    assert effects[1] == estimate("before", 1038, history=1909)
