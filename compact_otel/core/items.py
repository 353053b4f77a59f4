"""What an item is, which items belong together, and where a history may be cut.

The only module that knows item shapes. It reads items of the Responses API and messages of Chat
Completions, and keeps these rules, which the API enforces with an error:

* a tool call and its output stand or fall together, and so do the calls of one response;
* reasoning items stand with what the model produced right after them;
* so a history is cut between *blocks* only: the items of one model response and the outputs of
  its calls, or one message.

What it does not know it does not touch: an unknown type, an item that is no mapping, a call that
waits for its output, an output without its call, and what only the server can read are *pinned*.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any, Literal

from compact_otel.core import frame
from compact_otel.core.types import Item, Message

Kind = Literal["user", "assistant", "tool", "instruction", "summary", "pinned"]

# Call type -> type of its output (`_TOOL_CALL_TO_OUTPUT_TYPE` of the Agents SDK, and approvals).
_OUTPUT_OF = {
    "function_call": "function_call_output",
    "custom_tool_call": "custom_tool_call_output",
    "computer_call": "computer_call_output",
    "local_shell_call": "local_shell_call_output",
    "shell_call": "shell_call_output",
    "apply_patch_call": "apply_patch_call_output",
    "mcp_approval_request": "mcp_approval_response",
}
_CALL_OF = {output: call for call, output in _OUTPUT_OF.items()}
# Run by the provider, so without an output item of their own.
_HOSTED = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_call",
        "mcp_list_tools",
    }
)
_UNKNOWN: Item = {"type": "unknown"}

# One item on its own: what made it, and the pairing keys it opens and closes.
_Part = Literal[
    "user", "assistant", "call", "output", "reasoning", "instruction", "summary", "pinned"
]
_GENERATED = frozenset({"assistant", "call", "reasoning"})


@dataclass(frozen=True, slots=True)
class Block:
    """Items that are kept or dropped together: `items[start:stop]`.

    Attributes:
        start: Index of the first item.
        stop: Index behind the last item.
        kind: `user` and `assistant` are plain messages, `tool` is a model response with calls and
            their outputs, `instruction` a system or developer message, `summary` one of ours,
            `pinned` whatever must not be touched.
        pairs: How many call/output pairs are in it; a hosted call counts as one.
    """

    start: int
    stop: int
    kind: Kind
    pairs: int = 0


def as_mapping(item: Any) -> Item:
    """Return the item as a mapping to read: itself, a Message's or a pydantic model's fields.

    What cannot be read comes back as an unknown item, which is pinned.
    """
    if isinstance(item, Mapping):
        return item
    for name, options in (("as_item", {}), ("model_dump", {"exclude_unset": True})):
        method = getattr(item, name, None)
        if not callable(method):
            continue
        try:
            fields = method(**options)
        except Exception:  # noqa: BLE001 - one broken item must not stop the compaction of others
            return _UNKNOWN
        if isinstance(fields, Mapping):
            return fields
    return _UNKNOWN


def is_protected(item: Item, flag: str) -> bool:
    """Say whether the item, or its `meta`, carries the flag."""
    meta = item.get("meta")
    if item.get(flag) is True:
        return True
    return meta is not None and isinstance(meta, Mapping) and meta.get(flag) is True


def protect(item: Any, label: str | None = None, *, flag: str = "protected") -> Any:
    """Return a copy of the item that no compaction will drop.

    The mark is a key `meta`, which survives sessions, `to_input_list()` and processes as any other;
    it is taken off before the item goes to the model.

    Args:
        item: An item, a `Message`, or a text, which becomes a user message.
        label: Names it in the events, which never hold its content.
        flag: The policy's `protected_flag`, if that is another one.

    Raises:
        TypeError: If it is none of these.
    """
    mark = {flag: True} if label is None else {flag: True, "label": label}
    if isinstance(item, str):
        return {"role": "user", "content": item, "meta": mark}
    if isinstance(item, Message):
        return replace(item, meta={**item.meta, **mark})
    if not isinstance(item, Mapping):
        raise TypeError(f"need an item, a Message or a str to protect, got {type(item).__name__}")
    meta = item.get("meta")
    return {**item, "meta": {**(meta if isinstance(meta, Mapping) else {}), **mark}}


def label_of(item: Item) -> str | None:
    """Return the label under which an item was protected."""
    meta = item.get("meta")
    label = meta.get("label") if isinstance(meta, Mapping) else None
    return label if isinstance(label, str) else None


def unmarked(item: Item, flag: str) -> Item:
    """Return the item as it may go to a model: without our mark, itself if it has none.

    Providers refuse members they do not know (`Unknown parameter: 'input[1].meta'.`).
    """
    if not is_protected(item, flag):
        return item
    meta = item.get("meta")
    ours = {flag, "meta"} if isinstance(meta, Mapping) else {flag}
    return {name: value for name, value in item.items() if name not in ours}


def role_of(item: Item) -> str | None:
    """Return the role of a message, None for any other item."""
    role = item.get("role")
    return role if isinstance(role, str) else None


def newest_user(items: Sequence[Item]) -> int:
    """Return the index of the newest message of the user, -1 without one; a summary is none."""
    for index in range(len(items) - 1, -1, -1):
        if role_of(items[index]) == "user" and frame.unwrap(items[index]) is None:
            return index
    return -1


def text_parts(content: Any) -> Iterator[str]:
    """Yield the texts of a message content or a tool output, whatever its form."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list | tuple):
        for part in content:
            if isinstance(part, str):
                yield part
            elif isinstance(part, Mapping):
                yield from (
                    value
                    for name in ("text", "refusal")
                    if isinstance(value := part.get(name), str)
                )


