"""A program with a session in a file, which goes on where the one before it was ended.

python session.py BASE_URL FOLDER QUESTIONS [slow]

Asks so many questions, the first of them by how many the session has had, and writes a line of JSON
for each answer; the last line has the outcomes of all decisions, and what the archive says of
itself. With `slow` the summaries take for ever, which is told by a line, too.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from agents import SQLiteSession, set_tracing_disabled

sys.path.insert(0, str(Path(__file__).parents[2]))

import compact_otel
from compact_otel.adapters import FileStorage
from compact_otel.summarizers.extractive import ExtractiveSummarizer
from tests.chaos.program import converse
from tests.sabotage.program import EARLY, WINDOW, earlier


def tell(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Slow(ExtractiveSummarizer):
    """Takes for ever."""

    name = "slow"
    immediate = False

    def summarize(self, request):
        tell(step="summary")
        time.sleep(600)


class Outcomes:
    """Holds what was decided."""

    def __init__(self):
        self.decided = []

    def export(self, event):
        if event["event"] == "compact.trigger_decision":
            self.decided.append(event["compact.trigger.decision"])


async def main(base_url, folder, questions, *options):
    outcomes = Outcomes()
    archive = FileStorage(Path(folder, "archive"))
    compact_otel.instrument(
        max_context_tokens=WINDOW,
        soft_trigger_pct=0,
        storage=archive,
        exporters=[outcomes],
        **EARLY,
        **({"summarizer": Slow()} if "slow" in options else {}),
    )
    session = SQLiteSession("chaos", str(Path(folder, "session.db")))
    if not await session.get_items():
        await session.add_items(earlier()[:-1])
    for number in range(int(questions)):
        seen = await converse(base_url, [f"What of customer {number}"], session=session)
        tell(answer=seen.turns[0])
    tell(
        decided=outcomes.decided,
        steps=archive.steps("chaos"),
        faults=[str(fault) for fault in archive.verify("chaos")],
        items=len(seen.items),
    )


if __name__ == "__main__":
    set_tracing_disabled(True)
    asyncio.run(main(*sys.argv[1:]))
