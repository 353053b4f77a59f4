"""What can be kept of a history, unit by unit, each with the subject that it belongs to."""

from __future__ import annotations

import json

import pytest

from compact_otel.core.facts.salience import Vocabulary
from compact_otel.core.facts.splitting import outdated, split
from compact_otel.core.facts.units import lines_of
from compact_otel.core.types import SummaryRequest


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def call(call_id, name, arguments, output):
    return [
        {
            "type": "function_call",
            "call_id": call_id,
            "name": name,
            "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
        },
        {
            "type": "function_call_output",
            "call_id": call_id,
            "output": output if isinstance(output, str) else json.dumps(output),
        },
    ]


def shown(unit):
    """Return a unit in a line: `section origin position, marks | label | text`.

    A value that stands in the label or in the text is in brackets.
    """
    subject = unit.subject
    marks = [
        *["file"] * subject.is_file,
        *["prose"] * subject.prose,
        *[f"turn {subject.turn}"] * bool(subject.turn),
        *[f"pin {unit.pin}"] * bool(unit.pin),
        *["own line"] * unit.on_own_line,
    ]
    label = f"{subject.label} {_values(subject.values)}".rstrip()
    if subject.key:
        label = f"<{subject.key}>{label.removeprefix(subject.key)}"
    if subject.parent:
        label = f"{subject.parent.label} / {label}"
    place = f"{subject.section} {subject.origin} {subject.position}"
    text = f"{unit.text} {_values(unit.values)}".strip()
    return f"{', '.join([place, *marks])} | {label} | {text}".rstrip()


def _values(values):
    return f"[{' '.join(values)}]" if values else ""


def going(*items, **options):
    units, _ = split(SummaryRequest(items=items, **options), Vocabulary())
    assert [unit.order for unit in units] == list(range(len(units)))
    return [shown(unit) for unit in units]


def staying(*items, **options):
    return [shown(unit) for unit in split(SummaryRequest(items=items, **options), Vocabulary())[1]]


def texts(*items, **options):
    units, _ = split(SummaryRequest(items=items, **options), Vocabulary())
    return [unit.text for unit in units if unit.text]


def test_what_a_user_demands_or_settles_stands_apart_with_its_turn():
    said = "Hi there! My order is A-100.\nNever call me. The launch is on 3 May. Ship it?"
    assert going(user(said)) == [
        "goal user 0, prose, pin -1, own line | User | Hi there! [hi]",
        "goal user 0, prose, turn 1, pin 1 | User | My order is A-100. [my a-100]",
        "constraints user 0, prose, turn 1, pin 4 | User | Never call me. [never]",
        "goal user 0, prose, turn 1, pin 2 | User | The launch is on 3 May. [the 3 may]",
        "goal user 0, prose, own line | User | Ship it? [ship]",
    ]


def test_a_message_of_one_line_has_no_line_of_its_own():
    assert going(user("\nShip it.\n")) == ["goal user 0, prose | User | Ship it. [ship]"]


def test_who_speaks_says_where_it_stands():
    items = [
        assistant("## Plan\n- I **found** __A-100__. I DECIDED to go."),
        {"role": "system", "content": "Be **brief**. Be kind."},
    ]
    assert going(*items) == [
        "done assistant 0, prose | Assistant | Plan [plan]",
        "done assistant 0, prose | Assistant | I found A-100. I DECIDED to go. [i a-100 decided]",
        "constraints user 1, prose | Instructions | Be **brief**. [be]",
        "constraints user 1, prose | Instructions | Be kind. [be]",
    ]


@pytest.mark.parametrize(
    "said",
    [
        "Changed src/__init__.py and pkg/__main__.py",
        "The tests are tests/**/test_*.py and **/conftest.py",
        "At most 2**31 rows, or 3**4 ** 2",
        "Call run(**options) or run(*args, **more)",
        "It has __slots__ and __A-100__.py",
    ],
)
def test_what_only_looks_like_emphasis_stays_as_it_was_said(said):
    assert texts(assistant(said)) == [said]


@pytest.mark.parametrize(
    ("shown", "lines"),
    [
        ("  9\tdef a():\n 10\t    b", ["def a():", "b"]),
        ("1: alpha\n2: beta\n7: gamma", ["alpha", "beta", "7: gamma"]),
        ("48213 | Diaz | 120.50\n48377 | Birch | 89.10", None),
        ("70211\tDana\topen\n70345\tEvan\tclosed", ["70211 Dana open", "70345 Evan closed"]),
        ("503: the service is away", None),
    ],
)
def test_line_numbers_go_and_ids_in_front_of_a_line_stay(shown, lines):
    assert lines_of(shown) == (lines or shown.splitlines())


