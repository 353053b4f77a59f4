"""`verify` of an archive that somebody writes to: what a writer explains is no fault."""

import threading
import time
from dataclasses import replace

import pytest

from compact_otel.adapters import FileStorage, S3Storage, audit, fs
from compact_otel.adapters.naming import Place
from tests.adapters.samples import CHECKPOINT

HISTORY = [{"role": "user", "content": "Pay invoice 4711."}]


class Files:
    """An archive of files with somebody who looks and somebody who writes."""

    def __init__(self, path, monkeypatch):
        self.looker, self.writer = FileStorage(path), FileStorage(path)
        self.path, self.step = path, None
        read = fs._read

        def read_then(file):
            if self.step:
                self.step()
            return read(file)

        monkeypatch.setattr(fs, "_read", read_then)

    def overwrite(self, session, name):
        (self.path / session / name).write_bytes(b"{}\n")

    def delete(self, session, name):
        (self.path / session / name).unlink()


class Objects:
    """The same in a bucket."""

    def __init__(self, client, bucket, endpoint):
        self.looker, self.writer = (S3Storage(bucket, "p", endpoint=endpoint) for _ in range(2))
        self.client, self.bucket, self.step = client, bucket, None
        for name in ("_current", "_listed"):
            setattr(self.looker, name, self._stepping(getattr(self.looker, name)))

    def _stepping(self, read):
        def read_then(key):
            if self.step and "/events/0" not in key:  # or it would never come to their end
                self.step()
            return read(key)

        return read_then

    def overwrite(self, session, name):
        self.client.put_object(Bucket=self.bucket, Key=f"p/{session}/{name}", Body=b"{}\n")

    def delete(self, session, name):
        self.client.delete_object(Bucket=self.bucket, Key=f"p/{session}/{name}")


@pytest.fixture(params=["fs", "s3"])
def place(request, tmp_path, monkeypatch):
    monkeypatch.setattr("compact_otel.adapters.s3._STEP_S", 0.01)
    if request.param == "fs":
        return Files(tmp_path / "archive", monkeypatch)
    return Objects(*map(request.getfixturevalue, ("s3_client", "bucket", "s3_endpoint")))


def begun(place, session):
    place.writer.save_transcript(session, HISTORY)
    place.writer.save_summary(session, 1, {"text": "t"})
    place.writer.save_checkpoint(session, CHECKPOINT)


class Steps:
    """Writes before the read of a number, or before each."""

    def __init__(self, place, write, at=None):
        self.place, self.write, self.at, self.reads = place, write, at, 0

    def __call__(self):
        self.reads += 1
        if self.at in (None, self.reads):
            self.place.step = None  # what the writer reads itself does not count
            self.write(self.reads)
            self.place.step = self


def again(storage, session, n):
    storage.save_summary(session, 1, {"text": f"t{n}"})


def checkpoint_again(storage, session, n):
    storage.save_checkpoint(session, replace(CHECKPOINT, version=n + 1))


WRITES = {
    "an event": lambda storage, session, n: storage.save_event(session, {"n": n}),
    "a transcript": lambda storage, session, _: storage.save_transcript(session, HISTORY),
    "a summary again": again,
    "a checkpoint again": checkpoint_again,
    "a removal": lambda storage, session, _: storage.remove(session, "transcript-pre-compact-001"),
    "the end of the session": lambda storage, session, _: storage.remove_session(session),
}


def faults(place, session):
    return [(fault.level, fault.what) for fault in place.looker.verify(session)]


@pytest.mark.parametrize("write", WRITES)
def test_a_write_between_any_two_reads_is_no_fault(place, write):
    for at in range(1, 30):
        session = f"s{at}"
        begun(place, session)
        steps = Steps(place, lambda n, session=session: WRITES[write](place.writer, session, n), at)
        place.step = steps
        found = faults(place, session)
        place.step = None
        assert found == [], f"{write} before read {at}"
        if steps.reads < at:
            break
    assert 4 < at < 29


@pytest.mark.parametrize("write", ["an event", "a summary again", "a checkpoint again"])
def test_a_busy_writer_neither_causes_a_fault_nor_hides_one(place, write):
    begun(place, "s")
    place.writer.save_transcript("s", HISTORY)
    place.writer.save_summary("s", 2, {"text": "t"})
    place.step = Steps(place, lambda n: WRITES[write](place.writer, "s", n))
    assert faults(place, "s") == []
    place.overwrite("s", "summary-002.json")
    place.delete("s", "transcript-pre-compact-002.jsonl")
    assert faults(place, "s") == [
        ("error", "`summary-002` is not what was written"),
        ("error", "`transcript-pre-compact-002` is missing"),
    ]


@pytest.mark.parametrize("write", ["a transcript", "a summary again", "a checkpoint again"])
def test_a_writer_between_two_of_its_steps_is_no_fault(place, monkeypatch, write):
    begun(place, "s")
    look, early, folder = place.looker._seen, [], Place("s", "s")
    module, name = (fs, "_seal") if place.writer.name == "fs" else (S3Storage, "_chain")
    step = getattr(module, name)

    def looked_at(*args):
        early.append(look(folder))
        step(*args)

    monkeypatch.setattr(module, name, looked_at)
    WRITES[write](place.writer, "s", 1)
    monkeypatch.setattr(module, name, step)
    assert audit.lasting(lambda: early[0], 0) != [], "seen at a moment at which nothing is wrong"
    place.looker._seen = lambda folder: early.pop() if early else look(folder)
    assert faults(place, "s") == []


def test_looking_does_not_write(tmp_path):
    storage = FileStorage(tmp_path)
    storage.save_summary("s", 1, {"text": "t"})
    (tmp_path / "s" / "summary-001.json").write_bytes(b"{}\n")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert [fault.level for fault in storage.verify("s")] == ["error"]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert storage.verify("nobody") == []
    assert not (tmp_path / "nobody").exists()


def test_a_thread_that_writes_without_a_pause_is_no_fault_and_hides_none(tmp_path):
    storage, ended = FileStorage(tmp_path), threading.Event()
    storage.save_summary("s", 99, {"text": "t"})

    def write():
        writer, n = FileStorage(tmp_path), 0
        while not ended.is_set():
            n += 1
            writer.save_event("s", {"n": n})
            checkpoint_again(writer, "s", n)
            again(writer, "s", n)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            assert [fault for fault in storage.verify("s") if fault.level == "error"] == []
        (tmp_path / "s" / "summary-099.json").write_bytes(b"{}\n")
        assert [fault.what for fault in storage.verify("s") if fault.level == "error"] == [
            "`summary-099` is not what was written"
        ]
    finally:
        ended.set()
        thread.join()
    assert [fault.what for fault in storage.verify("s")] == [
        "`summary-099` is not what was written"
    ]
