"""The figures of docs/PROOF.md are those of the pages it leads to, and `met` follows from them."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

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
