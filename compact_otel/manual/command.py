"""What `compactctl dry-run`, `diff` and `compact` do between their options and their exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from compact_otel.config import CompactConfig
from compact_otel.core import events
from compact_otel.core.errors import ConfigError
from compact_otel.core.settings import Strategy
from compact_otel.manual.changes import Change, changes
from compact_otel.manual.compaction import ImpossibleError, Outcome, compacted
from compact_otel.manual.page import page
from compact_otel.manual.render import render
from compact_otel.manual.target import TargetError, parsed
from compact_otel.manual.unified import show
from compact_otel.manual.words import NOTHING, about, change, notes, of_summary
from compact_otel.manual.writing import serialised
from compact_otel.output import STDOUT, check, written
from compact_otel.printable import printable
from compact_otel.schema import SCHEMA
from compact_otel.tokens.figures import preview_of
from compact_otel.tokens.opening import STDIN, Opened, configured, console, opened
from compact_otel.tokens.reading import has_sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What all three commands are asked.

    Attributes:
        file: The file, as the user said it.
        strategy: What the summary puts first; None for what the settings say.
        target: As it was said; None for what the settings say.
        note: What the user says about it.
        model: As in `opened`.
        window: As in `configured`.
        session: As in `opened`.
    """

    file: str
    strategy: Strategy | None = None
    target: str | None = None
    note: str | None = None
    model: str | None = None
    window: int | None = None
    session: str | None = None


def dry_run(asked: Asked, *, preview: bool, as_json: bool) -> None:
    """Print what a compaction would do.

    Raises:
        ClickException: If it cannot be done.
    """
    config, outcome = _rehearsed(asked)
    told = list(notes(outcome, config, is_rehearsal=True))
    previews = _previews(outcome, config) if preview else None
    if as_json:
        _echo(_as_json(outcome, told, previews))
        return
    render(outcome, f"{outcome.call.name}: {about(outcome, 'planned')}", told, previews, console())


def diff(asked: Asked, *, html: str | None, full: bool, as_json: bool) -> None:
    """Show a call before and after a compaction.

    Raises:
        ClickException: If it cannot be done, or the page cannot be written.
    """
    if html == STDOUT and as_json:
        raise click.UsageError("--html - and --json both write to stdout: name a file for the page")
    if html is not None:
        check(html, option="--html")
        _refuse_same(html, asked.file, "--html")
    config, outcome = _rehearsed(asked)
    told = list(notes(outcome, config, is_rehearsal=True))
    found = list(changes(outcome, config.redaction.redactor()))
    if html is not None:
        written(page(outcome, about(outcome, "compacted"), told, found), html, option="--html")
    if as_json:
        more = {"changes": [_change_as_json(one) for one in found], "html": html}
        _echo({**_as_json(outcome, told, None), **more})
    elif html is None:
        show(outcome, found, told, console(), is_full=full)
    elif html != STDOUT:
        console().print(f"{printable(html)}: {change(outcome)}", soft_wrap=True, markup=False)


def compact(asked: Asked, *, output: str, as_json: bool) -> bool:
    """Compact a call into a file, and return whether the archive has what went.

    Raises:
        ClickException: If it cannot be done, or the file not be written.
    """
    if output == STDOUT and as_json:
        raise click.UsageError("-o - and --json both write to stdout: name a file for the items")
    check(output, option="--output")
    _refuse_same(output, asked.file, "--output")
    config = configured(asked.window)
    call = _opened(asked, config, is_archived=True)
    with _progress(config) as heard:
        outcome = _compacted(asked, call, config, session_id=_session_id(asked, call), heard=heard)
    written(serialised(outcome), output, option="--output")
    told = list(notes(outcome, config, is_rehearsal=False))
    if as_json:
        more = {
            "output": output,
            "archive": outcome.archive,
            "archive_error": outcome.archive_error,
        }
        _echo({**_as_json(outcome, told, None), **more})
    else:
        _report(outcome, told, output)
    return outcome.archive_error is None


def _report(outcome: Outcome, told: list[str], output: str) -> None:
    """Say what was done, on stderr if the items are on stdout."""
    for note in told:
        click.echo(f"Note: {note}", err=True)
    is_noop = outcome.outcome == "noop"
    lines = [NOTHING if is_noop else change(outcome)]
    if not is_noop:
        lines.append(of_summary(outcome))
    if output != STDOUT:
        lines.append(f"written: {printable(output)}{' (as it came)' if is_noop else ''}")
    if outcome.archive is not None:
        lines.append(f"archived: {printable(outcome.archive)}")
    click.echo("\n".join(lines), err=output == STDOUT)
    if outcome.archive_error is not None:
        click.echo(
            f"Error: what went could not be archived ({outcome.archive_error}); the file that was "
            "compacted still has it",
            err=True,
        )


def _rehearsed(asked: Asked) -> tuple[CompactConfig, Outcome]:
    config = configured(asked.window)
    call = _opened(asked, config, is_archived=False)
    return config, _compacted(asked, call, config)


