"""What the "model" does: a callable from the request it sees to the step it plays.

A behaviour runs in a worker thread, once per request that passed the API's rules, and may block;
several may run at once. The server knows nothing of what it means: it plays the returned step.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Literal, NamedTuple, TypeAlias

from compact_otel.core.items import text_parts
from compact_otel.core.types import Item
from compact_otel.testing.errors import ApiError

ApiName = Literal["responses", "chat"]
Incomplete = Literal["max_output_tokens", "content_filter"]

# Members of an item that the model does not read: names, encrypted or encoded bytes.
_UNREADABLE = frozenset(
    {
        "id",
        "call_id",
        "tool_call_id",
        "type",
        "role",
        "status",
        "encrypted_content",
        "image_url",
        "file_data",
    }
)
_OPAQUE_ITEMS = frozenset({"reasoning", "compaction", "image_generation_call"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One request as the model sees it.

    Attributes:
        api: Which API it came through.
        model: The model asked for; None where a stored prompt would choose it.
        instructions: `instructions` of a Responses request; in Chat they are a message.
        items: Input items or messages as they came, behind those of a server-managed chain.
        tools: Names of the tools offered; a hosted tool goes by its type.
        text: All text in `instructions` and `items` that a model can read, one part a line:
            messages, call arguments and tool outputs; no ids, no encrypted content, no images.
        number: 1 for the first request the server got; refused requests count.
    """

    api: ApiName
    model: str | None
    instructions: str | None
    items: Sequence[Item]
    tools: tuple[str, ...]
    text: str
    number: int

    @property
    def newest_user_text(self) -> str:
        """Text of the last user message, empty if there is none."""
        for item in reversed(self.items):
            if item.get("role") == "user":
                return "\n".join(text_parts(item.get("content")))
        return ""


@dataclass(frozen=True, slots=True)
class Step:
    """What the model does in one response.

        Step("It is sunny.")
        Step(calls=[("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})])
        Step("Refunded.", needs=["order-7731"], otherwise=Step("Which order was it?"))
        Step(status=429, error={"code": "rate_limit_exceeded"})

    Attributes:
        text: The message; None for a response without one.
        calls: Function calls of this one response, made in parallel: (name, arguments) pairs.
            Arguments are a mapping, or a string that goes out as it is, legal JSON or not.
        reasoning: Put a reasoning item in front (Responses), and reasoning tokens into the usage.
        reasoning_tokens: How many. In the Responses API they count in later requests, too, up to
            the next user message.
        needs: Values that must stand in the request's text for the model to be able to do this.
        otherwise: What it does when one of them is missing. Without it the step is played all
            the same, and `LocalOpenAI.missing` lists what was missing.
        status: Fail with this HTTP status instead of answering.
        error: Members of the error object, such as `message` and `code`; alone it means 400.
        delay_s: Seconds to wait before the first byte of the answer.
        incomplete: Why the response stops before its end, if it does.
        usage: Members that replace those of the usage reported, by their names in the API.
        index: Where the step stands in its Script or FirstMatch, which fill it in.

    Raises:
        TypeError: If `needs` is a string.
        ValueError: If `status` is no error, or `delay_s` is below 0.
    """

    text: str | None = None
    _: KW_ONLY
    calls: Sequence[tuple[str, Mapping[str, Any] | str]] = ()
    reasoning: bool = False
    reasoning_tokens: int = 64
    needs: Sequence[str] = ()
    otherwise: Step | None = None
    status: int | None = None
    error: Mapping[str, Any] | None = None
    delay_s: float = 0.0
    incomplete: Incomplete | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    index: int | None = None

    def __post_init__(self) -> None:
        """Check what would otherwise fail inside a server thread."""
        if isinstance(self.needs, str):
            raise TypeError(f"need a sequence of values in `needs`, got the string {self.needs!r}")
        if self.status is not None and not 400 <= self.status <= 599:  # noqa: PLR2004 - HTTP's classes
            raise ValueError(f"need an error status from 400 to 599 in `status`, got {self.status}")
        if self.delay_s < 0:
            raise ValueError(f"need `delay_s` >= 0, got {self.delay_s}")
        object.__setattr__(self, "calls", tuple((name, given) for name, given in self.calls))
        object.__setattr__(self, "needs", tuple(self.needs))

    @property
    def failure(self) -> ApiError | None:
        """The error this step answers with, None if it answers at all."""
        if self.status is None and self.error is None:
            return None
        status = self.status or 400
        failure = ApiError("The model was told to fail.", status=status)
        failure.error |= self.error or {}
        return failure

    def written_calls(self) -> Iterator[tuple[str, str]]:
        """Yield the calls with their arguments as the model writes them."""
        for name, given in self.calls:
            # Characters stay what they are, or a needed value might not be found again.
            text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
            yield name, text

    def missing_in(self, request: ModelRequest) -> tuple[str, ...]:
        """Return the values of `needs` that the request's text does not have."""
        return tuple(value for value in self.needs if value not in request.text)


