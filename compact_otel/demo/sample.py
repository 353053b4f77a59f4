"""Cuts the demo's session out of a file of recorded conversations.

    python -m compact_otel.demo.sample SOURCE.jsonl.gz

Where `session.json.gz` comes from:

* Repository `https://github.com/sierra-research/tau-bench`, commit
  `59a200c6d575d595120f1cb70fea53cef0632f6b`, path
  `historical_trajectories/gpt-4o-airline.json`: gpt-4o as an airline's customer service against a
  simulated user, trial 2, tasks 0 to 7. Persons, e-mail addresses and cards are invented.
* MIT, (c) 2024 Sierra: `LICENSE-tau-bench` beside the file.
* Changed by whoever prepared SOURCE: the conversations follow one another in one session; the
  messages became items of the Responses API; the end tokens of the user simulator (such as
  `###STOP###`) and calls that were never answered were removed; call ids were renumbered; for every
  call the values were listed that it took from earlier in the session ("facts").
* Changed here: of that session the first eight conversations are kept, up to the last turn that
  was answered, and of the facts what the demo reads. No word of the conversations was changed.

SOURCE holds one session a line, as JSON with `id`, `source`, `license`, `model`, `instructions`,
`tools`, `items`, `facts` and `segments` (`start` and `end` of each conversation in `items`).
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compact_otel.demo.recording import Recording
from compact_otel.testing.behaviour import readable_text

SESSION = "airline-seq-3"
FIRST, LAST = "tau-airline-t2-00", "tau-airline-t2-07"


def cut(session: Mapping[str, Any], first: str, last: str) -> dict[str, Any]:
    """Return the conversations from `first` to `last`, up to the last turn that was answered.

    Raises:
        KeyError: If there is no such conversation.
        ValueError: If what is left is no sequence of whole turns.
    """
    segments = {segment["id"]: segment for segment in session["segments"]}
    start, stop = segments[first]["start"], segments[last]["end"]
    while session["items"][stop - 1].get("role") == "user":
        stop -= 1
    items = session["items"][start:stop]
    head = ("id", "source", "license", "model", "instructions", "tools")
    made = {
        **{name: session[name] for name in head},
        "items": items,
        "facts": [
            _slim(fact, start)
            for fact in session["facts"]
            if start <= fact["needed_at_item"] < stop
            # What was said in an earlier conversation only is not there to be remembered.
            and fact["value"] in readable_text(None, items[: fact["needed_at_item"] - start])
        ],
    }
    Recording.of(made)
    return made


def _slim(fact: Mapping[str, Any], start: int) -> dict[str, Any]:
    return {
        "value": fact["value"],
        "needed_at_item": fact["needed_at_item"] - start,
        "tool": fact["tool"],
        "argument": fact["arg"],
        "origin": fact["origin"],
    }


def main(arguments: list[str]) -> None:
    """Write the session beside this module."""
    if len(arguments) != 1:
        raise SystemExit("usage: python -m compact_otel.demo.sample SOURCE.jsonl.gz")
    with gzip.open(arguments[0], "rt", encoding="utf-8") as lines:
        sessions = (json.loads(line) for line in lines)
        session = next((one for one in sessions if one["id"] == SESSION), None)
    if session is None:
        raise SystemExit(f"need a session with the id `{SESSION}` in {arguments[0]}, got none")
    text = json.dumps(cut(session, FIRST, LAST), ensure_ascii=False, separators=(",", ":"))
    # Without a time of writing, so that the same source gives the same bytes.
    packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    Path(__file__).with_name("session.json.gz").write_bytes(packed)


if __name__ == "__main__":
    main(sys.argv[1:])
