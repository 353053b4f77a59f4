"""From what was said and called to units, newest first, so that what is newer supersedes.

Supersession is plain on purpose: of two results that name the same entity the newer one wins for
every attribute it has, and of two equal lines the newer one stays. Whatever stands in the kept part
is the newest of all.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from compact_otel.core.facts.constraints import Strength, is_small_talk, strength, strengths
from compact_otel.core.facts.fields import Row, named, named_by_arguments, rows_of, told
from compact_otel.core.facts.matching import Line
from compact_otel.core.facts.reading import Called, Said, Speaker, read, text_of
from compact_otel.core.facts.salience import Vocabulary
from compact_otel.core.facts.units import (
    BETWEEN_LEAVES,
    BETWEEN_ROWS,
    Section,
    Subject,
    Unit,
    joined_lines,
    label_of,
    lines_of,
    one_line,
    sentences_of,
    word_for_word,
)
from compact_otel.core.facts.updates import GONE, Standing, standing
from compact_otel.core.types import SummaryRequest

SPEAKER_LABELS: dict[Speaker, str] = {
    "user": "User",
    "assistant": "Assistant",
    "instructions": "Instructions",
}
HEADINGS: dict[Section, str] = {
    "goal": "Goal",
    "constraints": "Constraints",
    "state": "State",
    "facts": "Facts",
    "done": "Done",
}

TURN = re.compile(r"^\[(\d{1,6})\](?=:|$)")
"""The label of what a user demanded or settled: the number of the message."""

SAID_AGAIN = (
    "Earlier items were removed; what their words told, and still holds, is said again "
    "in those that stay."
)
"""The note where there is nothing to note. It speaks of one moment, so it is not read back.

