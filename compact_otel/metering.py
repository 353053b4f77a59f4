"""What adds up over compactions, as metrics: what summaries cost and hold, and what was saved.

A fact has the name here that it has on spans and events. No instrument is made before there is
something to record, and none has ids, names of agents or text among its attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from compact_otel.core import events
from compact_otel.core.types import Outcome
from compact_otel.forks import LOADING_S, mutex
from compact_otel.patience import Patience
from compact_otel.telemetry import OUTCOME, SCHEMA_URL, SCOPE
from compact_otel.version import __version__

if TYPE_CHECKING:  # loaded with the first compaction, which takes its time anyway
    from opentelemetry.metrics import Counter, Histogram

_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0)
_SHARES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99, 1.0)

_WHO = "a metric"

_loading = mutex(LOADING_S)


class Meters:
    """Records by the global meter provider; costs nothing where there is none.

    Args:
        patience: Calls the instruments; a provider may fail or hang.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._made: _Instruments | None = None

    def summarized(self, created: events.SummaryCreated) -> None:
        """Record what a summary cost, and what it holds of the facts."""
        self._patience.call(_WHO, partial(self._summarized, created))

    def compacted(self, tokens_removed: int, strategy: str, outcome: Outcome) -> None:
        """Record what a compaction saves each later call."""
        attributes = {"compact.policy.strategy": strategy, OUTCOME: outcome}
        self._patience.call(
            _WHO, lambda: self._instruments.tokens_removed.add(tokens_removed, attributes)
        )

    def _summarized(self, created: events.SummaryCreated) -> None:
        made = self._instruments
        known = {
            "compact.summarizer.name": created.summarizer,
            "compact.policy.strategy": created.strategy,
        }
        asked = (
            known if created.model is None else {**known, "compact.summary.model": created.model}
        )
        if created.duration is not None:
            made.duration.record(created.duration, asked)
        if created.prompt_tokens is not None:
            made.prompt_tokens.add(created.prompt_tokens, asked)
        if created.completion_tokens is not None:
            made.completion_tokens.add(created.completion_tokens, asked)
        if created.facts_found and created.facts_kept is not None:
            made.coverage.record(created.facts_kept / created.facts_found, known)

    @property
    def _instruments(self) -> _Instruments:
        if self._made is None:
            with _loading:
                self._made = _made() if self._made is None else self._made
        return self._made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instruments:
    duration: Histogram
    prompt_tokens: Counter
    completion_tokens: Counter
    coverage: Histogram
    tokens_removed: Counter


def _made() -> _Instruments:
    from opentelemetry import metrics

    meter = metrics.get_meter(SCOPE, __version__, schema_url=SCHEMA_URL)
    return _Instruments(
        duration=meter.create_histogram(
            "compact.summary.duration",
            "s",
            "How long summarisers were waited for, for one summary.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        ),
        prompt_tokens=meter.create_counter(
            "compact.summary.prompt_tokens", "{token}", "Tokens that were sent for summaries."
        ),
        completion_tokens=meter.create_counter(
            "compact.summary.completion_tokens", "{token}", "Tokens that came back for summaries."
        ),
        coverage=meter.create_histogram(
            "compact.summary.coverage",
            "1",
            "Share of the key facts of what goes that a summary holds.",
            explicit_bucket_boundaries_advisory=_SHARES,
        ),
        tokens_removed=meter.create_counter(
            "compact.tokens.removed", "{token}", "Tokens that a compaction took out of a call."
        ),
    )
