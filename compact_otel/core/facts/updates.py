"""What of the conversation no longer holds, because a user said otherwise later.

    "The launch is on 3 May."  ... "We moved the launch to 9 May."      the same attribute
    "A table for Monday."      ... "Make that Tuesday."                 a value of the same kind
    "Let's cache for ever."    ... "Scratch that, let's use a TTL."     a plan taken back
    "Never use the old card."  ... "You may use the old card after all."

A line that says nothing else goes; of any other only the value goes, with the new one in its place.
General rules only: attributes that people change their mind about, kinds of values, and the words
with which a change is announced. In doubt nothing is changed, for a fact that is lost costs more
than one that is out of date: its successor stands in the note as well, and comes later.

Time is linear in the text: a line is held against the last few of its like.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from compact_otel.core.facts import cues
from compact_otel.core.facts.attributes import BY_NAME, stems_in
from compact_otel.core.facts.constraints import Strength
from compact_otel.core.facts.cues import one_of
from compact_otel.core.facts.kinds import Value
from compact_otel.core.facts.matching import (
    Heard,
    Line,
    about,
    adds_up,
    changing,
    codes_in,
    form_of,
    is_the_one,
    meant,
    of_another,
    oppose,
    said_again,
    set_anew,
    set_apart,
    stands_in,
    tells_more,
)
from compact_otel.core.facts.restating import End, put, restated
from compact_otel.core.facts.sense import Sense, sense_of

_Key = TypeVar("_Key")

GONE = ""
"""What is shown of a line that holds no longer."""

_RECENT = 24
"""Earlier lines of its like that a line is held against."""
_ALIKE = 8
"""The same of lines that have a word in common with it, for each of its words."""
_FRAME = 20
"""Words of a line that may be said again in other words."""
_DOCUMENT = 24
"""Lines of a message from which on most of it is pasted, and speaks of other things."""
_OWN = 3
"""Lines at the beginning and the end of such a message that are the user's own."""
_ECHOES = 400
"""Earlier lines in which a value or a plan that holds no longer is looked for."""

_EVERYTHING = re.compile(rf"\b(?:{one_of(cues.EVERYTHING)})\b")

# Shares of a line's words that another has to have in common with it to speak of the same: the
# last plan, a plan or a demand by name, to repeat it, and to turn it round without a word for it.
_SOME, _HALF, _MOSTLY, _TURNED = 0.2, 0.5, 0.7, 0.7
_MANY = 2
"""Words that have to be the same in any case."""
_SHORT = 3
"""Characters of a code that may stand for something else."""
_LITTLE = 3
"""Words beside a value that are nothing to keep a line for."""
_SOON = 6
"""Items within which "scratch that" means what was said, whatever its words."""


class Standing(NamedTuple):
    """What holds after all that was said. Lines are named by position and text.

    Attributes:
        changed: What is shown of lines that no longer hold as they were said; `GONE` for nothing.
        settled: Lines that set an attribute, change what was said or say where the work stands, as
            far as they hold.
        changing: Those of them that changed what was said.
        ended: Lines that only say what is off.
    """

    changed: dict[tuple[int, str], str]
    settled: frozenset[tuple[int, str]]
    changing: frozenset[tuple[int, str]]
    ended: frozenset[tuple[int, str]]


def standing(lines: Sequence[Line]) -> Standing:
    """Say what of a conversation holds.

    Args:
        lines: What was said, oldest first; lines of one message have one position.
    """
    talk = _Talk()
    for message in _messages(lines):
        talk.hear(message)
    settled = [place for place in talk.settled if talk.changed.get(place) != GONE]
    return Standing(
        talk.changed,
        frozenset(settled),
        frozenset(place for place in settled if talk.settled[place]),
        frozenset(talk.ended),
    )


def _put(text: str, stale: str, now: str) -> str:
    """Return a text with the new value where the old one stood by itself."""
    return form_of(stale).sub(lambda _: f"[now {now}]", text)


def _messages(lines: Sequence[Line]) -> Iterator[list[tuple[int, Line]]]:
    """Yield the lines of each message with their places; each line of a note is one."""
    message: list[tuple[int, Line]] = []
    for order, line in enumerate(lines):
        if message and (line.position != message[0][1].position or line.position < 0):
            yield message
            message = []
        message.append((order, line))
    if message:
        yield message


