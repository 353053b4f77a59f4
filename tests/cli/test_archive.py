"""`compactctl archive` over what a manager wrote: right, wrong, missing and mistyped input."""

import json
import os
import stat
import time
from pathlib import Path

import pytest

from compact_otel.adapters import FileStorage
from compact_otel.archive.figures import size
from compact_otel.archive.pruning import seconds_of
from tests.adapters.packed import KEY, OLD_KEY
from tests.cli.archives import Files, Objects

NASTY = "\x1b]0;owned\x07\x1b[2J\u202eend\x9b31m\x00"
UNSEEN = {"\x1b", "\x07", "\u202e", "\x9b", "\x00"}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Files(tmp_path / "archive")


@pytest.fixture
def user_123(files):
    files.compact("user_123")
    return files


@pytest.fixture(scope="module")
def made():
    """Archives by adapter: each is written once, for tests that only read."""
    return {}


@pytest.fixture(params=["fs", "encrypted", "s3"])
def archive(request, made, tmp_path_factory):
    """Return an archive of two sessions, on disk, encrypted there, and in S3."""
    if request.param == "s3":
        request.getfixturevalue("s3_credentials")
    if request.param not in made:
        if request.param == "fs":
            new = Files(tmp_path_factory.mktemp("archive"))
        elif request.param == "encrypted":
            new = Files(tmp_path_factory.mktemp("archive"), encryption_key=KEY, compress=True)
        else:
            new = Objects(*map(request.getfixturevalue, ("bucket", "s3_endpoint")))
        new.compact("user_123")
        new.compact("user_123", turns=30, text="Another one")
        new.compact("a/b", turns=12)
        made[request.param] = new
    return made[request.param]


def test_sessions_are_listed_with_their_compactions_bytes_and_last_write(archive):
    first, second = archive.json("ls")["sessions"]
    assert (first["session_id"], first["compactions"]) == ("a/b", 1)
    assert (second["session_id"], second["compactions"]) == ("user_123", 2)
    records = archive.json("ls", "user_123")["records"]
    assert sum(one["bytes"] for one in records) == second["bytes"]
    assert max(one["written"] for one in records) == second["last_write"]
    assert [one["id"] for one in records] == [
        "checkpoints", "events", "summary-001", "summary-002",
        "transcript-pre-compact-001", "transcript-pre-compact-002",
    ]  # fmt: skip
    said = archive.said("ls")
    assert f"user_123 2 {size(second['bytes'])} {second['last_write']}" in said
    assert "2 sessions with" in said
    assert f"summary-002 {size(records[3]['bytes'])}" in archive.said("ls", "user_123")


def test_the_newest_summary_is_shown_unless_another_is_asked_for(archive):
    storage = archive.manager.storage
    newest = storage.load_summary("user_123", 2)
    shown = archive.run("show", "user_123").stdout
    assert "user_123, compaction 2: summary v" in shown
    assert newest["summary"] in shown
    older = archive.run("show", "user_123", "1").stdout
    assert storage.load_summary("user_123", 1)["summary"] in older
    assert archive.json("show", "user_123")["summary"] == newest


def test_a_transcript_is_shown_item_by_item_without_secrets(archive):
    shown = archive.run("show", "a/b", "--transcript").stdout
    assert "a/b, before compaction 1: 48 items" in shown
    assert '[1] function_call book\narguments: {"table": 0}' in shown
    assert "api_key=<REDACTED>" in shown
    assert "abcdef0123456" not in shown
    stored = archive.json("show", "a/b", "1", "--transcript")["transcript"]
    assert stored == archive.manager.storage.load_transcript("a/b", 1)


def test_events_and_the_audit_are_shown_a_line_each(archive):
    for part in ("events", "audit"):
        records = archive.json("show", "a/b", f"--{part}")[part]
        lines = archive.run("show", "a/b", f"--{part}").stdout.splitlines()
        assert len(lines) == len(records) + 1
        for record, line in zip(records, lines[1:], strict=True):
            assert line.startswith(f"{record['ts']} {record['event']} ")
    assert "compact.archive.id=summary-001" in archive.said("show", "a/b", "--audit")


def test_an_archive_that_nobody_touched_is_as_written(archive):
    assert "2 sessions in" in archive.said("verify")
    assert archive.said("verify", "a/b").endswith(": as written.")
    assert archive.json("verify")["errors"] == 0


