"""A session of 1,000 turns with five compactions: what compact_otel takes of its time and memory.

    uv run python tests/bench/session.py [--turns N] [--window TOKENS] [--rounds N] [--delay S]
    uv run python tests/bench/session.py --http --ahead --turns 100 --window 6000 --delay 1

The real Agents SDK leads it, from a file of SQLite. The model is a class of the SDK's that answers
after `--delay` seconds; with `--http` it is `LocalOpenAI` in a process of its own, which refuses
what exceeds the window, and a request of 80,000 tokens takes it and the client half a second of
work, which is not ours. The programs take turns, each in a fresh process:

* `compacted`: with `instrument()`, the extractive summariser, an archive in files, and spans and
  metrics of the real OpenTelemetry SDK, which are dropped when they are exported;
* `ahead`, with `--ahead`: the same with a model as the summariser, which takes `SUMMARY_S` for each
  summary, and so has to begin while the agent's model answers;
* `bare`: without us, and yet the same requests. A session of this length does not fit the window,
  so this program is told by the first one what to send in place of which items.

What lies between the Runner's hooks around a model call and the model's own method is timed, with
the clock and as processor time of the event loop's thread; what other threads take is counted too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

TURNS, WINDOW = 1_000, 43_000
TOOL_EVERY = 4
"""So many turns there are for each call of a tool."""

SUMMARY_S = 3.0
"""What a model takes for a summary; that of an agent's call is `--delay`."""

LATENCIES = (0.25, 0.5, 1.0, 2.0)
"""Seconds for a model call of which the share is told."""

WRITER = "writer"
PROGRAMS = ("compacted", "ahead", "bare")
WORDS = (
    *("pump", "seal", "valve", "invoice", "parcel", "refund", "order", "date", "price", "branch"),
    *("commit", "module", "error", "retry", "server", "window", "customer", "Vienna", "Lisbon"),
    *("Osaka", "2026-03-14", "A-1771", "EUR", "41.50"),
)

Row = dict[str, Any]


def words(seed: str, count: int) -> str:
    """Return so many words, the same for the same seed."""
    return " ".join(Random(seed).choices(WORDS, k=count))


def turn(number: int) -> str:
    """Return what the user says."""
    return f"Question {number}: {words(f'asked {number}', 20)}?"


# --- the provider ---


def answer(items: Sequence[Any]) -> tuple[int, str | None]:
    """Return the turn that is asked about, and what is said; None if a tool is called first."""
    newest = next(item for item in reversed(items) if item.get("role") == "user")
    number = int(newest["content"].partition(":")[0].split()[-1])
    if newest is items[-1] and number % TOOL_EVERY == 0:
        return number, None
    return number, f"Answer {number}: {words(f'said {number}', 25)}."


def play(request: Any, delay_s: float) -> Any:
    """Play the model behind HTTP, or the summariser."""
    from compact_otel.testing import Step

    if request.model == WRITER:
        return Step(words("summary", 100), delay_s=SUMMARY_S)
    number, said = answer(request.items)
    if said is None:
        return Step(calls=[("look_up", {"number": number})], delay_s=delay_s)
    return Step(said, delay_s=delay_s)


def serve(window: int, delay_s: float) -> None:
    """Serve until standard input ends, then say how many requests were refused."""
    from compact_otel.testing import LocalOpenAI

    requests = refused = 0
    with LocalOpenAI(lambda request: play(request, delay_s), context_window=window) as api:
        print(api.base_url, flush=True)
        for _ in sys.stdin:  # a line now and then, so that no bodies pile up
            requests += len(api.requests)
            refused += sum(request.error is not None for request in api.requests)
            api.clear()
    print(json.dumps({"requests": requests, "refused": refused}))


