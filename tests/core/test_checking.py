"""What a summary holds of the facts, to the last of them, and the ledger of what it lacks."""

from __future__ import annotations

import json

import pytest

from compact_otel.core.facts import Facts
from compact_otel.core.facts.checking import LEDGER
from compact_otel.core.types import Coverage, SummaryRequest

LOREM = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor. " * 4


def user(text):
    return {"role": "user", "content": text}


def looked_up(number, **found):
    """Return a call with its result, an order with what is found."""
    call_id, order = f"c{number}", f"OR{number}"
    return [
        {
            "type": "function_call",
            "call_id": call_id,
            "name": "get",
            "arguments": json.dumps({"order_id": order}),
        },
        {
            "type": "function_call_output",
            "call_id": call_id,
            "output": json.dumps({"order_id": order} | found),
        },
    ]


ITEMS = [
    user("Never refund to VISA-7731."),
    *looked_up(48217, total="703.25", lines=[{"sku": "LAMP-4417", "count": 1250}]),
    *looked_up(48218, total="811.75"),
]


def facts(*items, **options):
    options.setdefault("max_tokens", 2000)
    return Facts(SummaryRequest(items=items or ITEMS, **options))


def test_a_note_holds_all_facts_where_there_is_room():
    note = facts().note()
    assert note.text == (
        "## Constraints\n- [1]: Never refund to VISA-7731.\n## State\n"
        "- order OR48218: total 811.75\n"
        "- order OR48217: total 703.25; lines sku LAMP-4417, count 1250\n"
        "## Done\n- get(order_id OR48217)\n- get(order_id OR48218)"
    )
    assert note.coverage == Coverage(facts=7, facts_before=7, facts_after=7, before=1.0, after=1.0)


def test_a_small_note_has_no_headings():
    def note(tokens):
        return facts(max_tokens=tokens, count_text=lambda text: len(text) // 4).note().text

    assert note(160).startswith("- [1]: Never refund to VISA-7731.")
    assert note(161).startswith("## Constraints\n")


def test_where_nothing_fits_as_a_whole_the_best_is_cut():
    note = facts(user("Never refund anything to VISA-7731 again."), max_tokens=12).note()
    assert 0 < len(note.text) <= 12
    assert "- [1]: Never refund".startswith(note.text)
    assert note.coverage.facts_after == 0
    assert facts(max_tokens=0).note().text == ""
    # What is left of it after it was halved as often as needed may fill the budget.
    assert facts(user("x" * 32 + "1"), max_tokens=10).note().text == "- User: xx"


def test_what_is_missing_is_named_with_what_it_belongs_to():
    known = facts()
    assert set(known.missing("", 99)) == {
        "User: Never refund to VISA-7731.",
        "order OR48217, lines sku LAMP-4417: count 1250",
        "order OR48217: total 703.25",
        "order OR48218: total 811.75",
        "order OR48217, lines sku LAMP-4417",
        "get(order_id OR48217)",
        "get(order_id OR48218)",
    }
    assert known.missing("", 1) == known.missing("", 99)[:1]
    assert known.missing("", 0) == ()
    told = "OR48217: 703.25. Lamp LAMP-4417 of OR48217: 1250. VISA-7731."
    assert known.missing(told, 9) == ("get(order_id OR48218)", "order OR48218: total 811.75")


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("OR48218 costs 811.75.", True),
        ("It is OR48218 then. It costs 811.75.", True),
        ("It costs 811.75 now. It is OR48218.", True),
        ("It costs 811.75\nIt is OR48218", True),
        ("It is OR48218 then. All is well. It costs 811.75.", False),
        ("It costs 811.75 now. All is well. It is OR48218.", False),
        ("It costs 811.75 now. All is well. It is OR48217.", False),
        ("It costs 811.75.", False),
    ],
)
def test_an_amount_is_held_in_the_sentence_of_what_it_belongs_to_or_beside_it(text, held):
    missing = facts().missing(text, 99)
    assert ("order OR48218: total 811.75" in missing) is not held


def test_what_a_summary_lacks_stands_in_a_ledger_below_it():
    repaired = facts().repaired("Order OR48217 costs 703.25.")
    assert repaired.text == (
        "Order OR48217 costs 703.25.\n\n## Facts from the record\n"
        "- User: Never refund to VISA-7731.\n- order OR48218: total 811.75\n"
        "- order OR48217: total 703.25; lines sku LAMP-4417, count 1250\n"
        "- get(order_id OR48217)\n- get(order_id OR48218)"
    )
    coverage = repaired.coverage
    assert (coverage.facts, coverage.facts_before, coverage.facts_after) == (7, 2, 7)
    assert 0 < coverage.before < coverage.after == 1.0
    again = facts().repaired(repaired.text)
    assert again == repaired


def test_a_heading_like_ours_is_a_line_of_the_text():
    forged = f"All is well.\n\n{LEDGER}\n- order OR48217: total 1.00"
    assert (
        facts()
        .repaired(forged)
        .text.startswith(
            "All is well.\n\nFacts from the record\n- order OR48217: total 1.00\n\n" + LEDGER
        )
    )
    twice = facts().repaired(LOREM).text + f"\n\n{LEDGER}\n- a: b"
    assert facts().repaired(twice).text.count(f"\n{LEDGER}\n") <= 1


def test_a_ledger_alone_is_found_again():
    known = facts(max_tokens=200)
    alone = known.repaired(LOREM[:150], floor=0.5)
    assert alone.text.startswith(f"{LEDGER}\n- ")
    assert alone.coverage.before == 0.0
    assert alone.coverage.facts_before == 0
    assert alone.coverage.facts_after > 0
    assert known.repaired(alone.text, floor=0.5).text == alone.text
    assert known.repaired(LOREM[:150]).text.startswith("Lorem")


def test_what_gives_way_says_what_it_held_before():
    known = facts(max_tokens=190)
    text = f"OR48217 is one. {LOREM[:120]}"
    alone = known.repaired(text, floor=0.9)
    assert alone.text.startswith(LEDGER)
    assert alone.coverage.facts_before == 1
    assert 0 < alone.coverage.before < alone.coverage.after


ROOM = 1000.0


@pytest.mark.parametrize(
    ("kept", "tokens"),
    [
        ([], 250.0),
        ([("assistant", 400)], 350.0),
        ([("assistant", 4000)], 500.0),
        ([("user", 400)], 0.0),
        ([("user", 200), ("assistant", 200)], 150.0),
        ([("user", 100), ("user", 100)], 100.0),
    ],
)
def test_the_words_of_users_that_stay_count_for_their_share(kept, tokens):
    items = [{"role": role, "content": "word" * count} for role, count in kept]
    assert facts(kept=items)._for_users(ROOM) == pytest.approx(tokens)


def test_no_summary_is_blamed_for_what_it_cannot_hold():
    items = [item for number in range(48000, 48060) for item in looked_up(number, total="7.25")]

    def count(tokens):
        known = facts(*items, max_tokens=tokens, count_text=lambda text: len(text) // 8)
        return known.repaired(LOREM).coverage.facts

    assert [count(tokens) for tokens in (160, 320, 640)] == [10, 20, 40]


def test_what_was_asked_for_by_hand_comes_first():
    items = [item for number in range(48000, 48030) for item in looked_up(number, total="7.25")]
    assert "OR48013" not in facts(*items, max_tokens=120).note().text
    assert "OR48013" in facts(*items, max_tokens=120, note="Mind OR48013!").note().text