def test_a_result_is_of_what_it_is_about_row_by_row():
    found = {
        "order_id": "A-100",
        "status": "open",
        "lines": [{"sku": "L-1", "count": 200}, {"sku": "L-2", "count": 300}],
        "log": "one A-7\ntwo",
    }
    assert going(*call("c", "get", {"order_id": "A-100", "all": True}, found)) == [
        "done call 0 | get(order_id A-100, all yes) [a-100] |",
        "state result 0 | order A-100 [a-100] | status open",
        "state result 0 | order A-100 / <lines sku> L-1 [l-1] |",
        "state result 0 | order A-100 / <lines sku> L-1 [l-1] | count 200 [200]",
        "state result 0 | order A-100 / <lines sku> L-2 [l-2] |",
        "state result 0 | order A-100 / <lines sku> L-2 [l-2] | count 300 [300]",
        "state result 0, own line | order A-100 / log: | one A-7 [a-7]",
        "state result 0, own line | order A-100 / log: | two",
    ]


def test_a_result_about_nothing_in_particular_is_of_its_call():
    assert going(*call("c", "get", {"a": 100}, ["x", 200])) == [
        "done call 0 | get(a 100) [100] |",
        "state result 0 | get(a 100) / <items> | x",
        "state result 0 | get(a 100) / <items> | 200 [200]",
    ]


def test_a_result_with_a_plain_id_is_named_by_its_tool():
    assert going(*call("c", "get_order", {}, {"id": "A-100", "open": True})) == [
        "done call 0 | get_order() |",
        "state result 0 | get_order A-100 [a-100] | open yes",
    ]


def test_what_a_call_was_given_is_said_unless_its_name_says_it():
    given = {"path": "src/a.py", "all": True, "text": "one\ntwo", "size": {"w": 300}}
    assert going(*call("c", "put", given, "")) == [
        "done call 0, file | put(src/a.py, all yes) [src/a.py] |",
        "done call 0, own line | put(src/a.py, all yes) / text: | one",
        "done call 0, own line | put(src/a.py, all yes) / text: | two",
        "done call 0 | put(src/a.py, all yes) / <size> | w 300 [300]",
    ]
    assert going(*call("c", "put", "free text", "")) == [
        "done call 0 | put() |",
        "done call 0 | put() | free text",
    ]


def test_a_call_without_a_result_is_a_line():
    assert going(call("c", "go", {}, "")[0]) == ["done call 0 | go() |"]


def test_a_short_result_stands_with_its_call_and_a_longer_one_line_by_line():
    short, long = "word " * 39 + "A-100", "word " * 39 + "A-1000"
    assert texts(*call("c", "run", {}, short)) == [f"result {short}"]
    assert going(*call("c", "run", {"cmd": "B-7"}, long)) == [
        "done call 0 | run(cmd B-7) [b-7] |",
        f"facts result 0, own line | run(cmd B-7) [b-7] | {long} [a-1000]",
    ]
    assert texts(*call("c", "run", {}, "one\ntwo")) == ["one", "two"]


def test_the_lines_of_a_file_are_its_own():
    assert going(*call("c", "cat", {"path": "src/a.py"}, "1\tdef f():\n2\t    x")) == [
        "done call 0, file | cat(src/a.py) [src/a.py] |",
        "facts result 0, file, own line | src/a.py [src/a.py] | def f():",
        "facts result 0, file, own line | src/a.py [src/a.py] | x",
    ]


def test_a_line_that_is_only_a_path_names_what_follows_it():
    output = "src/a.py:\nfoo\nsrc/b.py\nsrc/c.py\nlast\nd.txt:"
    assert [line.partition(" | ")[2] for line in going(*call("c", "grep", {}, output))] == [
        "grep() |",
        "grep() | src/a.py: [src/a.py]",
        "src/a.py [src/a.py] | foo",
        "grep() | src/b.py [src/b.py]",
        "grep() | src/c.py [src/c.py]",
        "src/c.py [src/c.py] | last",
        "grep() | d.txt: [d.txt]",
    ]


@pytest.mark.parametrize(
    ("intro", "label"),
    [
        ("Here is the result:", "src/a.py (Here is the result) [src/a.py]"),
        ("See: the result:", "src/a.py [src/a.py]"),
        ("Old:", "src/a.py [src/a.py]"),
        ("A result", "src/a.py [src/a.py]"),
    ],
)
def test_what_introduces_a_path_is_said_of_it(intro, label):
    lines = going(*call("c", "grep", {}, f"{intro}\nsrc/a.py:\nfoo"))
    assert lines[-1] == f"facts result 0, file, own line | {label} | foo"


