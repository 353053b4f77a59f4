"""`compactctl tokens`: what a file may be, and what is said of one that is none of it."""

import asyncio
import json
import sqlite3

import pytest
from agents import SQLiteSession

from compact_otel.adapters.fs import FileStorage
from tests.adapters.packed import KEY, PACKINGS
from tests.cli.calls import CHAT_REQUEST, ITEMS, REQUEST

LINES = "".join(json.dumps(item) + "\n" for item in ITEMS)


@pytest.fixture
def counted_file(count):
    def run(*arguments):
        result = count("--json", *map(str, arguments))
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


def stored(path, *sessions):
    """Make a database of the Agents SDK with these sessions, each with one item more."""

    async def fill():
        for number, session_id in enumerate(sessions, 1):
            session = SQLiteSession(session_id, path)
            await session.add_items(ITEMS[:number])
            session.close()

    asyncio.run(fill())


@pytest.mark.parametrize(
    ("text", "kind", "items"),
    [
        (json.dumps(ITEMS), "a list", len(ITEMS)),
        (json.dumps(REQUEST, indent=2), "a Responses request", len(ITEMS)),
        (json.dumps({"input": "What now?"}), "a Responses request", 1),
        (json.dumps(CHAT_REQUEST), "a Chat Completions request", 5),
        (LINES, "JSON Lines", len(ITEMS)),
        (LINES.replace("\n", "\r\n\r\n"), "JSON Lines", len(ITEMS)),
        (json.dumps(ITEMS[0]), "one item", 1),
        ("\ufeff" + json.dumps(ITEMS), "a list", len(ITEMS)),
        ("[]", "a list", 0),
        (json.dumps([{"role": "user", "content": "half \ud83d"}]), "a list", 1),
    ],
)
def test_a_file_is_told_by_what_is_in_it(counted_file, tmp_path, text, kind, items):
    path = tmp_path / "call"
    path.write_text(text, encoding="utf-8")

    figures = counted_file(path)

    assert (figures["kind"], figures["items"]) == (kind, items)


def test_what_lies_in_an_archive_is_its_latest_transcript(counted_file, tmp_path):
    storage = FileStorage(tmp_path / "archive")
    storage.save_transcript("Ada/1", ITEMS[:3])
    receipt = storage.save_transcript("Ada/1", ITEMS)

    by_file = counted_file(receipt.location)
    by_session = counted_file(next((tmp_path / "archive").iterdir()))
    by_archive = counted_file(tmp_path / "archive")

    assert by_session["items"] == by_file["items"] == len(ITEMS)
    assert by_session["tokens"] == by_archive["tokens"] == by_file["tokens"]
    assert "transcript-pre-compact-002.jsonl" in by_session["kind"]
    assert any("archive" in note for note in by_session["notes"])


@pytest.mark.parametrize("way", ["compressed", "encrypted", "both"])
def test_a_transcript_counts_the_same_however_it_is_kept(
    counted_file, tmp_path, way, monkeypatch, count
):
    monkeypatch.setenv("COMPACT_STORAGE_ENCRYPTION_KEY", KEY)
    plain = FileStorage(tmp_path / "plain").save_transcript("s", ITEMS).location
    kept = FileStorage(tmp_path / "kept", **PACKINGS[way]).save_transcript("s", ITEMS).location
    for path in (kept, tmp_path / "kept", tmp_path / "kept" / "s"):
        assert counted_file(path)["tokens"] == counted_file(plain)["tokens"]
    monkeypatch.delenv("COMPACT_STORAGE_ENCRYPTION_KEY")
    if way != "compressed":
        assert "COMPACT_STORAGE_ENCRYPTION_KEY" in one_line(count(kept))


def test_an_archive_with_several_sessions_lists_them(count, counted_file, tmp_path):
    storage = FileStorage(tmp_path / "archive")
    for session_id in ("Ada", "Grace"):
        storage.save_transcript(session_id, ITEMS)

    refused = count(str(tmp_path / "archive"))

    assert refused.exit_code == 2
    assert "holds 2 sessions: choose one of `Ada`, `Grace` by `--session`" in one_line(refused)
    assert counted_file(tmp_path / "archive", "--session", "Grace")["items"] == len(ITEMS)


def test_a_database_of_the_sdk_is_read_and_not_touched(counted_file, tmp_path):
    path = tmp_path / "conversations.db"
    stored(path, "only")
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}

    figures = counted_file(path)

    assert (figures["kind"], figures["items"]) == ("an SQLiteSession", 1)
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before


def test_a_database_that_is_being_written_to_is_read_as_it_is_now(counted_file, tmp_path):
    path = tmp_path / "conversations.db"
    session = SQLiteSession("open", path)
    asyncio.run(session.add_items(ITEMS))

    assert counted_file(path)["items"] == len(ITEMS)
    session.close()


