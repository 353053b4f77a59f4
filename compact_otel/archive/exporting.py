"""`compactctl archive export`: all that is kept of a session, as one JSON document."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from compact_otel.archive.figures import told
from compact_otel.archive.opening import Archive, opened
from compact_otel.printable import printable

_STDOUT = "-"


def export(session_id: str, *, output: str, checkpoints: bool, path: Path | None) -> None:
    """Write a session to a file for its owner alone, whole or not at all, or to stdout.

    Raises:
        ClickException: If there is no such archive or session, it cannot be read, or the file not
            be written.
    """
    with told():
        archive = opened(path)
        document = _document(archive, session_id, checkpoints=checkpoints)
    text = json.dumps(document, indent=2)  # ASCII: no control character reaches a terminal
    if output == _STDOUT:
        click.echo(text)
        return
    target = Path(output)
    try:
        _write_whole(target, f"{text}\n")
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        raise click.BadParameter(
            f"cannot write {printable(output)}: {why}; name a file in a folder that is there and "
            "may be written",
            param_hint="'--output'",
        ) from error


def _document(archive: Archive, session_id: str, *, checkpoints: bool) -> dict[str, Any]:
    storage = archive.storage
    ids = {one.id for one in archive.records(session_id)}
    found: dict[int, dict[str, Any]] = {}
    for one in archive.records(session_id):
        if one.step is not None:
            found.setdefault(one.step, {"step": one.step, "transcript": None, "summary": None})
    for step, record in found.items():
        # Either may have been removed, or not been written before its writer was ended.
        if f"transcript-pre-compact-{step:03d}" in ids:
            record["transcript"] = storage.load_transcript(session_id, step)
        if f"summary-{step:03d}" in ids:
            record["summary"] = storage.load_summary(session_id, step)
    document: dict[str, Any] = {
        "session_id": session_id,
        "archive": archive.place,
        "steps": [found[step] for step in sorted(found)],
        "events": storage.load_events(session_id),
        "audit": storage.load_audit(session_id),
    }
    if checkpoints:
        document["checkpoints"] = [one.as_dict() for one in storage.load_checkpoints(session_id)]
    return document


def _write_whole(target: Path, text: str) -> None:
    if target.is_dir():
        raise IsADirectoryError(21, os.strerror(21))
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:  # mkstemp: 0600
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
