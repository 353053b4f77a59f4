"""What a user's summariser leaves out is put back, and the events say how much that was."""

import asyncio
import re
import time

import pytest

from compact_otel.config import CompactConfig, StorageConfig, SummarizerConfig
from compact_otel.core.facts import Facts
from compact_otel.core.settings import CompactPolicy
from compact_otel.manager import CompactManager
from tests.histories import Estimator, Exporter

LOREM = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor."
LEDGER = "## Facts from the record"


class Writer:
    """Answers what it is told to, the last of it again and again."""

    name = "writer"

    def __init__(self, *answers):
        self.requests = []
        self._answers = answers

    def summarize(self, request):
        answer = self._answers[min(len(self.requests), len(self._answers) - 1)]
        self.requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer


class AsyncWriter(Writer):
    async def summarize(self, request):
        await asyncio.sleep(0)
        return super().summarize(request)


def bookings(count):
    return [
        {
            "role": ("user", "assistant")[n % 2],
            "content": f"Booking BK-77{n:03} is in room R{n:03}. " + "well " * 30,
        }
        for n in range(count)
    ]


def manager(writer, *exporters, limit=1500, policy=(), **summarizer):
    config = CompactConfig(
        max_context_tokens=limit,
        policy=CompactPolicy(
            **{
                "hard_cap_buffer": 0,
                "soft_trigger_pct": 0,
                "summary_max_tokens": 600,
                **dict(policy),
            }
        ),
        storage=StorageConfig(adapter="none"),
        summarizer=SummarizerConfig(**summarizer),
    )
    return CompactManager(config, estimator=Estimator(), summarizer=writer, exporters=exporters)


def created(exporter):
    (event,) = exporter.named("summary_created")
    return {
        name.removeprefix("compact.summary."): value
        for name, value in event.items()
        if name.startswith("compact.summary.")
    }


def failures(exporter):
    return [
        tuple(
            event[f"compact.failure.{name}"] if name != "type" else event["error.type"]
            for name in ("stage", "fallback", "type")
        )
        for event in exporter.named("error")
    ]


@pytest.mark.parametrize("kind", [Writer, AsyncWriter])
async def test_a_summary_that_says_nothing_gets_the_facts_put_back(kind):
    exporter, writer = Exporter(), kind(LOREM)
    result = await manager(writer, exporter).apreflight("s", bookings(40))
    assert result.outcome == "compacted"
    assert LEDGER in result.summary
    assert re.search(
        r"^- (User|Assistant): .*Booking BK-77\d+ is in room R\d+", result.summary, re.MULTILINE
    )
    said = created(exporter)
    assert said["facts_in_prose"] == said["coverage_before"] == 0
    assert 0 < said["facts_kept"] <= said["facts_found"]
    assert 0.5 < said["coverage_after"] <= 1.0
    assert result.tokens_after <= 1500


def test_what_a_summariser_writes_leaves_room_for_the_facts():
    asked = {}
    for pct in (0.0, 0.5):
        writer = Writer(LOREM)
        manager(writer, ledger_pct=pct).preflight("s", bookings(40))
        asked[pct] = writer.requests[0].max_tokens
    assert asked[0.5] == asked[0.0] // 2


def test_it_is_asked_once_more_with_what_it_left_out():
    exporter, writer = Exporter(), Writer(LOREM)
    manager(writer, exporter).preflight("s", bookings(40))
    first, again = writer.requests
    assert first.missing == ()
    assert all("BK-77" in line for line in again.missing[:3])
    assert again.items == first.items
    assert failures(exporter) == [("verify", "retry_facts", "low_coverage")]
    assert len(exporter.named("summary_created")) == 1


def test_the_better_of_two_answers_is_used():
    better = " ".join(f"Booking BK-77{n:03} is in room R{n:03}." for n in range(22, 26))
    exporter = Exporter()
    result = manager(Writer(LOREM, better), exporter).preflight("s", bookings(40))
    assert created(exporter)["coverage_before"] > 0
    assert LOREM not in result.summary
    exporter = Exporter()
    result = manager(Writer(better, LOREM), exporter, facts_floor=1).preflight("s", bookings(40))
    assert created(exporter)["coverage_before"] > 0
    assert LOREM not in result.summary


def test_a_second_answer_that_fails_costs_nothing():
    exporter = Exporter()
    result = manager(Writer(LOREM, RuntimeError()), exporter).preflight("s", bookings(40))
    assert result.outcome == "compacted"
    assert LEDGER in result.summary
    assert failures(exporter)[-1] == ("summarize", "passthrough", "RuntimeError")


def test_it_is_not_asked_again_where_half_of_its_time_is_gone():
    class Slow(Writer):
        def summarize(self, request):
            time.sleep(1.2)
            return super().summarize(request)

    exporter, writer = Exporter(), Slow(LOREM)
    manager(writer, exporter, timeout=2).preflight("s", bookings(40))
    assert len(writer.requests) == 1
    assert failures(exporter)[-1] == ("summarize", "passthrough", "timeout")


