"""Archives that are compressed or encrypted: what is stored, and who can read it."""

import gzip
import json
from dataclasses import replace

import pytest
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

from compact_otel.adapters import FileStorage, S3Storage, packing
from compact_otel.adapters.packing import Packing, UnsoundError
from compact_otel.core.errors import ConfigError, StorageError
from compact_otel.keys import Keyring
from tests.adapters.packed import KEY, OLD_KEY
from tests.adapters.samples import CHECKPOINT

WORD = "Xylophon"
HISTORY = [{"role": "user", "content": f"{WORD} {n} " * 20} for n in range(30)]


def fill(storage, session_id="s"):
    """Write everything that an archive can hold."""
    step = storage.save_transcript(session_id, HISTORY).step
    storage.save_summary(session_id, step, {"text": f"About a {WORD}."})
    storage.save_event(session_id, {"event": "compact.dropped", "what": WORD})
    storage.save_checkpoint(session_id, replace(CHECKPOINT, summary=WORD))
    return step


def read(storage, step, session_id="s"):
    """Read all that `fill` wrote."""
    assert storage.load_transcript(session_id, step) == HISTORY
    assert storage.load_summary(session_id, step) == {"text": f"About a {WORD}."}
    assert storage.load_events(session_id)[-1]["what"] == WORD
    assert storage.load_checkpoints(session_id)[-1].summary == WORD
    assert len(storage.load_audit(session_id)) >= 3
    assert storage.verify(session_id) == []


