"""What of a summariser's answer may be used."""

import pytest

from compact_otel.core.errors import SummaryError
from compact_otel.core.events import SummaryCreated
from compact_otel.core.summary import Made, is_usage, usable
from compact_otel.core.types import Coverage, Summary, SummaryRequest, Usage
from tests.flows import words

SEALED = ({"type": "compaction", "encrypted_content": "x"},)


def request(**changes):
    return SummaryRequest(
        **{"items": [], "max_tokens": 4, "count_text": lambda text: len(text.split()), **changes}
    )


class Text(str):
    """A text of a type of its own."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("answer", "used"),
    [
        (" a b\n", Summary("a b")),
        (Text("a b c d"), Summary("a b c d")),
        (
            Summary(" a ", model="m", usage=Usage(input_tokens=1)),
            Summary("a", model="m", usage=Usage(input_tokens=1)),
        ),
        ("x" * 512, Summary("x" * 512)),
    ],
)
def test_an_answer_is_used_without_the_blanks_around_it(answer, used):
    found = usable(answer, request())
    assert found == used
    assert type(found.text) is str


TYPE = (
    "need a str or a Summary (of strings, its `usage` of whole numbers) from the summariser, got "
)


@pytest.mark.parametrize(
    ("answer", "reason", "message"),
    [
        (" \n", "empty", "the summary is empty"),
        (words(5), "too_long", "the summary has 5 tokens, 4 were asked for"),
        ("x" * 513, "too_long", "the summary has 513 characters"),
        (None, "type", f"{TYPE}NoneType"),
        (Summary(7), "type", f"{TYPE}Summary"),
        (Summary("a", model=7), "type", f"{TYPE}Summary"),
        (Summary("a", opaque=list(SEALED)), "type", f"{TYPE}Summary"),
        (Summary("a", opaque=SEALED), "type", f"{TYPE}Summary"),  # nobody asked for it
        (Summary("a", usage={"input_tokens": 1}), "type", f"{TYPE}Summary"),
        (Summary("a", usage=Usage(input_tokens=1.5)), "type", f"{TYPE}Summary"),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(answer, reason, message):
    with pytest.raises(SummaryError) as caught:
        usable(answer, request())
    assert (str(caught.value), caught.value.reason) == (message, reason)


def test_who_was_asked_to_may_seal():
    sealing = request(native=lambda: (None, {}))
    assert usable(Summary("a", opaque=SEALED), sealing).opaque == SEALED


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (None, True),
        (Usage(input_tokens=0), True),
        (Usage(input_tokens=10**12, cached_tokens=10**12, output_tokens=10**12), True),
        (Usage(input_tokens=10**12 + 1), False),
        (Usage(input_tokens=-1), False),
        (Usage(input_tokens=True), False),
        (Usage(input_tokens=1, cached_tokens=-1), False),
        (Usage(input_tokens=1, cached_tokens="1"), False),
        (Usage(input_tokens=1, output_tokens=-1), False),
        (Usage(input_tokens=1, output_tokens=None), False),
        ("100 tokens", False),
    ],
)
def test_a_usage_is_told_if_it_is_one(usage, told):
    assert is_usage(usage) is told


@pytest.mark.parametrize(
    ("previous", "text"),
    [
        (None, "3 earlier items were removed without a summary."),
        ("What was.", "What was.\n3 earlier items were removed without a summary."),
    ],
)
def test_a_note_keeps_the_last_summary(previous, text):
    made = Made.note(request(items=[{}] * 3, previous_summary=previous), 2, "i")
    assert made == Made(text=text, version=2, id="i", created=None, planned=False)


def test_what_is_not_known_of_a_summary_is_not_told():
    created = SummaryCreated(
        summary_id="i",
        version=1,
        strategy="brief",
        summarizer="s",
        model=None,
        input_messages=1,
        input_tokens=2,
        tokens=3,
        compression_ratio=1.5,
    )
    covered = Coverage(facts=4, facts_before=1, facts_after=2, before=0.25, after=0.5)
    assert created.covering(None) is created
    assert created.costing(None) is created
    told = created.covering(covered).costing(
        Usage(input_tokens=5, cached_tokens=6, output_tokens=7)
    )
    assert (told.facts_found, told.facts_in_prose, told.facts_kept) == (4, 1, 2)
    assert (told.coverage_before, told.coverage_after) == (0.25, 0.5)
    assert (told.prompt_tokens, told.cached_tokens, told.completion_tokens) == (5, 6, 7)
