"""`compactctl archive prune`: what is older than it may be kept goes.

Rules it keeps:

1. Only what was last written before the moment that is given goes: transcripts and summaries one by
   one, each with a line in the audit, so that `verify` finds nothing missing.
2. A session of which all is older, its events and checkpoints, too, goes as a whole.
3. A session that somebody compacts right now is passed over.
4. What a storage did not write itself it does not remove, and no link is followed.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click
from rich.text import Text

from compact_otel.adapters.records import Stored
from compact_otel.archive.figures import console, counted, instant, size, table, told
from compact_otel.archive.opening import Archive, named, opened, why
from compact_otel.core.errors import StorageError
from compact_otel.printable import printable

_UNITS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}
_DURATION = re.compile(r"([0-9]{1,6})([hdw])")

State = Literal["to go", "removed", "in use", "failed"]


@dataclass(slots=True)
class _Pruning:
    """What goes of a session.

    Attributes:
        session_id: The session.
        records: What goes.
        whole: Whether that is all of it.
        state: What became of it.
        why: Why it could not be removed.
    """

    session_id: str
    records: Sequence[Stored]
    whole: bool
    state: State = "to go"
    why: str = ""

    @property
    def size(self) -> int:
        return sum(one.size for one in self.records)

    def as_dict(self) -> dict[str, Any]:
        figures: dict[str, Any] = {
            "session_id": self.session_id,
            "whole": self.whole,
            "records": [one.id for one in self.records],
            "bytes": self.size,
            "state": self.state,
        }
        return {**figures, "why": self.why} if self.why else figures


def seconds_of(duration: str) -> int:
    """Return a duration such as `30d`, `12h` or `2w` in seconds.

    Raises:
        ValueError: If it is none, or no time at all.
    """
    match = _DURATION.fullmatch(duration.strip())
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not seconds:
        raise ValueError(
            f"need a whole number of hours, days or weeks > 0 such as 12h, 30d or 2w, "
            f"got {duration!r}"
        )
    return seconds


def prune(
    older_than: str,
    session_ids: Sequence[str],
    *,
    path: Path | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> bool:
    """Remove what is older, say what, and return whether all of it could be removed.

    Raises:
        ClickException: If there is no such archive or session, it cannot be read, or the options
            make no sense.
        Abort: If the user says no.
    """
    try:
        before = time.time() - seconds_of(older_than)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--older-than'") from error
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json asks nobody: add --yes to remove, or --dry-run to look")
    with told():
        archive = opened(path)
        found, failed = archive.named(session_ids) if session_ids else archive.sessions()
    plan = [going for one in found if (going := _planned(archive, one, found[one], before))]
    plan += (_Pruning(name, (), whole=False, state="failed", why=failed[name]) for name in failed)
    if not as_json:
        _print(plan, archive, before)
    due = [one for one in plan if one.state == "to go"]
    if due and not dry_run:
        if not yes:
            click.confirm(f"Remove {_total(due)} for good?", abort=True)
        for one in due:
            _remove(archive, one, before)
        if not as_json:
            _print_outcome(due)
    if as_json:
        figures = {
            "archive": archive.place,
            "before": instant(before),
            "dry_run": dry_run,
            "sessions": [one.as_dict() for one in plan],
        }
        click.echo(json.dumps(figures, indent=2))
    return not any(one.state == "failed" for one in plan)


def _planned(
    archive: Archive, session_id: str, records: Sequence[Stored], before: float
) -> _Pruning | None:
    old = [one for one in records if one.written < before]
    whole = len(old) == len(records)
    if not whole:
        old = [one for one in old if one.step is not None]
    if not old:
        return None
    planned = _Pruning(session_id, old, whole)
    try:
        if archive.storage.is_claimed(session_id):
            planned.state = "in use"
    except StorageError as error:
        planned.state, planned.why = "failed", why(error)
    return planned


def _remove(archive: Archive, one: _Pruning, before: float) -> None:
    storage = archive.storage
    try:
        if storage.is_claimed(one.session_id):
            one.state = "in use"
            return
        if one.whole:
            if not storage.remove_session(one.session_id, before=before):
                one.state = "in use"
                return
        else:
            for record in one.records:
                storage.remove(one.session_id, record.id)
        gone = {record.id for record in one.records}
        left = [record.id for record in storage.records(one.session_id) if record.written < before]
    except StorageError as error:
        one.state, one.why = "failed", why(error)
        return
    still = sorted(gone.intersection(left))
    one.state = "failed" if still else "removed"
    one.why = f"still there: {', '.join(still)}" if still else ""


def _print(plan: Sequence[_Pruning], archive: Archive, before: float) -> None:
    for one in plan:
        if one.state == "failed":
            click.echo(f"Not looked at: {named(one.session_id)}: {printable(one.why)}", err=True)
    plan = [one for one in plan if one.state != "failed"]
    if not plan:
        click.echo(f"Nothing in {archive.place} was last written before {instant(before)}.")
        return
    shown = table("session", "what", ">size")
    for one in plan:
        what = "all of it" if one.whole else ", ".join(record.id for record in one.records)
        if one.state == "in use":
            what = "passed over: it is being compacted right now"
        shown.add_row(Text(named(one.session_id)), what, size(one.size))
    output = console()
    output.print(Text(f"Last written before {instant(before)} in {archive.place}:", "bold"))
    output.print(shown)


def _print_outcome(going: Sequence[_Pruning]) -> None:
    said: dict[State, Callable[[_Pruning], str]] = {
        "in use": lambda one: f"Passed over: {named(one.session_id)} is in use again.",
        "failed": lambda one: f"Not removed: {named(one.session_id)}: {one.why}",
    }
    for one in going:
        if one.state in said:
            click.echo(said[one.state](one), err=one.state == "failed")
    click.echo(f"Removed {_total([one for one in going if one.state == 'removed'])}.")


def _total(going: Sequence[_Pruning]) -> str:
    whole = sum(one.whole for one in going)
    records = sum(len(one.records) for one in going if not one.whole)
    sizes = size(sum(one.size for one in going))
    return f"{counted(whole, 'whole session')} and {counted(records, 'record')}, {sizes}"
