"""What may no longer be kept goes for good, and nothing else: what retention needs of adapters."""

import threading
import time

import pytest

from compact_otel.adapters import FileStorage, S3Storage
from compact_otel.adapters.records import Stored
from compact_otel.core.errors import StorageError
from tests.adapters.samples import CHECKPOINT

HISTORY = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "archive"


@pytest.fixture(params=["fs", "s3"])
def storage(request, archive):
    if request.param == "fs":
        return FileStorage(archive)
    endpoint = request.getfixturevalue("s3_endpoint")
    return S3Storage(request.getfixturevalue("bucket"), "p", endpoint=endpoint)


def everything(storage, session_id="s"):
    step = storage.save_transcript(session_id, HISTORY).step
    storage.save_summary(session_id, step, {"text": "t"})
    storage.save_checkpoint(session_id, CHECKPOINT)


def ids(storage, session_id="s"):
    return [one.id for one in storage.records(session_id)]


def test_records_say_what_is_stored_how_large_it_is_and_since_when(storage):
    started = time.time()
    everything(storage)
    found = {one.id: one for one in storage.records("s")}
    assert list(found) == ["checkpoints", "events", "summary-001", "transcript-pre-compact-001"]
    transcript = found["transcript-pre-compact-001"]
    assert transcript.size == storage.load_audit("s")[0]["compact.archive.size"]
    assert (transcript.step, found["events"].step) == (1, None)
    # S3 tells whole seconds.
    assert all(started - 2 < one.written < time.time() + 2 for one in found.values())
    assert storage.records("nobody") == []
    assert isinstance(transcript, Stored)


def test_what_was_removed_is_gone_and_the_audit_says_so(storage):
    everything(storage)
    everything(storage)
    storage.remove("s", "transcript-pre-compact-001")
    storage.remove("s", "summary-001")
    assert ids(storage) == ["checkpoints", "events", "summary-002", "transcript-pre-compact-002"]
    assert storage.steps("s") == [2]
    assert storage.verify("s") == []
    removed = [one for one in storage.load_audit("s") if one.get("compact.archive.removed")]
    assert [one["compact.archive.id"] for one in removed] == [
        "transcript-pre-compact-001",
        "summary-001",
    ]
    with pytest.raises(StorageError, match=r"`records\(\)`"):
        storage.remove("s", "summary-001")


def test_the_number_of_what_was_removed_is_not_given_again(storage):
    for _ in range(3):
        everything(storage)
    for step in (2, 3, 1):
        storage.remove("s", f"transcript-pre-compact-{step:03d}")
        storage.remove("s", f"summary-{step:03d}")
    assert storage.steps("s") == []
    assert storage.save_transcript("s", HISTORY).step == 4
    assert storage.verify("s") == []


@pytest.mark.parametrize("ident", ["events", "checkpoints", "../s/summary-001", "summary-001.json"])
def test_only_transcripts_and_summaries_are_removed_one_by_one(storage, ident):
    everything(storage)
    before = ids(storage)
    with pytest.raises(ValueError, match="need the id of a transcript or a summary"):
        storage.remove("s", ident)
    assert ids(storage) == before


@pytest.mark.parametrize("session_id", ["s", "x" * 200, "a/b"])
def test_a_session_goes_with_all_that_belongs_to_it_and_no_other_does(storage, session_id):
    everything(storage, session_id)
    everything(storage, "s2")
    storage.remove(session_id, "summary-001")
    assert storage.remove_session(session_id)
    assert storage.sessions() == ["s2"]
    assert storage.records(session_id) == []
    assert storage.remove_session(session_id), "what is not there is removed already"
    everything(storage, session_id)
    assert storage.steps(session_id) == [1]
    assert storage.verify(session_id) == storage.verify("s2") == []


def test_a_session_that_was_written_to_since_stays_as_it_is(storage):
    everything(storage)
    assert not storage.remove_session("s", before=time.time() - 60)
    assert len(ids(storage)) == 4
    assert storage.remove_session("s", before=time.time() + 60)


def test_another_process_that_knew_the_end_of_a_removed_chain_begins_a_new_one(
    bucket, s3_endpoint, monkeypatch
):
    here, there = (S3Storage(bucket, endpoint=s3_endpoint) for _ in range(2))
    everything(here)
    there.remove_session("s")
    monkeypatch.setattr("compact_otel.adapters.s3._TRUSTED_S", 0.0)  # a minute later
    here.save_event("s", {"n": 1})
    assert here.verify("s") == []


