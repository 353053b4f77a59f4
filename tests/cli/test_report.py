"""`compactctl report`: what is meant, where it goes, and what is said when it cannot be done."""

import json
import stat

import pytest
from click.testing import CliRunner

from compact_otel import CompactConfig, CompactManager
from compact_otel.cli import main
from tests.adapters.packed import KEY
from tests.cli.archives import Files, Objects
from tests.cli.calls import REQUEST
from tests.report.sessions import history


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Files(tmp_path / "archive")
    made.compact("user_123")
    return made


@pytest.fixture
def run(files):
    def asked(*arguments, code=0, given=None, command="report", **environment):
        result = CliRunner().invoke(
            main, [command, *arguments], input=given, env={**files.environment, **environment}
        )
        assert result.exit_code == code, result.output
        return result

    return asked


def test_a_session_becomes_a_page_for_its_owner_alone(run, tmp_path):
    said = run("user_123", "-o", "report.html").stdout
    page = tmp_path / "report.html"
    assert "Wrote report.html" in said
    assert "1 compaction." in said
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_its_data_is_given_as_json(run):
    told = json.loads(run("user_123", "--json").stdout)
    assert (told["kind"], told["name"], told["model"]) == ("archive", "user_123", "gpt-4o")
    (one,) = told["compactions"]
    assert one["tokens_after"] < one["tokens_before"]
    assert one["summary"]["prose"]
    assert len(told["removed"]) == one["summarised"] + one["cleared"]
    assert "abcdef1123456" not in json.dumps(told)


def test_a_minus_writes_the_page_to_stdout(run):
    assert run("user_123", "-o", "-").stdout.rstrip().endswith("</html>")


def test_the_folder_of_a_session_is_the_session(run, files):
    by_folder = run(str(files.folder / "user_123"), "--json", COMPACT_STORAGE_PATH="/nowhere")
    assert json.loads(by_folder.stdout) == json.loads(run("user_123", "--json").stdout)


def test_a_session_whose_id_is_longer_than_a_file_name_may_be_is_found(run, files):
    ident = "tenant-" * 60
    files.compact(ident)
    assert json.loads(run(ident, "--json").stdout)["name"] == ident


def test_a_file_is_played_and_stdin_too(run, tmp_path):
    (tmp_path / "request.json").write_text(json.dumps(REQUEST))
    told = json.loads(run("request.json", "--json", "--window", "4000").stdout)
    assert (told["kind"], told["name"], told["window"]["size"]) == ("replay", "request.json", 4000)
    piped = json.loads(
        run("-", "--json", "--model", "gpt-4.1", given=json.dumps(history(3))).stdout
    )
    assert (piped["name"], piped["model"], len(piped["calls"])) == ("stdin", "gpt-4.1", 6)


def test_a_file_hides_a_session_of_its_name_unless_the_archive_is_named(run, files, tmp_path):
    (tmp_path / "user_123").write_text(json.dumps(REQUEST))
    assert json.loads(run("user_123", "--json").stdout)["kind"] == "replay"
    named = run("user_123", "--json", "--path", str(files.folder))
    assert json.loads(named.stdout)["kind"] == "archive"


