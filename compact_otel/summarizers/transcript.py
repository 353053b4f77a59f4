"""A history as a text that a model can read: who said what, in which turn, with nothing opaque.

    [3] user, turn 2
    > Where is order A-17?
    [4] assistant calls find_order
    > {"order": "A-17"}
    [5] output of find_order
    > It left the warehouse on Monday.

Every line of content is quoted with `> `, so a content that imitates one of our headers is still
seen to be a content. Left out: ids of items, encrypted reasoning, and the bytes of media, for which
a placeholder stands. A text that is very long keeps its beginning and its end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compact_otel.core import frame
from compact_otel.core.items import as_mapping, role_of
from compact_otel.core.types import Item

LONGEST = 24_000
"""Characters of one text that are shown: about 6,000 tokens."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
# Marks that servers of open models take for the end of a message, wherever they stand.
_SPECIAL = re.compile(r"<(?=\|[\w-]+\|>)|\[(?=/?INST\])|<(?=(?:start|end)_of_turn>)")
_LINE_ENDS = re.compile("\r\n|[\r\u0085\u2028\u2029]")
_TURN = re.compile(r"\bturn (\d{1,4})\b", re.IGNORECASE)
_NAME = re.compile(r"[^\w.:/-]+")

_MEDIA = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "output_image": "image",
    "computer_screenshot": "screenshot",
    "file": "file",
    "input_file": "file",
    "input_audio": "audio",
    "audio": "audio",
    "output_audio": "audio",
}
_GIVEN = ("arguments", "input", "action", "operation", "queries", "code")
_FOUND = ("output", "outputs", "results", "error")
_OPAQUE = frozenset(
    {"id", "call_id", "type", "status", "encrypted_content", "image_url", "file_data", "result"}
    | {"data", "logprobs", "annotations", "meta", "role", "namespace", "caller"}
)
_UNREADABLE = frozenset({"compaction", "item_reference", "reasoning", "mcp_list_tools"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that was said, called or found.

    Attributes:
        number: Of the item, from 1.
        who: Whose words they are: `user`, `assistant`, `output of find_order`.
        body: The content, not quoted.
        turn: Which message of the user it is; None for what users did not write.
    """

    number: int
    who: str
    body: str
    turn: int | None = None

    @property
    def text(self) -> str:
        """The entry as it is shown."""
        turn = "" if self.turn is None else f", turn {self.turn}"
        return f"[{self.number}] {self.who}{turn}\n{quoted(self.body)}"


def transcript(
    items: Sequence[Item], *, longest: int = LONGEST, turns_before: int = 0
) -> list[Entry]:
    """Return what the items say, in order; takes time linear in them.

    Args:
        items: Input items of the Responses API or messages of Chat Completions.
        longest: Characters of one text that are kept.
        turns_before: Turns that an earlier summary speaks of.
    """
    entries: list[Entry] = []
    names: dict[str, str] = {}
    turn = turns_before
    for number, item in enumerate(map(as_mapping, items), 1):
        by_user = role_of(item) == "user"
        turn += by_user
        for who, body in _said(item, names):
            if shown := clipped(body, longest):
                entries.append(
                    Entry(number=number, who=who, body=shown, turn=turn if by_user else None)
                )
    return entries


def turns_in(summary: str) -> int:
    """Return the highest number of a turn that a summary names, 0 if it names none."""
    return max((int(number) for number in _TURN.findall(summary)), default=0)


def clipped(text: str, longest: int) -> str:
    """Return a text without what cannot be shown, with its middle left out if it is too long."""
    if len(text) > longest:
        head = longest * 2 // 3
        tail = max(1, longest - head)
        left_out = len(text) - head - tail
        text = f"{text[:head]}\n[... {left_out} characters left out ...]\n{text[-tail:]}"
    return harmless(text).strip()


def harmless(text: str) -> str:
    """Return a text that can neither close a frame of ours nor end a message of an open model."""
    text = _SPECIAL.sub(r"\g<0> ", _CONTROL.sub("", _LINE_ENDS.sub("\n", text)))
    return frame.defuse(text)


def quoted(text: str) -> str:
    """Return a text with every line marked as content."""
    return "\n".join(f"> {line}" for line in text.split("\n"))


def _said(item: Item, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield who speaks and what, for one item; `names` gets the tools of the calls."""
    kind = item.get("type")
    if kind is None or kind == "message":
        yield from _message(item, names)
    elif kind == "reasoning":
        yield "assistant thinks", _text(item.get("summary"))
    elif isinstance(kind, str) and kind not in _UNREADABLE:
        if kind.endswith("_output"):
            yield f"output of {names.get(str(item.get('call_id')), 'a tool')}", _output(item)
        else:
            yield from _call(kind, item, names)


def _message(item: Item, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    role, content = role_of(item), _text(item.get("content"))
    if role == "tool":
        yield f"output of {names.get(str(item.get('tool_call_id')), 'a tool')}", content
        return
    who = role if role in ("user", "assistant") else "system message"
    yield who, content
    calls = item.get("tool_calls")
    for call in calls if isinstance(calls, list | tuple) else ():
        known = as_mapping(call)
        function = known.get("function")
        given = as_mapping(function if function is not None else known.get("custom"))
        name = _name(given.get("name"))
        names[str(known.get("id"))] = name
        yield f"assistant calls {name}", _text(given.get("arguments", given.get("input")))


def _call(kind: str, item: Item, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    name = _name(item.get("name") or kind.removesuffix("_call"))
    names[str(item.get("call_id"))] = name
    given = [_text(item[member]) for member in _GIVEN if item.get(member)]
    found = [_text(item[member]) for member in _FOUND if item.get(member)]
    yield f"assistant calls {name}", "\n".join(given) or "(no arguments)"
    if found:  # the provider ran it, so its output is no item of its own
        yield f"output of {name}", "\n".join(found)


def _output(item: Item) -> str:
    told = item.get("output", item.get("outputs"))
    return _text(told) or _text({k: v for k, v in item.items() if k not in _OPAQUE})


def _name(name: object) -> str:
    """Return a tool's name as a word: what a model called a tool may be any text."""
    word = _NAME.sub("_", name)[:64] if isinstance(name, str) else ""
    return word or "a_tool"


def _text(value: Any) -> str:
    """Return the text of a content, an argument or an output, whatever its form."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return "\n".join(part for part in map(_part, value) if part)
    if isinstance(value, Mapping):
        return _part(value)
    return "" if value is None else json.dumps(value, default=str)


def _part(part: Any) -> str:
    if not isinstance(part, Mapping):
        return _text(part)
    kind = part.get("type")
    if isinstance(kind, str) and kind in _MEDIA:
        name = part.get("filename") or as_mapping(part.get("file")).get("filename")
        return f"[{_MEDIA[kind]} {_name(name)}]" if name else f"[{_MEDIA[kind]}]"
    for member in ("text", "refusal"):
        if isinstance(part.get(member), str):
            return str(part[member])
    return json.dumps(_readable(part), ensure_ascii=False, default=str)


def _readable(value: Any) -> Any:
    """Return JSON data without ids and encoded bytes."""
    if isinstance(value, Mapping):
        return {name: _readable(one) for name, one in value.items() if name not in _OPAQUE}
    if isinstance(value, list | tuple):
        return [_readable(one) for one in value]
    return value
