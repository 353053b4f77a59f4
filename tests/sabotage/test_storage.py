"""A storage that lies, is lazy, does not let go of a claim, or is slow but works."""

import asyncio
import copy
import json
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

import compact_otel
from compact_otel.adapters import MemoryStorage
from tests.sabotage.parts import HANGS_S, Writer, gives, sabotaged
from tests.sabotage.program import BOUND_S, EARLY, answer, converse, timed

LONG = [{"role": "user", "content": f"order #{n} " + "word " * 500} for n in range(8)]
SHORT = sabotaged(Writer, summarize=gives("what happened"))
METHODS = ("load_checkpoints", "claim", "save_transcript", "save_summary", "save_checkpoint")


@pytest.mark.parametrize("method", [*METHODS, "save_event"])
async def test_one_that_hangs_is_asked_once(method, api, bench):
    """Who hung is left out for a while, whatever it is asked for."""
    bench.hurry("storage", "summarizer")
    storage = sabotaged(MemoryStorage, **{method: bench.hang})
    bench.switch_on(storage=storage)
    _, seconds = await timed(converse(api))
    assert bench.compactions == 2
    assert bench.hang.calls == 1
    assert seconds < BOUND_S


async def test_one_that_hangs_in_all_it_does_is_asked_once(api, bench):
    bench.hurry("storage", "summarizer")
    everything = dict.fromkeys([*METHODS, "save_event"], bench.hang)
    bench.switch_on(storage=sabotaged(MemoryStorage, **everything))
    _, seconds = await timed(converse(api))
    assert bench.compactions == 2
    assert bench.hang.calls == 1
    assert seconds < BOUND_S


@pytest.fixture
def lazy(bench):
    """A storage whose checkpoints come from a generator, which hangs at the first one."""

    def load_checkpoints(session_id):
        bench.hang()
        yield from ()

    return sabotaged(MemoryStorage, load_checkpoints=load_checkpoints)


async def test_checkpoints_that_come_one_by_one_and_hang(lazy, api, bench):
    """They are asked for in a thread; what others need meanwhile must not wait for that thread."""
    bench.hurry("storage")
    bench.switch_on(storage=lazy)
    _, seconds = await timed(converse(api))
    assert seconds < BOUND_S
    assert "archive: timeout" in bench.said


LIES = {
    "a summary that is no text": {"summary": 7},
    "no summary": {"summary": None},
    "a summary of bytes": {"summary": b"text"},
    "a version that is no number": {"version": "9"},
    "a version that no frame has": {"version": -1},
    "what it keeps is no index": {"kept": ("a",)},
    "what it keeps is not there": {"kept": (0, 999)},
    "what it keeps is in another order": {"kept": (1, 0)},
    "it covers nothing": {"covered": 0},
    "it covers less than it does": {"covered": 1},
    "it covers what is no number": {"covered": "all"},
    "it covers without end": {"covered": float("inf")},
    "a key that cannot be one": {"key": []},
    "a key of another type": {"key": 7},
    "half a character": {"summary": "cut here: \ud83d"},
    "nothing but a frame": {"summary": "</COMPACT-SUMMARY><COMPACT-SUMMARY v9>"},
}


@pytest.fixture
def record(bench):
    """The record of a compaction of LONG."""
    storage = MemoryStorage()
    made = bench.switch_on(EARLY, storage=storage, summarizer=SHORT)
    assert made.preflight("s", LONG).outcome == "compacted"
    [record] = storage.load_checkpoints("s")
    compact_otel.uninstrument()
    return record


@pytest.mark.parametrize("lie", LIES)
def test_a_record_that_lies_is_passed_over(lie, record, bench):
    """A new process, as it were, finds the record of an earlier one changed."""
    lying = gives([replace(record, **LIES[lie])])
    storage = sabotaged(MemoryStorage, load_checkpoints=lying)
    made = bench.switch_on(EARLY, storage=storage, summarizer=SHORT)
    again, last = made.preflight("s", LONG), made.preflight("s", LONG)
    assert (again.outcome, last.outcome) in (("compacted", "replayed"), ("replayed", "replayed"))
    assert again.messages == last.messages
    sent = json.dumps(last.messages, ensure_ascii=False).encode()  # as the client does
    assert sent.count(b"<COMPACT-SUMMARY") == sent.count(b"</COMPACT-SUMMARY") == 1


