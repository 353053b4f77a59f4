"""A few of the conversations of `python -m tests.soak`, and that it would notice what is wrong."""

import asyncio
import gc
import time
import weakref

import pytest
from openai.resources.chat.completions import completions
from openai.resources.responses import responses

import compact_otel
from compact_otel.adapters.fs import FileStorage
from compact_otel.adapters.memory import MemoryStorage
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.testing import ModelRequest
from tests.soak import archives, figures
from tests.soak.figures import BROKEN, figures_of, is_good
from tests.soak.playing import Playing
from tests.soak.running import Outcome, run
from tests.soak.scenario import Scenario

KIB = 1024
# Short ones that have between them all that is drawn: both APIs, streams, each kind of summary and
# archive, each fault, a handover, a restart, reasoning, a rule, and a window that is none.
SEEDS = (8, 55, 92, 167, 189, 208, 233, 248)
SECRET = "ghp_q550C13ndhAqdJPf1G1GAM5C1nC3C7151hGC"


@pytest.mark.slow
async def test_conversations_of_all_kinds_reach_their_end():
    scenarios = [Scenario.drawn(seed, 1.6) for seed in SEEDS]
    for kind, kinds in {"api": 2, "stream": 2, "window": 4, "summaries": 4, "kept": 4}.items():
        assert len({getattr(one, kind) for one in scenarios}) == kinds, kind
    figures = figures_of([await run(scenario) for scenario in scenarios])
    assert is_good(figures), figures
    assert figures["reached their end"] == 8
    assert figures["events"]["compact.summary_created"] > 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("windows", "seed", "api", "compactions"), [(3, 108, "chat", 3), (10, 229, "responses", 10)]
)
async def test_a_session_of_many_windows_keeps_to_one(windows, seed, api, compactions):
    scenario = Scenario.drawn(seed, windows, 3_000)
    outcome = await run(scenario)
    assert is_good(figures_of([outcome])), outcome
    assert (scenario.api, outcome.turns) == (api, len(scenario.turns))
    said = sum(map(TiktokenEstimator().count_text, scenario.said(outcome.turns)))
    assert said >= windows * scenario.window
    assert outcome.events["compact.pruned_messages"] >= compactions


async def test_without_us_they_do_not(monkeypatch):
    monkeypatch.setattr(compact_otel, "instrument", lambda **_: None)
    outcome = await run(Scenario.drawn(2, 2, 4_000))
    assert outcome.overflows == 1
    assert not is_good(figures_of([outcome]))


def test_a_seed_draws_the_same_conversation_again():
    assert Scenario.drawn(7) == Scenario.drawn(7)
    assert Scenario.drawn(7) != Scenario.drawn(8)


@pytest.mark.parametrize("seed", [3, 10])
async def test_what_is_left_out_in_a_hurry_changes_no_request(seed, monkeypatch):
    looked_at = []
    for api in (completions, responses):

        async def compared(data, expected, transform=api.async_maybe_transform):
            looked_at.append(await transform(data, expected))
            assert looked_at[-1] == await figures._as_it_is(data, expected)
            return looked_at[-1]

        monkeypatch.setattr(api, "async_maybe_transform", compared)
    outcome = await run(Scenario.drawn(seed, 1.2, 3_000))
    assert is_good(figures_of([outcome])), outcome
    assert len(looked_at) >= outcome.calls > 10


@pytest.mark.parametrize("field", [*BROKEN.values(), "failed"])
def test_one_fault_of_any_kind_is_one_too_many(field):
    good, bad = (Outcome(seed) for seed in (1, 2))
    setattr(bad, field, 1 if field in ("overflows", "over_budget") else ["what is wrong"])
    assert is_good(figures_of([good]))
    found = figures_of([good, bad])
    assert not is_good(found)
    assert found["replay with --only"].keys() == {2}


def test_a_process_that_grows_is_not_good():
    def grown(by):
        return [Outcome(n, worker=n % 2, memory=(n % 2) * n * by * KIB) for n in range(800)]

    assert figures_of(grown(5))["KiB that each leaves"] == 10
    assert is_good(figures_of(grown(5)))
    assert not is_good(figures_of(grown(400)))
    assert figures_of(grown(400)[:100])["KiB that each leaves"] is None


async def test_nothing_of_a_conversation_is_left(monkeypatch):
    managers = []

    def noted(instrument=compact_otel.instrument, **options):
        manager = instrument(**options)
        managers.append(weakref.ref(manager))
        return manager

    monkeypatch.setattr(compact_otel, "instrument", noted)
    assert (await run(Scenario.drawn(8, 1.6))).failed is None
    until = time.monotonic() + 5
    while any(manager() for manager in managers) and time.monotonic() < until:
        await asyncio.sleep(0.05)  # threads of ours end soon after
        gc.collect()
    assert [manager() for manager in managers] == [None]


@pytest.mark.parametrize("lacks", ["question", "rule", None])
def test_a_request_without_what_must_be_in_it_is_noticed(lacks):
    scenario = next(one for one in map(Scenario.drawn, range(99)) if one.rule)
    playing = Playing(scenario)
    said = {"rule": scenario.rule, "question": scenario.turns[0].asked}
    if lacks is not None:
        said[lacks] = f"<COMPACT-SUMMARY v1>\n{said[lacks]}\n</COMPACT-SUMMARY>"
    said["summary"] = "<COMPACT-SUMMARY v1>\nWhat was done for it.\n</COMPACT-SUMMARY>"
    items = [{"role": "user", "content": text} for text in said.values()]
    playing(
        ModelRequest(
            api="chat", model="any", instructions=None, items=items, tools=(), text="", number=1
        )
    )
    assert playing.lacking == ([f"request 1 lacks the {lacks}"] if lacks else [])


def test_what_an_archive_lacks_or_tells_is_noticed(tmp_path):
    files, memory = FileStorage(tmp_path / "a", redact=False), MemoryStorage()
    for storage in (files, memory):
        storage.save_transcript("s", [{"role": "user", "content": f"TOKEN={SECRET} is kept"}])

    def faults(storage, *wanted, redacts=False):
        return archives.faults([storage], "s", tmp_path, wanted, redacts=redacts)

    assert faults(files, "is kept", f"TOKEN={SECRET}") == faults(memory, "is kept") == []
    assert faults(memory, "is not") == ["not in the archive: is not"]
    name = "transcript-pre-compact-001.jsonl"
    told = faults(files, f"TOKEN={SECRET}", redacts=True)
    assert told == ["a secret is in the archive", f"a secret is in {name}"]
    path = next(tmp_path.rglob(name))
    path.write_text(path.read_text().replace("kept", "left"))
    assert faults(files, "is left") == ["`transcript-pre-compact-001` is not what was written"]
