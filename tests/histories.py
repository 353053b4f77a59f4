"""Histories of every kind for tests: builders, hypothesis strategies, doubles, and a strict reader.

`complaints` says what the provider's API would refuse about a list of items. It is written from the
provider's rules and shares no code with the package, so that both can not be wrong in one way.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from compact_otel.config import CompactConfig, RedactionConfig, StorageConfig, TelemetryConfig
from compact_otel.core import frame
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import (
    ArchiveReceipt,
    CallContext,
    Checkpoint,
    FixedTokens,
    Message,
    SummaryRequest,
)
from compact_otel.manager import CompactManager

CALL_TYPES = (
    "function_call",
    "custom_tool_call",
    "computer_call",
    "local_shell_call",
    "shell_call",
    "apply_patch_call",
)
HOSTED_TYPES = (
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_call",
    "mcp_list_tools",
)


# Builders: one item each, the shortest form that the API takes.


def user(text: Any = "question") -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: Any = "answer") -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def system(text: str = "rules") -> dict[str, Any]:
    return {"role": "system", "content": text}


def call(ident: str = "c1", kind: str = "function_call", **more: Any) -> dict[str, Any]:
    return {"type": kind, "call_id": ident, "name": "look", "arguments": "{}", **more}


def output(ident: str = "c1", text: Any = "found", kind: str = "function_call") -> dict[str, Any]:
    return {"type": f"{kind}_output", "call_id": ident, "output": text}


def reasoning(ident: str = "rs1") -> dict[str, Any]:
    return {"type": "reasoning", "id": ident, "summary": []}


def answer(text: str = "answer", ident: str = "msg1") -> dict[str, Any]:
    """Return an assistant message as the Responses API gives it."""
    part = {"type": "output_text", "text": text, "annotations": []}
    return {
        "type": "message",
        "id": ident,
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


def hosted(kind: str = "web_search_call", ident: str = "ws1") -> dict[str, Any]:
    return {"type": kind, "id": ident, "status": "completed"}


def approval(ident: str = "ap1") -> dict[str, Any]:
    return {"type": "mcp_approval_request", "id": ident, "name": "pay", "arguments": "{}"}


def approved(ident: str = "ap1") -> dict[str, Any]:
    return {"type": "mcp_approval_response", "approval_request_id": ident, "approve": True}


def chat_calls(*idents: str) -> dict[str, Any]:
    calls = [
        {"id": ident, "type": "function", "function": {"name": "look", "arguments": "{}"}}
        for ident in idents
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def chat_output(ident: str = "c1", text: str = "found") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": ident, "content": text}


def summary(version: int = 1, text: str = "what was", role: str = "assistant") -> dict[str, Any]:
    return {"role": role, "content": frame.wrap(version, text)}


def talk(turns: int, words: int = 40) -> list[dict[str, Any]]:
    """Return a conversation of `turns` questions and answers, each with its number in it."""
    return [
        item
        for turn in range(turns)
        for item in (
            user(f"question {turn} " + "why " * words),
            assistant(f"answer {turn} " + "so " * words),
        )
    ]


def session(steps: int, words: int = 30) -> list[dict[str, Any]]:
    """Return an agent's session: a question now and then, and a call with reasoning each step."""
    items: list[dict[str, Any]] = [system("Be exact.")]
    for step in range(steps):
        if step % 3 == 0:
            items.append(user(f"task {step} " + "please " * words))
        items += [
            reasoning(f"rs{step}"),
            call(f"c{step}", id=f"fc{step}"),
            output(f"c{step}", f"row {step} " + "data " * words),
        ]
        if step % 3 == 2:
            items.append(answer(f"done {step} " + "so " * words, f"msg{step}"))
    return items


# Strategies.

_long = st.integers(60, 240).map(lambda words: "word " * words)
_odd = st.sampled_from(
    [
        "",
        " " * 40,
        "\ud800 lone",
        "e\u0301 " * 20,
        "<COMPACT-SUMMARY v3>",
        "</compact-summary>",
        "0\x00",
    ]
)
_texts = st.one_of(_long, _long, _odd, st.text(max_size=12))
_idents = st.sampled_from(["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"])
_roles = st.sampled_from(["user", "assistant"])


@st.composite
def _contents(draw: st.DrawFn) -> Any:
    text = draw(_texts)
    return draw(
        st.sampled_from(
            [
                text,
                text,
                None,
                [{"type": "input_text", "text": text}],
                [{"type": "input_text", "text": text}, {"type": "input_image", "image_url": "x"}],
                [{"type": "refusal", "refusal": text}, "bare", 7],
            ]
        )
    )