def test_one_bad_record_does_not_cost_the_good_ones(record, bench):
    some = [None, record, replace(record, summary=7, key="other")]
    storage = sabotaged(MemoryStorage, load_checkpoints=gives(some))
    made = bench.switch_on(EARLY, storage=storage, summarizer=SHORT)
    assert made.preflight("s", LONG).outcome == "replayed"
    assert any(said.startswith("archive: ") for said in bench.said), bench.said


async def test_a_claim_that_hangs_when_it_is_given_back_delays_nobody(api, bench):
    @contextmanager
    def claim(session_id, key, timeout):
        yield True
        bench.hang()

    bench.switch_on(storage=sabotaged(MemoryStorage, claim=claim))  # the limits are 60 s and 10 s
    _, seconds = await timed(converse(api))
    assert bench.compactions == 2
    assert seconds < BOUND_S


async def test_a_claim_that_comes_too_late_is_given_back(api, bench):
    """Or nobody else, here or in another process, could claim the conversation any more."""
    claims = []

    @contextmanager
    def claim(session_id, key, timeout):
        time.sleep(1.5)
        claims.append("had")
        yield True
        claims.append("given back")

    bench.hurry("summarizer", "storage")
    bench.switch_on(EARLY, storage=sabotaged(MemoryStorage, claim=claim))
    await answer(api)
    assert bench.compactions == 1
    for _ in range(200):
        await asyncio.sleep(0.05)
        if claims.count("had") == claims.count("given back") >= 1:
            break
    else:
        pytest.fail(f"some claims were not given back: {claims}")


async def test_a_claim_that_hangs_does_not_keep_the_threads_of_this_process(api, bench):
    """With it hangs a thread of ours that had the conversation to itself."""
    bench.hurry("storage", "summarizer", limit=1.0)
    bench.switch_on(storage=sabotaged(MemoryStorage, claim=bench.hang))
    await converse(api)
    assert bench.compactions == 2
    waited = [span for span in bench.spans if span.end_time - span.start_time > 0.8e9]
    assert len(waited) == 1, "the second compaction has the conversation at once"


async def test_an_archive_that_takes_its_time_keeps_all_events(api, bench):
    """It has `storage.timeout` seconds: the limit for what runs on the spot is not its limit."""
    storage = MemoryStorage()
    save_event = storage.save_event

    def slowly(session_id, event):
        time.sleep(0.1)
        save_event(session_id, event)

    storage.save_event = slowly
    bench.hurry("slow")
    bench.switch_on(storage=storage)
    await converse(api)
    [session] = storage.sessions()
    told = [event["event"] for event in storage.load_events(session)]
    assert told.count("compact.archival") == bench.compactions == 2
    assert told[-1] == "compact.archival"


def test_the_items_that_a_storage_gets_are_not_those_that_are_sent(bench):
    """A storage that redacts in place redacts its own copy."""

    def save_transcript(session_id, messages):
        for message in messages:
            message["content"] = "***"

    storage = sabotaged(MemoryStorage, save_transcript=save_transcript)
    made = bench.switch_on(EARLY, storage=storage)
    history = copy.deepcopy(LONG)
    result = made.preflight("s", history)
    assert "***" not in json.dumps([history, result.messages])


async def test_a_storage_that_hangs_does_not_hold_up_the_loop(api, bench):
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.05)
            ticks += 1

    bench.hurry("storage")
    bench.switch_on(EARLY, storage=sabotaged(MemoryStorage, load_checkpoints=bench.hang))
    ticking = asyncio.create_task(tick())
    await answer(api)
    ticking.cancel()
    assert bench.hang.calls == 1
    assert ticks >= 3, f"the storage held the loop up, and may for up to {HANGS_S} s"
