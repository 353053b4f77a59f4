"""What a decision costs here and in what users would pick instead, in one run.

    uv run --group bench python tests/bench/peers.py [--json] [--isolated] [--only NAME]

Every library gets the same history, converted to its own types beforehand. *Steady* is a call that
finds nothing to do: the history is known from the call before, one item has come in, the threshold
lies above. *Triggered* is a call that compacts, with a summariser that costs nothing. Each library
runs in a process of its own, all of them in turn and more than once; a figure is the lowest of all
rounds, with the lowest median of the passes behind it, because the machine may be shared.

What is not installed is a row of the table all the same. Some libraries cannot be installed beside
the Agents SDK: `--isolated` lets uv fetch each of them into an environment of its own.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from adapters import PEERS, Peer
from workload import history

ITEMS, PASSES = 600, 2
WORKER = Path(__file__).with_name("worker.py")
LIMIT = 600
"""Seconds for one process."""

Row = dict[str, Any]


def command(peer: Peer, *, isolated: bool) -> list[str] | str:
    """Return how to run a peer's worker, or why it cannot be run."""
    if peer.package is None:
        return [sys.executable, str(WORKER)]
    try:
        importlib.metadata.version(peer.package)
    except importlib.metadata.PackageNotFoundError:
        pass
    else:
        return [sys.executable, str(WORKER)]
    if peer.apart is None:
        return "not installed"
    if not isolated:
        return f"not installed: {peer.apart} (--isolated)"
    uv = shutil.which("uv")
    if uv is None:
        return f"not installed: {peer.apart}, and there is no uv"
    options = ["--isolated", "--no-project", "--quiet", "--python", peer.python]
    return [uv, "run", *options, "--with", peer.package, "python", str(WORKER)]


def measured(peer: Peer, items: str, *, isolated: bool) -> Row:
    """Return the figures of one peer, or why there are none."""
    run = command(peer, isolated=isolated)
    if isinstance(run, str):
        return {"missing": run}
    try:
        done = subprocess.run(
            [*run, peer.name],
            input=items,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = str(error.stderr or error).strip().splitlines()
        return {"missing": f"failed: {said[-1] if said else error}"}
    figures: Row = json.loads(done.stdout)
    return figures


def better(first: Row, second: Row) -> Row:
    """Return the lower figures of two rounds."""
    if "missing" in first or "missing" in second:
        return second
    return {
        name: {key: min(first[name][key], second[name][key]) for key in first[name]}
        if isinstance(first[name], dict)
        else first[name]
        for name in first
    }


def rows(*, length: int, passes: int, isolated: bool, only: list[str]) -> list[Row]:
    """Return one row a peer, the fastest first."""
    items = json.dumps(history(length))
    # Without ours there would be nothing to compare with.
    wanted = [
        peer
        for peer in PEERS
        if not only or peer.package is None or any(name in peer.name for name in only)
    ]
    found: dict[str, Row] = {}
    for _ in range(passes):
        for peer in wanted:
            print(f"{peer.name} ...", file=sys.stderr)
            figures = measured(peer, items, isolated=isolated)
            found[peer.name] = better(found.get(peer.name, figures), figures)
    ours = found[PEERS[0].name]
    made = []
    for peer in wanted:
        figures = found[peer.name]
        row: Row = {
            "peer": peer.name,
            "decides_by": peer.counts,
            "reads_items": peer.reads,
            "items": length,
            **figures,
        }
        if "missing" not in figures and "missing" not in ours:
            ratio = figures["steady_ms"]["lowest"] / ours["steady_ms"]["lowest"]
            row["steady_ratio"] = ratio
        made.append(row)
    return sorted(made, key=lambda row: row.get("steady_ratio", float("inf")))


def table(made: list[Row]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| | version | decides by | steady, ms | x compact_otel | triggered, ms | messages left |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    for row in made:
        decides = row["decides_by"] + ("" if row["reads_items"] else " †")
        if "missing" in row:
            lines.append(f"| {row['peer']} | - | {decides} | {row['missing']} | | | |")
            continue
        steady, triggered = row["steady_ms"], row["triggered_ms"]
        has_after = triggered is not None
        lines.append(
            f"| {row['peer']} | {row['version'] or ''} | {decides} | {_ms(steady)} "
            f"| {row.get('steady_ratio', float('nan')):,.1f} "
            f"| {_ms(triggered) if has_after else ''} "
            f"| {row['items_after'] if has_after else ''} |"
        )
    note = "† does not read the history for it, at most what came behind the last answer"
    return "\n".join([*lines, "", note])


def _ms(figures: Row) -> str:
    return f"{_number(figures['lowest'])} ({_number(figures['median'])})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 10 else f"{value:.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--isolated", action="store_true", help="let uv fetch what needs its own")
    parser.add_argument("--items", type=int, default=ITEMS, help="length of the history")
    parser.add_argument("--passes", type=int, default=PASSES, help="how often all are measured")
    parser.add_argument("--only", action="append", default=[], help="a part of a peer's name")
    options = parser.parse_args()
    made = rows(
        length=options.items,
        passes=options.passes,
        isolated=options.isolated,
        only=options.only,
    )
    print("\n".join(map(json.dumps, made)) if options.json else table(made))


if __name__ == "__main__":
    main()
