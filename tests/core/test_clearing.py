"""Old outputs of tools give way to a line each before a summary is made."""

import json
from dataclasses import asdict

import pytest

from compact_otel import Message
from compact_otel.adapters import MemoryStorage
from compact_otel.core.types import CallContext, Checkpoint
from compact_otel.recall import search_archive
from tests.histories import (
    Estimator,
    Exporter,
    Storage,
    Summarizer,
    call,
    chat_output,
    manager,
    output,
    summary,
    talk,
    user,
)

WINDOW = 4000


def listing(edition, lines=72):
    """Return a file of which each edition differs in a line."""
    body = [f"line {number} of the file, as it always was" for number in range(lines)]
    return "\n".join([f"edition = {edition}", *body])


def reads(path, text, ident):
    return [call(ident, name="read", arguments=json.dumps({"path": path})), output(ident, text)]


def reading_again(times=5):
    """Return a session in which one file is read again and again; the window is nearly full."""
    read = [reads("app.py", listing(number), f"c{number}") for number in range(times)]
    return [user("Mend the file."), *(item for pair in read for item in pair)]


def narrow(**options):
    """Return a manager for a window that four of the readings fill."""
    return manager(WINDOW, keep_tool_io_pairs=1, soft_trigger_pct=0, **options)


def texts_in(items):
    return [item["output"] for item in items if "output" in item]


def texts(result):
    return texts_in(result.messages)


def orders(edition, count=90):
    """Return a JSON list, on one line, of which each edition differs in a value."""
    rows = [{"order": f"A-{n}", "state": "open"} for n in range(count)]
    return json.dumps([{"order": "newest", "state": f"edition {edition}"}, *rows])


def test_json_that_came_again_in_another_shape_is_the_same_values():
    outputs = [orders(number) for number in range(4)]
    outputs.append(json.dumps(json.loads(orders(4)), separators=(",", ":")))
    pairs = [reads("orders", text, f"c{number}") for number, text in enumerate(outputs)]
    history = [user("Look after the orders."), *(item for pair in pairs for item in pair)]
    result = narrow().preflight("s", history)
    assert (result.outcome, result.summary, result.cleared) == ("compacted", None, 4)
    assert all("the same call was made again later" in line for line in texts(result)[:-1])


def test_what_was_read_again_gives_way_and_nobody_is_asked_for_a_summary():
    history, writer, exporter = reading_again(), Summarizer(), Exporter()
    made = narrow(summarizer=writer, exporters=[exporter])
    result = made.preflight("s", history)
    assert (result.outcome, result.summary, result.dropped) == ("compacted", None, 0)
    assert result.cleared == 4
    assert writer.requests == []
    *lines, newest = texts(result)
    assert newest == listing(4)
    for line in lines:
        assert line.startswith('[The output of read({"path": "app.py"}), ')
        assert "the same call was made again later" in line
    assert result.tokens_after <= WINDOW / 2
    assert [item.get("call_id") for item in result.messages] == [
        item.get("call_id") for item in history
    ]
    (told,) = exporter.named("pruned_messages")
    assert told["compact.messages.pruned"] == 0
    assert told["compact.messages.cleared"] == 4
    assert told["compact.tokens.cleared"] > told["compact.tokens.removed"] > 2000
    assert not exporter.named("summary_created")
    assert texts(result) != [item["output"] for item in history if "output" in item]
    assert history == reading_again()  # the caller's own items are as they were


def test_the_next_calls_send_the_same_lines_again():
    history, made = reading_again(), narrow()
    first = made.preflight("s", history)
    second = made.preflight("s", [*history, user("Go on.")])
    assert second.outcome == "replayed"
    assert second.messages[:-1] == first.messages
    assert second.tokens_before == Estimator().total(second.messages)


def test_another_process_sends_them_too():
    storage = Storage()
    history = reading_again()
    first = narrow(storage=storage).preflight("s", history)
    (stored,) = storage.checkpoints["s"]
    assert Checkpoint.from_dict(json.loads(json.dumps(stored.as_dict()))) == stored
    second = narrow(storage=storage).preflight("s", [*history, user("Go on.")])
    assert (second.outcome, second.messages[:-1]) == ("replayed", first.messages)


