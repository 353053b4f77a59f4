"""What could not be archived waits in memory, and is there in the end as if all had worked."""

import gc
import json
import subprocess
import sys
import threading
import time
import weakref

import pytest

from compact_otel.adapters import FileStorage, S3Storage
from compact_otel.engine import service, writes
from compact_otel.engine.spool import Spool
from compact_otel.recall import search_archive
from tests.engine.spooling import block, compacts, essence, history, manager
from tests.histories import Exporter


@pytest.fixture(autouse=True)
def spool(monkeypatch):
    """A spool that no other test has left something in."""
    fresh = Spool()
    monkeypatch.setattr(service, "SPOOL", fresh)
    yield fresh
    fresh.close()
    fresh._forget()


@pytest.fixture
def root(tmp_path):
    return tmp_path / "archive"


@pytest.fixture
def told():
    return Exporter()


def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


@pytest.fixture
def expected(tmp_path):
    """Return what is archived of so many compactions where the storage works."""

    def archived(compactions, session_id="s"):
        storage = FileStorage(tmp_path / "expected")
        made = manager(storage)
        for number in range(1, compactions + 1):
            compacts(made, number, session_id)
        return essence(storage, session_id)

    return archived


def test_what_waits_is_written_by_the_next_compaction_as_if_the_storage_had_worked(
    root, told, spool, expected
):
    block(root)
    storage = FileStorage(root)
    made = manager(storage, told)
    assert compacts(made, 1).archive is None
    assert compacts(made, 2).archive is None
    assert spool.size > 0
    root.unlink()
    assert compacts(made, 3).archive.endswith("transcript-pre-compact-003.jsonl")
    assert spool.size == 0
    assert essence(storage) == expected(3)
    assert storage.verify("s") == []


def test_events_say_what_was_not_archived_that_it_waits_and_when_it_was_written(root, told):
    block(root)
    storage = FileStorage(root)
    made = manager(storage, told)
    compacts(made, 1)
    [failed] = told.named("archival")
    assert failed["error.type"] == "StorageError"
    assert failed["compact.archive.waiting"] is True
    assert failed["compact.archive.messages"] == 8
    assert failed["compact.archive.size"] > 8 * 2_500
    root.unlink()
    compacts(made, 2)
    _, late, new = told.named("archival")
    assert late["compact.archive.id"] == "transcript-pre-compact-001"
    assert late["compact.archive.messages"] == 8
    assert late["compact.archive.delay"] > 0
    assert late["session_id"] == "s"
    assert "error.type" not in late
    assert "compact.archive.delay" not in new
    kept = [event for event in storage.load_events("s") if event["event"] == "compact.archival"]
    assert kept == [failed, late, new]


def test_a_compaction_of_another_session_has_it_written_meanwhile(root, spool, expected):
    block(root)
    storage = FileStorage(root)
    made = manager(storage)
    for session_id in ("a", "b"):
        compacts(made, 1, session_id)
    root.unlink()
    compacts(made, 1, "c")
    until(lambda: spool.size == 0)
    for session_id in ("a", "b", "c"):
        assert essence(storage, session_id) == expected(1, session_id)
        assert storage.verify(session_id) == []


def test_what_is_written_late_is_redacted_too(root):
    block(root)
    storage = FileStorage(root)
    made = manager(storage)
    items = history(1)
    items[0]["content"] = "password=hunter2 " + items[0]["content"]
    assert made.preflight("s", items).outcome == "compacted"
    root.unlink()
    compacts(made, 1, "other")
    until(lambda: storage.steps("s") == [1] and storage.verify("s") == [])
    found = b"".join(path.read_bytes() for path in (root / "s").glob("*[0-9].json*"))
    assert b"hunter2" not in found
    assert b"<REDACTED>" in found


# --- reading back ---


def recalled(made, query, session_id="s"):
    return search_archive(
        made.archive, session_id, query, max_tokens=500, count_text=lambda text: len(text) // 4
    )


def test_what_waits_can_be_found_by_the_agent(root):
    storage = FileStorage(root)
    made = manager(storage)
    compacts(made, 1)
    root.rename(root.with_name("away"))
    block(root)
    compacts(made, 2)
    found = recalled(made, "order-9")
    assert found.result == "hit"
    assert "order-9" in found.text
    root.unlink()
    root.with_name("away").rename(root)
    assert recalled(made, "order-9").archive_id == "transcript-pre-compact-002"
    compacts(made, 3)
    assert recalled(made, "order-9").archive_id == "transcript-pre-compact-003"
    assert recalled(made, "order-9").result == "hit"


