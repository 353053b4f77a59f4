"""The summariser without a model: it chooses what to keep word for word.

    reading    items -> what was said, what was called
    splitting  -> units, each with the subject it belongs to
    salience   -> what is lost without each value
    selection  -> the units that save most per token
    rendering  -> the note

Deterministic, linear in the history, standard library only. Needs no key and no network, which
makes it the default without a model and the last resort with one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from compact_otel.core.errors import SummaryError
from compact_otel.core.types import Summary, SummaryRequest
from compact_otel.summarizers.rendering import render, safe
from compact_otel.summarizers.salience import Salience, Vocabulary
from compact_otel.summarizers.selection import Chooser
from compact_otel.summarizers.splitting import split
from compact_otel.summarizers.units import Subject, Unit

# Share of the summary that what users wrote may fill before anything else is weighed.
_USER_SHARE = 0.25
# Estimates run up to this much above the true count; what is too much is cut when it is counted.
_OVERSHOOT = 1.4
_CLOSE_ENOUGH = 0.98
_GUESSES = 4


class ExtractiveSummarizer:
    """Summarises by selection: users' words first, then what identifies things, then the rest.

    Every value in the summary stands with what it belongs to. `previous_summary` is taken apart and
    weighed like the rest, so facts survive rounds and summaries never nest.
    """

    name = "extractive"
    immediate = True  # no model, no network: nothing is gained by asking ahead

    def summarize(self, request: SummaryRequest) -> Summary:
        """Return the best note that fits into `request.max_tokens` by `request.count_text`.

        Takes time linear in the history and counts tokens a handful of times.

        Raises:
            SummaryError: If there is nothing to say, or no room to say anything (`empty`).
        """
        vocabulary = Vocabulary()
        units, staying = split(request.items, request.kept, request.previous_summary, vocabulary)
        salience = Salience(
            vocabulary,
            length=len(request.items) + len(request.kept),
            note=frozenset(vocabulary.values_in(request.note or "")),
        )
        salience.learn(units)
        salience.learn(staying)
        chooser = Chooser(units, salience, said=_values_of(staying))
        for unit in _users_words(units, budget=request.max_tokens * _USER_SHARE):
            chooser.take(unit)
        chooser.take_best(request.max_tokens * _OVERSHOOT)
        text = _fit(chooser.chosen, request)
        if not text:
            raise SummaryError(
                f"nothing to summarise in {len(request.items)} items "
                f"that fits into {request.max_tokens} tokens",
                reason="empty",
            )
        return Summary(text)


def _values_of(units: Iterable[Unit]) -> set[str]:
    subjects: Iterable[Subject] = {unit.subject for unit in units}
    values = {value for unit in units for value in unit.values}
    return values.union(*(subject.values for subject in subjects))


def _users_words(units: Sequence[Unit], budget: float) -> list[Unit]:
    """Return what users said, newest message first, as far as it fits; limits before wishes."""
    said = [unit for unit in units if unit.subject.prose and unit.subject.origin == "user"]
    said.sort(
        key=lambda unit: (
            unit.subject.section != "constraints",
            -unit.subject.position,
            unit.order,
        )
    )
    chosen: list[Unit] = []
    for unit in said:
        budget -= len(unit.text) / 4 + 2
        if budget < 0:
            break
        chosen.append(unit)
    return chosen


def _fit(ranked: Sequence[Unit], request: SummaryRequest) -> str:
    """Return the note of as many units, best first, as the budget holds."""

    def note(size: int) -> tuple[str, int]:
        text = render(ranked[:size], request.strategy)
        return text, request.count_text(text)

    best, low, high = "", 0, len(ranked) + 1
    size, guesses = len(ranked), 0
    while low < size < high:
        text, tokens = note(size)
        if tokens <= request.max_tokens:
            best, low = text, size
            if tokens >= request.max_tokens * _CLOSE_ENOUGH:
                break
        else:
            high = size
        # Tokens grow about evenly with units: aim at the budget. A counter with which that does not
        # close in soon gets a bisection.
        guesses += 1
        aim = int(size * request.max_tokens / max(1, tokens))
        if guesses > _GUESSES:
            aim = (low + high) // 2
        size = min(max(aim, low + 1), high - 1)
    return best or _cut(ranked, request)


def _cut(ranked: Sequence[Unit], request: SummaryRequest) -> str:
    """Return the beginning of the most important unit, for a budget that holds no unit whole."""
    text = safe(render(ranked[:1], "brief")) if ranked else ""
    while text and request.count_text(text) > request.max_tokens:
        text = text[: len(text) // 2].rstrip()
    return text
