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

LEDGER = "## Facts from the record"

_TOKENS = TextCounts()


@dataclass(frozen=True)
class Compacted:
    """What became of a session.

    Attributes:
        result: As the manager gave it.
        created: The event of the summary, names without `compact.`.
        retained: Share of the key entities that stand in what is sent on.
        in_prose: Share of them that stand in what the summariser wrote and was kept.
        limit: Tokens that the model accepts.
    """

    result: CompactResult
    created: dict[str, Any]
    retained: float
    in_prose: float
    limit: int

    def is_sound(self) -> bool:
        """Say whether the API would take what is sent on."""
        return not complaints(self.result.messages) and self.result.tokens_after <= self.limit


def text_of(item: Any) -> str:
    """Return all that an item says, as it is read."""
    return "\n".join(str(item[part]) for part in ("content", "arguments", "output") if part in item)


def compacted(
    made: Session,
    writer: Any = None,
    *,
    strategy: str = "task_state",
    tracer_provider: Any = None,
    **summarizer: Any,
) -> Compacted:
    """Compact a session that no longer fits; what users said goes into the summary as well.

    Args:
        made: The session.
        writer: A summariser; None for what the settings say.
        strategy: Of the summary.
        tracer_provider: Where spans go.
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
        strategy=strategy,
        storage={"adapter": "none"},
        summarizer=summarizer,
    )
    exporter = Exporter()
    manager = CompactManager(
        config, summarizer=writer, exporters=[exporter], tracer_provider=tracer_provider
    )
    result = manager.preflight("session", made.items)
    (created,) = exporter.named("summary_created")
    sent = [text_of(item) for item in result.messages]
    prose, *_ = (result.summary or "").partition(LEDGER)
    return Compacted(
        result=result,
        created={name.removeprefix("compact."): value for name, value in created.items()},
        retained=held(made.entities, "\n".join(sent)),
        in_prose=held(made.entities, prose),
        limit=limit,
    )
