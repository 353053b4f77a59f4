"""Which earlier line a later one changes.

    "The budget is $900."        ... "The budget is now $1200."       an attribute of the same thing
    "A table for Monday."        ... "Make that Tuesday."             a value of the same kind
    "Keep mails under 9 lines."  ... "Keep mails under 7 lines."      the same demand

A line that announces a change ("now", "instead", "moved to") may name less than what it changes.
One that does not has to say the same of the same thing: "the train costs $80" leaves a budget as
it is, what is said of customer 18 leaves customer 17 alone, and of two people who are to get a
copy both do. What a message says of order WX-1 leaves alone what another said of WX-2, even with a
word of change. A change that is missed leaves two lines, of which the later stands behind the
other. A false one takes a limit away that holds. So in doubt both stay.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from compact_otel.core.facts import cues
from compact_otel.core.facts.attributes import BY_NAME, STOPS, WORD, stems_in
from compact_otel.core.facts.constraints import Strength, is_talk
from compact_otel.core.facts.kinds import Value
from compact_otel.core.facts.sense import Sense, stems_of

# Shares of a line's words that another has to have in common with it to speak of the same: in
# other languages, and to mean it.
_SOME, _MOST = 0.2, 0.6
_NAMED = 0.66
"""The same of an earlier line's words, for a change that says all of it again, and why."""
_SAME = 3
"""Words that two lines have in common if one is said again: fewer are in many a request."""
_AGAIN = 0.8
"""Share of the words of both, taken together, that both of them have then."""
_SOON = 6
"""Items within which "it" means what was said."""
_NEAR = 40
"""Items within which a change that names nothing ("make that Tuesday") finds what it means."""
_BRIEF = 8
"""Words of a change; who says more asks for something new."""
_PART_END = re.compile(r"[.!?>]\s+(?=[^\Wa-z])")
_SETTING = frozenset({"weekday", "date", "time", "number"})
"""Kinds of values that say nothing of what a line is about."""
_LABELS = frozenset({"number", "ident", "path", "version"})
"""Kinds of values that may be the name of a thing: "port 8080", "branch fix/login"."""
_PEERS = frozenset({"name", "email", "url", "path", "ident", "code"})
"""Kinds of which several may be asked for at once: who gets a copy, which file stays as it is."""
_LIMITS = frozenset({"money", "percent", "number"})
"""Kinds of which a ban names the limit, where of others it names what is banned."""
_TICKET = re.compile(r"(?<!\w)#\d{1,9}\b")
_NUMBERED = re.compile(r"[:.)]\s")
"""Behind a number with which a line begins: "3: ...", "3) ..."."""
_DETERMINERS = frozenset({"the", "our", "my", "your", "his", "her", "its", "their", "user's"})
_BEFORE = 3
"""Words between a determiner and what it belongs to, and one."""
_ONLY = re.compile(r"\bonly\b|\b(?:nobody|no one|nothing) else\b")
_IT = re.compile(r"\b(?:it|this|that)(?:'s)? (?:now |only |actually )?(?:costs?|is|takes?|was)\b")
_BEHIND = re.compile(r",\s|\s(?:because|since|so)\s", re.IGNORECASE)
"""What follows says why."""
_PROPER = re.compile(r"(?<=[\w,;:'\u2019)] )[A-Z][\w-]+|(?<=\w )\d+\b")


class Line(NamedTuple):
    """A sentence that was said.

    Attributes:
        position: Place of its message in the history, below zero in an earlier note.
        text: The sentence.
        by_user: Whether a user said it: only users change what holds.
    """

    position: int
    text: str
    by_user: bool = True


@dataclass(slots=True, eq=False)
class Heard:
    """A line in its place.

    Attributes:
        order: Its place.
        line: The line.
        sense: What it says.
        text: What is shown of it.
        codes: What its message names by a code: an order, a ticket.
        carriers: Earlier lines that show its value in place of their own.
    """

    order: int
    line: Line
    sense: Sense
    text: str
    codes: frozenset[str] = frozenset()
    carriers: tuple[Heard, ...] = ()

    @property
    def words(self) -> frozenset[str]:
        """Stems of its words that carry something."""
        return self.sense.words


