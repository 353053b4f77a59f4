"""What is remembered of a history, so that a call pays only for what is new in it.

A history comes back whole on every call, nearly always as it was with a few items behind it. What
was worked out for its beginning (hashes, tokens, the compaction that covers it) is taken over as
far as the items are equal: to copies of our own, as a caller may have changed an item in place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, islice, takewhile
from typing import Any

from compact_otel.core.calibration import Heard, Truth
from compact_otel.core.items import as_mapping, is_generated, newest_user, role_of
from compact_otel.core.ledger import Ledger, prefix_keys
from compact_otel.core.measure import Scale, name_of
from compact_otel.core.sizes import SharedParts, size_of
from compact_otel.core.types import CallContext, Checkpoint, FixedTokens, Item, Usage

_PASSING = 3
"""So many items at the end of a history may be there for one call only: a reminder, the time."""

_MOST_ITEMS = 100_000
"""Items that are held, of all histories together."""

_MOST_BYTES = 128 * 2**20
"""Bytes that histories take together: 100,000 usual items have less, pictures reach it sooner."""

_SHORT = 2
"""A compaction that is followed by another within so many model calls did not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A history as it was at its last call; never changed, so threads may share it.

    Attributes:
        items: Copies of its items; their texts are the caller's own strings.
        keys: Its prefix chain.
        instructions: Indices of its system and developer messages.
        sizes: Bytes of its first item, of the first two, and so on.
        tokens: Tokens of each item, None if they were not counted.
        call: The call they were counted for.
        estimator: Who counted.
        fixed: Tokens beside them.
        checkpoint: The compaction that was replayed over it.
        generation: State of the ledger in which that one was found.
        unfit: Whether another one was found that did not fit it then.
        calls: Model calls since the last compaction.
        short_lived: Compactions in a row that each lasted for a few calls only.
        usage: What the provider counted for the call, None if it is not known (yet).
        usage_before: The same for the last call before the last compaction.
        counted: Tokens of the call as it went out, as the estimator counts; 0 if they were not.
        expected: The same as the provider was taken to count them.
        anchor: What the provider counted for an earlier call of which this one is a continuation.
        base: The same for the call from which on growth is observed.
        hidden: Tokens of reasoning that stands in the history by its id only, as the provider has
            its text, by the index of its item. They are in `tokens`.
    """

    items: list[Any]
    keys: list[str]
    instructions: list[int]
    sizes: list[int] = field(default_factory=list)
    tokens: list[int] | None = None
    call: CallContext | None = None
    estimator: str = ""
    fixed: FixedTokens | None = None
    checkpoint: Checkpoint | None = None
    generation: int = -1
    unfit: bool = False
    calls: int = 0
    short_lived: int = 0
    usage: Usage | None = None
    usage_before: Usage | None = None
    counted: int = 0
    expected: int = 0
    anchor: Truth | None = None
    base: Truth | None = None
    hidden: Mapping[int, int] = field(default_factory=dict)

    @property
    def truth(self) -> Truth | None:
        """What the provider counted last, for this call or one that it continues."""
        if self.usage is None or not self.usage.is_context or not self.counted:
            return self.anchor
        return Truth(self.usage.input_tokens, self.counted)

    @property
    def key(self) -> str:
        """The key of the whole history, '' if it is empty."""
        return self.keys[-1] if self.keys else ""

    @property
    def size(self) -> int:
        """Bytes of its items."""
        return self.sizes[-1] if self.sizes else 0


class Histories:
    """The latest history of each session, the least recently used dropped first.

    Not synchronised. Bounded, since it holds texts alive that the application may have let go.
    Bytes are those of items, instructions, tools and schemas; a compaction that is in force is
    smaller than the items it stands for. The history put last is held whatever its bytes.

    Args:
        limit: How many items are held in all.
        max_bytes: How many bytes are held in all.
    """

    def __init__(self, limit: int = _MOST_ITEMS, max_bytes: int = _MOST_BYTES) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        self._items = self._bytes = 0
        self._parts = SharedParts()
        self._histories: OrderedDict[str, tuple[History, tuple[Hashable, ...]]] = OrderedDict()

    def get(self, session_id: str) -> History | None:
        """Return the history of a session as it was at its last call."""
        held = self._histories.get(session_id)
        return None if held is None else held[0]

    def put(self, session_id: str, history: History) -> None:
        """Hold the history of a session instead of the one before."""
        old = self._histories.get(session_id)
        keys: tuple[Hashable, ...] = ()
        if old is not None and history.call is old[0].call:
            keys = self._parts.again(old[1])
        elif history.call is not None:
            parts, keys = self._parts.take(history.call)
            history = replace(history, call=replace(history.call, **parts))
        if old is not None:  # not before, or what both have would be forgotten in between
            self._drop(session_id)
        self._histories[session_id] = history, keys
        self._items += len(history.items)
        self._bytes += history.size
        while self._is_over():
            self._drop(next(iter(self._histories)))

    def _is_over(self) -> bool:
        is_large = self._bytes + self._parts.size > self._max_bytes
        return self._items > self._limit or (is_large and len(self._histories) > 1)

    def _drop(self, session_id: str) -> None:
        history, keys = self._histories.pop(session_id)
        self._items -= len(history.items)
        self._bytes -= history.size
        self._parts.drop(keys)


class Recollection:
    """One call's look at a history, with what is known of it from the call before.

    Args:
        items: The history as it came, items of any kind.
        known: The history as it was, None if it is new.

    Attributes:
        items: The history as mappings to read; a list of our own.
    """

    def __init__(self, items: Sequence[Any], known: History | None) -> None:
        self._known = known
        self.items, self._same = _read(items, known)
        # Whether this is the known history, with or without something behind it.
        self._grown = known is not None and self._same == len(known.items)
        keys = [] if known is None else known.keys
        self.keys = prefix_keys(self.items, keys if self._grown else keys[: self._same])
        self._new = self.items[self._same :]
        instructions = [] if known is None else [n for n in known.instructions if n < self._same]
        for n, item in enumerate(self._new, self._same):
            if role_of(item) in ("system", "developer"):
                instructions.append(n)
        self.instructions = instructions
        self._tokens: list[int] | None = None
        self._call: CallContext | None = None
        self._estimator = ""
        self._hidden: Mapping[int, int] = {}
        self._fixed: FixedTokens | None = None
        self._checkpoint: Checkpoint | None = None
        self._generation = -1
        self._unfit = False

    @property
    def _continued(self) -> bool:
        """Whether this is the known conversation gone on, although perhaps edited on the way."""
        if self._known is None or self._grown:
            return self._grown
        return any(item in self.items for item in self._known.items[-_PASSING - 1 :])

    @property
    def short_lived(self) -> int:
        """How many compactions in a row did not last, if the one in force ends now."""
        if self._known is None or not self._continued or self._known.checkpoint is None:
            return 0
        return self._known.short_lived + 1 if self._known.calls <= _SHORT else 0

    @property
    def usage(self) -> Usage | None:
        """What the provider counted for the call before, None if it is not known."""
        return self._known.usage if self._known is not None and self._grown else None

    @property
    def compacted_usage(self) -> tuple[Usage, Usage] | None:
        """What it counted before the last compaction and with it, if that was the call before."""
        known = self._known
        if known is None or known.calls or not known.usage or not known.usage_before:
            return None
        return (known.usage_before, known.usage) if self._grown else None

    @property
    def key(self) -> str:
        """The key of the whole history, '' if it is empty."""
        return self.keys[-1] if self.keys else ""

    @property
    def heard(self) -> Heard | None:
        """How the estimate of the call before came out, None if that is not known."""
        usage, known = self.usage, self._known
        if usage is None or known is None or not usage.is_context or not known.expected:
            return None
        return Heard(usage.input_tokens, known.expected)

    @property
    def truth(self) -> Truth | None:
        """What the provider counted for the beginning of this call, None if that says nothing.

        To be asked when the compaction in force is known and the call is counted.
        """
        known, call = self._known, self._call
        if known is None or known.call is None or call is None or not self._grown:
            return None
        if not _same(known.checkpoint, self._checkpoint) or not self._counted_alike(known):
            return None
        return known.truth

    def _counted_alike(self, known: History) -> bool:
        """Say whether what is known was counted for the same model, by the same estimator."""
        if known.call is None or self._call is None or known.estimator != self._estimator:
            return False
        return _way_of_counting(known.call) == _way_of_counting(self._call)

    def count(self, scale: Scale) -> tuple[list[int], FixedTokens]:
        """Return the tokens of each item, and those beside them.

        Raises:
            Exception: Whatever the estimator raises.
        """
        known = self._known
        self._call, self._estimator = scale.call, name_of(scale.estimator)
        start = self._unsettled(scale)
        tokens = known.tokens[:start] if known is not None and known.tokens is not None else []
        tokens += scale.items(self.items[len(tokens) :])
        self._hidden = self._hidden_now(tokens)
        for index, more in self._hidden.items():
            if index >= start:
                tokens[index] += more
        self._tokens = tokens
        if known is None or known.call != scale.call or known.estimator != self._estimator:
            self._fixed = scale.fixed()
        else:
            self._call = known.call  # equal, and held already
            self._fixed = known.fixed or scale.fixed()
        return tokens, self._fixed

    def _hidden_now(self, tokens: Sequence[int]) -> Mapping[int, int]:
        """Return the tokens of reasoning that the history holds by its id only, by index.

        What the model wrote for the call before is known, and what can be seen of it is counted:
        the rest is reasoning. The provider drops it with the next user message.
        """
        known, call = self._known, self._call
        if known is None or call is None or not self._grown:
            return {}
        if call.reasoning_context != "all_turns" and newest_user(self._new) >= 0:
            return {}
        reply = list(takewhile(is_generated, self._new))
        reasoned = [n for n, item in enumerate(reply) if item.get("type") == "reasoning"]
        usage = known.usage
        if not reasoned or usage is None or not usage.is_context:
            return known.hidden
        seen = sum(tokens[self._same : self._same + len(reply)])
        return {**known.hidden, self._same + reasoned[-1]: max(0, usage.output_tokens - seen)}

    def _unsettled(self, scale: Scale) -> int:
        """Return the index of the first item whose tokens have to be counted (again).

        An estimator that says `incremental` promises that what follows an item changes its tokens
        only if that is a user message or a compaction, and the first of these settles them.
        """
        known = self._known
        if known is None or known.tokens is None or not self._grown:
            return 0
        if not self._counted_alike(known) or not getattr(scale.estimator, "incremental", False):
            return 0
        if self._has_new("compaction"):
            return 0
        if any(role_of(item) == "user" for item in self._new):
            return max(0, newest_user(self.items, self._same))
        return self._same

    def _has_new(self, kind: str) -> bool:
        return any(item.get("type") == kind for item in self._new)

    def checkpoint(
        self,
        ledger: Ledger,
        fits: Callable[[Checkpoint], bool],
        reads: Callable[[Checkpoint], bool] = lambda _: True,
    ) -> Checkpoint | None:
        """Return the compaction that covers the longest beginning of the history, if there is one.

        Args:
            ledger: All compactions.
            fits: Says whether one may be replayed over the history as it is now, by this call.
            reads: Says whether the model of this call can read one that fitted the call before.
        """
        known, generation = self._known, ledger.generation  # before looking: others add to it
        if (
            known is not None
            and known.generation == generation
            and self._grown
            and not self._has_new("compaction")
            and (known.checkpoint is None or reads(known.checkpoint))
        ):
            # What is new lies behind all that the record speaks of, so it fits as it did. One that
            # covers more may be there, of a process that is further on, and be reached or fit only
            # now.
            covered = 0 if known.checkpoint is None else known.checkpoint.covered
            beyond = covered if known.unfit else len(known.items)
            longer = ledger.find(self.keys, self._judged(fits), beyond=beyond)
            self._checkpoint = known.checkpoint if longer is None else longer
        else:
            self._checkpoint = ledger.find(self.keys, self._judged(fits))
        self._generation = generation
        return self._checkpoint

    def _judged(self, fits: Callable[[Checkpoint], bool]) -> Callable[[Checkpoint], bool]:
        """Return `fits`, and remember whether it refused one that may fit later."""

        def judged(checkpoint: Checkpoint) -> bool:
            fitting = fits(checkpoint)
            self._unfit = self._unfit or not fitting
            return fitting

        self._unfit = False
        return judged

    def remembered(self, *, counted: int, expected: int) -> History:
        """Return what the next call may start from.

        Args:
            counted: Tokens of the call as it goes out, as the estimator counts.
            expected: The same as the provider is taken to count them.
        """
        known = self._known if self._continued else None
        items = [] if self._known is None else self._known.items[: self._same]
        sizes = [] if self._known is None else self._known.sizes[: self._same]
        new = copied(self._new)
        sizes += islice(accumulate(map(size_of, new), initial=sizes[-1] if sizes else 0), 1, None)
        return History(
            items=items + new,
            keys=self.keys,
            instructions=self.instructions,
            sizes=sizes,
            tokens=self._tokens,
            call=self._call,
            estimator=self._estimator,
            fixed=self._fixed,
            checkpoint=self._checkpoint,
            generation=self._generation,
            unfit=self._unfit,
            calls=0 if known is None else known.calls + 1,
            short_lived=0 if known is None else known.short_lived,
            counted=counted,
            expected=expected,
            anchor=(truth := self.truth),
            base=None if truth is None or self._known is None else self._known.base,
            hidden=self._hidden,
        )

    def compacted(self, checkpoint: Checkpoint, *, counted: int) -> History:
        """Return what the next call may start from, with a new compaction in force.

        Args:
            checkpoint: The compaction.
            counted: As in `remembered`.
        """
        return replace(
            self.remembered(counted=counted, expected=checkpoint.tokens_after),
            checkpoint=checkpoint,
            anchor=None,
            base=None,
            calls=0,
            short_lived=self.short_lived,
            usage_before=self.usage,
        )


def _way_of_counting(call: CallContext) -> tuple[str | None, ...]:
    return call.model, call.api, call.reasoning_context


def _same(one: Checkpoint | None, other: Checkpoint | None) -> bool:
    """Say whether two compactions are the same, perhaps read from a storage in between."""
    if one is None or other is None:
        return one is other
    return (one.key, one.summary_id) == (other.key, other.summary_id)


def _read(messages: Sequence[Any], known: History | None) -> tuple[list[Item], int]:
    """Return a history as mappings, and how many of its items are known."""
    if known is not None and type(messages) is list:
        length = len(known.items)
        items: list[Any] = messages[:length]
        # Nearly always all that is known comes again, and what equals a dict reads like one. Equal
        # strings are nearly always the same object, so this is fast.
        if known.items == items:
            items += map(as_mapping, messages[length:])
            return items, length
    items = [message if type(message) is dict else as_mapping(message) for message in messages]
    return items, 0 if known is None else _common_length(known.items, items)


def _common_length(known: list[Any], items: Sequence[Item]) -> int:
    """Return how many items two histories have in common at their beginning."""
    if known == items[: len(known)]:
        return len(known)
    pairs = zip(known, items, strict=False)
    return next(
        (n for n, (old, new) in enumerate(pairs) if old != new), min(len(known), len(items))
    )


def copied(items: Sequence[Item]) -> list[Any]:
    """Return copies of items, which may be changed; their texts are the same strings."""
    return [_copy(item) for item in items]


def _copy(value: Any) -> Any:
    """Return a copy of what can be changed in place; texts and numbers can not."""
    if type(value) is str:  # as nearly all are, and to ask for a Mapping takes ten times as long
        return value
    if isinstance(value, Mapping):
        return {key: _copy(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copy(inner) for inner in value]
    return value
