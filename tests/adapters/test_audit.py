"""What somebody changed in an archive, or lost, is found; what a crash explains is told as that."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from compact_otel.adapters import FileStorage, S3Storage
from compact_otel.core.errors import StorageError, UnauditedError
from tests.adapters.samples import CHECKPOINT

HISTORY = [{"role": "user", "content": "password=hunter2 and api_key: abcdef123456"}]


class Files:
    """What somebody with rights on the folder can do."""

    def __init__(self, path):
        self.storage = FileStorage(path)
        self.folder = path / "s"

    def lines(self):
        return (self.folder / "events.jsonl").read_bytes().splitlines(keepends=True)

    def rewrite(self, lines):
        (self.folder / "events.jsonl").write_bytes(b"".join(lines))

    def overwrite(self, name, data):
        (self.folder / name).write_bytes(data)

    def delete(self, name):
        (self.folder / name).unlink()


class Objects:
    """The same with rights on the bucket."""

    def __init__(self, client, bucket, endpoint):
        self.storage = S3Storage(bucket, "p", endpoint=endpoint)
        self.client, self.bucket = client, bucket

    def keys(self):
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix="p/s/events/")
        return [entry["Key"] for entry in found["Contents"]]

    def lines(self):
        bodies = (self.client.get_object(Bucket=self.bucket, Key=key) for key in self.keys())
        return [found["Body"].read() for found in bodies]

    def rewrite(self, lines):
        for key in self.keys():
            self.client.delete_object(Bucket=self.bucket, Key=key)
        for number, line in enumerate(lines, 1):
            self.overwrite(f"events/{number:08d}.json", line)

    def overwrite(self, name, data):
        self.client.put_object(Bucket=self.bucket, Key=f"p/s/{name}", Body=data)

    def delete(self, name):
        self.client.delete_object(Bucket=self.bucket, Key=f"p/s/{name}")


@pytest.fixture(params=["fs", "s3"])
def place(request, tmp_path):
    if request.param == "fs":
        made = Files(tmp_path / "archive")
    else:
        endpoint, bucket, client = map(
            request.getfixturevalue, ("s3_endpoint", "bucket", "s3_client")
        )
        made = Objects(client, bucket, endpoint)
    storage = made.storage
    storage.save_transcript("s", HISTORY)
    storage.save_summary("s", 1, {"text": "t"})
    storage.save_checkpoint("s", CHECKPOINT)
    storage.save_event("s", {"event": "compact.policy_applied"})
    return made


def faults(place):
    return [(fault.level, fault.what) for fault in place.storage.verify("s")]


def test_an_archive_that_nobody_touched_has_no_faults(place):
    place.storage.save_summary("s", 1, {"text": "again"})
    place.storage.save_checkpoint("s", replace(CHECKPOINT, version=2))
    assert faults(place) == []
    assert place.storage.verify("nobody") == []


def test_each_write_is_audited_with_its_hash_and_what_was_redacted(place):
    transcript, summary, checkpoint = place.storage.load_audit("s")
    assert transcript["event"] == "compact.archival"
    assert transcript["session_id"] == "s"
    assert transcript["compact.archive.id"] == "transcript-pre-compact-001"
    assert transcript["compact.archive.adapter"] == place.storage.name
    assert transcript["compact.archive.step"] == 1
    assert transcript["compact.archive.location"].endswith("/s/transcript-pre-compact-001.jsonl")
    assert transcript["compact.archive.redactions"] == 2
    assert len(transcript["compact.archive.sha256"]) == 64
    assert summary["compact.archive.redactions"] == 0
    assert checkpoint["compact.archive.redacted"] is False
    assert place.storage.load_events("s") == [{"event": "compact.policy_applied"}]


def test_a_changed_event_is_found(place):
    lines = place.lines()
    lines[1] = lines[1].replace(b"summary-001", b"summary-009", 1)
    place.rewrite(lines)
    assert ("error", "event 2 or 3 was changed") in faults(place)


def test_a_missing_event_is_found(place):
    lines = place.lines()
    place.rewrite([lines[0], *lines[2:]])
    assert ("error", "behind event 1 follows event 3") in faults(place)


def test_an_event_put_in_is_found(place):
    lines = place.lines()
    forged = {**json.loads(lines[1]), "session_id": "somebody's"}
    place.rewrite([*lines[:2], json.dumps(forged).encode() + b"\n", *lines[2:]])
    assert ("error", "behind event 2 follows event 2") in faults(place)


def test_the_events_of_another_session_are_found(tmp_path):
    place = Files(tmp_path)
    place.storage.save_event("s", {"n": 1})
    shutil.copytree(tmp_path / "s", tmp_path / "t")
    (fault,) = place.storage.verify("t")
    assert (fault.level, fault.what) == ("error", "event 1 was changed, or another session's")


def test_missing_last_events_are_found_in_files(tmp_path):
    place = Files(tmp_path)
    for n in range(5):
        place.storage.save_event("s", {"n": n})
    place.rewrite(place.lines()[:3])
    assert faults(place) == [("error", "the last 2 events are missing")]


@pytest.mark.parametrize("name", ["transcript-pre-compact-001.jsonl", "summary-001.json"])
def test_what_was_changed_or_lost_is_found(place, name):
    ident = name.partition(".")[0]
    place.overwrite(name, b"{}\n")
    assert faults(place) == [("error", f"`{ident}` is not what was written")]
    place.delete(name)
    assert faults(place) == [("error", f"`{ident}` is missing")]


def test_what_has_no_event_is_told_as_the_work_of_a_crash(place):
    place.overwrite("summary-007.json", b"{}\n")
    ((level, what),) = faults(place)
    assert (level, what.partition(" has")[0]) == ("note", "`summary-007`")


def test_a_torn_line_is_a_note_and_the_chain_goes_on_behind_it(tmp_path):
    place = Files(tmp_path)
    place.storage.save_event("s", {"n": 1})
    with (place.folder / "events.jsonl").open("ab") as events:
        events.write(b'{"event": "to')
    place.storage.save_event("s", {"n": 2})
    assert faults(place) == [("note", "line 2 of the events is torn")]
    assert place.storage.load_events("s") == [{"n": 1}, {"n": 2}]


def test_the_chain_finds_its_end_behind_a_line_longer_than_a_look(tmp_path):
    place = Files(tmp_path)
    for text in ("short", "x" * 50_000, "short"):
        place.storage.save_event("s", {"text": text})
    assert faults(place) == []


def test_an_archive_of_before_there_was_a_chain_goes_on_with_one(tmp_path):
    place = Files(tmp_path)
    place.folder.mkdir(parents=True)
    place.rewrite([b'{"n": 1}\n'])
    place.storage.save_event("s", {"n": 2})
    assert place.storage.load_events("s") == [{"n": 1}, {"n": 2}]
    assert [level for level, _ in faults(place)] == ["note"]


def test_an_event_of_ones_own_cannot_pass_for_a_link(place):
    place.storage.save_event("s", {"audit.sequence": 99, "audit.previous": "0" * 64})
    place.storage.save_event("s", {"n": 1})
    assert faults(place) == []


WRITER = """
import sys
from compact_otel.adapters import FileStorage

