"""`compactctl status`: what the next call of a session remembers of what was compacted away."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from compact_otel.adapters.records import Stored
from compact_otel.archive.figures import console, counted, table, told
from compact_otel.archive.opening import Archive, named, opened, settings
from compact_otel.core.errors import StorageError
from compact_otel.core.types import Checkpoint, SessionStatus
from compact_otel.printable import printable, printable_lines
from compact_otel.redaction import Redactor

_PRUNED = (
    "Its text was pruned from the archive. The model still gets it from the checkpoint, where it "
    "is not redacted, so it is not shown."
)


def status(session_id: str, *, path: Path | None, as_json: bool) -> None:
    """Print the summary in force, what it stands for, and since when.

    Raises:
        ClickException: If there is no such archive or session, or it cannot be read.
    """
    with told():
        archive = opened(path)
        records = archive.records(session_id)
        checkpoints = archive.storage.load_checkpoints(session_id)
        latest = next((one for one in reversed(checkpoints) if one.ahead is None), None)
        found = SessionStatus.of(archive.storage.called(session_id), latest)
        stored = {} if latest is None else _stored(archive, session_id, records, latest)
        waiting = bool(checkpoints) and checkpoints[-1].ahead is not None
    gate = settings(path).redaction.gate()
    has_summary = found.summary is not None
    if isinstance(gate, Redactor) or stored.get("summary"):
        # A checkpoint holds it as the model gets it, and what of that is secret only the history
        # showed: what was stored beside it is all that may be read.
        found = replace(found, summary=gate.value(stored.get("summary")) if has_summary else None)
    figures = {
        **asdict(found),
        "cleared": 0 if latest is None else len(latest.cleared),
        "model": None if latest is None else gate.value(latest.model),
        "note": gate.value(stored.get("note")),
        "created": stored.get("created"),
        "prepared": waiting,
        "summary_pruned": has_summary and found.summary is None,
    }
    if as_json:
        click.echo(json.dumps({"archive": archive.place, **figures}, indent=2))
        return
    _print(found, figures)


def _stored(
    archive: Archive, session_id: str, records: Sequence[Stored], latest: Checkpoint
) -> dict[str, Any]:
    """Return what was stored beside the summary in force, {} if that is gone."""
    steps = sorted({one.step for one in records if one.step is not None}, reverse=True)
    for step in steps:
        try:
            summary = archive.storage.load_summary(session_id, step)
        except StorageError as error:
            if error.errno == errno.ENOENT:
                continue
            raise
        if summary.get("summary_id") == latest.summary_id:
            return summary
    return {}


def _print(found: SessionStatus, figures: dict[str, Any]) -> None:
    output = console()
    if not (found.dropped or figures["cleared"]):
        output.print(
            Text(f"{named(found.session_id)}: nothing that was compacted away is in force."),
            soft_wrap=True,
        )
        return
    has_summary = found.summary is not None or figures["summary_pruned"]
    rows = {
        "summary": f"v{found.version}, {found.strategy}" if has_summary else "none",
        "written": figures["created"],
        "model": figures["model"],
        "note": figures["note"],
        "stands for": counted(found.dropped, "item"),
        "beside it": f"{counted(found.kept, 'earlier item')}, and all that came later",
        "cleared": counted(figures["cleared"], "tool output") if figures["cleared"] else None,
        "tokens": f"{found.tokens_before:,} -> {found.tokens_after:,} when it was made",
        "prepared": "the next compaction is written already" if figures["prepared"] else None,
    }
    output.print(Text(f"{named(found.session_id)}: what its next call remembers", "bold"))
    shown = table("", "")
    shown.show_header = False
    for name, value in rows.items():
        if value:
            shown.add_row(Text(f"  {name}", "dim"), Text(printable(str(value))))
    output.print(shown)
    if has_summary:
        output.print()
        output.print(Text(printable_lines(found.summary or _PRUNED)), soft_wrap=True)
