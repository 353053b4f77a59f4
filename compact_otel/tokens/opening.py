"""What every command about a model call begins with: its settings, its call, its model and window.

What cannot be done is a `ClickException` that says what the user can do about it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import click
from rich.console import Console

from compact_otel.config import CompactConfig, replace_fields
from compact_otel.core.errors import ConfigError, StorageError
from compact_otel.core.measure import Scale, name_of
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.keys import Keys
from compact_otel.prices import TABLE
from compact_otel.printable import printable
from compact_otel.tokens.figures import Figures
from compact_otel.tokens.reading import (
    InputError,
    ModelCall,
    SessionError,
    from_bytes,
    from_path,
)
from compact_otel.windows import Windows

STDIN = "-"
_DEFAULT_MODEL = "gpt-4o"
_LOADING_S = 10.0

ModelSource = Literal["option", "request", "environment", "default"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A call that can be counted.

    Attributes:
        path: Where it was found, as the user said it.
        found: The call.
        scale: What it is measured with; its call is that of `found`, with a model.
        model: The model.
        source: Who named the model.
    """

    path: str
    found: ModelCall
    scale: Scale
    model: str
    source: ModelSource

    @property
    def name(self) -> str:
        """What the call is called, for people."""
        return "stdin" if self.path == STDIN else printable(self.path)

    @property
    def counted_for(self) -> str:
        """For what it is counted, for people."""
        api = "Responses" if self.found.call.api == "responses" else "Chat Completions"
        return f"{printable(self.model)} ({api}, {name_of(self.scale.estimator)})"

    def notes(self, figures: Figures) -> Iterator[str]:
        """Yield what a reader has to know to trust the figures of the call."""
        model, found, window = self.model, self.found, self.scale.window
        if self.source == "default":
            yield (
                f"no model is named, so this is for {model}, with its window; "
                "--model or COMPACT_MODEL names another."
            )
        if self.source == "option" and found.call.model not in (None, model):
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
                f"the tokens of images, sounds and files, in {counted(media.items, 'item')}, are "
                "estimated by size."
            )


def configured(window: int | None) -> CompactConfig:
    """Return the configuration of the environment.

    Args:
        window: What the user says of the window, None for nothing.

    Raises:
        ClickException: If it holds what is impossible.
    """
    try:
        config = CompactConfig.load()
    except ConfigError as error:
        raise click.UsageError(f"the settings cannot be used: {error}") from error
    if window is None:
        return config
    try:
        return replace_fields(config, max_context_tokens=window)
    except ConfigError as error:
        raise click.BadParameter(str(error), param_hint="'--window'") from error


def opened(path: str, config: CompactConfig, model: str | None, session: str | None) -> Opened:
    """Return the call in a file, a folder of an archive, a database, or stdin.

    Raises:
        ClickException: If there is none.
    """
    found = _found(path, session, config.storage.encryption_key)
    named, source = _model(model, found, config)
    policy, limit = config.settings_for(named, None)
    with quiet():  # what windows logs about an unknown model is one of our notes
        size = Windows().of(named, limit)
        if size.source == "default":
            TABLE.load().join(_LOADING_S)  # who is in a table that loads, is not known before
            size = Windows().of(named, limit)
    scale = Scale(
        estimator=TiktokenEstimator(),
        call=replace(found.call, model=named),
        policy=policy,
        window=size,
    )
    return Opened(path=path, found=found, scale=scale, model=named, source=source)


def _found(path: str, session: str | None, keys: Keys | None) -> ModelCall:
    try:
        if path != STDIN:
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


def counted(number: int, what: str) -> str:
    """Return a number of things."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def console() -> Console:
    """Return standard output for text that may hold letters which a terminal does not know."""
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")
    return Console(highlight=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what the package logs from stderr."""
    logger, taker = logging.getLogger("compact_otel"), logging.NullHandler()
    logger.addHandler(taker)
    try:
        yield
    finally:
        logger.removeHandler(taker)
