"""The cheap first stage: old tool outputs give way to a line each, before a summary is paid for.

An output is *superseded* if the same call was made again later and most of what it said came back:
what did not is no longer true. (Where little came back, as from a tool that gives the next page, it
is something else that was said.) It is *stale* if it is older than the calls that stay; then the
line is followed by the facts of the output, as far as they fit. The call itself stays, so the agent
knows what it has done.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from compact_otel.core import frame
from compact_otel.core.assemble import cleared_item
from compact_otel.core.facts import Facts
from compact_otel.core.items import as_mapping, output_text, pairs
from compact_otel.core.measure import Measured
from compact_otel.core.policy import must_stay
from compact_otel.core.types import Cleared, Item, SummaryRequest

Why = Literal["called again", "said again", "old", "large"]

_SMALLEST = 120
"""Tokens; what is smaller saves next to nothing once its line is paid."""

_FACTS_SHARE = 0.15
"""The facts of a stale output may have this share of its tokens."""

_MOST_FACTS = 200
"""Tokens; the same, of an output of any size."""

_MOST = 0.6
"""An output is said anew by another one that has this share of it."""

_FEW_LINES = 4
"""A text of fewer lines is taken word by word."""

_LONGEST_ARGUMENTS = 120

_REASONS: Mapping[Why, str] = {
    "called again": "the same call was made again later",
    "said again": "a later output says the same",
    "old": "it is older than the latest calls; what it said in short",
    "large": "it is too large to stay; what it said in short",
}


@dataclass(frozen=True, slots=True)
class _Output:
    """A tool output that may be cleared.

    Attributes:
        index: Where it stands.
        call: Where its call stands.
        name: The tool.
        arguments: What it was called with, as it was written.
        text: What came back.
    """

    index: int
    call: int
    name: str
    arguments: str
    text: str

    @property
    def asked(self) -> tuple[str, str]:
        """What two outputs have in common that answer the same call."""
        return self.name, self.arguments


def without_superseded(state: Measured) -> Measured:
    """Return a call with its superseded outputs cleared; what was cleared before stays so.

    Raises:
        Exception: Whatever the estimator raises about a line.
    """
    if state.scale.policy.clear_tool_outputs == "off" or not _repeats(state):
        return state
    outputs, settled = _outputs(state)
    lines = {entry.index: entry for entry in state.view.cleared}
    worth = [
        output
        for output in settled
        if output.index not in lines and state.counts[output.index] >= _SMALLEST
    ]
    for output, why in _superseded(worth, outputs):
        _clear(state, output, why, lines)
    return _seen_with(state, lines)


def without_stale(state: Measured, target: int) -> Measured:
    """Return a call with its oldest outputs cleared, as many as it takes to reach a target.

    Raises:
        Exception: Whatever the estimator raises about a line.
    """
    left = state.total - target
    if left <= 0 or state.scale.policy.clear_tool_outputs != "stale":
        return state
    _, settled = _outputs(state)
    lines = {entry.index: entry for entry in state.view.cleared}
    for output in settled:
        if left <= 0:
            break
        if output.index not in lines:
            left -= _clear(state, output, "old", lines)
    return _seen_with(state, lines)


def shortened(state: Measured, most: int) -> Measured:
    """Return a call without outputs of more than so many tokens: those are said in short.

    This is what is left where not even the latest call fits.

    Raises:
        Exception: Whatever the estimator raises about a line.
    """
    outputs, _ = _outputs(state)
    lines = {entry.index: entry for entry in state.view.cleared}
    for output in outputs:
        if output.index not in lines and state.counts[output.index] > most:
            _clear(state, output, "large", lines, most)
    return _seen_with(state, lines)


def why(entry: Cleared) -> Why:
    """Say why an output was cleared, as its line does."""
    line = entry.text.partition("\n")[0]
    found = next((one for one, reason in _REASONS.items() if line.endswith(f": {reason}.]")), None)
    return found or ("said again" if entry.superseded else "old")


def _seen_with(state: Measured, lines: Mapping[int, Cleared]) -> Measured:
    if len(lines) == len(state.view.cleared):
        return state
    entries = tuple(lines[index] for index in sorted(lines))
    return state.seen_as(replace(state.view, cleared=entries))


def _clear(
    state: Measured, output: _Output, why: Why, lines: dict[int, Cleared], most: int = _MOST_FACTS
) -> int:
    """Add the line of an output, if it is shorter; return the tokens that this saves."""
    tokens = state.counts[output.index]
    if tokens < _SMALLEST:
        return 0
    text = _line(output, why, tokens)
    if why in ("old", "large"):
        room = min(most, int(tokens * _FACTS_SHARE)) if why == "old" else most
        text = "\n".join(filter(None, (text, _facts(state, output, room))))
    shown = cleared_item(state.items[output.index], frame.cleared(text, recall=state.scale.recall))
    (size,) = state.scale.items([shown])
    if size >= tokens:
        return 0
    again = why in ("called again", "said again")
    lines[output.index] = Cleared(output.index, text, size, superseded=again)
    return state.scale.calibrated(tokens) - state.scale.calibrated(size)


def _line(output: _Output, why: Why, tokens: int) -> str:
    arguments = " ".join(output.arguments.split())
    if len(arguments) > _LONGEST_ARGUMENTS:
        arguments = f"{arguments[:_LONGEST_ARGUMENTS]}..."
    return (
        f"[The output of {output.name}({arguments}), {tokens} tokens, was removed to save space: "
        f"{_REASONS[why]}.]"
    )


def _facts(state: Measured, output: _Output, most: int) -> str:
    """Return the facts of one output, in so many tokens at most."""
    request = SummaryRequest(
        items=[state.items[output.call], state.items[output.index]],
        strategy="brief",
        max_tokens=most,
        count_text=lambda text: sum(state.scale.items([{"role": "user", "content": text}])),
    )
    return Facts(request).note().text


def _repeats(state: Measured) -> bool:
    """Say whether a call or an output is there twice, which is cheap to see and rare."""
    seen: set[tuple[Any, ...]] = set()
    count = 0
    for index in state.view.kept:
        item = state.items[index]
        if "type" not in item and "tool_calls" not in item and item.get("role") != "tool":
            continue
        if item.get("tool_calls"):
            return True  # to be looked at more closely
        said = item.get("output", item.get("content"))
        asked = (item.get("name"), item.get("arguments", item.get("input")))
        mark = asked if said is None else (said,)
        if all(isinstance(part, str) for part in mark):
            seen.add(mark)
            count += 1
    return len(seen) < count


def _outputs(state: Measured) -> tuple[list[_Output], list[_Output]]:
    """Return the tool outputs of a view whose text may change, and those of them that are old.

    Both with the oldest first. The latest calls stay as they are.
    """
    items, kept = state.items, state.view.kept
    staying = must_stay(items, state.scale.policy)
    found = []
    for call, output in pairs([items[index] for index in kept]):
        call_at, output_at = kept[call], kept[output]
        if output_at in staying or call_at in staying:
            continue
        text = output_text(items[output_at])
        if text is not None:
            name, arguments = _called(items[call_at], items[output_at])
            found.append(_Output(output_at, call_at, name, arguments, text))
    return found, found[: max(0, len(found) - state.scale.policy.keep_tool_io_pairs)]


def _called(call: Item, output: Item) -> tuple[str, str]:
    """Return the tool's name and its arguments as they were written."""
    made: Item = call
    if calls := call.get("tool_calls"):
        ident = output.get("tool_call_id")
        made = next((one for one in map(as_mapping, calls) if one.get("id") == ident), call)
        made = as_mapping(made.get("function") or made.get("custom") or made)
    arguments = made.get("arguments", made.get("input"))
    return str(made.get("name") or "a tool"), arguments if isinstance(arguments, str) else ""


def _superseded(
    settled: Sequence[_Output], outputs: Sequence[_Output]
) -> Iterator[tuple[_Output, Why]]:
    """Yield the outputs that a later one makes superfluous."""
    pieces = cache(_pieces)  # one call may have been made a hundred times
    last_call = {output.asked: output for output in outputs}
    last_text = {output.text: output for output in outputs}
    for output in settled:
        again = last_call[output.asked]
        if last_text[output.text] is not output:
            yield output, "said again"
        elif again is not output and _came_back(pieces(output.text), pieces(again.text)):
            yield output, "called again"


def _came_back(earlier: Set[str], later: Set[str]) -> bool:
    """Say whether most of what was said earlier was said later, too."""
    return len(earlier & later) >= _MOST * len(earlier)


def _pieces(text: str) -> set[str]:
    """Return what a text says piece by piece: values with their keys, lines, or words."""
    with suppress(ValueError, RecursionError):
        read = json.loads(text)
        if isinstance(read, dict | list):
            return set(_leaves("", read))
    lines = {line.strip() for line in text.splitlines()} - {""}
    return lines if len(lines) >= _FEW_LINES else set(text.split())


def _leaves(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(name, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(key, inner)
    else:
        yield f"{key} {value}"
