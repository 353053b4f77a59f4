"""Values whose name says what they are: `api_key=...`, `"ssn": "..."`, `--password ...`.

A name counts by how it ends, so `DB_PASSWORD`, `accessToken` and `x-client-secret` are found by
three words. How much is asked of the value depends on how sure the name is:

    password      nothing: whatever follows goes
    secret        nothing between quotes, else it has to look like a secret and not like code
    hint          it has to look like a secret, also between quotes
    signature     it has to look random, or like a hash
    key           it has to look random: there are primary keys and hashes as keys, too
    header        nothing, and it goes to the end of the line
    code          a few digits
    phrase        at least five words, between quotes
    pair          what `name: DB_PASSWORD` in front of `value: ...` says
    cookie        that it has a name of its own
    others        what the kind of personal data looks like
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from typing import Final

from compact_otel.redaction.kinds import PERSONAL_KINDS, Span
from compact_otel.redaction.randomness import is_random
from compact_otel.redaction.shadow import Shadow

# `_` stands for `_`, `-`, `.`, a blank or nothing, 0 for any digit; a word behind `!` begins
# where the name does.
_NAMES: Final = {
    "password": (
        "password passwords passwd passphrase passcode !pwd api_key api_keys passwort kennwort "
        "contrasena contrase?a contrasenya senha wachtwoord haslo has?o heslo losenord l?senord "
        "adgangskode passord salasana jelszo sifre ?ifre mot_de_passe kata_sandi mat_khau "
        "m?t_kh?u"
    ),
    "secret": (
        "secret secrets secret_key secret_key_base secret_value token pw !psw passwrd !jwt !sas "
        "!creds credential credentials access_key private_key account_key encryption_key "
        "signing_key master_key service_key admin_key shared_key storage_key client_key "
        "deploy_key license_key subscription_key function_key app_key application_key "
        "consumer_key auth_key session_key security_key recovery_key recovery_code backup_code "
        "connection_string conn_str oauth webhook_url auth_code geheimnis zugangsdaten clave "
        "chave parola parole_chiave geheim"
    ),
    "header": "authorization !auth_header",
    "cookie": "cookie cookies",
    "hint": "!pass",
    "phrase": "mnemonic seed_phrase recovery_phrase secret_phrase",
    "pair": "!value !default",
    "signature": "!sig signature !psk",
    "key": "key !auth !credentials_json",
    "code": (
        "!pin pin_code !otp !totp mfa_code verification_code one_time_code one_time_password "
        "security_code !cvv !cvc !cvv0 !cvc0"
    ),
    "phone": (
        "phone phones phone_number phone_no mobile mobile_number mobile_no cell_phone !cell "
        "cell_number telephone !tel !fax fax_number whatsapp msisdn contact_number telefon "
        "telefono telefone telefonnummer handynummer !handy movil celular telefoonnummer"
    ),
    "card": (
        "card_number card_no card_num credit_card debit_card credit_card_number debit_card_number "
        "!pan kartennummer numero_de_tarjeta numero_de_carte"
    ),
    "bank_account": (
        "iban account_number account_no routing_number sort_code kontonummer bank_account "
        "numero_de_cuenta aba_number"
    ),
    "national_id": (
        "ssn social_security social_security_number social_security_no social_insurance_number "
        "!nino national_id national_insurance_number tax_id tax_number !tin tax_file_number "
        "passport passport_number passport_no drivers_license driver_license driving_licence "
        "license_number licence_number id_number id_card_number identity_number !cpf !nif !dni "
        "!nie !pesel aadhaar aadhar personnummer steuer_id steueridentifikationsnummer "
        "sozialversicherungsnummer reisepassnummer !curp codice_fiscale nhs_number "
        "medicare_number numero_de_securite_sociale !bsn"
    ),
    "birth_date": (
        "!dob date_of_birth birth_date birth_day birthday born_on geburtsdatum geburtstag "
        "fecha_de_nacimiento date_de_naissance data_de_nascimento data_di_nascita geboortedatum"
    ),
    "name": (
        "first_name last_name full_name sur_name given_name family_name middle_name maiden_name "
        "cardholder_name card_holder card_holder_name passenger_name patient_name customer_name "
        "vorname nachname !apellido !apellidos"
    ),
    "address": (
        "street street_address address0 address_line_0 home_address "
        "postal_address billing_address shipping_address mailing_address zip_code !zip "
        "postal_code post_code !plz"
    ),
}

_SECRETS: Final = frozenset((*_NAMES, "foreign")).difference(PERSONAL_KINDS)

_ELSEWHERE: Final = (
    *("пароль", "пароля", "секрет", "токен", "ключ", "密码", "密碼", "口令", "密钥", "密鑰"),
    *("パスワード", "暗証番号", "비밀번호", "암호", "סיסמה", "סיסמא", "κωδικός", "κωδικος"),
    *("รหัสผ่าน", "पासवर्ड", "jelszó", "parolă", "السر", "المرور"),
)
"""Names of passwords that end in a letter ASCII does not have."""

_KIND_OF: Final = {
    word.strip("!").replace("_", "")[::-1].encode(): kind
    for kind, words in _NAMES.items()
    for word in words.split()
}


def _tree(words: Iterable[str]) -> str:
    """Return an expression for words that tries each letter once, the longest word first."""
    branches: dict[str, list[str]] = {}
    for word in words:
        branches.setdefault(word[:1], []).append(word[1:])
    ends = [{"": "", "!": "(?![a-z0-9])"}[end] for end in ("", "!") if branches.pop(end, None)]
    told = [
        ("[ _]?" if letter == "_" else re.escape(letter)) + _tree(rest)
        for letter, rest in branches.items()
    ]
    if not told:
        return ends[0]
    return f"(?:{'|'.join((*told, *ends))})"


# A regular expression that begins with one letter is found ten times as fast as one that begins
# with any of many, and `=` is rarer than names: so it is read from the right, `= drowssap`.
_MIRRORED = re.compile(
    (
        "= {0,64}+("
        + _tree(
            word.removeprefix("!")[::-1] + ("!" if word.startswith("!") else "")
            for words in _NAMES.values()
            for word in words.split()
        )
        + r"|\?)"
    ).encode()
)


def _kind(match: re.Match[bytes]) -> str:
    return _KIND_OF.get(match[1].translate(None, b" _"), "foreign")


def _is_foreign(text: str, name_end: int) -> bool:
    return text[max(0, name_end - 16) : name_end].lower().endswith(_ELSEWHERE)


# JSON in JSON in JSON writes a quote as `\\\"`; three levels down it has seven backslashes.
_QUOTE = r"\\{0,7}[\"'`]"
# Up to the quote that matches the opening one. A text cut short has none: up to the line's end.
_QUOTED = (
    rf"(?P<quotes>(?P<quote>{_QUOTE})(?:(?P=quote){{2}})?)"
    r"(?P<quoted>[^\n]*?)(?:(?<!\\)(?P=quotes)|(?=\n)|\Z)"
)
# Up to the next blank, or to a quote that closes the string around it: one before something that
# can follow a string. Any other quote belongs to the secret.
_BARE = rf"(?P<bare>(?!{_QUOTE})(?:(?!{_QUOTE}(?:[\s,:;}}\])\\\"']|\Z))\S)++)"
_SHORT = r"(?P<bare>[A-Za-z0-9+/_.~%!@#$^*|:=-]{1,256}+)"
_TYPE = r"(?:(?:Optional\[)?(?:str|bytes|String|string|SecretStr|&str)\]?(?: ?\| ?None)? ?= ?)?"
# A call around the value: `ConvertTo-SecureString "..."`, `SecretStr("...")`.
_CALL = r"(?:[A-Za-z_][\w.-]{2,40}[ (]{1,2}(?=\\{0,7}[\"']))?"
# `:`, `=`, and also `:=`, `==`, `=>`; `|` of YAML, and what begins a string in Python.
_IS = (
    rf"\s{{0,64}}+(?:[:=]++>?+|\uff1a)\s{{0,64}}+{_TYPE}(?:[|>][+-]?\s{{1,64}}+)?{_CALL}"
    r"(?:[rbfuRBFU]{1,2}(?=[\"']))?"
)
_ELEMENT = r">(?P<element>[^<>\n]{1,512}+)(?=</)"
_BEHIND = rf"(?P<close>{_QUOTE})?+[\])]{{0,2}}+(?:{_ELEMENT}|{_IS}(?:{_QUOTED}|%s))"

_ANYTHING = re.compile(_BEHIND % _BARE)
_SOMETHING = re.compile((_BEHIND % _SHORT).replace(r"\s{0,64}+", r"[ \t]{0,64}+"))
_LINE = re.compile(
    rf"(?:{_QUOTE})?+[\])]{{0,2}}+\s{{0,64}}+(?:[:=]++>?+|\uff1a)\s{{0,64}}+(?:{_QUOTE})?"
    r"(?:(?i:bearer|basic|token|digest|negotiate|apikey|bot|aws4-hmac-sha256)[ \t]{1,8}+)?"
    r"(?P<bare>(?:[^\n\r\"'`\\]|\\(?![\"'nrt\\]))++)"
)
_COOKIE = re.compile(
    rf"(?:{_QUOTE})?+[\])]{{0,2}}+[ \t]{{0,8}}+[:=][ \t]{{0,8}}+(?:{_QUOTE})?"
    r"(?P<bare>[\w!#$%&*+.^|~-]{1,128}=(?!=)[^\s\"'`\\,()]{2,}+(?:; ?[^\s\"'`\\]++)*+)"
)
_CERTAIN: Final = ("password", "foreign")


def names(shadow: Shadow, denied: Collection[str]) -> list[tuple[int, str]]:
    """Tell (place, kind) of where telling names end in front of a sign.

    Args:
        shadow: The texts.
        denied: Kinds of personal data that are looked for.
    """
    if b"=" not in shadow.words:
        return []
    mirrored = shadow.words[::-1]
    size = len(mirrored)
    found = [
        (size - match.start(1), kind)
        for match in _MIRRORED.finditer(mirrored)
        if (kind := _kind(match)) in denied or kind in _SECRETS
    ]
    found.reverse()
    return found


_NO_NAME: Final = "tiktoken"
"""`tiktoken:o200k_base` is the estimator's name, and in every event."""