def test_what_was_changed_is_told_and_the_exit_code_is_one(user_123):
    user_123.compact("calm")
    target = user_123.folder / "user_123" / "summary-001.json"
    target.write_text(target.read_text().replace("table", "cable"))
    said = user_123.said("verify", code=1)
    assert "error user_123: `summary-001` is not what was written" in said
    assert "1 error in 2 sessions" in said
    assert "as written" in user_123.said("verify", "calm")
    found = user_123.json("verify", code=1)
    assert [len(one["faults"]) for one in found["sessions"]] == [0, 1]


def test_what_a_crash_explains_is_a_note_and_the_exit_code_is_zero(user_123):
    with (user_123.folder / "user_123" / "events.jsonl").open("a") as events:
        events.write('{"torn": ')
    user_123.manager.storage.save_event("user_123", {"n": 1})
    assert "note user_123: line 12 of the events is torn" in user_123.said("verify")


def test_what_cannot_be_read_is_an_error_and_the_others_are_verified_all_the_same(user_123):
    user_123.compact("calm")
    target = user_123.folder / "user_123" / "summary-001.json"
    target.rename(user_123.folder / "elsewhere.json")
    target.symlink_to(user_123.folder / "elsewhere.json")
    said = user_123.said("verify", code=1)
    assert "error user_123: cannot read" in said
    assert "symbolic links are not followed" in said
    assert "1 error in 2 sessions" in said


# --- what cannot be done, and why ---

WRONG = {
    "a mistyped session": (["show", "usr_123"], 2, ["session usr_123", "did you mean user_123?"]),
    "the beginning of a session": (["ls", "user"], 2, ["did you mean user_123?"]),
    "a session like no other": (["export", "qqq"], 2, ["no session qqq", "ls` lists all 1"]),
    "a mistyped session to verify": (["verify", "user_124"], 2, ["did you mean user_123?"]),
    "a mistyped session to prune": (
        ["prune", "--older-than", "1d", "--yes", "User_123"], 2, ["did you mean user_123?"],
    ),
    "a session that is none": (["ls", "a\x1b[2Jb"], 2, ['no session "a\\u001b[2Jb"']),
    "no session": (["show"], 2, ["Missing argument 'SESSION'"]),
    "a step that is not there": (["show", "user_123", "7"], 2, ["step 7 is kept; there are 1"]),
    "a step that is none": (["show", "user_123", "one"], 2, ["'one' is not a valid integer"]),
    "a step of the events": (["show", "user_123", "1", "--events"], 2, ["leave STEP out"]),
    "a mistyped option": (["show", "user_123", "--transcirpt"], 2, ["--transcript"]),
    "a mistyped command": (["lss"], 2, ["No such command 'lss'"]),
    "no age": (["prune"], 2, ["Missing option '--older-than'"]),
    "an age without a unit": (["prune", "--older-than", "30"], 2, ["12h, 30d or 2w, got '30'"]),
    "an age of no time": (["prune", "--older-than", "0d"], 2, ["> 0", "got '0d'"]),
    "an age in months": (["prune", "--older-than", "3mo"], 2, ["got '3mo'"]),
    "a negative age": (["prune", "--older-than", "-1d"], 2, ["got '-1d'"]),
    "nobody to ask": (["prune", "--older-than", "1d", "--json"], 2, ["add --yes", "--dry-run"]),
    "an archive that is not there": (["ls", "--path", "nowhere"], 1, ["no archive in nowhere"]),
    "a file": (["verify", "--path", "archive/user_123/events.jsonl"], 1, ["is a file"]),
    "the folder of a session": (["ls", "--path", "archive/user_123"], 1, ["one session"]),
    "an export into nothing": (
        ["export", "user_123", "-o", "no/where.json"], 2, ["cannot write no/where.json: No such"],
    ),
    "an export over a folder": (["export", "user_123", "-o", "archive"], 2, ["Is a directory"]),
}  # fmt: skip


@pytest.mark.parametrize("slip", WRONG)
def test_what_cannot_be_done_is_told_with_the_way_out(user_123, slip):
    arguments, code, words = WRONG[slip]
    before = user_123.names("user_123")
    said = user_123.said(*arguments, code=code)
    for each in words:
        assert each in said
    assert "\x1b" not in said
    assert user_123.names("user_123") == before


SURROUNDINGS = {
    "memory": ({"COMPACT_STORAGE_ADAPTER": "memory"}, 2, ["is memory", "own process", "--path"]),
    "none": ({"COMPACT_STORAGE_ADAPTER": "none"}, 2, ["is none", "keeps nothing", "--path"]),
    "no bucket": ({"COMPACT_STORAGE_ADAPTER": "s3"}, 2, ["storage.bucket must be"]),
    "no archive yet": ({"COMPACT_STORAGE_PATH": "later"}, 1, ["later", "COMPACT_STORAGE_PATH"]),
    "impossible settings": ({"COMPACT_TRIGGER_PCT": "7"}, 2, ["cannot be used", "trigger_pct"]),
}


