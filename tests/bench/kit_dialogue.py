"""Canaries, updates and demands inside real dialogue: long sessions of an airline's customers.

The canaries and updates are those of compaction-conformance-kit (MIT), said by users between the
real messages; the demands are those of `constraints.py`. A round compacts what the last one left
and the next stretch to the same budget.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from constraints import (
    HELD_OUT,
    TUNED,
    compacted,
    planted,
    transcripts,
)
from kit_conformance import kit
from kit_pipeline import Item, shorten, text_of, tokens_of

_TOKENS = 64_000
_BUDGET = 0.10
_ROUNDS = 5
_STRETCH = 8_000
_SEEDS = (1, 2, 3)

Shorten = Callable[[Sequence[Item], int], list[Item]]


def dialogue(folder: Path) -> list[Item]:
    """Return a real dialogue that is longer than all rounds need.

    Raises:
        FileNotFoundError: If the folder has no transcripts of customer service.
    """
    items: list[Item] = []
    for conversation in transcripts(folder):
        if conversation.get("shape") == "seq" and str(conversation.get("group")).startswith(
            "airline"
        ):
            items += conversation["items"]
    if tokens_of(items) < _TOKENS + (_ROUNDS - 1) * _STRETCH:
        raise FileNotFoundError(f"no transcripts of an airline in {folder}: give --data DIR")
    return items


def _cut(items: Sequence[Item], tokens: int) -> int:
    """Return where a dialogue has so many tokens, before a user's message."""
    used = 0
    for place, item in enumerate(items):
        if used >= tokens and item.get("role") == "user":
            return place
        used += tokens_of([item])
    return len(items)


def _with(items: Sequence[Item], said: Sequence[str]) -> list[Item]:
    """Return a dialogue with messages spread evenly before users' messages, each acknowledged."""
    users = [place for place, item in enumerate(items) if item.get("role") == "user"]
    step = len(users) / (len(said) + 1)
    at = {users[int(step * (number + 1))]: text for number, text in enumerate(said)}
    result: list[Item] = []
    for place, item in enumerate(items):
        if place in at:
            result += [
                {"role": "user", "content": at[place]},
                {"role": "assistant", "content": "Noted."},
            ]
        result.append(item)
    return result


def _texts(items: Sequence[Item], rest: Sequence[Item], shortened: Shorten = shorten) -> list[str]:
    """Return what is left after each round."""
    room = int(tokens_of(items) * _BUDGET)
    texts: list[str] = []
    history = list(items)
    for _ in range(_ROUNDS):
        history = shortened(history, room)
        texts.append("\n".join(map(text_of, history)).lower())
        stop = _cut(rest, _STRETCH)
        history, rest = [*history, *rest[:stop]], rest[stop:]
    return texts


def canaries(folder: Path, shortened: Shorten = shorten) -> dict[str, float]:
    """Return the kit's canaries that survive in 64k tokens of dialogue, in per cent."""
    items = dialogue(folder)
    stop = _cut(items, _TOKENS)
    planted_here = kit("canaries").seeded_canaries()
    probe = kit("probes").BehaviorProbe()
    said = [one.content for one in planted_here]
    texts = _texts(_with(items[:stop], said), items[stop:], shortened)
    rates = [
        100 * sum(probe.probe(one, text).survived for one in planted_here) / len(planted_here)
        for text in texts
    ]
    return {"budget": _BUDGET, **{f"round_{n}": rate for n, rate in enumerate(rates, 1)}}


def updates(folder: Path, shortened: Shorten = shorten) -> dict[str, float]:
    """Return how many of the kit's eight paraphrased updates are resolved, mean of some seeds."""
    items = dialogue(folder)
    stop = _cut(items, _TOKENS)
    resolved = latest = 0
    for build in ("build_semantic_session", "build_semantic_heldout_session"):
        for seed in _SEEDS:
            _, known, meta = getattr(kit("semantic_corpus"), build)(seed)
            changed = [one for one in known if one.id in meta["conflicts"]]
            said = [*meta["initial_statements"].values(), *(one.content for one in changed)]
            text = _texts(_with(items[:stop], said), items[stop:], shortened)[-1]
            for one in changed:
                kept = all(token in text for token in one.required_tokens)
                latest += kept
                resolved += kept and not any(token in text for token in one.superseded_tokens)
    runs = 2 * len(_SEEDS)
    return {"of": 8.0, "resolved": resolved / runs, "latest_kept": latest / runs}


def constraints(folder: Path) -> dict[str, Any]:
    """Return the demands that stand word for word after three rounds, in per cent."""
    items = dialogue(folder)[: _cut(dialogue(folder), _TOKENS)]
    shares: dict[str, Any] = {"budget": _BUDGET, "rounds": 3}
    for name, demands in (("tuned", TUNED), ("held_out", HELD_OUT)):
        kept = 0
        for seed in _SEEDS:
            some = demands[seed - 1 :: len(_SEEDS)]
            text = " ".join(compacted(planted(items, some, (), seed), _BUDGET, 3).split()).lower()
            kept += sum(" ".join(demand.split()).lower() in text for demand in some)
        shares[name] = 100 * kept / len(demands)
    return shares
