"""The model behind the local server: it plays the recorded responses, and is honest about them.

A recorded call goes on the wire whatever its request contained, or the run would end at the first
lost value and the rest of the session would prove nothing. But every value that a call needs is
looked for in its request, and what is not there is a lost fact.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from compact_otel.core.frame import unwrap
from compact_otel.demo.recording import Fact, Response
from compact_otel.testing.behaviour import ModelRequest, Script, Step, readable_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A fact that a played response could not do without.

    Attributes:
        turn: Number of the turn.
        fact: The fact.
        kept: Whether it stood in the request.
        compacted: Whether it stood nowhere else than in the summary, if at all: without a summary
            it would have been lost.
    """

    turn: int
    fact: Fact
    kept: bool
    compacted: bool


class RecordedModel:
    """A `ModelBehaviour` that plays recorded responses, one a request.

    Attributes:
        needs: What the responses played so far needed, in order.
    """

    def __init__(self, responses: Sequence[Response]) -> None:
        self.needs: list[Need] = []
        self._responses = responses
        self._script = Script(_step(response) for response in responses)
        self._lock = threading.Lock()  # the server asks from its worker threads

    def __call__(self, request: ModelRequest) -> Step:
        """Return the next recorded step, and note which of its facts the request has."""
        step = self._script(request)
        if step.index is not None and step.needs:
            found = _needs(self._responses[step.index], step, request)
            with self._lock:
                self.needs.extend(found)
        return step


def _step(response: Response) -> Step:
    return Step(
        response.text,
        calls=response.calls,
        needs=[fact.value for fact in response.facts],
    )


def _needs(response: Response, step: Step, request: ModelRequest) -> list[Need]:
    lost = step.missing_in(request)
    verbatim = [item for item in request.items if unwrap(item) is None]
    without_summary = replace(request, text=readable_text(request.instructions, verbatim))
    compacted = step.missing_in(without_summary)
    return [
        Need(
            turn=response.turn,
            fact=fact,
            kept=fact.value not in lost,
            compacted=fact.value in compacted,
        )
        for fact in response.facts
    ]