class _Talk:
    """Follows a conversation and remembers what still holds."""

    def __init__(self) -> None:
        self.changed: dict[tuple[int, str], str] = {}
        self.settled: dict[tuple[int, str], bool] = {}
        self.ended: set[tuple[int, str]] = set()
        self._set: defaultdict[str, deque[Heard]] = defaultdict(lambda: deque(maxlen=_RECENT))
        self._kinds: defaultdict[str, deque[Heard]] = defaultdict(lambda: deque(maxlen=_RECENT))
        self._plans: deque[Heard] = deque(maxlen=_RECENT)
        self._demands: deque[Heard] = deque(maxlen=4 * _RECENT)
        self._lines: deque[Heard | tuple[int, Line]] = deque(maxlen=_ECHOES)
        self._with: defaultdict[str, deque[Heard]] = defaultdict(lambda: deque(maxlen=_ALIKE))
        self._framed: defaultdict[End, deque[Heard]] = defaultdict(lambda: deque(maxlen=_ALIKE))

    def hear(self, message: Sequence[tuple[int, Line]]) -> None:
        """Take in one message: what it changes first, then what it says."""
        if not message[0][1].by_user:
            self._lines.extend(message)  # only users change what holds
            return
        said = [Heard(order, line, sense_of(line.text), line.text) for order, line in message]
        own = said if len(said) <= _DOCUMENT else [*said[:_OWN], *said[-_OWN:]]
        codes = codes_in(one.sense for one in own)
        for one in said:
            one.codes = codes
        if any(one.sense.takes_back for one in own):
            self._take_back(own)
        for one in own:
            if not one.sense.asks:
                self._change(one)
                self._lift(one)
        for one in said:
            if not one.sense.asks:
                self._remember(one)
        self._lines.extend(said)

    def _echoes(self) -> list[Heard]:
        """Return what was said last, also by others. Of theirs few are asked for, most never."""
        said = [
            Heard(*one, Sense(one[1].text), one[1].text) if isinstance(one, tuple) else one
            for one in self._lines
        ]
        self._lines.clear()
        self._lines.extend(said)
        return said

    def _remember(self, one: Heard) -> None:
        sense = one.sense
        if sense.low.endswith("?"):
            return
        if len(sense.words) <= _FRAME:
            for stem in sense.words:
                self._with[stem].append(one)
            for end in sense.frames.part_ends:
                self._framed[end].append(one)
        for name in sense.scopes:
            self._set[name].append(one)
        if sense.settles:
            self._settle(one, changing=False)
        for kind in sense.spoken:
            self._kinds[kind].append(one)
        if sense.plan:
            self._plans.append(one)
        if sense.demand >= Strength.LIKELY:
            self._demands.append(one)

    def _change(self, new: Heard) -> None:
        """Let a line replace what set the same attribute, or a value of the same kind."""
        sense, done = new.sense, set[int]()
        for name in sense.scopes:
            for old in set_anew(name, self._set[name], new):
                if old.order not in done:
                    done.add(old.order)
                    self._replace(old, new, BY_NAME[name].kinds, BY_NAME[name].words)
        self._restate(new)
        if not (sense.spoken and (sense.changes or sense.demand)):
            return
        like = self._like(new) if sense.changes else ()
        for kind in sense.spoken:
            recent = self._kinds[kind]
            others = (old for old in like if old not in recent)
            wanted = about(kind, sense) if sense.changes else frozenset[str]()
            for old in (*reversed(recent), *others):
                if old.order in done or not old.text:
                    continue
                is_meant = sense.changes and meant(kind, old, new, wanted, recent=old in recent)
                if (is_meant or said_again(old, new)) and not set_apart(kind, old, new):
                    telling = frozenset() if is_meant else sense.words
                    self._replace(old, new, frozenset({kind}), telling)
                    break

    def _like(self, new: Heard) -> list[Heard]:
        """Return what users said that has a word in common with a line, the newest first."""
        return _newest_in(self._with, new.words)

    def _restate(self, new: Heard) -> None:
        """Drop what a line says again with something else in one place."""
        sense = new.sense
        if sense.apart:
            return
        for old in _newest_in(self._framed, sense.frames.clause_ends):
            if not old.text or oppose(old, new):
                continue
            changed = restated(old.sense.frames, sense.frames, announced=sense.changes)
            if changed is None or (not sense.changes and adds_up(changed.kind, old, new)):
                continue
            if of_another(old, new, changing(old, new)):
                continue
            text = GONE if changed.whole else put(old.text, changed, new.line.text)
            if text != old.text:
                self._show(old, text)
                self._settle(new)
                return

    def _replace(
        self, old: Heard, new: Heard, kinds: frozenset[str], telling: frozenset[str]
    ) -> None:
        """Show the new value where the old one stood, or nothing if that was all there was."""
        now = [value for value in new.sense.values if value.kind in kinds]
        self._settle(new)
        stale = [
            value
            for value in old.sense.values
            if value.kind in kinds and not stands_in(value.text, new.sense)
        ]
        alike = {value.kind for value in now}
        stale = [value for value in stale if value.kind in alike] or stale
        stale = [value for value in stale if is_the_one(value, stale, old, new)]
        if not stale or not now:
            return
        rest = old.words - telling - new.words - old.sense.named
        if len(rest) <= (_LITTLE if telling else 0) and not tells_more(old, new, kinds, stale):
            self._show(old, GONE)
        else:
            text = old.text
            for value in stale:
                text = _put(text, value.text, now[0].text)
            self._show(old, text)
            new.carriers = (*new.carriers, old)
        for carrier in old.carriers:
            text = carrier.text
            for value in stale:
                text = _put(text, value.text, now[0].text)
            self._show(carrier, text)
        new.carriers = (*old.carriers, *new.carriers)[-_RECENT:]
        self._forget_echoes(old, new, stale, now[0])

    def _settle(self, one: Heard, *, changing: bool = True) -> None:
        """Note that a line says what holds, and whether it changed what was said before."""
        place = one.line.position, one.line.text
        self.settled[place] = self.settled.get(place, False) or changing

    def _forget_echoes(self, old: Heard, new: Heard, stale: Iterable[Value], now: Value) -> None:
        """Change what was said of a stale value since it was set, and before it was changed."""
        for value in stale:
            words = list(stems_in(value.text.lower()))
            if not words or value.kind == "number":
                continue
            coded = len(value.text) > _SHORT and any(map(str.isdigit, value.text))
            distinct = coded or len(words) > 1
            for echo in self._echoes():
                if echo.order <= old.order or value.text not in echo.text:
                    continue
                if distinct or echo.words & (old.words - set(words)):
                    new.carriers = (*new.carriers, echo)
                    self._show(echo, _put(echo.text, value.text, now.text))

    def _take_back(self, message: Sequence[Heard]) -> None:
        """Drop the plans that a message takes back, and what repeats them."""
        fresh = frozenset[str]().union(*(one.sense.plan for one in message))
        cue = next(n for n, one in enumerate(message) if one.sense.takes_back)
        for one in message[cue:]:
            if one.sense.plan or one.sense.values:
                self._settle(one, changing=False)
        holding = [plan for plan in self._plans if plan.text and not plan.sense.plan <= fresh]
        if not any(_EVERYTHING.search(one.sense.low) for one in message):
            said = frozenset[str]().union(*(one.words for one in message[cue:]))
            holding = _meant(holding, said, message[0].line.position, named=not fresh)
        for one in message[cue:] if holding else ():
            if not one.sense.asks:
                self._settle(one)
        for plan in holding:
            stale = plan.sense.plan - fresh
            head = plan.text[: plan.sense.plan_at]
            lead = plan.words.intersection(stems_in(head.lower()))
            self._show(plan, f"{head.rstrip()} [changed later]" if len(lead) > 1 else GONE)
            self._forget_plan(plan, stale)
            for one in message:
                said_again = len(stale & one.words) >= _MOSTLY * max(1, len(stale))
                if said_again and not one.sense.plan & fresh - stale:
                    self.settled.pop((one.line.position, one.line.text), None)
                    self.ended.add((one.line.position, one.line.text))

    def _forget_plan(self, plan: Heard, stale: frozenset[str]) -> None:
        if len(stale) < 2:  # noqa: PLR2004 - one word is in too many lines
            return
        for echo in self._echoes():
            if echo is plan or not echo.text:
                continue
            if not echo.line.by_user and any(map(str.isdigit, echo.sense.low)):
                continue  # it says more than that
            if len(stale & echo.words) >= _MOSTLY * len(stale):
                self._show(echo, GONE)

    def _lift(self, new: Heard) -> None:
        """Drop a demand that a line takes back, or turns round."""
        if not self._demands:
            return
        sense = new.sense
        if not (sense.lifts or sense.demand >= Strength.WISH):
            return
        rules = sense.bans and sense.demand >= Strength.RULE
        lifted = sense.lifts and (sense.by_ban or not rules)
        if not lifted and sense.unsure:
            return
        enough = _HALF if lifted else _TURNED
        for old in reversed(self._demands):
            shared = len(old.words & new.words)
            if not old.text or shared < enough * len(old.words) or not shared:
                continue
            if of_another(old, new, ()):
                continue
            if old.sense.demand < Strength.WISH and not lifted:
                continue
            turned = sense.bans != old.sense.bans or (lifted and sense.by_ban)
            if turned and (shared >= _MANY or (lifted and len(old.words) == 1)):
                self._show(old, GONE)
                self._settle(new)
                return

    def _show(self, one: Heard, text: str) -> None:
        one.text = text
        self.changed[one.line.position, one.line.text] = text


def _newest_in(lines: Mapping[_Key, Iterable[Heard]], keys: Iterable[_Key]) -> list[Heard]:
    """Return the lines under any of the keys, the newest first."""
    found = {one.order: one for key in keys if key in lines for one in lines[key]}
    return [found[order] for order in sorted(found, reverse=True)]


def _meant(
    plans: Sequence[Heard], said: frozenset[str], position: int, *, named: bool
) -> list[Heard]:
    """Return the plan that a message takes back: the newest of which it speaks, else the last.

    Args:
        plans: Those that hold, oldest first.
        said: Stems of the message.
        position: Its place.
        named: Nothing is planned in its place, so it has to name what it takes back.
    """
    shares = [(len(plan.sense.plan & said) / len(plan.sense.plan), plan) for plan in plans]
    share, found = max(reversed(shares), key=lambda entry: entry[0], default=(0.0, None))
    if found is not None and share >= (_HALF if named else _SOME):
        return [found]
    if named or not plans or position - plans[-1].line.position > _SOON:
        return []
    return [plans[-1]]
