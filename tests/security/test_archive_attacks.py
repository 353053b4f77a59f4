"""Whoever can put something into the folder of an archive gets neither out of it nor at the agent.

What is planted here may cost the record it stands for, and a run goes on without that. It must not
hang, take memory without bounds, be run, be written through, or steer the terminal.
"""

import json
import os
import socket
import stat
import sys
import threading
import time

import pytest

from compact_otel import CompactConfig, CompactManager
from compact_otel.adapters import FileStorage
from compact_otel.core.errors import StorageError
from compact_otel.recall import read_archive, search_archive
from tests.adapters.samples import CHECKPOINT
from tests.cli.archives import Files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links of POSIX")

SOON_S = 8.0
"""Far above what anything takes here; what hangs, hangs for ever."""

ESCAPES = "\x1b[2J\x1b]0;title\x07\x9b31m\u202e\r\x00"
ITEMS = [{"role": "user", "content": f"order {n} " + "word " * 300} for n in range(12)]


@pytest.fixture
def root(tmp_path):
    return tmp_path / "archive"


@pytest.fixture
def storage(root):
    return FileStorage(root)


@pytest.fixture
def folder(storage, root):
    """The folder of a session in which there is one of each."""
    write_all(storage)
    return root / "s"


def write_all(storage, session_id="s"):
    storage.save_transcript(session_id, ITEMS)
    storage.save_summary(session_id, 1, {**CHECKPOINT.as_dict(), "dropped": [0]})
    storage.save_event(session_id, {"event": "e"})
    storage.save_checkpoint(session_id, CHECKPOINT)


def soon(act, *given):
    """Return what an act gives or raises, and fail if it hangs."""
    answers = []

    def run():
        try:
            answers.append(act(*given))
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            answers.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SOON_S)
    assert not thread.is_alive(), "it hangs"
    return answers[0]


def acts(storage, session_id="s"):
    """Return everything that can be asked of a storage."""
    return {
        "save_transcript": lambda: storage.save_transcript(session_id, ITEMS),
        "save_summary": lambda: storage.save_summary(session_id, 1, {"summary": "t"}),
        "save_event": lambda: storage.save_event(session_id, {"event": "e"}),
        "save_checkpoint": lambda: storage.save_checkpoint(session_id, CHECKPOINT),
        "load_transcript": lambda: storage.load_transcript(session_id, 1),
        "load_summary": lambda: storage.load_summary(session_id, 1),
        "load_events": lambda: storage.load_events(session_id),
        "load_audit": lambda: storage.load_audit(session_id),
        "load_checkpoints": lambda: storage.load_checkpoints(session_id),
        "verify": lambda: storage.verify(session_id),
        "records": lambda: storage.records(session_id),
        "steps": lambda: storage.steps(session_id),
        "sessions": storage.sessions,
        "is_claimed": lambda: storage.is_claimed(session_id),
        "claim": lambda: storage.claim(session_id, "k", 0).__enter__(),
        "remove": lambda: storage.remove(session_id, "transcript-pre-compact-001"),
        "search": lambda: search_archive(
            storage, session_id, "order", max_tokens=300, count_text=len
        ),
        "read": lambda: read_archive(storage, session_id, 1, max_tokens=300, count_text=len),
        "remove_session": lambda: storage.remove_session(session_id),
    }


def attempted(storage):
    """Ask everything; return what came of it. A StorageError is an answer, and all else a fault."""
    answers = {name: soon(act) for name, act in acts(storage).items()}
    for name, answer in answers.items():
        if isinstance(answer, BaseException):
            assert isinstance(answer, StorageError), (name, answer)
            assert str(storage._root) not in str(answer)
    return answers


# --- names of sessions ---


@pytest.mark.parametrize(
    "session_id",
    [
        "..", ".", "../../outside", "/etc/cron.d/x", "a/../../outside", "..\\..\\outside", "C:\\x",
        "a\x00b", "a\nb", "\x1b[2J", "x" * 5_000, "é" * 300, "\ud800", "", "~root", "$(id)",
        "%2e%2e", "\u2024\u2024/outside", "\uff0e\uff0e\uff0foutside", "\ufb00", "S", "s ", "s.",
        "CON", "-rf", "events.jsonl",
    ],
)  # fmt: skip
def test_no_name_of_a_session_leads_out_of_the_archive(storage, root, tmp_path, session_id):
    write_all(storage, session_id)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive"]
    [folder] = root.iterdir()
    assert folder.name.isascii()
    assert folder.name.isprintable()
    assert not any(path.is_dir() for path in folder.iterdir())
    assert storage.sessions() == [session_id]
    assert storage.load_transcript(session_id, 1) == ITEMS
    assert storage.verify(session_id) == []


