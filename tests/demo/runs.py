"""Short runs of the demo: few turns, and a window that is too small for them."""

import asyncio
from pathlib import Path

from compact_otel.demo.figures import Figures
from compact_otel.demo.recording import bundled
from compact_otel.demo.run import run
from compact_otel.demo.settings import Settings, session_tokens


def settings(archive: Path, **changes) -> Settings:
    few = {"window": 8_500, "turns": 18, "stream": False, "api": "responses"}
    return Settings(**{**few, "archive": archive, "live": False, "model": "gpt-4o-mini", **changes})


def play(chosen: Settings) -> Figures:
    tokens = session_tokens(chosen, bundled())
    return asyncio.run(run(chosen, bundled(chosen.turns), tokens, lambda part, turn: None))