@contextmanager
def provider(window: int, delay_s: float) -> Iterator[subprocess.Popen[str]]:
    """Run the provider in a process of its own."""
    command = [sys.executable, __file__, "--serve", str(window), str(delay_s)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()


# --- a program ---


def resident() -> float:
    """Return what the process has in memory, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def drop_telemetry() -> None:
    """Set providers of the OpenTelemetry SDK that record everything and send it nowhere."""
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nobody(SpanExporter):
        def export(self, spans: Sequence[Any]) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    tracing = TracerProvider()
    tracing.add_span_processor(BatchSpanProcessor(Nobody()))
    trace.set_tracer_provider(tracing)
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))


class Listening:
    """An exporter that counts events, and knows how large the last call was as it went out."""

    def __init__(self, *, ahead: bool = False) -> None:
        self._ahead = ahead
        self.told: Counter[str] = Counter()
        self.tokens = self.largest = 0

    def export(self, event: Any) -> None:
        """Take an event."""
        self.told[event["event"]] += 1
        if event["event"] == "compact.summary_created":
            # A summary that was written ahead is told when it is written, and when it is taken.
            self.told["compaction"] += not self._ahead or "compact.summary.prepared" in event
        if event["event"] == "compact.token_estimate":
            self.tokens = event.get("compact.tokens.after") or event["compact.tokens.before"]

    def sent(self) -> None:
        """Take down what goes out."""
        self.largest = max(self.largest, self.tokens)

    def has_compacted(self) -> bool:
        """Say whether there is a summary since this was last asked."""
        found = self.told["compaction"] - self.told["seen"]
        self.told["seen"] += found
        return found > 0


def switch_on(program: str, folder: Path, window: int, base_url: str) -> Listening:
    """Instrument; return what listens."""
    import compact_otel

    listening = Listening(ahead=program == "ahead")
    drop_telemetry()
    parts: Row = {}
    if program == "ahead":
        os.environ |= {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "local"}
        # What is imitated here says nothing true, so nobody shall ask it for more facts.
        parts["summarizer"] = {"model": WRITER, "window": 200_000, "facts_floor": 0.0}
    compact_otel.instrument(
        max_context_tokens=window,
        storage={"adapter": "fs", "path": str(folder / "archive")},
        exporters=[listening],
        **parts,
    )
    return listening


def played_model(delay_s: float, usage_of: Any) -> type[Any]:
    """Return a model of the SDK's that answers by itself; `usage_of()` is what it counts."""
    from agents import Model, ModelResponse, Usage
    from openai.types.responses import (
        ResponseFunctionToolCall,
        ResponseOutputMessage,
        ResponseOutputText,
    )

    class Played(Model):
        def __init__(self, model: str, client: Any) -> None:
            self.model = model

        async def get_response(self, *arguments: Any, **options: Any) -> Any:
            await asyncio.sleep(delay_s)
            number, said = answer(arguments[1] if len(arguments) > 1 else options["input"])
            usage = Usage(requests=1, input_tokens=usage_of(), output_tokens=60)
            if said is None:
                name, given = "look_up", json.dumps({"number": number})
                call = ResponseFunctionToolCall(
                    type="function_call", call_id=f"call_{number}", name=name, arguments=given
                )
                return ModelResponse(output=[call], usage=usage, response_id=None)
            text = ResponseOutputText(type="output_text", text=said, annotations=[])
            message = ResponseOutputMessage(
                id=f"msg_{number}",
                type="message",
                role="assistant",
                status="completed",
                content=[text],
            )
            return ModelResponse(output=[message], usage=usage, response_id=None)

        def stream_response(self, *arguments: Any, **options: Any) -> Any:
            raise NotImplementedError

    return Played


class Plan:
    """What is sent in place of which beginning of the history, from which call on."""

    def __init__(self, steps: list[Row]) -> None:
        self.steps = steps
        self._next, self._head, self._gone = 0, [], 0

    def learn(self, call: int, history: list[Any], sent: list[Any]) -> None:
        """Take down what a call sent, if its beginning is another one than that of the last."""
        stays = 0
        while stays < min(len(history), len(sent)) and history[-1 - stays] == sent[-1 - stays]:
            stays += 1
        gone, head = len(history) - stays, sent[: len(sent) - stays]
        if gone != self._gone:
            self._gone = gone
            self.steps.append({"call": call, "head": head, "gone": gone})

    def sent(self, call: int, history: list[Any]) -> list[Any]:
        """Return what a call sends."""
        if self._next < len(self.steps) and self.steps[self._next]["call"] == call:
            step = self.steps[self._next]
            self._head, self._gone = step["head"], step["gone"]
            self._next += 1
        return [*self._head, *history[self._gone :]]


async def lead(program: str, given: argparse.Namespace, server: Any, plan: Plan) -> Row:
    """Lead the session; return what was measured of it."""
    from agents import (
        Agent,
        OpenAIResponsesModel,
        RunConfig,
        RunHooks,
        Runner,
        SQLiteSession,
        function_tool,
        set_tracing_disabled,
    )
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    set_tracing_disabled(True)
    folder = Path(given.folder)
    base_url = server.stdout.readline().strip()
    moments: list[tuple[float, float]] = []
    before: list[Any] = []
    calls: list[Row] = []

    def now() -> None:
        moments.append((time.perf_counter(), time.thread_time()))

    usual = OpenAIResponsesModel
    if not given.http:
        usual = played_model(given.delay, lambda: listening.tokens)

    class Model(usual):  # type: ignore[misc, valid-type]
        async def get_response(self, *arguments: Any, **options: Any) -> Any:
            now()
            listening.sent()
            sent = arguments[1] if len(arguments) > 1 else options["input"]
            response = await super().get_response(*arguments, **options)
            if program == "compacted":
                plan.learn(len(calls), before, sent)
            now()
            return response

    class Hooks(RunHooks[Any]):
        async def on_llm_start(self, *arguments: Any) -> None:
            before[:] = arguments[-1]
            moments.clear()
            now()

        async def on_llm_end(self, *arguments: Any) -> None:
            now()
            started, called, answered, ended = moments
            wall, cpu = (called[n] - started[n] + ended[n] - answered[n] for n in (0, 1))
            calls.append(
                {"ms": wall * 1e3, "cpu_ms": cpu * 1e3, "compacted": listening.has_compacted()}
            )

    def same_requests(data: Any) -> Any:
        return replace(data.model_data, input=plan.sent(len(calls), data.model_data.input))

    @function_tool
    def look_up(number: int) -> str:
        """Return what is known."""
        return words(f"found {number}", 120)

    listening = Listening()
    if program != "bare":
        listening = switch_on(program, folder, given.window, base_url)
    config = RunConfig(call_model_input_filter=same_requests if program == "bare" else None)
    client = AsyncOpenAI(
        base_url=base_url,
        api_key="local",
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(trust_env=False),
    )
    agent = Agent("clerk", model=Model("gpt-5.4", client), tools=[look_up])
    session = SQLiteSession("session", folder / f"{program}.db")
    memory = [resident()]
    began, loop_began, all_began = time.perf_counter(), time.thread_time(), time.process_time()
    for number in range(given.turns):
        await Runner.run(agent, turn(number), session=session, run_config=config, hooks=Hooks())
        server.stdin.write("\n")
        if (number + 1) % max(1, given.turns // 10) == 0:
            gc.collect()
            memory.append(resident())
    loop_s = time.thread_time() - loop_began
    row = {
        "program": program,
        "turns": given.turns,
        "calls": len(calls),
        "compactions": listening.told["compaction"],
        "errors": listening.told["compact.error"],
        "largest": listening.largest,
        "wall_s": time.perf_counter() - began,
        "cpu_s": time.process_time() - all_began,
        "loop_s": loop_s,
        "memory_mib": memory,
        "timed": calls,
    }
    server.stdin.close()
    return row | json.loads(server.stdout.readline())


def run(program: str, given: argparse.Namespace) -> None:
    """Lead the session of a program, and print what was measured."""
    file = Path(given.plan)
    plan = Plan(json.loads(file.read_text()) if program == "bare" else [])
    with provider(given.window, given.delay) as server:
        row = asyncio.run(lead(program, given, server, plan))
    if program == "compacted":
        file.write_text(json.dumps(plan.steps))
    print(json.dumps(row))


# --- what is told ---


def quantiles(values: list[float]) -> Row:
    """Return the median, the 95th percentile and the largest."""
    ordered = sorted(values)
    return {
        "p50": statistics.median(ordered),
        "p95": ordered[int(len(ordered) * 0.95)],
        "max": ordered[-1],
    }


def figures(row: Row, bare: Row) -> Row:
    """Return what a program took beyond the one without us.

    The share of the wall time is that of what was added in what the session takes where a model
    call takes so many seconds: those, and what was added. It is told of the clock, and of the
    processor's time of all threads, which does not depend on what else the machine does. The time
    of the SDK and the session's database would make it smaller, and is left out.
    """
    timed, ruler = row["timed"], bare["timed"]
    let_through = [call["ms"] for call in timed[1:] if not call["compacted"]]
    compacting = [call["ms"] for call in timed if call["compacted"]]
    around = sum(call["ms"] for call in ruler)
    added_s = (sum(call["ms"] for call in timed) - around) / 1e3
    tenth = len(timed) // 10
    others = (row["cpu_s"] - row["loop_s"]) - (bare["cpu_s"] - bare["loop_s"])
    loop_s = sum(c["cpu_ms"] for c in timed) / 1e3 - sum(c["cpu_ms"] for c in ruler) / 1e3
    cpu_s = loop_s + others
    return {
        "program": row["program"],
        "calls": row["calls"],
        "compactions": row["compactions"],
        "refused": row["refused"],
        "errors": row["errors"],
        "largest_call": row["largest"],
        "added_s": added_s,
        "added_cpu_s": loop_s,
        "other_threads_s": others,
        "let_through_ms": quantiles(let_through),
        "let_through_cpu_ms": quantiles([c["cpu_ms"] for c in timed[1:] if not c["compacted"]]),
        "first_tenth_ms": statistics.median(c["ms"] for c in timed[1:tenth]),
        "last_tenth_ms": statistics.median(c["ms"] for c in timed[-tenth:]),
        "first_call_ms": timed[0]["ms"],
        "compacting_ms": [round(ms) for ms in compacting],
        "bare_around_ms": statistics.median(call["ms"] for call in ruler),
        "bare_wall_s": bare["wall_s"],
        "wall_s": row["wall_s"],
        "share_pct": {
            f"at {latency} s": 100 * added_s / (row["calls"] * latency + added_s)
            for latency in LATENCIES
        },
        "cpu_share_pct": {
            f"at {latency} s": 100 * cpu_s / (row["calls"] * latency + cpu_s)
            for latency in LATENCIES
        },
        "memory_mib": [round(mib) for mib in row["memory_mib"]],
        "bare_memory_mib": [round(mib) for mib in bare["memory_mib"]],
    }


def main() -> None:
    """Let the programs take turns, and print what they took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--window", type=int, default=WINDOW, help="tokens")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds of each model call")
    parser.add_argument("--http", action="store_true", help="ask LocalOpenAI")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--ahead", action="store_true", help="with a model's summaries as well")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--raw", metavar="FILE", help="append what was measured, a JSON a line")
    parser.add_argument("--lead", choices=PROGRAMS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--plan", help=argparse.SUPPRESS)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(int(given.serve[0]), float(given.serve[1]))
        return
    if given.lead:
        run(given.lead, given)
        return
    for _ in range(given.rounds):
        for row in played(given):
            print(json.dumps(row) if given.json else lines(row), flush=True)


def played(given: argparse.Namespace) -> Iterator[Row]:
    """Lead the sessions of one round; yield the figures of each but the last."""
    rows: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as shared:
        plan = Path(shared, "plan.json")
        for program in PROGRAMS:
            if program == "ahead" and not given.ahead:
                continue
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, __file__, "--lead", program, "--folder", folder]
                command += ["--plan", str(plan), "--turns", str(given.turns)]
                command += ["--window", str(given.window), "--delay", str(given.delay)]
                command += ["--http"] if given.http else []
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            rows[program] = json.loads(done.stdout)
            if given.raw:
                with Path(given.raw).open("a") as file:
                    file.write(done.stdout)
    for program in PROGRAMS[:-1]:
        if program in rows:
            yield figures(rows[program], rows["bare"])


def lines(row: Row) -> str:
    """Return figures as lines to read."""
    return "\n".join(f"{name:24} {_shown(value)}" for name, value in row.items()) + "\n"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return " ".join(map(_shown, value))
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
