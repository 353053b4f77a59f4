"""What can be set for a run, and which values would show nothing, with the way out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from compact_otel.config import CompactConfig, StorageConfig
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import CallContext
from compact_otel.demo.recording import Recording

ApiName = Literal["responses", "chat"]


class SettingError(ValueError):
    """A value with which the demo can show nothing.

    Attributes:
        option: Name of the option.
    """

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One run of the demo; `compactctl demo --help` has the defaults.

    Attributes:
        window: Context window of the local model, in tokens; in a live run what compact_otel takes
            for the window.
        turns: How many turns of the session are played; None for all.
        stream: Whether the agent streams.
        api: Through which API the agent talks to its model.
        archive: Folder of the archive.
        live: Whether OpenAI answers instead of the local server.
        model: Name of the model.
    """

    window: int
    turns: int | None
    stream: bool
    api: ApiName
    archive: Path
    live: bool
    model: str

    @property
    def config(self) -> CompactConfig:
        """What compact_otel is set to: its defaults, whatever the environment says."""
        return CompactConfig(
            max_context_tokens=self.window, storage=StorageConfig(path=str(self.archive))
        )


def session_tokens(settings: Settings, recording: Recording) -> int:
    """Return the tokens of the largest model call of a run in which nothing is compacted.

    Args:
        settings: The run.
        recording: All turns there are.

    Raises:
        SettingError: If the run would show nothing: too few tokens for anything, or enough for all.
    """
    if settings.turns is not None and not 1 <= settings.turns <= len(recording.turns):
        raise SettingError(
            "turns",
            f"{settings.turns} turns cannot be played: the session has {len(recording.turns)}. "
            f"Use 1 to {len(recording.turns)}.",
        )
    fixed, room, by_turn = _tokens(settings, recording)
    buffer = CompactPolicy().hard_cap_buffer
    if settings.window < fixed + buffer + room:
        raise SettingError(
            "window",
            f"{settings.window:,} tokens are too few: instructions and tools take {fixed:,}, "
            f"`policy.hard_cap_buffer` {buffer:,}, and the newest messages up to {room:,}. "
            f"Use {fixed + buffer + room:,} or more.",
        )
    if settings.window >= by_turn[-1]:
        raise SettingError(
            "window",
            f"{settings.window:,} tokens hold the whole session ({by_turn[-1]:,}), so nothing "
            f"would be compacted. Use less than {by_turn[-1]:,}.",
        )
    turns = settings.turns or len(by_turn)
    if settings.window >= by_turn[turns - 1]:
        enough = next(n for n, tokens in enumerate(by_turn, 1) if tokens > settings.window)
        raise SettingError(
            "turns",
            f"{turns} turns ({by_turn[turns - 1]:,} tokens) fit into the window of "
            f"{settings.window:,}, so nothing would be compacted. Use {enough} or more, or a "
            "smaller --window.",
        )
    return by_turn[turns - 1]


def _tokens(settings: Settings, recording: Recording) -> tuple[int, int, list[int]]:
    """Return the tokens of instructions and tools, of what must stay, and of each turn's last call.

    What must stay is the newest tool call with its output, and a message before and behind it.
    """
    from compact_otel.estimators.tiktoken import TiktokenEstimator

    estimator = TiktokenEstimator()
    call = CallContext(
        model=settings.model,
        api=settings.api,
        instructions=recording.instructions,
        tools=recording.tools,
    )
    items = recording.items
    tokens = estimator.count_items(items, call)
    fixed = estimator.count_fixed(call).total
    largest_message = max(n for n, item in zip(tokens, items, strict=True) if "role" in item)
    room = max(map(sum, pairwise(tokens))) + 2 * largest_message
    sent = (turn.responses[-1].start for turn in recording.turns)
    return fixed, room, [fixed + sum(tokens[:count]) for count in sent]
