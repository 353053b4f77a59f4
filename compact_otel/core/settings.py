"""When and how to compact, as far as a user can set it.

It stands apart from the other records because `instrument()` needs nothing else of the package to
check what it is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from compact_otel.core.errors import ConfigError

Strategy = Literal["task_state", "brief", "decision_log", "code_delta"]
Clearing = Literal["superseded", "stale", "off"]
SummaryRole = Literal["assistant", "user"]


def _need(condition: bool, rule: str, got: object) -> None:  # noqa: FBT001 - reads as a sentence
    if not condition:
        raise ConfigError(f"need {rule}, got {got!r}")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactPolicy:
    """When to compact, what stays, and what the summary is like.

    Attributes:
        trigger_pct: Compact when the estimate reaches this share of the input limit (the window
            minus the model's output reserve).
        target_pct: Aim for this share of the input limit. Well below `trigger_pct`, or every turn
            would compact again and break the provider's prompt cache.
        soft_trigger_pct: From this share of the input limit on, the next summary is written in the
            background, so that no call waits for it when it is due. 0, or not below `trigger_pct`:
            never. A summariser that needs no model is not asked ahead.
        max_break_even_calls: A call that still fits is left alone if, by what the provider's prompt
            cache loses, a compaction would pay only after more calls than this. 0: never.
        min_saving_pct: A call that still fits is left alone, before a summariser is asked, if
            compacting it would save less than this share of it.
        hard_cap_buffer: Tokens kept free below the input limit whatever the shares say.
        keep_recent_turns: The last turns whose messages stay word for word. A turn is what was
            asked and what was answered.
        keep_tool_io_pairs: The last tool calls that stay, with their outputs.
        clear_tool_outputs: Before a summary is made, tool outputs give way to a line each:
            `superseded` ones (the same call brought them again), or also `stale` ones (older than
            the calls that stay), with their facts in short; `off`: none. If that is enough, nothing
            else is dropped.
        keep_user_tokens: What users said earlier stays word for word as far as it fits into so many
            tokens and a quarter of the target: the first message, then the newest. 0: only that of
            the last turns.
        roles_never_prune: Messages of these roles are never dropped.
        protected_flag: An item is never dropped if this key is true in it or in its `meta`.
        strategy: What a summary puts first.
        summary_max_tokens: The longest summary.
        summary_role: Role of the message that carries the summary. Never `system` or `developer`:
            what a tool once printed must not rise to the rank of instructions.

    Raises:
        ConfigError: If a value is impossible; it names the field, the rule and the value.
    """

    trigger_pct: float = 0.85
    target_pct: float = 0.5
    soft_trigger_pct: float = 0.7
    min_saving_pct: float = 0.1
    max_break_even_calls: int = 0
    hard_cap_buffer: int = 1500
    keep_recent_turns: int = 6
    keep_tool_io_pairs: int = 4
    clear_tool_outputs: Clearing = "superseded"
    keep_user_tokens: int = 20_000
    roles_never_prune: tuple[str, ...] = ("system", "developer")
    protected_flag: str = "protected"
    strategy: Strategy = "task_state"
    summary_max_tokens: int = 4000
    summary_role: SummaryRole = "assistant"

    def __post_init__(self) -> None:
        """Check every field; a policy that exists can be carried out."""
        for name in ("trigger_pct", "target_pct"):
            value = getattr(self, name)
            _need(_is_number(value) and 0 < value <= 1, f"0 < `policy.{name}` <= 1", value)
        _need(
            self.target_pct < self.trigger_pct,
            "`policy.target_pct` < `policy.trigger_pct` (or every turn would compact again)",
            (self.target_pct, self.trigger_pct),
        )
        soft = self.soft_trigger_pct
        _need(_is_number(soft) and 0 <= soft <= 1, "0 <= `policy.soft_trigger_pct` <= 1", soft)
        saving = self.min_saving_pct
        _need(_is_number(saving) and 0 <= saving < 1, "0 <= `policy.min_saving_pct` < 1", saving)
        for name, least in (
            ("max_break_even_calls", 0),
            ("hard_cap_buffer", 0),
            ("keep_recent_turns", 1),
            ("keep_tool_io_pairs", 1),
            ("keep_user_tokens", 0),
            ("summary_max_tokens", 64),
        ):
            value = getattr(self, name)
            _need(_is_int(value) and value >= least, f"a whole `policy.{name}` >= {least}", value)
        roles = self.roles_never_prune
        _need(
            isinstance(roles, list | tuple) and all(isinstance(role, str) for role in roles),
            "a list of role names in `policy.roles_never_prune`",
            roles,
        )
        object.__setattr__(self, "roles_never_prune", tuple(roles))
        _need(
            isinstance(self.protected_flag, str) and bool(self.protected_flag),
            "a key name in `policy.protected_flag`",
            self.protected_flag,
        )
        for name, kind in (
            ("strategy", Strategy),
            ("summary_role", SummaryRole),
            ("clear_tool_outputs", Clearing),
        ):
            value, valid = getattr(self, name), get_args(kind)
            _need(value in valid, f"`policy.{name}` to be one of {', '.join(valid)}", value)
