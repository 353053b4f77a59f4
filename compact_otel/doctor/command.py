"""What `compactctl doctor` does between its options and its exit code."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from compact_otel.core.addresses import without_user
from compact_otel.doctor import package, telemetry
from compact_otel.doctor.finding import Finding, State, Surroundings
from compact_otel.printable import printable_lines
from compact_otel.redaction import Redactor

CHECKS: tuple[Callable[[Surroundings], Iterable[Finding]], ...] = (
    package.versions,
    package.settings,
    package.vocabulary,
    package.archive,
    package.summarizer,
    telemetry.switched_on,
    telemetry.destinations,
    telemetry.told,
    telemetry.content,
    telemetry.viewer,
    telemetry.agent_spans,
)

_STYLES: dict[State, str] = {"ok": "green", "note": "yellow", "problem": "bold red"}


def doctor(*, timeout: float, as_json: bool) -> bool:
    """Check everything and print what was found; return whether all of it is well.

    Args:
        timeout: Seconds that one address is waited for.
        as_json: Whether it is printed as one JSON object.
    """
    found = list(examined(Surroundings(dict(os.environ), timeout)))
    states = Counter(finding.state for finding in found)
    if as_json:
        figures = {"problems": states["problem"], "findings": [asdict(each) for each in found]}
        click.echo(json.dumps(figures, indent=2))
    else:
        _print(found, states)
    return not states["problem"]


def examined(around: Surroundings) -> Iterator[Finding]:
    """Yield what all checks find; one that fails is a finding itself."""
    for check in CHECKS:
        try:
            yield from check(around)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others are told
            why = Redactor().text(without_user(str(error)))
            text = f"this could not be checked: {type(error).__name__}: {why}"
            yield Finding(check.__name__.replace("_", " "), "problem", text)


def _print(found: Iterable[Finding], states: Counter[State]) -> None:
    table = Table.grid(padding=(0, 2))
    for finding in found:
        said = Text(printable_lines(finding.text))
        if finding.remedy:
            said.append(f"\n{printable_lines(finding.remedy)}", style="italic")
        table.add_row(Text(finding.state, _STYLES[finding.state]), Text(finding.check), said)
    console = Console(highlight=False)
    console.print(table)
    count = states["problem"]
    console.print(
        "\nNothing stands in the way."
        if not count
        else f"\n{count} problem{'s' if count > 1 else ''}; what to do stands below each."
    )
