"""A compacted call as a file of the kind that it came from."""

from __future__ import annotations

import json
from typing import Any

from compact_otel.manual.compaction import Outcome


def serialised(outcome: Outcome) -> str:
    """Return what stays as the body of a request, as JSON Lines, or as a JSON list.

    In ASCII: whatever reads it reads the same, and nothing in it moves a terminal.
    """
    found, items = outcome.call.found, list(outcome.items)
    if found.body is not None:
        return _indented(_body(outcome, items))
    if found.kind == "JSON Lines":
        return "".join(f"{json.dumps(item)}\n" for item in items)
    return _indented(items)


def _body(outcome: Outcome, items: list[Any]) -> dict[str, Any]:
    found = outcome.call.found
    body = dict(found.body or {})
    if outcome.outcome != "noop":  # else it is as it came, also if `input` is a text
        key = "messages" if "messages" in body else "input"
        body[key] = [*body[key][: found.first], *items]
    return body


def _indented(value: Any) -> str:
    return f"{json.dumps(value, indent=2)}\n"
