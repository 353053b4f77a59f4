"""What S3 adds to the contract: encryption, conditions, credentials, a store that is not there."""

import errno
import os
import socket
import sys
import time
from dataclasses import replace

import pytest

from compact_otel import CompactConfig, CompactManager
from compact_otel.adapters import S3Storage
from compact_otel.core.errors import ConfigError, StorageError
from tests.adapters.samples import CHECKPOINT

HISTORY = [{"role": "user", "content": "Wie spät ist es in 東京? 🕰"}]
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture
def storage(bucket, s3_endpoint):
    return S3Storage(bucket, "team/a", endpoint=s3_endpoint)


def everything(storage, session_id="s"):
    storage.save_transcript(session_id, HISTORY)
    storage.save_summary(session_id, 1, {"text": "t"})
    storage.save_event(session_id, {"event": "compact.archival"})
    storage.save_checkpoint(session_id, CHECKPOINT)


def keys(client, bucket):
    return [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket).get("Contents", ())]


def test_the_layout_is_that_of_files(storage, s3_client, bucket):
    everything(storage, "user_123")
    everything(storage, "x" * 200)
    named = keys(s3_client, bucket)
    assert [key for key in named if key.startswith("team/a/user_123/")] == [
        f"team/a/user_123/checkpoints/{named[0].rpartition('/')[2]}",
        *(f"team/a/user_123/events/0000000{number}.json" for number in range(1, 5)),
        "team/a/user_123/summary-001.json",
        "team/a/user_123/transcript-pre-compact-001.jsonl",
    ]
    assert sum(key.endswith("/session.json") for key in named) == 1
    receipt = storage.save_transcript("user_123", HISTORY)
    assert receipt.location == f"s3://{bucket}/team/a/user_123/transcript-pre-compact-002.jsonl"


@pytest.mark.parametrize("key", [KEY, "alias/aws/s3", None])
def test_every_object_is_encrypted_with_the_key_that_is_given(s3_client, bucket, s3_endpoint, key):
    everything(S3Storage(bucket, kms_key_id=key, endpoint=s3_endpoint), "x" * 200)
    found = [s3_client.head_object(Bucket=bucket, Key=name) for name in keys(s3_client, bucket)]
    assert len(found) == 8
    if key is None:
        assert {one.get("SSEKMSKeyId") for one in found} == {None}
    else:
        assert {one["ServerSideEncryption"] for one in found} == {"aws:kms"}
        assert {one["SSEKMSKeyId"] for one in found} == {key}


def test_secrets_do_not_reach_the_bucket_but_a_checkpoint_stays_as_it_was(
    storage, s3_client, bucket
):
    storage.save_transcript("s", [{"role": "user", "content": "password=hunter2"}])
    storage.save_summary("s", 1, {"text": "password=hunter2"})
    storage.save_event("s", {"text": "password=hunter2"})
    for name in keys(s3_client, bucket):
        assert b"hunter2" not in s3_client.get_object(Bucket=bucket, Key=name)["Body"].read()
    storage.save_checkpoint("s", CHECKPOINT)
    assert storage.load_checkpoints("s") == [CHECKPOINT]


def test_an_older_checkpoint_does_not_replace_a_newer_one(storage):
    newer = replace(CHECKPOINT, version=5)
    for checkpoint in (CHECKPOINT, newer, replace(CHECKPOINT, version=4)):
        storage.save_checkpoint("s", checkpoint)
    assert storage.load_checkpoints("s") == [newer]


def test_a_clock_that_is_set_back_does_not_make_the_newest_checkpoint_an_old_one(
    storage, bucket, s3_endpoint, monkeypatch
):
    """In this process, and in one that has read what another one stored."""
    clock = [time.time_ns()]
    monkeypatch.setattr(time, "time_ns", lambda: clock[0])
    saved = [replace(CHECKPOINT, key=f"k{number}", version=number) for number in (1, 2, 3)]
    storage.save_checkpoint("s", saved[0])
    clock[0] -= 3600 * 10**9
    storage.save_checkpoint("s", saved[1])
    clock[0] -= 3600 * 10**9
    other = S3Storage(bucket, "team/a", endpoint=s3_endpoint)
    assert other.load_checkpoints("s") == saved[:2]
    other.save_checkpoint("s", saved[2])
    assert storage.load_checkpoints("s") == saved


def test_a_checkpoint_that_somebody_replaces_meanwhile_is_looked_at_again(
    storage, bucket, s3_endpoint
):
    other = S3Storage(bucket, "team/a", endpoint=s3_endpoint)
    newer = replace(CHECKPOINT, version=7)
    looked = storage._current

    def overtaken(key):
        found = looked(key)
        storage._current = looked
        other.save_checkpoint("s", newer)
        return found

    storage.save_checkpoint("s", CHECKPOINT)
    storage._current = overtaken
    storage.save_checkpoint("s", replace(CHECKPOINT, version=2))
    assert storage.load_checkpoints("s") == [newer]


def test_two_writers_lose_no_event_and_read_one_order(storage, bucket, s3_endpoint):
    other = S3Storage(bucket, "team/a", endpoint=s3_endpoint)
    for n in range(3):
        storage.save_event("s", {"n": n, "by": "a"})
        other.save_event("s", {"n": n, "by": "b"})
    found = storage.load_events("s")
    assert found == other.load_events("s")
    assert [(one["n"], one["by"]) for one in found] == [(n, by) for n in range(3) for by in "ab"]


