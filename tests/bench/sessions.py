"""What many sessions through one manager keep in memory.

    uv run python tests/bench/sessions.py [--sessions N]

Prints the most memory that the process has had, after more and more sessions of 32 items each.
"""

from __future__ import annotations

import argparse
import resource

from compact_otel import CompactConfig, CompactManager


def history(number: int) -> list[dict[str, str]]:
    """Return a conversation that no other session has."""
    return [
        {"role": role, "content": f"{role} {turn} of {number}: " + f"word{number} " * 100}
        for turn in range(16)
        for role in ("user", "assistant")
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    sessions = parser.parse_args().sessions
    config = CompactConfig.load(max_context_tokens=5_000, storage={"adapter": "none"})
    manager = CompactManager(config)
    for number in range(1, sessions + 1):
        manager.preflight(f"session {number}", history(number))
        if number % max(1, sessions // 10) == 0:
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"{number} sessions: {most} MiB", flush=True)


if __name__ == "__main__":
    main()
