"""What `compactctl tokens` does between its options and its exit code."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from compact_otel.tokens.figures import Figures, figures_of
from compact_otel.tokens.opening import configured, console, counted, opened
from compact_otel.tokens.render import render


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
    call = opened(path, configured(window), model, session)
    try:
        figures = figures_of(call.found, call.scale, preview=preview)
    except RuntimeError as error:  # the vocabulary in the installed package is damaged
        raise click.ClickException(str(error)) from error
    notes = list(call.notes(figures))
    if as_json:
        heads = {
            "file": path,
            "kind": call.found.kind,
            "api": call.found.call.api,
            "model": call.model,
            "model_source": call.source,
        }
        click.echo(json.dumps({**heads, **_as_json(figures), "notes": notes}, indent=2))
        return
    heading = (
        f"{call.name}: {call.found.kind}, {counted(figures.items, 'item')}, "
        f"counted for {call.counted_for}"
    )
    render(figures, heading, notes, console())


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