def set_anew(name: str, earlier: Iterable[Heard], new: Heard) -> list[Heard]:
    """Return which lines set an attribute of what a later one sets it anew for.

    Those that set it for the very same; else those of which it names less, unless they set it for
    several things, of which it does not say which.

    Args:
        name: The attribute.
        earlier: Lines that set it.
        new: The later line.
    """
    found = [old for old in earlier if old.text and _sets_anew(name, old, new)]
    scope = new.sense.scopes[name]
    same = [old for old in found if old.sense.scopes[name] == scope]
    if same or len({old.sense.scopes[name] for old in found}) == 1:
        return same or found
    return []


def _sets_anew(name: str, old: Heard, new: Heard) -> bool:
    """Say whether a line may set anew what an earlier one set."""
    attribute, sense = BY_NAME[name], new.sense
    if sense.apart or not differ(old, new, attribute.kinds) or oppose(old, new):
        return False
    if of_another(old, new, attribute.kinds):
        return False
    before, after = old.sense.tells[name], sense.tells[name]
    theirs, ours = old.sense.scopes[name], sense.scopes[name]
    alike = (before | after) <= attribute.says or not before.isdisjoint(after)
    if sense.changes:
        vague = bool(theirs) and not ours and _IT.search(sense.low) is not None
        far = new.line.position - old.line.position > _SOON
        return alike and ours <= theirs and not (vague and far)
    if sense.unsure or theirs != ours or not alike:
        return False
    if _names_one(before, old.sense.low) and _names_one(after, sense.low):
        return True
    value = next(value for value in sense.values if value.kind in attribute.kinds)
    return not (is_label(value, sense.text) or adds_up(value.kind, old, new))


def _names_one(told: frozenset[str], low: str) -> bool:
    """Say whether a line speaks of something of which there is one: "the launch deadline"."""
    words = WORD.findall(low)
    return any(
        not told.isdisjoint(stems_in(word))
        and not _DETERMINERS.isdisjoint(words[max(0, place - _BEFORE) : place])
        for place, word in enumerate(words)
    )


def meant(  # noqa: PLR0911 - a question after another, the cheapest first
    kind: str, old: Heard, new: Heard, wanted: frozenset[str], *, recent: bool
) -> bool:
    """Say whether an announced change means the value of that kind in an earlier line.

    Args:
        kind: The kind.
        old: The earlier line.
        new: The one that announces a change.
        wanted: What it wants to change, by `about`.
        recent: Whether few lines since have had such a value. Of any other it has to say more.
    """
    if new.sense.apart or not differ(old, new, {kind}):
        return False
    if of_another(old, new, changing(old, new)):
        return False
    if kind == "number" and not _may_count_the_same(old, new):
        return False
    part = _part_with(kind, old)
    named = old.words.intersection(stems_in(part)) - old.sense.named
    if named and len(named & new.words) >= _NAMED * len(named):
        again = not (is_talk(part) or is_talk(new.sense.low))
        if again and (kind != "number" or _count_the_same(old, new)):
            return not _contrast(kind, old, new)
    if not recent:
        return False
    if not wanted:
        return new.line.position - old.line.position <= _NEAR
    if len(wanted) > _BRIEF:
        return False
    share = _MOST if new.sense.plainly else _SOME
    if _sets(kind, old):
        share = 1.0  # "the train to Rome is $80" is not the budget for Rome
    return len(wanted & old.words) >= share * len(wanted) and not _contrast(kind, old, new)


def about(kind: str, new: Sense) -> frozenset[str]:
    """Return what a line wants to change: its words but the values and the announcement."""
    values = stems_of(value for value in new.values if value.kind in (kind, *_SETTING))
    place = next((value.start for value in new.values if value.kind == kind), 0)
    why = _BEHIND.search(new.text, place)
    said = new.words.intersection(stems_in(new.text[: why.start()].lower())) if why else new.words
    dropped = frozenset(stem for text in new.dropped for stem in stems_in(text))
    return said - new.announcing - values - dropped


