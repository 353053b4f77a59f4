"""A session is found whatever was redacted when it was written, by whoever reads it later."""

import shutil
from dataclasses import replace

import pytest

from compact_otel.adapters import FileStorage, S3Storage, audit
from compact_otel.adapters.naming import directory_name, hidden
from compact_otel.redaction import Redactor
from tests.adapters.packed import PACKINGS
from tests.adapters.samples import CHECKPOINT

ALICE = "alice@example.com"
OPEN, CLOSED = Redactor(allow=["email"]), Redactor(allow=[])
LONG = "team-a/" * 40


class Place:
    """An archive that programs of different settings write to."""

    def __init__(self, request, kind):
        self.request, self.kind = request, kind

    def of(self, redactor):
        adapter, _, packing = self.kind.partition("-")
        packed = PACKINGS[packing or "plain"]
        fixture = self.request.getfixturevalue
        if adapter == "fs":
            return FileStorage(fixture("tmp_path") / "archive", redactor=redactor, **packed)
        client = fixture("s3_client")
        return S3Storage(fixture("bucket"), client=client, redactor=redactor, **packed)

    def folders(self):
        if self.kind.startswith("fs"):
            archive = self.request.getfixturevalue("tmp_path") / "archive"
            return sorted(path.name for path in archive.iterdir())
        client, bucket = map(self.request.getfixturevalue, ("s3_client", "bucket"))
        found = client.list_objects_v2(Bucket=bucket, Prefix="compact/archive/", Delimiter="/")
        return sorted(one["Prefix"].split("/")[-2] for one in found.get("CommonPrefixes", ()))

    def remove(self, folder, name):
        if self.kind.startswith("fs"):
            (self.request.getfixturevalue("tmp_path") / "archive" / folder / name).unlink()
        else:
            client, bucket = map(self.request.getfixturevalue, ("s3_client", "bucket"))
            client.delete_object(Bucket=bucket, Key=f"compact/archive/{folder}/{name}")


@pytest.fixture(params=["fs", "fs-both", "s3"])
def place(request):
    return Place(request, request.param)


def items(*texts):
    return [{"role": "user", "content": text} for text in texts]


def compacted(storage, session_id, text):
    step = storage.save_transcript(session_id, items(text)).step
    storage.save_summary(session_id, step, {"text": text})
    storage.save_event(session_id, {"event": "compact.policy_applied", "said": text})
    checkpoint = replace(CHECKPOINT, key=text, summary=text)
    storage.save_checkpoint(session_id, checkpoint)
    storage.save_checkpoint(session_id, replace(checkpoint, key="same"))
    return step


@pytest.mark.parametrize(("wrote", "reads"), [(OPEN, CLOSED), (CLOSED, OPEN)])
def test_what_was_written_under_other_settings_is_listed_read_verified_and_removed(
    place, wrote, reads
):
    compacted(place.of(wrote), ALICE, "one")
    storage = place.of(reads)
    [listed] = storage.sessions()
    for name in dict.fromkeys((listed, ALICE)):
        assert storage.called(name) == listed
        assert storage.steps(name) == [1]
        assert storage.load_transcript(name, 1) == items("one")
        assert [one["said"] for one in storage.load_events(name)] == ["one"]
        assert {one.summary for one in storage.load_checkpoints(name)} == {"one"}
        assert len(storage.records(name)) == 4
        assert storage.verify(name) == []
    storage.remove(listed, "summary-001")
    assert storage.verify(ALICE) == []
    assert storage.remove_session(listed)
    assert place.folders() == storage.sessions() == []


def test_a_name_that_may_not_be_told_any_more_is_not_told_again_and_both_folders_are_one(place):
    before, now = place.of(OPEN), place.of(CLOSED)
    assert compacted(before, ALICE, "one") == 1
    assert compacted(now, ALICE, "two") == 2, "no number is given twice"
    plain, secret = sorted([directory_name(ALICE), hidden(ALICE)])
    assert place.folders() == [plain, secret]
    assert now.sessions() == [ALICE]
    assert now.steps(ALICE) == [1, 2]
    assert [now.load_transcript(ALICE, step) for step in (1, 2)] == [items("one"), items("two")]
    assert [now.load_summary(ALICE, step)["text"] for step in (1, 2)] == ["one", "two"]
    assert [one["said"] for one in now.load_events(ALICE)] == ["one", "two"]
    newest = {one.key: one.summary for one in now.load_checkpoints(ALICE)}
    assert newest == {"one": "one", "two": "two", "same": "two"}
    assert now.verify(ALICE) == []
    place.remove(hidden(ALICE), "summary-002.json")
    assert f"in `{hidden(ALICE)}`: `summary-002` is missing" in [
        fault.what for fault in now.verify(ALICE)
    ]
    now.remove(ALICE, "transcript-pre-compact-001")
    assert compacted(now, ALICE, "three") == 3
    assert now.remove_session(ALICE)
    assert place.folders() == []


