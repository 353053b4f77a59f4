"""Kits written by others, and canaries in real dialogue, against the product without a model.

    uv run --with compaction-conformance-kit==0.8.0 --with compactbench==0.1.0 \\
        python tests/bench/kits.py [--json] [--data DIR] [--templates DIR] [--only NAME] \\
        [--keep-user-tokens N]

The kits are not in the lock: `--with` puts them beside the project for this run. `--templates` is
`benchmarks/public/elite_practice` of compactbench's source distribution (its wheel has none);
`--data` a folder of transcripts. What is not there is left out, with a line that says so. The parts
called `peers` are what others do without a model; those of the group `bench` need `--group bench`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import kit_compactbench
import kit_conformance
import kit_dialogue
import kit_peers
import kit_pipeline

_SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "transcripts"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", type=Path, default=_SHARED)
    parser.add_argument("--templates", type=Path)
    parser.add_argument("--only", action="append", help="run these parts only")
    parser.add_argument(
        "--keep-user-tokens",
        type=int,
        default=0,
        help="users' messages that stay as they are, beside the note (the product: 20000)",
    )
    given = parser.parse_args()
    kit_pipeline.POLICY["keep_user_tokens"] = given.keep_user_tokens
    parts: dict[str, Callable[[], object]] = {
        "conformance_20": kit_conformance.benchmark,
        "conformance_10": lambda: kit_conformance.benchmark(0.10),
        "conformance_10_note": lambda: kit_conformance.benchmark(
            0.10, compactor=kit_conformance.Note
        ),
        "conformance_20_note": lambda: kit_conformance.benchmark(compactor=kit_conformance.Note),
        "conformance_generated_note": lambda: kit_conformance.generated(
            compactor=kit_conformance.Note
        ),
        "conformance_generated": kit_conformance.generated,
        "conformance_generated_10": lambda: kit_conformance.generated(0.10),
        "conformance_generated_10_note": lambda: kit_conformance.generated(
            0.10, compactor=kit_conformance.Note
        ),
        "compactbench_4x": lambda: kit_compactbench.elite(given.templates),
        "dialogue_canaries": lambda: kit_dialogue.canaries(given.data),
        "dialogue_updates": lambda: kit_dialogue.updates(given.data),
        "dialogue_constraints": lambda: kit_dialogue.constraints(given.data),
        "peers_20": lambda: kit_peers.conformance(0.20),
        "peers_10": lambda: kit_peers.conformance(0.10),
        "peers_compactbench": lambda: kit_peers.compactbench(given.templates),
        "peers_dialogue": lambda: kit_peers.dialogue(given.data),
    }
    unknown = set(given.only or ()) - parts.keys()
    if unknown:
        parser.error(f"need `--only` to be of {', '.join(parts)}, got {', '.join(sorted(unknown))}")
    found: dict[str, object] = {}
    for name, run in parts.items():
        if given.only and name not in given.only:
            continue
        try:
            found[name] = run()
        except (SystemExit, FileNotFoundError) as missing:
            print(f"{name}: {missing}", file=sys.stderr)
            continue
        if not given.json:
            print(name, found[name], flush=True)
    if given.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
