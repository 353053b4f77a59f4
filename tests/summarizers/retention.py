"""Compacts a seeded session as a program does, and says what is left of its key entities."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from compact_otel import CompactConfig, CompactManager
from compact_otel.core.types import CompactResult
from compact_otel.estimators.text import TextCounts
from tests.histories import Exporter, complaints
from tests.summarizers.sessions import Session, held

_TOKENS = TextCounts()


@dataclass(frozen=True)
class Compacted:
    """What became of a session.

    Attributes:
        result: As the manager gave it.
        created: The event of the summary.
        retained: Share of the key entities that stand in what is sent on.
        limit: Tokens that the model accepts.
    """

    result: CompactResult
    created: dict[str, Any]
    retained: float
    limit: int

    def is_sound(self) -> bool:
        """Say whether the API would take what is sent on."""
        return not complaints(self.result.messages) and self.result.tokens_after <= self.limit


def compacted(made: Session, writer: Any = None, **summarizer: Any) -> Compacted:
    """Compact a session that no longer fits; what users said goes into the summary as well.

    Args:
        made: The session.
        writer: A summariser; None for what the settings say.
        **summarizer: The section `summarizer` of the configuration.
    """
    limit = int(sum(_TOKENS[json.dumps(item)] for item in made.items) * 0.65)
    config = CompactConfig.load(
        max_context_tokens=limit,
        target_pct=0.75,
        hard_cap_buffer=0,
        keep_recent_turns=1,
        keep_tool_io_pairs=1,
        keep_user_tokens=0,
        storage={"adapter": "none"},
        summarizer=summarizer,
    )
    exporter = Exporter()
    manager = CompactManager(config, summarizer=writer, exporters=[exporter])
    result = manager.preflight("session", made.items)
    (created,) = exporter.named("summary_created")
    text = json.dumps(list(result.messages), ensure_ascii=False)
    return Compacted(result, created, held(made.entities, text), limit)
