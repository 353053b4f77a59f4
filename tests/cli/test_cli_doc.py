"""What docs/CLI.md says is so."""

import re

import click
import pytest

from compact_otel.cli import main
from tests.cli.reference import BEGIN, PAGE, commands, examples, with_reference

PAGE_TEXT = PAGE.read_text(encoding="utf-8")
LEAVES = {
    name: context for name, context in commands() if not isinstance(context.command, click.Group)
}


def test_the_reference_is_what_help_says():
    written = with_reference(PAGE_TEXT)

    # Click versions break lines in different places.
    assert PAGE_TEXT.split() == written.split(), "run: uv run python -m tests.cli.reference"


def test_the_examples_print_what_is_shown(monkeypatch):
    for name in ("COMPACT_MODEL", "COMPACT_MAX_CONTEXT_TOKENS", "COMPACT_TARGET_PCT"):
        monkeypatch.delenv(name, raising=False)

    shown = PAGE_TEXT.partition(BEGIN)[0]

    assert len(re.findall(r"^\$ compactctl", shown, re.MULTILINE)) == 6
    assert examples(shown) == shown, "run: uv run python -m tests.cli.reference"


def test_each_command_is_in_the_overview():
    for name in main.commands:
        assert re.search(rf"^\| `compactctl {name}[ `]", PAGE_TEXT, re.MULTILINE), name


@pytest.mark.parametrize("name", LEAVES)
def test_each_command_documents_its_exit_codes_and_has_json(name):
    context = LEAVES[name]
    options = {option for each in context.command.params for option in each.opts}

    assert "exit code is 0" in " ".join(context.command.get_help(context).split())
    only_json = ("compactctl archive export", "compactctl config schema")
    assert "--json" in options or name in only_json


def completed(words, monkeypatch, capsys):
    """Return what bash is told that could follow the words."""
    monkeypatch.setenv("_COMPACTCTL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit):
        main.main(args=[], prog_name="compactctl")
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["compactctl", "dr"], ["plain,dry-run"]),
        (["compactctl", "dry-run", "--tar"], ["plain,--target"]),
        (["compactctl", "diff", "--strategy", "b"], ["plain,brief"]),
        (["compactctl", "compact", "ses"], ["file,ses"]),
        (["compactctl", "compact", "a", "-o", "ou"], ["file,ou"]),
        (["compactctl", "tokens", "ses"], ["file,ses"]),
    ],
)
def test_a_shell_completes_commands_options_and_files(words, expected, monkeypatch, capsys):
    assert completed(words, monkeypatch, capsys) == expected