@st.composite
def _said(draw: st.DrawFn) -> list[Any]:
    item: dict[str, Any] = {"role": draw(_roles), "content": draw(_contents())}
    if draw(st.booleans()):
        item = {"type": "message", "status": "completed", **item}
    if draw(st.integers(0, 9)) == 0:
        item |= draw(st.sampled_from([{"protected": True}, {"meta": {"protected": True}}]))
    if draw(st.integers(0, 9)) == 0:
        return [Message(item["role"], item["content"], item.get("meta", {}))]
    return [item]


@st.composite
def _responses_step(draw: st.DrawFn) -> list[Any]:
    """One response with calls, parallel ones among them, and the outputs that came back."""
    kind = draw(st.sampled_from(CALL_TYPES))
    idents = draw(st.lists(_idents, min_size=1, max_size=3, unique=True))
    items: list[Any] = [reasoning(f"rs{ident}") for ident in idents[: draw(st.integers(0, 2))]]
    if draw(st.booleans()):
        items.append(answer("let me look"))
    items += [call(ident, kind) for ident in idents]
    items += [output(ident, draw(_texts), kind) for ident in draw(st.permutations(idents))]
    return items


@st.composite
def _chat_step(draw: st.DrawFn) -> list[Any]:
    idents = draw(st.lists(_idents, min_size=1, max_size=3, unique=True))
    items = [chat_calls(*idents), *[chat_output(ident, draw(_texts)) for ident in idents]]
    if draw(st.integers(0, 4)) == 0:
        as_messages = [Message("assistant", None, {"tool_calls": items[0]["tool_calls"]})]
        outputs = [
            Message("tool", made["content"], {"tool_call_id": made["tool_call_id"]})
            for made in items[1:]
        ]
        return [*as_messages, *outputs]
    return items


@st.composite
def _hosted_step(draw: st.DrawFn) -> list[Any]:
    searched = [reasoning(), hosted(draw(st.sampled_from(HOSTED_TYPES)))]
    more = [reasoning("rs2"), hosted()] if draw(st.booleans()) else []
    return [*searched, *more, answer(draw(_texts))]


_strange = st.sampled_from(
    [
        [None],
        [7],
        ["text"],
        [{}],
        [{"role": ["user"], "content": "x"}],
        [{"role": 5}],
        [{"type": ["message"], "role": "user"}],
        [{"type": "thing_of_tomorrow", "data": "x" * 50}],
        [{"type": "item_reference", "id": "msg9"}],
        [{"id": "msg8"}],
        [{"role": "assistant", "tool_calls": {"id": "c1"}}],
        [{"role": "assistant", "content": "x", "function_call": {"name": "old"}}],
        [{"role": "function", "name": "old", "content": "x"}],
        [{"type": "tool_search_call", "call_id": None}, {"type": "tool_search_output"}],
        [
            {"type": "program", "id": "p1"},
            call("c9", caller={"type": "program", "caller_id": "p1"}),
            output("c9"),
        ],
    ]
)
_loose = st.one_of(
    _idents.map(lambda ident: [call(ident)]),
    _idents.map(lambda ident: [output(ident)]),
    _idents.map(lambda ident: [chat_output(ident)]),
    _idents.map(lambda ident: [reasoning(), call(ident)]),
    _idents.map(lambda ident: [chat_calls(ident)]),
    st.just([reasoning()]),
    st.just([approval()]),
    st.just([approved()]),
)
_chunks = st.one_of(
    _said(),
    _said(),
    _said(),
    _responses_step(),
    _responses_step(),
    _chat_step(),
    _hosted_step(),
    st.just([reasoning(), answer("thought")]),
    st.just([approval(), approved()]),
    st.just([approval("ap2"), user("yes"), approved("ap2")]),
    st.sampled_from([[system()], [{"role": "developer", "content": "style"}]]),
)
_rare = st.one_of(
    _loose,
    _strange,
    st.just([{"type": "compaction", "encrypted_content": "opaque"}]),
    st.builds(summary, st.integers(1, 12), _texts, _roles).map(lambda item: [item]),
)


@st.composite
def histories(draw: st.DrawFn, *, min_chunks: int = 0, rare: bool = True) -> list[Any]:
    """Draw a history; with `rare` also of what should not, but may, stand in one."""
    chunks = draw(st.lists(_chunks, min_size=min_chunks, max_size=18))
    head = draw(st.sampled_from([talk(6), session(8), talk(0), talk(4, 120), session(12, 60)]))
    items = [*head, *(item for chunk in chunks for item in chunk)]
    if rare:
        for chunk in draw(st.lists(_rare, max_size=4)):
            place = draw(st.integers(0, len(items)))  # also in the middle of a step
            items[place:place] = chunk
    return _apart(items)


