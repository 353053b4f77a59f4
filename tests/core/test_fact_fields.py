"""How JSON becomes rows that a reader of a note understands without the braces."""

from __future__ import annotations

import json

import pytest

from compact_otel.core.facts.fields import (
    named,
    named_by_arguments,
    rows_of,
    told,
)


def rows(data):
    """Return (attribute, label, head, leaves as `key value`, own line) of each row."""
    return [
        (
            row.attribute,
            row.label,
            row.head,
            [f"{leaf.key} {leaf.value}".strip() for leaf in row.leaves],
            row.on_own_line,
        )
        for row in rows_of(data)
    ]


def lone(attribute, leaf):
    return (attribute, "", "", [leaf], False)


SHAPES = {
    "scalars stand for themselves": (
        {"cabin": "business", "seats": 2, "price": 9.5, "paid": True, "sent": False},
        [
            lone("cabin", "cabin business"),
            lone("seats", "seats 2"),
            lone("price", "price 9.5"),
            lone("paid", "paid yes"),
            lone("sent", "sent no"),
        ],
    ),
    "what says nothing is left out": ({"a": None, "b": "", "c": "  ", "d": [], "e": {}}, []),
    "a list of objects is a row each, named by its id": (
        {"lines": [{"sku": "LAMP-4", "count": 2}, {"count": 12, "sku": "BULB-9"}]},
        [
            ("lines", "lines sku LAMP-4", "LAMP-4", ["count 2"], False),
            ("lines", "lines sku BULB-9", "BULB-9", ["count 12"], False),
        ],
    ),
    "or by the two parts of its name": (
        {"owner": {"first_name": "Ann", "last_name": "Lee", "title": "Dr", "age": 40}},
        [
            (
                "owner",
                "owner first_name Ann last_name Lee",
                "Ann Lee",
                ["title Dr", "age 40"],
                False,
            ),
        ],
    ),
    "or not at all": ({"size": {"w": 3, "h": 4}}, [("size", "size", "", ["w 3", "h 4"], False)]),
    "an object under its own id is named once": (
        {"A17": {"id": "A17", "open": True}},
        [("A17", "A17", "A17", ["open yes"], False)],
    ),
    "a flat object in a row stays in it": (
        {"item": {"sku": "X-100", "size": {"w": 3, "h": 4}}},
        [("item", "item sku X-100", "X-100", ["size w 3", "size h 4"], False)],
    ),
    "an entity in a row is a row of its own behind it": (
        {"item": {"sku": "X-100", "maker": {"id": "M-7", "land": "UK"}, "count": 2}},
        [
            ("item", "item sku X-100", "X-100", ["count 2"], False),
            ("item", "item sku X-100 maker id M-7", "M-7", ["land UK"], False),
        ],
    ),
    "so is a deep object": (
        {"item": {"sku": "X-100", "box": {"size": {"w": 3}}}},
        [
            ("item", "item sku X-100", "X-100", [], False),
            ("item", "item sku X-100 box", "", ["size w 3"], False),
        ],
    ),
    "scalars of a list stand in one row, the objects of it behind": (
        {"tags": ["red", 7, {"sku": "X-100"}, None, "blue"]},
        [
            ("tags", "tags", "", ["red", "7", "blue"], False),
            ("tags", "tags sku X-100", "X-100", [], False),
        ],
    ),
    "a list alone is of items": (["red", "blue"], [("", "items", "", ["red", "blue"], False)]),
    "a scalar alone has no name": (7, [lone("", "7")]),
    "lists in a row stand behind it under its name": (
        {"item": {"sku": "X-100", "tags": ["a", "b"]}},
        [
            ("item", "item sku X-100", "X-100", [], False),
            ("item", "item sku X-100 tags", "", ["a", "b"], False),
        ],
    ),
    "a text of several lines has lines of its own": (
        {"log": "one\ntwo"},
        [("log", "log:", "", ["one\ntwo"], True)],
    ),
    "so has one that stands alone": ("one\ntwo", [("", "text:", "", ["one\ntwo"], True)]),
    "and one in a row": (
        {"item": {"sku": "X-100", "log": "one\ntwo"}},
        [
            ("item", "item sku X-100", "X-100", [], False),
            ("item", "item sku X-100 log:", "", ["one\ntwo"], True),
        ],
    ),
    "JSON in a text is read": (
        {"body": json.dumps({"sku": "X-100", "count": 2})},
        [("body", "body sku X-100", "X-100", ["count 2"], False)],
    ),
    "also in a row": (
        {"item": {"sku": "X-100", "body": json.dumps({"w": 3})}},
        [
            ("item", "item sku X-100", "X-100", [], False),
            ("item", "item sku X-100 body", "", ["w 3"], False),
        ],
    ),
    "what only looks like JSON is a text": (
        {"item": {"sku": "X-100", "note": "[sic"}},
        [
            ("item", "item sku X-100", "X-100", [], False),
            ("item", "item sku X-100 note", "", ["[sic"], False),
        ],
    ),
    "one letter names nothing": (
        {"item": {"id": "A", "count": 2}},
        [("item", "item", "", ["id A", "count 2"], False)],
    ),
    "nor does a secret": (
        {"item": {"secret_key": "s3cr3t", "count": 2}},
        [("item", "item", "", ["secret_key s3cr3t", "count 2"], False)],
    ),
    "of two ids the first names": (
        {"item": {"order_id": "A1", "user_id": "U2", "name": "Ann"}},
        [("item", "item order_id A1", "A1", ["user_id U2", "name Ann"], False)],
    ),
    "a huge number is said to be one": ({"n": 10**80}, [lone("n", "n a huge number")]),
    "a large one is said": ({"n": 10**80 - 1}, [lone("n", f"n {10**80 - 1}")]),
    "numbers in JSON are told as written": (
        '{"price": 19.90, "balance": 12345678901234567.89, "fee": 1e-6, "share": 0.000001}',
        [
            (
                "",
                "",
                "",
                ["price 19.90", "balance 12345678901234567.89", "fee 1e-6", "share 0.000001"],
                False,
            )
        ],
    ),
    "a value with a mark that stands between values has a line of its own": (
        {"item": {"sku": "X-100", "a": "4 | 8", "b": "one; two", "c": "a|b;c"}},
        [
            ("item", "item sku X-100", "X-100", ["c a|b;c"], False),
            ("item", "item sku X-100 a:", "", ["4 | 8"], True),
            ("item", "item sku X-100 b:", "", ["one; two"], True),
        ],
    ),
    "a key may be anything": ({7: "seven"}, [lone("7", "7 seven")]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_data_becomes_rows(shape):
    data, expected = SHAPES[shape]
    assert rows(data) == expected


@pytest.mark.parametrize(("length", "own_line"), [(160, False), (161, True)])
def test_a_long_text_has_a_line_of_its_own(length, own_line):
    text = "word " * 31 + "x" * (length - 155)
    assert [row[4] for row in rows({"text": text})] == [own_line]
    rows_in_item = rows({"item": {"sku": "X-100", "text": text}})
    assert rows_in_item[0][3] == ([] if own_line else [f"text {text}"])


def test_data_within_data_is_read_to_the_depth_of_twenty():
    def deep(levels):
        return {"a": deep(levels - 1)} if levels else {"leaf": "here", "more": {"x": {"y": 1}}}

    assert "leaf here" in str(rows(deep(18)))
    assert "leaf here" not in str(rows(deep(30)))
    nested = "here"
    for _ in range(30):
        nested = [nested]
    assert rows(nested) == []


def test_only_wanted_keys_of_the_outermost_object_are_read():
    data = {"a": {"c": 1}, "b": 2, "c": 3}
    found = [row.attribute for row in rows_of(data, wanted=lambda key: key != "c")]
    assert found == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ({"lines": [{"sku": "LAMP-4", "count": 2}]}, ["lines sku"]),
        ({"owner": {"first_name": "Ann", "last_name": "Lee"}}, ["owner first_name"]),
        ({"size": {"w": 3}}, ["size"]),
        ({"seats": 2}, [""]),
    ],
)
def test_what_rows_of_a_list_have_in_common_is_the_key(data, keys):
    assert [row.key for row in rows_of(data)] == keys