def test_what_cannot_be_read_is_not_taken_for_nothing(root):
    block(root)
    made = manager(FileStorage(root))
    compacts(made, 1)
    other = search_archive(
        made.archive,
        "s",
        "order-1",
        max_tokens=500,
        count_text=len,
        history=None,
    )
    assert other.result == "hit"
    with pytest.raises(OSError, match="cannot read"):
        search_archive(
            made.archive,
            "s",
            "order-1",
            max_tokens=500,
            count_text=len,
            history=history(1, "another conversation of the session"),
        )


def test_the_status_of_a_session_knows_what_waits(root, spool):
    block(root)
    storage = FileStorage(root)
    summary = compacts(manager(storage), 1).summary
    later = manager(storage)  # has forgotten, or is another one
    assert later.status("s").summary == summary


# --- limits ---


def test_beyond_the_limit_the_oldest_goes_and_an_event_says_so(root, told, spool, caplog):
    spool._limit = 140_000  # all but the first history, which is of 25,000, have room
    block(root)
    storage = FileStorage(root)
    made = manager(storage, told)
    for number in (1, 2, 3):
        compacts(made, number)
    assert 0 < spool.size <= 140_000
    first, *_ = told.named("archival")
    [lost] = [one for one in told.named("archival") if one.get("error.type") == "no_room"]
    assert lost["compact.archive.waiting"] is False
    assert lost["compact.archive.id"] == first["compact.archive.id"]
    assert lost["compact.archive.messages"] == 8
    assert "are lost" in caplog.text
    assert "order-" not in caplog.text
    root.unlink()
    compacts(made, 4)
    # What is there holds all that was ever said, and nothing is at odds.
    assert storage.steps("s") == [1, 2, 3]
    assert [len(storage.load_transcript("s", step)) for step in (1, 2, 3)] == [15, 22, 29]
    assert storage.verify("s") == []
    assert spool.size == 0


def test_what_is_larger_than_the_limit_is_not_held_and_the_event_says_so(root, told, spool):
    spool._limit = 10_000
    block(root)
    compacts(manager(FileStorage(root), told), 1)
    [failed] = told.named("archival")
    assert failed["compact.archive.waiting"] is False


def test_where_the_storage_works_nothing_is_copied_and_no_thread_is_there(root, monkeypatch):
    def copied(*args):
        raise AssertionError("an item was encoded for nothing")

    monkeypatch.setattr(writes, "json_line", copied)
    before = threading.enumerate()
    compacts(manager(FileStorage(root)), 1)
    new = [one.name for one in threading.enumerate() if one not in before]
    assert [name for name in new if "spool" in name] == []


class Item(dict):
    """A dict that can be watched."""


def test_nothing_of_the_conversation_itself_is_held(root, spool):
    block(root)
    items = [Item(one) for one in history(1)]
    watched = [weakref.ref(item) for item in items]
    made = manager(FileStorage(root))
    assert made.preflight("s", items).outcome == "compacted"
    assert spool.size
    del items, made
    gc.collect()
    assert [item() for item in watched] == [None] * len(watched)


class Refusing(FileStorage):
    """A storage of a user's that one thing is too much for, whenever it comes."""

    name = "refusing"
    asked = 0

    def save_transcript(self, session_id, messages):
        if session_id == "poison":
            type(self).asked += 1
            raise ValueError("not this one")
        return super().save_transcript(session_id, messages)


def test_what_a_storage_cannot_take_is_given_up_and_blocks_nothing(root, told, spool):
    storage = Refusing(root)
    made = manager(storage, told)
    compacts(made, 1, "poison")
    for number in range(1, 6):
        compacts(made, number, "good")
        tried = min(1 + number, 4)
        until(lambda: Refusing.asked == tried)  # noqa: B023 - called here
    until(lambda: spool.size == 0)
    assert Refusing.asked == 1 + 3
    assert len(storage.load_checkpoints("poison")) == 1
    assert told.named("archival")[-1]["compact.archive.adapter"] == "refusing"
    lost = [one for one in told.named("archival") if one.get("error.type") == "ValueError"]
    assert [one["compact.archive.waiting"] for one in lost] == [True, False]


class Silent(FileStorage):
    """A storage of a user's that stores and answers nothing."""

    calls = 0

    def save_transcript(self, session_id, messages):
        type(self).calls += 1


