"""Fills the disk that an archive lies on, and makes room again, while a session goes on.

python full_disk.py BASE_URL FOLDER

The folder has a file system of its own. Writes a line of JSON with what came of it.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from agents import SQLiteSession, set_tracing_disabled

sys.path.insert(0, str(Path(__file__).parents[2]))

import compact_otel
from compact_otel.adapters import FileStorage
from tests.chaos.program import converse, more
from tests.sabotage.program import EARLY, WINDOW, earlier


class Told:
    """Holds what is told of the archive."""

    def __init__(self):
        self.events = []

    def export(self, event):
        if event["event"] in ("compact.archival", "compact.error"):
            self.events.append([event.get("error.type"), event.get("compact.archive.waiting")])


def fill(filler):
    """Write until there is no room, and return the number of the error."""
    with filler.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError as error:
                return error.errno


async def main(base_url, folder):
    told, archive = Told(), FileStorage(Path(folder, "archive"))
    compact_otel.instrument(max_context_tokens=WINDOW, storage=archive, exporters=[told], **EARLY)
    session = SQLiteSession("chaos")
    await session.add_items(earlier()[:-1])

    async def ask(number):
        seen = await converse(base_url, [f"What of customer {number}"], session=session)
        await session.add_items(more(number))
        return seen.turns[0]

    answers = [await ask(0)]
    filler = Path(folder, "filler")
    full = fill(filler)
    answers.append(await ask(1))
    full_events, told.events = told.events, []
    os.remove(filler)  # noqa: PTH107 - nothing else runs in this loop
    answers.append(await ask(2))
    steps = archive.steps("chaos")
    sys.stdout.write(
        json.dumps(
            {
                "answers": answers,
                "errno": full,
                "while full": full_events,
                "afterwards": told.events,
                "steps": steps,
                "items": [len(archive.load_transcript("chaos", step)) for step in steps],
                "faults": [str(fault) for fault in archive.verify("chaos")],
            }
        )
    )


if __name__ == "__main__":
    set_tracing_disabled(True)
    asyncio.run(main(*sys.argv[1:]))
