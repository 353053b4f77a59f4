"""`compactctl compact`: what is written, where, for whom, and what is archived."""

import json
import os
import stat
from pathlib import Path

import pytest

from compact_otel.testing import LocalOpenAI, Step
from tests.cli.manual import KEY, chat_of, lines_of, recorded, shop, stored

ARCHIVE = Path(".compact", "archive")


@pytest.fixture
def compacted(ctl):
    """Compact a text in a file, and return the text of the output."""

    def run(text, *options, **environment):
        Path("call").write_text(text)
        ctl("compact", "call", "-o", "out", *options, **environment)
        return Path("out").read_text()

    return run


def is_summary(item):
    return str(item.get("content")).startswith("<COMPACT-SUMMARY v1>")


def survivors(items, given):
    """Return what is in `items`, after a look whether that is one summary and given items."""
    kept = [item for item in items if not is_summary(item)]
    assert len(kept) == len(items) - 1 < len(given)
    assert all(item in given for item in kept)
    return kept


def test_a_list_stays_a_list_and_lines_stay_lines(compacted):
    items = recorded(16)[0]

    as_list, as_lines = json.loads(compacted(json.dumps(items))), compacted(lines_of(items))

    assert survivors(as_list, items)
    assert [json.loads(line) for line in as_lines.splitlines()] == as_list


@pytest.mark.parametrize(("api", "member"), [(1, "input"), (2, "messages")])
def test_a_request_stays_a_request_with_all_that_stands_beside_its_items(compacted, api, member):
    request = recorded(16)[api]

    made = json.loads(compacted(json.dumps(request)))

    assert {**made, member: None} == {**request, member: None}
    kept = survivors(made[member], request[member])
    assert (kept[0]["role"] == "system") == (member == "messages")


def test_a_session_of_a_database_becomes_a_list(ctl):
    items = recorded(16)[0]
    stored("sessions.db", items, "ada", "bob")

    ctl("compact", "sessions.db", "--session", "ada", "-o", "out")

    assert survivors(json.loads(Path("out").read_text()), items)
    assert [path.name for path in ARCHIVE.iterdir()] == ["ada"]


def test_marks_and_odd_letters_come_through(compacted):
    items = [*shop(), {"role": "user", "content": "half \ud83d, \u00fcber, \x1b"}]

    made = json.loads(compacted(json.dumps(items)))

    assert made[0] == items[0]
    assert items[1] in made
    assert made[-1] == items[-1]


@pytest.mark.parametrize(
    "text",
    ['{"input": "hi", "store": false}', '[{"role": "user", "content": "hi"}]', "[]"],
)
def test_where_nothing_can_be_gained_all_stays_and_that_is_said(ctl, compacted, text):
    assert json.loads(compacted(text)) == json.loads(text)
    for command in (["dry-run"], ["diff"], ["compact", "-o", "out"]):
        assert "Nothing would be gained: everything stays." in ctl(*command, "call").stdout
    assert not ARCHIVE.exists()


def test_the_output_is_for_its_owner_alone_and_the_file_stays_as_it_was(compacted):
    text = json.dumps(recorded(16)[0])

    compacted(text)

    assert stat.S_IMODE(Path("out").stat().st_mode) == 0o600
    assert Path("call").read_text() == text


def test_stdin_to_stdout_is_a_filter_and_all_else_goes_to_stderr(ctl):
    items = recorded(16)[0]

    result = ctl("compact", "-", "-o", "-", given=lines_of(items))

    assert survivors([json.loads(line) for line in result.stdout.splitlines()], items)
    assert " saved (" in result.stderr
    assert [path.name for path in ARCHIVE.iterdir()] == ["stdin"]


def test_a_link_is_followed_and_a_device_is_written_to(compacted, ctl):
    Path("real").write_text("old")
    Path("out").symlink_to("real")

    made = compacted(json.dumps(recorded(16)[0]))

    assert Path("out").is_symlink()
    assert made == Path("real").read_text() != "old"
    ctl("compact", "call", "-o", os.devnull)
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize("command", [["compact", "-o"], ["diff", "--html"]])
@pytest.mark.parametrize("name", ["call", "./call", "link"])
def test_the_file_that_is_read_is_never_written_over(ctl, command, name):
    Path("call").write_text("[]")
    Path("link").symlink_to("call")

    result = ctl(*command, name, "call", code=2)

    assert "is the file that is read: name another one" in " ".join(result.stderr.split())
    assert Path("call").read_text() == "[]"


def test_what_is_compacted_is_archived_under_the_name_of_the_file_without_secrets(ctl):
    Path("ada.items.json").write_text(json.dumps(shop()))

    said = ctl("compact", "ada.items.json", "-o", "out", "--note", "mind order 4711").stdout

    (folder,) = ARCHIVE.iterdir()
    assert folder.name == "ada.items"
    assert "transcript-pre-compact-001.jsonl" in said
    assert KEY in Path("out").read_text()  # an agent goes on with what was said
    assert KEY not in "".join(path.read_text() for path in folder.iterdir())
    summary = json.loads((folder / "summary-001.json").read_text())
    assert summary["note"] == "mind order 4711"
    assert "as written" in ctl("archive", "verify").stdout


