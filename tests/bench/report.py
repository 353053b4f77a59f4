"""What `compactctl report` takes for a session of 1,000 items, and how fast the page opens.

    uv run python tests/bench/report.py [--items N] [--keep PAGE]

The session is the recorded one of the demo, repeated; a manager compacts it call by call into an
archive, of which the page is made. Opening is measured in a headless Chromium, from the request
to the load event and two frames more, in a fresh tab each time. Exits with 1 if the median is not
below a second, the page reports an error, or a request leaves it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from click.testing import CliRunner
from workload import call_context, history

from compact_otel import CompactConfig, CompactManager
from compact_otel.cli import main as compactctl
from compact_otel.report.source import answers_in

ROOT = Path(__file__).parents[2]
WINDOW, ROUNDS = 24_000, 15


def lived(folder: str, length: int) -> None:
    """Let a manager compact a session into an archive."""
    storage = {"adapter": "fs", "path": folder}
    manager = CompactManager(CompactConfig.load(max_context_tokens=WINDOW, storage=storage))
    items = history(length)
    for stop in answers_in(items, 1, len(items)):
        manager.preflight("session", items[:stop], call=call_context())


def main() -> None:
    """Print the figures."""
    sys.path.insert(0, str(ROOT))
    from tests.report.browser import browser, program

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1_000)
    parser.add_argument("--keep", metavar="PAGE", help="write the page here")
    options = parser.parse_args()
    if program() is None:
        parser.error("needs a Chromium on the path")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        lived(f"{folder}/archive", options.items)
        page = Path(options.keep or f"{folder}/report.html")
        arguments = ["report", "session", "--path", f"{folder}/archive", "-o", str(page)]
        began = time.perf_counter()
        done = CliRunner().invoke(compactctl, arguments, catch_exceptions=False)
        print(done.output.strip())
        print(f"written in {time.perf_counter() - began:.2f} s")
        seconds, errors, requests = [], [], []
        profile = Path(folder, "profile")
        profile.mkdir()
        with browser(profile) as chromium:
            for _ in range(ROUNDS):
                with chromium.page() as shown:
                    seconds.append(shown.open(page))
                    errors += shown.errors
                    requests += shown.requests
    median = statistics.median(seconds)
    print(
        f"opened in {median:.2f} s (median of {ROUNDS}; {min(seconds):.2f} to {max(seconds):.2f})"
    )
    print(f"{len(errors)} errors in the console, {len(requests) - ROUNDS} requests beside the page")
    sys.exit(0 if median < 1 and not errors and len(requests) == ROUNDS else 1)


if __name__ == "__main__":
    main()