def test_a_database_with_several_sessions_lists_them(count, counted_file, tmp_path):
    path = tmp_path / "conversations.db"
    stored(path, "ada", "grace")

    assert counted_file(path, "--session", "ada")["items"] == 1
    assert counted_file(path, "--session", "grace")["items"] == 2
    for arguments, expected in (
        ([], "holds 2 sessions: choose one of `grace`, `ada` by `--session`"),
        (["--session", "grase"], "no session 'grase' (did you mean 'grace'?): choose"),
    ):
        refused = count(str(path), *arguments)
        assert refused.exit_code == 2
        assert expected in one_line(refused)


def one_line(result):
    return " ".join(result.stderr.split())


def complaint(count, path, *arguments):
    """Return what is said of a bad file: one line, without a traceback."""
    result = count(str(path), *arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ["is empty: expected a request body, a list of items"]),
        (b" \n\t\n", ["is empty"]),
        (b"\x89PNG\r\n\x1a\n", ["is not text in UTF-8 (byte 0x89 at offset 0)"]),
        (b'[\n  {"role" "user"}\n]', ["is not JSON: ", "in line 2, column 11"]),
        (b'{"role": "user"}\n{"role": \n', ["line 2, column 10", "is not JSON", "every line"]),
        (b"hello", ["is not JSON: Expecting value in line 1, column 1"]),
        (b"42", ["holds a number: expected a request body"]),
        (b"null", ["holds null"]),
        (b"{}", ["holds an empty object: expected a request with `input` or `messages`"]),
        (b'{"a": 1, "b": 2}', ["holds an object with `a`, `b`"]),
        (b'{"model": "x", "mesages": []}', ["did you mean `messages` where it says `mesages`?"]),
        (
            b'[{"role": "user"}, "hi"]',
            ["item 1 of ", "is a text: expected an object with a `role`"],
        ),
        (b"[[1]]", ["item 0 of ", "is a list"]),
        (b'[{"content": "x"}]', ["item 0 of ", "is an object with `content`"]),
        (b'{"role": "user"}\n{"event": "x"}\n', ["item 1 of ", "is an object with `event`"]),
        (b'{"messages": {}}', ["`messages` of ", "is an empty object: expected a list"]),
        (b'{"input": 3}', ["`input` of ", "is a number"]),
        (b'{"input": [], "model": 5}', ["`model` of ", "is a number: expected a text"]),
        (b'{"input": [], "tools": {"a": 1}}', ["`tools` of ", "expected a list of objects"]),
        (b'{"input": [], "tools": ["get"]}', ["tool 0 in `tools` of ", "is a text"]),
        (b'{"input": [], "text": "json"}', ["`text` of ", "is a text: expected an object"]),
        (b"[" * 100_000, ["nested too deeply"]),
        (b"SQLite format 3\0" + b"x" * 200, ["the database ", "cannot be read"]),
    ],
)
def test_a_bad_file_gets_one_sentence(count, tmp_path, data, expected):
    path = tmp_path / "call.json"
    path.write_bytes(data)

    said = complaint(count, path)

    for words in (*expected, "call.json"):
        assert words in said


def test_a_name_that_is_mistyped_gets_the_one_that_is_meant(count, tmp_path):
    (tmp_path / "request.json").write_text("[]")

    assert "there is no `reqest.json`: did you mean `request.json`?" in complaint(
        count, "reqest.json"
    )
    assert "expected a request body" in complaint(count, "nothing/like/that")


def test_a_directory_that_is_no_archive_says_what_one_has(count, tmp_path):
    assert "is a directory without `transcript-pre-compact-001.jsonl`" in complaint(count, tmp_path)


def test_a_foreign_database_says_which_tables_it_has(count, tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE invoices (id INTEGER)")
    database.close()

    assert "has `invoices`: expected the table `agent_messages`" in complaint(count, path)


def test_a_database_without_messages_says_so(count, tmp_path):
    SQLiteSession("empty", tmp_path / "new.db").close()

    assert "holds no messages yet" in complaint(count, tmp_path / "new.db")


def test_a_session_is_refused_where_there_is_only_one_call(count, tmp_path):
    (tmp_path / "list.json").write_text("[]")

    for arguments in (["list.json"], ["-"]):
        refused = count(*arguments, "--session", "ada", given="[]")
        assert refused.exit_code == 2
        assert "is one call: only a database or an archive has sessions" in one_line(refused)


def test_what_is_in_a_file_s_keys_reaches_the_terminal_as_text(count, tmp_path):
    path = tmp_path / "call.json"
    path.write_text(json.dumps({"\x1b[31mred\n": 1}))

    assert "\x1b" not in complaint(count, path)