def named(text: str, found: Iterable[tuple[int, str]]) -> Iterator[Span]:
    """Yield where the values of telling names stand.

    Args:
        text: The text.
        found: What `names` tells of it.
    """
    done = 0
    for name_end, kind in found:
        if name_end < done or (kind == "foreign" and not _is_foreign(text, name_end)):
            continue
        if text[max(0, name_end - len(_NO_NAME)) : name_end] == _NO_NAME:
            continue
        told = _paired(text, name_end) if kind == "pair" else kind
        span = None if told is None else _value(text, name_end, told)
        if span is not None:
            done = span[1]
            yield span


# `- name: DB_PASSWORD` in front of `value: ...`, and a variable of Terraform.
_PAIR = re.compile(
    r"(?:name|key|variable|field|header|param)[\"'\\]{0,8}\s{0,4}[:=]?\s{0,4}[\"'\\]{0,8}"
    r"(?P<name>[\w.-]{2,64})[\"'\\]{0,8}(?:[\s,{>-]|\\{1,7}[nrt]){0,40}"
    r"(?:[a-z]{1,12}\s{0,4}=\s{0,4}\w{1,12}\s{1,40})?[\"'\\<]{0,8}"
    r"(?:value|default)\Z",
    re.IGNORECASE,
)


def _paired(text: str, name_end: int) -> str | None:
    """Return what the name in front says of a field that is called `value`."""
    match = _PAIR.search(text, max(0, name_end - 160), name_end)
    kind = None if match is None else kind_of(match["name"])
    return "password" if kind in (*_CERTAIN, "secret", "hint") else None


