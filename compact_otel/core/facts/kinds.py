"""Values in what people say, by kind: amounts, dates, identifiers, colours, names of people.

What changes is a value, and it takes the place of one of its own kind: a Monday becomes a Tuesday,
an amount another amount.
"""

# ruff: noqa: RUF001 - Cyrillic letters are what is looked for

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from compact_otel.core.facts import cues
from compact_otel.core.facts.cues import one_of, words

_WEEKDAYS = words(
    """
    mon monday tue tues tuesday wed wednesday thu thur thurs thursday fri friday sat saturday sun
    sunday montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag lundi mardi
    mercredi jeudi vendredi samedi dimanche lunes martes miércoles jueves viernes sábado domingo
    lunedì martedì mercoledì giovedì venerdì sabato domenica segunda terça quarta quinta sexta
    maandag dinsdag woensdag donderdag vrijdag zaterdag zondag poniedziałek wtorek środa środę
    czwartek piątek sobota sobotę niedziela niedzielę понедельник вторник среда среду четверг
    пятница пятницу суббота субботу воскресенье
    """
)
_WEEKDAYS_CJK = re.compile(
    r"[月火水木金土日]曜日?|(?:星期|周|週|礼拜)[一二三四五六日天]|[월화수목금토일]요일"
)
_MONTHS = one_of(
    r"""
jan(?:uary|uar)? | feb(?:ruary|ruar)? | mar(?:ch)? | märz | apr(?:il)? | may | mai | jun[ei]?
jul[iy]? | aug(?:ust)? | sep(?:t(?:ember)?)? | o[ck]t(?:ober)? | nov(?:ember)?
de[cz](?:ember)? | janvier | février | mars | avril | juin | juillet | août | septembre
octobre | novembre | décembre | enero | febrero | marzo | abril | mayo | junio | julio | agosto
septiembre | octubre | noviembre | diciembre | gennaio | febbraio | aprile | maggio | giugno
luglio | settembre | ottobre | dicembre | janeiro | fevereiro | março | maio | junho | julho
setembro | outubro | novembro | dezembro
"""
)
_COUNTS = one_of(
    r"""
one | two | three | four | five | six | seven | eight | nine | ten | eleven | twelve | fifteen
twenty | thirty | forty | fifty | sixty | seventy | eighty | ninety | a
"""
)
_BY_WORD = {
    word: kind
    for kind, members in {
        "zone": "utc gmt pst est cet cst mst",
        "language": "english german french spanish italian portuguese dutch polish russian "
        "japanese chinese korean deutsch englisch français anglais español inglés "
        "italiano inglese português nederlands engels polsku angielsku",
        "code": "python rust golang typescript javascript kotlin swift java ruby php scala "
        "elixir json yaml xml csv toml markdown html pdf docx xlsx",
        "units": "metric imperial celsius fahrenheit kilometers kilometres miles kilograms",
        "tone": "terse brief short concise detailed verbose long playful warm formal informal "
        "casual friendly light serious technical simple polite blunt thorough compact",
        "colour": "red green blue yellow black white grey gray orange purple pink brown silver "
        "gold navy beige teal",
        "seat": "window aisle middle economy business",
        "size": "small medium large xs xl xxl",
        "pay": "paypal invoice cash voucher certificate visa mastercard amex",
        "number": "two three four five six seven eight nine ten twelve",
    }.items()
    for word in members.split()
} | {f"{day}{ending}": "weekday" for day in _WEEKDAYS for ending in ("", "s")}
_MONEY = (
    r"[$\u20ac\u00a3\u00a5]\s?\d(?:[\d,.]{0,14}\d)?k?|\b\d[\d,.]{0,15}k?\s?"
    r"(?:dollars?|euros?|pounds?|usd|eur|gbp|bucks|\u20ac|\u00a3|元|円|圓|원|yen|zl|zł|руб\w*)\b|"
    rf"\b(?:{_COUNTS}) (?:hundred|thousand)(?: (?:and )?(?:{_COUNTS}))?"
    r"(?: (?:dollars|euros|pounds))?"
)
_DATE = (
    r"\b\d{4}-\d\d-\d\d\b|(?<!version )\b\d{1,2}[./]\d{1,2}(?:[./]\d{2,4})?\b|"
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
_FORMS = "|".join(f"(?P<{kind}>{form})" for kind, form in _KINDS.items())
_VALUES = re.compile(rf"(?:(?<![A-Za-z0-9_])|(?=[$\u20ac\u00a3\u00a5]))(?:{_FORMS})", re.IGNORECASE)
_NAMES = re.compile(r"\b[A-ZÀ-Þ][a-zß-ÿ]{1,20}(?: [A-ZÀ-Þ][a-zß-ÿ]{1,20}){1,2}\b")
_MARKS = frozenset("0123456789@/")
_SPELT = re.compile(r"(?:hundred|thousand| [Tt]ime)\b")
_WORD = re.compile(r"\w+")


class Value(NamedTuple):
    """A value in a line.

    Attributes:
        kind: What it is, one of `_KINDS`, of those in `_BY_WORD`, or "name".
        text: As it stands there.
        start: Where.
    """

    kind: str
    text: str
    start: int


@lru_cache(maxsize=2048)  # what stays is read again at every compaction
def values_of(text: str) -> tuple[Value, ...]:
    """Return the values in a text by kind, in order."""
    found: list[Value] = []
    if not _MARKS.isdisjoint(text) or _SPELT.search(text):
        found += [
            Value(match.lastgroup or "", match[0].strip(), match.start())
            for match in _VALUES.finditer(text)
        ]
    if not _BY_WORD.keys().isdisjoint(_WORD.findall(text.lower())):
        for match in _WORD.finditer(text):
            kind = _BY_WORD.get(match[0].lower())
            if kind:
                found.append(Value(kind, match[0], match.start()))
    if not text.isascii():
        found += [
            Value("weekday", match[0], match.start()) for match in _WEEKDAYS_CJK.finditer(text)
        ]
    for match in _NAMES.finditer(text):
        name, start = match[0], match.start()
        while " " in name and name.split(" ", 1)[0].lower() in cues.NOT_NAMES:
            first, name = name.split(" ", 1)
            start += len(first) + 1
        if " " in name and not any(value.start == start for value in found):
            found.append(Value("name", name, start))
    return tuple(sorted(found, key=lambda value: value.start))


# No value begins inside of a word: said first, it spares eleven attempts at most letters.
