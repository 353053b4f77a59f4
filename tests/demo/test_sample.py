"""The bundled session: what it has to be so that the demo proves something, and whose it is."""

import gzip
import json
from importlib import resources
from pathlib import Path

import pytest

from compact_otel.demo import sample
from compact_otel.demo.recording import HANDS_OVER, Recording, bundled
from compact_otel.demo.settings import SettingError, session_tokens
from compact_otel.testing.behaviour import readable_text
from tests.demo.runs import settings

DEMO = resources.files("compact_otel.demo")
SOURCE = Path(__file__).parents[3] / "shared/data/transcripts/airline-long.jsonl.gz"


def test_the_session_comes_with_its_licence_and_says_where_it_is_from():
    licence = DEMO.joinpath("LICENSE-tau-bench").read_text()

    assert "MIT License" in licence
    assert "Copyright (c) 2024 Sierra" in licence
    for part in (
        "sierra-research/tau-bench",
        "59a200c6d575d595120f1cb70fea53cef0632f6b",
        "historical_trajectories/gpt-4o-airline.json",
        "Changed",
    ):
        assert part in sample.__doc__


def test_the_session_is_small_to_install_and_large_for_the_default_window(tmp_path):
    whole = bundled()
    chosen = settings(tmp_path, window=10_000, turns=None)

    assert len(DEMO.joinpath("session.json.gz").read_bytes()) <= 60_000
    assert len(whole.responses) >= 40
    assert session_tokens(chosen, whole) > 3 * chosen.window


def test_every_fact_stands_word_for_word_in_front_of_the_call_that_needs_it():
    whole = bundled()

    facts = [(fact, response) for response in whole.responses for fact in response.facts]

    assert len(facts) >= 100
    for fact, response in facts:
        assert fact.value in readable_text(None, whole.items[: response.start]), fact
        assert fact.tool in [tool for tool, _ in response.calls]


def test_turns_and_responses_are_the_items_cut_up():
    whole = bundled()

    said = [item for item in whole.items if item.get("role") == "user"]
    answers = [item["content"] for item in whole.items if item.get("role") == "assistant"]
    calls = [
        (item["name"], item["arguments"])
        for item in whole.items
        if item.get("type") == "function_call"
    ]

    assert [message for turn in whole.turns for message in turn.user] == said
    assert [one.text for one in whole.responses if one.text is not None] == answers
    assert [call for one in whole.responses for call in one.calls] == calls
    assert len(whole.outputs) == len(calls)


def test_a_part_of_the_session_is_its_beginning():
    whole, part = bundled(), bundled(5)

    assert list(part.turns) == list(whole.turns[:5])
    assert list(part.items) == list(whole.items[: len(part.items)])


def user(text):
    return {"role": "user", "content": text}


def answer(text):
    return {"role": "assistant", "content": text}


def call(tool="look", ident="call_1"):
    return {"type": "function_call", "name": tool, "arguments": "{}", "call_id": ident}


def output(ident="call_1"):
    return {"type": "function_call_output", "call_id": ident, "output": "seen"}


def recording(*items):
    return Recording.of({"instructions": "", "tools": [], "items": items, "facts": []})


def test_a_text_and_the_calls_behind_it_are_one_response():
    one = recording(user("?"), answer("I look."), call(), output(), answer("!"))

    assert [(response.text, len(response.calls)) for response in one.responses] == [
        ("I look.", 1),
        ("!", 0),
    ]


def test_parallel_calls_are_one_response():
    one = recording(
        user("?"), call(ident="a"), call(ident="b"), output("a"), output("b"), answer("!")
    )

    assert [len(response.calls) for response in one.responses] == [2, 0]


def test_handing_over_ends_a_turn_without_an_answer():
    one = recording(user("?"), call(HANDS_OVER), output(), user("Hello?"), answer("Yes."))

    assert [len(turn.responses) for turn in one.turns] == [1, 1]


@pytest.mark.parametrize(
    "items",
    [
        [answer("Nobody asked.")],
        [user("?"), call(), output()],
        [user("?"), answer("One."), answer("Two.")],
    ],
    ids=["no-question", "no-answer", "two-answers"],
)
def test_a_history_that_is_no_sequence_of_turns_is_refused(items):
    with pytest.raises(ValueError, match="in turn 1"):
        recording(*items)


@pytest.mark.skipif(not SOURCE.exists(), reason="the source of the sample is not part of this tree")
def test_the_script_makes_the_bundled_session_from_its_source():
    with gzip.open(SOURCE, "rt", encoding="utf-8") as lines:
        session = next(one for one in map(json.loads, lines) if one["id"] == sample.SESSION)

    made = sample.cut(session, sample.FIRST, sample.LAST)

    packed = DEMO.joinpath("session.json.gz").read_bytes()
    assert made == json.loads(gzip.decompress(packed))


def test_the_script_says_how_it_is_called():
    with pytest.raises(SystemExit, match=r"compact_otel\.demo\.sample SOURCE"):
        sample.main([])


def test_the_script_wants_the_session_it_cuts(tmp_path):
    other = tmp_path / "other.jsonl.gz"
    other.write_bytes(gzip.compress(b'{"id": "another"}\n'))

    with pytest.raises(SystemExit, match=sample.SESSION):
        sample.main([str(other)])


def test_a_fact_from_an_earlier_conversation_is_no_fact_of_the_cut():
    session = {
        **dict.fromkeys(("id", "source", "license", "model", "instructions"), ""),
        "tools": [],
        "items": [user("I am ann_1."), answer("Hi."), user("Book."), call(), output(), answer("!")],
        "segments": [{"id": "a", "start": 0, "end": 2}, {"id": "b", "start": 2, "end": 6}],
        "facts": [
            {"value": "ann_1", "needed_at_item": 3, "tool": "look", "arg": "who", "origin": "user"},
            {"value": "Book", "needed_at_item": 3, "tool": "look", "arg": "do", "origin": "user"},
        ],
    }

    made = sample.cut(session, "b", "b")

    assert [(fact["value"], fact["needed_at_item"]) for fact in made["facts"]] == [("Book", 1)]


def test_a_window_in_which_the_newest_messages_fit_no_more_is_refused(tmp_path):
    with pytest.raises(SettingError, match="or more") as caught:
        session_tokens(settings(tmp_path, window=5_000), bundled())

    assert caught.value.option == "window"
