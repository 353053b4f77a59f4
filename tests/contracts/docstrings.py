"""Reads docstrings in Google's style: the words in front, and the entries of each section."""

import inspect
import re
from dataclasses import dataclass, field

SECTIONS = ("Args", "Returns", "Raises", "Attributes")
_HEAD = re.compile(rf"({'|'.join(SECTIONS)}):")
_ENTRY = re.compile(r"([*\w., ]+?): (.+)")


@dataclass(frozen=True, slots=True)
class Docstring:
    """What a docstring says.

    Attributes:
        summary: Its first line.
        body: What stands behind it and in no section, as Markdown.
        entries: Texts by name, by section; `Returns` has one, under the empty name.
    """

    summary: str
    body: str
    entries: dict[str, dict[str, str]] = field(default_factory=dict)


def docstring_of(thing):
    """Return what the docstring of a thing says; empty where it has none of its own."""
    return parsed(inspect.cleandoc(thing.__doc__ or ""))


def parsed(text):
    """Return what a docstring says."""
    summary, _, rest = text.partition("\n")
    body, entries, section = [], {}, None
    for line in rest.splitlines():
        head = _HEAD.fullmatch(line)
        if head:
            section = head[1]
            entries[section] = {}
        elif section is None or (line and not line.startswith(" ")):  # prose, perhaps behind one
            section = None
            body.append(line)
        elif line:
            _add(entries[section], line, named=section != "Returns")
    return Docstring(summary, "\n".join(body).strip("\n"), entries)


def _add(section, line, *, named):
    found = _ENTRY.fullmatch(line[4:]) if named and not line.startswith(" " * 8) else None
    if found:
        section[found[1]] = found[2]
    else:
        last = next(reversed(section), "")
        section[last] = f"{section.get(last, '')} {line.strip()}".strip()