def test_a_path_that_was_asked_for_needs_no_introduction():
    output = "Here is the result:\nsrc/a.py:\nfoo"
    assert going(*call("c", "cat", {"path": "src/a.py"}, output))[-1] == (
        "facts result 0, file, own line | src/a.py [src/a.py] | foo"
    )


def test_of_two_results_on_one_thing_the_newer_wins_for_all_that_it_says():
    items = [
        *call("c", "get", {"order_id": "A-1"}, {"order_id": "A-1", "status": "open", "sum": 7}),
        *call("d", "get", {"order_id": "B-2"}, {"order_id": "B-2", "status": "lost"}),
        *call("e", "get", {"order_id": "A-1"}, {"order_id": "A-1", "status": "sent"}),
    ]
    assert texts(*items) == ["sum 7", "status lost", "status sent"]


def test_what_was_said_again_is_kept_where_it_was_said_last():
    assert going(assistant("It is done."), assistant("It is done. And sent.")) == [
        "done assistant 1, prose | Assistant | It is done. [it]",
        "done assistant 1, prose | Assistant | And sent. [and]",
    ]
    assert [
        line.partition(" |")[0] for line in going(user("Do it. Now."), user("Do it. Now."))
    ] == [
        "goal user 1, prose",
        "goal user 1, prose",
    ]
    assert going(user("Never by air."), user("Never by air. Or so.")) == [
        "constraints user 1, prose, turn 2, pin 4 | User | Never by air. [never]",
        "goal user 1, prose | User | Or so. [or]",
    ]


def test_what_stays_in_the_request_need_not_be_kept():
    kept = [user("Never by air."), assistant("It is sent.")]
    items = [user("Do it. Never by air."), assistant("It is sent. All of it.")]
    assert texts(*items, kept=kept) == ["Do it.", "All of it."]
    assert staying(*items, kept=kept) == [
        "constraints user 2, prose, turn 2, pin 4 | User | Never by air. [never]",
        "done assistant 3, prose | Assistant | It is sent. [it]",
    ]


def test_a_message_has_the_number_that_it_has_in_the_whole_conversation():
    items, kept = [user("a"), user("Never call.")], [user("Never ask."), user("Never write.")]

    def turns(**options):
        lines = going(*items, **options), staying(*items, **options)
        return [
            line.partition("turn ")[2].partition(",")[0]
            for found in lines
            for line in found
            if "turn" in line
        ]

    assert turns() == ["2"]
    assert turns(turns_before=4) == ["6"]
    assert turns(turns_before=4, kept=kept) == ["6", "7", "8"]
    assert turns(turns_before=4, kept=kept, kept_after=[0, 1]) == ["7", "4", "6"]
    assert turns(turns_before=4, kept=kept, kept_after=[1, -5]) == ["7", "4", "6"]
    assert turns(turns_before=4, kept=kept, kept_after=[99]) == ["6", "7", "8"]
    assert turns(turns_before=4, kept=kept, kept_after=[0]) == ["6", "4", "7"]
    assert turns(kept=kept, previous_summary="- [9]: Never by air.") == ["9", "11", "12", "13"]


NOTE = """\
It was sent to A-1 then. It is late.
## Goal
- User: Do it. Thanks!
- [2]: Never by air.
## State
- order A1: status open; lines sku L-1, n 200 | L-2
- (3): no pin
## Files
- src/a.py:
    def f():
    def f():
- src/b.py (old): gone
## Log
- Assistant: I did. It went well.
1. User: I prefer trains. It is fun.
- get(order_id A1)
"""


def test_a_note_is_read_back():
    assert going(previous_summary=NOTE) == [
        "facts summary -1, prose |  | It was sent to A-1 then. [it a-1]",
        "facts summary -1, prose |  | It is late. [it]",
        "goal user -1, prose | User [user] | Do it. [do]",
        "goal user -1, prose, pin -1 | User [user] | Thanks! [thanks]",
        "goal user -1, prose, turn 2, pin 4 | User [user] | Never by air. [never]",
        "state summary -1 | order A1 [a1] | status open",
        "state summary -1 | order A1 [a1] | lines sku L-1, n 200 [l-1 200]",
        "state summary -1 | order A1 [a1] | lines sku L-2 [l-2]",
        "state summary -1 | (3) [3] | no pin",
        "facts summary -1, file, own line | src/a.py [src/a.py] | def f():",
        "facts summary -1, file | src/b.py (old) [src/b.py] | gone",
        "done summary -1, prose | Assistant [assistant] | I did. [i]",
        "done summary -1, prose | Assistant [assistant] | It went well. [it]",
        "constraints user -1, prose, pin 3 | User [user] | I prefer trains. [i]",
        "constraints user -1, prose | User [user] | It is fun. [it]",
        "done summary -1, prose |  | get(order_id A1) [order_id a1]",
    ]


