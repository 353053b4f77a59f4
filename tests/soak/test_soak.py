"""A few of the conversations of `python -m tests.soak`, and that it would notice what is wrong."""

import pytest

import compact_otel
from tests.soak.figures import figures_of, is_good
from tests.soak.running import run
from tests.soak.scenario import Scenario


@pytest.mark.slow
async def test_conversations_of_all_kinds_reach_their_end():
    figures = figures_of([await run(Scenario.drawn(seed)) for seed in range(1, 9)])
    assert is_good(figures), figures
    assert figures["reached their end"] == 8
    assert figures["events"]["compact.summary_created"] > 8


async def test_without_us_they_do_not(monkeypatch):
    monkeypatch.setattr(compact_otel, "instrument", lambda **_: None)
    outcome = await run(Scenario.drawn(2, size=2))
    assert outcome.overflows == 1
    assert not is_good(figures_of([outcome]))


def test_a_seed_draws_the_same_conversation_again():
    assert Scenario.drawn(7) == Scenario.drawn(7)
    assert Scenario.drawn(7) != Scenario.drawn(8)
