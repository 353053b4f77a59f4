"""A history twice as long takes about twice as long; a rescan per item would take four times."""

import time

import pytest

from compact_otel.core.assemble import View, whole
from compact_otel.core.facts.salience import Vocabulary
from compact_otel.core.facts.splitting import split
from compact_otel.core.frame import defuse
from compact_otel.core.items import blocks
from compact_otel.core.ledger import prefix_keys
from compact_otel.core.policy import Limits, make_plan
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import SummaryRequest
from compact_otel.core.verify import verify
from tests.histories import call, output, session

POLICY = CompactPolicy(keep_recent_turns=200, keep_tool_io_pairs=200)


def planned(items):
    tokens = [10] * len(items)
    return make_plan(
        items,
        tokens,
        POLICY,
        Limits(
            trigger=len(items) * 8, target=len(items), budget=len(items) * 9, soon=len(items) * 7
        ),
        trigger="preflight",
        fixed_tokens=0,
        frame_tokens=60,
    )


def verified(items):
    plan = planned(items)
    verify(items, whole(items), View(kept=plan.kept, summary="x", version=1), POLICY)


def one_id(items):
    """Every call open at once, under one id: the worst that pairing can meet."""
    half = len(items) // 2
    blocks([*[call("same")] * half, *[output("same")] * half])


def blanks(items):
    defuse("<" + " " * 20 * len(items) + "x")


def empty_lines(items):
    """What a model writes that does not find its end."""
    said = [{"role": "assistant", "content": "Done." + "\n" * (len(items) // 4) + "Next."}]
    split(SummaryRequest(items=said), Vocabulary())


@pytest.mark.parametrize(
    "work", [planned, verified, blocks, prefix_keys, one_id, blanks, empty_lines]
)
def test_twice_the_history_takes_less_than_three_times_as_long(work):
    half, whole_ = session(3000)[:10_000], session(6000)[:20_000]
    assert (len(half), len(whole_)) == (10_000, 20_000)

    def best(items):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            work(items)
            times.append(time.perf_counter() - start)
        return min(times)

    ratios = []
    for _ in range(4):  # other work on the machine slows one measurement, not four
        ratios.append(best(whole_) / best(half))
        if ratios[-1] < 3:
            return
    pytest.fail(f"ratios {ratios}")