def test_only_the_objects_of_this_package_are_removed(bucket, s3_endpoint, s3_client):
    storage = S3Storage(bucket, "p", endpoint=s3_endpoint)
    everything(storage)
    theirs = ["p/s/notes.txt", "p/s/events/readme", "p/s/deeper/summary-001.json"]
    for key in theirs:
        s3_client.put_object(Bucket=bucket, Key=key, Body=b"mine")
    assert storage.remove_session("s")
    left = s3_client.list_objects_v2(Bucket=bucket)["Contents"]
    assert sorted(entry["Key"] for entry in left) == sorted(theirs)


def test_only_the_files_of_this_package_are_removed(archive, tmp_path):
    storage = FileStorage(archive)
    everything(storage)
    elsewhere = tmp_path / "elsewhere.jsonl"
    elsewhere.write_text("mine")
    (archive / "s" / "notes.txt").write_text("mine")
    (archive / "s" / "summary-002.json").mkdir()
    (archive / "s" / "transcript-pre-compact-009.jsonl").symlink_to(elsewhere)
    assert storage.remove_session("s")
    assert sorted(path.name for path in (archive / "s").iterdir()) == [
        "notes.txt",
        "summary-002.json",
        "transcript-pre-compact-009.jsonl",
    ]
    assert elsewhere.read_text() == "mine"


def test_a_linked_session_is_not_removed(archive, tmp_path):
    storage = FileStorage(archive)
    everything(storage)
    (archive / "s").rename(tmp_path / "moved")
    (archive / "s").symlink_to(tmp_path / "moved")
    for remove in (
        lambda: storage.remove_session("s"),
        lambda: storage.remove("s", "summary-001"),
    ):
        with pytest.raises(StorageError, match="symbolic links are not followed"):
            remove()
    assert len(list((tmp_path / "moved").iterdir())) == 5


def test_a_session_that_somebody_has_a_claim_on_is_not_removed(archive):
    storage, other = FileStorage(archive), FileStorage(archive)
    everything(storage)
    with other.claim("s", "k1", 0) as held:
        assert held
        assert storage.is_claimed("s")
        assert not storage.remove_session("s")
        assert len(ids(storage)) == 4
    assert not storage.is_claimed("s")
    assert storage.remove_session("s")
    assert not (archive / "s").exists()


def test_to_look_for_claims_changes_nothing(archive):
    storage = FileStorage(archive)
    everything(storage)
    left = archive / "s" / f"claim-{'0' * 16}.lock"  # of a process that was killed
    left.touch()
    assert not storage.is_claimed("s")
    assert left.exists()
    assert storage.remove_session("s")


def test_an_event_that_waited_for_the_log_is_not_lost_with_the_session(archive, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr("compact_otel.adapters.fs._ALONE_S", 30.0)
    storage = FileStorage(archive)
    everything(storage)
    log = archive / "s" / "events.jsonl"
    with log.open("ab") as events:
        fcntl.flock(events, fcntl.LOCK_EX)
        writer = threading.Thread(target=storage.save_event, args=("s", {"n": 1}))
        writer.start()
        time.sleep(0.1)  # the writer has opened the log by now, or will find none
        (archive / "s" / "events.seal").unlink()
        log.unlink()
    writer.join(30)
    assert storage.load_events("s") == [{"n": 1}]
    assert {fault.level for fault in storage.verify("s")} == {"note"}


def test_who_may_not_remove_is_told_which_right_is_missing(bucket, s3_client, monkeypatch):
    from botocore.exceptions import ClientError

    def denied(**_):
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteObject")

    storage = S3Storage(bucket, client=s3_client)
    everything(storage)
    monkeypatch.setattr(s3_client, "delete_object", denied)
    for remove in (
        lambda: storage.remove_session("s"),
        lambda: storage.remove("s", "summary-001"),
    ):
        with pytest.raises(StorageError, match=r"AccessDenied; allow .* s3:DeleteObject"):
            remove()
    assert storage.verify("s") == [], "it was said to be removed, and is there still"
