"""What the README promises of itself: its defaults are the code's, it and its example are short."""

import re

from compact_otel.config import CompactConfig
from compact_otel.config.layers import all_rules, value_at
from tests.docs.pages import blocks, section, text_of

README = text_of("README.md")
SETTINGS = [
    (name, default)
    for names, default in re.findall(r"^\| (`[\w.]+`[^|]*)\| ([^|]+?) \|", README, re.MULTILINE)
    for name in re.findall(r"`([a-z][\w.]+)`", names)
]


def test_the_settings_of_the_readme_have_the_defaults_that_it_shows():
    paths = {path[-1] if path[0] == "policy" else ".".join(path): path for path, _ in all_rules()}
    assert len(SETTINGS) == 10
    for name, shown in SETTINGS:
        if name != "max_context_tokens":
            assert shown.strip("`") == str(value_at(CompactConfig(), paths[name])), name


def test_the_figures_of_the_readme_stand_where_it_leads_to():
    table = README.partition("| what | figure |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\|[^|]*\| \[(.*?)\]\((.*?)#(.*?)\)(.*)\|$", table, re.MULTILINE)
    assert len(rows) == 6
    for figure, page, anchor, rest in rows:
        there = section(page, anchor)
        for number in re.findall(r"\d+(?:\.\d+)?", f"{figure} {rest}"):
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?![\d.])", there), (figure, number)


def test_the_integration_has_at_most_ten_lines():
    (agent,) = (block.text for block in blocks("README.md") if "Runner.run_sync" in block.text)
    assert len([line for line in agent.splitlines() if line]) <= 10
    assert "compact_otel.instrument()" in agent


def test_the_readme_can_be_read_at_one_sitting():
    assert len(README.splitlines()) < 250