@pytest.mark.parametrize("what", SURROUNDINGS)
@pytest.mark.parametrize(
    "command", [["ls"], ["show", "s"], ["verify"], ["prune", "--older-than", "1d"], ["export", "s"]]
)
def test_where_there_is_nothing_to_read_it_is_told_why(files, what, command):
    environment, code, words = SURROUNDINGS[what]
    said = files.said(*command, code=code, **environment)
    for each in words:
        assert each in said


def test_a_path_is_read_whatever_the_environment_says(user_123, tmp_path):
    said = user_123.said("ls", "--path", str(user_123.folder), COMPACT_STORAGE_ADAPTER="none")
    assert "user_123" in said
    (tmp_path / "empty").mkdir()
    assert user_123.said("ls", "--path", "empty") == "No sessions in empty."


def test_a_bucket_that_is_not_there_is_told(s3_credentials, s3_endpoint):
    said = Objects("not-there", s3_endpoint).said("ls", code=1)
    assert "NoSuchBucket" in said
    assert "`storage.bucket`" in said


def test_folders_of_somebody_else_are_no_sessions(user_123):
    (user_123.folder / "photos").mkdir()
    (user_123.folder / "photos" / "cat.jpg").touch()
    assert [one["session_id"] for one in user_123.json("ls")["sessions"]] == ["user_123"]


def test_stored_text_cannot_steer_the_terminal(files):
    storage = FileStorage(files.folder)
    storage.save_transcript(
        NASTY, [{"role": NASTY, "content": NASTY}, {"type": "x", "name": NASTY, NASTY: NASTY}]
    )
    storage.save_summary(NASTY, 1, {"summary": f"one\ntwo {NASTY}", "model": NASTY, "version": 1})
    storage.save_event(NASTY, {"event": NASTY, "ts": NASTY, NASTY: [NASTY]})
    (files.folder / "s").mkdir()
    (files.folder / "s" / "events.jsonl").write_text("torn\n")
    commands = (
        ["ls"], ["ls", NASTY], ["show", NASTY], ["show", NASTY, "--transcript"], ["verify"],
        ["show", NASTY, "--events"], ["show", NASTY, "--audit"], ["export", NASTY],
        ["prune", "--older-than", "1h"], ["ls", "--path", NASTY.replace("\x00", "")],
    )  # fmt: skip
    for command in commands:
        output = files.run(*command).output
        assert output
        assert not UNSEEN & set(output), command
    assert "\none\ntwo ?" in f"\n{files.run('show', NASTY).stdout}", "line breaks are kept"


# --- retention ---


def test_what_is_older_goes_and_the_rest_stays_without_a_fault(user_123):
    user_123.compact("user_123", turns=30)
    user_123.age("user_123", 40, "*-001.json*")
    said = user_123.said("prune", "--older-than", "30d", "--yes")
    assert "user_123 summary-001, transcript-pre-compact-001" in said
    assert "Removed 0 whole sessions and 2 records" in said
    assert user_123.names("user_123") == [
        "checkpoints.jsonl", "events.jsonl", "events.seal",
        "summary-002.json", "transcript-pre-compact-002.jsonl",
    ]  # fmt: skip
    assert user_123.json("verify")["sessions"][0]["faults"] == []
    removed = [one for one in user_123.json("show", "user_123", "--audit")["audit"]
               if one.get("compact.archive.removed")]  # fmt: skip
    assert len(removed) == 2
    assert "Nothing in" in user_123.said("prune", "--older-than", "30d", "--yes")
    user_123.compact("user_123", turns=40)
    assert user_123.manager.storage.steps("user_123") == [2, 3]


def test_a_session_of_which_everything_is_older_goes_as_a_whole(user_123):
    user_123.compact("young")
    user_123.age("user_123", 31)
    found = user_123.json("prune", "--older-than", "30d", "--yes")
    (one,) = found["sessions"]
    assert (one["session_id"], one["whole"], one["state"]) == ("user_123", True, "removed")
    assert [path.name for path in user_123.folder.iterdir()] == ["young"]


def test_only_the_sessions_that_are_named_are_pruned(user_123):
    user_123.compact("other")
    for session_id in ("user_123", "other"):
        user_123.age(session_id, 31)
    assert "1 whole session and" in user_123.said("prune", "--older-than", "4w", "--yes", "other")
    assert [path.name for path in user_123.folder.iterdir()] == ["user_123"]


