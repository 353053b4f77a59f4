"""What can become of a call: every outcome, by a real manager."""

import contextlib
import json

from agents.tool_context import ToolContext

from compact_otel import InsufficientBudget, SummaryError, recall_tool
from compact_otel.adapters import MemoryStorage
from compact_otel.core.types import CallContext
from compact_otel.overflow import Overflow
from compact_otel.session import Past, in_session, set_past
from tests.histories import Estimator, Storage, Summarizer, manager, talk

CALL = CallContext(
    model="gpt-4o", provider="openai", agent="Clerk", conversation="conv-1", instructions="Be brief"
)
LONG = talk(12)
ORDERS = [
    {**item, "content": f"order A-10{n} costs {n}.90 EUR: {item['content']}"}
    for n, item in enumerate(LONG)
]


class Failing:
    """A summariser that raises."""

    name = "failing"

    def __init__(self, error):
        self._error = error

    def summarize(self, request):
        raise self._error


class Full(Storage):
    """A storage that takes nothing."""

    def save_transcript(self, session_id, messages):
        raise OSError("no space")


class Broken(Estimator):
    """An estimator that counts nothing."""

    def count_items(self, items, call):
        raise ValueError("no")


async def skipped(**options):
    await manager(10_000, **options).apreflight("s", talk(2), call=CALL)


async def stood_back(**options):
    await manager(900, **options).apreflight("s", LONG, call=CALL, stand_back="server_managed")


async def compacted(**options):
    await manager(900, storage=Storage(), **options).apreflight("s", LONG, call=CALL)


async def replayed(**options):
    made = manager(900, **options)
    await made.apreflight("s", LONG, call=CALL)
    await made.apreflight("s", LONG, call=CALL)


async def fallen_back(**options):
    failing = Failing(SummaryError("no", reason="refused"))
    await manager(900, summarizer=failing, **options).apreflight("s", LONG, call=CALL)


async def not_archived(**options):
    await manager(900, storage=Full(), **options).apreflight("s", LONG, call=CALL)


async def uncounted(**options):
    await manager(900, estimator=Broken(), **options).apreflight("s", LONG, call=CALL)


async def too_small(**options):
    with contextlib.suppress(InsufficientBudget):
        await manager(50, **options).apreflight("s", LONG, call=CALL)


async def by_hand(**options):
    await manager(10**6, **options).amanual_compact("s", ORDERS, call=CALL)


async def rescued(**options):
    made = manager(10**6, **options)
    refused = Overflow(limit=900, used=1200)
    await made.arescue("s", LONG, call=CALL, estimate=1100, refused=refused)


async def observed(**options):
    await manager(900, mode="observe", **options).apreflight("s", LONG, call=CALL)


async def unredacted(**options):
    await manager(10_000, redaction={"enabled": False}, **options).apreflight(
        "s", talk(2), call=CALL
    )


async def unknown(**options):
    await manager(900, **options).apreflight("s", LONG)


async def recalled(**options):
    """Look up what was compacted away, as an agent does: one hit, one miss, one error."""
    storage = MemoryStorage()
    made = manager(900, storage=storage, summarizer=Summarizer(), keep_recent_turns=1, **options)
    made.preflight("s", LONG, call=CALL)
    tool = recall_tool(count_text=len)
    with in_session(None):
        for where, query in ((storage, "question"), (storage, "voucher"), (object(), "x")):
            past = Past(
                storage=where, session_id="s", history=LONG, tell=lambda e: made.tell("s", e)
            )
            set_past(past)
            text = json.dumps({"query": query})
            context = ToolContext(None, tool_name=tool.name, tool_call_id="c", tool_arguments=text)
            await tool.on_invoke_tool(context, text)


RUNS = {
    name: run
    for name, run in globals().items()
    if callable(run) and getattr(run, "__code__", None) and run.__module__ == __name__
    if run.__code__.co_flags & 0x80  # coroutine functions
}