storage = FileStorage(sys.argv[1])
print("ready", flush=True)
for n in range(int(sys.argv[2])):
    storage.save_event("s", {"n": n, "by": sys.argv[3], "text": "x" * 300})
"""


def writer(path, events, name):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, path, str(events), name], stdout=subprocess.PIPE
    )


def test_writers_in_several_processes_make_one_chain(tmp_path):
    place = Files(tmp_path)
    writers = [writer(tmp_path, 60, name) for name in "abc"]
    assert [one.wait(timeout=60) for one in writers] == [0, 0, 0]
    assert len(place.storage.load_events("s")) == 180
    assert faults(place) == []
    for one in writers:
        one.stdout.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing is killed there")
def test_a_writer_that_is_killed_leaves_notes_at_most(tmp_path):
    place = Files(tmp_path)
    for n in range(6):
        one = writer(tmp_path, 10**6, str(n))
        one.stdout.readline()
        time.sleep(0.01 * n)
        one.kill()
        one.wait(timeout=60)
        one.stdout.close()
    place.storage.save_event("s", {"by": "the last"})
    assert {level for level, _ in faults(place)} <= {"note"}
    assert place.storage.load_events("s")[-1] == {"by": "the last"}


@pytest.mark.skipif(sys.platform == "win32", reason="a folder cannot be opened there anyway")
def test_what_cannot_be_audited_is_not_written(tmp_path):
    place = Files(tmp_path)
    events, away = place.folder / "events.jsonl", tmp_path / "away"
    place.storage.save_event("s", {"n": 1})
    for save in (
        lambda: place.storage.save_transcript("s", HISTORY),
        lambda: place.storage.save_summary("s", 1, {"text": "t"}),
        lambda: place.storage.save_checkpoint("s", CHECKPOINT),
    ):
        events.rename(away)
        events.mkdir()
        with pytest.raises(StorageError):
            save()
        events.rmdir()
        away.rename(events)
        assert sorted(path.name for path in place.folder.iterdir()) == [
            "events.jsonl",
            "events.seal",
        ]
        assert faults(place) == []


def test_the_audit_of_what_could_not_be_written_goes_again(tmp_path):
    place = Files(tmp_path)
    place.storage.save_event("s", {"n": 1})
    (place.folder / "checkpoints.jsonl").mkdir()
    with pytest.raises(StorageError):
        place.storage.save_checkpoint("s", CHECKPOINT)
    (place.folder / "checkpoints.jsonl").rmdir()
    assert faults(place) == []
    assert place.storage.load_audit("s") == []
    place.storage.save_checkpoint("s", CHECKPOINT)
    assert faults(place) == []


def test_an_object_without_its_audit_is_told_apart_and_can_be_audited_later(bucket, road):
    storage, owed = S3Storage(bucket, "p", endpoint=road.endpoint), []
    storage.save_event("s", {"n": 1})
    road.refuses = b"/events/"
    for save in (
        lambda: storage.save_transcript("s", HISTORY),
        lambda: storage.save_summary("s", 1, {"text": "t"}),
        lambda: storage.save_checkpoint("s", CHECKPOINT),
    ):
        with pytest.raises(UnauditedError) as raised:
            save()
        owed.append(raised.value)
    road.refuses = None
    assert [error.receipt.id for error in owed[:2]] == ["transcript-pre-compact-001", "summary-001"]
    assert {fault.level for fault in storage.verify("s")} == {"note"}
    for error in owed:
        storage.save_event("s", error.record)
    assert storage.verify("s") == []
    assert len(storage.load_audit("s")) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked there")
def test_whoever_does_not_let_go_of_the_events_costs_an_event_and_no_more(tmp_path, monkeypatch):
    import fcntl

    monkeypatch.setattr("compact_otel.adapters.fs._ALONE_S", 0.05)
    place = Files(tmp_path)
    place.storage.save_event("s", {"n": 1})
    with (place.folder / "events.jsonl").open("ab") as events:
        fcntl.flock(events, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="cannot write"):
            place.storage.save_event("s", {"n": 2})
    place.storage.save_event("s", {"n": 3})
    assert place.storage.load_events("s") == [{"n": 1}, {"n": 3}]