@pytest.mark.parametrize(
    "change",
    [
        {"cleared": [{"index": 2, "text": 7, "tokens": 3, "superseded": True}]},
        {"cleared": [{"index": 2, "text": "x", "tokens": -3, "superseded": True}]},
        {"cleared": [{"index": 99, "text": "x", "tokens": 3, "superseded": True}]},
        {"cleared": [{"index": 2}]},
        {"cleared": []},
        {"kept": [0, 1, 2]},
        {"place": "3"},
    ],
)
def test_a_damaged_record_is_none(change):
    storage = Storage()
    narrow(storage=storage).preflight("s", reading_again())
    (stored,) = storage.checkpoints["s"]
    with pytest.raises((KeyError, TypeError, ValueError)):
        Checkpoint.from_dict({**json.loads(json.dumps(stored.as_dict())), **change})


def test_the_next_page_is_not_the_same_page():
    pages = [
        [call(f"c{page}", name="next_page"), output(f"c{page}", json.dumps(rows))]
        for page in range(5)
        for rows in [[{"order": f"A-{page}{row}", "total": page * 7 + row} for row in range(100)]]
    ]
    history = [user("Read it all."), *(item for page in pages for item in page)]
    writer = Summarizer()
    result = narrow(summarizer=writer).preflight("s", history)
    assert (result.outcome, result.cleared) == ("compacted", 0)
    (request,) = writer.requests
    assert json.dumps(request.items).count("A-00") == 1


def test_a_summariser_does_not_see_what_is_no_longer_true():
    history = [*reading_again(3), *talk(20)]
    writer = Summarizer()
    result = narrow(summarizer=writer).preflight("s", history)
    assert result.summary is not None
    request = writer.requests[0]
    shown = "\n".join(item["output"] for item in request.items if "output" in item)
    assert "edition = 0" not in shown
    assert "the same call was made again later" in shown
    assert "edition = 2" in shown + str(result.messages)


@pytest.mark.parametrize("mark", [{}, {"protected": True}])
def test_the_latest_and_the_protected_stay(mark):
    history = reading_again()
    history[2] = {**history[2], **mark}
    result = narrow().preflight("s", history)
    assert (listing(0) in texts(result)) == bool(mark)
    assert listing(4) in texts(result)


def test_off_leaves_every_output_as_it_is():
    result = narrow(clear_tool_outputs="off").preflight("s", reading_again())
    assert result.summary is not None
    assert result.cleared == 0
    assert set(texts(result)) <= {listing(number) for number in range(5)}


def different_files(count=6):
    read = [
        reads(f"file{number}.py", f"# owner: OWN-{number}77-X\n{listing(number)}", f"c{number}")
        for number in range(count)
    ]
    return [user("Find the owners."), *(item for pair in read for item in pair)]


def test_stale_outputs_go_with_their_facts_said_the_oldest_first():
    writer = Summarizer()
    made = narrow(clear_tool_outputs="stale", summarizer=writer)
    result = made.preflight("s", different_files())
    assert (result.summary, writer.requests) == (None, [])
    cleared = [text for text in texts(result) if text.startswith("[The output of read(")]
    assert len(cleared) == result.cleared
    assert 0 < result.cleared < 6
    assert texts(result)[: len(cleared)] == cleared
    for number, text in enumerate(cleared):
        assert f"OWN-{number}77-X" in text
    assert result.tokens_after <= WINDOW / 2


def test_by_hand_there_is_always_a_summary():
    made = narrow(clear_tool_outputs="stale")
    assert made.manual_compact("s", different_files()).summary is not None


def test_messages_of_the_package_and_of_chat_completions_are_cleared_in_their_own_form():
    def asking(ident):
        function = {"name": "read", "arguments": "{}"}
        return {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": ident, "type": "function", "function": function}],
        }

    history = [user("Mend it.")]
    for number in range(5):
        history += [asking(f"c{number}"), chat_output(f"c{number}", listing(number))]
    result = narrow().preflight("s", history)
    assert (result.cleared, result.summary) == (4, None)
    assert set(result.messages[2]) == {"role", "tool_call_id", "content"}
    assert result.messages[2]["content"].startswith("[The output of read({}), ")
    messages = [
        Message(
            item["role"],
            item["content"],
            {name: value for name, value in item.items() if name not in ("role", "content")},
        )
        for item in history
    ]
    result = narrow().preflight("s", messages)
    assert result.cleared == 4
    assert isinstance(result.messages[2], Message)
    assert result.messages[2].meta == messages[2].meta


def test_what_was_cleared_can_be_looked_up():
    storage = MemoryStorage()
    narrow(storage=storage).preflight("s", reading_again())
    found = search_archive(storage, "s", "edition", max_tokens=40_000, count_text=len)
    assert "edition = 0" in found.text


def test_a_summary_that_the_history_holds_stays_where_only_outputs_are_cleared():
    history = [summary(1, "what was"), *reading_again()]
    result = narrow().preflight("s", history)
    assert (result.outcome, result.cleared) == ("compacted", 4)
    assert result.messages[0] is history[0]


