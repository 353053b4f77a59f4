"""Whether what was compacted away can be had again, and as it was."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from compact_otel.adapters.fs import FileStorage
from compact_otel.engine.spool import SPOOL
from tests.soak.words import SECRET

_PATIENCE_S = 20.0


def faults(
    storages: Sequence[Any],
    session_id: str,
    folder: Path,
    wanted: Collection[str],
    *,
    redacts: bool,
) -> list[str]:
    """Return what is wrong with the archives of a conversation.

    Args:
        storages: Where it was archived, in the order in which the program started.
        session_id: The session of it.
        folder: Where the files among them are.
        wanted: Texts that were said and are not in the last request.
        redacts: Whether secrets are to be taken out.
    """
    waits = not _is_written(storages, session_id)
    found = [f"something still waits after {_PATIENCE_S} s"] if waits else []
    texts: list[str] = []
    for storage in storages:
        for archived in storage.sessions():
            if isinstance(storage, FileStorage):
                found += [fault.what for fault in storage.verify(archived)]
            for step in storage.steps(archived):
                texts += _texts(storage.load_transcript(archived, step))
    kept = "\n".join(texts)
    is_clean = redacts and isinstance(storages[0], FileStorage)
    if is_clean:
        secrets = {secret for text in wanted for secret in SECRET.findall(text)}
        found += ["a secret is in the archive"] * any(secret in kept for secret in secrets)
        found += _in_clear(folder, secrets)
    for text in wanted:
        parts = SECRET.split(text) if is_clean else [text]
        if not all(part in kept for part in parts):
            found.append(f"not in the archive: {text[:60]}")
    return found


def _is_written(storages: Sequence[Any], session_id: str) -> bool:
    """Wait until nothing of a session waits to be written."""
    until = time.monotonic() + _PATIENCE_S
    while any(SPOOL.has(storage, session_id) for storage in storages):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _texts(member)


def _in_clear(folder: Path, secrets: Collection[str]) -> list[str]:
    """Return the files that hold a secret, but checkpoints: the model gets those as they were."""
    return [
        f"a secret is in {path.name}"
        for path in folder.rglob("*")
        if path.is_file()
        and path.name != "checkpoints.jsonl"
        and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]