@pytest.mark.parametrize(
    ("arguments", "answer", "code"),
    [(["--dry-run"], None, 0), (["--dry-run", "--yes"], None, 0), ([], "n\n", 1), ([], "", 1)],
)
def test_nothing_is_removed_without_a_yes(user_123, arguments, answer, code):
    user_123.age("user_123", 31)
    before = user_123.names("user_123")
    said = user_123.said("prune", "--older-than", "30d", *arguments, given=answer, code=code)
    assert "user_123 all of it" in said
    assert user_123.names("user_123") == before


def test_a_yes_that_is_typed_will_do(user_123):
    user_123.age("user_123", 31)
    said = user_123.said("prune", "--older-than", "30d", given="y\n")
    assert "Remove 1 whole session and 0 records" in said
    assert not (user_123.folder / "user_123").exists()


def test_a_session_that_is_being_compacted_is_passed_over(user_123):
    user_123.compact("idle")
    for session_id in ("user_123", "idle"):
        user_123.age(session_id, 31)
    with user_123.manager.storage.claim("user_123", "k", 0):
        user_123.age("user_123", 31)
        found = user_123.json("prune", "--older-than", "30d", "--yes")
        assert "passed over" in user_123.said("prune", "--older-than", "30d", "--yes")
    states = {one["session_id"]: one["state"] for one in found["sessions"]}
    assert states == {"user_123": "in use", "idle": "removed"}
    assert (user_123.folder / "user_123" / "transcript-pre-compact-001.jsonl").exists()


def test_links_are_not_followed_and_what_is_not_ours_is_not_removed(user_123, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    for name in ("summary-001.json", "events.jsonl", "notes.txt"):
        (precious / name).write_text("mine")
    (user_123.folder / "linked").symlink_to(precious)
    (user_123.folder / "user_123" / "transcript-pre-compact-002.jsonl").symlink_to(
        precious / "notes.txt"
    )
    (user_123.folder / "user_123" / "notes.txt").write_text("mine")
    user_123.age("user_123", 31)
    os.utime(precious / "notes.txt", (0, 0))
    assert "Removed 1 whole session" in user_123.said("prune", "--older-than", "30d", "--yes")
    assert user_123.names("user_123") == ["notes.txt", "transcript-pre-compact-002.jsonl"]
    assert {path.read_text() for path in precious.iterdir()} == {"mine"}
    assert len(list(precious.iterdir())) == 3


def test_a_bucket_is_pruned_as_files_are(s3_credentials, bucket, s3_endpoint, monkeypatch):
    made = Objects(bucket, s3_endpoint)
    made.compact("user_123", turns=12)
    # Nobody can make an object older than it is: the clock is later instead.
    now = time.time
    monkeypatch.setattr("compact_otel.archive.pruning.time.time", lambda: now() + 7200)
    assert made.json("prune", "--older-than", "12h", "--yes")["sessions"] == []
    (one,) = made.json("prune", "--older-than", "1h", "--yes")["sessions"]
    assert (one["whole"], one["state"]) == (True, "removed")
    assert made.said("ls").startswith("No sessions in s3://")


def test_what_could_not_be_removed_is_told_and_the_exit_code_is_one(user_123, monkeypatch):
    user_123.compact("other")
    for session_id in ("user_123", "other"):
        user_123.age(session_id, 31)
    unlink = Path.unlink

    def refused(path, **options):  # rights would not stop root
        if path.name == "events.seal" and path.parent.name == "other":
            raise PermissionError(13, os.strerror(13))
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refused)
    said = user_123.said("prune", "--older-than", "30d", "--yes", code=1)
    assert "Not removed: other: cannot remove" in said
    assert "Removed 1 whole session" in said
    assert [path.name for path in user_123.folder.iterdir()] == ["other"]
    assert user_123.json("verify")["errors"] == 0


