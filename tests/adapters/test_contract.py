"""What every `StorageAdapter` of the package does, run over each of them."""

import json
import re
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from compact_otel.core.errors import StorageError
from compact_otel.core.protocols import StorageAdapter
from compact_otel.core.types import Message
from tests.adapters import packed
from tests.adapters.samples import CHECKPOINT

HISTORY = [
    {"role": "user", "content": "Wie spät ist es in 東京? 🕰"},
    {"type": "function_call", "call_id": "c1", "name": "clock", "arguments": '{"city":"Tokyo"}'},
    {"type": "function_call_output", "call_id": "c1", "output": "line\nfeed\x85\u2028\x00"},
]
STRANGE_IDS = [
    "",
    ".",
    "..",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "../x",
    "nul\0",
    "CON",
    "con",
    "a.",
    "a",
]
STRANGE_IDS += ["A", "é", "e\u0301", "\ud800", "%", "%2e", "a+1", "x" * 10_000, "X" * 10_000, " a "]


def stored_bytes(storage, receipt):
    if storage.name == "memory":
        return sum(len(json.dumps(item, ensure_ascii=False).encode()) + 1 for item in HISTORY)
    return next(one.size for one in storage.records("s") if one.id == receipt.id)


@pytest.fixture(params=packed.ALL)
def storage(request):
    return packed.made(request.param, request)


def test_it_fits_the_protocol(storage):
    assert isinstance(storage, StorageAdapter)
    assert storage.name in ("fs", "memory", "s3")


def test_a_transcript_comes_back_item_by_item(storage):
    receipt = storage.save_transcript("s", HISTORY)
    assert storage.load_transcript("s", receipt.step) == HISTORY


def test_a_receipt_says_what_was_stored(storage):
    receipt = storage.save_transcript("s", HISTORY)
    assert receipt.id == "transcript-pre-compact-001"
    assert receipt.step == 1
    assert receipt.messages == 3
    assert receipt.size == stored_bytes(storage, receipt)
    assert receipt.id in receipt.location
    assert receipt.redacted == (storage.name != "memory")


def test_steps_count_up_within_a_session(storage):
    steps = [storage.save_transcript("s", HISTORY[:n]).step for n in range(3)]
    other = storage.save_transcript("other", HISTORY).step
    assert (steps, other) == ([1, 2, 3], 1)
    assert storage.steps("s") == [1, 2, 3]
    assert [len(storage.load_transcript("s", step)) for step in steps] == [0, 1, 2]


def test_a_number_is_not_used_again_by_a_later_compaction(storage):
    storage.save_summary("s", 4, {"text": "t"})
    assert storage.save_transcript("s", HISTORY).step == 5
    assert storage.steps("s") == [5]


def test_what_happens_to_an_item_later_is_not_in_the_archive(storage):
    item = {"role": "user", "content": ["a"]}
    storage.save_transcript("s", [item])
    item["content"].append("b")
    assert storage.load_transcript("s", 1) == [{"role": "user", "content": ["a"]}]
    storage.load_transcript("s", 1)[0]["role"] = "system"
    assert storage.load_transcript("s", 1)[0]["role"] == "user"


def test_a_summary_comes_back_and_is_replaced_when_saved_again(storage):
    storage.save_summary("s", 1, {"text": "first", "tokens": 3})
    receipt = storage.save_summary("s", 1, {"text": "second", "tokens": 4})
    assert (receipt.id, receipt.step, receipt.messages) == ("summary-001", 1, 1)
    assert storage.load_summary("s", 1) == {"text": "second", "tokens": 4}


def test_events_come_back_in_their_order(storage):
    for n in range(5):
        storage.save_event("s", {"event": "compact.archival", "n": n})
    assert [event["n"] for event in storage.load_events("s")] == [0, 1, 2, 3, 4]


def test_the_newest_checkpoint_of_a_key_counts_and_the_order_is_that_of_writing(storage):
    second = replace(CHECKPOINT, key="k2", model="gpt-5")
    newer = replace(CHECKPOINT, version=2, kept=())
    for checkpoint in (CHECKPOINT, second, newer):
        storage.save_checkpoint("s", checkpoint)
    assert list(storage.load_checkpoints("s")) == [second, newer]


