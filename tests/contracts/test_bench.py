"""The table of peers is honest: nobody is left out of it, and each did what was timed."""

import asyncio
import importlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "tests" / "bench"


@pytest.fixture
def bench(monkeypatch):
    """Return a module of the benchmarks; they are scripts that import one another."""
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module


def row_of(bench, peer):
    """Return the row of a peer that could not be measured."""
    figures = {"missing": bench("peers").command(peer, isolated=False)}
    return {"peer": peer.name, "decides_by": peer.counts, "reads_items": peer.reads, **figures}


def test_a_peer_that_is_not_installed_is_a_row_that_says_so(bench):
    peer = bench("adapters").Peer("Somebody", lambda items: None, "chars/4", "no-such-package")
    made = bench("peers").table([row_of(bench, peer)])
    assert "| Somebody | - | chars/4 | not installed |" in made


def test_a_peer_that_cannot_be_installed_beside_us_says_why(bench):
    peer = bench("adapters").Peer(
        "Somebody", lambda items: None, "chars/4", "no-such-package", apart="it needs y < 2"
    )
    assert "not installed: it needs y < 2" in bench("peers").table([row_of(bench, peer)])


def test_the_bench_group_installs_every_peer_that_fits_beside_us(bench):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    group = {re.split(r"[<>=~! ]", line)[0] for line in project["dependency-groups"]["bench"]}
    beside_us = {peer.package for peer in bench("adapters").PEERS if not peer.apart}
    assert group == beside_us - {None, "openai-agents"}


def test_the_program_without_us_sends_what_the_one_with_us_sent(bench):
    plan, sent = bench("session").Plan([]), []
    histories = [[{"n": n} for n in range(length)] for length in range(1, 12)]
    for call, history in enumerate(histories):
        gone = 0 if call < 4 else 3 if call < 8 else 6
        sent.append([{"summary": gone}, *history[gone:]] if gone else history)
        plan.learn(call, history, sent[-1])
    assert len(plan.steps) == 2
    again = bench("session").Plan(plan.steps)
    assert [again.sent(call, history) for call, history in enumerate(histories)] == sent


@pytest.mark.parametrize("name", ["compact_otel", "compact_otel, in an event loop"])
def test_what_is_timed_of_us_does_nothing_when_steady_and_compacts_when_triggered(
    bench, monkeypatch, name
):
    worker = bench("worker")
    monkeypatch.setattr(worker, "SECONDS", 0)  # the fewest rounds; it checks each of them
    figures = asyncio.run(worker.figures(name, bench("workload").history(100)))
    assert 0 < figures["items_after"] < 100
    assert 0 < figures["steady_ms"]["lowest"] < figures["triggered_ms"]["lowest"]
