"""What a run showed, as one record; `as_json` is the form of `compactctl demo --json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compact_otel.schema import OUTCOME, SPAN

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from compact_otel.demo.model import Need
    from compact_otel.demo.settings import Settings

TURN_NUMBER = "demo.turn"
"""Attribute of the span of a turn."""

_LEFT_ALONE = ("skipped", "replayed")
"""Outcomes of a decision not to compact; the others are worth a line each, failures included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """The error that ended a session.

    Attributes:
        turn: The turn in which it came.
        model_call: The model call that it answered.
        type: Class of the exception.
        status: HTTP status, None if there was no answer.
        code: The error's code, None if it has none.
        message: What the API said, word for word.
    """

    turn: int
    model_call: int
    type: str
    status: int | None
    code: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How far a session came.

    Attributes:
        survived: Turns that were finished.
        model_calls: Model calls made, the one that failed included.
        tokens_peak: The largest input of a call, as the API counted it.
        duration_s: Seconds it took.
        death: What ended the session, None if it was played to its end.
    """

    survived: int
    model_calls: int
    tokens_peak: int
    duration_s: float
    death: Death | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """One compaction, as its span tells it.

    Attributes:
        turn: The turn in which it happened.
        model_call: The model call it was made for, 1 for the first of the session.
        outcome: How it ended, such as `compacted`, or `error`.
        tokens_before: Estimate of the call before.
        tokens_after: Estimate of the call after, None if nothing came of it.
        tokens_budget: The most the call may have.
        messages_before: Items in the call before, None if nothing came of it.
        messages_after: Items in the call after, None if nothing came of it.
        summary_version: The N of the summary, None if none was made.
    """

    turn: int
    model_call: int
    outcome: str
    tokens_before: int | None
    tokens_after: int | None
    tokens_budget: int | None
    messages_before: int | None
    messages_after: int | None
    summary_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A run of the demo.

    Attributes:
        settings: What it was run with.
        turns: Turns of the session.
        session_tokens: The largest call of the session if nothing is compacted.
        without: The part without compact_otel; None in a live run.
        with_: The part with it.
        overflow_errors: Requests of the part with that the API refused as too long; None in a live
            run, where nobody counts them.
        needs: What the calls of the part with needed from the conversation, a value once a call;
            None in a live run, where the model does what it likes.
        spans: The spans of the part with.
        compactions: What they tell of compactions.
        archive: Folder of the session in the archive.
        archive_files: Names of the files in it.
    """

    settings: Settings
    turns: int
    session_tokens: int
    without: Played | None
    with_: Played
    overflow_errors: int | None
    needs: Sequence[Need] | None
    spans: Sequence[ReadableSpan]
    compactions: Sequence[Compaction]
    archive: Path
    archive_files: Sequence[str]

    @property
    def survived(self) -> bool:
        """Whether the session came to its end with compact_otel."""
        return self.with_.survived == self.turns

    @property
    def facts(self) -> dict[str, int]:
        """How many facts were needed, and what became of them; empty in a live run.

        `needed` in all; `kept`: stood in the request that needed them; `compacted`: stood nowhere
        but, at best, in the summary; `recovered`: did stand there.
        """
        if self.needs is None:
            return {}
        return {
            "needed": len(self.needs),
            "kept": sum(need.kept for need in self.needs),
            "compacted": sum(need.compacted for need in self.needs),
            "recovered": sum(need.compacted and need.kept for need in self.needs),
        }

    @property
    def lost(self) -> list[Need]:
        """The facts that were needed and stood nowhere."""
        return [need for need in self.needs or () if not need.kept]

    def as_json(self) -> dict[str, Any]:
        """Return all figures as JSON data, the same keys in every run.

        `turns`, `survived_without` and `survived_with` are turns. `error` ended the part without
        and `error_with` the part with, each null or an object with `turn`, `model_call`, `type`,
        `status`, `code` and `message`. `compactions` has one object a compaction, with the fields
        of `Compaction`. `facts_needed`, `facts_kept`, `facts_compacted` and `facts_recovered` are
        the numbers of `facts`, and `facts_lost` names what is missing. `archive` is the session's
        folder. Durations are seconds. What a live run does not have is null.
        """
        without, with_ = self.without, self.with_
        return {
            "turns": self.turns,
            "survived_without": None if without is None else without.survived,
            "survived_with": with_.survived,
            "error": _error(without),
            "error_with": _error(with_),
            "overflow_errors": self.overflow_errors,
            "window": self.settings.window,
            "session_tokens": self.session_tokens,
            "tokens_peak": with_.tokens_peak,
            "model_calls": with_.model_calls,
            "compactions": [asdict(compaction) for compaction in self.compactions],
            **{
                f"facts_{name}": self.facts.get(name)
                for name in ("needed", "kept", "compacted", "recovered")
            },
            "facts_lost": None
            if self.needs is None
            else [{"turn": need.turn, **asdict(need.fact)} for need in self.lost],
            "archive": str(self.archive),
            "archive_files": list(self.archive_files),
            "api": self.settings.api,
            "stream": self.settings.stream,
            "live": self.settings.live,
            "model": self.settings.model,
            "duration_without_s": None if without is None else round(without.duration_s, 2),
            "duration_with_s": round(with_.duration_s, 2),
        }


def _error(played: Played | None) -> dict[str, Any] | None:
    return None if played is None or played.death is None else asdict(played.death)


def compactions(spans: Sequence[ReadableSpan]) -> list[Compaction]:
    """Read the compactions of a session out of its spans, in order."""
    turns = {span.context.span_id: span for span in spans if span.name != SPAN}
    found = []
    model_call = 0
    for span in in_order(span for span in spans if span.name == SPAN):
        facts = attributes(span)
        # One decision before each call; a second one answers an overflow of the same call.
        model_call += facts.get("compact.trigger.type") != "reactive"
        if facts.get(OUTCOME) in _LEFT_ALONE or span.parent is None:
            continue
        found.append(
            Compaction(
                turn=attributes(turns[span.parent.span_id])[TURN_NUMBER],
                model_call=model_call,
                outcome=facts.get(OUTCOME, "error"),
                tokens_before=facts.get("compact.tokens.before"),
                tokens_after=facts.get("compact.tokens.after"),
                tokens_budget=facts.get("compact.tokens.budget"),
                messages_before=facts.get("compact.messages.before"),
                messages_after=facts.get("compact.messages.after"),
                summary_version=facts.get("compact.summary.version"),
            )
        )
    return found


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    """Return the attributes of a span."""
    return span.attributes or {}


def in_order(spans: Iterable[ReadableSpan]) -> list[ReadableSpan]:
    """Return spans in the order in which they began."""
    return sorted(spans, key=lambda span: span.start_time or 0)