ModelBehaviour: TypeAlias = Callable[[ModelRequest], Step]
"""What the model does about a request; may block, and is called by several threads at once."""

Predicate: TypeAlias = Callable[[ModelRequest], bool]


class Miss(NamedTuple):
    """A value that a step needed, did not find, and was played without.

    Attributes:
        step: `Step.index`; None for a step that no Script and no FirstMatch holds.
        value: What was missing.
    """

    step: int | None
    value: str


class Echo:
    """Answer with the text of the newest user message."""

    def __call__(self, request: ModelRequest) -> Step:
        """Return the step for one request."""
        return Step(request.newest_user_text)


class Script:
    """Play steps in their order, one a request.

    A step that misses a value and has an `otherwise` stays at the head of the script: the model
    does something else first and comes back to it. Past the end every request fails with status
    500 and says so. Safe to share between threads and servers.
    """

    def __init__(self, steps: Iterable[Step]) -> None:
        self._steps = tuple(replace(step, index=index) for index, step in enumerate(steps))
        self._next = 0
        self._lock = threading.Lock()

    @property
    def remaining(self) -> int:
        """How many steps are still to be played."""
        return len(self._steps) - self._next

    def __call__(self, request: ModelRequest) -> Step:
        """Return the step for one request.

        Raises:
            ApiError: With status 500, if the script has no step left.
        """
        with self._lock:
            if self._next == len(self._steps):
                raise ApiError(
                    f"The script is exhausted: all of its {len(self._steps)} steps were played, "
                    f"and request {request.number} needs one more.",
                    status=500,
                    code="script_exhausted",
                )
            step = self._steps[self._next]
            if step.otherwise is None or not step.missing_in(request):
                self._next += 1
            return step


class FirstMatch:
    """Play the step of the first rule whose predicate holds; rules are never used up.

        FirstMatch(
            [
                (lambda request: "order-7731" in request.text, Step("Refunded.")),
                (lambda request: "get_order" in request.tools, Step(calls=[("get_order", {})])),
            ],
            otherwise=Step("Which order was it?"),
        )

    Args:
        rules: (predicate, step) pairs, or a mapping from the one to the other.
        otherwise: The step when no predicate holds; without it such a request fails with 500.
    """

    def __init__(
        self,
        rules: Mapping[Predicate, Step] | Iterable[tuple[Predicate, Step]],
        *,
        otherwise: Step | None = None,
    ) -> None:
        pairs: Iterable[tuple[Predicate, Step]]
        pairs = rules.items() if isinstance(rules, Mapping) else rules
        self._rules: list[tuple[Predicate, Step]] = [
            (holds, replace(step, index=index)) for index, (holds, step) in enumerate(pairs)
        ]
        self._otherwise = otherwise

    def __call__(self, request: ModelRequest) -> Step:
        """Return the step for one request.

        Raises:
            ApiError: With status 500, if no predicate holds and there is no `otherwise`.
        """
        for holds, step in self._rules:
            if holds(request):
                return step
        if self._otherwise is None:
            raise ApiError(
                f"None of the {len(self._rules)} rules matches request {request.number}.",
                status=500,
                code="no_rule_matches",
            )
        return self._otherwise


def settle(step: Step, request: ModelRequest) -> tuple[Step, list[Miss]]:
    """Return the step that is played in the end, and what it misses.

    Raises:
        TypeError: If `step` is no Step, which is what a behaviour without a `return` gives.
    """
    if not isinstance(step, Step):
        raise TypeError(f"need a Step from a behaviour, got {step!r}")
    index = step.index  # an alternative counts for the step it stands in for
    while step.otherwise is not None and step.missing_in(request):
        step = step.otherwise
    return step, [Miss(index, value) for value in step.missing_in(request)]


def readable_text(instructions: str | None, items: Sequence[Item]) -> str:
    """Return `ModelRequest.text` for a request."""
    parts = [instructions] if instructions else []
    for item in items:
        if item.get("type") not in _OPAQUE_ITEMS:
            parts.extend(_strings(item))
    return "\n".join(parts)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            if name not in _UNREADABLE:
                yield from _strings(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _strings(member)