def blocks(items: Sequence[Item]) -> list[Block]:
    """Divide a history into blocks; together they cover it without gaps, in order. Linear time."""
    parts = [_part(item) for item in items]
    links, loose = _pairs(items, parts)
    pairs = [
        int(part == "call" and item.get("type") in _HOSTED)
        for item, part in zip(items, parts, strict=True)
    ]
    for _, output in links:
        pairs[output] += 1
    starts = [index for index, joined in enumerate(_joined(parts, links)) if not joined]
    # A pair stays if a loose end has its id, too: the API may have found there what it looked for.
    torn = {key for index in loose for keys in _keys(items[index]) for key in keys}
    shared = (output for _, output in links if torn.intersection(_keys(items[output])[1]))
    for index in (*loose, *shared):
        parts[index] = "pinned"
    return [
        Block(start, stop, _kind(parts[start:stop]), sum(pairs[start:stop]))
        for start, stop in pairwise([*starts, len(items)])
    ]


def server_compacted(items: Sequence[Item]) -> int:
    """Return how many items, from the start, a compaction by the provider speaks of.

    The output of the provider's own compaction is one opaque item together with what precedes it,
    and nothing of that may be dropped:
    https://developers.openai.com/api/docs/guides/compaction
    """
    last = (n for n in range(len(items), 0, -1) if items[n - 1].get("type") == "compaction")
    return next(last, 0)


def api_of(items: Sequence[Item]) -> Literal["responses", "chat"]:
    """Say in which API's form a history is written; one of plain messages fits both."""
    typed = any(item.get("type") is not None for item in items)
    return "responses" if typed else "chat"


def unpaired(items: Sequence[Item]) -> frozenset[tuple[str, bool]]:
    """Return the loose ends of a history: (pairing key, is it an output) of each one.

    A compacted history must have the same ones as its original, whatever they were.
    """
    _, loose = _pairs(items, [_part(item) for item in items])
    return frozenset(
        (key, bool(closes))
        for index in loose
        for opens, closes in [_keys(items[index])]
        for key in (*opens, *closes)
    )


