"""What docs/REPORT.md says is so."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from compact_otel.cli import main
from compact_otel.core.types import CompactResult
from tests.cli.archives import Files
from tests.cli.calls import REQUEST

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs" / "REPORT.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ compactctl (.*)$", DOC, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_does_what_it_is_shown_for(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    Files(Path(".compact", "archive").absolute()).compact("user_123")
    Path("request.json").write_text(json.dumps(REQUEST))
    result = CliRunner().invoke(main, shlex.split(command), env={"COMPACT_STORAGE_PATH": None})
    assert result.exit_code == 0, result.output
    assert Path("report.html").exists() == command.startswith("report")


def test_a_result_prints_the_line_that_is_shown():
    result = CompactResult(
        messages=[],
        outcome="compacted",
        tokens_before=10_256,
        tokens_after=4_997,
        summary="What was said.",
        summary_version=4,
        dropped=125,
    )
    assert f"```text\n{result}\n```" in DOC


def test_its_pictures_are_there_and_small():
    pictures = re.findall(r"\]\((images/[\w.-]+)\)", DOC)
    assert len(pictures) == 2
    assert all((ROOT / "docs" / name).stat().st_size < 150_000 for name in pictures)