@pytest.mark.parametrize(
    ("data", "arguments", "found"),
    [
        ({"status": "open", "order_id": "A1"}, {}, ("order A1", "A1")),
        ({"id": "A1"}, {}, ("look_up A1", "A1")),
        ({"status": "open"}, {"customer-no": 4711}, ("customer 4711", "4711")),
        ({"booking_id": "B7"}, {"customer_id": "C1"}, ("booking B7", "B7")),
        ({"userId": "U7"}, None, ("user U7", "U7")),
        ({"tracking_number": "TN-5"}, {}, ("tracking TN-5", "TN-5")),
        ({"ref": "R-1"}, {}, ("ref R-1", "R-1")),
        ({"order_id": "x" * 61}, {}, None),
        ({"order_id": "two\nlines"}, {}, None),
        ({"order_id": "A"}, {}, None),
        ({"name": "Ann"}, {}, None),
        ({"license_key": "ABC-1"}, {}, None),
        (["A1"], "A1", None),
    ],
)
def test_a_result_is_about_its_own_identifier_else_about_the_one_asked_for(data, arguments, found):
    assert named("look_up", data, arguments) == found


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({}, ("run()", "", [])),
        ({"id": "A1", "full": True}, ("run(id A1, full yes)", "", ["A1", "yes"])),
        ({"path": "src/app.py", "line": 3}, ("run(src/app.py, line 3)", "src/app.py",
                                             ["src/app.py", "3"])),
        ({"id": "A1", "file": "app.py"}, ("run(app.py, id A1)", "app.py", ["app.py", "A1"])),
        ({"where": {"file_path": "~/a/b.c"}}, ("run(~/a/b.c)", "~/a/b.c", ["~/a/b.c"])),
        ({"files": [{"path": "src/b.py", "n": 1}]}, ("run(src/b.py)", "src/b.py", ["src/b.py"])),
        (
            {"path": "a/b.c", "new_path": "d/e.f"},
            ("run(a/b.c, new_path d/e.f)", "a/b.c", ["a/b.c", "d/e.f"]),
        ),
        ({"path": "no path"}, ("run(path no path)", "", ["no path"])),
        ({"text": "a\nb", "id": "A1"}, ("run(id A1)", "", ["A1"])),
        ({"text": "x" * 61, "id": "A1"}, ("run(id A1)", "", ["A1"])),
        ({"a": "x" * 40, "b": "y" * 19, "c": "z"}, (f"run(a {'x' * 40})", "", ["x" * 40])),
        ({"a": "x" * 40, "b": "y" * 17}, (f"run(a {'x' * 40}, b {'y' * 17})", "",
                                          ["x" * 40, "y" * 17])),
        ({"password": "hunter2"}, ("run(password=hunter2)", "", ["hunter2"])),
        ({"q": "note: a; b"}, ("run(q note=a, b)", "", ["note: a; b"])),
    ],
)  # fmt: skip
def test_a_call_is_named_by_its_path_and_its_short_arguments(arguments, found):
    assert named_by_arguments("run", arguments, tuple(rows_of(arguments))) == found


@pytest.mark.parametrize(
    ("key", "shown"),
    [("cabin", "cabin v"), ("password", "password=v"), ("api key", "api key=v"), ("", " v")],
)
def test_what_may_be_a_secret_keeps_its_sign(key, shown):
    assert told(key, "v") == shown
