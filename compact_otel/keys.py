"""The keys of an encrypted archive: 256 bits each, the newest first.

A key is 32 random bytes in base64 (either alphabet, padded or not) or 64 hexadecimal digits:

    openssl rand -base64 32

The first key encrypts; all of them decrypt. So a key is replaced by putting a new one before it,
and dropped when nothing is left that was written with it. No error says what a key is.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from compact_otel.core.errors import ConfigError, StorageError

Keys = str | Sequence[str] | Callable[[], str | Sequence[str]]
"""A key, several separated by commas or as a list, or a function that returns either.

A function is called for each record that is written, and for one read whose key is not known: keep
in it what is slow. What it raises is a `StorageError` for the archive.
"""

_SIZE = 32
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_MAKE_ONE = "make one with `openssl rand -base64 32`"


class Key(NamedTuple):
    """A key and its name.

    Attributes:
        id: The first 16 hexadecimal digits of the key's SHA-256, which tell nothing of the key.
        secret: 32 bytes.
    """

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.id})"


class Keyring:
    """Finds the key to write with, and the one that something was written with.

    Args:
        keys: See `Keys`.
        name: What errors call the setting.

    Raises:
        ConfigError: If a key that is given is none.
    """

    def __init__(self, keys: Keys, *, name: str = "keys") -> None:
        self._name = name
        self._ask = keys if callable(keys) else None
        self._known = () if callable(keys) else parsed(keys, name)

    def newest(self) -> Key:
        """Return the key that encrypts.

        Raises:
            StorageError: If a function was to tell it, and did not.
        """
        self._refresh()
        return self._known[0]

    def find(self, key_id: str) -> Key:
        """Return the key that something was written with.

        Raises:
            StorageError: If it is not there; it names the key and those there are, by their ids.
        """
        if found := self._known_as(key_id):
            return found
        self._refresh()
        if found := self._known_as(key_id):
            return found
        there = ", ".join(f"`{key.id}`" for key in self._known)
        message = (
            f"it was encrypted with the key `{key_id}`, and `{self._name}` has {there} only: "
            "add that key behind the first"
        )
        raise StorageError(errno.EACCES, message)

    def _known_as(self, key_id: str) -> Key | None:
        return next((key for key in self._known if key.id == key_id), None)

    def _refresh(self) -> None:
        if self._ask is None:
            return
        try:
            self._known = parsed(self._ask(), self._name)
        except Exception as error:
            said = error if isinstance(error, ConfigError) else type(error).__name__
            message = f"`{self._name}` did not return a key: {said}"
            raise StorageError(errno.EACCES, message) from error


def parsed(keys: object, name: str) -> tuple[Key, ...]:
    """Return the keys that a text or a list of texts holds.

    Raises:
        ConfigError: If there is none, or one is no key. It does not show them.
    """
    texts = keys.split(",") if isinstance(keys, str) else keys
    if not isinstance(texts, list | tuple) or not texts:
        got = "an empty list" if isinstance(texts, list | tuple) else type(keys).__name__
        raise ConfigError(f"`{name}` must be a key, or a list of keys, got {got}")
    return tuple(_key(text, number, name) for number, text in enumerate(texts, 1))


def _key(text: object, number: int, name: str) -> Key:
    import binascii
    from base64 import b64decode
    from hashlib import sha256

    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"key {number} of `{name}` must be text, got nothing: {_MAKE_ONE}")
    text = text.strip()
    if _HEX.fullmatch(text):
        secret = bytes.fromhex(text)
    else:
        standard = text.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            secret = b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        except (binascii.Error, ValueError):
            secret = b""
    if len(secret) != _SIZE:
        got = f"{len(secret)} bytes" if secret else f"{len(text)} characters that are no base64"
        raise ConfigError(
            f"key {number} of `{name}` must be {_SIZE} bytes in base64, got {got}: {_MAKE_ONE}"
        )
    return Key(sha256(secret).hexdigest()[:16], secret)
