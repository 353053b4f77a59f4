"""`compactctl archive verify`: whether an archive still is what was written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
from rich.text import Text

from compact_otel.adapters.audit import Fault
from compact_otel.archive.figures import console, counted, told
from compact_otel.archive.opening import Archive, named, opened, why
from compact_otel.core.errors import StorageError
from compact_otel.printable import printable


def verify(session_ids: Sequence[str], *, path: Path | None, as_json: bool) -> bool:
    """Hold sessions against their audit, print what is wrong, and return whether nothing is.

    Raises:
        ClickException: If there is no such archive or session, or it cannot be read.
    """
    with told():
        archive = opened(path)
        there, failed = archive.named(session_ids) if session_ids else archive.sessions()
    found = {name: [Fault("error", said)] for name, said in failed.items()}
    found |= {name: _faults(archive, name) for name in there}
    errors = sum(fault.level == "error" for faults in found.values() for fault in faults)
    if as_json:
        rows = [
            {
                "session_id": session_id,
                "faults": [{"level": fault.level, "what": fault.what} for fault in faults],
            }
            for session_id, faults in sorted(found.items())
        ]
        figures = {"archive": archive.place, "errors": errors, "sessions": rows}
        click.echo(json.dumps(figures, indent=2))
        return not errors
    output = console()
    for session_id, faults in sorted(found.items()):
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
        return [Fault("error", why(error))]
