"""`compactctl archive show`: one record, as a person reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import click
from rich.text import Text

from compact_otel.adapters.records import Stored
from compact_otel.archive.figures import console, counted, told
from compact_otel.archive.opening import Archive, named, opened
from compact_otel.printable import printable, printable_lines

Part = Literal["summary", "transcript", "events", "audit"]

_NAMES = {"summary": "summary-", "transcript": "transcript-pre-compact-"}
_HEADS = ("ts", "event", "session_id")
_SAID = ("type", "role", "content", "id", "status", "call_id", "name")


def show(
    session_id: str, step: int | None, part: Part, *, path: Path | None, as_json: bool
) -> None:
    """Print a summary, a transcript, the events or the audit of a session.

    Raises:
        ClickException: If there is no such record, or it cannot be read.
    """
    if step is not None and part in ("events", "audit"):
        raise click.UsageError(f"--{part} is of the whole session: leave STEP out")
    with told():
        archive = opened(path)
        records = archive.records(session_id)
        if part in ("events", "audit"):
            _show_log(archive, session_id, part, as_json=as_json)
        else:
            step = _step(records, session_id, step, part)
            _show_step(archive, session_id, step, part, as_json=as_json)


def _step(records: Sequence[Stored], session_id: str, step: int | None, part: Part) -> int:
    beginning = _NAMES[part]
    steps = [one.step for one in records if one.id.startswith(beginning) and one.step is not None]
    if not steps:
        raise click.ClickException(f"no {part} of {named(session_id)} is kept")
    if step is None:
        return max(steps)
    if step not in steps:
        listed = ", ".join(map(str, sorted(steps)))
        raise click.BadParameter(
            f"no {part} of step {step} is kept; there are {listed}", param_hint="STEP"
        )
    return step


def _show_step(archive: Archive, session_id: str, step: int, part: Part, *, as_json: bool) -> None:
    storage = archive.storage
    stored: Any
    if part == "summary":
        stored = storage.load_summary(session_id, step)
    else:
        stored = storage.load_transcript(session_id, step)
    if as_json:
        click.echo(
            json.dumps(
                {"session_id": storage.called(session_id), "step": step, part: stored}, indent=2
            )
        )
        return
    output = console()
    if part == "summary":
        heading, text = _summary(stored)
        output.print(
            Text(f"{named(storage.called(session_id))}, compaction {step}: {heading}", "bold")
        )
        output.print()
        output.print(Text(text), soft_wrap=True)
        return
    count = counted(len(stored), "item")
    output.print(
        Text(f"{named(storage.called(session_id))}, before compaction {step}: {count}", "bold")
    )
    for index, item in enumerate(stored):
        heading, text = _item(item)
        output.print()
        output.print(Text(f"[{index}] {heading}", "cyan"), soft_wrap=True)
        output.print(Text(text), soft_wrap=True)


def _summary(stored: Mapping[str, Any]) -> tuple[str, str]:
    figures = [f"summary v{stored['version']}"] if "version" in stored else []
    if "tokens_before" in stored and "tokens_after" in stored:
        figures.append(f"{stored['tokens_before']} -> {stored['tokens_after']} tokens")
    if isinstance(dropped := stored.get("dropped"), list):
        figures.append(f"{counted(len(dropped), 'item')} gone")
    more = ("strategy", "model", "note", "created")
    figures += [f"{name} {stored[name]}" for name in more if stored.get(name)]
    text = stored.get("summary", stored.get("text"))
    if not isinstance(text, str):
        text = json.dumps(stored, indent=2, ensure_ascii=False)
    return printable("; ".join(figures)), printable_lines(text)


def _item(item: object) -> tuple[str, str]:
    if not isinstance(item, Mapping):
        return "?", _value(item)
    role, kind, name = (item.get(key) for key in ("role", "type", "name"))
    heading = " ".join(str(one) for one in (role or kind or "?", name) if one)
    parts = list(_texts(item.get("content")))
    for key, value in item.items():
        if key not in _SAID and value not in (None, [], {}):
            texts = list(_texts(value))
            parts += [f"{key}: {text}" for text in texts] if texts else [f"{key}: {_value(value)}"]
    return printable(heading), printable_lines("\n".join(parts))


def _texts(content: object) -> Iterator[str]:
    """Yield the texts of content: a string, or parts of which some have a text."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Iterable) and not isinstance(content, Mapping):
        for part in content:
            text = part.get("text") if isinstance(part, Mapping) else part
            yield text if isinstance(text, str) else _value(part)
    elif content is not None:
        yield _value(content)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _show_log(archive: Archive, session_id: str, part: Part, *, as_json: bool) -> None:
    storage = archive.storage
    load = storage.load_events if part == "events" else storage.load_audit
    records, called = load(session_id), archive.storage.called(session_id)
    if as_json:
        click.echo(json.dumps({"session_id": called, part: records}, indent=2))
        return
    output = console()
    output.print(Text(f"{named(called)}: {len(records):,} in its {part}", "bold"))
    for record in records:
        rest = {name: value for name, value in record.items() if name not in _HEADS}
        told_of = " ".join(f"{name}={_value(value)}" for name, value in rest.items())
        line = Text.assemble(
            (f"{printable(_value(record.get('ts', '')))} ", "dim"),
            (f"{printable(_value(record.get('event', '?')))} ", "cyan"),
            printable(told_of),
        )
        output.print(line, soft_wrap=True)
