"""`compactctl archive export`: all that is kept of a session, as one JSON document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from compact_otel.archive.figures import told
from compact_otel.archive.opening import Archive, opened
from compact_otel.output import written


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
    written(f"{text}\n", output, option="--output")


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
