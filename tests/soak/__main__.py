"""Many conversations with seeded sizes, models, strategies and faults, at the strict local server.

    uv run python -m tests.soak [--runs 1000] [--seed 1] [--workers 2] [--size 3] [--json]

Prints figures; the exit code is 1 if an agent saw a context-limit error, a request broke the API's
rules, a compaction came out over its budget, or fewer than 99.5 % of the conversations reached
their end. `--only SEED` plays one of them again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from tests.soak.figures import figures_of, is_good, played


def main() -> int:
    """Play, print, and return the exit code."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--runs", type=int, default=1_000)
    options.add_argument("--seed", type=int, default=1, help="of the first conversation")
    options.add_argument("--size", type=float, help="windows that each is long; else drawn")
    options.add_argument("--workers", type=int, default=2, help="processes")
    options.add_argument("--only", type=int, metavar="SEED", help="this conversation alone")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    if given.only is not None:
        print(played(given.only, given.size))
        return 0
    began = time.monotonic()
    seeds = range(given.seed, given.seed + given.runs)
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        outcomes = list(pool.map(partial(played, size=given.size), seeds, chunksize=8))
    figures = figures_of(outcomes)
    figures["minutes"] = round((time.monotonic() - began) / 60, 1)
    if given.json:
        print(json.dumps(figures, indent=1))
    else:
        for name, value in figures.items():
            print(f"{name:22} {value}")
    return 0 if is_good(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
