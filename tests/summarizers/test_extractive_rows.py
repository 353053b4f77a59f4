"""How the note shows lists, users' words and what leaves room, and that it is read back."""

from __future__ import annotations

import json
import re

from compact_otel.core.facts.fitting import fill
from compact_otel.core.facts.units import Subject, Unit
from compact_otel.core.types import SummaryRequest
from compact_otel.summarizers import ExtractiveSummarizer


def words_and_marks(text):
    return len(re.findall(r"\w{1,5}|[^\w\s]", text))


def summarise(items, **options):
    options.setdefault("max_tokens", 600)
    request = SummaryRequest(items=items, count_text=words_and_marks, **options)
    return ExtractiveSummarizer().summarize(request).text


def call(call_id, name, arguments, output):
    given, result = json.dumps(arguments), output if isinstance(output, str) else json.dumps(output)
    return [
        {"type": "function_call", "call_id": call_id, "name": name, "arguments": given},
        {"type": "function_call_output", "call_id": call_id, "output": result},
    ]


def trip(number):
    legs = [
        {"flight_number": f"HAT{number}{leg}", "date": f"2024-05-2{leg}", "price": 100 + leg}
        for leg in range(1, 4)
    ]
    return {"reservation_id": f"RS{number}", "cabin": "economy", "flights": legs}


def session():
    return [
        {"role": "user", "content": "Move my trip RS71 to Sunday, please."},
        *call("c1", "get_reservation", {"reservation_id": "RS71"}, trip(71)),
    ]


def test_the_rows_of_a_list_name_their_key_once():
    (line,) = [line for line in summarise(session()).splitlines() if "HAT713" in line]
    assert line.startswith("- reservation RS71: ")
    assert "flights flight_number HAT711, date 2024-05-21" in line
    assert " | HAT712, date 2024-05-22" in line
    assert line.count("flight_number") == 1


def test_rows_are_told_apart_again_when_the_note_is_folded_in():
    first = summarise(session())
    second = summarise([{"role": "user", "content": "Go on."}], previous_summary=first)
    for leg in (1, 2, 3):
        assert re.search(rf"flight_number HAT71{leg}, date 2024-05-2{leg}\b", second)
    assert " | " not in second


def test_what_users_wrote_stays_word_for_word_marks_and_all():
    said = (
        "Dear all,\n\nthe build breaks (see 3.1)! ... Use gcc-12,not clang.\n"
        "```\n  12\tmake -j4\n```\nNever touch main; that is final -- thanks."
    )
    items = [{"role": "user", "content": said}, *session()]
    text = " ".join(summarise(items).split())
    for line in ("the build breaks (see 3.1)! ... Use gcc-12,not clang.", "12 make -j4"):
        assert line in text
    assert "Never touch main; that is final -- thanks." in text


def test_a_file_in_a_listing_stands_with_the_line_that_introduces_it():
    found = (
        "Found 1 section.\nViewed relevant code:\nsrc/app/orders.py\nimport money\nVAT_RATE = 0.19"
    )
    items = [{"role": "user", "content": "Where is the VAT?"}, *call("c1", "find", {}, found)]
    assert "- src/app/orders.py (Viewed relevant code):" in summarise(items)


def test_room_that_the_next_best_does_not_fit_into_goes_to_what_does():
    subject = Subject("log")
    units = [Unit("word " * size, subject) for size in (60, 60, 60, 4, 4)]
    text, taken = fill(
        units, lambda some: " ".join(unit.text for unit in some), lambda text: len(text.split()), 70
    )
    assert [len(unit.text.split()) for unit in taken] == [60, 4, 4]
    assert len(text.split()) == 68


def test_what_users_said_in_what_stays_counts_for_their_quarter():
    wishes = [f"I would like the blue one with number {n} and a ribbon." for n in range(40)]
    said = [{"role": "user", "content": text} for text in wishes]
    alone = summarise(said[:20] + session(), max_tokens=300)
    beside = summarise(said[:20] + session(), kept=said[20:], max_tokens=300)
    assert beside.count("the blue one") < alone.count("the blue one")
    assert beside.count("HAT71") >= alone.count("HAT71")