def _value(text: str, name_end: int, kind: str) -> Span | None:
    if kind in ("header", "cookie"):
        match = (_LINE if kind == "header" else _COOKIE).match(text, name_end)
        return match.span("bare") if match else None
    match = (_ANYTHING if kind in _CERTAIN else _SOMETHING).match(text, name_end)
    if match is None:
        return None
    place = match.lastgroup or ""
    start, end = match.span(place)
    both_quoted = place == "quoted" and match["close"] is not None
    if start == end:
        return None
    if place == "bare" and kind not in (*_CERTAIN, "secret", "hint", "signature", "key", "code"):
        return _PERSONAL_SPANS[kind](text, start) if kind in _PERSONAL_SPANS else None
    value = text[start:end]
    return (start, end) if is_told(kind, value, certain=both_quoted) else None


def is_told(kind: str, value: str, *, certain: bool) -> bool:
    """Say whether a value is what its name says.

    Args:
        kind: What the name says, one of `_NAMES`.
        value: The value.
        certain: Whether name and value are strings of a data structure, and not of a program.
    """
    if kind in _CERTAIN or kind == "header":
        return bool(value)
    if kind == "cookie":
        return "=" in value
    if kind in ("secret", "hint"):
        return bool(value) if certain and kind == "secret" else _looks_secret(value)
    if kind in ("key", "signature"):
        return is_random(value, shortest=16, hexadecimal=kind == "signature")
    if kind in ("name", "address"):
        return certain and bool(value.strip())
    return _PERSONAL_VALUES[kind].fullmatch(value.strip()) is not None