def said_again(old: Heard, new: Heard) -> bool:
    """Say whether a demand or a definition is said again in the same words with other values."""
    # Cheapest first: of the lines that are asked about, hardly one says the same.
    if not (old.sense.demand or old.sense.states):
        return False
    taken = old.sense.named | new.sense.named
    before, after = old.words - taken, new.words - taken
    same = len(before & after)
    if same < _SAME or same < _AGAIN * len(before | after):
        return False
    kinds = [kind for kind in old.sense.spoken if differ(old, new, {kind})]
    if len(kinds) != 1 or oppose(old, new) or adds_up(kinds[0], old, new):
        return False
    if of_another(old, new, kinds):
        return False
    values = (value for value in old.sense.values if value.kind == kinds[0])
    return not any(is_label(value, old.line.text) for value in values)


def adds_up(kind: str, old: Heard, new: Heard) -> bool:
    """Say whether two demands with different values of a kind hold beside each other.

    "Always copy Ann" and "Always copy Bob", "No deploys on Friday" and "No deploys on Monday" do;
    "Below $900" and "Below $700" do not.
    """
    before, after = old.sense, new.sense
    if _ONLY.search(before.low) and _ONLY.search(after.low):
        return False
    if before.bans and after.bans:
        return kind not in _LIMITS and not (before.most or before.least)
    return kind in _PEERS and bool(before.demand >= Strength.WISH and after.demand)


def oppose(old: Heard, new: Heard) -> bool:
    """Say whether one line says the least and the other the most: both hold then."""
    before, after = old.sense, new.sense
    return (before.most and after.least and not after.most) or (
        before.least and after.most and not after.least
    )


def is_label(value: Value, text: str) -> bool:
    """Say whether a value belongs to a name: "the test on line 40 fails", "3: the others"."""
    if value.kind not in _LABELS:
        return False
    before = text[: value.start].lower()
    if not before.strip():
        return _NUMBERED.match(text, value.start + len(value.text)) is not None
    words = WORD.findall(before)
    return (
        before.endswith(" ")
        and bool(words)
        and before.rstrip().endswith(words[-1])
        and words[-1] not in cues.STOP
    )


def is_the_one(value: Value, stale: Sequence[Value], old: Heard, new: Heard) -> bool:
    """Say whether a value is what a new one replaces: alone of its kind, or before the same word.

    "Two seats and 2 bags" has one that "make it 3 bags" means, and one that it does not.
    """
    if all(other.text == value.text for other in stale if other.kind == value.kind):
        return True
    behind = WORD.search(old.line.text, value.start + len(value.text))
    return behind is not None and not new.words.isdisjoint(stems_in(behind[0].lower()))


def tells_more(old: Heard, new: Heard, kinds: Collection[str], stale: Sequence[Value]) -> bool:
    """Say whether a line has a value of a kind of which the new one says nothing.

    "The budget is $900, my order is A-1001" says something when the budget has changed.
    """
    taken = [(value.start, value.start + len(value.text)) for value in stale]
    return any(
        value.kind not in kinds
        and value.kind not in new.sense.spoken
        and not stands_in(value.text, new.sense)
        and all(
            value.start + len(value.text) <= start or end <= value.start for start, end in taken
        )
        for value in old.sense.values
    )


def differ(old: Heard, new: Heard, kinds: Collection[str]) -> bool:
    """Say whether two lines have values of these kinds, and none that is the same."""
    after = _values_of(new, kinds)
    before = _values_of(old, kinds) if after else ()
    return bool(before) and not any(_is_same(one, other) for one in before for other in after)


def codes_in(senses: Iterable[Sense]) -> frozenset[str]:
    """Return the codes of orders, tickets and the like that the lines of a message name."""
    named = ({*sense.spoken.get("ident", ()), *_TICKET.findall(sense.text)} for sense in senses)
    return frozenset[str]().union(*named)


def changing(old: Heard, new: Heard) -> set[str]:
    """Return the kinds of which a line has other values; that of codes where no other has.

    "Make it BA119" gives another code, "BA119 by Friday" says of what it speaks.
    """
    kinds = {kind for kind in new.sense.spoken if differ(old, new, {kind})}
    return kinds - {"ident"} or kinds


