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
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any, Literal, NamedTuple

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
# Type -> what it is paired by: the call's type, and the member that holds the id.
_PAIRINGS = {
    kind: (call, "call_id") for call, output in _OUTPUT_OF.items() for kind in (call, output)
} | {
    "mcp_approval_request": ("mcp_approval_request", "id"),
    "mcp_approval_response": ("mcp_approval_request", "approval_request_id"),
}
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

# One item on its own: what made it.
_Part = Literal[
    "user", "assistant", "call", "output", "hosted", "reasoning", "instruction", "summary", "pinned"
]
_PART_OF: Mapping[str, _Part] = {
    **dict.fromkeys(_OUTPUT_OF, "call"),
    **dict.fromkeys(_OUTPUT_OF.values(), "output"),
    **dict.fromkeys(_HOSTED, "hosted"),
    "reasoning": "reasoning",
}
_CALLS = frozenset({"call", "hosted"})
_GENERATED = frozenset({"assistant", "reasoning", *_CALLS})
_PERHAPS_GENERATED = _GENERATED | {"pinned"}
# The kind of a block is that of its strongest part.
_KINDS: Sequence[Kind] = ("assistant", "summary", "user", "instruction", "tool", "pinned")
_STRENGTHS: Mapping[_Part, int] = {
    "assistant": 0,
    "output": 0,
    "reasoning": 0,
    "summary": 1,
    "user": 2,
    "instruction": 3,
    "call": 4,
    "hosted": 4,
    "pinned": 5,
}


class Block(NamedTuple):
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
    if item.get(flag) is True:
        return True
    meta = item.get("meta")
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


def is_generated(item: Item) -> bool:
    """Say whether an item is a part of an answer of the model, not of what it was given."""
    kind = item.get("type")
    if kind is None or kind == "message":
        return role_of(item) == "assistant"
    return isinstance(kind, str) and not kind.endswith("_output")


def newest_user(items: Sequence[Item], stop: int | None = None) -> int:
    """Return the index of the newest message of the user, -1 without one; a summary is none.

    Args:
        items: A history.
        stop: How many items of it are looked at, from the start; None for all.
    """
    for index in range((len(items) if stop is None else stop) - 1, -1, -1):
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
    starts = _starts(parts, links)
    pairs = [1 if part == "hosted" else 0 for part in parts]
    for _, output in links:
        pairs[output] += 1
    pairs_before = [0, *accumulate(pairs)]
    for index in (*loose, *_mistaken(items, links, loose)):
        parts[index] = "pinned"
    strengths = [_STRENGTHS[part] for part in parts]
    return [
        Block(
            start,
            stop,
            _KINDS[max(strengths[start:stop])],
            pairs_before[stop] - pairs_before[start],
        )
        for start, stop in pairwise([*starts, len(items)])
    ]


def output_text(item: Item) -> str | None:
    """Return the text of a tool's output for which another text may stand, None of other items."""
    kind = item.get("type")
    if kind in ("function_call_output", "custom_tool_call_output"):
        content = item.get("output")
    elif kind is None and item.get("role") == "tool":
        content = item.get("content")
    else:
        return None
    return "\n".join(text_parts(content))


def pairs(items: Sequence[Item]) -> list[tuple[int, int]]:
    """Return (index of call, index of output) of every tool call that was answered, by output."""
    links, _ = _pairs(items, [_part(item) for item in items])
    return links


def server_compacted(items: Sequence[Item]) -> int:
    """Return how many items, from the start, a compaction by the provider speaks of.

    The output of the provider's own compaction is one opaque item together with what precedes it,
    and nothing of that may be dropped:
    https://developers.openai.com/api/docs/guides/compaction
    """
    for count in range(len(items), 0, -1):
        if items[count - 1].get("type") == "compaction":
            return count
    return 0


def api_of(items: Sequence[Item]) -> Literal["responses", "chat"]:
    """Say in which API's form a history is written; one of plain messages fits both."""
    typed = any(item.get("type") is not None for item in items)
    return "responses" if typed else "chat"