def test_names_that_look_alike_are_sessions_of_their_own(storage):
    ids = ["a/b", "a\u2044b", "a\u2215b", "a%2fb", "A/B", "\u0430/b", "a/b ", "a\uff0fb"]
    for number, session_id in enumerate(ids):
        storage.save_transcript(session_id, [{"content": number}])
    for number, session_id in enumerate(ids):
        assert storage.load_transcript(session_id, 1) == [{"content": number}]
    assert sorted(storage.sessions()) == sorted(ids)


# --- links ---

FILES = [
    "transcript-pre-compact-001.jsonl",
    "summary-001.json",
    "events.jsonl",
    "events.seal",
    "checkpoints.jsonl",
]


@pytest.fixture
def outside(tmp_path):
    """Something of somebody else's."""
    (tmp_path / "outside").mkdir()
    secret = tmp_path / "outside" / "secret"
    secret.write_text(json.dumps({"event": "stolen", "role": "user", "content": "stolen"}) + "\n")
    secret.chmod(0o644)
    return secret


def unharmed(outside):
    assert json.loads(outside.read_text())["event"] == "stolen"
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644
    assert [path.name for path in outside.parent.iterdir()] == ["secret"]


@pytest.mark.parametrize("name", FILES)
def test_a_link_in_the_place_of_a_file_is_neither_read_nor_written_through(
    storage, folder, outside, name
):
    (folder / name).unlink()
    (folder / name).symlink_to(outside)
    answers = attempted(storage)
    unharmed(outside)
    assert "stolen" not in repr(answers)


def test_links_in_the_place_of_temporary_files_and_locks_are_not_written_through(
    storage, root, outside
):
    folder = root / "s"
    folder.mkdir(parents=True)
    for number in range(1, 4):
        (folder / f".transcript-pre-compact-00{number}.jsonl.tmp").symlink_to(outside)
    (folder / "removed-009").symlink_to(outside)
    with storage.claim("s", "k", 0):
        [lock] = folder.glob("claim-*")
    lock.symlink_to(outside)
    write_all(storage)
    attempted(storage)
    unharmed(outside)


@pytest.mark.parametrize("session_id", ["s", "x" * 200])
def test_a_link_in_the_place_of_a_session_is_not_entered(storage, root, outside, session_id):
    write_all(storage, session_id)
    [folder] = root.iterdir()
    folder.rename(outside.parent.with_name("moved"))
    folder.symlink_to(outside.parent)
    for name, act in acts(storage, session_id).items():
        answer = soon(act)
        assert name == "sessions" or isinstance(answer, StorageError), name
    assert storage.sessions() == []
    unharmed(outside)


def test_a_link_to_the_name_of_a_session_names_none(storage, root, outside):
    write_all(storage, "x" * 200)
    [folder] = root.iterdir()
    outside.write_text(json.dumps({"session_id": "x" * 200}))
    (folder / "session.json").unlink()
    (folder / "session.json").symlink_to(outside)
    assert soon(storage.sessions) == [folder.name], "it is there, and nobody says whose it is"


