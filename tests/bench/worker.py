"""Times one peer, in a process of its own, and prints the figures as JSON.

    python tests/bench/worker.py NAME < history.json

Each library gets an interpreter to itself: what the others import would slow the garbage collector
down, and some cannot be installed together. Only the standard library is imported here, so that
this also runs where nothing but the peer is installed.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import inspect
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from adapters import PEERS, Call, Item

WARM_UP = 3
SECONDS = 1.0
"""For how long each side is repeated."""
LEAST, MOST = 5, 300
"""How often at least and at most."""


async def timed(side: Callable[[Item], Call], check: Callable[[Any], bool]) -> dict[str, float]:
    """Return the shortest and the median time of a call, in milliseconds."""
    times: list[float] = []
    until = time.perf_counter() + SECONDS
    for number in range(MOST + WARM_UP):
        call = side({"role": "user", "content": f"And another question, number {number}?"})
        start = time.perf_counter()
        result = call()
        if inspect.isawaitable(result):
            result = await result
        times.append((time.perf_counter() - start) * 1e3)
        assert check(result), "it did not do what it was to do"
        if len(times) >= LEAST + WARM_UP and time.perf_counter() > until:
            break
    times = times[WARM_UP:]
    return {"lowest": min(times), "median": statistics.median(times)}


async def figures(name: str, items: list[Item]) -> dict[str, Any]:
    """Return the figures of one peer."""
    peer = next(peer for peer in PEERS if peer.name == name)
    sides = peer.adapter(items)
    after = 0

    def did_nothing(result: Any) -> bool:
        return sides.triggered is None or sides.left(result) > len(items)

    def compacted(result: Any) -> bool:
        nonlocal after
        after = sides.left(result)
        return after < len(items)

    steady = await timed(sides.steady, did_nothing)
    triggered = None if sides.triggered is None else await timed(sides.triggered, compacted)
    return {
        "version": None if peer.package is None else importlib.metadata.version(peer.package),
        "steady_ms": steady,
        "triggered_ms": triggered,
        "items_after": after,
    }


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # some say at every call that they did their work
    json.dump(asyncio.run(figures(sys.argv[1], json.load(sys.stdin))), sys.stdout)
