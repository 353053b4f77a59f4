"""When and how to compact, as far as a user can set it.

It stands apart from the other records because `instrument()` needs nothing else of the package to
check what it is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from compact_otel.core.fields import Problem, check, need

Strategy = Literal["task_state", "brief", "decision_log", "code_delta"]
Clearing = Literal["superseded", "stale", "off"]
SummaryRole = Literal["assistant", "user"]


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
            else is dropped. What even the latest call has no room for is said in short anyway.
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

    trigger_pct: float = field(default=0.85, metadata={"gt": 0, "le": 1})
    target_pct: float = field(default=0.5, metadata={"gt": 0, "le": 1})
    soft_trigger_pct: float = field(default=0.7, metadata={"ge": 0, "le": 1})
    min_saving_pct: float = field(default=0.1, metadata={"ge": 0, "lt": 1})
    max_break_even_calls: int = field(default=0, metadata={"ge": 0})
    hard_cap_buffer: int = field(default=1500, metadata={"ge": 0})
    keep_recent_turns: int = field(default=6, metadata={"ge": 1})
    keep_tool_io_pairs: int = field(default=4, metadata={"ge": 1})
    clear_tool_outputs: Clearing = "superseded"
    keep_user_tokens: int = field(default=20_000, metadata={"ge": 0})
    roles_never_prune: tuple[str, ...] = field(
        default=("system", "developer"), metadata={"what": "role names"}
    )
    protected_flag: str = field(
        default="protected", metadata={"what": "the name of a key", "check": bool}
    )
    strategy: Strategy = "task_state"
    summary_max_tokens: int = field(default=4000, metadata={"ge": 64})
    summary_role: SummaryRole = "assistant"

    def __post_init__(self) -> None:
        """Check every field; a policy that exists can be carried out."""
        check(self, ("policy",))
        need(
            self.target_pct < self.trigger_pct,
            Problem(
                (("policy", "target_pct"), ("policy", "trigger_pct")),
                "must be < policy.trigger_pct (or every turn would compact again)",
                (self.target_pct, self.trigger_pct),
            ),
        )