It speaks of words: nobody has looked at what a picture shows, or at what a provider has sealed.
"""

_ASKED: tuple[Section, ...] = ("goal", "constraints")
_SHORT_RESULT = 200
_SMALL_TALK = -1
_FEW_SENTENCES = 8
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
# Around words; `**options`, `tests/**/test_*.py`, `2**31` and `__init__.py` are none.
_EMPHASIS = re.compile(
    r"(?<![\w*/])\*\*(?=[^\s*])(?P<strong>[^*\n]*[^\s*])\*\*(?![\w*/])"
    r"|(?<![\w/])__(?=[^\s_])(?P<also>[^_\n]*[^\w\n][^_\n]*(?<!\s))__(?![\w/]|\.\w)"
)
_MARKED_LINE = re.compile(r"^[^\S\n]*(?:[-*\u2022]|#{1,6})[^\S\n]+", re.MULTILINE)
_KEY_WORD = re.compile(r"[a-z][A-Za-z_]*")
# What a line says that introduces the file below it.
_INTRO = re.compile(r"([^:;()]{4,48}):")
_PATH_LINE = re.compile(r"[\w.@~-]*(?:/[\w.@~-]+)+:?|[\w-]+\.[A-Za-z]{1,4}:")


def split(request: SummaryRequest, vocabulary: Vocabulary) -> tuple[list[Unit], list[Unit]]:
    """Return the units of what goes, oldest first, and the units of what stays."""
    going_on = read(request.kept, len(request.items))
    said = read(request.items)
    note = list(_read_note(request.previous_summary or ""))
    talk = _Talk.of(request, note, said, going_on)
    splitter = _Splitter(vocabulary, talk)
    staying = splitter.history(going_on)
    going = splitter.history(said)
    earlier = splitter.note(note)
    units = earlier + going
    for order, unit in enumerate(units):
        unit.order = order
    return units, staying


def outdated(items: Sequence[object]) -> frozenset[int]:
    """Return the positions of users' messages of which something holds no longer.

    Those belong into a note, which says what holds in its place. A message that says much besides
    is left out: word for word it is worth more.
    """
    said = [
        (position, text_of(item.get("content")))
        for position, item in enumerate(items)
        if isinstance(item, Mapping) and item.get("role") == "user"
    ]
    parts = {position: _parts(Said(position, "user", text)) for position, text in said}
    lines = [Line(position, part) for position, those in parts.items() for part in those]
    changed = {position for position, _ in standing(lines).changed}
    return frozenset(one for one in changed if len(parts[one]) <= _FEW_SENTENCES)


class _NoteLine(NamedTuple):
    """A line of an earlier note.

    Attributes:
        text: What it says, without its mark.
        section: Where it stands.
        indented: It belongs to the line above.
        turn: The number of the user's message that it is from; 0 if it is no such line.
    """

    text: str
    section: Section
    indented: bool = False
    turn: int = 0


def _read_note(note: str) -> Iterator[_NoteLine]:
    """Yield the lines of a note, ours or a model's.

    A line is a pin only where nothing but what users said stands in our notes, or where a note has
    no headings at all: elsewhere a tool may have named something `[3]`.
    """
    lines = note.splitlines()
    section: Section = "facts"
    pins = not any(line.startswith("#") for line in lines)
    for line in lines:
        stripped = line.strip()
        if line.startswith("#"):  # an indented one is a line of code or a forged heading
            section = _section_of_heading(stripped)
            pins = section in _ASKED
            yield _NoteLine("", section)
        elif stripped and stripped != SAID_AGAIN:
            text = _BULLET.sub("", stripped)
            turn = TURN.match(text) if pins and line.startswith("- [") else None
            yield _NoteLine(text, section, line[0].isspace(), int(turn[1]) if turn else 0)


class _Talk(NamedTuple):
    """What users said, as far as it holds, over the whole conversation.

    Attributes:
        places: The place of each position in the conversation.
        parts: The sentences of what was said at each.
        turns: The number of each user's message, by position.
        holds: What of it holds; lines are named by place and text.
    """

    places: Sequence[int]
    parts: Mapping[int, list[str]]
    turns: Mapping[int, int]
    holds: Standing

    @classmethod
    def of(
        cls,
        request: SummaryRequest,
        note: Sequence[_NoteLine],
        going: Sequence[Said | Called],
        staying: Sequence[Said | Called],
    ) -> _Talk:
        """Read who said what when."""
        places = _places(request)
        records = sorted((*going, *staying), key=lambda record: places[record.position])
        spoken = [record for record in records if isinstance(record, Said)]
        asked = [said.position for said in spoken if said.who == "user"]
        first = next((n for n, position in enumerate(asked) if position < len(request.items)), 0)
        parts = {said.position: _parts(said) for said in spoken}
        lines = (
            Line(places[said.position], part, said.who == "user")
            for said in spoken
            if said.who != "instructions"
            for part in parts[said.position]
        )
        before = max(request.turns_before - first, *(line.turn for line in note), 0)
        return cls(
            places,
            parts,
            {position: turn for turn, position in enumerate(asked, before + 1)},
            standing([*_users_lines(note), *lines] if asked or note else ()),
        )


def _places(request: SummaryRequest) -> list[int]:
    """Return where each item and, behind them, each kept one stood among all of them."""
    after = [min(max(0, count), len(request.items)) for count in request.kept_after]
    after = sorted(after[: len(request.kept)])
    after += [len(request.items)] * (len(request.kept) - len(after))
    going = [position + bisect_right(after, position) for position in range(len(request.items))]
    return [*going, *(count + number for number, count in enumerate(after))]


def _users_lines(note: Iterable[_NoteLine]) -> Iterator[Line]:
    """Yield what users said, as an earlier note has it."""
    by_user = False
    for line in note:
        label, _, rest = line.text.partition(":")
        if not line.indented:
            by_user = bool(line.turn) or label == SPEAKER_LABELS["user"]
        if by_user:
            parts = [line.text] if line.indented else sentences_of(one_line(rest))
            yield from (Line(-1, part) for part in parts)


def _parts(said: Said) -> list[str]:
    """Return the sentences of a message; a user's are word for word."""
    if said.who == "user":
        lines = (one for line in joined_lines(said.text) if (one := one_line(line)))
        return [part for line in lines for part in word_for_word(line)]
    text = said.text
    if said.who == "assistant":
        text = _EMPHASIS.sub(r"\g<strong>\g<also>", _MARKED_LINE.sub("", text))
    return [part for line in lines_of(text) for part in sentences_of(line)]


