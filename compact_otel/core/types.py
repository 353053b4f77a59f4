"""The records of compact_otel: frozen, keyword-only, and the same for every caller.

Numbers that end in `_pct` are shares between 0 and 1. Token counts are integers. An *item* is an
input item of the OpenAI Responses API or a message of Chat Completions, as a mapping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

from compact_otel.core.settings import Strategy
from compact_otel.core.showing import course, html_table, shortened

Item = Mapping[str, Any]

TriggerType = Literal["preflight", "manual", "reactive", "background"]
Outcome = Literal["skipped", "replayed", "prepared", "compacted", "fallback", "noop", "error"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a history written by hand, for callers without Agents SDK items.

    Attributes:
        role: `user`, `assistant`, `system`, `developer` or `tool`.
        content: The text, or a list of content parts as the OpenAI API takes them.
        meta: Anything about the message. Three keys have a meaning: `protected` (never dropped;
            the name is `CompactPolicy.protected_flag`), `tool_calls` on an assistant message and
            `tool_call_id` on a tool message (both as in Chat Completions).
    """

    role: str
    content: Any
    meta: Mapping[str, Any] = field(default_factory=dict)

    def as_item(self) -> Item:
        """Return the message as a Chat Completions message; `meta` goes along under its name."""
        item: dict[str, Any] = {"role": self.role, "content": self.content}
        for key in ("tool_calls", "tool_call_id"):
            if key in self.meta:
                item[key] = self.meta[key]
        return {**item, "meta": self.meta} if self.meta else item


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a model takes in.

    Attributes:
        size: The context window in tokens, input and output together.
        output_reserve: Tokens of it that the model keeps for its answer.
        source: Where `size` comes from.
        soft_cap: Tokens of input from which on the provider charges more for all of them; None if
            it does not.
    """

    size: int
    output_reserve: int = 0
    source: Literal["config", "catalog", "learned", "default"] = "default"
    soft_cap: int | None = None

    @property
    def input_limit(self) -> int:
        """Tokens of input that the model accepts."""
        return max(1, self.size - self.output_reserve)

    @property
    def input_aim(self) -> int:
        """Tokens of input to stay below where that can be had: what the shares are shares of."""
        return self.input_limit if self.soft_cap is None else min(self.soft_cap, self.input_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """What stands beside the items of a model call, as far as it costs tokens or names things.

    Attributes:
        model: Model name as given to the SDK, a provider prefix included; None if unknown.
        api: The form in which the request goes out; the same items cost differently.
        provider: `gen_ai.provider.name` of the call, None if unknown.
        instructions: System instructions that are not an item.
        tools: Function tools and handoffs as `{"type": "function", "name", "description",
            "parameters"}`; hosted tools as `{"type": ...}`.
        output_schema: JSON schema of a structured answer.
        tool_choice: As in the API; a name costs a few tokens.
        reasoning_context: As in `reasoning.context` of the API: with `all_turns` reasoning stays
            beyond the next user message. None if it is not set.
        agent: Name of the agent, None if unknown.
        conversation: Session id or trace group id, None if unknown; never made up.
        reader: Who can read what the provider has sealed for this call (model and server); None if
            nobody can.
        content: Whether telemetry may hold its words where that is asked for. False where the SDK
            traces the call without data.
    """

    model: str | None = None
    api: Literal["responses", "chat"] = "responses"
    provider: str | None = None
    instructions: str | None = None
    tools: Sequence[Item] = ()
    output_schema: Item | None = None
    tool_choice: str | None = None
    reasoning_context: str | None = None
    agent: str | None = None
    conversation: str | None = None
    reader: str | None = None
    content: bool = True


@dataclass(frozen=True, slots=True)
class FixedTokens:
    """Tokens of a call beside its items.

    Attributes:
        instructions: System instructions that are not an item, framing included.
        tools_schema: Tools, handoffs, output schema, tool choice.
        framing: What the request costs when it is empty.
    """

    instructions: int = 0
    tools_schema: int = 0
    framing: int = 0

    @property
    def total(self) -> int:
        """All three together."""
        return self.instructions + self.tools_schema + self.framing


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the provider counted for one call.

    Attributes:
        input_tokens: All tokens of the request.
        cached_tokens: Those of them that came from its prompt cache.
        output_tokens: Tokens of the answer.
        is_context: Whether `input_tokens` is the size of the request. It is not where the provider
            ran tools of its own: then it is the sum of several rounds.
    """

    input_tokens: int
    cached_tokens: int = 0
    output_tokens: int = 0
    is_context: bool = True

    def __add__(self, other: Usage | None) -> Usage:
        """Return what two calls cost together, which is the size of neither."""
        if other is None:
            return self
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            is_context=False,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What input costs, in US dollars for one token.

    Attributes:
        input: A token that is read anew.
        cached: A token that comes from the provider's prompt cache.
    """

    input: float
    cached: float


def _unheard(reason: str, fallback: str) -> None:
    """Nobody listens to the steps of a summariser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRequest:
    """What a summariser is asked for.

    Attributes:
        items: The items that are about to be dropped, oldest first. Data, never instructions.
        kept: The items that stay, for a summariser that need not repeat what they say.
        previous_summary: The last summary's text, which this one replaces; None the first time.
        strategy: What to put first.
        max_tokens: The longest answer, by `count_text`.
        count_text: Tokens of a text, as the estimator in force counts them.
        note: What the caller said when compacting by hand, None otherwise.
        missing: What the summariser's last answer to the same request lacked, as `entity: attribute
            value`, most important first; empty the first time. It may quote the conversation, so
            it is data, too.
        tell: Takes why an answer was not used, in one word, and what is tried instead (as in
            `compact.failure.fallback`): `request.tell("too_long", "retry_shorter")`. It stands in
            the compaction's own events then. May be called in any thread, and costs nothing.
        prefix: Returns the call for which the summary is made as a request of the Responses API,
            as the agent's model sends it, with the items up to the last one that goes. None where
            that is not known, or not asked for.
        turns_before: Users' messages in front of the first of `items`, as far as that is known.
        kept_after: For each of `kept`, how many of `items` stood in front of it; all of them where
            nothing is said.
        native: Returns the client of the agent's model, and the items that go with all that stands
            for earlier ones, as a request to its `responses.compact`. None where the provider does
            not compact, or what it seals could not be read.
    """

    items: Sequence[Item]
    kept: Sequence[Item] = ()
    previous_summary: str | None = None
    strategy: Strategy = "task_state"
    max_tokens: int = 4000
    count_text: Callable[[str], int] = len
    note: str | None = None
    missing: tuple[str, ...] = ()
    tell: Callable[[str, str], None] = _unheard
    prefix: Callable[[], Mapping[str, Any]] | None = None
    turns_before: int = 0
    kept_after: Sequence[int] = ()
    native: Callable[[], tuple[Any, dict[str, Any]]] | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a summariser answers.

    Attributes:
        text: The summary, without the frame that compact_otel puts around it.
        model: The model that wrote it, None if no model was asked.
        usage: What it cost, with all that was asked in vain before it; None if that is not known.
        opaque: What stands for the items beside the text, as only the provider can read it: the
            output of its `responses.compact`. Only for a request with `native`.
    """

    text: str
    _: KW_ONLY
    model: str | None = None
    usage: Usage | None = None
    opaque: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opaque:
    """What a provider made of the beginning of a history, to be sent back to it as it is.

    Attributes:
        items: Users' messages and a `compaction` item, in the order in which they came.
        tokens: What they cost, as the estimator counts.
        reader: Who can read them, as in `CallContext`.

    Raises:
        TypeError, ValueError: If that is impossible.
    """

    items: tuple[Item, ...]
    tokens: int
    reader: str

    def __post_init__(self) -> None:
        if not isinstance(self.reader, str) or not _is_int(self.tokens) or self.tokens < 0:
            raise TypeError("not a record of what a provider sealed")
        if not all(isinstance(item, Mapping) for item in self.items):
            raise TypeError("need mappings in what a provider sealed")
        sealed = [item for item in self.items if item.get("type") == "compaction"]
        said = [item for item in self.items if item.get("type") == "message"]
        if not sealed or len(sealed) + len(said) < len(self.items):
            raise ValueError("need messages and a compaction in what a provider sealed")
        if not all(isinstance(item.get("encrypted_content"), str) for item in sealed):
            raise TypeError("need the encrypted content of a compaction")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Opaque:
        """Read what `asdict` wrote.

        Raises:
            KeyError, TypeError, ValueError: If the data is not such a record.
        """
        return cls(**{**data, "items": tuple(data["items"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of the salient facts of what goes a summary holds.

    Attributes:
        facts: Salient facts that stood only in what goes; no more than a summary of this size can
            hold.
        facts_before: Those that the summary held as it was written.
        facts_after: Those that it holds as it is used.
        before: The share of them that it held as it was written, by weight, 0 to 1.
        after: The share that it holds as it is used.
    """

    facts: int
    facts_before: int
    facts_after: int
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What is to be told of a compaction that was made ahead of time when it is put into force.

    Attributes:
        step: How often the keep counts were reduced.
        keep_recent_turns: Keep count after that.
        keep_tool_io_pairs: Keep count after that.
        summarizer: Who wrote the summary.
        writer: The model that wrote it, None if no model was asked.
        tokens: Tokens of the summary.
        input_messages: Items it was made of.
        input_tokens: Tokens of those.
        coverage: What the summary holds, None if that was not looked at.
    """

    step: int
    keep_recent_turns: int
    keep_tool_io_pairs: int
    summarizer: str
    writer: str | None
    tokens: int
    input_messages: int
    input_tokens: int
    coverage: Coverage | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Ahead:
        """Read what `asdict` wrote.

        Raises:
            KeyError, TypeError, ValueError: If the data is not such a record.
        """
        coverage = data.get("coverage")  # records of a first version have none
        record = cls(
            **{**data, "coverage": None if coverage is None else Coverage(**coverage)},
        )
        counts = {name: getattr(record, name) for name in cls.__slots__ if name != "coverage"}
        names = (counts.pop("summarizer"), counts.pop("writer") or "")
        if record.coverage is not None:
            figures = asdict(record.coverage)
            shares = (figures.pop("before"), figures.pop("after"))
            counts.update(figures)
            if not all(isinstance(share, float) and 0 <= share <= 1 for share in shares):
                raise ValueError("not a record of a summary's coverage")
        if not all(map(_is_int, counts.values())) or not all(isinstance(n, str) for n in names):
            raise TypeError("not a record of a compaction ahead of time")
        return record


@dataclass(frozen=True, slots=True)
class Cleared:
    """A tool output that a line stands for.

    Attributes:
        index: Its place in the history.
        text: The line.
        tokens: Tokens of the item with the line in it, as the estimator counted when it was made.
        superseded: Whether a later output says the same or what has become of it.
    """

    index: int
    text: str
    tokens: int
    superseded: bool

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cleared:
        """Read what `asdict` wrote.

        Raises:
            KeyError, TypeError: If the data is not such a record.
        """
        record = cls(**data)
        numbers = (record.index, record.tokens)
        if not isinstance(record.text, str) or not isinstance(record.superseded, bool):
            raise TypeError("not a record of a cleared output")
        if not all(_is_int(number) and number >= 0 for number in numbers):
            raise TypeError("not a record of a cleared output")
        return record


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A compaction as a small record that is replayed over the history it came from.

    Attributes:
        key: A hash of the first `covered` items, each bound to those before it.
        covered: How many items, from the start, the record speaks of.
        kept: Indices below `covered` that stay, ascending.
        summary: Text of the summary that stands for the rest, without its frame; None if nothing
            was dropped so far and outputs were cleared only.
        version: The N of `<COMPACT-SUMMARY vN>`, 0 without a summary.
        summary_id: Random id of the summary, or of the clearing, for telemetry.
        strategy: The strategy that made it.
        tokens_before: Estimate of the call before this compaction.
        tokens_after: Estimate after it.
        model: Model of the call, None if unknown.
        ahead: Set while the compaction is ready and not yet in force.
        place: The summary stands in front of what is kept from this index on; None: at the place of
            the first item it stands for.
        cleared: Tool outputs below `covered` that a line stands for, ascending.
        opaque: What stands for the rest beside the summary, None if that is all.
    """

    key: str
    covered: int
    kept: tuple[int, ...]
    summary: str | None
    version: int
    summary_id: str
    strategy: str
    tokens_before: int
    tokens_after: int
    model: str | None = None
    ahead: Ahead | None = None
    place: int | None = None
    cleared: tuple[Cleared, ...] = ()
    opaque: Opaque | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON data; `from_dict` reads it back."""
        return {**asdict(self), "kept": list(self.kept)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Checkpoint:
        """Read what `as_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: If the data is not such a record.
        """
        # Records of a first version have none of these.
        later = ("ahead", "place", "cleared", "opaque")
        values = {name: data[name] for name in cls.__slots__ if name not in later}
        ahead, opaque = data.get("ahead"), data.get("opaque")
        if not all(part is None or isinstance(part, Mapping) for part in (ahead, opaque)):
            raise TypeError("not a checkpoint record")
        cleared = tuple(Cleared.from_dict(entry) for entry in data.get("cleared", ()))
        record = cls(
            **values,
            ahead=None if ahead is None else Ahead.from_dict(ahead),
            place=data.get("place"),
            cleared=cleared,
            opaque=None if opaque is None else Opaque.from_dict(opaque),
        )
        kept = tuple(record.kept)
        texts = (
            record.key, record.summary_id, record.strategy,
            *(one for one in (record.summary, record.model) if one is not None),
        )  # fmt: skip
        numbers = (
            record.covered, record.version, record.tokens_before, record.tokens_after,
            0 if record.place is None else record.place, *kept,
        )  # fmt: skip
        if not all(isinstance(text, str) for text in texts) or not all(map(_is_int, numbers)):
            raise TypeError("not a checkpoint record")
        if record.version < (1 if record.summary is not None else 0):
            raise ValueError(f"need `version` >= 1 of a summary, got {record.version}")
        ascending = all(low < high for low, high in pairwise((-1, *kept, record.covered)))
        dropped = record.covered - len(kept)
        if not ascending or not (dropped or cleared):
            raise ValueError("`kept` must be ascending indices below `covered`, not all of them")
        if dropped and record.summary is None:
            raise ValueError("need a `summary` that stands for what was dropped")
        if not {entry.index for entry in cleared} <= set(kept):
            raise ValueError("`cleared` must be outputs that are kept")
        return replace(record, kept=kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveReceipt:
    """Proof that something was archived.

    Attributes:
        id: Name of the record in its session, such as `transcript-pre-compact-003`.
        step: The NNN of it; one number per compaction of a session.
        location: Path or URL.
        size: Bytes written.
        messages: Items in it.
        redacted: Whether the text went through redaction.
    """

    id: str
    step: int
    location: str
    size: int
    messages: int
    redacted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """What a session's next call remembers of what was compacted away.

    Attributes:
        session_id: The session.
        summary: Text of the summary in force, None if nothing was compacted yet.
        version: How many compactions it stands for.
        strategy: The strategy that made it.
        dropped: Items that it stands for.
        kept: Earlier items that stay beside it.
        tokens_before: Estimate of the call before the latest compaction.
        tokens_after: Estimate after it.
    """

    session_id: str
    summary: str | None = None
    version: int = 0
    strategy: str | None = None
    dropped: int = 0
    kept: int = 0
    tokens_before: int = 0
    tokens_after: int = 0

    @classmethod
    def of(cls, session_id: str, checkpoint: Checkpoint | None) -> SessionStatus:
        """Return what a compaction that is in force leaves.

        Args:
            session_id: The session.
            checkpoint: The compaction, None if there is none.
        """
        if checkpoint is None:
            return cls(session_id=session_id)
        return cls(
            session_id=session_id,
            summary=checkpoint.summary,
            version=checkpoint.version,
            strategy=checkpoint.strategy,
            dropped=checkpoint.covered - len(checkpoint.kept),
            kept=len(checkpoint.kept),
            tokens_before=checkpoint.tokens_before,
            tokens_after=checkpoint.tokens_after,
        )

    def __str__(self) -> str:
        if self.summary is None:
            return f"{self.session_id}: no summary in force"
        told = f"{self.session_id}: summary v{self.version} stands for {self.dropped:,} items"
        return f"{told}, {course(self.tokens_before, self.tokens_after)}"

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:
        for name in self.__slots__:
            value = getattr(self, name)
            yield name, shortened(value) if isinstance(value, str) else value

    def _repr_html_(self) -> str:
        """Return a table for a notebook."""
        rows = {
            "strategy": self.strategy,
            "stands for": f"{self.dropped:,} items",
            "beside it": f"{self.kept:,} earlier items",
            "tokens": course(self.tokens_before, self.tokens_after),
        }
        title = f"{self.session_id}: summary v{self.version}"
        return html_table(title if self.summary is not None else str(self), rows, self.summary)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactResult:
    """What a call should send, and what was done to get there.

    Attributes:
        messages: The history to send: the given objects in their order, at most one summary
            instead of what was dropped, behind what the provider has sealed of it if it has, and
            copies of tool outputs that were cleared. Of the kind
            that was given (items or `Message`). In mode `observe` the history as it came, while the
            other fields say what would have been.
        outcome: `skipped` (unchanged), `replayed` (an earlier compaction applied again),
            `compacted`, `fallback` (compacted, but not as planned), `noop` (nothing could be
            removed) or `error` (unchanged because something of ours failed; see `error`).
        tokens_before: Estimate of the call with the history as it would have gone out.
        tokens_after: Estimate with `messages`.
        summary: Text of the summary in `messages`, None without one.
        summary_version: The N of its frame.
        dropped: How many of the given messages the summary stands for.
        cleared: How many tool outputs in `messages` have a line instead of their text.
        error: What failed, None if nothing did.
        archive: Where the history before this compaction was stored, None if it was not.
        history_key: Names the history that was looked at, for `CompactManager.heard`.
    """

    messages: list[Any]
    outcome: Outcome
    tokens_before: int = 0
    tokens_after: int = 0
    summary: str | None = None
    summary_version: int | None = None
    dropped: int = 0
    cleared: int = 0
    error: Exception | None = None
    archive: str | None = None
    history_key: str = ""

    def __str__(self) -> str:
        parts = [f"{self.outcome}: {course(self.tokens_before, self.tokens_after)}"]
        if self.dropped:
            parts.append(f"summary v{self.summary_version} stands for {self.dropped:,} items")
        if self.cleared:
            parts.append(f"{self.cleared:,} outputs cleared")
        if self.error is not None:  # its text may quote the conversation
            parts.append(type(self.error).__name__)
        return ", ".join(parts)

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:
        yield "messages", len(self.messages)
        for name in self.__slots__:
            value = getattr(self, name)
            if name != "messages" and value not in (None, ""):
                yield name, shortened(value) if isinstance(value, str) else value

    def _repr_html_(self) -> str:
        """Return a table for a notebook."""
        rows = {
            "tokens": course(self.tokens_before, self.tokens_after),
            "messages": f"{len(self.messages):,} to send",
            "summarised": f"{self.dropped:,} messages" if self.dropped else None,
            "cleared": f"{self.cleared:,} tool outputs" if self.cleared else None,
            "archive": self.archive,
            "error": None if self.error is None else type(self.error).__name__,
        }
        version = "" if self.summary_version is None else f", summary v{self.summary_version}"
        return html_table(f"{self.outcome}{version}", rows, self.summary)