def test_with_a_floor_of_0_or_a_whole_ledger_nobody_is_asked_again():
    writer = Writer(LOREM)
    manager(writer, facts_floor=0).preflight("s", bookings(40))
    assert len(writer.requests) == 1
    writer, exporter = Writer("Hm."), Exporter()
    few = [*bookings(2), *({"role": "user", "content": "well " * 60} for _ in range(24))]
    manager(writer, exporter).preflight("s", few)
    assert created(exporter)["coverage_after"] == 1.0
    assert len(writer.requests) == 1


def test_verification_can_be_switched_off():
    exporter, writer = Exporter(), Writer(LOREM)
    result = manager(writer, exporter, verify=False).preflight("s", bookings(40))
    assert result.summary == LOREM
    assert len(writer.requests) == 1
    assert "coverage_after" not in created(exporter)


def test_one_without_a_model_is_not_asked_again():
    class Immediate(Writer):
        immediate = True

    writer = Immediate(LOREM)
    assert LEDGER in manager(writer).preflight("s", bookings(40)).summary
    assert len(writer.requests) == 1


def test_our_own_summary_says_how_much_it_holds():
    exporter = Exporter()
    result = manager(None, exporter).preflight("s", bookings(40))
    said = created(exporter)
    assert said["coverage_before"] == said["coverage_after"] > 0
    assert LEDGER not in result.summary


@pytest.mark.parametrize("fault", [RuntimeError, RecursionError, MemoryError])
def test_facts_that_cannot_be_checked_cost_no_summary(fault, monkeypatch):
    def fails(*_):
        raise fault

    monkeypatch.setattr(Facts, "repaired", fails)
    exporter = Exporter()
    result = manager(Writer(LOREM), exporter).preflight("s", bookings(40))
    assert (result.outcome, result.summary) == ("compacted", LOREM)
    assert failures(exporter) == [("verify", "passthrough", fault.__name__)]
    assert "coverage_after" not in created(exporter)


def test_facts_that_take_too_long_cost_no_summary(monkeypatch):
    monkeypatch.setattr("compact_otel.engine.performing.VERIFY_LIMIT", 0.2)
    monkeypatch.setattr(Facts, "repaired", lambda *_: time.sleep(3))
    exporter = Exporter()
    result = manager(Writer(LOREM), exporter).preflight("s", bookings(40))
    assert (result.outcome, result.summary) == ("compacted", LOREM)
    assert failures(exporter) == [("verify", "passthrough", "timeout")]


def test_a_summary_that_was_written_ahead_is_verified_too():
    exporter = Exporter()
    made = manager(Writer(LOREM), exporter, limit=2000, policy={"soft_trigger_pct": 0.5})
    history, result, end = bookings(30), None, time.monotonic() + 20
    made.preflight("s", history)
    while not exporter.named("summary_created"):
        assert time.monotonic() < end
        time.sleep(0.01)
    while result is None or result.outcome == "skipped":
        history = [*history, *bookings(2)]
        result = made.preflight("s", history)
        time.sleep(0.01)
    ahead, used = exporter.named("summary_created")
    assert LEDGER in result.summary
    assert used["compact.summary.prepared"] is True
    for name in ("facts_found", "facts_in_prose", "facts_kept", "coverage_before"):
        assert used[f"compact.summary.{name}"] == ahead[f"compact.summary.{name}"]
    assert used["compact.summary.coverage_after"] > 0.5


def test_facts_last_through_five_rounds_of_lorem_ipsum():
    made, history = (
        manager(Writer(LOREM), limit=4000, policy={"keep_user_tokens": 0}),
        [{"role": "user", "content": "Deliver only to the depot with the code LDS-7741-X."}],
    )
    version = 0
    while version < 5:
        history = [*history, *bookings(2)]
        result = made.preflight("s", history)
        version = result.summary_version or 0
    assert "LDS-7741-X" in str(result.messages)
    assert result.summary.count(LEDGER) == 1
    assert result.tokens_after <= 4000


def test_a_request_says_where_in_the_conversation_its_items_stood():
    writer, history = Writer(LOREM), bookings(40)
    manager(writer, limit=2000).preflight("s", history)
    request = writer.requests[0]
    first = history.index(request.items[0])
    assert request.turns_before == sum(item["role"] == "user" for item in history[:first])
    ranked = [(place, 1, item) for place, item in enumerate(request.items)]
    ranked += [
        (place, 0, item) for place, item in zip(request.kept_after, request.kept, strict=True)
    ]
    ranked.sort(key=lambda one: one[:2])
    assert [item for _, _, item in ranked] == history
