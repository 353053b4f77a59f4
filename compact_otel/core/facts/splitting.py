"""From what was said and called to units, newest first, so that what is newer supersedes.

Supersession is plain on purpose: of two results that name the same entity the newer one wins for
every attribute it has, and of two equal lines the newer one stays. Whatever stands in the kept part
is the newest of all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from compact_otel.core.facts.fields import Row, named, named_by_arguments, rows_of
from compact_otel.core.facts.reading import Called, Said, Speaker, read
from compact_otel.core.facts.salience import Vocabulary
from compact_otel.core.facts.units import (
    Section,
    Subject,
    Unit,
    label_of,
    lines_of,
    one_line,
    sentences_of,
    word_for_word,
)
from compact_otel.core.types import Item

SPEAKER_LABELS: dict[Speaker, str] = {
    "user": "User",
    "assistant": "Assistant",
    "instructions": "Instructions",
}
ROWS = " | "
"""What stands between rows of one list in a note."""
HEADINGS: dict[Section, str] = {
    "goal": "Goal",
    "constraints": "Constraints",
    "state": "State",
    "facts": "Facts",
    "done": "Done",
}

_LIMITS = re.compile(
    r"\b(?:must|mustn't|never|always|only|don't|do not|doesn't|shouldn't|should not|won't|can't|"
    r"cannot|without|unless|except|instead of|at (?:most|least)|"
    r"no (?:more|less|later|earlier) than|under|below|above|within|between|before|after|"
    r"prefer\w*|avoid|limit|budget|maximum|minimum|"
    r"require\w*|need to be|ha(?:s|ve) to|make sure)\b"
)
_ASKED: tuple[Section, ...] = ("goal", "constraints")
_SHORT_RESULT = 200
_HEADING_WORDS: tuple[tuple[str, Section], ...] = (
    ("constraint", "constraints"),
    ("goal", "goal"),
    ("state", "state"),
    ("done", "done"),
    ("decision", "done"),
    ("log", "done"),
)
_NOTE_LINE = re.compile(r"(?P<label>[^\s].{0,160}?):(?: (?P<rest>.*))?")
_BULLET = re.compile(r"^(?:[-*\u2022]|\d+[.)])\s+")
_EMPHASIS = re.compile(r"\*\*|__(?:(?=\w)|(?<=\w__))")
_MARKED_LINE = re.compile(r"^\s*(?:[-*\u2022]|#{1,6})\s+", re.MULTILINE)
_KEY_WORD = re.compile(r"[a-z][A-Za-z_]*")
# What a line says that introduces the file below it.
_INTRO = re.compile(r"([^:;()]{4,48}):")
_PATH_LINE = re.compile(r"[\w.@~-]*(?:/[\w.@~-]+)+:?|[\w-]+\.[A-Za-z]{1,4}:")


def split(
    items: Sequence[Item],
    kept: Sequence[Item],
    previous_summary: str | None,
    vocabulary: Vocabulary,
) -> tuple[list[Unit], list[Unit]]:
    """Return the units of what goes, oldest first, and the units of what stays."""
    splitter = _Splitter(vocabulary)
    staying = splitter.history(read(kept, len(items)))
    going = splitter.history(read(items))
    earlier = splitter.note(previous_summary or "")
    units = earlier + going
    for order, unit in enumerate(units):
        unit.order = order
    return units, staying


class _Splitter:
    """Remembers what newer records have said; feed it the newest first."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._values = vocabulary.values_in
        self._lines: set[str] = set()
        self._attributes: dict[tuple[str, str], int] = {}

    def history(self, records: Sequence[Said | Called]) -> list[Unit]:
        batches = [
            self._said(record) if isinstance(record, Said) else self._called(record)
            for record in reversed(records)
        ]
        return [unit for batch in reversed(batches) for unit in batch]

    def note(self, text: str) -> list[Unit]:
        """Return the units of an earlier summary, ours or a model's."""
        units: list[Unit] = []
        section: Section = "facts"
        subject: Subject | None = None
        for line in text.splitlines():
            stripped = line.strip()
            if line.startswith("#"):  # an indented one is a line of code or a forged heading
                section = _section_of_heading(stripped)
                subject = None
            elif stripped and line[0].isspace() and subject is not None:
                units += self._fresh(subject, [_BULLET.sub("", stripped)], on_own_line=True)
            elif stripped:
                subject, pieces = self._note_line(_BULLET.sub("", stripped), section)
                units += self._fresh(subject, pieces)
        return units

    def _note_line(self, line: str, section: Section) -> tuple[Subject, list[str]]:
        match = _NOTE_LINE.fullmatch(line)
        label = match["label"] if match else ""
        rest = (match["rest"] or "") if match else line
        who = next((who for who, name in SPEAKER_LABELS.items() if name == label), None)
        if who == "user" and section not in _ASKED:
            section = _section_of_words(rest)
        subject = Subject(
            label,
            self._values(label),
            section=section,
            origin="user" if who == "user" else "summary",
            is_file=bool(_PATH_LINE.fullmatch(label.partition(" (")[0])),
            prose=who is not None or not label,
        )
        if subject.prose:
            return subject, sentences_of(one_line(rest))
        pieces = [row for piece in one_line(rest).split("; ") for row in _rows_of_piece(piece)]
        return subject, [
            piece for piece in pieces if (label, piece.partition(" ")[0]) not in self._attributes
        ]

    def _said(self, said: Said) -> list[Unit]:
        if said.who == "user":
            return self._asked(said)
        text = said.text
        if said.who == "assistant":
            text = _EMPHASIS.sub("", _MARKED_LINE.sub("", text))
        parts = [part for line in lines_of(text) for part in sentences_of(line)]
        section: Section = "done" if said.who == "assistant" else "constraints"
        return self._fresh(self._speaker(said, section), parts)

    def _asked(self, said: Said) -> list[Unit]:
        """Return a user's message word for word, unless the same was said again later."""
        whole = one_line(said.text)
        if whole in self._lines:
            return []
        self._lines.add(whole)
        lines = [one for line in said.text.splitlines() if (one := one_line(line))]
        section = _section_of_words(whole) if said.position else "goal"
        subject = self._speaker(said, section)
        parts = [part for line in lines for part in word_for_word(line)]
        self._lines.update(parts)
        return [Unit(part, subject, self._values(part), len(lines) > 1) for part in parts]

    def _speaker(self, said: Said, section: Section) -> Subject:
        return Subject(
            SPEAKER_LABELS[said.who],
            section=section,
            origin="assistant" if said.who == "assistant" else "user",
            position=said.position,
            prose=True,
        )

    def _called(self, called: Called) -> list[Unit]:
        given = tuple(rows_of(called.arguments))
        label, path, shown = named_by_arguments(called.name, called.arguments, given)
        call = Subject(
            label,
            self._values(" ".join(shown)),
            section="done",
            origin="call",
            position=called.position,
            is_file=bool(path),
        )
        output = called.output
        results: list[Unit] = []
        if isinstance(output, str):
            lines = lines_of(output)
            if len(lines) == 1 and len(output) <= _SHORT_RESULT:
                results = self._fresh(call, [f"result {lines[0]}"])
            else:
                subject = Subject(
                    path or label,
                    self._values(path or " ".join(shown)),
                    position=called.position,
                    is_file=bool(path),
                )
                results = self._text_lines(subject, lines)
        elif output is not None:
            entity, value = named(called.name, output, called.arguments) or (label, " ".join(shown))
            subject = Subject(
                label_of(entity), self._values(value), section="state", position=called.position
            )
            rows = rows_of(output, wanted=lambda attribute: self._is_newest(subject, attribute))
            results = self._rows(subject, rows, skip={value})
        arguments = self._rows(call, given, skip=shown)
        # The call itself is worth a line even when its label holds all there is to say.
        return [Unit("", call), *arguments, *results]

    def _is_newest(self, subject: Subject, attribute: str) -> bool:
        """Say whether nothing newer spoke of this attribute of the entity, and remember that."""
        position = self._attributes.setdefault((subject.label, attribute), subject.position)
        return position == subject.position

    def _rows(self, subject: Subject, rows: Iterable[Row], skip: Iterable[str]) -> list[Unit]:
        units: list[Unit] = []
        skipped = set(skip)
        for row in rows:
            leaves = [leaf for leaf in row.leaves if leaf.value not in skipped or row.label]
            holder = subject
            if row.label:
                holder = Subject(
                    one_line(row.label),
                    self._values(row.head),
                    subject,
                    section=subject.section,
                    origin=subject.origin,
                    position=subject.position,
                    key="" if row.on_own_line else one_line(row.key),
                )
                if row.head:
                    units.append(Unit("", holder))
            for leaf in leaves:
                if row.on_own_line:
                    units += self._fresh(holder, lines_of(leaf.value), on_own_line=True)
                else:
                    text = one_line(f"{leaf.key} {leaf.value}")
                    units.append(Unit(text, holder, self._values(leaf.value)))
        return units

    def _text_lines(self, subject: Subject, lines: Sequence[str]) -> list[Unit]:
        """Return a line each; a line that is only a path names what follows it."""
        units: list[Unit] = []
        current = subject
        for place, line in enumerate(lines):
            if _PATH_LINE.fullmatch(line):
                following = lines[place + 1 : place + 2]
                if following and not _PATH_LINE.fullmatch(following[0]):
                    path = line.rstrip(":")
                    intro = lines[place - 1] if place else ""
                    named = _INTRO.fullmatch(intro)
                    label = f"{path} ({named[1]})" if named and path != subject.label else path
                    current = Subject(
                        label, self._values(path), position=subject.position, is_file=True
                    )
                units += self._fresh(subject, [line], on_own_line=True)
            else:
                units += self._fresh(current, [line], on_own_line=True)
        return units

    def _fresh(
        self, subject: Subject, texts: Iterable[str], *, on_own_line: bool = False
    ) -> list[Unit]:
        """Return units of the texts that nothing newer has said in the same words."""
        units: list[Unit] = []
        for text in texts:
            if text and text not in self._lines:
                self._lines.add(text)
                units.append(Unit(text, subject, self._values(text), on_own_line))
        return units


def _rows_of_piece(piece: str) -> list[str]:
    """Return the rows of one list that a note shows with their key once, each with its key."""
    first, *others = piece.split(ROWS)
    if not others:
        return [piece]
    words = first.partition(",")[0].split()
    known = next((n for n, word in enumerate(words) if not _KEY_WORD.fullmatch(word)), -1)
    key = " ".join(words[:known])
    return [first, *(f"{key} {other}" for other in others)]


def is_limit(unit: Unit) -> bool:
    """Say whether a unit sets a limit, or belongs to what does."""
    return unit.subject.section == "constraints" or bool(_LIMITS.search(unit.text.casefold()))


def _section_of_words(text: str) -> Section:
    return "constraints" if _LIMITS.search(text.casefold()) else "goal"


def _section_of_heading(heading: str) -> Section:
    lowered = heading.casefold()
    return next((section for word, section in _HEADING_WORDS if word in lowered), "facts")
