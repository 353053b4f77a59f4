"""Many conversations with seeded sizes, models, strategies and faults, at the strict local server.

    uv run python -m tests.soak [--runs 1000] [--seed 1] [--workers N] [--size 3] [--json]

Prints figures; the exit code is 1 if an agent saw a context-limit error, a request broke the API's
rules or lacked what must be in it, a compaction came out over its budget, something of ours failed
unseen, an archive lacks what was dropped, a process grows, or fewer than 99.5 % of the
conversations reached their end. How far it is stands on stderr. `--only SEED` plays one again, and
`--save FILE` lets the same command go on where it was ended.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.soak.figures import figures_of, hurry, is_good, played
from tests.soak.running import Outcome

_STEP_S = 30.0


def main() -> int:
    """Play, print, and return the exit code."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--runs", type=int, default=1_000)
    options.add_argument("--seed", type=int, default=1, help="of the first conversation")
    options.add_argument("--size", type=float, help="windows that each is long; else drawn")
    options.add_argument("--window", type=int, help="tokens of the model's window; else drawn")
    options.add_argument(
        "--workers", type=int, default=os.cpu_count() or 2, help="processes; else one for each core"
    )
    options.add_argument("--only", type=int, metavar="SEED", help="this conversation alone")
    options.add_argument("--save", type=Path, metavar="FILE", help="keeps what is done, to go on")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    play = partial(played, size=given.size, window=given.window)
    if given.only is not None:
        outcome = play(given.only)
        print(outcome)
        return 0 if is_good(figures_of([outcome])) else 1
    began = time.monotonic()
    outcomes = _saved(given.save)
    done = {outcome.seed for outcome in outcomes}
    seeds = [seed for seed in range(given.seed, given.seed + given.runs) if seed not in done]
    with ProcessPoolExecutor(given.workers, get_context("spawn"), hurry) as pool:
        for outcome in _told(pool.map(play, seeds, chunksize=4), len(seeds)):
            outcomes.append(outcome)
            if given.save is not None:
                with given.save.open("ab") as file:
                    pickle.dump(outcome, file)
    figures = figures_of(outcomes)
    figures["minutes"] = round((time.monotonic() - began) / 60, 1)
    if given.json:
        print(json.dumps(figures, indent=1))
    else:
        for name, value in figures.items():
            print(f"{name:38} {value}")
    return 0 if is_good(figures) else 1


def _saved(path: Path | None) -> list[Outcome]:
    """Return what an earlier command kept."""
    outcomes: list[Outcome] = []
    if path is not None and path.exists():
        with path.open("rb") as file:
            while True:
                try:
                    outcomes.append(pickle.load(file))
                except (EOFError, pickle.UnpicklingError):  # it was ended while it wrote
                    break
    return outcomes


def _told(outcomes: Iterator[Outcome], runs: int) -> Iterator[Outcome]:
    """Yield what comes, and say how far it is."""
    began = said = time.monotonic()
    for number, outcome in enumerate(outcomes, 1):
        yield outcome
        now = time.monotonic()
        if not is_good(figures_of([outcome])):
            print(f"seed {outcome.seed} is not as it should be", file=sys.stderr, flush=True)
        if now - said >= _STEP_S:
            said, left = now, (now - began) / number * (runs - number)
            print(f"{number} of {runs}, {left / 60:.0f} minutes left", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