def test_the_way_to_the_archive_is_the_owners_and_followed(tmp_path):
    """A volume that is mounted elsewhere is linked like this; what is made below it is private."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "volume")
    storage = FileStorage(tmp_path / "link" / "archive")
    storage.save_transcript("s", ITEMS)
    made = tmp_path / "volume" / "archive"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert stat.S_IMODE((made / "s").stat().st_mode) == 0o700


# --- what is no file ---


def as_pipe(path):
    os.mkfifo(path)


def as_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        here = os.open(path.parent, os.O_RDONLY)
        try:
            made.bind(f"/proc/self/fd/{here}/{path.name}")  # a path of a socket is short
        finally:
            os.close(here)


def as_device(path):
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero: it never ends
    except PermissionError:
        pytest.skip("only root makes devices")


def as_folder(path):
    path.mkdir()


NO_FILES = [as_pipe, as_folder]
if sys.platform == "linux":
    NO_FILES += [as_socket, as_device]


@pytest.mark.parametrize("plant", NO_FILES)
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_hangs_nobody(storage, folder, name, plant):
    (folder / name).unlink()
    plant(folder / name)
    answers = attempted(storage)
    assert not isinstance(answers["records"], BaseException)
    assert soon(storage.load_events, "another") == []


@pytest.mark.parametrize("plant", NO_FILES)
def test_what_is_no_file_in_the_place_of_a_name_or_a_lock_hangs_nobody(storage, root, plant):
    write_all(storage, "x" * 200)
    [folder] = root.iterdir()
    with storage.claim("x" * 200, "k", 0):
        [lock] = folder.glob("claim-*")
    (folder / "session.json").unlink()
    for path in (folder / "session.json", lock):
        plant(path)
    assert soon(storage.sessions) == [folder.name]
    for act in acts(storage, "x" * 200).values():
        answer = soon(act)
        assert not isinstance(answer, BaseException) or isinstance(answer, StorageError)


@pytest.mark.parametrize("name", [*FILES, "."])
def test_a_run_goes_on_whatever_is_in_the_place_of_its_archive(storage, root, name):
    manager = CompactManager(CompactConfig(max_context_tokens=4000), storage=storage)
    if name == ".":
        root.mkdir(parents=True)
        as_pipe(root / "s")
    else:
        (root / "s").mkdir(parents=True)
        as_pipe(root / "s" / name)
    began = time.monotonic()
    assert soon(manager.preflight, "s", ITEMS).outcome == "compacted"
    assert time.monotonic() - began < 5.0, "it has waited for the storage to time out"


# --- what stands in a file ---

DEEP = b'{"role": "user", "content": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
LEVELS = b'{"role": "user", "content": ' + b"[" * 800 + b"]" * 800 + b"}"
LINES = {
    "far too deep": DEEP,
    "so deep that it can be read and not be written": LEVELS,
    "deep without an end": b'{"a":' * 100_000,
    "no number": b'{"role": "user", "content": NaN, "version": NaN, "covered": Infinity}',
    "a number beyond all": b'{"role": "user", "version": 1e999, "audit.sequence": 1e999}',
    "digits": b'{"version": ' + b"9" * 5_000 + b"}",
    "as many digits as can be read": b'{"audit.sequence": '
    + b"9" * 4_300
    + b', "audit.previous": ""}',
    "the same name twice": b'{"key": "a", "key": "b", "event": "e", "event": "f"}',
    "no object": b'["a"]',
    "a word": b'"text"',
    "nothing": b"null",
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "another encoding": '{"a": 1}'.encode("utf-16"),
    "half a character": b'{"role": "user", "content": "\\ud800", "summary": "\\ud800"}',
    "an audit of anything": b'{"event": "compact.archival", "compact.archive.id": ["a"], '
    b'"compact.archive.sha256": [1], "audit.sequence": 1, "audit.previous": ""}',
    "an audit of truth": b'{"audit.sequence": true, "audit.previous": "x"}',
    "code": b'{"py/object": "os.system", "__reduce__": ["os.system", ["id"]]}',
}


@pytest.fixture
def command(root):
    return Files(root)


COMMANDS = [
    ["ls"], ["ls", "s"], ["show", "s"], ["show", "s", "--transcript"], ["show", "s", "--events"],
    ["show", "s", "--audit"], ["show", "s", "--json"], ["show", "s", "--transcript", "--json"],
    ["show", "s", "--events", "--json"], ["verify"], ["verify", "--json"], ["export", "s"],
    ["export", "s", "--checkpoints"], ["prune", "--older-than", "1h", "--dry-run"],
]  # fmt: skip


def commanded(command):
    """Run every command; return what they print. None ends by an exception of its own."""
    printed = []
    for arguments in COMMANDS:
        result = soon(command.run, *arguments)
        assert result.exit_code in (0, 1, 2), (arguments, result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit), arguments
        if result.exit_code == 0 and ("--json" in arguments or arguments[0] == "export"):
            json.loads(result.stdout, parse_constant=pytest.fail)
        printed.append(result.output)
    return printed


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_no_line_that_is_planted_does_more_than_spoil_its_record(
    storage, folder, command, name, line
):
    with (folder / name).open("ab") as file:
        file.write(line + b"\n")
    commanded(command)
    answers = attempted(storage)
    assert not isinstance(answers["save_event"], BaseException)
    assert not isinstance(answers["save_transcript"], BaseException)


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_run_goes_on_whatever_stands_in_its_archive(storage, root, line):
    (root / "s").mkdir(parents=True)
    for name in FILES:
        (root / "s" / name).write_bytes(line + b"\n")
    manager = CompactManager(CompactConfig(max_context_tokens=4000), storage=storage)
    result = manager.preflight("s", ITEMS)
    assert result.outcome == "compacted"
    assert storage.load_transcript("s", 2) == ITEMS
    assert [one.summary for one in storage.load_checkpoints("s")] == [result.summary]


HUGE = 10**12


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_an_end_costs_no_memory(storage, folder, command, name):
    """It is sparse, and takes no room: to read it would take a terabyte."""
    before = (folder / name).stat().st_size
    with (folder / name).open("ab") as file:
        file.truncate(HUGE)
    answers = attempted_without_removal(storage)
    reads = {
        FILES[0]: ["load_transcript", "verify", "search", "read"],
        FILES[1]: ["load_summary", "verify", "search"],
        FILES[2]: ["load_events", "load_audit", "verify"],
        FILES[3]: ["verify"],
        FILES[4]: ["load_checkpoints", "verify"],
    }[name]
    for read in reads:
        assert isinstance(answers[read], StorageError), read
        assert "File too large" in str(answers[read])
    commanded(command)
    assert before < HUGE


def attempted_without_removal(storage):
    answers = {}
    for name, act in acts(storage).items():
        if name.startswith(("remove", "save")):
            continue
        answers[name] = soon(act)
    return answers


def test_a_writer_does_not_read_all_that_somebody_has_put_behind_the_last_event(storage, folder):
    with (folder / "events.jsonl").open("ab") as file:
        file.truncate(HUGE)
    answer = soon(storage.save_event, "s", {"event": "e"})
    assert isinstance(answer, StorageError)


def test_a_file_of_any_time_is_listed(folder, command):
    os.utime(folder / "summary-001.json", (10**11, 10**11))
    assert "summary-001" in command.said("ls", "s")
    commanded(command)


def test_nothing_that_is_archived_can_steer_the_terminal(storage, folder, command):
    for name in FILES:
        with (folder / name).open("ab") as file:
            record = {"event": ESCAPES, "ts": ESCAPES, "role": ESCAPES, ESCAPES: [ESCAPES]}
            file.write(json.dumps(record).encode() + b"\n" + ESCAPES.encode() + b"\n")
    storage.save_summary("s", 2, {"summary": ESCAPES, "model": ESCAPES, "note": [ESCAPES]})
    storage.save_transcript(ESCAPES, [{"content": ESCAPES, "name": ESCAPES}])
    (folder / f"x{ESCAPES}".replace("\x00", "")).write_text("not ours")
    for printed in commanded(command):
        unseen = {letter for letter in printed if not letter.isprintable() and letter != "\n"}
        assert not unseen
    assert "\\u001b" in command.run("export", ESCAPES).stdout


# --- checkpoints ---

WRONG = {
    "kept": ["0", {"0": 1}, [0.5], [True], [1, 0], [-1], None, "012", [10**30]],
    "covered": ["2", 2.5, True, None, -1, [2], {}],
    "version": ["1", 1.5, True, None, 0, -3, []],
    "summary": [7, ["text"], {"text": "t"}, True],
    "key": [7, None, ["k"], {}],
    "cleared": [7, "x", [7], [{"index": 0}], {"index": 0}],
    "ahead": [7, "x", [], {"x": 1}],
    "opaque": [7, "x", [], {"items": "x"}, {"items": [7], "reader": "r", "tokens": 1}],
    "place": ["0", 0.5, []],
    "model": [7, [], {}],
}


@pytest.mark.parametrize("field", WRONG)
def test_a_checkpoint_of_wrong_types_is_none(storage, folder, field):
    with (folder / "checkpoints.jsonl").open("ab") as file:
        for value in WRONG[field]:
            record = {**CHECKPOINT.as_dict(), "key": f"wrong {value}", field: value}
            file.write(json.dumps(record).encode() + b"\n")
    assert storage.load_checkpoints("s") == [CHECKPOINT]
