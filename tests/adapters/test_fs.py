"""What is particular to `FileStorage`: files, modes, links, and what goes wrong with disks."""

import json
import os
import stat
import subprocess
import sys
import threading

import pytest

from compact_otel.adapters import FileStorage
from compact_otel.core.errors import CompactError, StorageError
from compact_otel.core.types import Checkpoint

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes, links and limits of POSIX")

HISTORY = [{"role": "user", "content": "schön"}, {"role": "assistant", "content": "api_key=abc"}]


def checkpoint(version=1, key="k"):
    return Checkpoint(
        key=key,
        covered=2,
        kept=(),
        summary="password=hunter2",
        version=version,
        summary_id="s",
        strategy="brief",
        tokens_before=2,
        tokens_after=1,
    )


def fill(storage, session_id="s"):
    storage.save_transcript(session_id, HISTORY)
    storage.save_summary(session_id, 1, {"text": "t"})
    storage.save_event(session_id, {"event": "e"})
    storage.save_checkpoint(session_id, checkpoint())


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "above" / "archive"


@pytest.fixture
def storage(archive):
    return FileStorage(archive)


def test_the_files_are_those_of_the_module_docstring(storage, archive):
    fill(storage, "user_123")
    assert sorted(path.name for path in (archive / "user_123").iterdir()) == [
        "checkpoints.jsonl",
        "events.jsonl",
        "events.seal",
        "summary-001.json",
        "transcript-pre-compact-001.jsonl",
    ]
    transcript = (archive / "user_123" / "transcript-pre-compact-001.jsonl").read_bytes().decode()
    assert transcript == (
        '{"role": "user", "content": "schön"}\n'
        '{"role": "assistant", "content": "api_key=<REDACTED>"}\n'
    )


def test_nothing_is_created_before_the_first_write(storage, archive):
    assert storage.load_checkpoints("s") == []
    assert storage.sessions() == []
    assert not archive.parent.exists()


def test_a_relative_path_is_that_of_the_directory_at_construction(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage = FileStorage()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    receipt = storage.save_transcript("s", HISTORY)
    assert receipt.location == str(tmp_path / ".compact/archive/s/transcript-pre-compact-001.jsonl")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_only_the_owner_may_read_whatever_the_umask(storage, archive, umask):
    before = os.umask(umask)
    try:
        fill(storage)
        fill(storage, "x" * 500)
    finally:
        os.umask(before)
    for path in [archive.parent, *archive.parent.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_directory_that_was_there_keeps_its_mode(storage, archive):
    archive.mkdir(parents=True)
    archive.chmod(0o750)
    fill(storage)
    assert stat.S_IMODE(archive.stat().st_mode) == 0o750


def test_a_custom_redactor_replaces_the_default(archive):
    class Shouting:
        def value(self, value, /):
            return {key: str(member).upper() for key, member in value.items()}

    storage = FileStorage(archive, redactor=Shouting())
    assert storage.save_transcript("s", HISTORY).redacted
    assert storage.load_transcript("s", 1)[1]["content"] == "API_KEY=ABC"


def test_a_redactor_that_fails_stores_nothing(archive):
    class Failing:
        def value(self, value, /):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        FileStorage(archive, redactor=Failing()).save_transcript("s", HISTORY)
    assert not archive.exists()


def test_text_is_stored_as_it_is_only_when_told_so(archive):
    storage = FileStorage(archive, redact=False)
    assert not storage.save_transcript("s", HISTORY).redacted
    assert storage.load_transcript("s", 1) == HISTORY


def test_a_torn_last_line_is_passed_over_and_closed_by_the_next_writer(storage, archive):
    storage.save_checkpoint("s", checkpoint(1))
    path = archive / "s" / "checkpoints.jsonl"
    whole = path.read_bytes()
    for torn in (whole[:-1], whole[:20], b"{", b"\xc3"):
        path.write_bytes(whole + torn)
        assert storage.load_checkpoints("s") == [checkpoint(1)]
        storage.save_checkpoint("s", checkpoint(2))
        assert storage.load_checkpoints("s") == [checkpoint(2)]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps({**checkpoint().as_dict(), "kept": [float("inf")]}).encode(),
        json.dumps({**checkpoint().as_dict(), "covered": "2"}).encode(),
        json.dumps({**checkpoint().as_dict(), "kept": [5]}).encode(),
    ],
)
def test_a_line_that_is_no_checkpoint_is_passed_over(storage, archive, line):
    storage.save_checkpoint("s", checkpoint(1))
    with (archive / "s" / "checkpoints.jsonl").open("ab") as file:
        file.write(line + b"\n")
    storage.save_checkpoint("s", checkpoint(1, key="k2"))
    assert storage.load_checkpoints("s") == [checkpoint(1), checkpoint(1, key="k2")]


def test_a_transcript_that_was_changed_is_an_error_that_names_the_line(storage, archive):
    receipt = storage.save_transcript("s", HISTORY)
    path = archive / "s" / f"{receipt.id}.jsonl"
    path.write_bytes(path.read_bytes() + b"{broken\n")
    with pytest.raises(StorageError, match="line 3 of `transcript-pre-compact-001"):
        storage.load_transcript("s", 1)


def test_sessions_are_found_again_by_another_process_also_those_with_a_hash_for_a_name(archive):
    ids = ["user_1", "A/B", "", "é" * 1_000]
    for session_id in ids:
        fill(FileStorage(archive), session_id)
    assert FileStorage(archive).sessions() == sorted(ids)
    assert FileStorage(archive).load_transcript(ids[-1], 1)[0]["content"] == "schön"


