"""`compactctl archive verify`: whether an archive still is what was written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
from rich.text import Text

from compact_otel.adapters.audit import Fault
from compact_otel.archive.figures import console, counted, told
from compact_otel.archive.opening import Archive, named, opened
from compact_otel.core.errors import StorageError
from compact_otel.printable import printable


def verify(session_ids: Sequence[str], *, path: Path | None, as_json: bool) -> bool:
    """Hold sessions against their audit, print what is wrong, and return whether nothing is.

    Raises:
        ClickException: If there is no such archive or session, or it cannot be read.
    """
    with told():
        archive = opened(path)
        for session_id in session_ids:
            archive.records(session_id)
        ids = list(dict.fromkeys(session_ids)) or list(archive.sessions())
    found = {session_id: _faults(archive, session_id) for session_id in ids}
    errors = sum(fault.level == "error" for faults in found.values() for fault in faults)
    if as_json:
        rows = [
            {
                "session_id": session_id,
                "faults": [{"level": fault.level, "what": fault.what} for fault in faults],
            }
            for session_id, faults in found.items()
        ]
        figures = {"archive": archive.place, "errors": errors, "sessions": rows}
        click.echo(json.dumps(figures, indent=2))
        return not errors
    output = console()
    for session_id, faults in found.items():
        for fault in faults:
            style = "bold red" if fault.level == "error" else "yellow"
            line = Text.assemble(
                (f"{fault.level:5}", style), f"  {named(session_id)}: {printable(fault.what)}"
            )
            output.print(line, soft_wrap=True)
    looked = f"{counted(len(found), 'session')} in {archive.place}"
    said = f"{counted(errors, 'error')} in {looked}." if errors else f"{looked}: as written."
    output.print(Text(said), soft_wrap=True)
    return not errors


def _faults(archive: Archive, session_id: str) -> list[Fault]:
    try:
        return archive.storage.verify(session_id)
    except StorageError as error:  # the other sessions are looked at all the same
        return [Fault("error", error.strerror or str(error))]
