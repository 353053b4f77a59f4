"""The kinds of personal data that are known, by the names that an allow-list uses."""

from __future__ import annotations

from typing import Final, Literal, get_args

PersonalKind = Literal[
    "email", "phone", "card", "bank_account", "national_id", "birth_date", "name", "address"
]
"""What may be let through: `email`, `phone`, `card` (numbers and check codes of payment cards),
`bank_account` (IBANs, account and routing numbers), `national_id` (social security, tax, passport
and licence numbers), `birth_date`, `name` and `address` (both only where a field of structured data
is called so)."""

PERSONAL_KINDS: Final[tuple[str, ...]] = get_args(PersonalKind)

ALLOWED: Final[tuple[PersonalKind, ...]] = ()
"""What passes unless it is told otherwise: nothing."""

Span = tuple[int, int]
"""Where a secret stands in a text: from, to."""

ESCAPED: Final = "bfnrt"


def after_escape(text: str, start: int) -> int:
    r"""Return where a word really begins that seems to begin at `start`.

    Behind a backslash the first letter belongs to a JSON escape, such as the two characters `\n`.
    """
    if start and text[start - 1] == "\\" and start < len(text):
        if text[start] in ESCAPED:
            return start + 1
        if text[start] == "u":
            return start + 5
    return start
