"""The flow as the generator it is: a job of plain parts, and a driver that answers from a table."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from itertools import count
from typing import Any

from compact_otel.core import events
from compact_otel.core.assemble import whole
from compact_otel.core.facts import Repaired
from compact_otel.core.flow import compaction
from compact_otel.core.history import Recollection
from compact_otel.core.job import (
    Checks,
    FlowResult,
    Held,
    Job,
    Postpone,
    SaveCheckpoint,
    SaveTranscript,
    Summarize,
    VerifyFacts,
    Writer,
)
from compact_otel.core.ledger import Ledger
from compact_otel.core.measure import Measured, Scale
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import (
    ArchiveReceipt,
    CallContext,
    Coverage,
    FixedTokens,
    Item,
    Usage,
    Window,
)

FRAME = 26
"""Words of the frame around a summary."""

RECEIPT = ArchiveReceipt(
    id="transcript-1", step=1, location="here", size=90, messages=20, redacted=True
)
WHOLE = Coverage(facts=4, facts_before=3, facts_after=4, before=0.75, after=1.0)


class Words:
    """A token is a word; 4 tokens are instructions, 3 tools, 2 the empty request."""

    name = "words"

    def count_items(self, items: Sequence[Item], call: CallContext) -> list[int]:
        return [len(_text(item).split()) for item in items]

    def count_fixed(self, call: CallContext) -> FixedTokens:
        return FixedTokens(instructions=4, tools_schema=3, framing=2)


def _text(item: Item) -> str:
    said = (item.get(name) for name in ("content", "output", "arguments", "encrypted_content"))
    return " ".join(text for text in said if isinstance(text, str))


def words(number: int, word: str = "w") -> str:
    return " ".join([word] * number)


def said(role: str, number: int, size: int = 50) -> dict[str, Any]:
    """Return a message of `size` tokens that is like no other."""
    return {"role": role, "content": f"{role}{number} {words(size - 1)}"}


def turns(number: int, size: int = 50) -> list[dict[str, Any]]:
    """Return questions and answers of `size` tokens each."""
    return [said(role, n, size) for n in range(number) for role in ("user", "assistant")]


def called(
    ident: str, text: str, name: str = "read", arguments: str = "{}"
) -> list[dict[str, Any]]:
    return [
        {"type": "function_call", "call_id": ident, "name": name, "arguments": arguments},
        {"type": "function_call_output", "call_id": ident, "output": text},
    ]


def reading(count, size=200, name="a.py"):
    """Return calls of which each reads the same once more."""
    line = f"of the same file {words(size - 5)}"
    calls = [called(f"c{n}", f"edition{n} {line}", arguments=name) for n in range(count)]
    return [said("user", 0, 20), *(item for pair in calls for item in pair)]


MODEL = Writer("model")
EXTRACTIVE = Writer("extractive", immediate=True)


def job(items: Sequence[Any], size: int = 1000, **options: Any) -> Job:
    """Return the job to look at a history, in a window of `size` tokens.

    Options are policy fields, those of the job, and those of the scale.
    """
    policy = {name: options.pop(name) for name in CompactPolicy.__slots__ if name in options}
    defaults = {"hard_cap_buffer": 0, "keep_recent_turns": 1, "keep_tool_io_pairs": 1}
    scale = Scale(
        estimator=options.pop("estimator", Words()),
        call=options.pop("call", CallContext(model="m")),
        policy=CompactPolicy(**{**defaults, "keep_user_tokens": 0, **policy}),
        window=Window(size=size, source="config"),
        factor=options.pop("factor", 1.0),
        recall=options.pop("recall", False),
    )
    memory = Recollection(items, options.pop("known", None))
    numbers = count(1)
    parts: dict[str, Any] = {
        "trigger": "preflight",
        "ledger": Ledger(),
        "ready": Ledger(),
        "writers": [MODEL, EXTRACTIVE],
        "storage": None,
        "new_id": lambda: f"id{next(numbers)}",
    }
    return Job(items=memory.items, scale=scale, memory=memory, **{**parts, **options})


ANSWERS: Mapping[type, Any] = {
    Summarize: "what was said",
    VerifyFacts: lambda asked: Repaired(asked.text, WHOLE),
    SaveTranscript: RECEIPT,
    Postpone: Held(waits=True, messages=20, size=900),
}


def drive(
    steps: Generator[Any, Any, FlowResult], answers: Mapping[type, Any] | None = None
) -> tuple[list[Any], FlowResult]:
    """Return all that a flow asks for and tells, in order, and what it gives.

    Args:
        steps: The flow.
        answers: By the type of what is asked for: an answer, an error to be raised there, a
            function of what is asked for, or a list of these for one time after another.
    """
    known = {kind: _in_turn(given) for kind, given in {**ANSWERS, **(answers or {})}.items()}
    asked: list[Any] = []
    try:
        effect = next(steps)
        while True:
            asked.append(effect)
            given = next(known[type(effect)]) if type(effect) in known else None
            given = given(effect) if callable(given) else given
            effect = steps.throw(given) if isinstance(given, Exception) else steps.send(given)
    except StopIteration as stop:
        return asked, stop.value


def _in_turn(given: Any) -> Any:
    several = list(given) if isinstance(given, list) else [given]
    yield from several
    while True:
        yield several[-1]


def names(asked: Sequence[Any]) -> list[str]:
    """Return the kinds of what was asked for and told; of failures, where, why, and what then."""
    return [
        f"{each.stage}: {each.error_type}, {each.fallback}"
        if isinstance(each, events.Failure)
        else type(each).__name__
        for each in asked
    ]


def measured(items: Sequence[Any], size: int = 1000, **options: Any) -> Measured:
    """Return a history as it is measured; options as those of a job."""
    given = job(items, size, **options)
    counts, fixed = given.memory.count(given.scale)
    return Measured.of(
        given.scale,
        whole(given.items),
        items=given.items,
        counts=counts,
        fixed=fixed,
        instructions=given.memory.instructions,
    )


TEN = turns(10)
"""1,009 tokens: over a window of 1,000."""

CHECKS = Checks(floor=0.5, ledger_pct=0.4)
USAGE = Usage(input_tokens=700, cached_tokens=20, output_tokens=30)
POLICY = {
    "trigger_pct": 0.85,
    "target_pct": 0.5,
    "hard_cap_buffer": 0,
    "keep_recent_turns": 1,
    "keep_tool_io_pairs": 1,
    "strategy": "task_state",
}
LOOKED = ["Claim", "TokenEstimate", "TriggerDecision"]
REPORTED = ["PolicyApplied", "PrunedMessages", "TokenEstimate", "CacheEffect"]
MADE = ["SummaryCreated", *REPORTED, "SaveCheckpoint"]


def estimate(phase, tokens, window=1000, **more):
    """Return the measurement of a call in which nobody but the instructions is a system."""
    return events.TokenEstimate(
        **{
            "phase": phase,
            f"tokens_{phase}": tokens,
            "window": window,
            "utilization": tokens / window,
            "window_source": "config",
            "estimator": "words",
            "system": 4,
            "developer": 0,
            "tools_schema": 3,
            "messages": tokens - 7,
            **more,
        }
    )


def decision(what, reason, tokens, trigger="preflight", budget=1000):
    return events.TriggerDecision(
        decision=what, trigger=trigger, reason=reason, tokens_before=tokens, budget=budget, **POLICY
    )


def asked_for(effects, kind):
    return [each for each in effects if isinstance(each, kind)]


def compacted(items, **options):
    """Return the checkpoint of a compaction, and what the next call may start from."""
    effects, result = drive(compaction(job(items, **options)))
    (saved,) = asked_for(effects, SaveCheckpoint)
    return saved.checkpoint, result.history


def holding(*checkpoints):
    ledger = Ledger()
    for checkpoint in checkpoints:
        ledger.add(checkpoint)
    return ledger
