"""The records from which a summary is chosen: subjects, and the units that speak of them.

A unit is the least that can be kept or left: a sentence, a line, a leaf of JSON. It never stands
alone: its subject names what it belongs to (who said it, which order, which file, which call), and
choosing a unit shows its subject. That is what keeps a summary from becoming a list of bare values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Section = Literal["goal", "constraints", "state", "facts", "done"]
Origin = Literal["user", "call", "result", "assistant", "summary"]

BETWEEN_LEAVES = "; "
BETWEEN_ROWS = " | "
"""What stands in a note between the leaves of an entity, and between the rows of one list."""
_MAX_UNIT_CHARS = 280
# Base64, hex and the like: of no use in a summary, and a token for every three letters.
_BLOB = re.compile(r"[A-Za-z0-9+/=_%-]{121,}")
_LONGEST_WORD = 120
# Every line of a history is searched with these. A pattern that begins with the characters it looks
# for is several times faster than one that begins with a look-behind or an anchor.
_SENTENCE_END = re.compile(
    r"[.!?\u3002\uff01\uff1f](?:(?<=[\u3002\uff01\uff1f])|(?<=[^\d\s].)\s+(?=[^a-z\s]))"
)
_NAMELESS = re.compile(r"\s*[\"']?(?:value|default)[\"']?\s*[:=]\s*\S.{0,200}")
_NAMING = re.compile(r"(?i)\b(?:name|key|variable|field|header|param)\b")
_CLAUSE_MARKS = (",", ";", "|")
_LINE_NUMBER = re.compile(r"\s*(\d{1,9})(?:\t|\s*[|\u2192]\s?|:\s)")
_SAYS_SOMETHING = re.compile(r"[^\W_]")


@dataclass(slots=True, eq=False)
class Subject:
    """What units belong to: a message, a call, an entity, or a row within one of these.

    Attributes:
        label: How the note names it. Empty for a row whose entity says enough.
        values: The values in `label` (`compact_otel.core.facts.salience`).
        parent: The subject that this one is a row of.
        section: Where the note shows it.
        origin: Who it comes from.
        position: Place in the history; -1 is the previous summary.
        is_file: It is a file, or a call that is about one.
        prose: Units are sentences, not `attribute value` pieces.
        key: How `label` begins where rows of one list have it in common; the note shows it once.
        turn: Number of the user's message in the conversation, where the note shows that in place
            of `label`; 0 elsewhere.
    """

    label: str
    values: tuple[str, ...] = ()
    parent: Subject | None = None
    section: Section = "facts"
    origin: Origin = "result"
    position: int = -1
    is_file: bool = False
    prose: bool = False
    key: str = ""
    turn: int = 0


@dataclass(slots=True, eq=False)
class Unit:
    """The least that can be kept or left.

    Attributes:
        text: One line. Empty where choosing the subject alone says it all.
        subject: What it belongs to.
        values: The values in `text`.
        on_own_line: Shown on a line of its own, as code and logs are.
        order: Place among all units, oldest first.
        pin: Above 0 it is chosen before what is weighed, the highest first; below 0 its words are
            worth next to nothing.
    """

    text: str
    subject: Subject
    values: tuple[str, ...] = ()
    on_own_line: bool = False
    order: int = 0
    pin: int = 0


def one_line(text: str) -> str:
    """Return `text` on one line, white space squeezed and blobs shortened."""
    words = text.split()
    text = " ".join(words)
    if len(text) > _LONGEST_WORD and max(map(len, words)) > _LONGEST_WORD:
        text = _BLOB.sub(lambda blob: f"{blob[0][:40]}...({len(blob[0])} characters)", text)
    return text


def label_of(text: str) -> str:
    """Return `text` as a label: without the marks by which a note is read back.

    What was `name: value` is `name=value`, or redaction would not know a secret again.
    """
    return one_line(text).replace(": ", "=").replace(BETWEEN_LEAVES, ", ")


def joined_lines(text: str) -> list[str]:
    """Return the lines of a text, a `value: ...` behind the line that says whose value it is.

    Alone it says nothing to a reader, and to redaction not that it may be a secret.
    """
    found: list[str] = []
    for line in text.splitlines():
        if found and _NAMELESS.fullmatch(line) and _NAMING.search(found[-1]):
            found[-1] += f" {line.strip()}"
        else:
            found.append(line)
    return found


def lines_of(text: str) -> list[str]:
    """Return the lines that say something, without line numbers, none longer than a unit."""
    found: list[str] = []
    for raw in _without_numbers(joined_lines(text)):
        if not _SAYS_SOMETHING.search(raw):
            continue
        line = one_line(raw)
        if len(line) > _MAX_UNIT_CHARS:
            found += sentences_of(line)
        else:
            found.append(line)
    return found


def _without_numbers(lines: list[str]) -> list[str]:
    """Return lines without their numbers; one that no neighbour counts on from is an id."""
    found = [_LINE_NUMBER.match(line) for line in lines]
    counts = [int(number[1]) if number else None for number in found]
    before, behind = [None, *counts], [*counts[1:], None]
    return [
        line[number.end() :]
        if number and count is not None and (before[i] == count - 1 or behind[i] == count + 1)
        else line
        for i, (line, number, count) in enumerate(zip(lines, found, counts, strict=True))
    ]


def sentences_of(line: str) -> list[str]:
    """Return the sentences of one line, cut at clauses or anywhere if longer than a unit."""
    found: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(line):
        found.append(line[start : end.start() + 1])
        start = end.end()
    found.append(line[start:])
    pieces = (
        piece
        for sentence in found
        for piece in ([sentence] if len(sentence) <= _MAX_UNIT_CHARS else _pieces_of(sentence))
    )
    return [piece.strip() for piece in pieces if _SAYS_SOMETHING.search(piece)]


def word_for_word(line: str) -> list[str]:
    """Return one line in sentences that give the line again when they are joined by blanks."""
    found: list[str] = []
    start = 0
    for end in [*_SENTENCE_END.finditer(line), None]:
        stop = len(line) if end is None else end.start() + 1
        while stop - start > _MAX_UNIT_CHARS:
            blank = line.rfind(" ", start, start + _MAX_UNIT_CHARS)
            cut = blank if blank > start else start + _MAX_UNIT_CHARS
            found.append(line[start:cut])
            start = cut
        piece = line[start:stop].strip()
        if found and piece and not _SAYS_SOMETHING.search(piece):
            found[-1] += f" {piece}"
        elif piece:
            found.append(piece)
        start = stop
    return [piece.strip() for piece in found if _SAYS_SOMETHING.search(piece)]


def _pieces_of(sentence: str) -> list[str]:
    """Return a sentence that is longer than a unit as units, with whole clauses where they fit."""
    for mark in _CLAUSE_MARKS:
        sentence = sentence.replace(f"{mark} ", mark).replace(mark, f"{mark} ")
    pieces: list[str] = []
    start, stop = 0, len(sentence.rstrip())
    while stop - start > _MAX_UNIT_CHARS:
        full = start + _MAX_UNIT_CHARS
        end = max(sentence.rfind(mark, start, full + 1) for mark in _CLAUSE_MARKS) + 1
        if start < end <= full and stop > full + 1:
            pieces.append(sentence[start:end])
            start = end + 1
        else:
            pieces.append(sentence[start:full])
            start = full
    pieces.append(sentence[start:stop])
    return pieces
