"""Sessions that a real manager compacted, and their reports."""

import json

from compact_otel import CompactConfig, CompactManager
from compact_otel.archive.opening import opened
from compact_otel.core.types import CallContext
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.report.from_archive import from_archive
from compact_otel.report.gathering import gather
from compact_otel.report.source import answers_in

WINDOW = 3_000
CALL = CallContext(
    model="gpt-4o-mini",
    instructions="You book tables. " * 20,
    tools=[{"type": "function", "name": "book", "parameters": {"type": "object"}}],
)
NASTY = (
    "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e\x1b[2J\x00\ud800&amp;"
)
SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"


def history(turns, said="Please book table"):
    items = []
    for n in range(turns):
        table, booked, day = f"T-{n}00", f"RES{n}X9", f"2026-05-{n % 28 + 1:02}"
        call = {"call_id": f"c{n}", "name": "book", "arguments": json.dumps({"table": table})}
        output = {"call_id": f"c{n}", "output": f"booked {booked} " * 30}
        items += [
            {"role": "user", "content": f"{said} {table} for {n + 2} people on {day}"},
            {"type": "function_call", **call},
            {"type": "function_call_output", **output},
            {"role": "assistant", "content": f"Table {table} is booked as {booked}."},
        ]
    return items


def config(folder, **settings):
    storage = {"adapter": "fs", "path": str(folder)}
    return CompactConfig.load(max_context_tokens=WINDOW, storage=storage, **settings)


def lived(folder, session_id, items, call=CALL, **settings):
    """Let a manager look at every call of a history; return its results, by length."""
    manager = CompactManager(config(folder, **settings))
    lengths = answers_in(items, 1, len(items))
    return {n: manager.preflight(session_id, items[:n], call=call) for n in lengths}


def reported(folder, session_id, settings=None, **options):
    """Return the report of an archived session."""
    settings = settings or config(folder)
    estimator = TiktokenEstimator()
    source = from_archive(opened(folder), session_id, settings, estimator, **options)
    return gather(source, estimator, settings.redaction.gate(), redacted=True)
