"""How records lie in an archive: as they are, compressed, or encrypted (`compact-otel[encrypt]`).

Compressed transcripts are gzip, in files that end in `.gz`: `zcat` reads them. With a key every
record is encrypted, whole transcripts and summaries as well as single lines of the events and
checkpoints. What stands in its place is a line of JSON again, JSON Web Encryption (RFC 7516), which
every JOSE library opens with the same key:

    {"protected": "eyJhbGciOi...", "iv": "...", "ciphertext": "...", "tag": "..."}

    protected   {"alg": "dir", "enc": "A256GCM", "kid": "0f3a...", "place": "user_123/summary-001"}

`kid` names the key (see `keys`), `zip` is `DEF` where it is compressed, and `place` binds a record
to where it belongs: one that was moved to another session is refused. A record that is not
encrypted is read as it is, so an archive may become an encrypted one, or cease to be. Nonces are
random: a key may encrypt 2**32 records.
"""

from __future__ import annotations

import errno
import json
import os
import re
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from importlib.util import find_spec
from typing import Any, Final

from compact_otel.adapters.records import LARGEST, json_line
from compact_otel.core.errors import ConfigError, StorageError
from compact_otel.keys import Key, Keyring, Keys

GZIP: Final = ".gz"
"""What the name of a compressed transcript ends with."""

_MAGIC = b"\x1f\x8b"
_KEY_ID = re.compile(r"[0-9a-f]{16}")
_AS_GZIP, _AS_DEFLATE = 31, -15  # `wbits` of zlib
_NONCE, _TAG = 12, 16
_BEGINNING = b'{"protected": "eyJ'  # an item of a history may be `{"protected": true, ...}`


class UnsoundError(StorageError):
    """What stands in the archive is not what was written there."""


class Packing:
    """Packs records for an archive, and unpacks them.

    Args:
        keys: Encrypt with the first of them, and read what was encrypted with any.
        compress: Whether transcripts are compressed.
        encrypt: False with `keys`: only read what is encrypted. True without: an error. None:
            encrypt if there are keys.

    Attributes:
        suffix: What the name of a transcript ends with, behind `.jsonl`.

    Raises:
        ConfigError: If a key is none, one is missing, or `cryptography` is not installed.
    """

    def __init__(
        self, keys: Keys | None = None, *, compress: bool = False, encrypt: bool | None = None
    ) -> None:
        if encrypt and keys is None:
            raise ConfigError("`encrypt` needs `keys`: without one nothing can be encrypted")
        if keys is not None and find_spec("cryptography") is None:
            raise ConfigError("encryption needs cryptography: pip install 'compact-otel[encrypt]'")
        self._keys = None if keys is None else Keyring(keys, name="storage.encryption_key")
        self._writes = None if encrypt is False else self._keys
        self._compresses = compress
        self.suffix = GZIP if compress and self._writes is None else ""

    def transcript(self, data: bytes, place: str) -> bytes:
        """Return a transcript as it is to be stored at `place`, `user_123/summary-001`.

        Raises:
            StorageError: If there is no key to be had.
        """
        if self._writes is not None:
            return _encrypted(self._writes.newest(), data, place, compress=self._compresses)
        return _zipped(data, _AS_GZIP) if self._compresses else data

    def record(self, line: bytes, place: str) -> bytes:
        """Return one line, with its line feed, as it is to be stored at `place`.

        Raises:
            StorageError: If there is no key to be had.
        """
        if self._writes is None:
            return line
        return _encrypted(self._writes.newest(), line, place)

    def opened(self, data: bytes, place: str) -> bytes:
        """Return what was given to `transcript` or `record`.

        Raises:
            UnsoundError: If it was changed or moved since, or is not whole.
            StorageError: If it was encrypted with a key that is not there.
        """
        if data.startswith(_MAGIC):
            return _unzipped(data, _AS_GZIP)
        if not data.startswith(_BEGINNING):
            return data
        return self._decrypted(data, place)

    def readable(self, lines: list[bytes], place: str) -> list[bytes]:
        """Return lines opened, without their line feeds; what is not sound becomes an empty line.

        Raises:
            StorageError: If one was encrypted with a key that is not there.
        """
        return [self._line(line, place) for line in lines]

    def _line(self, line: bytes, place: str) -> bytes:
        try:
            return self.opened(line, place).rstrip(b"\n")
        except UnsoundError:
            return b""

    def _decrypted(self, line: bytes, place: str) -> bytes:
        header, parts = _parts_of(line)
        if self._keys is None:
            message = (
                f"it was encrypted with the key `{header['kid']}`: give that key as "
                "`storage.encryption_key` (COMPACT_STORAGE_ENCRYPTION_KEY)"
            )
            raise StorageError(errno.EACCES, message)
        key = self._keys.find(header["kid"])
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            sealed = parts["ciphertext"] + parts["tag"]
            data = AESGCM(key.secret).decrypt(parts["iv"], sealed, parts["protected"])
        except (InvalidTag, ValueError) as error:
            raise _unsound("it was changed since it was encrypted") from error
        if header.get("place") != place:
            raise _unsound("it belongs somewhere else, and was moved here")
        return _unzipped(data, _AS_DEFLATE) if header.get("zip") == "DEF" else data


def _encrypted(key: Key, data: bytes, place: str, *, compress: bool = False) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    header = {"alg": "dir", "enc": "A256GCM", "kid": key.id, "place": place}
    if compress:
        header["zip"] = "DEF"
        data = _zipped(data, _AS_DEFLATE)
    protected = _base64(json_line(header)[:-1])
    nonce = os.urandom(_NONCE)
    sealed = AESGCM(key.secret).encrypt(nonce, data, protected.encode())
    parts = {"iv": nonce, "ciphertext": sealed[:-_TAG], "tag": sealed[-_TAG:]}
    members = {name: _base64(part) for name, part in parts.items()}
    return json_line({"protected": protected, **members})


def _parts_of(line: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the header of an encrypted line, and its parts; `protected` stays encoded."""
    try:
        members = json.loads(line)
        header = json.loads(_bytes(members["protected"]))
        parts = {name: _bytes(members[name]) for name in ("iv", "ciphertext", "tag")}
        ours = (header["alg"], header["enc"]) == ("dir", "A256GCM")
        ours &= _KEY_ID.fullmatch(header["kid"]) is not None  # it is shown
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _unsound("it was torn or changed since it was encrypted") from error
    if not ours:
        raise _unsound("it was not encrypted by this package")
    return header, {**parts, "protected": members["protected"].encode()}


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _zipped(data: bytes, wbits: int) -> bytes:
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(data) + packer.flush()


def _unzipped(data: bytes, wbits: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=wbits)
    try:
        unfolded = unpacker.decompress(data, LARGEST + 1)
    except zlib.error as error:
        raise _unsound("it was torn or changed since it was compressed") from error
    if len(unfolded) > LARGEST:
        raise _unsound(f"it would unfold to more than {LARGEST // 2**20} MiB")
    if not unpacker.eof:
        raise _unsound("it was torn or changed since it was compressed")
    return unfolded


def _unsound(what: str) -> UnsoundError:
    return UnsoundError(errno.EIO, what)