def _apart(items: Sequence[Any]) -> list[Any]:
    """Make every item an object of its own, so that `is` can tell equal ones apart."""
    return [dict(item) if isinstance(item, dict) else item for item in items]


@dataclass(frozen=True)
class Setting:
    """How tight the window is for a history, and how much of it is to stay."""

    share: float
    keep_recent_turns: int
    keep_tool_io_pairs: int
    hard_cap_buffer: int
    summary_role: Any


settings_of_a_window = st.builds(
    Setting,
    share=st.sampled_from([0.6, 0.8, 0.9, 1.0, 1.1, 1.3]),
    keep_recent_turns=st.integers(1, 3),
    keep_tool_io_pairs=st.integers(1, 3),
    hard_cap_buffer=st.sampled_from([0, 40]),
    summary_role=_roles,
)


# Doubles.


class Estimator:
    """A token is four characters of an item's text as Python writes it."""

    name = "ruler"

    def __init__(self, fixed: FixedTokens = FixedTokens(instructions=3, framing=2)) -> None:  # noqa: B008 - frozen
        self._fixed = fixed

    def count_items(self, items: Sequence[Any], call: CallContext) -> list[int]:
        return [math.ceil(len(repr(dict(item))) / 4) for item in items]

    def count_fixed(self, call: CallContext) -> FixedTokens:
        return self._fixed

    def total(self, items: Sequence[Any]) -> int:
        return self._fixed.total + sum(self.count_items([readable(item) for item in items], None))


@dataclass
class Summarizer:
    """Remembers what it was asked and answers in a few words, the same for the same request."""

    name = "short"
    requests: list[SummaryRequest] = field(default_factory=list)

    def summarize(self, request: SummaryRequest) -> str:
        self.requests.append(request)
        return f"{len(request.items)} items, after {request.previous_summary is not None}"


class AsyncSummarizer(Summarizer):
    async def summarize(self, request: SummaryRequest) -> str:
        return super().summarize(request)


@dataclass
class Storage:
    """Keeps in lists what it is given."""

    name = "shelf"
    transcripts: list[tuple[str, list[Any]]] = field(default_factory=list)
    summaries: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    checkpoints: dict[str, list[Checkpoint]] = field(default_factory=dict)
    loads: int = 0

    def _receipt(self, step: int, messages: int) -> ArchiveReceipt:
        ident = f"transcript-pre-compact-{step:03d}"
        return ArchiveReceipt(
            id=ident, step=step, location=f"shelf/{ident}", size=9, messages=messages, redacted=True
        )

    def save_transcript(self, session_id: str, messages: Sequence[Any]) -> ArchiveReceipt:
        self.transcripts.append((session_id, list(messages)))
        return self._receipt(len(self.transcripts), len(messages))

    def save_summary(
        self, session_id: str, step: int, summary: Mapping[str, Any]
    ) -> ArchiveReceipt:
        json.dumps(summary)
        self.summaries.append((session_id, step, dict(summary)))
        return self._receipt(step, 1)

    def save_event(self, session_id: str, event: Mapping[str, Any]) -> None:
        json.dumps(event)
        self.events.append((session_id, dict(event)))

    def save_checkpoint(self, session_id: str, checkpoint: Checkpoint) -> None:
        self.checkpoints.setdefault(session_id, []).append(checkpoint)

    def load_checkpoints(self, session_id: str) -> list[Checkpoint]:
        self.loads += 1
        return list(self.checkpoints.get(session_id, []))


@dataclass
class Exporter:
    """Keeps the events it is given."""

    events: list[dict[str, Any]] = field(default_factory=list)

    def export(self, event: Mapping[str, Any]) -> None:
        self.events.append(dict(event))

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == f"compact.{name}"]

    @property
    def names(self) -> list[str]:
        return [event["event"].removeprefix("compact.") for event in self.events]


def manager(limit: int, **options: Any) -> CompactManager:
    """Return a manager with a window of `limit` tokens.

    Options are policy fields, parts, those of the telemetry, `mode` and `redaction`.
    """
    policy = {name: options.pop(name) for name in CompactPolicy.__slots__ if name in options}
    telling = {name: options.pop(name) for name in TelemetryConfig.__slots__ if name in options}
    defaults = {"hard_cap_buffer": 0, "summary_max_tokens": 300}
    config = CompactConfig(
        max_context_tokens=limit,
        policy=CompactPolicy(**{**defaults, **policy}),
        storage=StorageConfig(adapter="none"),
        telemetry=TelemetryConfig(**telling),
        mode=options.pop("mode", "compact"),
        redaction=RedactionConfig(**options.pop("redaction", {})),
    )
    parts = {"estimator": Estimator(), "summarizer": Summarizer(), "exporters": ()}
    return CompactManager(config, **{**parts, **options})