def test_what_goes_while_a_session_is_looked_at_hides_nothing_else(storage):
    """Locks and temporary files do, whenever somebody else writes."""
    fill(storage)
    over = threading.Event()

    def come_and_go():
        while not over.is_set():
            with storage.claim("s", "k", 0):
                pass

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        assert all(storage.steps("s") == [1] for _ in range(1_000))
        assert storage.verify("s") == []
    finally:
        over.set()
        other.join()


def test_what_is_not_ours_is_no_session(storage, archive, tmp_path):
    fill(storage)
    for name in ("a b", ".git", "x=y", f"{'y' * 40}={'0' * 64}"):
        (archive / name).mkdir()
    (archive / "README").write_text("a file")
    (archive / "link").symlink_to(tmp_path)
    (archive / f"{'y' * 40}={'0' * 64}" / "session.json").write_text('{"session_id": "other"}\n')
    assert storage.sessions() == ["s"]


def test_a_linked_session_directory_is_refused(storage, archive, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    archive.mkdir(parents=True)
    (archive / "s").symlink_to(target)
    for act in (
        lambda: storage.save_transcript("s", HISTORY),
        lambda: storage.save_checkpoint("s", checkpoint()),
        lambda: storage.load_checkpoints("s"),
        lambda: storage.steps("s"),
    ):
        with pytest.raises(StorageError, match=r"archive/s\b.*symbolic links are not followed"):
            act()
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("file_name", ["events.jsonl", "checkpoints.jsonl"])
def test_a_linked_file_is_refused(storage, archive, tmp_path, file_name):
    target = tmp_path / "target"
    target.write_text("")
    (archive / "s").mkdir(parents=True)
    (archive / "s" / file_name).symlink_to(target)
    write, read = {
        "events.jsonl": (lambda: storage.save_event("s", {}), storage.load_events),
        "checkpoints.jsonl": (
            lambda: storage.save_checkpoint("s", checkpoint()),
            storage.load_checkpoints,
        ),
    }[file_name]
    with pytest.raises(StorageError, match=f"cannot write `archive/s/{file_name}`"):
        write()
    with pytest.raises(StorageError, match=f"cannot read `archive/s/{file_name}`"):
        read("s")
    assert target.read_text() == ""


def test_whole_files_are_never_written_through_a_link(storage, archive, tmp_path):
    target = tmp_path / "target"
    target.write_text("")
    (archive / "s").mkdir(parents=True)
    for name in (
        "transcript-pre-compact-001.jsonl",
        ".transcript-pre-compact-002.jsonl.tmp",
        "summary-003.json",
    ):
        (archive / "s" / name).symlink_to(target)
    (archive / "s" / "transcript-pre-compact-004.jsonl").symlink_to(tmp_path / "dangling")
    assert storage.save_transcript("s", HISTORY).step == 5
    storage.save_summary("s", 3, {"text": "t"})
    assert target.read_text() == ""
    assert not (tmp_path / "dangling").exists()
    assert not (archive / "s" / "summary-003.json").is_symlink()


def test_a_number_that_a_dead_process_had_claimed_is_left_out(storage, archive):
    storage.save_transcript("s", HISTORY)
    (archive / "s" / ".transcript-pre-compact-002.jsonl.tmp").write_text("half")
    assert [storage.save_transcript("s", HISTORY).step for _ in range(2)] == [3, 4]
    assert storage.steps("s") == [1, 3, 4]


def test_numbers_go_on_beyond_three_digits(storage, archive):
    fill(storage)
    (archive / "s" / "transcript-pre-compact-999.jsonl").write_text("")
    assert storage.save_transcript("s", HISTORY).id == "transcript-pre-compact-1000"
    assert storage.steps("s") == [1, 999, 1000]


@pytest.mark.parametrize("blocked", ["above", "above/archive", "above/archive/s"])
def test_a_file_where_a_directory_is_needed_is_a_storage_error(tmp_path, archive, blocked):
    (tmp_path / blocked).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / blocked).write_text("")
    with pytest.raises(StorageError) as caught:
        FileStorage(archive).save_transcript("s", HISTORY)
    error = caught.value
    assert isinstance(error, CompactError)
    assert isinstance(error.__cause__, NotADirectoryError)
    assert error.errno == error.__cause__.errno
    assert str(error).endswith(
        "cannot write `archive/s/transcript-pre-compact`: Not a directory; make room or rights "
        "for it, or give `FileStorage` another `path`"
    )
    assert str(tmp_path) not in str(error)


FULL_DISK = """
import errno, resource, sys
from compact_otel.adapters import FileStorage
from compact_otel.core.errors import StorageError

storage = FileStorage(sys.argv[1])
storage.save_event("s", {"n": 1})
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # stands in for a disk with 4 kB left
large = {"content": "x" * 10_000}
for save in (
    lambda: storage.save_transcript("s", [large]),
    lambda: storage.save_summary("s", 1, large),
    lambda: storage.save_event("s", large),
):
    try:
        save()
    except StorageError as error:
        assert error.errno in (errno.EFBIG, errno.ENOSPC) and "x" * 9 not in str(error), error
    else:
        sys.exit("no StorageError")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
storage.save_event("s", {"n": 2})
"""


def test_a_full_disk_is_a_storage_error_and_costs_no_other_record(storage, archive):
    subprocess.run([sys.executable, "-c", FULL_DISK, archive], check=True, timeout=60)
    names = sorted(path.name for path in (archive / "s").iterdir())
    assert names == ["events.jsonl", "events.seal"]
    assert storage.load_events("s") == [{"n": 1}, {"n": 2}]
    assert storage.verify("s") == []
    assert storage.save_transcript("s", HISTORY).step == 1