def test_a_wrong_answer_is_no_reason_to_store_it_again(root, spool):
    made = manager(Silent(root))
    compacts(made, 1)
    compacts(made, 2)
    assert Silent.calls == 2


# --- a full disk ---

FULL = """
import json, pathlib, resource, sys
from compact_otel.adapters import FileStorage
from tests.engine.spooling import compacts, essence, manager

def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

root, left = sys.argv[1], sys.argv[2]
storage = FileStorage(root)
made = manager(storage)
compacts(made, 1)
if left == "in all but the events":
    storage.save_event("s", {"event": "filler", "text": "x" * 100_000})
    room(pathlib.Path(root, "s", "events.jsonl").stat().st_size + 100)
else:
    room(int(left))
compacts(made, 2)
room(resource.RLIM_INFINITY)
compacts(made, 3)
found = essence(storage)
found["events"] = [name for name in found["events"] if name != "filler"]
print(json.dumps(found), storage.verify("s"), sep="\\n")
"""


@pytest.mark.parametrize("left", ["4096", "in all but the events"])
@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_after_a_full_disk_everything_is_there_once(tmp_path, expected, left):
    done = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path / "full", left],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found, faults = done.stdout.splitlines()
    assert json.loads(found) == json.loads(json.dumps(expected(3)))
    assert faults == "[]"


# --- S3 ---


@pytest.fixture
def soon(monkeypatch):
    """Let who was slow be asked again at once."""
    monkeypatch.setattr("compact_otel.patience._REST", 0.05)


def test_what_waits_for_s3_is_written_when_it_is_up_again(bucket, road, spool, expected):
    storage = S3Storage(bucket, endpoint=road.endpoint)
    made = manager(storage)
    road.close()  # connections are refused
    compacts(made, 1)
    compacts(made, 2)
    assert spool.size > 0
    road.open()
    compacts(made, 3)
    assert spool.size == 0
    found, other = essence(storage), expected(3)
    assert found == other
    assert storage.verify("s") == []


@pytest.mark.usefixtures("soon")
def test_what_a_slow_store_takes_after_all_is_not_written_twice(
    bucket, road, spool, expected, told
):
    storage = S3Storage(bucket, endpoint=road.endpoint)
    storage.sessions()  # boto3 is loaded
    made = manager(storage, told, timeout=0.3)
    road.delay_s = 0.5
    compacts(made, 1)
    assert told.named("archival")[0]["compact.archive.waiting"] is True
    until(lambda: storage.steps("s") == [1])  # the write goes on by itself
    road.delay_s = 0.0
    time.sleep(0.1)
    made = manager(storage)
    compacts(made, 1, "other")
    until(lambda: spool.size == 0)
    assert essence(storage) == expected(1)
    assert storage.verify("s") == []


# --- the end of the process, and forks ---

ENDING = """
import logging, multiprocessing, pathlib, sys, time
from compact_otel.adapters import FileStorage
from compact_otel.engine.spool import SPOOL, Spool
from tests.engine.spooling import block, compacts, manager

Spool.close.__defaults__ = (1.0,)
root, scene = pathlib.Path(sys.argv[1]), sys.argv[2]
logging.basicConfig()
block(root)
storage = FileStorage(root)
made = manager(storage)
compacts(made, 1)
def in_a_child():
    assert SPOOL.size == 0
    compacts(made, 1, "in the child")
    assert SPOOL.size > 0
    root.unlink()

if scene == "fork":
    child = multiprocessing.get_context("fork").Process(target=in_a_child)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert storage.sessions() == ["in the child"]  # it ended, and wrote what was its own
elif scene == "hangs":
    root.unlink()
    storage.save_transcript = lambda *args: time.sleep(60)
"""


@pytest.mark.parametrize("scene", ["fork", "hangs"])
@pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked there")
def test_what_waits_is_written_as_the_process_ends_or_its_loss_is_told(tmp_path, scene, expected):
    root = tmp_path / "end"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", ENDING, root, scene],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    seconds = time.monotonic() - began
    if scene == "fork":  # and the parent ends in the usual way
        storage = FileStorage(root)
        assert essence(storage) == expected(1)
        assert storage.verify("s") == []
        assert "archived" not in done.stderr
    else:
        assert "bytes of 1 sessions could not be archived" in done.stderr
        assert "order-" not in done.stderr
    assert seconds < 40