def stored(folder):
    """Return the bytes of each file, by its name."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "archive"


@pytest.mark.parametrize("compress", [False, True])
def test_no_word_of_an_encrypted_archive_can_be_read_on_the_disk(archive, compress):
    step = fill(FileStorage(archive, keys=KEY, compress=compress))
    for data in stored(archive).values():
        assert WORD.encode() not in data
        assert b"compact." not in data
        assert b"content" not in data
    read(FileStorage(archive, keys=KEY), step)


def test_no_word_of_an_encrypted_archive_leaves_for_s3(bucket, s3_endpoint, s3_client):
    step = fill(S3Storage(bucket, endpoint=s3_endpoint, keys=KEY, compress=True))
    listed = s3_client.list_objects_v2(Bucket=bucket)["Contents"]
    bodies = [s3_client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed]
    assert len(bodies) >= 7
    assert not any(WORD.encode() in body or b"compact." in body for body in bodies)
    read(S3Storage(bucket, endpoint=s3_endpoint, keys=KEY), step)


@pytest.mark.parametrize("compress", [False, True])
def test_any_jose_library_opens_what_is_encrypted(archive, compress):
    fill(FileStorage(archive, keys=KEY, compress=compress))
    key = JWK(kty="oct", k=KEY.rstrip("=").replace("+", "-").replace("/", "_"))
    token = JWE()
    token.deserialize((archive / "s" / "transcript-pre-compact-001.jsonl").read_text(), key=key)
    assert [json.loads(line) for line in token.payload.splitlines()] == HISTORY
    header = json.loads(token.objects["protected"])
    assert header["place"] == "s/transcript-pre-compact-001"
    assert ("zip" in header) == compress


def test_a_compressed_transcript_is_a_gzip_file_like_any_other(archive):
    receipt = FileStorage(archive, compress=True).save_transcript("s", HISTORY)
    path = archive / "s" / "transcript-pre-compact-001.jsonl.gz"
    assert receipt.location == str(path)
    with gzip.open(path, "rt") as file:
        assert [json.loads(line) for line in file] == HISTORY
    assert path.stat().st_size == receipt.size
    plain = FileStorage(archive.with_name("plain")).save_transcript("s", HISTORY)
    assert receipt.size < plain.size / 4


def test_an_archive_may_change_how_it_is_kept_and_stays_one_archive(archive):
    ways = [{}, {"compress": True}, {"keys": OLD_KEY}, {"keys": [KEY, OLD_KEY], "compress": True}]
    steps = [fill(FileStorage(archive, **way)) for way in [*ways, {"keys": KEY, "encrypt": False}]]
    assert steps == [1, 2, 3, 4, 5]
    reader = FileStorage(archive, keys=f"{KEY},{OLD_KEY}")
    assert reader.steps("s") == steps
    for step in steps:
        read(reader, step)
    assert WORD.encode() in (archive / "s" / "transcript-pre-compact-005.jsonl").read_bytes()


def test_numbers_that_compressed_transcripts_have_are_not_given_again(archive):
    FileStorage(archive, compress=True).save_transcript("s", HISTORY)
    (archive / "s" / "events.jsonl").unlink()
    assert FileStorage(archive).save_transcript("s", HISTORY).step == 2


def test_a_key_that_was_replaced_still_reads_and_no_longer_writes(archive):
    old = fill(FileStorage(archive, keys=OLD_KEY))
    new = fill(FileStorage(archive, keys=[KEY, OLD_KEY]))
    both = FileStorage(archive, keys=[KEY, OLD_KEY])
    read(both, old)
    read(both, new)
    only_new = FileStorage(archive, keys=KEY)
    assert only_new.load_transcript("s", new) == HISTORY
    with pytest.raises(StorageError, match="add that key behind the first"):
        only_new.load_transcript("s", old)


@pytest.mark.parametrize(
    "load", ["load_transcript", "load_summary", "load_events", "load_checkpoints", "verify"]
)
def test_a_wrong_key_is_told_with_the_names_of_both_and_shows_neither(archive, load):
    step = fill(FileStorage(archive, keys=OLD_KEY))
    more = [step] if load in ("load_transcript", "load_summary") else []
    ids = [Keyring(key).newest().id for key in (OLD_KEY, KEY)]
    with pytest.raises(StorageError) as raised:
        getattr(FileStorage(archive, keys=KEY), load)("s", *more)
    said = str(raised.value)
    assert all(one in said for one in ids)
    assert "storage.encryption_key" in said
    assert "archive/s/" in said
    assert KEY not in said
    assert OLD_KEY not in said
    with pytest.raises(StorageError, match="COMPACT_STORAGE_ENCRYPTION_KEY"):
        getattr(FileStorage(archive), load)("s", *more)


def test_with_a_wrong_key_nothing_is_written_over(archive):
    fill(FileStorage(archive, keys=OLD_KEY))
    before = stored(archive)
    with pytest.raises(StorageError, match="add that key"):
        FileStorage(archive, keys=KEY).save_event("s", {"event": "compact.dropped"})
    assert stored(archive) == before


def test_a_function_is_asked_for_the_key_and_may_rotate_it(archive):
    current = [OLD_KEY]
    storage = FileStorage(archive, keys=lambda: current)
    first = fill(storage)
    current.insert(0, KEY)
    second = fill(storage)
    read(storage, first)
    assert FileStorage(archive, keys=KEY).load_transcript("s", second) == HISTORY


def locked():
    raise PermissionError("the vault said hunter2")


@pytest.mark.parametrize("keys", [locked, lambda: "short", list])
def test_a_function_that_returns_no_key_leaves_nothing_behind(archive, keys):
    storage = FileStorage(archive, keys=keys)
    with pytest.raises(
        StorageError, match=r"storage\.encryption_key` did not return a key"
    ) as told:
        storage.save_transcript("s", HISTORY)
    assert "hunter2" not in str(told.value)
    assert stored(archive) == {}
    assert FileStorage(archive, keys=KEY).save_transcript("s", HISTORY).step == 1


def moved(archive):
    """Put the records of one session in the place of another's."""
    fill(FileStorage(archive, keys=KEY), "other")
    for name, data in stored(archive / "other").items():
        (archive / "s" / name).write_bytes(data)


def changed(archive):
    """Change a letter of everything that is encrypted."""
    for name, data in stored(archive / "s").items():
        if name != "events.seal":
            head, tail = data.split(b'"ciphertext": "', 1)
            letter = b"B" if tail[5:6] == b"A" else b"A"
            swapped = head + b'"ciphertext": "' + tail[:5] + letter + tail[6:]
            (archive / "s" / name).write_bytes(swapped)


@pytest.mark.parametrize("change", [moved, changed])
def test_what_was_changed_or_moved_is_not_read(archive, change):
    storage = FileStorage(archive, keys=KEY)
    step = fill(storage)
    change(archive)
    for load in (storage.load_transcript, storage.load_summary):
        with pytest.raises(UnsoundError, match=r"cannot read `archive/s/.*(changed|moved)"):
            load("s", step)
    assert storage.load_checkpoints("s") == []  # nobody else's summary reaches the model
    assert any(fault.level == "error" for fault in storage.verify("s"))


