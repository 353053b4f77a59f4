"""What docs/ARCHIVE.md says is so."""

import json
import re
import shlex
from pathlib import Path

import pytest

import compact_otel
from tests.adapters.packed import KEY
from tests.cli.archives import Files, history

DOC = (Path(__file__).parents[2] / "docs" / "ARCHIVE.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ compactctl archive (.*)$", DOC, re.MULTILINE)


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Return an archive where the document has it, with a session that is old and one in use."""
    monkeypatch.chdir(tmp_path)
    made = Files(Path(".compact", "archive").absolute())
    made.compact("user_123")
    made.compact("old")
    made.age("old", 31)
    return made


def test_each_command_does_what_it_is_shown_for(archive):
    assert len(COMMANDS) == 13
    for command in COMMANDS:
        result = archive.run(*shlex.split(command), COMPACT_STORAGE_PATH=None)
        assert result.exit_code == 0, (command, result.output)
    assert [path.name for path in archive.folder.iterdir()] == ["user_123"]
    exported, with_checkpoints = (
        json.loads(Path(name).read_text()) for name in ("user_123.json", "with-checkpoints.json")
    )
    assert exported.keys() ^ with_checkpoints.keys() == {"checkpoints"}


def test_the_python_block_runs_and_encrypts(archive):
    (block,) = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)
    asked = []
    names = {"compact_otel": compact_otel, "read_key_from_vault": lambda: asked.append(1) or KEY}
    try:
        exec(block, names)
        compact_otel.instrument().manual_compact("new", list(history(20)))
    finally:
        compact_otel.uninstrument()
    assert asked
    assert "Please book" not in (archive.folder / "new" / "summary-001.json").read_text()


def test_the_files_are_those_of_the_layout(archive):
    (layout,) = re.findall(r"```text\n(.*?)```", DOC, re.DOTALL)
    said = re.findall(r"^    (\S+)", layout, re.MULTILINE)
    assert sorted(said) == archive.names("user_123")


def test_every_command_of_the_group_is_shown(archive):
    shown = {command.split()[0] for command in COMMANDS}
    listed = archive.run("--help").stdout.partition("Commands:\n")[2]
    assert {line.split()[0] for line in listed.splitlines()} == shown
