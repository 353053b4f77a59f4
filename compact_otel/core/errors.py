"""The errors of compact_otel.

    CompactError
    ├── ConfigError (ValueError)          a setting is impossible; raised when it is set
    ├── InsufficientBudget (ValueError)   what must stay does not fit; raised by hand only
    ├── SummaryError (RuntimeError)       a summariser failed or gave something unusable
    ├── BrokenOffError (RuntimeError)     a part ended by what is no exception
    ├── VerificationError (RuntimeError)  a result broke an invariant and was thrown away
    └── StorageError (OSError)            an archive or checkpoint could not be written or read
        └── UnauditedError                it was written, and the line that says so was not

Inside a model call none of them reaches the user's run: the input goes out as it came. Messages
hold numbers, names and the way out, never a word of the conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compact_otel.core.fields import Problem
    from compact_otel.core.types import ArchiveReceipt, Usage


class CompactError(Exception):
    """Base of every error that compact_otel raises on purpose."""


class ConfigError(CompactError, ValueError):
    """A setting is unknown or impossible.

    Args:
        message: The field, the rule, the value and the way out.
        problems: As the attribute.

    Attributes:
        problems: What is wrong, one thing each; empty where the message says all.
    """

    def __init__(self, message: str, *, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class InsufficientBudget(CompactError, ValueError):  # noqa: N818 - the name is given
    """What must stay is larger than what the window allows, even at the smallest keep counts.

    Args:
        needed: As the attribute.
        budget: As the attribute.
        guidance: What to do about it.

    Attributes:
        needed: Tokens of what may not be dropped, with the call's fixed parts.
        budget: Tokens the result may have.
    """

    def __init__(self, *, needed: int, budget: int, guidance: str) -> None:
        super().__init__(f"need at least {needed} tokens, the budget is {budget}: {guidance}")
        self.needed = needed
        self.budget = budget


class SummaryError(CompactError, RuntimeError):
    """A summariser failed, refused, or returned something that cannot be used.

    Args:
        message: What went wrong, without a word of the conversation.
        reason: As the attribute.
        usage: As the attribute.

    Attributes:
        reason: One word for telemetry (`error.type`), such as `empty` or `too_long`.
        usage: What was asked in vain has cost, None if that is not known.
    """

    def __init__(self, message: str, *, reason: str = "error", usage: Usage | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.usage = usage


class BrokenOffError(CompactError, RuntimeError):
    """A part ended by a cancellation or an exit of its own, which concern nobody else.

    Attributes:
        reason: Name of what it raised, for telemetry (`error.type`).
    """

    def __init__(self, error: BaseException) -> None:
        self.reason = type(error).__name__
        super().__init__(f"a part ended by {self.reason}")


class VerificationError(CompactError, RuntimeError):
    """A compacted history broke an invariant; it was thrown away."""


class StorageError(CompactError, OSError):
    """An archive or a checkpoint could not be written or read."""


class UnauditedError(StorageError):
    """Something was written, and only its line in the audit was not: to write it again is wrong.

    Attributes:
        receipt: What was written.
        record: The line that is missing, for `save_event`.
    """

    def __init__(
        self, error: StorageError, receipt: ArchiveReceipt, record: Mapping[str, Any]
    ) -> None:
        super().__init__(*error.args)
        self.receipt = receipt
        self.record = record