def test_a_session_stays_in_the_folder_that_it_has(place):
    compacted(place.of(CLOSED), ALICE, "one")
    assert compacted(place.of(OPEN), ALICE, "two") == 2
    assert place.folders() == [hidden(ALICE)]


def test_a_judge_that_fails_does_not_split_a_session(place):
    down = True

    def custom(text):
        if down:
            raise TimeoutError
        return text

    new, known = place.of(Redactor(custom=custom)), place.of(Redactor())
    compacted(known, "known", "one")
    compacted(new, "known", "two")
    compacted(new, "user_123", "one")
    down = False
    assert compacted(new, "user_123", "two") == 2
    assert place.folders() == sorted(["known", hidden("user_123")])
    assert new.steps("user_123") == new.steps("known") == [1, 2]
    compacted(new, "user_456", "one")
    down = True
    compacted(new, "user_456", "two")
    assert new.steps("user_456") == [1, 2]
    assert hidden("user_456") not in place.folders(), "what was judged is remembered"
    assert new.verify("user_123") == new.verify("user_456") == []


def test_what_a_judge_refuses_gets_no_folder_because_another_judge_fails(place):
    def custom(text):
        raise TimeoutError

    place.of(OPEN).save_event(ALICE, {"event": "x"})
    place.of(Redactor(allow=[], custom=custom)).save_transcript(ALICE, items("one"))
    assert hidden(ALICE) in place.folders()


def test_a_long_session_is_there_though_nothing_tells_its_id(place):
    storage = place.of(Redactor())
    compacted(storage, LONG, "one")
    [folder] = place.folders()
    place.remove(folder, "session.json")
    assert storage.sessions() == [folder]
    assert len(storage.records(folder)) == 4
    assert storage.load_transcript(folder, 1) == items("one")
    [fault] = storage.verify(folder)
    assert "session.json" in fault.what
    storage.remove(folder, "summary-001")
    assert [fault] == storage.verify(folder), "its chain is whole still"
    assert storage.remove_session(folder)
    assert place.folders() == []


def test_the_name_of_a_folder_reads_no_session_that_has_a_name(place):
    storage = place.of(Redactor())
    compacted(storage, LONG, "one")
    [folder] = place.folders()
    assert storage.load_checkpoints(folder) == storage.steps(folder) == []
    compacted(storage, folder, "two")
    assert storage.load_transcript(LONG, 1) == items("one")
    assert sorted(storage.sessions()) == sorted([LONG, folder])


@pytest.mark.parametrize("pattern", [r"[0-9a-f]{16,}", r"\d{3,}", r"[a-z]+", r"."])
def test_patterns_of_the_users_own_leave_the_audit_as_it_is(tmp_path, pattern):
    storage = FileStorage(tmp_path, redactor=Redactor([pattern]))
    compacted(storage, "s", "one")
    storage.remove("s", "summary-001")
    assert storage.verify("s") == []
    audited = [one["compact.archive.id"] for one in storage.load_audit("s")]
    checkpoints = [audit.checkpoint_id(key) for key in ("one", "same")]
    written = ["transcript-pre-compact-001", "summary-001", *checkpoints]
    assert audited == [*written, "summary-001"]


def test_the_audit_that_is_saved_later_is_kept_as_it_is_and_is_no_way_past_redaction(tmp_path):
    storage = FileStorage(tmp_path, redactor=Redactor([r"[0-9a-f]{16,}", "hunter2"]))
    storage.save_transcript("s", items("one"))
    [record] = storage.load_audit("s")
    told = {
        **record,
        "session_id": "hunter2",
        "compact.archive.adapter": "hunter2",
        "compact.archive.location": "s3://hunter2",
        "compact.archive.id": "hunter2",
        "compact.archive.size": "hunter2",
        "note": "hunter2",
        "hunter2": 1,
    }
    storage.save_event("s", record)
    storage.save_event("s", told)
    again, planted = storage.load_audit("s")[1:]
    assert again == record
    assert planted["compact.archive.sha256"] == record["compact.archive.sha256"]
    assert "hunter2" not in (tmp_path / "s" / "events.jsonl").read_text()


def test_a_link_in_the_place_of_the_other_folder_costs_nothing(tmp_path):
    storage = FileStorage(tmp_path / "archive")
    compacted(storage, "s", "one")
    shutil.copytree(tmp_path / "archive" / "s", tmp_path / "elsewhere")
    (tmp_path / "archive" / hidden("s")).symlink_to(tmp_path / "elsewhere")
    assert compacted(storage, "s", "two") == 2
    assert storage.verify("s") == []
    assert storage.remove_session("s")
    assert len(list((tmp_path / "elsewhere").iterdir())) == 5
