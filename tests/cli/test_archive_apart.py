"""One session that cannot be read, or is called otherwise now, costs no other one its look."""

import json
import os
import time

import pytest

from compact_otel.adapters import FileStorage
from compact_otel.adapters.naming import hidden
from compact_otel.core.errors import StorageError
from compact_otel.redaction import Redactor
from tests.cli.archives import DAY_S

ALICE = "alice@example.com"
ITEMS = [{"role": "user", "content": "Hello"}]


def written(folder, *sessions, redactor=None):
    storage = FileStorage(folder, redactor=redactor)
    for session in sessions:
        storage.save_transcript(session, ITEMS)
        storage.save_summary(session, 1, {"summary": "x"})
    return storage


def aged(folder):
    long_ago = time.time() - 90 * DAY_S
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (long_ago, long_ago))


@pytest.fixture
def archive(ctl, tmp_path):
    """Run `compactctl archive` over three sessions that are old, of which `b` cannot be read."""
    written(tmp_path / "archive", "a", "b", "c")
    aged(tmp_path / "archive")

    def run(command, *arguments, code):
        return ctl("archive", command, *arguments, "--path", "archive", code=code)

    return run


@pytest.fixture
def unreadable(monkeypatch):
    """Make the folder of `b` one that may not be listed, also for root."""
    listed = os.scandir

    def scandir(path="."):
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)


@pytest.mark.usefixtures("unreadable")
def test_a_session_that_cannot_be_read_is_named_and_the_others_are_listed(archive):
    shown = archive("ls", code=1)
    assert "2 sessions" in shown.stdout
    assert "b: cannot read `" in shown.stderr
    assert "Permission denied" in shown.stderr
    found = json.loads(archive("ls", "--json", code=1).stdout)
    assert [one["session_id"] for one in found["sessions"]] == ["a", "c"]
    assert [one["session_id"] for one in found["failed"]] == ["b"]
    assert "Permission denied" in found["failed"][0]["why"]


@pytest.mark.usefixtures("unreadable")
@pytest.mark.parametrize("named", [(), ("a", "b", "c")])
def test_a_session_that_cannot_be_read_is_an_error_and_the_others_are_verified(
    archive, tmp_path, named
):
    (tmp_path / "archive" / "c" / "summary-001.json").write_text("tampered\n")
    found = json.loads(archive("verify", "--json", *named, code=1).stdout)
    assert found["errors"] == 2
    faults = {one["session_id"]: one["faults"] for one in found["sessions"]}
    assert faults["a"] == []
    assert "Permission denied" in faults["b"][0]["what"]
    assert faults["c"][0]["what"] == "`summary-001` is not what was written"


@pytest.mark.parametrize(
    "plant", [lambda path: path.mkdir(), lambda path: path.symlink_to(path), None]
)
@pytest.mark.parametrize("name", ["events.jsonl", "transcript-pre-compact-001.jsonl"])
def test_whatever_is_in_the_place_of_a_record_is_an_error_of_its_session(
    archive, tmp_path, name, plant
):
    path = tmp_path / "archive" / "b" / name
    path.unlink()
    path.write_bytes(b"\xff{\n") if plant is None else plant(path)
    found = json.loads(archive("verify", "--json", code=1).stdout)
    levels = {
        one["session_id"]: {fault["level"] for fault in one["faults"]} for one in found["sessions"]
    }
    assert levels["a"] == levels["c"] == set()
    if name == "events.jsonl" and plant is None:
        assert "error" in levels["b"], "the seal tells of events that are not there"
    assert levels["b"]
    archive("ls", code=0)


@pytest.mark.usefixtures("unreadable")
@pytest.mark.parametrize("named", [(), ("a", "b", "c")])
def test_a_session_that_cannot_be_read_is_not_pruned_and_the_others_are(archive, tmp_path, named):
    options = ("--older-than", "30d", "--yes", *named)
    shown = archive("prune", "--dry-run", *options, code=1)
    assert "b: cannot read `" in shown.stderr
    found = json.loads(archive("prune", "--json", *options, code=1).stdout)
    states = {one["session_id"]: one["state"] for one in found["sessions"]}
    assert states == {"a": "removed", "b": "failed", "c": "removed"}
    assert [path.name for path in (tmp_path / "archive").iterdir()] == ["b"]


def test_what_is_there_after_it_was_removed_is_told(archive, monkeypatch):
    monkeypatch.setattr(FileStorage, "remove_session", lambda *_, **__: True)
    shown = archive("prune", "--older-than", "30d", "--yes", "a", code=1)
    assert "Not removed: a: still there: " in shown.stderr


def test_a_session_that_cannot_be_read_hides_no_other_from_tokens(ctl, archive, monkeypatch):
    steps = FileStorage.steps

    def failing(storage, session_id):
        if session_id == "b":
            raise StorageError(13, "Permission denied")
        return steps(storage, session_id)

    monkeypatch.setattr(FileStorage, "steps", failing)
    assert "a" in ctl("tokens", "archive", "--session", "a", "--model", "gpt-4o").stdout
    assert "3 sessions" in ctl("tokens", "archive", "--model", "gpt-4o", code=2).stderr


@pytest.mark.parametrize("allowed", ["email", "none"])
def test_no_session_vanishes_with_the_settings_under_which_it_was_written(
    ctl, tmp_path, monkeypatch, allowed
):
    """Written in code that lets e-mail addresses pass or not, looked at by whoever does not."""
    ours = Redactor(allow=["email"] if allowed == "none" else [])
    written(tmp_path / "archive", ALICE, redactor=ours)
    name = ALICE if allowed == "none" else hidden(ALICE)
    [folder] = (tmp_path / "archive").iterdir()
    monkeypatch.setenv("COMPACT_REDACTION_ALLOW", allowed)

    def run(command, *arguments, code=0):
        return ctl("archive", command, *arguments, "--path", "archive", code=code).stdout

    [listed] = json.loads(run("ls", "--json"))["sessions"]
    assert listed["session_id"] == name
    for one in (name, ALICE):
        assert json.loads(run("ls", "--json", one))["session_id"] == name
        assert "Hello" in run("show", one, "--transcript")
    ctl("report", folder, "-o", "report.html")
    assert ctl("tokens", "archive", "--session", name, "--model", "gpt-4o").stdout
    (folder / "summary-001.json").write_text("tampered\n")
    assert "`summary-001` is not what was written" in run("verify", code=1)
    aged(tmp_path / "archive")
    run("prune", "--older-than", "30d", "--yes")
    assert list((tmp_path / "archive").iterdir()) == []
