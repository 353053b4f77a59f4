"""What a manager is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # a manager is made at start-up, and asked later
    from compact_otel.core.types import CallContext, TriggerType
    from compact_otel.overflow import Overflow

OnInsufficient = Literal["passthrough", "raise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a caller asks for; most fields are the arguments of `apreflight` and `arescue`.

    Attributes:
        below: Tokens that the window is taken to have for this request only; None for what is
            known of it.
    """

    session_id: str
    messages: Sequence[Any]
    call: CallContext | None
    trigger: TriggerType = "preflight"
    note: str | None = None
    stand_back: str | None = None
    on_insufficient: OnInsufficient = "raise"
    refused: Overflow | None = None
    below: int | None = None
    count: Callable[[list[Any]], Awaitable[int]] | None = None
    compose: Callable[[list[Any]], Mapping[str, Any]] | None = None
    native: Callable[[list[Any]], tuple[Any, dict[str, Any]]] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.session_id, str):
            raise TypeError(f"need a str in `session_id`, got {type(self.session_id).__name__}")
        messages = self.messages
        if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
            raise TypeError(
                "need a list of items or Message objects in `messages`, "
                f"got {type(messages).__name__}"
            )
