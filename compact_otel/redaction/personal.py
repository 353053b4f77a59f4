"""Personal data that tells itself: e-mail addresses, and numbers that their form gives away.

What is written like a date, a version, an address of the network or a plain number stays.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from compact_otel.redaction.kinds import ESCAPED, Span, after_escape

_LOCAL = re.compile(r"[\w.%+'-]{1,64}")
_DOMAIN = re.compile(r"@(?:[\w-]{1,63}\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,40})(?![\w-])")
_USER_INFO = re.compile(
    r"://(?:(?P<user>[^\s:@/\"'<>]{0,128}):(?P<password>[^\s\"'<>/?#]{1,512})"
    r"|(?P<token>[^\s:@/\"'<>?#]{16,512}))@(?=[^\s@/]|/)"
)
_NEAR = 700


def addresses(
    text: str, signs: Iterable[tuple[int, bytes]], denied: Collection[str]
) -> Iterator[Span]:
    """Yield e-mail addresses, and the passwords of addresses such as `db://user:password@host`.

    Args:
        text: The text.
        signs: Where `@` stands.
        denied: Kinds of personal data that are looked for.
    """
    done = 0
    for place, _ in signs:
        if place < done:
            continue
        span = _password(text, place) or ("email" in denied and _email(text, place)) or None
        if span is not None:
            done = span[1] + 1
            yield span


def _password(text: str, place: int) -> Span | None:
    near = max(0, place - _NEAR)
    scheme = text.rfind("://", near, place)
    if scheme < 0 or any(blank in text[scheme:place] for blank in " \n\t\"'"):
        match = _DSN.search(text[max(0, place - 200) : place][::-1])
        is_dsn = match and text.startswith(("tcp(", "unix(", "("), place + 1)
        return (place - match.end("password"), place) if match and is_dsn else None
    match = _USER_INFO.match(text, scheme)
    if match is None:
        return None
    return match.span("token" if match["password"] is None else "password")


_DSN = re.compile(r"\A(?P<password>[^\s:/@\"']{1,128}):[\w.-]{1,64}")


def _email(text: str, place: int) -> Span | None:
    domain = _DOMAIN.match(text, place)
    local = _LOCAL.match(text[max(0, place - 64) : place][::-1])
    if domain is None or local is None:
        return None
    start = after_escape(text, place - local.end())
    return (start, domain.end()) if start < place else None


PLUS = re.compile(rb"\+(?=0)")
_INTERNATIONAL = re.compile(
    r"\+[1-9]\d{0,2}[ ./-]?(?:\(0?\d{1,4}\)[ ./-]?)?\d{1,14}(?:[ ./-]{1,2}\d{2,8}){0,6}(?![\d.]*\d)"
)
# What North America writes, and what begins with the zero of a trunk line.
_NATIONAL = re.compile(
    r"(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d([ .-]))[2-9]\d\d[ .-]\d{4}(?![\w-])"
    r"|\(?0[1-9]\d{0,4}\)?[ /-]{1,3}\d{2,8}(?:[ -]\d{2,5}){0,4}(?![\w-])"
    r"|00[1-9]\d{0,2}(?:[ -]?\d{2,5}){2,5}(?![\w-])"
)
_FEWEST, _MOST = 8, 15


def phone_numbers(text: str, signs: Iterable[tuple[int, bytes]]) -> Iterator[Span]:
    """Yield phone numbers in international form; those in national form are `numbers`.

    Args:
        text: The text.
        signs: Where `PLUS` matches.
    """
    for place, _ in signs:
        if _continues(text, place, ").]_+"):
            continue
        match = _INTERNATIONAL.match(text, place)
        if match and _FEWEST <= _digits(match[0]) <= _MOST:
            yield match.span()


def _digits(text: str) -> int:
    return sum(map(str.isdigit, text))


_CARD = re.compile(
    r"(?:3[47]\d\d([ -]?)\d{6}\1\d{5}|3[0689]\d\d([ -]?)\d{6}\2\d{4}"
    r"|[2-6]\d{3}([ -]?)\d{4}\3\d{4}\3\d{1,4}(?:\3\d{1,3})?)(?![\w-]|\.\d)"
)
_SOCIAL_SECURITY = re.compile(r"(?!000|666|9)\d{3}([- ])(?!00)\d\d\1(?!0000)\d{4}(?![\w-])")
_ACCOUNT = re.compile(r"[A-Z]{2}\d\d(?:[ -]?[A-Z0-9]){11,30}")
_BEFORE = 34


def numbers(
    text: str, groups: Iterable[tuple[int, bytes]], denied: Collection[str]
) -> Iterator[Span]:
    """Yield card, account, social security and national phone numbers.

    Args:
        text: The text.
        groups: What `Shadow.numbers()` tells of it.
        denied: Kinds of personal data that are looked for.
    """
    done = 0
    for place, _ in groups:
        if place < done:
            continue
        span = _beside_a_name(text, place, done, denied)
        if span is not None:
            done = span[1]
            yield span
            continue
        if _DATE.match(text, place):
            continue
        for start in _starts(text, place, done):
            span = _number(text, start, denied)
            if span is not None and span[1] > place:
                done = span[1]
                yield span
                break


# What people write in front of a number without a colon: `DOB 03/05/1984`, `SSN 219099999`.
_SAID: Final = {
    "birth_date": (
        *("dob", "born", "born on", "of birth", "birthday", "birthdate", "birth date"),
        *("geboren", "geboren am", "né le", "née le"),
    ),
    "national_id": ("ssn", "social security", "security number", "passport", "tax id", "cpf"),
    "phone": (
        *("phone", "phone number", "tel", "telephone", "mobile", "cell", "call", "call me", "fax"),
        *("whatsapp", "text", "text me", "handy", "telefon", "telefono", "telefone", "móvil"),
    ),
    "bank_account": ("iban", "account", "account number", "acct", "routing number", "konto"),
    "card": ("card", "card number", "amex", "visa", "mastercard"),
}
_VERBS: Final = ("is", "was", "at", "on", "no", "number", "ist", "est", "es", "now")
_SIGNS: Final = r"\"'\\:=.#()\[\]{}*_,+"
_BETWEEN: Final = rf"(?=[{_SIGNS}]*+\s)[{_SIGNS}\s]++"


def _mirrored(phrases: Iterable[str]) -> str:
    return "|".join(phrase[::-1].replace(" ", _BETWEEN) for phrase in phrases)


# Read from the right: what begins the number, at most one verb, and a name that is a word.
_SAID_BEFORE = re.compile(
    rf"(?P<number>[0-9./-]{{0,20}}+)[{_SIGNS}\s]*+(?:(?:{_mirrored(_VERBS)}){_BETWEEN})?(?:"
    + "|".join(f"(?P<{kind}>{_mirrored(phrases)})" for kind, phrases in _SAID.items())
    + rf")(?=[{_SIGNS}]*+(?:\s|\Z))"
)
_DATE = re.compile(r"\d\d([-./])\d\d\1\d\d(?!\1|\d)")
_GROUP = re.compile(r"[A-Z]{0,3}\d[\d./-]*(?: \d[\d./-]*){0,6}")
_FEWEST_OF: Final = {"birth_date": 6, "national_id": 6, "phone": 7, "bank_account": 8, "card": 12}
_IN_FRONT = 52


def _beside_a_name(text: str, place: int, done: int, denied: Collection[str]) -> Span | None:
    said = _SAID_BEFORE.match(text[max(done, place - _IN_FRONT) : place].lower()[::-1])
    kind = said and said.lastgroup
    if said is None or kind not in denied:
        return None
    group = _GROUP.match(text, place - said.end("number"))
    fits = group is not None and _digits(group[0]) >= _FEWEST_OF[str(kind)]
    return group.span() if group is not None and fits else None


_LEFT = re.compile(r"[0-9A-Z() ./+-]*")


def _starts(text: str, place: int, done: int) -> Iterator[int]:
    """Yield where a number may begin that stands around `place`, from the left."""
    reach = _LEFT.match(text[max(done, place - _BEFORE) : place][::-1])
    first = place - (reach.end() if reach else 0)
    for start in range(first, place + 1):
        sign = text[start]
        if (sign.isalnum() or sign == "(") and not _continues(text, start, "_."):
            yield start


def _continues(text: str, start: int, signs: str) -> bool:
    """Say whether a word, or one of some signs, ends at `start`: there no number begins."""
    before = text[start - 1 : start]
    if not before or not (before.isalnum() or before in signs):
        return False
    return before not in ESCAPED or text[start - 2 : start - 1] != "\\"


def _number(text: str, start: int, denied: Collection[str]) -> Span | None:
    if "card" in denied and (match := _CARD.match(text, start)) and has_card_check(match[0]):
        return match.span()
    if "bank_account" in denied and (end := _account_end(text, start)):
        return start, end
    if text[start - 1 : start] == "-":
        return None
    if "national_id" in denied and (match := _SOCIAL_SECURITY.match(text, start)):
        return match.span()
    match = _NATIONAL.match(text, start) if "phone" in denied else None
    return match.span() if match and _FEWEST < _digits(match[0]) <= _MOST else None


def has_card_check(number: str) -> bool:
    """Say whether the last digit of a card's number is right (ISO/IEC 7812, Luhn's formula)."""
    digits = [int(sign) for sign in reversed(number) if sign.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


# Length of an IBAN by its country (ISO 13616, registry of SWIFT).
_LENGTHS: Final = {
    country: int(length)
    for length, countries in (
        line.split(":")
        for line in (
            "15:NO",
            "16:BE",
            "18:DK FI FO GL NL SD FK",
            "19:MK SI",
            "20:AT BA EE KZ LT LU XK MN",
            "21:CH HR LI LV",
            "22:BG BH CR DE GB GE IE ME RS VA",
            "23:AE GI IL IQ OM SO TL",
            "24:AD CZ ES MD PK RO SA SE SK TN VG",
            "25:LY PT ST",
            "26:IS TR",
            "27:BI DJ FR GR IT MC MR SM",
            "28:AL AZ BY CY DO GT HU LB NI PL SV",
            "29:BR EG PS QA UA",
            "30:JO KW MU YE",
            "31:MT SC",
            "32:LC",
            "33:RU",
        )
    )
    for country in countries.split()
}


def _account_end(text: str, start: int) -> int | None:
    length = _LENGTHS.get(text[start : start + 2])
    if length is None or not _ACCOUNT.match(text, start):
        return None
    compact, end = "", start
    while len(compact) < length and end < min(len(text), start + 2 * length):
        if text[end].isalnum():
            compact += text[end]
        elif text[end] not in " -":
            return None
        end += 1
    whole = len(compact) == length and not text[end : end + 1].isalnum()
    return end if whole and has_account_check(compact) else None


def has_account_check(number: str) -> bool:
    """Say whether the check digits of an IBAN without blanks are right (ISO 7064, modulo 97)."""
    turned = number[4:] + number[:4]
    return turned.isascii() and int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1