@pytest.mark.parametrize(
    "summary", ["", "password=hunter2", "half \ud83d a pair", "\ufeff\x00\r\n"]
)
def test_a_checkpoint_keeps_its_summary_to_the_character(storage, summary):
    storage.save_checkpoint("s", replace(CHECKPOINT, summary=summary))
    assert storage.load_checkpoints("s")[0].summary == summary


def test_an_unknown_session_is_empty_and_stays_unknown(storage):
    assert list(storage.load_checkpoints("s")) == []
    assert storage.load_events("s") == []
    assert storage.steps("s") == []
    assert storage.sessions() == []


@pytest.mark.parametrize("load", ["load_transcript", "load_summary"])
def test_asking_for_a_step_that_is_not_there_is_a_storage_error(storage, load):
    storage.save_transcript("s", HISTORY)
    with pytest.raises(StorageError, match=r"`steps\(\)`"):
        getattr(storage, load)("s", 7)


def test_any_string_is_a_session_of_its_own(storage):
    for n, session_id in enumerate(STRANGE_IDS):
        storage.save_transcript(session_id, [{"n": n}])
        storage.save_event(session_id, {"n": n})
    for n, session_id in enumerate(STRANGE_IDS):
        assert storage.load_transcript(session_id, 1) == [{"n": n}]
        assert storage.load_events(session_id) == [{"n": n}]
        assert storage.steps(session_id) == [1]
    assert storage.sessions() == sorted(STRANGE_IDS)


class Part(BaseModel):
    text: str
    at: datetime


class Unreadable:
    def __str__(self):
        raise RuntimeError("no")


def test_content_that_is_not_json_is_stored_as_something_readable(storage):
    itself = []
    itself.append(itself)
    at = datetime(2025, 1, 2, tzinfo=UTC)
    deep = deque()
    for _ in range(5_000):
        deep = [deep]
    item = {
        "model": Part(text="t", at=at),
        "message": Message(role="user", content="c"),
        "bytes": b"caf\xc3\xa9 \xff",
        "floats": (float("nan"), float("-inf"), 0.5),
        "whole": 10**5_000,
        "id": UUID(int=1),
        "keys": {1: "a", "1": "b", None: "c"},
        "set": {1},
        "itself": itself,
        "unreadable": Unreadable(),
        "deep": deep,
    }
    storage.save_transcript("s", [item, Part(text="model", at=at)])
    stored, model = storage.load_transcript("s", 1)
    assert model == {"text": "model", "at": "2025-01-02T00:00:00+00:00"}
    assert stored["model"] == {"text": "t", "at": "2025-01-02T00:00:00+00:00"}
    assert stored["message"] == {"role": "user", "content": "c", "meta": {}}
    assert stored["bytes"] == "café \\xff"
    assert stored["floats"] == ["nan", "-inf", 0.5]
    assert int(stored["whole"], 16) == 10**5_000
    assert stored["id"] == str(UUID(int=1))
    assert stored["keys"] == {"1": "a", "1 (2)": "b", "None": "c"}
    assert stored["set"] == [1]
    assert stored["itself"] == ["<contains itself>"]
    assert stored["unreadable"] == "<unreadable Unreadable>"
    assert "<nested deeper than 100 levels>" in json.dumps(stored["deep"])


def test_threads_get_distinct_steps_and_lose_nothing(storage):
    def save(n):
        return storage.save_transcript("s", [{"n": n}]).step, n

    with ThreadPoolExecutor(8) as pool:
        saved = dict(pool.map(save, range(80)))
    assert sorted(saved) == storage.steps("s") == list(range(1, 81))
    for step, n in saved.items():
        assert storage.load_transcript("s", step) == [{"n": n}]


# Two halves of a surrogate pair side by side are one character to JSON.
PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())).filter(lambda text: not PAIR.search(text)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc_é\ud800"), inner),
    max_leaves=10,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=JSON)
def test_json_comes_back_as_it_was(storage, content):
    step = storage.save_transcript("s", [{"content": content}]).step
    assert storage.load_transcript("s", step) == [{"content": content}]