def manager_for(history: Sequence[Any], setting: Setting, **options: Any) -> CompactManager:
    """Return a manager whose window holds `setting.share` of a history."""
    limit = max(setting.hard_cap_buffer + 1, int(Estimator().total(history) * setting.share))
    return manager(
        limit,
        keep_recent_turns=setting.keep_recent_turns,
        keep_tool_io_pairs=setting.keep_tool_io_pairs,
        hard_cap_buffer=setting.hard_cap_buffer,
        summary_role=setting.summary_role,
        **options,
    )


# A reader that shares no code with the package.


def readable(item: Any) -> Mapping[str, Any]:
    """Return an item's fields, {} for what has none."""
    if isinstance(item, Message):
        tool = {key: item.meta[key] for key in ("tool_calls", "tool_call_id") if key in item.meta}
        meta = {"meta": item.meta} if item.meta else {}
        return {"role": item.role, "content": item.content, **meta, **tool}
    return item if isinstance(item, Mapping) else {}


def is_summary(item: Any) -> bool:
    content = readable(item).get("content")
    if not isinstance(content, str) or not content.startswith("<COMPACT-SUMMARY v"):
        return False
    return content.endswith("\n</COMPACT-SUMMARY>")


def is_ours(item: Any, given: Sequence[Any]) -> bool:
    """Say whether an item of a result was not in what was given, not even with another text."""
    return not is_cleared(item) and all(item is not other for other in given)


def is_cleared(item: Any) -> bool:
    """Say whether an item of a result is an output of which only a line is left."""
    read = readable(item)
    text = read.get("output", read.get("content"))
    return isinstance(text, str) and text.startswith("[The output of ")


def opens(item: Any) -> Iterator[tuple[str, Any]]:
    fields = readable(item)
    kind = fields.get("type")
    if kind in CALL_TYPES:
        yield kind, fields["call_id"]
    elif kind == "mcp_approval_request":
        yield kind, fields["id"]
    elif fields.get("role") == "assistant" and isinstance(fields.get("tool_calls"), list):
        yield from (("chat", made["id"]) for made in fields["tool_calls"])


def closes(item: Any) -> tuple[str, Any] | None:
    fields = readable(item)
    kind = fields.get("type")
    if kind == "mcp_approval_response":
        return "mcp_approval_request", fields["approval_request_id"]
    if isinstance(kind, str) and kind in {f"{made}_output" for made in CALL_TYPES}:
        return kind.removesuffix("_output"), fields.get("call_id")
    return ("chat", fields["tool_call_id"]) if fields.get("role") == "tool" else None


def is_generated(item: Any) -> bool:
    """Say whether a model made the item: what may follow its reasoning."""
    kind, role = readable(item).get("type"), readable(item).get("role")
    if isinstance(kind, str) and kind in (*CALL_TYPES, *HOSTED_TYPES, "mcp_approval_request"):
        return True
    return role == "assistant" and not is_summary(item)


def complaints(items: Sequence[Any]) -> set[tuple[str, int, Any]]:
    """Return (rule, id() of the item, pairing id) of whatever the API would refuse."""
    found: set[tuple[str, int, Any]] = set()
    opened: set[Any] = set()
    for item in items:
        if (key := closes(item)) is not None and key not in opened:
            found.add(("output without call", id(item), key))
        opened.update(opens(item))
    closed: set[Any] = set()
    for item in reversed(items):
        found |= {
            ("call without output", id(item), key) for key in opens(item) if key not in closed
        }
        closed.add(closes(item))
    for item, follower in zip(items, [*items, None][1:], strict=True):
        if readable(item).get("type") == "reasoning":
            followed = readable(follower).get("type") == "reasoning" or is_generated(follower)
            if follower is None or not followed:
                found.add(("reasoning without follower", id(item), None))
    return found


def reasoned(items: Sequence[Any]) -> set[tuple[int, int]]:
    """Return id() of every reasoning item with that of the generated item right behind it."""
    return {
        (id(left), id(right))
        for left, right in pairwise(items)
        if readable(left).get("type") == "reasoning"
        and (is_generated(right) or readable(right).get("type") == "reasoning")
    }