class _Splitter:
    """Remembers what newer records have said; feed it the newest first."""

    def __init__(self, vocabulary: Vocabulary, talk: _Talk) -> None:
        self._values = vocabulary.values_in
        self._talk = talk
        self._lines: set[str] = set()
        self._attributes: dict[tuple[str, str], int] = {}

    def history(self, records: Sequence[Said | Called]) -> list[Unit]:
        batches = [
            self._said(record) if isinstance(record, Said) else self._called(record)
            for record in reversed(records)
        ]
        return [unit for batch in reversed(batches) for unit in batch]

    def note(self, lines: Iterable[_NoteLine]) -> list[Unit]:
        """Return the units of an earlier summary, ours or a model's."""
        units: list[Unit] = []
        subject: Subject | None = None
        for line in lines:
            if not line.text:
                subject = None
            elif line.indented and subject is not None:
                units += self._fresh(subject, [line.text], on_own_line=True)
            else:
                subject, pieces = self._note_line(line)
                units += self._fresh(subject, pieces)
        return units

    def _note_line(self, line: _NoteLine) -> tuple[Subject, list[str]]:
        section = line.section
        match = _NOTE_LINE.fullmatch(line.text)
        label = match["label"] if match else ""
        rest = (match["rest"] or "") if match else line.text
        who = next((who for who, name in SPEAKER_LABELS.items() if name == label), None)
        if line.turn:
            who, label = "user", SPEAKER_LABELS["user"]
        if who == "user" and section not in _ASKED:
            section = _section_of_words(rest)
        subject = Subject(
            label,
            self._values(label),
            section=section,
            origin="user" if who == "user" else "summary",
            is_file=bool(_PATH_LINE.fullmatch(label.partition(" (")[0])),
            prose=who is not None or not label,
            turn=line.turn,
        )
        if subject.prose:
            return subject, sentences_of(one_line(rest))
        pieces = [
            row for piece in one_line(rest).split(BETWEEN_LEAVES) for row in _rows_of_piece(piece)
        ]
        return subject, [
            piece for piece in pieces if (label, piece.partition(" ")[0]) not in self._attributes
        ]

    def _said(self, said: Said) -> list[Unit]:
        if said.who == "user":
            return self._asked(said)
        section: Section = "done" if said.who == "assistant" else "constraints"
        return self._fresh(self._speaker(said, section), self._talk.parts[said.position])

    def _asked(self, said: Said) -> list[Unit]:
        """Return a user's message word for word, unless the same was said again later.

        What is demanded or settled in it stands apart with the number of its turn, once; what no
        longer holds is left out.
        """
        whole = one_line(said.text)
        if whole in self._lines:
            return []
        parts = self._talk.parts[said.position]
        again = self._lines.intersection(parts)
        self._lines.update(parts, (whole,))
        turn = self._talk.turns[said.position]
        message = self._speaker(said, "goal")
        demanded = self._speaker(said, "constraints", turn)
        settled = self._speaker(said, "goal", turn)
        in_lines = "\n" in said.text.strip()
        units: list[Unit] = []
        for part, demand in zip(parts, strengths(parts), strict=True):
            place = self._talk.places[said.position], part
            text = self._talk.holds.changed.get(place, part)
            if text == GONE:
                continue
            subject, pin = message, int(demand)
            if demand >= Strength.WISH:
                subject = demanded
            elif place in self._talk.holds.settled:
                changing = place in self._talk.holds.changing
                subject = settled
                pin = max(pin, Strength.WISH if changing else Strength.HINT)
            elif place in self._talk.holds.ended or (not demand and is_small_talk(part)):
                pin = _SMALL_TALK
            if part in again and subject is not message:
                continue
            own_line = in_lines and subject is message
            units.append(Unit(text, subject, self._values(text), own_line, pin=pin))
        return units

    def _speaker(self, said: Said, section: Section, turn: int = 0) -> Subject:
        return Subject(
            SPEAKER_LABELS[said.who],
            section=section,
            origin="assistant" if said.who == "assistant" else "user",
            position=said.position,
            prose=True,
            turn=turn,
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
                    text = one_line(told(leaf.key, leaf.value))
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
                shown = self._holding(subject, text) if subject.prose else text
                if shown != GONE:
                    pin = _pin_in_note(subject, shown) if subject.origin == "user" else 0
                    units.append(Unit(shown, subject, self._values(shown), on_own_line, pin=pin))
        return units

    def _holding(self, subject: Subject, text: str) -> str:
        """Return what is shown of a sentence after all that was said later."""
        place = self._talk.places[subject.position] if subject.position >= 0 else -1
        return self._talk.holds.changed.get((place, text), text)


def _rows_of_piece(piece: str) -> list[str]:
    """Return the rows of one list that a note shows with their key once, each with its key."""
    first, *others = piece.split(BETWEEN_ROWS)
    if not others:
        return [piece]
    words = first.partition(",")[0].split()
    known = next((n for n, word in enumerate(words) if not _KEY_WORD.fullmatch(word)), -1)
    key = " ".join(words[:known])
    return [first, *(f"{key} {other}" for other in others)]


def _pin_in_note(subject: Subject, text: str) -> int:
    """Return how early a user's sentence is chosen that an earlier note has."""
    if not subject.prose or subject.label != SPEAKER_LABELS["user"]:
        return 0
    if subject.turn:
        told = strength(text)
        return told if told >= Strength.LIKELY else Strength.WISH
    return int(strength(text)) or (_SMALL_TALK if is_small_talk(text) else 0)


def _section_of_words(text: str) -> Section:
    return "constraints" if strength(text) >= Strength.WISH else "goal"


def _section_of_heading(heading: str) -> Section:
    lowered = heading.casefold()
    return next((section for word, section in _HEADING_WORDS if word in lowered), "facts")
