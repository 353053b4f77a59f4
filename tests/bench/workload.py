"""The histories that are measured."""

from __future__ import annotations

from functools import cache
from typing import Any

from compact_otel.core.types import CallContext
from compact_otel.demo.recording import Recording, bundled

Item = dict[str, Any]


@cache
def recorded() -> Recording:
    """Return the recorded session, read once: reading it beside a measurement empties caches."""
    return bundled()


def history(length: int) -> list[Item]:
    """Return that many items of a recorded customer-service session, no two alike.

    It is repeated under other order numbers until it is long enough, and ends with an answer, so
    that no call waits for its output.
    """
    items: list[Item] = []
    while len(items) < length:
        mark = f" (copy {len(items)})"
        for item in recorded().items:
            copy = dict(item)
            for name in ("content", "output"):
                if isinstance(copy.get(name), str):
                    copy[name] += mark
            if "call_id" in copy:
                copy["call_id"] += mark
            if "arguments" in copy:
                copy["arguments"] = copy["arguments"].replace("{", f'{{"copy": {len(items)}, ', 1)
            items.append(copy)
    return [*items[: length - 1], {"role": "assistant", "content": "Anything else?"}]


def question(number: int) -> Item:
    """Return one item more."""
    return {"role": "user", "content": f"And another question, number {number}?"}


def call_context() -> CallContext:
    """Return what stands beside the history: instructions and fourteen tools.

    The tools are made anew, over the same schemas, as by the hook for every call of an agent.
    """
    tools = [dict(tool) for tool in recorded().tools]
    return CallContext(model="gpt-4o", instructions=recorded().instructions, tools=tools)