def _opened(asked: Asked, config: CompactConfig, *, is_archived: bool) -> Opened:
    """Return the call; where it is archived, a file without sessions may be given one."""
    session = asked.session
    if is_archived and (asked.file == STDIN or not has_sessions(Path(asked.file))):
        session = None
    return opened(asked.file, config, asked.model, session)


def _session_id(asked: Asked, call: Opened) -> str:
    """Return under which session the archive keeps what goes."""
    found = call.found.session or asked.session
    return found or ("stdin" if asked.file == STDIN else Path(asked.file).absolute().stem)


def _compacted(asked: Asked, call: Opened, config: CompactConfig, **more: Any) -> Outcome:
    try:
        target = None if asked.target is None else parsed(asked.target)
        return compacted(
            call, config, strategy=asked.strategy, target=target, note=asked.note, **more
        )
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    except TargetError as error:
        raise click.BadParameter(str(error), param_hint="'--target'") from error
    except (ImpossibleError, RuntimeError) as error:
        raise click.ClickException(f"{call.name}: {error}") from error


def _refuse_same(output: str, file: str, option: str) -> None:
    """Refuse to write over what is read: what goes would be gone but for a redacted copy."""
    try:
        same = output != STDOUT and file != STDIN and Path(output).samefile(file)
    except OSError:
        return  # one of them is not there
    if same:
        raise click.BadParameter(
            f"{printable(output)} is the file that is read: name another one, and put that in its "
            "place when you have looked at it",
            param_hint=f"'{option}'",
        )


@contextmanager
def _progress(config: CompactConfig) -> Iterator[Callable[[str], None]]:
    """Show on stderr what is being done, if that is a terminal; yield what hears of events."""
    stderr = Console(stderr=True)
    if not stderr.is_terminal:
        yield lambda _: None
        return
    writer = config.summarizer.model
    asks = "writing the summary" if writer is None else f"asking {printable(writer)}"
    steps = {
        SCHEMA[events.TokenEstimate].name: (1, "planning"),
        SCHEMA[events.TriggerDecision].name: (2, asks),
        SCHEMA[events.SummaryCreated].name: (3, "checking"),
        SCHEMA[events.PolicyApplied].name: (4, "archiving"),
        SCHEMA[events.Archival].name: (5, "writing"),
    }
    columns = (BarColumn(), SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True) as bar:
        task = bar.add_task("counting", total=5)

        def heard(event: str) -> None:
            if event in steps:
                done, what = steps[event]
                bar.update(task, completed=done, description=what)

        yield heard


def _previews(outcome: Outcome, config: CompactConfig) -> Mapping[int, str]:
    redactor, found = config.redaction.redactor(), outcome.call.found
    return {
        index + found.first: preview_of(item, redactor) for index, item in enumerate(found.items)
    }


def _as_json(
    outcome: Outcome, told: list[str], previews: Mapping[int, str] | None
) -> dict[str, Any]:
    call, before, after = outcome.call, outcome.before, outcome.after
    fates, made, policy = outcome.fates, outcome.summary, outcome.policy
    summary = None if made is None else asdict(made)
    for hidden in ("text", "before") if summary is not None else ():
        summary.pop(hidden)  # type: ignore[union-attr]
    return {
        "file": call.path,
        "kind": call.found.kind,
        "api": call.found.call.api,
        "model": call.model,
        "model_source": call.source,
        "estimator": before.estimator,
        "outcome": outcome.outcome,
        "tokens_before": before.total,
        "tokens_after": after.total,
        "target": outcome.aim,
        "items_before": before.items,
        "items_after": after.items,
        **{
            fate: sum(one.fate == fate for one in fates)
            for fate in ("kept", "cleared", "summarised")
        },
        "layers": [
            {"name": one.name, "tokens_before": one.tokens, "tokens_after": other.tokens}
            for one, other in zip(before.layers, after.layers, strict=True)
        ],
        "summary": summary,
        "policy": {
            "strategy": policy.strategy,
            "target_pct": round(policy.target_pct, 4),
            "keep_recent_turns": outcome.kept_by.recent_turns,
            "keep_tool_io_pairs": outcome.kept_by.tool_io_pairs,
            "reductions": outcome.kept_by.steps,
        },
        "trigger": {
            "due": before.drop.due,
            "reason": before.drop.reason,
            "tokens": before.limits.trigger,
        },
        "items": [
            {**asdict(one), **({} if previews is None else {"preview": previews.get(one.index)})}
            for one in fates
        ],
        "notes": told,
    }


def _change_as_json(one: Change) -> dict[str, Any]:
    return {
        "op": one.op,
        "places": [fate.index for fate in one.fates],
        "tokens_before": one.tokens_before,
        "tokens_after": one.tokens_after,
        "before": list(one.before),
        "after": list(one.after),
    }


def _echo(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))
