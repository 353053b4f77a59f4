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

# ruff: noqa: RUF001 - Cyrillic letters are what is looked for

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import NamedTuple

from compact_otel.core.facts.constraints import Strength, strength

GONE = ""
"""What is shown of a line that holds no longer."""


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


_LONGEST = 600
_RECENT = 24
"""Earlier lines of its like that a line is held against."""
_DOCUMENT = 24
"""Lines of a message from which on most of it is pasted, and speaks of other things."""
_OWN = 3
"""Lines at the beginning and the end of such a message that are the user's own."""
_ECHOES = 400
"""Earlier lines in which a value or a plan that holds no longer is looked for."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD = re.compile(r"\w+(?:['\u2019]\w+)?")
_STOP = _words(
    "a an the and or but of to in on at by for from with into onto as is are was were be been "
    "being am "
    "it its it's this that these those there here i you he she we they me him her us them my "
    "your his "
    "our their mine yours do does did done not no yes so if then than too very can could will "
    "would "
    "shall should may might must have has had i'm i'd i'll i've we're we'll we've you're "
    "that's let's "
    "please just also only now actually instead really quick update updated correction new current "
    "currently latest changed change changes changing moved move moving switch switched make "
    "made keep "
    "use using used set get go going want wants need needs like sorry wait hmm oh ok okay well "
    "right "
    "after all any more anymore longer still again later today forward onwards rather scratch "
    "forget "
    "ignore never mind always ever earlier previous previously before old former what which "
    "who when "
    "about up out over all each every said say think thought mean meant last first one some thing "
    "things user users him it'll there's total "
    "la el los las le les un una une des der die das den dem ein eine einen il lo gli de del "
    "al alla au aux du "
    "het een os as na em para por per pour mit con avec van est sind ist auf im am zu em y e "
    "et und en "
    "beträgt liegt kostet bei wynosi sera es será è são est "
    "mejor cambia doch lieber jetzt nun anzi invece ora agora ahora maintenant finalement"
)

# --- Values ----------------------------------------------------------------------------------

_WEEKDAYS = (
    r"mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?|"
    r"sat(?:urday)?|"
    r"sun(?:day)?|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag|lundi|"
    r"mardi|"
    r"mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|viernes|sábado|domingo|"
    r"lunedì|martedì|mercoledì|giovedì|venerdì|sabato|domenica|segunda|terça|quarta|quinta|sexta|"
    r"maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag|poniedziałek|wtorek|środ[aę]|"
    r"czwartek|piątek|sobot[aę]|niedziel[aę]|понедельник|вторник|сред[ау]|четверг|"
    r"пятниц[ау]|суббот[ау]|воскресенье"
)
_WEEKDAYS_CJK = r"[月火水木金土日]曜日?|(?:星期|周|週|礼拜)[一二三四五六日天]|[월화수목금토일]요일"
_MONTHS = (
    r"jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz|apr(?:il)?|may|mai|jun[ei]?|jul[iy]?|"
    r"aug(?:ust)?|sep(?:t(?:ember)?)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?|janvier|"
    r"février|mars|"
    r"avril|juin|juillet|août|septembre|octobre|novembre|décembre|enero|febrero|marzo|abril|mayo|"
    r"junio|julio|agosto|septiembre|octubre|noviembre|diciembre|gennaio|febbraio|aprile|maggio|"
    r"giugno|"
    r"luglio|settembre|ottobre|dicembre|janeiro|fevereiro|março|maio|junho|julho|setembro|outubro|"
    r"novembro|dezembro"
)
_HUNDREDS = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|"
    r"forty|"
    r"fifty|sixty|seventy|eighty|ninety|a)"
)
_BY_WORD: dict[str, str] = {
    word: kind
    for kind, words in {
        "zone": "utc gmt pst est cet cst mst",
        "language": "english german french spanish italian portuguese dutch polish russian "
        "japanese "
        "chinese korean deutsch englisch français anglais español inglés italiano inglese "
        "português "
        "nederlands engels polsku angielsku",
        "code": "python rust golang typescript javascript kotlin swift java ruby php scala elixir "
        "json yaml xml csv toml markdown html pdf docx xlsx",
        "units": "metric imperial celsius fahrenheit kilometers kilometres miles kilograms",
        "tone": "terse brief short concise detailed verbose long playful warm formal "
        "informal casual "
        "friendly light serious technical simple polite blunt thorough compact",
        "colour": "red green blue yellow black white grey gray orange purple pink brown "
        "silver gold navy "
        "beige teal",
        "seat": "window aisle middle economy business",
        "size": "small medium large xs xl xxl",
        "pay": "paypal invoice cash voucher certificate visa mastercard amex",
        "number": "two three four five six seven eight nine ten twelve",
    }.items()
    for word in words.split()
}
_MONEY = (
    r"[$\u20ac\u00a3\u00a5]\s?\d[\d,.]{0,15}k?|\b\d[\d,.]{0,15}k?\s?"
    r"(?:dollars?|euros?|pounds?|usd|eur|gbp|bucks|\u20ac|\u00a3|元|円|圓|원|yen|zl|zł|руб\w*)\b|"
    rf"\b{_HUNDREDS} (?:hundred|thousand)(?: (?:and )?{_HUNDREDS})?(?: (?:dollars|euros|pounds))?"
)
_DATE = (
    r"\b\d{4}-\d\d-\d\d\b|\b\d{1,2}[./]\d{1,2}(?:[./]\d{2,4})?\b|"
    rf"\b(?:{_MONTHS})\.? \d{{1,2}}(?:st|nd|rd|th)?\b|"
    rf"\b\d{{1,2}}(?:st|nd|rd|th|\.)?(?: of| de)? (?:{_MONTHS})\b|"
    r"\d{1,2}\s?[月월]\s?\d{1,2}\s?[日号號일]"
)
_TIME = (
    r"\b\d{1,2}(?::\d\d)? ?(?:am|pm|a\.m\.|p\.m\.|uhr|o'clock|h\b)|\b\d{1,2}:\d\d\b|"
    r"(?:上午|下午|午前|午後|오전|오후)?\s?\d{1,2}\s?[点點時时시]"
)
_IDENTIFIER = (
    r"\b(?=[A-Za-z]*[-_]?\d)[A-Za-z]{1,12}[-_]?\d[\w-]{1,24}\b|"
    r"\b[a-z]{2,12}(?:-[a-z]{2,12}){0,3}-\d{1,6}[a-z]?\b|\b[A-Z]{2,10}-\d{2,8}\b|"
    r"\b(?=[0-9a-f]{0,11}[a-f])(?=[0-9a-f]{0,11}\d)[0-9a-f]{7,12}\b"
)
_ZONE = (
    r"\b(?:utc[+-]\d{1,2}|(?:pacific|central|eastern|mountain|greenwich|tokyo|berlin|london|paris|"
    r"moscow) (?:standard |daylight )?time\b|[a-z]{2,12}/[a-z_]{2,20})"
)
_KINDS = {
    "email": r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,32}){1,4}",
    "url": r"https?://[^\s\"'<>)\],;]{1,200}",
    "money": _MONEY,
    "date": _DATE,
    "time": _TIME,
    "percent": r"\b\d{1,9}(?:\.\d{1,9})? ?%",
    "path": r"(?<![\w/])[\w.~-]{1,60}(?:/[\w.-]{1,60}){1,8}",
    "version": r"\bv?\d{1,9}\.\d{1,9}(?:\.\d{1,9})?\b",
    "ident": _IDENTIFIER,
    "zone": _ZONE,
    "number": r"(?<![\w.#-])\d{1,7}(?![\w-])",
}
_NAMES = re.compile(r"\b[A-ZÀ-Þ][a-zß-ÿ]{1,20}(?: [A-ZÀ-Þ][a-zß-ÿ]{1,20}){1,2}\b")
# A capital here makes no name.
_NOT_NAMES = _words(
    "actually instead sorry correction monday tuesday wednesday thursday friday saturday sunday "
    "the this that update please never always only all from for our we now new branch access "
    "release "
    "launch project budget report support staging production make keep put use no hard safety goal "
    "user fact i it"
)


class Value(NamedTuple):
    """A value in a line.

    Attributes:
        kind: What it is, one of `_KINDS` or "name".
        text: As it stands there.
        start: Where.
    """

    kind: str
    text: str
    start: int


def values_of(text: str) -> list[Value]:
    """Return the values in a text by kind, in order."""
    found: list[Value] = []
    if not _MARKS.isdisjoint(text) or _SPELT.search(text):
        found += [
            Value(match.lastgroup or "", match[0].strip(), match.start())
            for match in _values().finditer(text)
        ]
    for match in _WORD.finditer(text):
        kind = _BY_WORD.get(match[0].lower())
        if kind:
            found.append(Value(kind, match[0], match.start()))
    if not text.isascii() or _DAY.search(text):
        found += [Value("weekday", match[0], match.start()) for match in _days().finditer(text)]
    for match in _NAMES.finditer(text):
        name, start = match[0], match.start()
        while " " in name and name.split(" ", 1)[0].lower() in _NOT_NAMES:
            first, name = name.split(" ", 1)
            start += len(first) + 1
        if " " in name and not any(value.start == start for value in found):
            found.append(Value("name", name, start))
    found.sort(key=lambda value: value.start)
    return found


# A necessary part of every weekday in plain letters: most lines have none, and this is quick.
_DAY = re.compile(
    r"day|\b[Mm]on|\b[Tt]ue|\b[Ww]ed|\b[Tt]hu|\b[Ff]ri|\b[Ss]at|\b[Ss]un|tag\b|woch|di\b|"
    r"unes|artes|ueves|iernes|omingo|abato|omenica|egunda|uarta|uinta|exta|torek|obot|edziel"
)
_MARKS = frozenset("0123456789@/")
_SPELT = re.compile(r"(?:hundred|thousand| [Tt]ime)\b")


@cache
def _values() -> re.Pattern[str]:
    return re.compile(
        "|".join(f"(?P<{kind}>{form})" for kind, form in _KINDS.items()), re.IGNORECASE
    )


@cache
def _days() -> re.Pattern[str]:
    return re.compile(rf"\b(?:{_WEEKDAYS})s?\b|{_WEEKDAYS_CJK}", re.IGNORECASE)


# --- Attributes ------------------------------------------------------------------------------


class _Attribute(NamedTuple):
    """What people set and change.

    Attributes:
        name: Its name.
        telling: Stems of which one has to stand in a line that sets it.
        words: Stems that say nothing of what it is set for.
        kinds: Kinds of values that it takes.
    """

    name: str
    telling: frozenset[str]
    words: frozenset[str]
    kinds: frozenset[str]


def _stems(text: str) -> Iterator[str]:
    """Yield what words there are in a folded text; pairs of signs where no blanks part them."""
    for word in _WORD.findall(text):
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


_STOPS = _STOP | frozenset(map(_stem, _STOP))


def _attribute(name: str, kinds: str, *, says: str, of: str = "", beside: str = "") -> _Attribute:
    """Return an attribute.

    Args:
        name: Its name.
        kinds: Kinds of values that it takes.
        says: Words for it.
        of: Things of which it is said without such a word: "the launch is on Friday".
        beside: Words that often stand with it and say nothing of what it is set for.
    """
    return _Attribute(
        name,
        frozenset(map(_stem, f"{says} {of}".split())),
        frozenset(map(_stem, f"{says} {beside}".split())),
        frozenset(kinds.split()),
    )


_ATTRIBUTES = (
    _attribute(
        "money",
        "money",
        says="budget cap spend spending cost costs expense expenses ceiling limit capped allowance",
        beside="price exceed exceeding approval explicit maximum max amount pay dollars euros stay "
        "below under keep pass without spent",
    ),
    _attribute(
        "when",
        "date weekday time",
        says="deadline due date schedule scheduled timing delivery ship",
        of="launch release freeze meeting appointment deploy report review call kickoff demo "
        "workshop "
        "interview",
        beside="target planned deliver happens start begins takes place fixed lands slated "
        "does moved "
        "plan past day time send",
    ),
    _attribute(
        "zone",
        "zone",
        says="timezone time times zone timestamp timestamps clock clocks",
        beside="report reports reported show shown put convert status display",
    ),
    _attribute(
        "title",
        "ident code name",
        says="codename called calling label designated named name title renamed",
        beside="call refer internal internally known rename dubbed",
    ),
    _attribute(
        "who",
        "name",
        says="sign signs signed owner owns on-call oncall pager duty escalation approver "
        "approve approval "
        "approving reviewer reviews lead assignee contact responsible shift call",
        beside="own owned leads assigned rotation handling handles charge approves approved "
        "signing "
        "off review belongs week nobody else weeks",
    ),
    _attribute(
        "branch",
        "path ident",
        says="branch rebased checkout development",
        beside="rebase checked out dev active parked working work based base unpushed push "
        "pushed stay must",
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

# --- Words of change -------------------------------------------------------------------------

_CHANGE = (
    r"\b(?:actually|instead|rather|make (?:that|it)|change[ds]? (?:(?!from\b|"
    r"on\b)[^.]){0,60}?\bto|moved?|"
    r"switch(?:ed)?|swap(?:ped)?|"
    r"update[ds]?|correction|corrected|(?<=\w )now|no longer|any ?more|from now on|revised|"
    r"replaced?|"
    r"on second thoughts?|i meant|should (?:have been|read)|turns out|postponed?|rescheduled?|"
    r"pushed (?:back|to)|"
    r"brought forward|bump(?:ed)?|raised?|lowered?|increased?|reduced?|cut to|(?:grew|grown|"
    r"rose|risen|fell|fallen|shrank|shrunk|dropped|went (?:up|down)|is up|is down) to|"
    r"rename[ds]?|sorry|oops|after all|"
    r"stattdessen|doch|lieber|geändert|änder\w*|verschoben|jetzt|nun|nicht mehr|finalement|"
    r"plutôt|en fait|"
    r"désormais|au lieu|chang(?:ez|é|ée|eons)|reportée?|mejor|en realidad|cambi\w+|ahora|ya no|"
    r"anzi|invece|"
    r"cambia\w*|"
    r"meglio|spostat\w+|ora|na verdade|melhor|mud[ae]\w*|agora|eigenlijk|toch|wijzig\w*|"
    r"verander\w*|"
    r"verplaatst|nu|jednak|zmień\w*|teraz|zamiast|теперь|лучше|вместо|измени\w*|перен\w+|"
    r"вс[её]-таки)\b|"
    r"やっぱり|やはり|に変更|に変え|訂正|代わりに|改[成为為到]|[换換][成到]|[还還]是|更正|"
    r"其[实實]|대신|바꿔|변경|역시|정정"
)
# These announce a change even if nothing is found that they change.
_ANNOUNCED = (
    r"^(?:actually|instead|correction|update|oops|scratch that|on second thoughts?|no,? wait|"
    r"wait|sorry)\b|"
    r"\b(?:make (?:that|it)|change (?:that|it|the|my|our)|switch (?:to|the|my)|instead|moved "
    r"to|no longer|"
    r"after all|i meant|should have been|stattdessen|finalement|mejor|invece|zamiast)\b"
)
_TAKEN_BACK = (
    r"\b(?:scratch (?:that|this|all|it|the)|strike that|forget (?:that|this|it|about|the|what|"
    r"everything|all|"
    r"\w+ and \w+)|never ?mind|(?:ignore|disregard) (?:the|my|what|everything|all|that|this|"
    r"earlier|"
    r"previous)|cancel that|i take (?:it|that) back|take that back|on second thoughts?|"
    r"changed (?:my|our) minds?|change of (?:heart|direction)|change of plans?(?= "
    r"?[:,;\u2014-])|let me (?:revise|rephrase|correct)|"
    r"final (?:answer|decision)|off the table|total reset|start(?:ing)? over|full pivot|"
    r"pivot(?:ing)?|"
    r"swap (?:the|out|our)|drop (?:that|the|this)|different (?:plan|approach|direction)|"
    r"(?:new|revised) (?:plan|approach|direction)|go(?:ing)? (?:\w+ )?(?:with|for) .{1,60} "
    r"instead|instead|"
    r"rather than|no longer|vergiss|vergessen sie|oublie[zr]?|olvida|olvídalo|dimentica|"
    r"esque[çc][ae]|"
    r"vergeet|zapomnij|забудь)\b|算了|忘了|忘れて|잊어"
)
_EVERYTHING = (
    r"\b(?:everything|all of (?:this|that|it)|all (?:this|that)|so far|total reset|full pivot|"
    r"start(?:ing)? over|"
    r"from scratch|complete(?:ly)? (?:different|new))\b"
)
_PLAN = (
    r"\b(?:let's (?:instead |just |now )?(?!not\b|see\b|say\b|dig\b|talk\b|hear\b|plan\b|"
    r"swap\b|switch\b|start\b)|"
    r"(?:i think |maybe |yeah )?we (?:should|could|will|can) (?:instead |just )?(?!not\b)|"
    r"we'll (?:instead |just )?|we(?:'re| are) going to|we're |i'm going to|"
    r"(?:(?:the|our|my|current|new|final|revised) )*(?:plan|approach|decision|proposal|"
    r"strategy|idea)"
    r"(?: (?:for|with) [^:.]{1,60})?(?: is(?: to)?|:))\s*(?P<what>[^.!?\n]{3,160})"
)
_LIFTED = (
    r"\bafter all\b|\b(?:may|can|could|free to|fine to|ok to|okay to|allowed to|alright to) "
    r"(?:now |again )?\w+.{0,60}"
    r"\b(?:now|again|any ?more|anyway)\b|\b(?:no longer|not|isn't|aren't|doesn't|don't|do not|"
    r"does not)(?: \w+){0,3} "
    r"(?:necessary|required|apply|applies|matters?|important|an issue|a problem|valid|have to|"
    r"need to)\b|"
    r"\b(?:is|are|has been) (?:lifted|dropped|gone|void|waived|removed|cancelled|canceled|"
    r"obsolete|history|relaxed)\b|"
    r"\b(?:forget|ignore|drop|lift|waive|skip|disregard|never ?mind|scrap|relax) (?:about |"
    r"what i said about )?"
    r"(?:the|my|that|our|about|what)\b|\b(?:it's|it is|that's) (?:fine|ok|okay|alright|all "
    r"right)\b|"
    r"\b(?:is|are) (?:fine|ok|okay|allowed|alright|permitted|possible|welcome) (?:now|again|too)\b|"
    r"\byou (?:can|may) (?:now|ignore|drop|forget)\b|\bi (?:don't|do not) (?:mind|care)\b|"
    r"\bchanged my mind about\b|"
    r"\b(?:nicht mehr|doch wieder|darfst (?:du )?(?:doch|jetzt|wieder)|finalement|tu peux|ya "
    r"no|puedes|non più|"
    r"puoi|não precisa|pode agora|hoeft niet|mag toch|możesz jednak|уже не|можно)\b"
)
_BANS = re.compile(
    r"\b(?:never|not|don't|no|avoid|without|nie|jamais|nunca|mai|nooit|nigdy|никогда)\b"
)
_COPULA = re.compile(r"\b(?:is|are|must|stays?|remains?|runs?|lives?|costs?|takes?)\b")


@cache
def _pattern(form: str) -> re.Pattern[str]:
    return re.compile(form)


@dataclass(slots=True, eq=False)
class _Said:
    """A line as far as it matters for what holds.

    Attributes:
        order: Its place.
        line: The line.
        values: Its values.
        scopes: For each attribute that it sets, what else it names.
        plan: Stems of what it proposes.
        plan_at: Where that begins in the text.
        demand: How much it demands.
        text: What is shown of it.
        carriers: Earlier lines that show its value in place of their own.
    """

    order: int
    line: Line
    values: list[Value] = field(default_factory=list)
    scopes: dict[str, frozenset[str]] = field(default_factory=dict)
    plan: frozenset[str] = frozenset()
    plan_at: int = 0
    demand: Strength = Strength.NONE
    text: str = ""
    carriers: list[_Said] = field(default_factory=list)
    _low: str | None = None
    _words: frozenset[str] | None = None

    @property
    def low(self) -> str:
        """Its text, folded."""
        if self._low is None:
            text = self.line.text[:_LONGEST]
            self._low = " ".join(text.lower().replace("\u2019", "'").split())
        return self._low

    @property
    def words(self) -> frozenset[str]:
        """Stems of the words that carry something; of most lines nobody asks for them."""
        if self._words is None:
            stems = _stems(self.low)
            self._words = frozenset(stem for stem in stems if stem not in _STOPS and len(stem) > 1)
        return self._words


class Standing(NamedTuple):
    """What holds after all that was said. Lines are named by position and text.

    Attributes:
        changed: What is shown of lines that no longer hold as they were said; `GONE` for nothing.
        settled: Lines that set an attribute or change what was said, as far as they hold.
        ended: Lines that only say what is off.
    """

    changed: dict[tuple[int, str], str]
    settled: frozenset[tuple[int, str]]
    ended: frozenset[tuple[int, str]]


def standing(lines: Sequence[Line]) -> Standing:
    """Say what of a conversation holds.

    Args:
        lines: What was said, oldest first; lines of one message have one position.
    """
    talk = _Talk()
    for message in _messages(lines):
        talk.hear(message)
    settled = (place for place in talk.settled if talk.changed.get(place) != GONE)
    return Standing(talk.changed, frozenset(settled), frozenset(talk.ended))


def _speaks_of(form: str, low: str) -> bool:
    return bool(_pattern(form).search(low))


def _put(text: str, stale: str, now: str) -> str:
    """Return a text with the new value where the old one stood by itself."""
    form = re.escape(stale)
    if stale[0].isascii() and stale[0].isalnum():
        form = rf"(?<![^\W_]){form}"
    if stale[-1].isascii() and stale[-1].isalnum():
        form = rf"{form}(?![^\W_])"
    return re.sub(rf"\[now {form}\]|{form}", lambda _: f"[now {now}]", text)


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
        self.settled: dict[tuple[int, str], None] = {}
        self.ended: set[tuple[int, str]] = set()
        self._set: defaultdict[str, deque[_Said]] = defaultdict(lambda: deque(maxlen=_RECENT))
        self._kinds: defaultdict[str, deque[_Said]] = defaultdict(lambda: deque(maxlen=_RECENT))
        self._plans: deque[_Said] = deque(maxlen=_RECENT)
        self._demands: deque[_Said] = deque(maxlen=4 * _RECENT)
        self._said: deque[_Said] = deque(maxlen=_ECHOES)

    def hear(self, message: Sequence[tuple[int, Line]]) -> None:
        """Take in one message: what it changes first, then what it says."""
        said = [_read(order, line) for order, line in message]
        if said[0].line.by_user:
            own = said if len(said) <= _DOCUMENT else [*said[:_OWN], *said[-_OWN:]]
            self._take_back(own)
            for one in own:
                if not one.low.endswith("?"):
                    self._change(one)
                    self._lift(one)
        for one in said:
            self._remember(one)

    def _remember(self, one: _Said) -> None:
        self._said.append(one)
        if not one.line.by_user or one.low.endswith("?"):
            return
        for name in one.scopes:
            self._set[name].append(one)
        if one.scopes or (one.values and _speaks_of(_ANNOUNCED, one.low)) or _defines(one):
            self.settled[one.line.position, one.line.text] = None
        for kind in {value.kind for value in one.values}:
            self._kinds[kind].append(one)
        if one.plan:
            self._plans.append(one)
        if one.demand:
            self._demands.append(one)

    def _change(self, new: _Said) -> None:
        """Let a line replace what set the same attribute, or a value of the same kind."""
        done: set[int] = set()
        for name, scope in new.scopes.items():
            for old in list(self._set[name]):
                if old.text and old.order not in done and _same_scope(name, old, new, scope):
                    done.add(old.order)
                    self._replace(old, new, _BY_NAME[name].kinds, _BY_NAME[name].words)
        if not new.values:
            return
        announced = _speaks_of(_CHANGE, new.low)
        if not (announced or new.demand):
            return
        for kind in {value.kind for value in new.values}:
            for old in reversed(self._kinds[kind]):
                if old.order in done or not old.text or _set_apart(kind, old, new):
                    continue
                if announced and _is_meant(kind, old, new):
                    done.add(old.order)
                    self._replace(old, new, frozenset({kind}), frozenset())
                    break
                if _is_restated(old, new):
                    done.add(old.order)
                    self._replace(old, new, frozenset({kind}), new.words)
                    break

    def _replace(
        self, old: _Said, new: _Said, kinds: frozenset[str], telling: frozenset[str]
    ) -> None:
        """Show the new value where the old one stood, or nothing if that was all there was."""
        now = [value for value in new.values if value.kind in kinds]
        self.settled[new.line.position, new.line.text] = None
        stale = [
            value
            for value in old.values
            if value.kind in kinds and value.text.lower() not in new.low
        ]
        alike = {value.kind for value in now}
        stale = [value for value in stale if value.kind in alike] or stale
        if not stale or not now:
            return
        ignored = set(telling) | new.words
        for value in old.values:
            ignored.update(_stems(value.text.lower()))
        rest = old.words - ignored
        if len(rest) <= (_LITTLE if telling else 0):
            self._show(old, GONE)
        else:
            text = old.text
            for value in stale:
                text = _put(text, value.text, now[0].text)
            self._show(old, text)
            new.carriers.append(old)
        for carrier in old.carriers:
            text = carrier.text
            for value in stale:
                text = _put(text, value.text, now[0].text)
            self._show(carrier, text)
        new.carriers = [*old.carriers, *new.carriers][-_RECENT:]
        self._forget_echoes(old, new, stale, now[0])

    def _forget_echoes(self, old: _Said, new: _Said, stale: Iterable[Value], now: Value) -> None:
        """Change what was said of a stale value since it was set, and before it was changed."""
        for value in stale:
            words = list(_stems(value.text.lower()))
            if not words or value.kind == "number":
                continue
            coded = len(value.text) > _SHORT and any(map(str.isdigit, value.text))
            distinct = coded or len(words) > 1
            for echo in self._said:
                if echo.order <= old.order or value.text not in echo.text:
                    continue
                if distinct or echo.words & (old.words - set(words)):
                    new.carriers.append(echo)
                    self._show(echo, _put(echo.text, value.text, now.text))

    def _take_back(self, message: Sequence[_Said]) -> None:
        """Drop the plans that a message takes back, and what repeats them."""
        whole = " ".join(one.low for one in message)
        if not _speaks_of(_TAKEN_BACK, whole):
            return
        fresh = frozenset[str]().union(*(one.plan for one in message))
        cue = next((n for n, one in enumerate(message) if _pattern(_TAKEN_BACK).search(one.low)), 0)
        for one in message[cue:]:
            if one.plan or one.values:
                self.settled[one.line.position, one.line.text] = None
        holding = [plan for plan in self._plans if plan.text and not plan.plan <= fresh]
        if not _pattern(_EVERYTHING).search(whole):
            said = frozenset[str]().union(*(one.words for one in message[cue:]))
            holding = _meant(holding, said, message[0].line.position, named=not fresh)
        for one in message[cue:] if holding else ():
            if not one.low.endswith("?"):
                self.settled[one.line.position, one.line.text] = None
        for plan in holding:
            stale = plan.plan - fresh
            head = plan.text[: plan.plan_at]
            lead = plan.words.intersection(_stems(head.lower()))
            self._show(plan, f"{head.rstrip()} [changed later]" if len(lead) > 1 else GONE)
            self._forget_plan(plan, stale)
            for one in message:
                said_again = len(stale & one.words) >= _MOSTLY * max(1, len(stale))
                if said_again and not one.plan & fresh - stale:
                    self.settled.pop((one.line.position, one.line.text), None)
                    self.ended.add((one.line.position, one.line.text))

    def _forget_plan(self, plan: _Said, stale: frozenset[str]) -> None:
        if len(stale) < 2:  # noqa: PLR2004 - one word is in too many lines
            return
        for echo in self._said:
            if echo is plan or not echo.text:
                continue
            if not echo.line.by_user and any(map(str.isdigit, echo.low)):
                continue  # it says more than that
            if len(stale & echo.words) >= _MOSTLY * len(stale):
                self._show(echo, GONE)

    def _lift(self, new: _Said) -> None:
        """Drop a demand that a line takes back, or turns round."""
        if not self._demands:
            return
        lifted = _speaks_of(_LIFTED, new.low)
        bans = bool(_BANS.search(new.low))
        certain = not _UNSURE.search(new.low)
        if not lifted and not new.demand:
            return
        for old in reversed(self._demands):
            if not old.text or not old.words or old.demand < Strength.WISH:
                continue
            shared = old.words & new.words
            share = len(shared) / len(old.words)
            if lifted and not (bans and new.demand >= Strength.RULE and not _lifts_by_ban(new.low)):
                turned = bans != bool(_BANS.search(old.low)) or _lifts_by_ban(new.low)
                if turned and share >= _HALF and (len(shared) > 1 or len(old.words) == 1):
                    self._show(old, GONE)
                    self.settled[new.line.position, new.line.text] = None
                    return
            elif (
                certain
                and share >= _TURNED
                and len(shared) >= _MANY
                and bans != bool(_BANS.search(old.low))
            ):
                self._show(old, GONE)
                self.settled[new.line.position, new.line.text] = None
                return

    def _show(self, one: _Said, text: str) -> None:
        one.text = text
        self.changed[one.line.position, one.line.text] = text


def _meant(
    plans: Sequence[_Said], said: frozenset[str], position: int, *, named: bool
) -> list[_Said]:
    """Return the plan that a message takes back: the newest of which it speaks, else the last.

    Args:
        plans: Those that hold, oldest first.
        said: Stems of the message.
        position: Its place.
        named: Nothing is planned in its place, so it has to name what it takes back.
    """
    found = max(
        reversed(plans), key=lambda plan: len(plan.plan & said) / len(plan.plan), default=None
    )
    if found is not None:
        share = len(found.plan & said) / len(found.plan)
        if share >= (_HALF if named else _SOME):
            return [found]
    if named or not plans or position - plans[-1].line.position > _SOON:
        return []
    return [plans[-1]]


_SOME = 0.2
_SOON = 6
"""Items within which "scratch that" means what was said, whatever its words."""

_SHORT = 3
_LITTLE = 3
_MOSTLY = 0.7
_HALF = 0.5
_TURNED = 0.7
_MANY = 2
_BY_NAME = {attribute.name: attribute for attribute in _ATTRIBUTES}


def _lifts_by_ban(low: str) -> bool:
    """Say whether a line lifts by a "not": "you do not have to ...", "forget the ..."."""
    return bool(_LIFTING.search(low))


_UNSURE = re.compile(r"^if |\b(?:could|would|might|maybe|perhaps)\b")
_LIFTING = re.compile(
    r"\b(?:no longer|forget|ignore|drop|lift|waive|skip|disregard|never ?mind|scrap|relax|"
    r"lifted|dropped|gone|"
    r"void|waived|removed|obsolete|relaxed)\b|(?:\bnot|n't) (?:\w+ ){0,2}(?:need to|have to|"
    r"matter|apply)"
)


def _stems_of(values: Iterable[Value]) -> set[str]:
    return {stem for value in values for stem in _stems(value.text.lower())}


def _read(order: int, line: Line) -> _Said:
    said = _Said(order, line, text=line.text)
    if not line.by_user:
        return said
    text, low = line.text[:_LONGEST], said.low
    said.values = values_of(text)
    said.demand = strength(text)
    if said.values:
        _read_attributes(said, text)
    if not low.endswith("?"):
        match = _pattern(_PLAN).search(low) if len(low) == len(text) else None
        if match:
            said.plan = said.words.intersection(_stems(match["what"]))
            said.plan_at = match.start("what")
    return said


def _read_attributes(said: _Said, text: str) -> None:
    """Note which attributes a line sets, and of what."""
    stems = frozenset(_stems(said.low))
    words = said.words
    kinds = {value.kind for value in said.values}
    taken = _stems_of(said.values)
    for attribute in _ATTRIBUTES:
        if not attribute.kinds.isdisjoint(kinds) and not attribute.telling.isdisjoint(stems):
            near = _clause(text, [value for value in said.values if value.kind in attribute.kinds])
            about = words.intersection(_stems(near.lower()))
            said.scopes[attribute.name] = about - attribute.words - taken


def _clause(text: str, values: Sequence[Value]) -> str:
    """Return the part of a sentence that speaks of its first value, without a label before it."""
    start = 0
    for mark in _CLAUSE_END.finditer(text):
        if mark.start() > values[0].start:
            return text[start : mark.start()]
        is_label = (
            mark[0].startswith(":") and len(_WORD.findall(text[: mark.start()])) <= _LABEL_WORDS
        )
        if not mark[0].startswith(":") or is_label:
            start = mark.end()
    return text[start:]


_CLAUSE_END = re.compile(r"[;:\u2014](?=\s)")
_LABEL_WORDS = 3


def _same_scope(name: str, old: _Said, new: _Said, scope: frozenset[str]) -> bool:
    """Say whether two lines set the same attribute of the same thing."""
    kinds = _BY_NAME[name].kinds
    if not _differ(old, new, kinds):
        return False
    earlier = old.scopes[name]
    if earlier <= scope or scope <= earlier:
        return True
    announced = _speaks_of(_CHANGE, new.low)
    return announced and len(earlier & scope) >= _HALF * min(len(earlier), len(scope))


def _defines(one: _Said) -> bool:
    """Say whether a line says what something is: a name, a place, a number that is no guess."""
    return any(value.kind in _DEFINING for value in one.values) and bool(_COPULA.search(one.low))


_DEFINING = frozenset({"email", "url", "money", "date", "path", "ident", "version", "zone", "name"})


def _differ(old: _Said, new: _Said, kinds: Collection[str]) -> bool:
    """Say whether two lines have values of these kinds, and none that is the same."""
    before = [
        _NUMBERS.get(value.text.lower(), value.text.lower())
        for value in old.values
        if value.kind in kinds
    ]
    after = [
        _NUMBERS.get(value.text.lower(), value.text.lower())
        for value in new.values
        if value.kind in kinds
    ]
    same = any(one in other or other in one for one in before for other in after)
    return bool(before and after) and not same


_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
} | {"twelve": "12"}


def _set_apart(kind: str, old: _Said, new: _Said) -> bool:
    """Say whether two lines set the same attribute of different things."""
    return any(kind in _BY_NAME[name].kinds for name in old.scopes.keys() & new.scopes.keys())


def _is_meant(kind: str, old: _Said, new: _Said) -> bool:
    """Say whether an announced change means the value of that kind in an earlier line."""
    if _BESIDES.search(new.low):
        return False
    if not _differ(old, new, {kind}):
        return False
    taken = _stems_of(new.values)
    taken.update(stem for cue in _pattern(_CHANGE).finditer(new.low) for stem in _stems(cue[0]))
    about = new.words - taken
    if not about:
        return new.line.position - old.line.position <= _NEAR
    # Endings, and signs in pairs, hide what is the same in other languages.
    plain = new.low.isascii() and not _pattern(_ANNOUNCED).match(new.low)
    share = _HALF if plain else _SOME
    return len(about) <= _BRIEF and len(about & old.words) >= share * len(about)


# What comes beside, or under a condition, changes nothing.
_BESIDES = re.compile(
    r"^(?:if|when|unless|in case) |\b(?:also|another|additional|as well|a second|separate(?:ly)?|"
    r"a new (?:one|\w+ight|order|booking|reservation|ticket|request|trip|task))\b"
)
_BRIEF = 8
"""Words of a change; who says more asks for something new."""

_NEAR = 40
"""Items within which a change that names nothing ("make that Tuesday") finds what it means."""


def _is_restated(old: _Said, new: _Said) -> bool:
    """Say whether a demand or a definition is said again in the same words with other values."""
    taken = _stems_of((*old.values, *new.values))
    before, after = old.words - taken, new.words - taken
    if len(before & after) < 3:  # noqa: PLR2004 - fewer words are in many a request
        return False
    same = len(before & after) >= 0.8 * len(before | after)
    return same and bool(old.demand or _COPULA.search(old.low))
