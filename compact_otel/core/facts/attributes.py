"""Attributes: what people set, and change their mind about, and with which words they say so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from compact_otel.core.facts import cues

WORD = re.compile(r"\w+(?:['\u2019]\w+)?")


class Attribute(NamedTuple):
    """What people set and change.

    Attributes:
        name: Its name.
        says: Stems of words for it.
        telling: Those, and of things of which it is said without such a word; one of them has to
            stand in a line that sets it.
        words: Stems that say nothing of what it is set for.
        kinds: Kinds of values that it takes.
    """

    name: str
    says: frozenset[str]
    telling: frozenset[str]
    words: frozenset[str]
    kinds: frozenset[str]

    def told_in(self, stems: frozenset[str]) -> frozenset[str]:
        """Return the stems with which a line tells it: words for it, or else things it is said of.

        Args:
            stems: Those of the line, as `telling_stems` returns them.
        """
        return stems & self.says or stems & self.telling


def stems_in(text: str) -> Iterator[str]:
    """Yield what words there are in a folded text; pairs of signs where no blanks part them."""
    for word in WORD.findall(text):
        if word.isascii() or not any("\u3040" <= sign <= "\u9fff" for sign in word):
            yield _stem(word)
        else:
            yield from (word[place : place + 2] for place in range(max(1, len(word) - 1)))


@lru_cache(maxsize=16_384)
def _stem(word: str) -> str:
    """Return a word without the endings that do not change what it speaks of."""
    word = word.removesuffix("'s")
    for ending in ("ings", "ing", "ies", "ied", "ed", "es", "s", "e"):
        if len(word) - len(ending) >= 4 and word.endswith(ending):  # noqa: PLR2004 - a stem
            return word[: -len(ending)] + ("y" if ending in ("ies", "ied") else "")
    return word


_ONE_WORD = (
    # A colleague on call is not somebody to call, and who is called by a name not one who was rung.
    (re.compile(r"\bon[- ]call\b"), "oncall"),
    (
        re.compile(
            r"\b(?:call|calling) (?:me|us|it|this)\b|\b(?:is|are|be|was) called\b|"
            r"\b(?:are|is|am|be) (?:now )?calling (?:the|our|my)\b"
        ),
        "named",
    ),
    (re.compile(r"\b(?:repl(?:y|ies)|respon(?:d|ses?))\b"), "answer"),
)


def telling_stems(text: str) -> frozenset[str]:
    """Return the stems of a folded text, with one word for what has several."""
    for form, word in _ONE_WORD:
        text = form.sub(word, text)
    return frozenset(stems_in(text))


STOPS = cues.STOP | frozenset(map(_stem, cues.STOP))
"""Stems that say nothing of what a line is about."""


def _attribute(name: str, kinds: str, *, says: str, of: str = "", beside: str = "") -> Attribute:
    """Return an attribute.

    Args:
        name: Its name.
        kinds: Kinds of values that it takes.
        says: Words for it.
        of: Things of which it is said without such a word: "the launch is on Friday".
        beside: Words that often stand with it and say nothing of what it is set for.
    """
    return Attribute(
        name,
        frozenset(map(_stem, says.split())),
        frozenset(map(_stem, f"{says} {of}".split())),
        frozenset(map(_stem, f"{says} {beside}".split())),
        frozenset(kinds.split()),
    )


_BESIDE_A_DATE = (
    "target planned deliver happens start begins takes place fixed lands slated does moved plan "
    "past day time send week weeks month"
)
_BESIDE_A_NAME = (
    "owner owns own owned leads responsible assigned rotation handling handles charge approves "
    "approved signing off belongs week nobody else weeks"
)

ATTRIBUTES = (
    _attribute(
        "money",
        "money",
        says="budget cap spend spending ceiling limit capped allowance",
        beside="cost costs expense expenses price exceed exceeding approval explicit maximum max "
        "amount pay dollars euros stay below under keep pass without",
    ),
    _attribute(
        "cost",
        "money",
        says="cost costs expense expenses",
        beside="price amount dollars euros",
    ),
    _attribute(
        "when",
        "date weekday time",
        says="deadline due date schedule scheduled timing",
        of="launch release freeze meeting appointment deploy report review call kickoff demo "
        "workshop interview",
        beside=_BESIDE_A_DATE,
    ),
    _attribute("delivery", "date weekday time", says="delivery ship", beside=_BESIDE_A_DATE),
    _attribute(
        "zone",
        "zone",
        says="timezone time times zone timestamp timestamps clock clocks",
        beside="report reports reported show shown put convert status display",
    ),
    _attribute(
        "title",
        "ident code name",
        says="codename label designated named name title renamed",
        beside="call called refer internal internally known rename dubbed",
    ),
    *(
        _attribute(name, "name", says=says, beside=f"call {_BESIDE_A_NAME}")
        for name, says in {
            "signer": "sign signs signed",
            "owner": "owner owns",
            "oncall": "oncall pager duty escalation shift",
            "approver": "approver approve approval approving",
            "reviewer": "reviewer reviews review",
            "lead": "lead",
            "assignee": "assignee responsible",
            "contact": "contact",
        }.items()
    ),
    _attribute(
        "branch",
        "path ident",
        says="branch rebased checkout development",
        beside="rebase checked out dev active parked working work unpushed push pushed stay must",
    ),
    _attribute(
        "commit", "ident", says="commit revision sha", beside="branched based base work branch"
    ),
    _attribute(
        "code",
        "ident",
        says="code passcode password pin",
        beside="secret rotated rotation never disclose reveal share shared circumstances "
        "retired works "
        "done disclosed must",
    ),
    _attribute(
        "region",
        "path ident version",
        says="region",
        beside="hosted host runs running zone located",
    ),
    _attribute("port", "number", says="port", beside="listens listening"),
    _attribute("url", "url email", says="url endpoint api host", beside="base address lives link"),
    _attribute("phase", "number", says="phase", beside="step stage progress"),
    _attribute(
        "tone",
        "tone",
        says="answer answers reply replies response responses style tone",
        beside="write writing prefer wants keep responding sound stick measurement unit units",
    ),
    _attribute(
        "units",
        "units",
        says="unit units measurement measurements metric imperial",
        beside="measure answer reply replies response responses stick prefer all report show",
    ),
    _attribute(
        "language",
        "language",
        says="answer answers reply replies respond language",
        beside="speak write",
    ),
    _attribute(
        "example", "code", says="example examples snippet", beside="code write languages other"
    ),
)
BY_NAME = {attribute.name: attribute for attribute in ATTRIBUTES}
