"""What is particular to `MemoryStorage`: its limits."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from compact_otel.adapters import MemoryStorage
from compact_otel.core.errors import ConfigError, StorageError

ITEM = {"content": "x" * 984}  # 1,000 bytes as a record


def test_the_session_written_to_least_recently_goes_first():
    storage = MemoryStorage(max_sessions=2)
    for session_id in ("a", "b", "a", "c"):
        storage.save_event(session_id, {})
    assert storage.sessions() == ["a", "c"]
    assert len(storage.load_events("a")) == 2


def test_many_threads_at_once_share_no_number():
    storage = MemoryStorage()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            receipts = list(pool.map(lambda _: storage.save_transcript("s", []), range(4_000)))
    finally:
        sys.setswitchinterval(before)
    assert sorted(receipt.step for receipt in receipts) == list(range(1, 4_001))


def test_bytes_are_bounded_over_all_sessions():
    storage = MemoryStorage(max_bytes=5_100)
    for n in range(8):
        storage.save_transcript(f"s{n}", [ITEM])
    assert storage.sessions() == ["s3", "s4", "s5", "s6", "s7"]


def test_a_single_session_loses_its_oldest_records_and_keeps_counting():
    storage = MemoryStorage(max_bytes=3_100)
    steps = [storage.save_transcript("s", [ITEM]).step for _ in range(10)]
    assert steps == list(range(1, 11))
    assert storage.steps("s") == [8, 9, 10]
    with pytest.raises(StorageError, match="no transcript of step 1"):
        storage.load_transcript("s", 1)


def test_replacing_a_record_gives_its_bytes_back():
    storage = MemoryStorage(max_bytes=2_100)
    for _ in range(50):
        storage.save_summary("s", 1, ITEM)
    storage.save_summary("s", 2, ITEM)
    assert storage.load_summary("s", 1) == storage.load_summary("s", 2) == ITEM


def test_a_record_larger_than_the_limit_is_refused_and_costs_nothing_else():
    storage = MemoryStorage(max_bytes=1_500)
    storage.save_transcript("s", [ITEM])
    with pytest.raises(StorageError, match="need `max_bytes` >= 2000"):
        storage.save_transcript("t", [ITEM, ITEM])
    assert storage.steps("s") == [1]
    assert storage.sessions() == ["s"]


@pytest.mark.parametrize("limit", ["max_sessions", "max_bytes"])
def test_a_limit_below_one_is_refused(limit):
    with pytest.raises(ConfigError, match=f"need `{limit}` >= 1, got 0"):
        MemoryStorage(**{limit: 0})
