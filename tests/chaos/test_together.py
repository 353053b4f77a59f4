"""Everything fails now and then in one long session: it is answered, whole, and archived."""

import random
from dataclasses import replace

import pytest
from agents import SQLiteSession

import compact_otel
from compact_otel.adapters import FileStorage
from compact_otel.engine.spool import SPOOL
from compact_otel.testing import LocalOpenAI, Step
from tests.ahead.program import until
from tests.chaos.program import client_of, converse, looks_up_then_answers
from tests.chaos.provider import BEFORE, ModelRoad, midway
from tests.chaos.test_clock import HOUR_S, Clock

TURNS = 30
WINDOW = 3000
SEEDS = range(10)
PASSING = ("no answer", "reset", "429", "500", "a page of HTML", "no HTTP", "half a head")
"""What the client gets over by asking again."""
BREAKS = ("is cut", "is reset", "says half an event", "says an error")
"""What ends a turn in the middle of its answer; its user asks again."""
PATH = "/v1/responses"


def plays(request):
    step = looks_up_then_answers(request)
    return step if step.text is None else replace(step, text=step.text + " indeed" * 120)


class Moody:
    """An exporter that fails now and then."""

    def __init__(self, dice):
        self._dice = dice

    def export(self, event):
        if self._dice.random() < 0.1:
            raise OSError("nobody listens")


class Place:
    """The folder of an archive, which may be away: then a file stands in its place."""

    def __init__(self, path):
        self._path, self._kept = path, path.with_name("away")
        self.is_away = False

    def turn(self):
        self.is_away = not self.is_away
        if self.is_away:
            if self._path.exists():
                self._path.rename(self._kept)
            self._path.write_text("no folder")
        else:
            self._path.unlink()
            if self._kept.exists():
                self._kept.rename(self._path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_session_in_which_everything_fails_now_and_then(
    seed, switch_on, watch, monkeypatch, tmp_path
):
    dice, clock, place = random.Random(seed), Clock(monkeypatch), Place(tmp_path / "archive")
    archive, session = FileStorage(tmp_path / "archive"), SQLiteSession("chaos")
    with (
        LocalOpenAI(plays, context_window=WINDOW) as server,
        LocalOpenAI(lambda _: Step("So far: orders.")) as scribe,
        ModelRoad(server) as road,
        ModelRoad(scribe) as writer,
    ):
        switch_on(
            max_context_tokens=WINDOW,
            hard_cap_buffer=300,
            keep_recent_turns=2,
            keep_tool_io_pairs=1,
            storage=archive,
            exporters=[Moody(dice)],
            summarizer=compact_otel.OpenAISummarizer(
                "writer", client=lambda: client_of(writer.base_url), timeout=5.0, window=50_000
            ),
        )
        for turn in range(TURNS):
            if dice.random() < 0.2:
                place.turn()
            if dice.random() < 0.2:
                clock.offset_s += dice.choice((-HOUR_S, 24 * HOUR_S))
            script = [BEFORE[dice.choice(PASSING)]] if dice.random() < 0.3 else []
            breaks = dice.random() < 0.2
            if breaks:
                words = dice.choice((b"function_call_arguments.delta", b"output_item.added"))
                script.append(midway(words)[dice.choice(BREAKS)])
            road.faults[PATH] = script
            writer.faults[PATH] = [BEFORE[dice.choice(PASSING)]] * dice.choice((0, 0, 1, 9))
            question, answers = f"What of order {turn}", []
            while not answers or isinstance(answers[-1], tuple):
                seen = await converse(road.base_url, [question], session=session, streamed=breaks)
                answers += seen.turns
                assert len(seen.looked_up) <= 1
            assert len(answers) == 1 + breaks, "as often as a stream broke"
            assert answers[-1].startswith(f"The record says: the record of {question}")
        if place.is_away:
            place.turn()
        # What a summary ahead puts there meanwhile would wait for the next compaction.
        await until(lambda: SPOOL.call() or not SPOOL.has(archive, "chaos"))
        refused = [request.error for request in server.requests if request.error]
    assert refused == [], "legal, and inside of the window"
    made = sum(outcome in ("compacted", "fallback") for outcome in watch.outcomes)
    assert made >= 1
    assert [span for span in watch.spans if _gave_up(span)] == []
    assert archive.steps("chaos") == list(range(1, made + 1))
    assert archive.verify("chaos") == []
    users = [item["content"] for item in await session.get_items() if item.get("role") == "user"]
    assert [said for n, said in enumerate(users) if said not in users[:n]] == [
        f"What of order {turn}" for turn in range(TURNS)
    ]
    # Of what there is to say the writer says next to nothing, and may be asked once more.
    failed = watch.failures - {("verify", "low_coverage")}
    assert {stage for stage, _ in failed} <= {"summarize", "archive"}, failed
    waited = [told for told in watch.events("archival") if told.get("compact.archive.waiting")]
    assert all(told["error.type"] == "StorageError" for told in waited)


def _gave_up(span):
    """Say whether a call went out without its compaction; a summary ahead may be given up."""
    given = span.attributes
    return (given["compact.outcome"], given["compact.trigger.type"]) == ("error", "preflight")
