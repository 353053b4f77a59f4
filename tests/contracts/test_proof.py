"""docs/PROOF.md names commands that exist, and its figures are those of the pages it leads to."""

import re
import shlex
from collections import Counter
from functools import cache
from pathlib import Path

import click
import pytest

from compact_otel.cli import main as compactctl

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGE = (DOCS / "PROOF.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"`((?:uv run|bash) [^`]+)`")
COMMANDS = sorted(set(COMMAND.findall(PAGE)))
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and re.search(r"\]\(\w+\.md#", line)
]
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
STAGES = re.search(r"^stages=\((.*)\)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)[1].split()


@cache
def sections(path):
    """Return the texts of the sections of a page by their anchors on GitHub."""
    found, times = {}, Counter()
    code = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
    text = code.sub("", path.read_text(encoding="utf-8"))
    for part in re.split(r"^#+ (?=\S)", text, flags=re.MULTILINE)[1:]:
        title = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", part.partition("\n")[0].lower())
        anchor = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        found[f"{anchor}-{times[anchor]}" if times[anchor] else anchor] = part
        times[anchor] += 1
    return found


def script_of(words):
    """Return the file that a command runs with Python, None if it runs something else."""
    if "-m" in words:
        module = ROOT.joinpath(*words[words.index("-m") + 1].split("."))
        return module / "__main__.py" if module.is_dir() else module.with_suffix(".py")
    return next((ROOT / word for word in words if word.endswith(".py")), None)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_names_what_exists_and_options_that_are_taken(command):
    words = shlex.split(re.sub(r"\[.*?\]", "", command))
    if words[0] == "bash":
        assert words[1] == ".ci/run"
        assert set(words[2:]) <= set(STAGES)
    elif "pytest" in words:
        paths = words[words.index("pytest") + 1 :]
        assert paths
        assert all((ROOT / path).exists() for path in paths)
    elif "compactctl" in words:
        assert isinstance(compactctl, click.Group)
        assert words[words.index("compactctl") + 1] in compactctl.commands
    else:
        script = script_of(words)
        assert script.is_file()
        place = next(n for n, word in enumerate(words) if word == "python")
        source = script.read_text(encoding="utf-8")
        taken = set(re.findall(r'"(--[\w-]+)"', source))
        assert {word for word in words[place:] if word.startswith("--")} <= taken


def test_a_part_of_the_kits_that_is_asked_for_is_one():
    source = (ROOT / "tests" / "bench" / "kits.py").read_text()
    asked = {name for command in COMMANDS for name in re.findall(r"kits\.py --only (\w+)", command)}
    assert len(asked) > 3
    assert all(f'"{name}":' in source for name in asked)


def test_each_figure_stands_where_the_row_leads():
    assert len(ROWS) > 50
    for claim, _, figure, _, _, home in ROWS:
        page, anchor = re.search(r"\]\((\w+\.md)#([\w-]+)\)", home).groups()
        there = set(NUMBER.findall(sections(DOCS / page)[anchor]))
        assert set(NUMBER.findall(figure)) <= there, (claim, figure)
        assert figure == "unchanged" or NUMBER.search(figure), claim


def test_met_is_what_figure_and_bar_say():
    judged = 0
    for claim, bar, figure, met, _, _ in ROWS:
        rule = re.match(r"([<>]=) ([\d.]+)", bar)
        assert met in (("yes", "no") if bar != "-" else ("-",)), claim
        if rule:
            values = [float(number.replace(",", "")) for number in NUMBER.findall(figure)]
            limit = float(rule[2])
            holds = all(value >= limit if rule[1] == ">=" else value <= limit for value in values)
            assert met == ("yes" if holds else "no"), claim
            judged += 1
    assert judged > 30
