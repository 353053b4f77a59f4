"""What sessions are called in an archive, and which folders they have; the same for every adapter.

The name of a folder (a directory, or the beginning of a key) is safe on every file system, also
those that ignore case, and no two sessions share one:

    user_123, a.b, 0f8fad5b-d9cb-...   the same         letters, digits, `_`, `-`, dots inside
    a/b, .., "", con                   a%2fb, %2e%2e, %, %63on
                                                        any other byte of the UTF-8 as `%xx`, a dot
                                                        at either end too; a leading `%xx` for names
                                                        Windows reserves
    Ab                                 Ab+1             `+` and which letters are upper case, as a
                                                        hexadecimal number, lowest bit first
    longer than 100 characters         the first 40, `=`, SHA-256 of the id
    an id that may not be told         redacted-3f0a... and a part of that hash (see `Naming`)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from compact_otel.adapters.records import readable
from compact_otel.redaction import Gate, Redactor

_KEPT = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|(com|lpt)[0-9])(\..*)?")
_LONGEST = 100
_PREFIX = 40
_SHORTENED = re.compile(rf"(?!\.)[A-Za-z0-9_%.-]{{{_PREFIX}}}=([0-9a-f]{{64}})")
_REMEMBERED = 1024
"""Ids that were judged: whoever judges may be a service of the user's."""


def directory_name(session_id: str) -> str:
    """Return the name of the directory (or key prefix) of a session: ASCII, at most 126 long."""
    data = session_id.encode("utf-8", "surrogatepass")
    name = "".join(chr(byte) if byte in _KEPT else f"%{byte:02x}" for byte in data)
    if name.startswith(".") or _RESERVED.fullmatch(name):
        name = f"%{data[0]:02x}{name[1:]}"
    if name.endswith("."):
        name = f"{name[:-1]}%2e"
    if len(name) > _LONGEST:
        return f"{name[:_PREFIX]}={sha256(data).hexdigest()}"
    upper = sum(1 << index for index, letter in enumerate(name) if letter.isupper())
    return f"{name}+{upper:x}" if upper else name or "%"


def session_of(name: str) -> str | None:
    """Return the session whose `directory_name` is `name`; None if it cannot be told from it."""
    encoded = name.partition("+")[0]
    try:
        data = b"" if encoded == "%" else unquote_to_bytes(encoded)
        session_id = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
    return session_id if directory_name(session_id) == name else None


def is_shortened(folder: str) -> bool:
    """Say whether a folder is one of a long id, which `session.json` in it tells."""
    return _SHORTENED.fullmatch(folder) is not None


def named_in(lines: Iterable[bytes], folder: str) -> str | None:
    """Return the id that `session.json` in a folder tells, None if it tells none of that folder."""
    for record in readable(lines):
        session_id = record.get("session_id")
        if isinstance(session_id, str) and directory_name(session_id) == folder:
            return session_id
    return None


def hidden(session_id: str) -> str:
    """Return what a session is called whose id may not be told; its folder is called the same."""
    return f"redacted-{_digest(session_id)[:32]}"


def listed(names: Iterable[str]) -> list[str]:
    """Return the sessions that names of folders stand for, sorted; one of two folders is one."""
    found = set(names)
    return sorted(found - {hidden(name) for name in found})


def _digest(session_id: str) -> str:
    return sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()


class Place(NamedTuple):
    """A folder of a session.

    Attributes:
        name: What the session is called there.
        folder: What the folder is called.
    """

    name: str
    folder: str

    @property
    def is_nameless(self) -> bool:
        """Whether nothing tells the id any more: it was long, and `session.json` is gone."""
        return self.folder != directory_name(self.name)

    @property
    def digest(self) -> str:
        """SHA-256 of what the session is called, which the chain of its events begins with."""
        shortened = _SHORTENED.fullmatch(self.folder)
        return shortened[1] if shortened else _digest(self.name)


class Naming:
    """Judges which ids may be told, and finds the folders of a session, whatever was judged before.

    A session is called by its id, or by a hash of it where that holds a secret. What may be told
    depends on settings, and those change and differ between programs. So a session may have two
    folders: all are read, and one is written to.

    Args:
        redactor: Judges the ids; None, or what is no `Redactor`, leaves that to `Redactor()`.
        redact: False lets every id be told.
    """

    def __init__(self, redactor: Gate | None, *, redact: bool) -> None:
        ours = redactor if isinstance(redactor, Redactor) else Redactor()
        self._rules = ours if redact else None
        self._judged: dict[str, bool] = {}

    def name(self, session_id: str) -> str:
        """Return what a new session would be called."""
        return session_id if self._passes(session_id) else hidden(session_id)

    def home(self, session_id: str, is_there: Callable[[str], bool]) -> Place:
        """Return the folder to write to: the one that is there, unless its name may not be told.

        Where `redaction.custom` fails, a folder that is there keeps its session together.

        Args:
            session_id: The session.
            is_there: Says whether there is a folder of a name.
        """
        plain, secret = _plain(session_id), _secret(session_id)
        passes = self._passes(session_id)
        if passes is False:
            return secret
        if is_there(plain.folder):
            return plain
        return secret if passes is None or is_there(secret.folder) else plain

    def places(self, session_id: str) -> list[Place]:
        """Return the folders that a session may have, in the order in which to read them.

        The one that is written to if all are there is the last. A nameless one may be the first: it
        counts only if `session.json` in it tells no id.
        """
        plain, secret = _plain(session_id), _secret(session_id)
        order = [plain, secret] if self._passes(session_id) is False else [secret, plain]
        return [Place(session_id, session_id), *order] if is_shortened(session_id) else order

    def called(self, session_id: str, is_there: Callable[[str], bool]) -> str:
        """Return what a session is listed as, and what it would be if it is not there."""
        if any(is_there(one.folder) for one in self.places(session_id) if one.name == session_id):
            return session_id
        return hidden(session_id) if is_there(hidden(session_id)) else self.name(session_id)

    def _passes(self, session_id: str) -> bool | None:
        """Say whether an id may be told; None if that could not be judged, which is not kept."""
        if self._rules is None:
            return True
        key = _digest(session_id)
        known = self._judged.get(key)
        if known is None:
            known = self._rules.passes_as_name(session_id)
            if known is not None:
                if len(self._judged) >= _REMEMBERED:
                    self._judged.clear()
                self._judged[key] = known
        return known


def _plain(session_id: str) -> Place:
    return Place(session_id, directory_name(session_id))


def _secret(session_id: str) -> Place:
    return Place(hidden(session_id), hidden(session_id))
