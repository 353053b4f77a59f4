"""The golden summaries: what the extractive summariser makes of the seeded sessions, as files.

    uv run python -m tests.summarizers.golden_summaries

writes them anew, after a change of what an extractive summary looks like. Read the difference: each
file is a note that somebody has to go on from.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from compact_otel.core.types import SummaryRequest
from compact_otel.summarizers import ExtractiveSummarizer
from tests.summarizers.sessions import SESSIONS, Session

FOLDER = Path(__file__).parent / "goldens"
STRATEGIES = ("task_state", "brief", "decision_log", "code_delta")
NAMES = [f"{session}.{strategy}" for session in SESSIONS for strategy in STRATEGIES]
SEED, LENGTH, SHARE = 7, 8, 0.25


def count(text: str) -> int:
    """Count as a usual vocabulary does, about; no vocabulary that a release could change."""
    return len(re.findall(r"\w{1,5}|[^\w\s]", text))


def session(name: str) -> Session:
    return SESSIONS[name](SEED, LENGTH)


def request(made: Session, strategy: str = "task_state") -> SummaryRequest:
    """Ask for a note of a quarter of what a session has."""
    size = sum(count(json.dumps(item, ensure_ascii=False)) for item in made.items)
    return SummaryRequest(
        items=made.items, count_text=count, max_tokens=int(size * SHARE), strategy=strategy
    )


def summary(name: str) -> str:
    """Return the summary of a golden, `<session>.<strategy>`."""
    kind, _, strategy = name.partition(".")
    return ExtractiveSummarizer().summarize(request(session(kind), strategy)).text


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.txt"):
        file.unlink()
    for name in NAMES:
        (FOLDER / f"{name}.txt").write_bytes(f"{summary(name)}\n".encode())


if __name__ == "__main__":
    main()
