"""Writes what is made of the declared settings: the tables of docs/CONFIGURATION.md, the example.

uv run python -m tests.contracts.config_reference
"""

import json
import textwrap
from dataclasses import fields
from pathlib import Path

from compact_otel.config import SECTIONS, CompactConfig
from compact_otel.config.descriptions import descriptions_of
from compact_otel.config.layers import all_rules, value_at
from compact_otel.config.names import variable

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "CONFIGURATION.md"
EXAMPLE = ROOT / "examples" / "config.example.yaml"
BEGIN = "<!-- Written from the code by: python -m tests.contracts.config_reference -->"
END = "<!-- End of what is written. -->"

HEAD = """\
# Every setting of compact_otel with its default, its meaning and its name in the environment.
# Written from the code by: python -m tests.contracts.config_reference
#
# Copy what you want to change to compact.yaml in the folder the agent runs in, or name a file by
# COMPACT_CONFIG. `compactctl validate-config compact.yaml` checks it, `compactctl config schema`
# helps editors, and `compactctl config show` says what holds, and where it comes from.
"""


def _text(value):
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _meaning(path):
    record = CompactConfig if len(path) == 1 else SECTIONS[path[0]]
    return descriptions_of(record)[path[-1]]


def _table(section):
    lines = [
        "| setting | environment | default | what it may be | meaning |",
        "|---|---|---|---|---|",
    ]
    for path, rule in all_rules():
        if (path[0] if len(path) > 1 else "") != section:
            continue
        default = _text(value_at(CompactConfig(), path))
        name = f"`{variable(path)}`" if rule.in_environment else "an argument only"
        what = f"{rule.what}{', or null' if rule.optional else ''}".replace("|", "\\|")
        meaning = _meaning(path).replace("|", "\\|")
        where = "" if rule.in_file or not rule.in_environment else " Not in a file."
        lines.append(f"| `{path[-1]}` | {name} | `{default}` | {what} | {meaning}{where} |")
    return "\n".join(lines)


def reference():
    """Return the tables as Markdown."""
    parts = ["### At the top", _table("")]
    for section in SECTIONS:
        parts += [f"### `{section}`", descriptions_of(CompactConfig)[section], _table(section)]
    return "\n\n".join(parts)


def with_reference(page):
    """Return a page with the tables as they are now."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{rest.split(END)[1]}"


def _comment(text, indent):
    return textwrap.indent(textwrap.fill(text, 98 - len(indent)), f"{indent}# ")


def example():
    """Return the example."""
    parts = [HEAD]
    rules = dict(all_rules())
    for entry in fields(CompactConfig):
        section = entry.name if entry.name in SECTIONS else ""
        paths = [path for path in rules if path[0] == entry.name and rules[path].in_file]
        if section:
            parts.append(f"{_comment(_meaning((section,)), '')}\n{section}:")
        indent = "  " if section else ""
        for path in paths:
            said = f"{_meaning(path)} [{rules[path].what}] {variable(path)}"
            value = _text(value_at(CompactConfig(), path))
            parts.append(f"{_comment(said, indent)}\n{indent}{path[-1]}: {value}")
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def main():
    PAGE.write_text(with_reference(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")


if __name__ == "__main__":
    main()