def test_a_write_whose_answer_was_lost_is_not_made_twice(storage, s3_endpoint):
    storage.save_event("s", {"n": 0})
    client = storage._client()
    put = client.put_object

    def repeated(**request):
        put(**request)
        return put(**request)  # as boto3 does when no answer came in time

    client.put_object = repeated
    assert storage.save_transcript("s", HISTORY).step == 1
    storage.save_event("s", {"n": 1})
    storage.save_checkpoint("s", CHECKPOINT)
    assert storage.steps("s") == [1]
    assert storage.load_events("s") == [{"n": 0}, {"n": 1}]
    assert storage.verify("s") == []


def test_an_object_that_is_too_large_is_not_read(storage, monkeypatch):
    everything(storage)
    monkeypatch.setattr("compact_otel.adapters.s3.LARGEST", 10)
    for read in (storage.load_checkpoints, storage.load_events, storage.verify):
        with pytest.raises(StorageError, match="MiB, and is not read") as raised:
            read("s")
        assert raised.value.errno == errno.EFBIG


@pytest.mark.parametrize("what", [b"transcript", b"events"])
def test_what_was_stored_though_no_answer_came_is_found_when_it_is_written_again(
    bucket, road, what
):
    """The engine writes again what it was told has failed; boto3 has given up on the first."""
    storage = S3Storage(bucket, "team/a", endpoint=road.endpoint)

    def write(text):
        if what == b"transcript":
            return storage.save_transcript("s", [{"role": "user", "content": text}]).step
        return storage.save_event("s", {"text": text})

    write("one")
    road.loses = what
    with pytest.raises(StorageError):
        write("two")
    road.loses = None
    write("two")
    write("two")  # once more, and meant so
    if what == b"transcript":
        assert [storage.load_transcript("s", n)[0]["content"] for n in storage.steps("s")] == [
            "one",
            "two",
            "two",
        ]
    else:
        assert [event["text"] for event in storage.load_events("s")] == ["one", "two", "two"]
    assert storage.verify("s") == []


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked there")
def test_a_forked_child_writes_over_connections_of_its_own(storage):
    storage.save_event("s", {"by": "parent"})
    child = os.fork()
    if not child:
        try:
            storage.save_event("s", {"by": "child"})
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    storage.save_event("s", {"by": "parent again"})
    assert [one["by"] for one in storage.load_events("s")] == ["parent", "child", "parent again"]


# --- settings ---


@pytest.mark.parametrize("endpoint", ["http://key:secret@localhost:9000", "https://x?token=secret"])
def test_an_address_with_credentials_is_refused_without_being_shown(endpoint):
    for made in (
        lambda: S3Storage("b", endpoint=endpoint),
        lambda: CompactConfig.load(storage={"adapter": "s3", "bucket": "b", "endpoint": endpoint}),
    ):
        with pytest.raises(ConfigError, match="default chain") as raised:
            made()
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["aws_access_key_id", "secret_key", "aws_secret_access_key"])
def test_credentials_are_no_settings(name):
    with pytest.raises(ConfigError, match=rf"storage\.{name} .* default chain"):
        CompactConfig.load(storage={"adapter": "s3", "bucket": "b", name: "hunter2"})


def test_s3_needs_a_bucket():
    with pytest.raises(ConfigError, match=r"storage\.bucket must be the name of .*, got None"):
        CompactConfig.load(storage={"adapter": "s3"})
    with pytest.raises(ConfigError, match=r"storage\.endpoint must be an http\(s\) URL, got 'ftp"):
        CompactConfig.load(storage={"adapter": "s3", "bucket": "b", "endpoint": "ftp://x"})


def test_the_environment_names_the_bucket(monkeypatch, bucket, s3_endpoint):
    for name, value in (
        ("ADAPTER", "s3"),
        ("BUCKET", bucket),
        ("PREFIX", "p"),
        ("ENDPOINT", s3_endpoint),
        ("TIMEOUT", "120"),  # however busy the machine is
        ("KMS_KEY_ID", KEY),
    ):
        monkeypatch.setenv(f"COMPACT_STORAGE_{name}", value)
    result = compacted(CompactConfig.load(max_context_tokens=4000))
    assert result.archive == f"s3://{bucket}/p/s/transcript-pre-compact-001.jsonl"
    stored = S3Storage(bucket, "p", endpoint=s3_endpoint)
    assert stored.steps("s") == [1]
    assert len(stored.load_checkpoints("s")) == 1


def test_without_boto3_the_way_out_is_named(monkeypatch):
    monkeypatch.setattr("compact_otel.adapters.s3.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'compact-otel\[s3\]'"):
        S3Storage("b")


# --- a store that is not there ---


def compacted(config):
    items = [{"role": "user", "content": f"{n} " + "word " * 300} for n in range(12)]
    return CompactManager(config).preflight("s", items)


def test_a_bucket_that_is_not_there_is_named(s3_endpoint, s3_credentials):
    with pytest.raises(StorageError, match=r"NoSuchBucket; create it") as raised:
        S3Storage("nobodys-bucket", endpoint=s3_endpoint).save_transcript("s", HISTORY)
    assert raised.value.errno == errno.ENOENT


def test_missing_credentials_are_named(monkeypatch, s3_endpoint, s3_credentials):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageError, match="NoCredentialsError; give the process a role"):
        S3Storage("b", endpoint=s3_endpoint).save_event("s", {})


@pytest.fixture
def silent_endpoint():
    """Return the address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def closed_endpoint():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("slow", [True, False], ids=["slow", "down"])
def test_a_run_goes_on_without_the_store(s3_credentials, silent_endpoint, slow):
    endpoint = silent_endpoint if slow else closed_endpoint()
    config = CompactConfig.load(
        max_context_tokens=4000,
        storage={"adapter": "s3", "bucket": "b", "endpoint": endpoint, "timeout": 0.5},
    )
    began = time.monotonic()
    result = compacted(config)
    assert result.outcome == "compacted"
    assert result.archive is None
    assert time.monotonic() - began < 5
