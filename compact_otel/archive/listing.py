"""`compactctl archive ls`: which sessions there are, and what is kept of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from compact_otel.adapters.records import Stored
from compact_otel.archive.figures import console, counted, instant, size, table, told
from compact_otel.archive.opening import Archive, named, opened
from compact_otel.printable import printable


def ls(session_id: str | None, *, path: Path | None, as_json: bool) -> bool:
    """Print the sessions of an archive, or what is kept of one; return whether all could be read.

    Raises:
        ClickException: If there is no such archive or session, or it cannot be read.
    """
    with told():
        archive = opened(path)
        if session_id is None:
            return _list_sessions(archive, as_json=as_json)
        _list_records(archive, session_id, as_json=as_json)
    return True


def _list_sessions(archive: Archive, *, as_json: bool) -> bool:
    found, failed = archive.sessions()
    if as_json:
        rows = [{"session_id": one, **_totals(records)} for one, records in found.items()]
        unread = [{"session_id": name, "why": said} for name, said in failed.items()]
        figures = {"archive": archive.place, "sessions": rows, "failed": unread}
        click.echo(json.dumps(figures, indent=2))
        return not failed
    if found or not failed:
        _print_sessions(archive, found)
    for name, said in failed.items():
        click.echo(f"Not readable: {named(name)}: {printable(said)}", err=True)
    return not failed


def _print_sessions(archive: Archive, found: Mapping[str, Sequence[Stored]]) -> None:
    if not found:
        click.echo(f"No sessions in {archive.place}.")
        return
    rows_shown = table("session", ">compactions", ">size", "last write")
    for one, records in found.items():
        totals = _totals(records)
        rows_shown.add_row(
            Text(named(one)),
            f"{totals['compactions']:,}",
            size(totals["bytes"]),
            totals["last_write"],
        )
    output = console()
    output.print(rows_shown)
    total = sum(_totals(records)["bytes"] for records in found.values())
    summed = f"\n{counted(len(found), 'session')} with {size(total)} in {archive.place}"
    output.print(Text(summed), soft_wrap=True)


def _list_records(archive: Archive, session_id: str, *, as_json: bool) -> None:
    records = archive.records(session_id)
    if as_json:
        rows = [
            {"id": one.id, "step": one.step, "bytes": one.size, "written": instant(one.written)}
            for one in records
        ]
        heads = {
            "archive": archive.place,
            "session_id": archive.storage.called(session_id),
            **_totals(records),
        }
        click.echo(json.dumps({**heads, "records": rows}, indent=2))
        return
    shown = table("record", ">size", "written")
    for one in records:
        shown.add_row(one.id, size(one.size), instant(one.written))
    console().print(shown)


def _totals(records: Sequence[Stored]) -> dict[str, Any]:
    return {
        "compactions": len({one.step for one in records} - {None}),
        "bytes": sum(one.size for one in records),
        "last_write": instant(max(one.written for one in records)),
    }
