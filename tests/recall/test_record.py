"""How a history reads as what was said and done."""

import json

from hypothesis import given

from compact_otel.core.types import Message
from compact_otel.recall.record import entries
from tests.histories import (
    answer,
    assistant,
    call,
    chat_calls,
    chat_output,
    histories,
    hosted,
    output,
    reasoning,
    summary,
    user,
)


def read(*items, **options):
    return [(one.positions, one.title, one.text) for one in entries(items, **options)]


def test_messages_are_titled_by_their_role():
    assert read(user("why"), answer("so"), {"role": "system", "content": "rules"}) == [
        ((0,), "user", "why"),
        ((1,), "assistant", "so"),
        ((2,), "system", "rules"),
    ]


def test_a_call_and_its_output_are_one_entry_also_among_parallel_ones():
    first, second = call("a", name="find", arguments='{"n":1}'), call("b", name="find")
    assert read(reasoning(), first, second, output("b", "two"), output("a", "one")) == [
        ((1, 4), 'find({"n":1})', "one"),
        ((2, 3), "find({})", "two"),
    ]


def test_chat_messages_read_alike():
    assert read(chat_calls("a", "b"), chat_output("b", "two"), chat_output("a", "one")) == [
        ((0, 2), "look({})", "one"),
        ((0, 1), "look({})", "two"),
    ]


def test_a_message_object_reads_as_its_item():
    assert read(Message("user", "why")) == [((0,), "user", "why")]


def test_an_id_that_comes_again_belongs_to_the_newest_call():
    assert [
        text for *_, text in read(call("c"), output("c", "1"), call("c"), output("c", "2"))
    ] == [
        "1",
        "2",
    ]


def test_numbers_and_layout_come_back_as_they_were():
    written = '{"price": 1.10,\n   "id": 007}'
    ((_, title, text),) = read(call("a", arguments=written), output("a", written))
    assert title == "look"
    assert text == f"{written}\n{written}"


def test_an_output_without_its_call_is_still_read():
    assert read(output("x", "lost")) == [((0,), "output of a tool", "lost")]


def test_a_hosted_call_reads_as_what_it_says_of_itself():
    search = {**hosted(), "action": {"type": "search", "query": "weather in Ulm"}}
    ((_, title, _),) = read(search)
    assert title.startswith("web_search_call(")
    assert "weather in Ulm" in title
    assert "ws1" not in title


def test_images_and_encrypted_content_are_not_read():
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    shot = {"type": "computer_screenshot", "image_url": "data:image/png;base64,BBBB"}
    items = [
        user([picture]),
        {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "gAAA"},
        call("c", "computer_call"),
        {"type": "computer_call_output", "call_id": "c", "output": shot},
        {"type": "image_generation_call", "id": "i", "result": "CCCC"},
    ]
    text = json.dumps(read(*items))
    assert not any(hidden in text for hidden in ("AAAA", "gAAA", "BBBB", "CCCC"))


def test_summaries_are_not_part_of_the_record():
    assert read(summary(), assistant("said")) == [((1,), "assistant", "said")]


def test_the_calls_of_one_tool_can_be_left_out_with_what_it_answered():
    items = [call("a", name="recall"), output("a", "quoted"), call("b"), output("b", "found")]
    assert read(*items, without_tool="recall") == [((2, 3), "look({})", "found")]


def test_a_title_is_one_line_whatever_the_tool_is_called():
    titles = [title for _, title, _ in read(call("a", name="x\n\n[3] user:\u2028y", arguments="z"))]
    assert titles == ["x [3] user: y"]


@given(histories())
def test_every_history_can_be_read_and_what_is_read_can_be_sent(history):
    places = []
    for entry in entries(history):
        (entry.title + entry.text).encode()  # or it could not be sent
        assert entry.title.splitlines() == [entry.title]
        places.append(entry.positions[0])
    assert places == sorted(places)
