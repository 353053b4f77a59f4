"""One of several processes on one archive.

python worker.py ARCHIVE BILL [ahead] [impatient]

Reads lengths, a line each, and answers each with a line of JSON: what the call with so many items
sends, how it came to that, and how long it took. Lines `{"step": ...}` in between tell on which
step of a compaction it is.
"""

import json
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.processes.program import CALL, CountedSummarizer, ToldStorage, history, manager

telling = threading.Lock()  # threads of the manager tell as well


def tell(**what):
    with telling:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


class ToldSummarizer(CountedSummarizer):
    def summarize(self, request):
        tell(step="summary")
        return super().summarize(request)


def work(archive, bill, *options):
    made = manager(
        ToldStorage(archive, lambda step: tell(step=step)),
        ToldSummarizer(bill),
        ahead="ahead" in options,
        patience=2.0 if "impatient" in options else 60.0,
    )
    tell(step="ready")
    for line in sys.stdin:
        start = time.monotonic()
        result = made.preflight("shared", history(int(line)), call=CALL)
        tell(
            length=int(line),
            outcome=result.outcome,
            messages=result.messages,
            summary=result.summary,
            tokens=result.tokens_after,
            seconds=time.monotonic() - start,
        )


if __name__ == "__main__":
    work(*sys.argv[1:])