@pytest.mark.parametrize("has_tool", [True, False])
def test_a_line_names_the_tool_to_who_has_it(has_tool):
    tools = [{"type": "function", "name": "recall_conversation"}] if has_tool else []
    call = CallContext(tools=tools)
    made = narrow(storage=MemoryStorage())
    result = made.preflight("s", reading_again(), call=call)
    assert result.cleared == 4
    assert ("recall_conversation" in texts(result)[0]) == has_tool
    assert result.tokens_after == Estimator().total(result.messages)


class Choosy:
    """Breaks over the line that stands for an output."""

    name = "choosy"

    def __init__(self, estimator):
        self.estimator = estimator

    def count_items(self, items, call):
        if any(str(item.get("output", "")).startswith("[The output of") for item in items):
            raise ValueError("what is that?")
        return self.estimator.count_items(items, call)

    def count_fixed(self, call):
        return self.estimator.count_fixed(call)


def large_output(asked=""):
    """Return a history of which not even the latest call fits."""
    rows = [
        f"row {number}: invoice INV-{number:05d}-Q over {number * 3}.50" for number in range(900)
    ]
    return [user(f"Which invoices are open? {asked}"), *reads("open.csv", "\n".join(rows), "c1")]


@pytest.mark.parametrize(
    ("history", "how"),
    [
        (reading_again(), "superseded"),
        ([user("Find them."), *different_files()[1:]], "stale"),
        (large_output("Mind. " * 2000), "superseded"),
    ],
)
def test_an_estimator_that_breaks_over_a_line_costs_the_clearing_only(history, how):
    exporter = Exporter()
    made = narrow(
        estimator=Choosy(Estimator()),
        exporters=[exporter],
        clear_tool_outputs=how,
        summary_max_tokens=4000,
    )
    result = made.preflight("s", history)
    assert result.summary is not None
    assert result.error is None
    (told,) = exporter.named("error")
    assert told["error.type"] == "ValueError"
    assert (
        told["compact.failure.message"]
        == "the outputs of tools could not be cleared, so nothing of them is"
    )


async def test_a_prefix_is_what_was_sent_and_not_what_was_cleared_since():
    history, seen = [*reading_again(3), *talk(20)], []

    class Behind(Summarizer):
        def summarize(self, request):
            seen.append(request.prefix())
            return super().summarize(request)

    made = narrow(summarizer=Behind())
    result = await made.apreflight("s", history, compose=lambda items: {"input": items})
    assert result.summary is not None
    (prefix,) = seen
    assert prefix["input"] == history[: len(prefix["input"])]
    assert listing(0) in texts_in(prefix["input"])


def test_a_summary_made_later_keeps_what_was_cleared_before_as_it_was():
    history, made = reading_again(), narrow()
    first = made.preflight("s", history)
    assert first.cleared
    later = made.preflight("s", [*history, *talk(60)])
    assert later.summary is not None
    kept = [text for text in texts(later) if text.startswith("[The output of")]
    assert set(kept) <= set(texts(first))


def test_records_name_what_was_cleared_by_place_and_size():
    storage = Storage()
    narrow(storage=storage).preflight("s", reading_again())
    (stored,) = storage.checkpoints["s"]
    assert [asdict(entry)["index"] for entry in stored.cleared] == [2, 4, 6, 8]
    assert stored.summary is None
    assert stored.version == 0


def test_an_output_that_is_larger_than_the_window_does_not_end_the_run():
    history = large_output()
    result = narrow().preflight("s", history)
    assert result.error is None
    assert result.outcome == "compacted"
    assert result.tokens_after <= WINDOW
    assert "INV-00" in str(result.messages)
    assert result.messages[0] is history[0]


def test_a_turn_that_does_not_fit_goes_into_the_summary():
    history = [*talk(3), user("Sum it up."), *talk(1, 6000)[1:]]
    writer = Summarizer()
    result = narrow(summarizer=writer).preflight("s", history)
    assert result.error is None
    assert result.tokens_after <= WINDOW
    assert history[-1] in list(writer.requests[0].items)
    assert history[-2] in result.messages


def test_an_output_that_alone_is_too_large_is_said_in_short_and_nothing_else_goes():
    history = large_output("Mind. " * 2000)
    result = narrow(summary_max_tokens=4000).preflight("s", history)
    assert (result.outcome, result.cleared, result.dropped) == ("compacted", 1, 0)
    assert "it is too large to stay" in texts(result)[0]
    assert result.tokens_after <= WINDOW
