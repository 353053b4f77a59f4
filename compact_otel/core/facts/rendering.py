"""The chosen units as a hand-over note.

    ## State
    - reservation JU7N2K: cabin business; flights flight_number HAT1, date 2024-05-26
    ## Facts
    - src/app.py:
        def main(argv: list[str]) -> int:

`splitting` reads the same shape back when the next compaction folds this note in.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from compact_otel.core.facts.splitting import HEADINGS, SPEAKER_LABELS, TURN
from compact_otel.core.facts.units import BETWEEN_LEAVES, BETWEEN_ROWS, Section, Subject, Unit
from compact_otel.core.settings import Strategy

_FRAME = re.compile(r"<?/?\s*COMPACT-SUMMARY", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_ORDERS: dict[Strategy, tuple[Section, ...]] = {
    "task_state": ("goal", "constraints", "state", "facts", "done"),
    "brief": ("constraints", "goal", "state", "done", "facts"),
    "decision_log": ("constraints",),
    "code_delta": ("constraints", "goal", "done", "state", "facts"),
}
# The request and the deeds read as a story; of what is known, the newest comes first.
_NEWEST_FIRST: frozenset[Section] = frozenset({"state", "facts"})


Entry = tuple[Subject, list[Unit]]


def render(units: Iterable[Unit], strategy: Strategy, *, pinned: bool = True) -> str:
    """Return the note of `units` in the order that `strategy` asks for.

    Args:
        units: What it says.
        strategy: What comes first.
        pinned: Show the turns of what users demanded; not under a heading where they are not read
            back.
    """
    entries = _entries(sorted(units, key=lambda unit: unit.order))
    lines: list[str] = []
    if strategy == "code_delta":
        files = [entry for entry in entries if entry[0].is_file]
        entries = [entry for entry in entries if not entry[0].is_file]
        lines += _section("Files", reversed(files))
    for section in _ORDERS[strategy]:
        chosen = [entry for entry in entries if entry[0].section == section]
        ordered = reversed(chosen) if section in _NEWEST_FIRST else chosen
        heading = "" if strategy == "brief" else HEADINGS[section]
        lines += _section(heading, ordered, pinned=pinned)
    if strategy == "decision_log":
        log = [entry for entry in entries if entry[0].section != "constraints"]
        lines += _section("Log", log, pinned=False)
    return safe("\n".join(lines))


def safe(text: str) -> str:
    """Return text that can stand inside our frame: no frame of its own, nothing unprintable."""
    text = _CONTROL.sub("", text)
    if "compact-summary" in text.casefold():
        text = _FRAME.sub("COMPACT SUMMARY", text)
    return text.encode("utf-8", "replace").decode("utf-8")


def _entries(units: Sequence[Unit]) -> list[Entry]:
    """Group units by what they are about, in the order of their newest mention."""
    entries: dict[object, Entry] = {}
    for unit in units:
        subject = unit.subject.parent or unit.subject
        # What two messages say stays apart; what two results say of one thing belongs together.
        key: object = subject if subject.prose else (subject.section, subject.label)
        entry = entries.pop(key, None) or (subject, [])
        entry[1].append(unit)
        entries[key] = entry
    return list(entries.values())


def _section(heading: str, entries: Iterable[Entry], *, pinned: bool = True) -> list[str]:
    lines = [line for subject, units in entries for line in _entry(subject, units, pinned=pinned)]
    return [f"## {heading}", *lines] if heading and lines else lines


def _entry(subject: Subject, units: Sequence[Unit], *, pinned: bool) -> list[str]:
    inline = [unit for unit in units if not unit.on_own_line]
    blocks = [unit for unit in units if unit.on_own_line]
    body = _prose(inline) if subject.prose else BETWEEN_LEAVES.join(_pieces(inline))
    label = subject.label
    if subject.turn:
        label = f"[{subject.turn}]" if pinned else SPEAKER_LABELS["user"]
    if len(blocks) == 1 and not body and not blocks[0].subject.parent:
        body, blocks = blocks[0].text, []
    head = f"{label}: {body}" if label and body else label or body
    if not subject.turn:
        head = TURN.sub(r"(\1)", head, count=1)  # only a user's words may look like a pin
    lines = [f"- {head}:" if blocks and not body else f"- {head}"]
    named: Subject | None = None
    for unit in blocks:
        row = unit.subject
        prefix = f"{row.label} " if row.parent and row is not named else ""
        named = row
        lines.append(f"    {prefix}{unit.text}")
    return lines


def _prose(units: Sequence[Unit]) -> str:
    """Return sentences as they were; what has no full stop gets a semicolon before the next."""
    texts = [unit.text for unit in units]
    glued = [
        text if text[-1] in ".!?:;" or following.order == unit.order + 1 else f"{text};"
        for text, (unit, following) in zip(texts, pairwise(units), strict=False)
    ]
    return " ".join([*glued, *texts[-1:]])


def _pieces(units: Sequence[Unit]) -> list[str]:
    """Return one piece a leaf, and one a list: what its rows have in common is said once."""
    pieces: defaultdict[object, list[str]] = defaultdict(list)
    rows: defaultdict[Subject, list[Unit]] = defaultdict(list)
    for unit in units:
        subject = unit.subject
        if subject.parent:
            rows[subject].append(unit)
            pieces[subject.key or subject]  # its place is that of its first row
        elif unit.text:
            pieces[unit].append(unit.text.strip())
    for row, members in rows.items():
        texts = ", ".join(unit.text.strip() for unit in members if unit.text)
        own = row.label[len(row.key) :].strip()
        shown = pieces[row.key or row]
        told = (", " if texts and own else "").join((own, texts))
        shown.append(told if shown or not row.key else f"{row.key} {told}".strip())
    return [piece for texts in pieces.values() if (piece := BETWEEN_ROWS.join(filter(None, texts)))]
