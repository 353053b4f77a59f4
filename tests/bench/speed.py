"""What compact_otel costs, each figure with its ruler in the same run.

    uv run --group bench python tests/bench/speed.py [--json] [--only SECTION] [--isolated]

* `decisions`: a decision about a history, with a full recount of its tokens as the ruler;
* `start`: `import compact_otel` and `instrument()`, with a program that does without as the ruler;
* `call`: a model call through the Runner, with the same call without us as the ruler;
* `peers`: what users would pick instead (`peers.py`, which also explains `--isolated`).

A figure is the lowest of several, the median behind it: the machine may be shared. Plain timers and
no pytest-benchmark, because half of this runs in other processes and other environments.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import peers
from workload import Item, call_context, history, question

import compact_otel
from compact_otel import CompactConfig, CompactManager
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.estimators.vocabulary import o200k

SIZES = (100, 600, 5000)
ROUNDS, STARTS = 30, 11
HUGE = 100_000_000

Row = dict[str, Any]


def lowest_and_median(seconds: list[float]) -> dict[str, float]:
    """Return both, in milliseconds."""
    return {"lowest": min(seconds) * 1e3, "median": statistics.median(seconds) * 1e3}


def timed(prepare: Callable[[int], Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return what a call takes that is prepared anew each round."""
    seconds = []
    for number in range(rounds):
        call = prepare(number)
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return lowest_and_median(seconds)


# --- decisions ---


class Stub:
    """A summariser that costs nothing."""

    immediate = True  # or it would be asked ahead of time, in the midst of a measurement

    def summarize(self, request: Any) -> str:
        """Return one line."""
        return "what was said before"


def manager(window: int, summarizer: Any = None, *, verify: bool = True) -> CompactManager:
    """Return a manager that stores nothing."""
    config = CompactConfig.load(
        max_context_tokens=window, storage={"adapter": "none"}, summarizer={"verify": verify}
    )
    return CompactManager(config, summarizer=summarizer)


def recount(items: list[Item]) -> int:
    """Count every text of a history with tiktoken, as one does who remembers nothing."""
    encoding = o200k()
    texts = (value for item in items for value in item.values() if isinstance(value, str))
    return sum(len(encoding.encode_ordinary(text)) for text in texts)


def known(items: list[Item], copy: Callable[[list[Item]], list[Item]]) -> dict[str, float]:
    """Return the time of a decision about a known history with one item more."""
    made = manager(HUGE)

    def prepare(number: int) -> Callable[[], None]:
        made.preflight("s", items, call=call_context())
        longer, call = [*copy(items), question(number)], call_context()

        def decide() -> None:
            assert made.preflight("s", longer, call=call).outcome == "skipped"

        return decide

    return timed(prepare)


def known_in_a_loop(items: list[Item]) -> dict[str, float]:
    """Return the same, asked from an event loop."""

    async def measure() -> list[float]:
        made, seconds = manager(HUGE), []
        for number in range(ROUNDS):
            await made.apreflight("s", items, call=call_context())
            longer, call = [*items, question(number)], call_context()
            start = time.perf_counter()
            await made.apreflight("s", longer, call=call)
            seconds.append(time.perf_counter() - start)
        return seconds

    return lowest_and_median(asyncio.run(measure()))


def compaction(
    items: list[Item], tokens: int, summarizer: Any, *, verify: bool = True
) -> dict[str, float]:
    """Return the time of the call whose new item takes a known history over the trigger."""
    trigger_pct = CompactConfig().policy.trigger_pct

    def prepare(number: int) -> Callable[[], None]:
        made = manager(int((tokens + 4) / trigger_pct), summarizer, verify=verify)
        assert made.preflight("s", items, call=call_context()).outcome == "skipped"
        longer, call = [*items, question(number)], call_context()

        def decide() -> None:
            assert made.preflight("s", longer, call=call).outcome == "compacted"

        return decide

    return timed(prepare, 5)


def decisions(length: int) -> Row:
    """Return the figures of one size, times in milliseconds."""
    items = history(length)
    ruler = timed(lambda _: lambda: recount(items), 5)
    cold = timed(lambda _: lambda: manager(HUGE).preflight("s", items, call=call_context()), 3)
    tokens = manager(HUGE).preflight("s", items, call=call_context()).tokens_before
    text = json.dumps(items)
    warm = known(items, lambda same: same)
    parsed = known(items, lambda _: json.loads(text))
    # Once more, since a shared machine changes its speed: the faster ruler is the harder one.
    again = timed(lambda _: lambda: recount(items), 5)
    ruler = min(ruler, again, key=lambda figures: figures["lowest"])
    return {
        "items": length,
        "tokens": tokens,
        "recount_ms": ruler,
        "first_ms": cold,
        "known_ms": warm,
        "known_ratio": ruler["lowest"] / warm["lowest"],
        "known_in_a_loop_ms": known_in_a_loop(items),
        "parsed_anew_ms": parsed,
        "parsed_anew_ratio": ruler["lowest"] / parsed["lowest"],
        "compaction_stub_ms": compaction(items, tokens, Stub(), verify=False),
        "compaction_verified_ms": compaction(items, tokens, Stub()),
        "compaction_extractive_ms": compaction(items, tokens, None),
    }