@pytest.mark.parametrize(
    ("heading", "section"),
    [
        ("# GOALS", "goal"),
        ("## Hard constraints", "constraints"),
        ("## State of things", "state"),
        ("### Done", "done"),
        ("## Decisions", "done"),
        ("## Log", "done"),
        ("## Facts", "facts"),
        ("## Anything", "facts"),
    ],
)
def test_a_heading_says_where_what_follows_belongs(heading, section):
    (line,) = going(previous_summary=f"- zip: x\n{heading}\n- zap: it")[1:]
    assert line.startswith(f"{section} summary")


def test_a_turn_is_read_back_only_where_nothing_but_users_words_stand():
    def turn(note):
        return "turn 7" in going(previous_summary=note)[-1]

    assert turn("- [7]: Do it.")
    assert turn("## Constraints\n- [7]: Do it.")
    assert turn("## Goal\n\n- [7]: Do it.")
    assert not turn("## State\n- [7]: Do it.")
    assert not turn("- it: x\n## Facts\n- [7]: Do it.")
    assert not turn("## Goal\n    - [7]: Do it.")
    assert not turn("## Goal\n[7]: Do it.")


def test_what_is_indented_belongs_to_the_line_above_unless_a_heading_stands_between():
    note = "- a/b.c:\n    one\n  - two\n## State\n    three: x"
    assert going(previous_summary=note) == [
        "facts summary -1, file, own line | a/b.c [a/b.c] | one",
        "facts summary -1, file, own line | a/b.c [a/b.c] | two",
        "state summary -1 | three | x",
    ]


def test_a_note_says_nothing_that_a_newer_result_says():
    note = "## State\n- order A-1: status open; sum 7; note: it is; status of it\n- x: status open"
    found = {"order_id": "A-1", "status": "sent"}
    items = call("c", "get", {"order_id": "A-1"}, found)
    assert texts(*items, previous_summary=note) == [
        "sum 7",
        "note: it is",
        "status open",
        "status sent",
    ]


def test_a_hint_in_a_note_is_chosen_early_if_a_turn_stands_by_it():
    note = "## Goal\n- [2]: It is blue.\n- [3]: Parts have to be original.\n- [4]: Never by air."
    pins = [line.partition("pin ")[2][0] for line in going(previous_summary=note)]
    assert pins == ["3", "2", "4"]
    plain = going(previous_summary="## Goal\n- User: It is blue. Parts have to be original.")
    assert [line.partition(" |")[0] for line in plain] == [
        "goal user -1, prose",
        "goal user -1, prose, pin 2",
    ]


def test_what_a_user_changed_is_changed_wherever_it_was_said():
    items = [
        user("The launch is on 3 May."),
        assistant("The launch is on 3 May, fine."),
        user("We moved the launch to 9 May."),
    ]
    assert going(*items) == [
        "done assistant 1, prose | Assistant | The launch is on [now 9 May], fine. [the 9 may]",
        "goal user 2, prose, turn 2, pin 3 | User | We moved the launch to 9 May. [we 9 may]",
    ]


def test_so_it_is_in_a_note():
    note = "## Goal\n- User: The launch is on 3 May. It is big.\n    The launch is on 3 May!"
    items = [user("We moved the launch to 9 May.")]
    assert texts(*items, previous_summary=note) == [
        "It is big.",
        "We moved the launch to 9 May.",
    ]
    other = "## Done\n- Assistant: The launch is on 3 May."
    assert texts(*items, previous_summary=other)[0] == "The launch is on 3 May."


def test_what_only_says_what_is_off_is_worth_little():
    items = [
        user("Let's cache the pages for ever."),
        user("Scratch that, no caching of pages for ever. Let's use a short lease."),
    ]
    assert [line.partition(" |")[0] for line in going(*items)][:1] == ["goal user 1, prose, pin -1"]


def test_a_message_of_which_something_holds_no_longer_is_outdated():
    items = [user("Book Monday."), assistant("ok"), user("Make that Tuesday."), "odd"]
    assert outdated(items) == {0}
    assert outdated([assistant("Book Monday."), user("Make that Tuesday.")]) == frozenset()


@pytest.mark.parametrize("more", [7, 8])
def test_unless_it_says_much_besides(more):
    items = [user("Book Monday. " + "Then go. " * more), user("Make that Tuesday.")]
    assert outdated(items) == (frozenset({0}) if more == 7 else frozenset())
