"""Secrets that tell themselves: by how their issuer begins them, or by being random.

The table has what issuers have made public of the beginnings of their tokens. It is not what most
depends on: a word of letters and digits that is random goes also if nobody knows its beginning.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import unquote

from compact_otel.redaction.kinds import Span, after_escape
from compact_otel.redaction.randomness import is_random

# By who issues them. What follows is a word of at least eight more characters.
_BEGINNINGS: Final = {
    "Adobe": "p8e-",
    "Airtable": "pat[A-Za-z0-9]{14}",
    "Age": "AGE-SECRET-KEY-1",
    "Alibaba Cloud": "LTAI[A-Za-z0-9]{8}",
    "Anthropic, OpenAI and others": r"sk-(?=[A-Za-z_-]*+\d)[A-Za-z0-9_-]{8}|sk-[A-Za-z0-9_-]{24}",
    "Artifactory": "AKC[a-z0-9]|cmVmd[A-Za-z0-9]{10}",
    "Atlassian": "AT(?:ATT|BB|CTT|OTT)[A-Za-z0-9]{2}",
    "AWS": "A(?:KI|SI|3T|GP|ID|RO|IP|NP|NV|BI|CC)[A-Z0-9](?=[A-Z0-9]{16})|ABSK[A-Za-z0-9]{8}",
    "Clojars": "CLOJARS_",
    "Contentful": "CFPAT-",
    "Databricks": "dapi(?=[a-f0-9]{32})",
    "DigitalOcean": "do[opr]_v1_",
    "Docker": "dckr_[a-z]{2,4}_",
    "Duffel": "duffel_(?:test|live)_",
    "Facebook": "EAA[A-Za-z0-9]{12}",
    "Figma": "figd_",
    "Flutterwave": "FLW(?:SECK|PUBK)(?:_TEST)?-",
    "Fly.io": "fo1_|fm[12]_",
    "Frame.io": "fio-u-",
    "GitHub": "gh[opsur]_|github_pat_",
    "GitLab": "gl(?:pat|ptt|dt|rt|cbt|ft|imt|agent|soat|ffct|oas|wt)-|GR1348941",
    "Google": "AIza[A-Za-z0-9_-]{10}|GOCSPX-|1//0[A-Za-z0-9_-]{10}",
    "Grafana": "gl(?:c|sa)_",
    "Groq": "gsk_",
    "Heroku": "HRKU-",
    "HubSpot": "pat-(?:na|eu)\\d-",
    "Hugging Face": "hf_|api_org_",
    "LangSmith": "lsv2_",
    "Linear": "lin_(?:api|oauth)_",
    "Mailgun": "key-(?=[a-f0-9]{32})",
    "Netlify": "nfp_",
    "New Relic": "NRAK-|NRI[IJ]-|NRRA-",
    "Notion": "ntn_|secret_",
    "npm": "npm_",
    "NVIDIA": "nvapi-",
    "42": "[us]-s4t2(?:ud|af)-",
    "1Password": "ops_|A3-[A-Z0-9]{6}-",
    "PayPal": r"access_token\$",
    "Perplexity": "pplx-",
    "Plaid": "access-(?:sandbox|development|production)-",
    "PlanetScale": "pscale_[a-z]{2,5}_",
    "Postman": "PMAK-",
    "Prefect": "pn[ub]_",
    "Pulumi": "pul-",
    "PyPI": "pypi-",
    "Replicate": "r8_",
    "RubyGems": "rubygems_",
    "Sendinblue": "xkeysib-|xsmtpsib-",
    "Sentry": "sntry[a-z]_",
    "SettleMint": "sm_[aps]at_",
    "Shippo": "shippo_(?:live|test)_",
    "Shopify": "shp(?:at|ca|pa|ss|ua)_",
    "Slack": "xox[abceoprs]-|xapp-|services/T[A-Z0-9]{6,12}/B",
    "Sourcegraph": "sgp_",
    "Square": "sq0[a-z]{3}-|EAAA[A-Za-z0-9_-]{20}",
    "Stripe": "[spr]k_(?:live|test)_|whsec_|[sr]k_org_",
    "Supabase": "sb[ps]_",
    "Tailscale": "tskey-[a-z]{3,9}-",
    "Telegram": "AA[A-Za-z0-9_-]{32}(?![A-Za-z0-9_-])",
    "Tencent Cloud": "AKID[A-Za-z0-9]{13}",
    "Twilio": "(?:SK|AC)(?=[a-f0-9]{32})",
    "Typeform": "tfp_",
    "webhooks": r"webhooks?/\d{10,24}/|hooks/catch/\d|webhookb2/",
    "xAI": "xai-",
    "Yandex": "AQVN|y0_",
}
_BEGINNING = re.compile("|".join(_BEGINNINGS.values()))
# The same where a sign that words have not stands in it, so that what is random stands behind.
_FRONTS: Final = {
    "Airtable": r"pat[A-Za-z0-9]{14}\.",
    "Azure": r"[\w~.]{3}\dQ~",
    "Cloudflare": r"v1\.",
    "Doppler": r"dp\.[a-z]{2,5}\.(?:[a-z]{2,8}\.)?",
    "Facebook": r"\d{15,16}[|%]",
    "HashiCorp": r"hv[sbr]\.|s\.|[A-Za-z0-9]{14}\.atlasv1\.",
    "SendGrid": r"SG\.",
}
_FRONT = re.compile(rf"(?<![\w.])(?:{'|'.join(_FRONTS.values())})\Z")
_LONGEST_FRONT = 25
_ENDS_OF_FRONTS: Final = frozenset(".~|%")
# Behind the fronts that say least.
_BEHIND_LITTLE: Final = {
    "s.": re.compile(r"(?=\D*\d\D*\d)[A-Za-z0-9]{24}"),
    "v1.": re.compile(r"0-[a-f0-9]{24}-[a-f0-9]{64,}"),
}
# What may be a hash is a key behind a word that says so; and with the data centre of Mailchimp.
_HEXADECIMAL = re.compile(
    r"(?:[A-Za-z0-9]{1,16}[_-]){0,3}"
    r"(?i:sk|pk|rk|ak|key|api|apikey|token|tok|secret|pat|pub|live|test|auth|private)[_-]"
    r"(?:[a-f0-9]{20,}|[A-Z0-9]{20,})|[a-f0-9]{32}-us\d"
    r"|(?:sdk|key|token|secret|access)[_-][a-f0-9]{8}-(?:[a-f0-9]{4}-){3}[a-f0-9]{12}"
)
_WORD_STARTS = re.compile(r"(?:\A|[/_+-])(?=[A-Za-z0-9])")
_LONG_ENOUGH = 16

# What APIs name their objects by: random, and needed to tell one from another.
_IDENTIFIER = re.compile(
    r"(?:call|resp|msg|chatcmpl|cmpl|fc|rs|ig|req|run|step|thread|asst|file|item|vs|batch|ft|ftjob"
    r"|toolu|srvtoolu|conv|conversation|session|trace|span|group|evt|event|id|uuid|sha\d{0,3}|md5"
    r"|commit|rev|ref|cus|pi|ch|sub|acct|price|prod|in|ii|seti|cs|po|txn|re|pm|src|si|et|msgbatch"
    r"|ws|mcp|mcpl|mcpr|lsh|cu|ci|tsc|ctc|cntr|container|user|org|proj|cm|compaction)[_-]"
)
_HEX = re.compile(r"[0-9a-fA-F]+")
_WORD_AROUND = re.compile(r"[A-Za-z0-9_+/=~-]*(?:\.[A-Za-z0-9_+/=~-]{6,})*")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]{4,}|\.(?=\.)){1,4}\.?[A-Za-z0-9_-]*")
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
# What stands in front of a word that says what it is, in prose: `the secret is ...`.
_SAID = (
    *("key", "keys", "token", "tokens", "secret", "secrets", "password", "passwort", "passphrase"),
    *("credential", "credentials", "pwd", "pat", "pin", "schlüssel", "clave", "chave", "clé"),
    *("ключ", "密钥", "密碼", "密码", "キー"),
)
_VERBS = frozenset(("is", "was", "are", "ist", "es", "est", "è", "é", "for", "0x"))
_SIGNS = " \t\r\n\"'`\\:=,(<[{*_-."
_NEAR = 48
_LONGEST = 512
"""A longer word is a file, an image or what a provider has sealed: it is no key."""

Judge = Callable[[str], bool]
"""Says whether a text holds a secret."""

BEGIN: Final = b"-----BEGIN"
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?P<body>(?:[A-Za-z0-9+/=\s:,.()]|-(?!----)|\\{1,7}[nrt])++)"
)


def key_blocks(text: str, begins: Iterable[tuple[int, bytes]]) -> Iterator[Span]:
    """Yield the insides of private keys, with or without their end.

    Args:
        text: The text.
        begins: Where `BEGIN` stands.
    """
    for place, _ in begins:
        match = _KEY_BLOCK.match(text, place)
        if match and match["body"].strip():
            yield match.span("body")


def tokens(
    text: str,
    runs: Iterable[tuple[int, int]],
    harmless: set[str],
    *,
    identifier: bool,
    is_leaking: Judge,
) -> Iterator[Span]:
    """Yield tokens by their beginning, random words, and encoded text that holds a secret.

    Args:
        text: The text.
        runs: What `Shadow.runs()` tells of it.
        harmless: Runs that are no tokens wherever they stand; paths come again and again.
        identifier: Whether the text is the name of something, which may be random.
        is_leaking: Says whether what a word encodes holds a secret.
    """
    done = 0
    for start, length in runs:
        if start < done:
            continue
        begin, end = after_escape(text, start), start + length
        run = text[begin:end]
        if run in harmless and not _is_told(text, begin, end):
            continue
        span = _token(text, begin, end, identifier=identifier, is_leaking=is_leaking)
        if span is not None:
            done = span[1]
            yield span
        elif not (identifier or _may_be_key(run) or _is_told(text, begin, end)):
            harmless.add(run)


def _is_told(text: str, start: int, end: int) -> bool:
    """Say whether what stands around a run may make it a token."""
    return (
        text[start - 1 : start] in _ENDS_OF_FRONTS
        or _is_bearer(text, start)
        or text.startswith("eyJ", start)
        or text.startswith("=", end)
    )


def _may_be_key(run: str) -> bool:
    """Say whether a run is a key behind a word that says so."""
    return is_random(run, shortest=16, hexadecimal=True)


def _is_bearer(text: str, start: int) -> bool:
    return text[max(0, start - 7) : start].lower() == "bearer "


def _token(text: str, start: int, end: int, *, identifier: bool, is_leaking: Judge) -> Span | None:
    run = text[start:end]
    if match := _JWT.match(text, start):
        return match.span()
    begin = _beginning(text, start, run)
    if begin is None and text[start - 1 : start] in _ENDS_OF_FRONTS:
        begin = _front(text, start, run)
    if begin is not None:
        return begin, _word_end(text, end)
    if encoded := _ENCODED.match(text, start):
        meanings = list(_decoded(encoded[0]))
        if meanings:  # what says something is judged by what it says
            return encoded.span() if any(map(is_leaking, meanings)) else None
    named = not identifier and len(run) <= _LONGEST and not _IDENTIFIER.match(run)
    for at, part in _parts(run) if named else ():
        if is_random(part):
            return start + at, _word_end(text, start + at + len(part))
    return None


def _beginning(text: str, start: int, run: str) -> int | None:
    """Return where a token begins in a run that something says is one, None if nothing does."""
    if _is_bearer(text, start) or _HEXADECIMAL.match(run):
        return start
    for word in _WORD_STARTS.finditer(run, 0, max(0, len(run) - _LONG_ENOUGH + 1)):
        if _BEGINNING.match(run, word.end()):
            return start + word.end()
    named = _is_named(text[max(0, start - _NEAR) : start])
    return start if named and _may_be_key(run) else None


def _front(text: str, start: int, run: str) -> int | None:
    """Return where a token begins whose front, with a sign in it, stands before a run."""
    before = text[max(0, start - _LONGEST_FRONT) : start]
    match = _FRONT.search(before)
    if match is None:
        return None
    form = _BEHIND_LITTLE.get(match[0])
    if form is not None and not form.fullmatch(run):
        return None
    return start - len(match[0])


def _is_named(before: str) -> bool:
    words = before.rstrip(_SIGNS).lower().rsplit(None, 2)[-2:]
    if words and words[-1].strip(_SIGNS) in _VERBS:
        words.pop()
    return bool(words) and words[-1].rstrip(_SIGNS).endswith(_SAID)


def _parts(run: str) -> Iterator[tuple[int, str]]:
    """Yield (place, part) of what may be random: all of it, or a part of a path."""
    parts = run.split("/")
    at = 0
    for part in parts:
        yield at, part
        at += len(part) + 1
    # Base64 has slashes too, but no words between them.
    if len(parts) > 1 and parts[0] and not any(part.islower() for part in parts):
        yield 0, run


def _word_end(text: str, end: int) -> int:
    match = _WORD_AROUND.match(text, end)
    return match.end() if match else end


def _decoded(word: str) -> Iterator[str]:
    """Yield what a word may stand for, if that is text."""
    if len(word) % 2 == 0 and _HEX.fullmatch(word):
        yield from _text_of(bytes.fromhex(word))
    bare = word.rstrip("=").replace("-", "+").replace("_", "/")
    # In running text neither beginning nor end is sure: a base64 text of four letters may be cut.
    padded = bare[: len(bare) - (len(bare) % 4 == 1)]
    try:
        yield from _text_of(base64.b64decode(padded + "=" * (-len(padded) % 4)))
    except (binascii.Error, ValueError):
        return


def _text_of(data: bytes) -> Iterator[str]:
    try:
        # What Windows encodes has a zero in every other byte.
        text = data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-8")
    except UnicodeDecodeError:
        return
    if sum(map(_is_readable, text[:200])) >= 0.9 * len(text[:200]):
        yield text


def _is_readable(character: str) -> bool:
    return character.isprintable() or character in "\n\r\t"


_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")
_ADDRESS_PART = re.compile(r"[A-Za-z0-9_.~%+!*-]{1,512}")


def percent_encoded(
    text: str, signs: Iterable[tuple[int, bytes]], is_leaking: Judge
) -> Iterator[Span]:
    """Yield parts of addresses that hold a secret when `%3D` is read as `=`.

    Args:
        text: The text.
        signs: Where `%` stands.
        is_leaking: Says whether what they stand for holds a secret.
    """
    done = 0
    for place, _ in signs:
        if place < done or not _ESCAPE.match(text, place):
            continue
        before = _ADDRESS_PART.match(text[max(done, place - _LONGEST) : place][::-1])
        start = after_escape(text, place - (before.end() if before else 0))
        match = _ADDRESS_PART.match(text, start)
        if match is None:
            continue
        done = match.end()
        if is_leaking(unquote(match[0].replace("+", " "))):
            yield match.span()