def _part(item: Item) -> _Part:
    """Classify one item without looking at its neighbours."""
    kind = item.get("type")
    caller = item.get("caller")
    if caller is not None and isinstance(caller, Mapping) and caller.get("type") == "program":
        return "pinned"  # a child of a program goes with it, and programs stay
    if kind in (None, "message"):
        return _message_part(item)
    if not isinstance(kind, str):
        return "pinned"
    if kind in _OUTPUT_OF or kind in _HOSTED:
        return "call"
    if kind in _CALL_OF:
        return "output"
    return "reasoning" if kind == "reasoning" else "pinned"


def _message_part(item: Item) -> _Part:
    role = role_of(item)
    if role in ("system", "developer"):
        return "instruction"
    if role == "tool":
        return "output"
    if role not in ("user", "assistant") or item.get("function_call"):  # the pre-2023 call form
        return "pinned"
    if calls := item.get("tool_calls"):
        return "call" if isinstance(calls, list | tuple) else "pinned"
    if frame.unwrap(item):
        return "summary"
    return "user" if role == "user" else "assistant"


def _keys(item: Item) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the pairing keys that an item opens and closes."""
    kind = item.get("type")
    if kind in _OUTPUT_OF:
        ident = item.get("id") if kind == "mcp_approval_request" else item.get("call_id")
        return (f"{kind}:{ident}",), ()
    if kind in _CALL_OF:
        name = "approval_request_id" if kind == "mcp_approval_response" else "call_id"
        return (), (f"{_CALL_OF[kind]}:{item.get(name)}",)
    if item.get("role") == "tool":
        return (), (f"chat:{item.get('tool_call_id')}",)
    calls = item.get("tool_calls")
    if isinstance(calls, list | tuple):
        return tuple(f"chat:{as_mapping(call).get('id')}" for call in calls), ()
    return (), ()


def _pairs(
    items: Sequence[Item], parts: Sequence[_Part]
) -> tuple[list[tuple[int, int]], frozenset[int]]:
    """Return (index of call, index of output) of every pair, and the indices of loose ends.

    Ids may come again later in a history (local providers count from one in every run), so a
    call is open until its output comes, and outputs go to the newest open call of their id: the
    older one may wait for good, since an interrupted run left it behind.
    """
    links: list[tuple[int, int]] = []
    waiting: dict[str, list[int]] = {}
    loose: set[int] = set()
    for index, (item, part) in enumerate(zip(items, parts, strict=True)):
        if part not in ("call", "output"):
            continue
        opens, closes = _keys(item)
        for key in opens:
            waiting.setdefault(key, []).append(index)
        for key in closes:
            if calls := waiting.get(key):
                links.append((calls.pop(), index))
            else:
                loose.add(index)
    loose.update(index for calls in waiting.values() for index in calls)
    return links, frozenset(loose)


def _joined(parts: Sequence[_Part], links: Sequence[tuple[int, int]]) -> list[bool]:
    """Say for each item whether it belongs to the block of the item before it."""
    # A pair holds together all that lies within: +1 behind its call, -1 behind its output.
    depth = [0] * (len(parts) + 1)
    for call, output in links:
        depth[call + 1] += 1
        depth[output + 1] -= 1
    joined = [held > 0 for held in accumulate(depth[:-1])]
    headed = False  # the response at hand begins with a reasoning item
    for index, part in enumerate(parts):
        before = parts[index - 1] if index else None
        joined[index] = joined[index] or _same_response(before, part, headed=headed)
        headed = part == "reasoning" or (headed and joined[index])
    return joined


def _same_response(before: _Part | None, part: _Part, *, headed: bool) -> bool:
    """Say whether two neighbours came out of one model response."""
    if before == "reasoning" and part == "pinned":
        return True  # a generated item of a kind we do not know
    if before not in _GENERATED or part not in _GENERATED:
        return False
    if part == "reasoning":
        return before == "reasoning"
    return before != "assistant" or part == "call" or headed


def _kind(parts: Sequence[_Part]) -> Kind:
    if "pinned" in parts:
        return "pinned"
    if "call" in parts:
        return "tool"
    if "instruction" in parts:
        return "instruction"
    if "user" in parts:
        return "user"
    return "summary" if "summary" in parts else "assistant"
