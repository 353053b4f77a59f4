"""What `compactctl demo` does between its options and its exit code."""

from __future__ import annotations

import asyncio
import json
import logging
import os

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from compact_otel.demo.figures import Figures
from compact_otel.demo.recording import bundled
from compact_otel.demo.render import render
from compact_otel.demo.settings import SettingError, Settings, session_tokens

_KEY = "OPENAI_API_KEY"


def demo(settings: Settings, *, as_json: bool) -> bool:
    """Play the session, print what was seen, and say whether it survived with compact_otel.

    Raises:
        SettingError: If the run cannot be made, or would show nothing.
    """
    tokens = session_tokens(settings, bundled())
    if settings.live and not os.environ.get(_KEY):
        raise SettingError(
            "live", f"OpenAI wants a key, and {_KEY} is not set. Set it, or leave --live away."
        )
    _make_archive(settings)
    # The SDK logs the overflow of the first part, which is what we are about to show ourselves.
    logging.getLogger("openai.agents").addHandler(logging.NullHandler())
    figures = _played(settings, tokens, quiet=as_json)
    if as_json:
        click.echo(json.dumps(figures.as_json(), indent=2))
    else:
        render(figures, Console(highlight=False))
    return figures.survived


def _make_archive(settings: Settings) -> None:
    """Make the folder now: compact_otel goes on without an archive, and there would be none."""
    try:
        settings.archive.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(
            "archive",
            f"{settings.archive} cannot be made ({error.strerror}). Use a folder you may write to.",
        ) from error


def _played(settings: Settings, tokens: int, *, quiet: bool) -> Figures:
    """Play the session behind a progress bar, if there is somebody to look at it."""
    recording = bundled(settings.turns)
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("turns"),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    ) as progress:
        parts = ("with",) if settings.live else ("without", "with")
        bars = {
            part: progress.add_task(f"{part:>7} compact_otel", total=len(recording.turns))
            for part in parts
        }
        from compact_otel.demo.run import run  # imports the SDKs: seconds, with the bar in sight

        return asyncio.run(
            run(
                settings,
                recording,
                tokens,
                lambda part, turn: progress.update(bars[part], completed=turn),
            )
        )