def test_an_archive_that_is_moved_as_a_whole_is_read_as_before(archive, tmp_path):
    step = fill(FileStorage(archive, keys=KEY))
    read(FileStorage(archive.rename(tmp_path / "elsewhere"), keys=KEY), step)


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[:40] + b"\n",
        lambda line: b'{"protected": "eyJ9"}\n',
        lambda line: line.replace(b'"iv": "', b'"iv": "\xff'),
        lambda line: line.replace(b'"tag": "', b'"tag": "AAAA'),
        lambda line: json.dumps({**json.loads(line), "iv": 3}).encode(),
        lambda line: json.dumps({**json.loads(line), "iv": ""}).encode(),
        lambda line: json.dumps({**json.loads(line), "protected": "eyJhbGciOiJub25lIn0"}).encode(),
        lambda line: b'{"protected": "eyJ' + b"[" * 100_000,
    ],
)
def test_whatever_stands_in_its_place_is_unsound_and_nothing_else(damage):
    packer = Packing(KEY)
    line = packer.record(b'{"a": 1}\n', "s/events")
    assert packer.opened(line, "s/events") == b'{"a": 1}\n'
    with pytest.raises(UnsoundError):
        packer.opened(damage(line), "s/events")
    assert packer.readable([damage(line)], "s/events") == [b""]


def test_an_item_that_looks_encrypted_is_an_item(archive):
    item = {"protected": True, "role": "user", "content": "stays"}
    storage = FileStorage(archive, keys=KEY, encrypt=False)
    storage.save_transcript("s", [item])
    assert storage.load_transcript("s", 1) == [item]


@pytest.mark.parametrize("keys", [None, KEY])
def test_a_bomb_does_not_go_off(archive, monkeypatch, keys):
    monkeypatch.setattr(packing, "LARGEST", 2**20)
    packer = Packing(keys, compress=True)
    bomb = packer.transcript(bytes(2**20 + 1), "s/transcript-pre-compact-001")
    assert len(bomb) < 2**12
    (archive / "s").mkdir(parents=True)
    name = f"transcript-pre-compact-001.jsonl{packer.suffix}"
    (archive / "s" / name).write_bytes(bomb)
    with pytest.raises(UnsoundError, match="would unfold to more than 1 MiB"):
        FileStorage(archive, keys=keys).load_transcript("s", 1)


@pytest.mark.parametrize("cut", [1, 9, 30])
def test_a_torn_gzip_file_is_told_as_such(archive, cut):
    FileStorage(archive, compress=True).save_transcript("s", HISTORY)
    path = archive / "s" / "transcript-pre-compact-001.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(UnsoundError, match="torn or changed"):
        FileStorage(archive).load_transcript("s", 1)
    assert any(fault.level == "error" for fault in FileStorage(archive).verify("s"))


def test_no_two_records_are_encrypted_alike():
    packer = Packing(KEY)
    lines = {packer.record(b"{}\n", "s/events") for _ in range(100)}
    assert len({json.loads(line)["iv"] for line in lines}) == 100


# --- keys ---


@pytest.mark.parametrize(
    "text",
    [KEY, KEY.rstrip("="), f" {KEY}\n", bytes(range(32)).hex(), "-_" * 21 + "A", "+/" * 21 + "A="],
)
def test_a_key_may_be_written_in_the_usual_ways(text):
    assert len(Keyring(text).newest().secret) == 32


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "key 1 of `keys` must be text, got nothing"),
        (f"{KEY},,", "key 2 of `keys` must be text, got nothing"),
        ("hunter2hunter2", "must be 32 bytes in base64, got 10 bytes"),
        ("correct horse!", "got 14 characters that are no base64"),
        (f"{KEY}x", "no base64"),
        ([], "must be a key, or a list of keys, got an empty list"),
        (7, "must be a key, or a list of keys, got int"),
        ([b"bytes"], "key 1 of `keys` must be text"),
    ],
)
def test_what_is_no_key_is_told_without_showing_it(given, said):
    with pytest.raises(ConfigError) as raised:
        Keyring(given)
    assert said in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert "horse" not in str(raised.value)


def test_a_key_is_not_in_its_own_text():
    key = Keyring(KEY).newest()
    assert repr(key) == f"Key({key.id})"
    assert key.secret.decode() not in repr(key)


def test_encryption_that_is_asked_for_and_cannot_be_done_is_refused(archive, monkeypatch):
    with pytest.raises(ConfigError, match="`encrypt` needs `keys`"):
        FileStorage(archive, encrypt=True)
    monkeypatch.setattr(packing, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'compact-otel\[encrypt\]'"):
        FileStorage(archive, keys=KEY)
    FileStorage(archive, compress=True).save_transcript("s", HISTORY)  # which needs nothing
