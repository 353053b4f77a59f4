"""Which archive is meant, and which session in it."""

from __future__ import annotations

import difflib
import json
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import click

from compact_otel.adapters.fs import FileStorage
from compact_otel.adapters.records import Stored
from compact_otel.adapters.s3 import S3Storage
from compact_otel.config import CompactConfig
from compact_otel.core.errors import ConfigError, StorageError
from compact_otel.engine.parts import storage_of
from compact_otel.printable import printable

_NEAREST = 3
_RECORD = re.compile(r"transcript-pre-compact-[0-9]{3,}\.jsonl(?:\.gz)?|summary-[0-9]{3,}\.json")
_WHY_NOT = {
    "memory": "keeps what is compacted away in the agent's own process, where only that can read "
    "it, and until it ends",
    "none": "keeps nothing of what is compacted away",
}


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that can be read.

    Attributes:
        storage: What reads it.
        place: Where it is, for people.
    """

    storage: FileStorage | S3Storage
    place: str

    def sessions(self) -> tuple[dict[str, list[Stored]], dict[str, str]]:
        """Return what is stored of each session, and why that of others cannot be read.

        Folders of somebody else are no sessions.

        Raises:
            StorageError: If the archive itself cannot be read.
        """
        return self.found(self.storage.sessions())

    def found(self, names: Iterable[str]) -> tuple[dict[str, list[Stored]], dict[str, str]]:
        """Return the same of some sessions; one that cannot be read costs no other."""
        there: dict[str, list[Stored]] = {}
        failed: dict[str, str] = {}
        for name in names:
            try:
                records = self.storage.records(name)
            except StorageError as error:
                failed[name] = why(error)
            else:
                if records:
                    there[name] = records
        return there, failed

    def named(self, names: Iterable[str]) -> tuple[dict[str, list[Stored]], dict[str, str]]:
        """Return the same of sessions that a user named.

        Raises:
            BadParameter: If there is no such session; it names those that are near.
        """
        wanted = list(dict.fromkeys(names))
        there, failed = self.found(wanted)
        for name in wanted:
            if name not in there and name not in failed:
                raise click.BadParameter(self._unknown(name), param_hint="SESSION")
        return there, failed

    def records(self, session_id: str) -> list[Stored]:
        """Return what is stored of a session that a user named.

        Raises:
            BadParameter: If there is no such session; it names those that are near.
        """
        if found := self.storage.records(session_id):
            return found
        raise click.BadParameter(self._unknown(session_id), param_hint="SESSION")

    def _unknown(self, session_id: str) -> str:
        ids = [name for names in self.sessions() for name in names]
        said = f"no session {named(session_id)} in {self.place}"
        if not ids:
            return f"{said}, nor any other"
        near = difflib.get_close_matches(session_id, ids, n=_NEAREST, cutoff=0.5)
        near += [one for one in ids if session_id and one.startswith(session_id)]
        if not near:
            return f"{said}; `compactctl archive ls` lists all {len(ids)}"
        listed = ", ".join(named(one) for one in dict.fromkeys(near[:_NEAREST]))
        return f"{said}; did you mean {listed}? (`compactctl archive ls` lists all {len(ids)})"


def why(error: StorageError) -> str:
    """Return what an archive that cannot be read or written says."""
    return error.strerror or str(error)


def settings(path: Path | None) -> CompactConfig:
    """Return the configuration, with its archive at `path` if that is given.

    Raises:
        UsageError: If the environment holds an impossible value.
    """
    chosen: dict[str, Any] = {}
    if path is not None:
        chosen = {"storage": {"adapter": "fs", "path": str(path)}}
    try:
        return CompactConfig.load(**chosen)
    except ConfigError as error:
        raise _unusable(error) from error


def _unusable(error: ConfigError) -> click.UsageError:
    return click.UsageError(f"the settings cannot be used: {error}")


def opened(path: Path | None) -> Archive:
    """Return the archive of files at `path`, or else the one of the configuration.

    Raises:
        ClickException: If there is none.
    """
    config = settings(path)
    if why := _WHY_NOT.get(config.storage.adapter):
        raise click.UsageError(
            f"`storage.adapter` is {config.storage.adapter}, which {why}: there is no archive "
            "to read. --path DIR reads one of files."
        )
    try:
        storage = storage_of(config, config.redaction.gate())
    except ConfigError as error:
        raise _unusable(error) from error
    if isinstance(storage, FileStorage):
        names = "--path DIR" if path else "--path DIR or COMPACT_STORAGE_PATH"
        return Archive(storage, _checked(Path(config.storage.path), f"{names} names"))
    place = "/".join(filter(None, (config.storage.bucket, config.storage.prefix.strip("/"))))
    return Archive(cast("S3Storage", storage), printable(f"s3://{place}"))


def _checked(path: Path, names: str) -> str:
    """Return the folder of an archive as text, after a look at whether it is one."""
    place = printable(str(path))
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise click.ClickException(
            f"no archive in {place}: nothing was compacted yet by an agent that runs here; "
            f"{names} another place"
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISDIR(kind):
        raise click.ClickException(f"{place} is a file; {names} the folder of an archive")
    if any(_RECORD.fullmatch(one.name) for one in _names_in(path)):
        raise click.ClickException(
            f"{place} is the folder of one session; give the folder it is in, and the session"
        )
    return place


def _names_in(path: Path) -> Sequence[Path]:
    try:
        return list(path.iterdir())
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> click.ClickException:
    why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no such path"
    return click.ClickException(f"cannot read {printable(str(path))}: {why}; whoever owns it may")


def named(session_id: str) -> str:
    """Return an id as text for a terminal: as JSON where it would not be seen as what it is."""
    plain = session_id == printable(session_id) and session_id != ""
    return session_id if plain else json.dumps(session_id)