def unpaired(items: Sequence[Item]) -> frozenset[tuple[str, bool]]:
    """Return the loose ends of a history: (pairing key, is it an output) of each one.

    A compacted history must have the same ones as its original, whatever they were.
    """
    # Plain messages, of which there are many, pair with nothing.
    items = [
        item
        for item in items
        if "type" in item or "tool_calls" in item or item.get("role") == "tool"
    ]
    parts = [_part(item) for item in items]
    _, loose = _pairs(items, parts)
    return frozenset(
        (key, parts[index] == "output") for index in loose for key in _keys(items[index])
    )


def _part(item: Item) -> _Part:
    """Classify one item without looking at its neighbours."""
    kind = item.get("type")
    caller = item.get("caller")
    if caller is not None and isinstance(caller, Mapping) and caller.get("type") == "program":
        return "pinned"  # a child of a program goes with it, and programs stay
    if kind is None or kind == "message":
        return _message_part(item)
    if not isinstance(kind, str):
        return "pinned"
    return _PART_OF.get(kind, "pinned")


def _message_part(item: Item) -> _Part:
    role = item.get("role")
    if role == "tool":
        return "output"
    if role not in ("user", "assistant"):
        return "instruction" if role in ("system", "developer") else "pinned"
    if item.get("function_call"):  # the pre-2023 call form
        return "pinned"
    if calls := item.get("tool_calls"):
        return "call" if isinstance(calls, list | tuple) else "pinned"
    if frame.unwrap(item):
        return "summary"
    return "user" if role == "user" else "assistant"


def _keys(item: Item) -> tuple[str, ...]:
    """Return the pairing keys that a call opens, or the one that an output closes."""
    kind = item.get("type")
    if kind in _PAIRINGS:
        call, name = _PAIRINGS[kind]
        return (f"{call}:{item.get(name)}",)
    if item.get("role") == "tool":
        return (f"chat:{item.get('tool_call_id')}",)
    return tuple(f"chat:{as_mapping(call).get('id')}" for call in item["tool_calls"])


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
    for index, part in enumerate(parts):
        if part == "call":
            for key in _keys(items[index]):
                waiting.setdefault(key, []).append(index)
        elif part == "output":
            for key in _keys(items[index]):
                if calls := waiting.get(key):
                    links.append((calls.pop(), index))
                else:
                    loose.add(index)
    loose.update(index for calls in waiting.values() for index in calls)
    return links, frozenset(loose)


def _mistaken(
    items: Sequence[Item], links: Sequence[tuple[int, int]], loose: frozenset[int]
) -> Iterator[int]:
    """Yield the outputs of pairs that the API may take for the other half of a loose end.

    Where ids come again, it may have found there what it looked for: an output behind a call, a
    call before an output. One pair of an id is enough for all its loose calls, and one for all its
    loose outputs; if every pair stayed, a single orphan would keep most of a history for good.
    """
    if not loose:
        return
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for _, output in links:
        for key in _keys(items[output]):
            first.setdefault(key, output)
            last[key] = output
    for index in loose:
        for key in _keys(items[index]):
            if _part(items[index]) == "call":
                if last.get(key, -1) > index:
                    yield last[key]
            elif first.get(key, index) < index:
                yield first[key]


def _starts(parts: Sequence[_Part], links: Sequence[tuple[int, int]]) -> list[int]:
    """Return where blocks begin."""
    # A pair holds together all that lies within. Links come in the order of their outputs, so of
    # the outputs of one call the last one counts.
    outputs = dict(links)
    starts: list[int] = []
    last = -1  # of the items that a pair holds together with an earlier one
    before: _Part | None = None
    headed = False  # the response at hand begins with a reasoning item
    for index, part in enumerate(parts):
        joined = index <= last or _same_response(before, part, headed=headed)
        if not joined:
            starts.append(index)
        if part == "call":
            last = max(last, outputs.get(index, -1))
        headed = part == "reasoning" or (headed and joined)
        before = part
    return starts


def _same_response(before: _Part | None, part: _Part, *, headed: bool) -> bool:
    """Say whether two neighbours came out of one model response."""
    if "pinned" in (before, part):  # perhaps a generated item, of a kind that nobody knows here
        return before in _PERHAPS_GENERATED and part in _PERHAPS_GENERATED
    if before not in _GENERATED or part not in _GENERATED:
        return False
    if part == "reasoning":
        return before == "reasoning"
    return before != "assistant" or part in _CALLS or headed