@pytest.mark.parametrize(
    ("text", "seconds"), [("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600), (" 1d ", 86_400)]
)
def test_an_age_is_in_hours_days_or_weeks(text, seconds):
    assert seconds_of(text) == seconds


def test_sizes_are_short_and_grow_with_their_bytes():
    numbers = [0, 999, 1000, 999_499, 999_500, 10**9, 10**13]
    assert [size(number) for number in numbers] == [
        "0 B", "999 B", "1.0 kB", "999.5 kB", "1.0 MB", "1.0 GB", "10.0 TB",
    ]  # fmt: skip


# --- export ---


def test_an_export_holds_all_but_the_checkpoints_unless_asked_for(archive):
    document = archive.json("export", "user_123")
    storage = archive.manager.storage
    assert document["session_id"] == "user_123"
    assert [one["step"] for one in document["steps"]] == [1, 2]
    for one in document["steps"]:
        assert one["transcript"] == storage.load_transcript("user_123", one["step"])
        assert one["summary"] == storage.load_summary("user_123", one["step"])
    assert document["events"] == storage.load_events("user_123")
    assert document["audit"] == storage.load_audit("user_123")
    assert "checkpoints" not in document
    assert json.dumps(document).count("<REDACTED>") > 10
    with_them = archive.json("export", "user_123", "--checkpoints")
    assert with_them["checkpoints"] == json.loads(
        json.dumps([one.as_dict() for one in storage.load_checkpoints("user_123")])
    )


def test_an_export_to_a_file_is_for_its_owner_alone(user_123, tmp_path):
    target = tmp_path / "user_123.json"
    target.write_text("older")
    target.chmod(0o644)
    assert user_123.said("export", "user_123", "-o", str(target)) == ""
    assert json.loads(target.read_text()) == user_123.json("export", "user_123")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_an_export_that_fails_leaves_what_was_there(user_123, tmp_path, monkeypatch):
    target = tmp_path / "user_123.json"
    target.write_text("older")

    def full(_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("compact_otel.output.os.fsync", full)
    said = user_123.said("export", "user_123", "-o", str(target), code=2)
    assert "No space left" in said
    assert target.read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "user_123.json"]


def test_an_export_of_what_is_no_longer_json_names_it(user_123):
    (user_123.folder / "user_123" / "summary-001.json").write_text("{")
    assert "`summary-001.json` is not JSON" in user_123.said("export", "user_123", code=1)


def test_what_was_pruned_is_null_in_an_export(user_123):
    user_123.age("user_123", 31, "transcript*")
    user_123.said("prune", "--older-than", "30d", "--yes")
    (step,) = user_123.json("export", "user_123")["steps"]
    assert step["transcript"] is None
    assert step["summary"]["version"] == 1
    assert "no transcript of user_123 is kept" in user_123.said(
        "show", "user_123", "--transcript", code=1
    )


@pytest.fixture
def encrypted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = Files(tmp_path / "archive", encryption_key=OLD_KEY)
    files.compact("user_123")
    return files


@pytest.mark.parametrize(
    "command", [("show", "user_123"), ("show", "user_123", "--events"), ("export", "user_123")]
)
@pytest.mark.parametrize(
    ("key", "way_out"), [(KEY, "add that key behind the first"), ("", "give that key as")]
)
def test_a_wrong_or_missing_key_is_told_with_the_way_out(encrypted, command, key, way_out):
    said = encrypted.said(*command, code=1, COMPACT_STORAGE_ENCRYPTION_KEY=key)
    assert "cannot read `archive/user_123/" in said
    assert "it was encrypted with the key `" in said
    assert way_out in said
    assert OLD_KEY not in said
    assert "Traceback" not in said


def test_verify_does_not_call_an_archive_sound_that_it_cannot_read(encrypted):
    said = encrypted.said("verify", code=1, COMPACT_STORAGE_ENCRYPTION_KEY=KEY)
    assert "error user_123: cannot read" in said
    assert "1 session in" in said


def test_what_is_encrypted_can_be_listed_without_the_key_but_not_pruned(encrypted):
    listed = encrypted.said("ls", COMPACT_STORAGE_ENCRYPTION_KEY="")
    assert "user_123" in listed
    encrypted.age("user_123", 40, "summary-*")
    code = ("prune", "--older-than", "30d", "--yes")
    assert "add that key" in encrypted.said(*code, code=1, COMPACT_STORAGE_ENCRYPTION_KEY=KEY)
    assert "summary-001.json" in encrypted.names("user_123")
    assert "1 record" in encrypted.said(*code)
    assert encrypted.json("verify")["errors"] == 0


def test_both_keys_read_what_both_wrote(encrypted):
    again = Files(encrypted.folder, encryption_key=f"{KEY},{OLD_KEY}")
    again.compact("user_123", turns=30, text="Another one")
    assert again.json("verify")["errors"] == 0
    for step, text in (("1", "Please book a table"), ("2", "Another one")):
        assert text in str(again.json("show", "user_123", step, "--transcript"))


def test_an_archive_that_is_named_is_read_with_the_same_key(encrypted):
    said = encrypted.said("verify", "--path", str(encrypted.folder), COMPACT_STORAGE_PATH="nowhere")
    assert "as written" in said


def test_a_key_that_is_none_is_told_before_anything_is_read(encrypted):
    said = encrypted.said("ls", code=2, COMPACT_STORAGE_ENCRYPTION_KEY="hunter2")
    assert "`storage.encryption_key` must be 32 bytes in base64" in said
    assert "hunter2" not in said