# --- start ---

AGENT = "import agents; from opentelemetry.sdk.trace import TracerProvider"
IMPORT, SWITCH_ON = "import compact_otel", "compact_otel.instrument()"

PROGRAMS = {
    "an empty interpreter": (IMPORT, SWITCH_ON),
    "an agent with OpenTelemetry": (AGENT, IMPORT, SWITCH_ON),
}
"""Steps, each timed by itself; what an agent imports anyway is the ruler."""


def start() -> Iterator[Row]:
    """Yield what each step of a program takes, every time in a fresh interpreter."""
    seconds: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(STARTS + 1):
            for program, steps in PROGRAMS.items():
                for step, taken in zip(steps, _steps(steps, folder), strict=True):
                    if number:  # the first one compiles the modules
                        seconds.setdefault((program, step), []).append(taken)
    for (program, step), all_taken in seconds.items():
        yield {"in": program, "step": f"`{step}`", "ms": lowest_and_median(all_taken)}


def _steps(steps: tuple[str, ...], folder: str) -> list[float]:
    """Return how long each step takes, one after the other in an interpreter of their own."""
    lines = ["import time", "moments = [time.perf_counter()]"]
    for step in steps:
        lines += [step, "moments.append(time.perf_counter())"]
    command = [sys.executable, "-c", "\n".join([*lines, "print(moments)"])]
    # Compiled modules are kept, as where a program is installed, whatever this machine prefers.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    moments = json.loads(done.stdout)
    return [later - earlier for earlier, later in pairwise(moments)]


# --- a model call ---


async def calls(length: int) -> Row:
    """Return what a run with one model call takes, with us and without, in turn.

    A run takes a hundred times as long as our part in it and varies by more, so that part is timed
    by itself: what lies between the Runner's hooks around a model call and the model's own method.
    """
    from agents import Agent, OpenAIResponsesModel, RunConfig, RunHooks, Runner

    from compact_otel.testing import LocalOpenAI, Step

    moments: list[float] = []

    class Model(OpenAIResponsesModel):
        async def get_response(self, *arguments: Any, **options: Any) -> Any:
            moments.append(time.perf_counter())
            response = await super().get_response(*arguments, **options)
            moments.append(time.perf_counter())
            return response

    class Hooks(RunHooks[Any]):
        async def on_llm_start(self, *arguments: Any) -> None:
            moments[:] = [time.perf_counter()]

        async def on_llm_end(self, *arguments: Any) -> None:
            moments.append(time.perf_counter())

    items, ours = history(length), manager(HUGE)
    runs: dict[str, list[float]] = {"without": [], "with": []}
    around: dict[str, list[float]] = {"without": [], "with": []}
    with LocalOpenAI(lambda request: Step("Yes."), context_window=HUGE) as api:
        agent = Agent("clerk", model=Model("gpt-5.4", api.client()))
        config = RunConfig(tracing_disabled=True)
        for number in range(ROUNDS + 2):  # the first two warm up
            items += [question(number), {"role": "assistant", "content": "Yes."}]
            given: Any = items[:-1]
            for name, taken in runs.items():
                if name == "with":
                    compact_otel.instrument(manager=ours)
                began = time.perf_counter()
                await Runner.run(agent, given, run_config=config, hooks=Hooks())
                taken.append(time.perf_counter() - began)
                started, called, answered, ended = moments
                around[name].append(called - started + ended - answered)
                compact_otel.uninstrument()
    timed_ = {name: lowest_and_median(taken[2:]) for name, taken in around.items()}
    return {
        "items": length,
        "run_without_ms": lowest_and_median(runs["without"][2:]),
        "run_with_ms": lowest_and_median(runs["with"][2:]),
        "around_the_model_without_ms": timed_["without"],
        "around_the_model_with_ms": timed_["with"],
        "added_ms": timed_["with"]["lowest"] - timed_["without"]["lowest"],
    }


# --- tables ---


def markdown(rows: list[Row]) -> str:
    """Return rows as Markdown; a figure of two is `lowest (median)`."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return f"{_cell(value['lowest'])} ({_cell(value['median'])})"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def main() -> None:
    """Print the tables."""
    sections: dict[str, Callable[[], list[Row]]] = {
        "decisions": lambda: [decisions(length) for length in SIZES],
        "start": lambda: list(start()),
        "call": lambda: [asyncio.run(calls(length)) for length in SIZES[:2]],
        "peers": lambda: peers.rows(
            length=peers.ITEMS, passes=peers.PASSES, isolated=options.isolated, only=[]
        ),
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--isolated", action="store_true", help="as in peers.py")
    parser.add_argument("--only", action="append", choices=list(sections), default=[])
    options = parser.parse_args()
    TiktokenEstimator().warm_up()
    for name in options.only or sections:
        rows = sections[name]()
        if options.json:
            for row in rows:
                print(json.dumps({"section": name, **row}))
        else:
            made = peers.table(rows) if name == "peers" else markdown(rows)
            print(f"## {name}\n\n{made}\n", flush=True)


if __name__ == "__main__":
    main()
