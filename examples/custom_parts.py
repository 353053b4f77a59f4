"""Parts of your own: who counts the tokens, who writes the summary, where the history goes.

    python examples/custom_parts.py           # offline, some seconds
    python examples/custom_parts.py --live    # with OPENAI_API_KEY: 31 calls of a model

A help desk keeps its archive in the SQLite database it has anyway, counts as its own model counts,
and wants summaries that read like its tickets. Each part is a class with two to six methods; none
of them inherits or registers anything. What a part gets wrong costs no call: here the summariser
fails once, ahead of time. It is asked again when the summary is due, and an event tells of it.
"""

import asyncio
import json
import re
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from agents import Agent, Model, OpenAIResponsesModel, Runner, SQLiteSession, set_tracing_disabled

import compact_otel
from compact_otel.core.types import (
    ArchiveReceipt,
    CallContext,
    Checkpoint,
    FixedTokens,
    SummaryRequest,
)
from compact_otel.testing import LocalOpenAI, ModelRequest, Step

TICKET = re.compile(r"ticket (T-\d+) of (\w+): ([^.]+)\.")


class WordsAndAThird:
    """Counts tokens of a model whose tokenizer nobody has published: four for three words."""

    name = "words"

    def count_items(self, items: Sequence[Mapping[str, Any]], call: CallContext) -> list[int]:
        """Return the tokens of each item; another model might count otherwise."""
        del call
        return [len(json.dumps(item).split()) * 4 // 3 + 8 for item in items]

    def count_fixed(self, call: CallContext) -> FixedTokens:
        """Return the tokens of what stands beside them."""
        return FixedTokens(instructions=len((call.instructions or "").split()) * 4 // 3)


class TicketList:
    """Writes summaries as the desk reads them: a line a ticket, the newest word on each."""

    name = "tickets"

    def __init__(self) -> None:
        self.asked, self.fails_at = 0, 2

    def summarize(self, request: SummaryRequest) -> str:
        """Return the list."""
        self.asked += 1
        if self.asked == self.fails_at:
            raise ConnectionError("the desk's own service is down")
        tickets = dict(
            line.removeprefix("- ").split(": ", 1)
            for line in (request.previous_summary or "").splitlines()
            if line.startswith("- T-")
        )
        for item in request.items:
            for number, customer, problem in TICKET.findall(str(item.get("content"))):
                tickets[number] = f"{customer}, {problem}"
        return "\n".join(f"- {number}: {told}" for number, told in tickets.items())


class DeskArchive:
    """Keeps everything in one table of SQLite; called in threads, so it locks."""

    name = "desk"

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._lock = threading.Lock()
        self._database.execute("CREATE TABLE IF NOT EXISTS kept (session, kind, step, data)")

    def _add(self, session_id: str, kind: str, step: int | None, data: Any) -> ArchiveReceipt:
        with self._lock, self._database:
            if step is None:
                row = self._database.execute(
                    "SELECT coalesce(max(step), 0) + 1 FROM kept WHERE session = ?", (session_id,)
                )
                (step,) = row.fetchone()
            text = json.dumps(data, default=str)
            self._database.execute(
                "INSERT INTO kept VALUES (?, ?, ?, ?)", (session_id, kind, step, text)
            )
        count = len(data) if isinstance(data, list) else 1
        return ArchiveReceipt(
            id=f"{kind}-{step}",
            step=step,
            location=f"kept/{session_id}",
            size=len(text),
            messages=count,
            redacted=False,
        )

    def save_transcript(self, session_id: str, messages: Sequence[Any]) -> ArchiveReceipt:
        """Store the history before a compaction, under the next number."""
        return self._add(session_id, "transcript", None, list(messages))

    def save_summary(
        self, session_id: str, step: int, summary: Mapping[str, Any]
    ) -> ArchiveReceipt:
        """Store what took its place."""
        return self._add(session_id, "summary", step, dict(summary))

    def save_event(self, session_id: str, event: Mapping[str, Any]) -> None:
        """Store an event."""
        self._add(session_id, "event", 0, dict(event))

    def save_checkpoint(self, session_id: str, checkpoint: Checkpoint) -> None:
        """Store what another process needs to go on."""
        self._add(session_id, "checkpoint", 0, checkpoint.as_dict())

    def load_checkpoints(self, session_id: str) -> list[Checkpoint]:
        """Return the newest checkpoint of each conversation, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT data FROM kept WHERE session = ? AND kind = 'checkpoint' ORDER BY rowid",
                (session_id,),
            ).fetchall()
        newest: dict[str, Checkpoint] = {}
        for (text,) in rows:
            checkpoint = Checkpoint.from_dict(json.loads(text))
            newest.pop(checkpoint.key, None)
            newest[checkpoint.key] = checkpoint
        return list(newest.values())

    def kinds(self) -> Counter[str]:
        """Return how much of each kind there is."""
        with self._lock:
            return Counter(
                dict(self._database.execute("SELECT kind, count(*) FROM kept GROUP BY kind"))
            )


def play(request: ModelRequest) -> Step:
    """Play the model: it knows what it is asked for if that stands in its request."""
    asked = request.newest_user_text
    if asked.startswith("Whose"):
        return Step("Customer7's.", needs=["T-7", "Customer7"])
    return Step(f"Noted. {'I looked at it and asked the workshop for a date. ' * 20}")


async def main(model: Model | None) -> None:
    """Run the desk for thirty tickets, then ask for an early one.

    Args:
        model: Answers; None is the SDK's own default model.
    """
    set_tracing_disabled(True)  # the SDK would send its own traces to OpenAI
    archive, failures = DeskArchive(":memory:"), []

    class Failures:
        """An exporter that remembers what went wrong."""

        def export(self, event: Mapping[str, Any]) -> None:
            if event["event"] == "compact.error":
                failures.append(event)

    compact_otel.instrument(
        max_context_tokens=4_000,
        hard_cap_buffer=400,
        keep_user_tokens=0,
        estimator=WordsAndAThird(),
        summarizer=TicketList(),
        storage=archive,
        exporters=[Failures()],
    )
    agent = Agent("desk", instructions="You run a help desk for pumps.", model=model)
    session = SQLiteSession("desk")
    for number in range(1, 31):
        told = f"New ticket T-{number} of Customer{number}: the pump number {number * 31} leaks."
        await Runner.run(agent, told, session=session)
    answer = (await Runner.run(agent, "Whose ticket is T-7?", session=session)).final_output
    print(answer)
    print(compact_otel.status(session).summary)
    print("kept in the database:", dict(archive.kinds()))
    for failure in failures:
        print(
            "went wrong:",
            failure["compact.failure.message"],
            "->",
            failure["compact.failure.fallback"],
        )


if __name__ == "__main__":
    if "--live" in sys.argv:
        asyncio.run(main(None))
    else:
        with LocalOpenAI(play, context_window=8_192) as api:
            asyncio.run(main(OpenAIResponsesModel("gpt-4", api.client())))
        if api.missing:
            sys.exit(f"forgotten: {api.missing}")
