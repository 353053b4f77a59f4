"""What `compactctl tokens` does between its options and its exit code."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Console

from compact_otel.config import CompactConfig, replace_fields
from compact_otel.core.errors import ConfigError, StorageError
from compact_otel.core.measure import Scale
from compact_otel.core.types import Window
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.keys import Keys
from compact_otel.printable import printable
from compact_otel.tokens.figures import Figures, figures_of
from compact_otel.tokens.reading import (
    InputError,
    ModelCall,
    SessionError,
    from_bytes,
    from_path,
)
from compact_otel.tokens.render import render
from compact_otel.windows import Windows

_DEFAULT_MODEL = "gpt-4o"
_STDIN = "-"

ModelSource = Literal["option", "request", "environment", "default"]


def tokens(
    path: str,
    *,
    model: str | None,
    window: int | None,
    session: str | None,
    preview: bool,
    as_json: bool,
) -> None:
    """Count the call at `path` and print what it costs.

    Raises:
        ClickException: If it cannot be done, for a reason that the user can do something about.
    """
    config = _config(window)
    found = _found(path, session, config.storage.encryption_key)
    named, source = _model(model, found, config)
    policy, limit = config.settings_for(named, None)
    with _quiet():  # what windows logs about an unknown model is one of our notes
        size = Windows().of(named, limit)
    scale = Scale(
        estimator=TiktokenEstimator(),
        call=replace(found.call, model=named),
        policy=policy,
        window=size,
    )
    try:
        figures = figures_of(found, scale, preview=preview)
    except RuntimeError as error:  # the vocabulary in the installed package is damaged
        raise click.ClickException(str(error)) from error
    notes = list(_notes(found, named, source, size, figures))
    if as_json:
        heads = {
            "file": path,
            "kind": found.kind,
            "api": found.call.api,
            "model": named,
            "model_source": source,
        }
        click.echo(json.dumps({**heads, **_as_json(figures), "notes": notes}, indent=2))
        return
    name = "stdin" if path == _STDIN else printable(path)
    api = "Responses" if found.call.api == "responses" else "Chat Completions"
    heading = (
        f"{name}: {found.kind}, {_counted(figures.items, 'item')}, counted for {printable(named)} "
        f"({api}, {figures.estimator})"
    )
    render(figures, heading, notes, _console())


def _config(window: int | None) -> CompactConfig:
    try:
        config = CompactConfig.load()
    except ConfigError as error:
        raise click.UsageError(f"the environment cannot be used: {error}") from error
    if window is None:
        return config
    try:
        return replace_fields(config, max_context_tokens=window)
    except ConfigError as error:
        raise click.BadParameter(str(error), param_hint="'--window'") from error


def _found(path: str, session: str | None, keys: Keys | None) -> ModelCall:
    try:
        if path != _STDIN:
            return from_path(Path(path), session, keys)
        return from_bytes(sys.stdin.buffer.read(), "stdin", session)
    except SessionError as error:
        raise click.BadParameter(str(error), param_hint="'--session'") from error
    except (InputError, StorageError) as error:
        raise click.ClickException(str(error)) from error


def _model(option: str | None, found: ModelCall, config: CompactConfig) -> tuple[str, ModelSource]:
    if option:
        return option, "option"
    if found.call.model:
        return found.call.model, "request"
    return (config.model, "environment") if config.model else (_DEFAULT_MODEL, "default")


def _notes(
    found: ModelCall, model: str, source: ModelSource, window: Window, figures: Figures
) -> Iterator[str]:
    if source == "default":
        yield (
            f"no model is named, so this is for {model}, with its window; "
            "--model or COMPACT_MODEL names another."
        )
    if source == "option" and found.call.model not in (None, model):
        yield f"the request itself names {printable(str(found.call.model))}."
    if window.source == "default":
        yield (
            f"no window is known for {printable(model)}: {window.size:,} tokens are assumed; "
            "--window TOKENS sets it."
        )
    if found.server_state:
        names = ", ".join(f"`{name}`" for name in found.server_state)
        yield f"what the server adds by {names} is not in the file and not counted."
    if found.archived:
        yield "an archive holds <REDACTED> for secrets, and no instructions or tools."
    media = next(layer for layer in figures.layers if layer.name == "media")
    if media.items:
        yield (
            f"the tokens of images, sounds and files, in {_counted(media.items, 'item')}, are "
            "estimated by size."
        )


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _as_json(figures: Figures) -> dict[str, Any]:
    window, total = figures.window, figures.total
    return {
        "estimator": figures.estimator,
        "items": figures.items,
        "tokens": total,
        "parts": dict(figures.parts),
        "layers": [
            {**asdict(layer), "share": _share(layer.tokens, total)} for layer in figures.layers
        ],
        "window": {
            "tokens": window.size,
            "source": window.source,
            "output_reserve": window.output_reserve,
            "input_limit": window.input_limit,
            **asdict(figures.limits),
        },
        "compaction": asdict(figures.drop),
        "largest": [
            {**asdict(item), "share": _share(item.tokens, total)} for item in figures.largest
        ],
    }


def _share(tokens: int, of: int) -> float:
    return round(tokens / max(1, of), 4)


def _console() -> Console:
    # A name or a preview may hold what an old terminal's encoding has no letter for.
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")
    return Console(highlight=False)


@contextmanager
def _quiet() -> Iterator[None]:
    logger, taker = logging.getLogger("compact_otel"), logging.NullHandler()
    logger.addHandler(taker)
    try:
        yield
    finally:
        logger.removeHandler(taker)
