"""The summariser without a model: it chooses what to keep word for word.

It says the facts and nothing else (`compact_otel.core.facts`). Deterministic, linear in the
history, standard library only. Needs no key and no network, which makes it the default without a
model and the last resort with one.
"""

from __future__ import annotations

from dataclasses import replace

from compact_otel.core.errors import SummaryError
from compact_otel.core.facts import SAID_AGAIN, Facts
from compact_otel.core.types import Summary, SummaryRequest


class ExtractiveSummarizer:
    """Summarises by selection: users' words first, then what identifies things, then the rest.

    Every value in the summary stands with what it belongs to. `previous_summary` is taken apart and
    weighed like the rest, so facts survive rounds and summaries never nest.
    """

    name = "extractive"
    immediate = True  # no model, no network: nothing is gained by asking ahead

    def summarize(self, request: SummaryRequest) -> Summary:
        """Return the best note that fits into `request.max_tokens` by `request.count_text`.

        Where what stays says all of it again, as an agent's does that asks every minute whether a
        job is done, the note is one line that says so.

        Takes time linear in the history and counts tokens a handful of times.

        Raises:
            SummaryError: If there is nothing to say, or no room to say anything (`empty`).
        """
        facts = Facts(request)
        summary = facts.note()
        if summary.text:
            return summary
        if facts.are_said_again and request.count_text(SAID_AGAIN) <= request.max_tokens:
            return replace(summary, text=SAID_AGAIN)
        raise SummaryError(
            f"nothing to summarise in {len(request.items)} items "
            f"that fits into {request.max_tokens} tokens",
            reason="empty",
        )
