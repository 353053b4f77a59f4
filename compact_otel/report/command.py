"""What `compactctl report` does between its options and its exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click

from compact_otel.adapters.fs import FileStorage
from compact_otel.archive.figures import counted, size, told
from compact_otel.archive.opening import Archive, named, opened, settings
from compact_otel.config import CompactConfig, replace_fields
from compact_otel.core.errors import ConfigError
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.output import STDOUT, written
from compact_otel.printable import printable
from compact_otel.report.data import Report
from compact_otel.report.from_archive import from_archive
from compact_otel.report.from_replay import from_replay
from compact_otel.report.gathering import gather
from compact_otel.report.page import page
from compact_otel.report.source import Source
from compact_otel.tokens.opening import quiet
from compact_otel.tokens.reading import InputError, SessionError, from_bytes, from_path

_DEFAULT_MODEL = "gpt-4o"


def report(
    source: str,
    *,
    output: str | None,
    model: str | None,
    window: int | None,
    session: str | None,
    path: Path | None,
    as_json: bool,
) -> None:
    """Write the report of a session, or of a file that is played.

    Raises:
        ClickException: If it cannot be done, for a reason that the user can do something about.
    """
    if output is None and not as_json:
        raise click.UsageError("name the page: -o report.html, or -o - for stdout")
    config = _config(window, path)
    estimator = TiktokenEstimator()
    with quiet(), told():  # an unknown model's window is shown on the page
        try:
            found = _source(
                source,
                config,
                estimator,
                model=model,
                window=window,
                session=session,
                path=path,
            )
            made = gather(
                found, estimator, config.redaction.gate(), redacted=config.redaction.enabled
            )
        except RuntimeError as error:  # the vocabulary in the installed package is damaged
            raise click.ClickException(str(error)) from error
    text = json.dumps(made.as_dict(), indent=2) if as_json else page(made)
    written(f"{text}\n", output or STDOUT, option="--output")
    if output not in (None, STDOUT):
        click.echo(_said(made, str(output), len(text.encode())))


def _config(window: int | None, path: Path | None) -> CompactConfig:
    config = settings(path)
    if window is None:
        return config
    try:
        return replace_fields(config, max_context_tokens=window)
    except ConfigError as error:
        raise click.BadParameter(str(error), param_hint="'--window'") from error


def _source(
    source: str,
    config: CompactConfig,
    estimator: TiktokenEstimator,
    *,
    model: str | None,
    window: int | None,
    session: str | None,
    path: Path | None,
) -> Source:
    """Return what is meant: with `path` a session, else a file if there is one, else a session."""
    if path is None and (source == STDOUT or _is(Path(source).is_file)):
        return _replayed(source, config, estimator, model, session)
    if session is not None:
        raise click.BadParameter(
            f"{named(source)} is a session: only a database has several", param_hint="'--session'"
        )
    archive, session_id = _session(source, path)
    return from_archive(archive, session_id, config, estimator, model=model, window=window)


def _is(asked: Callable[[], bool]) -> bool:
    """Ask a path what it is; a text that can be none (too long, with a NUL) is nothing."""
    try:
        return asked()
    except (OSError, ValueError):
        return False


def _replayed(
    source: str,
    config: CompactConfig,
    estimator: TiktokenEstimator,
    model: str | None,
    session: str | None,
) -> Source:
    try:
        if source == STDOUT:
            found = from_bytes(sys.stdin.buffer.read(), "stdin", session)
        else:
            found = from_path(Path(source), session, config.storage.encryption_key)
    except SessionError as error:
        raise click.BadParameter(str(error), param_hint="'--session'") from error
    except InputError as error:
        raise click.ClickException(str(error)) from error
    name = "stdin" if source == STDOUT else Path(source).name
    named_ = model or found.call.model or config.model or _DEFAULT_MODEL
    return from_replay(found, name, named_, config, estimator)


def _session(source: str, path: Path | None) -> tuple[Archive, str]:
    """Return an archive and the session in it; a session's own folder names both."""
    folder = Path(source)
    if path is None and _is(folder.is_dir):
        archive = opened(folder.absolute().parent)
        if (session_id := _session_in(archive, folder)) is not None:
            return archive, session_id
        raise click.BadParameter(
            f"{printable(source)} is a folder, and none of a session; "
            f"for one in it: compactctl report --path {printable(source)} SESSION",
            param_hint="SESSION|FILE",
        )
    try:
        archive = opened(path)
        archive.records(source)
    except click.BadParameter as error:
        raise click.BadParameter(
            f"{error.message}; nor is there a file of that name", param_hint="SESSION|FILE"
        ) from error
    return archive, source


def _session_in(archive: Archive, folder: Path) -> str | None:
    """Return the session whose folder it is, None if it is none's."""
    storage = archive.storage
    if not isinstance(storage, FileStorage):
        return None
    name = folder.absolute().name
    with told():
        ours = (one for one in storage.sessions() if name in storage.folders(one))
        return next((one for one in ours if storage.records(one)), None)


def _said(made: Report, output: str, size_: int) -> str:
    calls = counted(len(made.calls), "model call")
    compactions = counted(len(made.compactions), "compaction")
    return f"Wrote {printable(output)}, {size(size_)}: {calls}, {compactions}."
