"""Addresses as they may be shown: where something is, without what lets anybody in.

Whoever writes an address by hand leaves in a password what should have been escaped, a slash or a
question mark. So the user and the password are taken to end at the last `@`, wherever it stands.
"""

from __future__ import annotations

import re

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*://)")
_END = re.compile(r"[/?#\\\s]")


def without_user(text: str) -> str:
    """Return a text without the user and the password of an address in it."""
    start, end = text.find("//"), text.rfind("@")
    return text if not 0 <= start < end else f"{text[: start + 2]}...{text[end:]}"


def site(address: object) -> object:
    """Return scheme, host and port of an address, `***` for a user; what is no text as it is.

    Nothing else of it: keys stand in front of the host, in the path and in the query.
    """
    if not isinstance(address, str):
        return address
    scheme = _SCHEME.match(address)
    _, at, rest = address[scheme.end() if scheme else 0 :].rpartition("@")
    host = _END.split(rest.lstrip(), maxsplit=1)[0]
    return f"{scheme[1] if scheme else ''}{'***@' if at else ''}{host}"