_PERSONAL_VALUES: Final = {
    "phrase": re.compile(r"[a-z]+(?: [a-z]+){4,23}"),
    "code": re.compile(r"\d{3,8}|\d{3}[ -]\d{3}"),
    "phone": re.compile(r"(?=(?:\D*+\d){6})[+(]?\d[\d ().\/x-]{4,24}"),
    "card": re.compile(r"(?=(?:\D*+\d){12})\d[\d -]{11,24}"),
    "bank_account": re.compile(r"(?=(?:\D*+\d){5})[A-Za-z0-9][A-Za-z0-9 .\/-]{4,40}"),
    "national_id": re.compile(r"(?=(?:\D*+\d){4})[A-Za-z0-9][A-Za-z0-9 .\/-]{4,24}"),
    "birth_date": re.compile(r"(?=(?:\D*+\d){3})[A-Za-z\d][\w.,\/ -]{3,24}"),
}


def _span(pattern: str) -> Callable[[str, int], Span | None]:
    compiled = re.compile(pattern)

    def at(text: str, start: int) -> Span | None:
        match = compiled.match(text, start)
        return match.span() if match else None

    return at


_PERSONAL_SPANS: Final = {
    "phone": _span(r"(?=(?:[^\d\n]{0,3}\d){6})[+(]{0,2}\d[\d ().\/-]{4,22}\d"),
    "card": _span(r"(?=(?:[^\d\n]?\d){12})\d[\d -]{11,22}\d"),
    "bank_account": _span(
        r"(?=(?:[^\d\n]{0,6}\d){5})[A-Za-z0-9]{2,}+(?:[ -]?[A-Z0-9]*\d[A-Z0-9]*){0,8}"
    ),
    "national_id": _span(
        r"(?=(?:[^\d\n]{0,6}\d){4})[A-Za-z0-9]{1,}+(?:[ .\/-]?[A-Z]*\d[A-Z0-9]*){0,6}(?:-[A-Z0-9])?"
    ),
    "birth_date": _span(
        r"(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}"
        r"|(?:\d{1,2}(?:st|nd|rd|th|\.)?[ -])?[^\W\d_]{3,10}\.?[ -]"
        r"(?:\d{1,2}(?:st|nd|rd|th)?,?[ -])?\d{4})"
    ),
}

CODE: Final = re.compile(
    r"(?i)none|null|nil|true|false|undefined|required|optional|str|string|int|bool|bytes|any"
    r"|[$<{%*(\[].*|.*[(){}<].*|[a-z_]\w*(?:\.[a-z_]\w*)+|\d{1,5}|[\W_]*"
)


_LONG_NUMBER: Final = 12
"""Digits from which a number behind `token` is no count."""


def _looks_secret(value: str) -> bool:
    """Tell what may be a secret from what a program has in its place: a name, a type, a call."""
    value = value.strip().rstrip(",;.)")
    if len(value) < 6 or CODE.fullmatch(value):  # noqa: PLR2004 - shorter ones are words
        return False
    has_digit = any(character.isdigit() for character in value)
    has_letter = any(character.isalpha() for character in value)
    if value.isdigit():
        return len(value) >= _LONG_NUMBER
    return (has_digit and has_letter) or is_random(value, shortest=12, hexadecimal=True)


@lru_cache(maxsize=2048)
def kind_of(name: str) -> str | None:
    """Return what a field's name says of its value, one of `_NAMES`; None if nothing."""
    if len(name) > 100:  # noqa: PLR2004 - that is a text, and no name
        return None
    match = _MIRRORED.match(b"=" + Shadow((name,)).words[::-1])
    kind = None if match is None else _kind(match)
    if kind == "pair" or (kind == "foreign" and not _is_foreign(name, len(name))):
        return None
    return kind