def of_another(old: Heard, new: Heard, kinds: Collection[str]) -> bool:
    """Say whether the messages of two lines name codes, and none that is the same.

    A code that is itself what changes names nothing, nor do they count where the later line says
    what no longer holds: "not Monday".

    Args:
        old: The earlier line.
        new: The later one.
        kinds: Kinds of what changes.
    """
    if not (old.codes and new.codes):
        return False
    values = {value for kind in kinds for value in old.sense.spoken.get(kind, ())}
    if not new.sense.dropped.isdisjoint(values):
        return False
    theirs, ours = old.codes, new.codes
    if "ident" in kinds:
        theirs, ours = (one.codes.difference(_values_of(one, {"ident"})) for one in (old, new))
    return bool(theirs and ours) and theirs.isdisjoint(ours)


def stands_in(value: str, sense: Sense) -> bool:
    """Say whether a sentence has a value, too, and does not say that it holds no more."""
    low = value.lower()
    if low in sense.dropped or low not in sense.low:
        return False
    return not low.isascii() or form_of(low).search(sense.low) is not None


def form_of(value: str) -> re.Pattern[str]:
    """Return the form in which a value stands by itself: no "$90" in "$900"."""
    form = re.escape(value)
    if value[0].isascii() and value[0].isalnum():
        form = rf"(?<![^\W_]){form}"
    if value[-1].isascii() and value[-1].isalnum():
        form = rf"{form}(?![^\W_])"
        if value[-1].isdigit():
            form = rf"{form}(?![.,]\d)"
    return re.compile(rf"\[now {form}\]|{form}")


def _is_same(one: str, other: str) -> bool:
    """Say whether two values are one, maybe said in short: "9" and "9 am"."""
    if one == other:
        return True
    if not (one.isascii() and other.isascii()):
        return one in other or other in one
    words, others = set(WORD.findall(one)), set(WORD.findall(other))
    return words <= others or others <= words


def _values_of(one: Heard, kinds: Collection[str]) -> list[str]:
    spoken = one.sense.spoken
    return [value for kind in kinds if kind in spoken for value in spoken[kind]]


def _sets(kind: str, one: Heard) -> bool:
    """Say whether a line sets an attribute that takes values of a kind."""
    return any(kind in BY_NAME[name].kinds for name in one.sense.scopes)


def set_apart(kind: str, old: Heard, new: Heard) -> bool:
    """Say whether both lines set attributes with such a value: `set_anew` tells if it is one."""
    return _sets(kind, old) and _sets(kind, new)


def _contrast(kind: str, old: Heard, new: Heard) -> bool:
    """Say whether two lines name different things: a hall in Leeds, and one in York."""
    theirs, ours = _proper(kind, old.sense), _proper(kind, new.sense)
    return not (theirs <= new.words or ours <= old.words)


def _proper(kind: str, sense: Sense) -> frozenset[str]:
    """Return stems of proper names and of numbers behind a word, but those of a value."""
    values = stems_of(value for value in sense.values if value.kind in (kind, *_SETTING))
    named = (stem for name in _PROPER.findall(sense.text) for stem in stems_in(name.lower()))
    return sense.words.intersection(named) - values


def _part_with(kind: str, one: Heard) -> str:
    """Return the sentence with the last value of a kind, folded, of a line that has several."""
    start = max((value.start for value in one.sense.values if value.kind == kind), default=0)
    ends = [mark.end() for mark in _PART_END.finditer(one.line.text) if mark.end() <= start]
    return one.line.text[ends[-1] if ends else 0 :].lower()


def _counted(one: Heard) -> frozenset[str]:
    """Return stems of what a line has numbers of."""
    behind = (
        WORD.search(one.line.text, value.start + len(value.text))
        for value in one.sense.values
        if value.kind == "number"
    )
    return frozenset(stem for word in behind if word for stem in stems_in(word[0].lower()))


def _count_the_same(old: Heard, new: Heard) -> bool:
    """Say whether two lines have numbers of the same things."""
    return not _counted(old).isdisjoint(_counted(new))


def _may_count_the_same(old: Heard, new: Heard) -> bool:
    """Say whether a line has numbers of nothing else than what another speaks of."""
    counted = _counted(new) - STOPS
    return not counted or not counted.isdisjoint(old.words)