@pytest.mark.parametrize("where", [[ARCHIVE / "bob"], [ARCHIVE, "--session", "bob"]])
def test_a_session_of_an_archive_is_archived_as_what_it_is(ctl, where):
    Path("call").write_text(json.dumps(recorded(16)[0]))
    for session in ("ada", "bob"):
        ctl("compact", "call", "-o", "out", "--session", session)

    ctl("compact", *where, "-o", "out")

    steps = {folder.name: len(list(folder.glob("summary-*"))) for folder in ARCHIVE.iterdir()}
    assert steps == {"ada": 1, "bob": 2}


def test_the_user_can_name_the_session_of_the_archive(ctl):
    Path("call").write_text(json.dumps(recorded(16)[0]))

    ctl("compact", "call", "-o", "out", "--session", "user_123")

    assert [path.name for path in ARCHIVE.iterdir()] == ["user_123"]


def test_no_agent_finds_itself_compacted_by_it(ctl):
    Path("call").write_text(json.dumps(recorded(16)[0]))

    ctl("compact", "call", "-o", "out")

    assert not list(ARCHIVE.rglob("checkpoints.jsonl"))


def test_an_archive_that_cannot_be_written_is_told_and_the_output_is_there(ctl):
    Path("call").write_text(json.dumps(recorded(16)[0]))
    Path("file").touch()
    options = ["compact", "call", "-o", "out"]

    said = ctl(*options, code=1, COMPACT_STORAGE_PATH="file").stderr
    told = json.loads(ctl(*options, "--json", code=1, COMPACT_STORAGE_PATH="file").stdout)

    assert "Error: what went could not be archived" in said
    assert told["archive"] is None
    assert told["archive_error"]
    assert "folder" in told["archive_error"] or "director" in told["archive_error"]
    assert len(json.loads(Path("out").read_text())) == told["items_after"]
    kept = json.loads(ctl(*options, "--json").stdout)
    for name in ("kept", "summarised", "items_after", "tokens_after"):
        assert told[name] == kept[name]
    assert told["summary"]["tokens"] == kept["summary"]["tokens"]
    assert "summary v1" in ctl(*options, code=1, COMPACT_STORAGE_PATH="file").stdout


@pytest.mark.parametrize("adapter", ["none", "memory"])
def test_without_an_archive_that_is_said(ctl, adapter):
    Path("call").write_text(json.dumps(recorded(16)[0]))

    result = ctl("compact", "call", "-o", "out", COMPACT_STORAGE_ADAPTER=adapter)

    assert f"nothing is archived, as `storage.adapter` is {adapter}" in result.stderr
    assert "archived:" not in result.stdout
    assert not ARCHIVE.exists()


@pytest.mark.parametrize(
    "options",
    [["dry-run"], ["dry-run", "--json"], ["diff"], ["diff", "--full"]],
)
def test_a_plan_writes_nothing_and_asks_nobody(ctl, monkeypatch, options):
    Path("call").write_text(json.dumps(recorded(16)[0]))
    before = sorted(Path().rglob("*"))
    with LocalOpenAI(lambda _: Step("It was."), context_window=100_000) as api:
        result = ctl(
            *options,
            "call",
            COMPACT_SUMMARIZER_MODEL="gpt-4.1-mini",
            OPENAI_BASE_URL=api.base_url,
            OPENAI_API_KEY="local",
        )

    assert not api.requests
    assert sorted(Path().rglob("*")) == before
    said = " ".join(result.stdout.split())
    assert "the settings have gpt-4.1-mini write summaries: `compact` asks it" in said


def test_a_model_that_is_named_writes_the_summary(ctl):
    Path("call").write_text(json.dumps(recorded(16)[0]))
    with LocalOpenAI(lambda _: Step("Mia booked HATHAT."), context_window=100_000) as api:
        environment = {"OPENAI_BASE_URL": api.base_url, "OPENAI_API_KEY": "local"}
        named = {"COMPACT_SUMMARIZER_MODEL": "gpt-4.1-mini", **environment}
        result = ctl("compact", "call", "-o", "out", "--json", **named)

    told = json.loads(result.stdout)
    assert api.requests
    assert told["outcome"] == "compacted"
    assert (told["summary"]["summarizer"], told["summary"]["model"]) == ("openai", "gpt-4.1-mini")
    assert "Mia booked HATHAT." in Path("out").read_text()
    assert told["tokens_after"] == json.loads(ctl("tokens", "--json", "out").stdout)["tokens"]


def test_a_model_that_fails_is_told_and_the_other_summariser_writes(ctl):
    Path("call").write_text(json.dumps(recorded(16)[0]))
    nobody = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "local"}

    result = ctl("compact", "call", "-o", "out", COMPACT_SUMMARIZER_MODEL="gpt-4.1-mini", **nobody)

    assert "a summariser gave nothing usable (connection); instead: extractive" in result.stderr
    assert "by extractive" in result.stdout


def test_a_chat_history_gets_a_message_that_chat_completions_takes(compacted):
    made = json.loads(compacted(json.dumps(chat_of(recorded(16)[0]))))

    (summary,) = filter(is_summary, made)
    assert set(summary) == {"role", "content"}
