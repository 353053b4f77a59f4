"""What a decision costs, with a full recount of the same history in the same run as the ruler.

    uv run python tests/bench/speed.py [--json]

Histories are made of a recorded customer-service session, repeated under other order numbers until
they are long enough. Every figure is the best of several: the machine may be shared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from compact_otel import CompactConfig, CompactManager
from compact_otel.core.types import CallContext, Summary
from compact_otel.demo.recording import bundled
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.estimators.vocabulary import o200k

SIZES = (100, 600, 5000)
ROUNDS = 30


def history(length: int) -> list[dict[str, Any]]:
    """Return that many items, no two alike."""
    items: list[dict[str, Any]] = []
    recorded = bundled()
    while len(items) < length:
        mark = f" (copy {len(items)})"
        for item in recorded.items:
            copy = dict(item)
            for name in ("content", "output"):
                if isinstance(copy.get(name), str):
                    copy[name] += mark
            if "call_id" in copy:
                copy["call_id"] += mark
            items.append(copy)
    # Ends with an answer, so that no call waits for its output.
    return [*items[: length - 1], {"role": "assistant", "content": "Anything else?"}]


def best(action: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Return the shortest of several runs, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def recount(items: list[dict[str, Any]]) -> int:
    """Count every text of a history with tiktoken, as one does who remembers nothing."""
    encoding = o200k()
    texts = (value for item in items for value in item.values() if isinstance(value, str))
    return sum(len(encoding.encode_ordinary(text)) for text in texts)


def manager(**options: Any) -> CompactManager:
    """Return a manager that stores nothing."""
    config = CompactConfig.load(storage={"adapter": "none"}, **options)
    return CompactManager(config, summarizer=options.pop("summarizer", None))


def grown(made: CompactManager, items: list[dict[str, Any]], call: CallContext) -> float:
    """Return the time of a decision about a known history with one item more."""
    times = []
    for round_ in range(ROUNDS):
        made.preflight("s", items, call=call)
        longer = [*items, {"role": "user", "content": f"And another question, number {round_}?"}]
        start = time.perf_counter()
        result = made.preflight("s", longer, call=call)
        times.append(time.perf_counter() - start)
        assert result.outcome == "skipped"
    return min(times)


class Stub:
    """A summariser that costs nothing."""

    def summarize(self, request: Any) -> Summary:
        """Return one line."""
        return Summary("what was said before")


def triggered(
    items: list[dict[str, Any]], call: CallContext, summarizer: Any, window: int
) -> float:
    """Return the time of a compaction of a history whose items are counted already."""
    estimator = TiktokenEstimator()
    estimator.count_items(items, call)
    config = CompactConfig.load(max_context_tokens=window, storage={"adapter": "none"})

    def once() -> None:
        made = CompactManager(config, estimator=estimator, summarizer=summarizer)
        made._histories.put("s", counted.remembered())  # as after the call before
        start = time.perf_counter()
        result = made.preflight("s", items, call=call)
        times.append(time.perf_counter() - start)
        assert result.outcome == "compacted", result

    from compact_otel.core.history import Recollection
    from compact_otel.core.ledger import Ledger
    from compact_otel.core.measure import Scale
    from compact_otel.windows import Windows

    counted = Recollection(items, None)
    counted.checkpoint(Ledger(), lambda checkpoint: True)
    scale = Scale(
        estimator=estimator, call=call, policy=config.policy, window=Windows(window).of(None)
    )
    counted.count(scale)
    times: list[float] = []
    for _ in range(5):
        once()
    return min(times)


def measure(length: int) -> dict[str, float]:
    """Return the figures of one size, times in milliseconds."""
    recorded = bundled()
    call = CallContext(
        model="gpt-4o", instructions=recorded.instructions, tools=list(recorded.tools)
    )
    items = history(length)
    made = manager(max_context_tokens=100_000_000)
    start = time.perf_counter()
    tokens = made.preflight("s", items, call=call).tokens_before
    cold = time.perf_counter() - start
    ruler = best(lambda: recount(items), 5)
    warm = grown(made, items, call)

    def parsed() -> None:
        nonlocal reparsed
        fresh = json.loads(text)
        start = time.perf_counter()
        made.preflight("s", fresh, call=call)
        reparsed = min(reparsed, time.perf_counter() - start)

    text, reparsed = json.dumps(items), 1e9
    for _ in range(ROUNDS):
        parsed()

    async def through_the_loop() -> float:
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            await made.apreflight("s", items, call=call)
            times.append(time.perf_counter() - start)
        return min(times)

    looped = asyncio.run(through_the_loop())
    window = max(8_000, tokens * 9 // 10)
    return {
        "items": length,
        "tokens": tokens,
        "recount_ms": ruler * 1e3,
        "cold_ms": cold * 1e3,
        "warm_ms": warm * 1e3,
        "warm_ratio": ruler / warm,
        "async_ms": looped * 1e3,
        "reparsed_ms": reparsed * 1e3,
        "reparsed_ratio": ruler / reparsed,
        "triggered_ms": triggered(items, call, Stub(), window) * 1e3,
        "extractive_ms": triggered(items, call, None, window) * 1e3,
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    as_json = parser.parse_args().json
    TiktokenEstimator().warm_up()
    columns: list[str] = []
    for length in SIZES:
        figures = measure(length)
        if as_json:
            print(json.dumps(figures))
            continue
        if not columns:
            columns = list(figures)
            print("  ".join(f"{name:>14}" for name in columns))
        print("  ".join(f"{figures[name]:>14,.2f}" for name in columns))


if __name__ == "__main__":
    main()