def test_an_encrypted_archive_is_read_with_its_key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Files(tmp_path / "sealed", encryption_key=KEY, compress=True)
    made.compact("user_123")
    run = CliRunner().invoke
    shown = run(main, ["report", "user_123", "--json"], env=made.environment)
    assert json.loads(shown.stdout)["compactions"][0]["summary"]["prose"]
    without = {**made.environment, "COMPACT_STORAGE_ENCRYPTION_KEY": None}
    refused = run(main, ["report", "user_123", "-o", "x.html"], env=without)
    assert refused.exit_code == 1
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["user_132", "-o", "x.html"], 2, "did you mean user_123?"),
        (["user_132", "-o", "x.html"], 2, "nor is there a file of that name"),
        (["user_123"], 2, "-o report.html"),
        (["user_123", "-o", "missing/x.html"], 2, "cannot write missing/x.html"),
        (["user_123", "-o", "."], 2, "cannot write .: Is a directory"),
        (["user_123", "-o", "x.html", "--session", "a"], 2, "only a database has several"),
        (["user_123", "-o", "x.html", "--window", "0"], 2, "max_context_tokens"),
        (["archive", "-o", "x.html"], 2, "report --path archive SESSION"),
        (["broken.json", "-o", "x.html"], 1, "is not JSON"),
        (["user_123", "-o", "x.html", "--path", "nowhere"], 1, "no archive in nowhere"),
        (["a\x00b", "-o", "x.html"], 2, "nor is there a file"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_way_out(run, tmp_path, arguments, code, said):
    (tmp_path / "broken.json").write_text("{")
    output = " ".join(run(*arguments, code=code).output.split())
    assert said in output
    assert not (tmp_path / "x.html").exists()


def test_a_page_that_cannot_be_made_leaves_the_one_before(run, tmp_path):
    (tmp_path / "report.html").write_text("the one before")
    run("user_132", "-o", "report.html", code=2)
    assert (tmp_path / "report.html").read_text() == "the one before"


def test_status_says_what_the_next_call_remembers(run, files):
    told = json.loads(run("user_123", "--json", command="status").stdout)
    known = files.manager.status("user_123")
    for name in ("version", "strategy", "dropped", "kept", "tokens_before", "tokens_after"):
        assert told[name] == getattr(known, name), name
    assert told["note"] == "manual"
    assert told["created"].endswith("Z")
    shown = " ".join(run("user_123", command="status").output.split())
    assert "user_123: what its next call remembers" in shown
    assert f"stands for {known.dropped} items" in shown
    assert f"{known.tokens_before:,} -> {known.tokens_after:,}" in shown


def test_status_shows_no_secret_although_checkpoints_hold_them(run, files):
    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"

    class Writer:
        def summarize(self, request):
            return f"The key is {secret}, for table ZX-4711."

    manager = CompactManager(CompactConfig(storage=files.storage), summarizer=Writer())
    manager.manual_compact("secret", history(12), note=f"by {secret}")
    (checkpoint,) = files.manager.storage.load_checkpoints("secret")
    assert secret in checkpoint.summary
    for output in (run("secret", command="status"), run("secret", "--json", command="status")):
        assert "ZX-4711" in output.stdout
        assert secret not in output.stdout


def test_status_of_a_session_without_a_checkpoint_says_that_there_is_nothing(run, files):
    (files.folder / "user_123" / "checkpoints.jsonl").unlink()
    said = run("user_123", command="status").stdout
    assert said == "user_123: nothing that was compacted away is in force.\n"
    assert json.loads(run("user_123", "--json", command="status").stdout)["summary"] is None


def test_status_names_the_sessions_that_are_near(run):
    output = " ".join(run("user_132", code=2, command="status").output.split())
    assert "did you mean user_123?" in output


def test_an_archive_in_s3_is_drawn_as_one_of_files_is(bucket, s3_endpoint, s3_credentials):
    made = Objects(bucket, s3_endpoint)
    made.compact("user_123")
    shown = CliRunner().invoke(main, ["report", "user_123", "--json"], env=made.environment)
    assert shown.exit_code == 0, shown.output
    (one,) = json.loads(shown.stdout)["compactions"]
    assert one["summarised"] > 0
    told = CliRunner().invoke(main, ["status", "user_123", "--json"], env=made.environment)
    assert json.loads(told.stdout)["dropped"] == one["stands_for"]


def test_a_named_archive_is_read_whatever_the_environment_says_of_another(run, files):
    elsewhere = {"COMPACT_STORAGE_ADAPTER": "memory", "COMPACT_STORAGE_PATH": None}
    path = ("--path", str(files.folder), "--json")
    assert json.loads(run("user_123", *path, **elsewhere).stdout)["compactions"]
    told = run("user_123", *path, command="status", **elsewhere)
    assert json.loads(told.stdout)["version"] == 1
    broken = run("user_123", "--json", code=2, COMPACT_TRIGGER_PCT="seven")
    assert "the settings cannot be used" in broken.output
