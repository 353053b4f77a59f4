"""The recorded session: what the user said, what the agent did, what its tools answered.

A recording is a flat list of items, as the Agents SDK would hold it. The demo needs it in turns: a
user's messages, then the model's responses until one of them ends the turn, and the facts each
response cannot do without.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import Any

from compact_otel.core.types import Item

HANDS_OVER = "transfer_to_human_agents"
"""The tool that ends a turn without a word of the agent: a human goes on."""

_FILE = "session.json.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A value that a tool call uses and that somebody said earlier in the conversation.

    Attributes:
        value: The value, as it stands in the conversation.
        tool: The tool of the call that uses it.
        argument: Where in the call's arguments it goes, such as `flights[].date`.
        origin: Who said it first: `user`, `tool` or `assistant`.
    """

    value: str
    tool: str
    argument: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One recorded response of the model.

    Attributes:
        turn: Number of its turn.
        start: How many items the history has when it is asked for.
        text: The message; None for calls alone.
        calls: (tool, arguments) of its calls, the arguments as the model wrote them.
        facts: What the calls need from the conversation, each value once.
    """

    turn: int
    start: int
    text: str | None
    calls: tuple[tuple[str, str], ...]
    facts: tuple[Fact, ...]

    @property
    def ends_turn(self) -> bool:
        """Whether the agent has nothing more to do until the user speaks."""
        return not self.calls or any(tool == HANDS_OVER for tool, _ in self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a user said and what the agent did about it.

    Attributes:
        number: 1 for the first.
        user: The user's messages; two where one customer leaves and the next one comes.
        responses: The model's responses, of which the last one ends the turn.
        stop: How many items the history has when the turn is over.
    """

    number: int
    user: tuple[Item, ...]
    responses: tuple[Response, ...]
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A session.

    Attributes:
        instructions: The agent's instructions.
        tools: Function schemas in the form of the Responses API.
        items: The history, whole turns.
        turns: The same, turn by turn.
        outputs: (tool, arguments, output) of every call, in order.
    """

    instructions: str
    tools: Sequence[Item]
    items: Sequence[Item]
    turns: Sequence[Turn]
    outputs: Sequence[tuple[str, str, str]]

    @classmethod
    def of(cls, data: Mapping[str, Any], turns: int | None = None) -> Recording:
        """Read a session as `compact_otel.demo.sample` writes it, or its first `turns` turns.

        Raises:
            ValueError: If the items are no sequence of whole turns.
        """
        found = _turns(data["items"], _facts_by_item(data["facts"]))[:turns]
        items = data["items"][: found[-1].stop]
        answers = {
            item["call_id"]: item["output"]
            for item in items
            if item.get("type") == "function_call_output"
        }
        return cls(
            instructions=data["instructions"],
            tools=data["tools"],
            items=items,
            turns=found,
            outputs=[
                (item["name"], item["arguments"], answers[item["call_id"]])
                for item in items
                if item.get("type") == "function_call"
            ],
        )

    @property
    def responses(self) -> list[Response]:
        """All responses of the model, in order."""
        return [response for turn in self.turns for response in turn.responses]


def bundled(turns: int | None = None) -> Recording:
    """Return the session of this package, or its first `turns` turns."""
    packed = resources.files("compact_otel.demo").joinpath(_FILE).read_bytes()
    return Recording.of(json.loads(gzip.decompress(packed)), turns)


def _facts_by_item(facts: Sequence[Mapping[str, Any]]) -> dict[int, tuple[Fact, ...]]:
    """Return the facts of each call by the call's position, each value of a call once."""
    found: dict[int, dict[str, Fact]] = {}
    for fact in facts:
        fields = {name: fact[name] for name in ("value", "tool", "argument", "origin")}
        found.setdefault(fact["needed_at_item"], {}).setdefault(fact["value"], Fact(**fields))
    return {position: tuple(of_call.values()) for position, of_call in found.items()}


def _turns(items: Sequence[Item], facts: Mapping[int, tuple[Fact, ...]]) -> list[Turn]:
    turns: list[Turn] = []
    user: tuple[Item, ...] = ()
    for is_user, stretch in groupby(enumerate(items), lambda entry: entry[1].get("role") == "user"):
        positions = [position for position, _ in stretch]
        if is_user:
            user = tuple(items[position] for position in positions)
            continue
        number = len(turns) + 1
        responses = tuple(_responses(items, positions, number, facts))
        ends = [response.ends_turn for response in responses]
        if not user or ends != [False] * (len(ends) - 1) + [True]:
            raise ValueError(
                f"need a user message, then responses of which the last one ends the turn, "
                f"got another order in turn {number}"
            )
        turns.append(Turn(number=number, user=user, responses=responses, stop=positions[-1] + 1))
    return turns


def _responses(
    items: Sequence[Item],
    positions: Sequence[int],
    turn: int,
    facts: Mapping[int, tuple[Fact, ...]],
) -> Iterator[Response]:
    """Cut a stretch without a user into responses.

    A response is a text, or calls, or a text with the calls that follow it. The output of a call
    is the first thing that is not of the model any more.
    """
    at = positions[0]
    stop = positions[-1] + 1
    while at < stop:
        start, text = at, None
        if items[at].get("role") == "assistant":
            text = items[at]["content"]
            at += 1
        calls = []
        while at < stop and items[at].get("type") == "function_call":
            calls.append(at)
            at += 1
        yield Response(
            turn=turn,
            start=start,
            text=text,
            calls=tuple((items[call]["name"], items[call]["arguments"]) for call in calls),
            facts=tuple(fact for call in calls for fact in facts.get(call, ())),
        )
        while at < stop and items[at].get("type") == "function_call_output":
            at += 1
