"""Writes the reference of docs/CLI.md from `--help`, and its examples from what is printed.

uv run python -m tests.cli.reference
"""

import contextlib
import json
import os
import re
import shlex
import tempfile
from pathlib import Path

import click
from click.testing import CliRunner

from compact_otel.cli import main as compactctl
from tests.cli.manual import recorded

PAGE = Path(__file__).parents[2] / "docs" / "CLI.md"
BEGIN = "<!-- Written from `--help` by: python -m tests.cli.reference -->"
END = "<!-- End of what is written. -->"
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def commands(command=compactctl, name="compactctl", parent=None):
    """Yield (name, context) of each command, groups before what is in them."""
    context = command.make_context(
        name.split()[-1], [], parent=parent, terminal_width=88, resilient_parsing=True
    )
    yield name, context
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            yield from commands(command.get_command(context, each), f"{name} {each}", context)


def reference():
    """Return the reference as Markdown."""
    parts = (
        f"### `{name}`\n\n```text\n{context.command.get_help(context)}\n```"
        for name, context in commands()
    )
    return "\n\n".join(parts)


def _lines(text, command):
    """Return the lines that `head -n N` or `grep PATTERN` lets through."""
    name, *options = command
    lines = text.splitlines(keepends=True)
    if name == "head":
        return "".join(lines[: int(options[-1].lstrip("-"))])
    assert name == "grep"
    return "".join(line for line in lines if re.search(options[-1], line))


def _printed(line, folder):
    """Return what a line of a shell prints; the stages are `compactctl` and what cuts lines."""
    text = ""
    for stage in line.split(" | "):
        command = shlex.split(stage)
        if command[0] != "compactctl":
            text = _lines(text, command)
            continue
        env = {"COLUMNS": "88", "TERM": "dumb", "COMPACT_STORAGE_PATH": ".compact/archive"}
        result = CliRunner().invoke(compactctl, command[1:], input=text, env=env)
        assert result.exit_code == 0, (line, result.output)
        text = result.stdout
    # Paths in the archive are whole ones.
    return "".join(f"{one.rstrip()}\n" for one in text.replace(f"{folder}/", "").splitlines())


def _example(block, folder):
    lines = [line for line in block.splitlines() if line.startswith("$ ")]
    shown = "\n".join(f"{line}\n{_printed(line[2:], folder)}" for line in lines)
    return f"```console\n{shown}```"


def examples(page):
    """Return a page with what the commands of its examples print, in a folder of their own."""
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        folder = os.path.realpath(name)
        Path("session.json").write_text(json.dumps(recorded()[0]))
        return CONSOLE.sub(lambda found: _example(found[1], folder), page)


def with_reference(page):
    """Return a page with the reference as it is now."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{rest.split(END)[1]}"


def main():
    PAGE.write_text(with_reference(examples(PAGE.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
