"""What a provider sealed: in front, word for word, within the budget, and only for its reader."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given

from compact_otel.core.types import CallContext, Summary, Usage
from tests.histories import (
    Estimator,
    Exporter,
    Storage,
    Summarizer,
    assistant,
    complaints,
    histories,
    is_summary,
    manager,
    readable,
    talk,
    user,
)

CALL = CallContext(model="m", reader="m at here")
USAGE = Usage(input_tokens=900, output_tokens=3)


@dataclass
class Provider:
    """Seals what it is asked to compact: the users' words in short, and a number for the rest."""

    name = "native"
    native = True
    asked: list = field(default_factory=list)
    size: int = 8
    usage: Usage = USAGE

    async def summarize(self, request):
        client, asked = request.native()
        assert client == "client"
        self.asked.append(asked["input"])
        said = {"type": "message", "role": "user", "content": f"set {len(self.asked)}"}
        content = f"{len(self.asked):0{self.size}d}"
        sealed = {"type": "compaction", "id": "cmp", "encrypted_content": content}
        return Summary("In front.", opaque=(said, sealed), usage=self.usage)


def native(items):
    return "client", {"model": "m", "input": items}


async def sent(made, history, *, call=CALL, native=native):
    return await made.apreflight(
        "s", history, call=call, native=native, on_insufficient="passthrough"
    )


def sealed(items):
    return [item for item in items if readable(item).get("type") == "compaction"]


async def test_it_stands_in_front_and_the_next_takes_it_up():
    provider = Provider()
    made, history = manager(900, summarizer=provider), talk(12)
    first = await sent(made, history)
    assert first.outcome == "compacted"
    assert first.messages[0]["content"] == "set 1"
    assert first.messages[1]["encrypted_content"] == "00000001"
    assert "In front." in first.summary
    assert all(any(item is known for known in history) for item in provider.asked[0])
    history = [*history, *talk(1)]
    again = await sent(made, history)
    assert again.outcome == "replayed"
    assert again.messages[: len(first.messages)] == first.messages
    second = await sent(made, [*history, *talk(9)])
    assert second.messages[:2] != first.messages[:2]
    assert provider.asked[1][:2] == first.messages[:2]
    assert sum(map(is_summary, provider.asked[1])) == 1
    assert (len(sealed(second.messages)), second.summary_version) == (1, 2)


async def test_the_provider_is_not_asked_again_for_what_its_note_lacks():
    exporter, provider = Exporter(), Provider()
    ids = (f"ORD-{n * 7919 % 100_000:05d}" for n in range(10_000))
    overdue = "of the northern branch office has been overdue since the day of the great fair"
    history = [assistant(f"The order {next(ids)} {overdue} of year {n}.") for n in range(160)]
    result = await sent(
        manager(2000, summarizer=provider, exporters=[exporter]), [user(), *history, user()]
    )
    assert result.outcome == "compacted"
    (told,) = exporter.named("summary_created")
    assert 0 < told["compact.summary.facts_kept"] < told["compact.summary.facts_found"]
    assert len(provider.asked) == 1


async def test_what_a_caller_changes_in_what_it_was_given_is_not_sent_again():
    made, history = manager(900, summarizer=Provider()), talk(12)
    first = await sent(made, history)
    first.messages[1]["encrypted_content"] = "forged"
    again = await sent(made, history)
    assert again.messages[1]["encrypted_content"] == "00000001"


@given(histories(rare=False))
async def test_what_is_asked_for_is_legal_by_itself_and_what_is_sent_within_the_budget(history):
    provider = Provider()
    limit = max(200, int(Estimator().total(history) * 0.8))
    made = manager(limit, summarizer=provider, keep_recent_turns=1, keep_tool_io_pairs=1)
    before = {(rule, key) for rule, _, key in complaints(history)}
    for more in ([], talk(5)):
        history = [*history, *more]
        result = await sent(made, history)
        for items in (result.messages, *provider.asked):
            assert {(rule, key) for rule, _, key in complaints(items)} <= before
            assert len(sealed(items)) <= 1
        if result.outcome == "compacted":
            assert Estimator().total(result.messages) <= result.tokens_after <= limit


async def test_what_it_costs_counts():
    small, large = [
        await sent(manager(2000, summarizer=Provider(usage=usage)), talk(30))
        for usage in (None, replace(USAGE, output_tokens=100))
    ]
    assert large.messages == small.messages
    (counted,) = Estimator().count_items(sealed(small.messages), None)
    assert large.tokens_after == small.tokens_after + 100 - counted


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size": 4000}, "too_long"),
        ({"usage": replace(USAGE, output_tokens=700)}, "too_long"),
    ],
)
async def test_what_is_too_long_goes_to_the_next_in_line_and_is_paid_for(change, reason):
    exporter = Exporter()
    made = manager(900, summarizer=Provider(**change), exporters=[exporter])
    result = await sent(made, talk(12))
    assert result.outcome == "fallback"
    assert not sealed(result.messages)
    (error,) = exporter.named("error")
    assert (error["error.type"], error["compact.failure.fallback"]) == (reason, "extractive")
    (created,) = exporter.named("summary_created")
    assert created["compact.summary.prompt_tokens"] == 900


ODD = [
    ({"type": "message", "role": "user", "content": "x"},),
    ({"type": "compaction"},),
    ({"type": "compaction", "encrypted_content": "x"}, {"type": "function_call", "call_id": "c"}),
    ("text",),
    [{"type": "compaction", "encrypted_content": "x"}],
]


@pytest.mark.parametrize("opaque", ODD)
async def test_what_could_not_be_sent_back_is_not_used(opaque):
    class Odd(Provider):
        async def summarize(self, request):
            return Summary("In front.", opaque=opaque)

    exporter = Exporter()
    result = await sent(manager(900, summarizer=Odd(), exporters=[exporter]), talk(12))
    assert result.outcome == "fallback"
    (error,) = exporter.named("error")
    assert error["error.type"] == ("type" if isinstance(opaque, list) else "malformed")


FOREIGN = {"type": "compaction", "encrypted_content": "of another"}


@pytest.mark.parametrize(
    ("history", "options"),
    [
        (talk(12), {"native": None}),
        (talk(12), {"call": replace(CALL, reader=None), "native": None}),
        ([user(), FOREIGN, *talk(12)], {}),  # of two such items the provider reads the last
    ],
    ids=["no way to ask", "nobody to read it", "one is there"],
)
async def test_where_it_cannot_be_asked_it_is_left_out_without_noise(history, options):
    provider, exporter = Provider(), Exporter()
    made = manager(900, summarizer=provider, exporters=[exporter])
    result = await sent(made, history, **options)
    assert result.outcome == "compacted"
    assert not provider.asked
    assert not exporter.named("error")
    assert exporter.named("summary_created")[0]["compact.summarizer.name"] == "extractive"


async def test_who_was_not_asked_to_cannot_seal():
    class Sneaking(Summarizer):
        def summarize(self, request):
            return Summary("In front.", opaque=(FOREIGN,))

    result = await sent(manager(900, summarizer=Sneaking()), talk(12), native=None)
    assert result.outcome == "fallback"
    assert not sealed(result.messages)


async def test_only_its_reader_gets_it_and_gets_it_again():
    made, history = manager(900, summarizer=Provider()), talk(12)
    first = await sent(made, history)
    assert (await sent(made, history)).outcome == "replayed"
    history = [*history, *talk(1)]
    other = await sent(made, history, call=replace(CALL, reader="another"), native=None)
    assert other.outcome == "compacted"
    assert not sealed(other.messages)
    assert other.dropped >= first.dropped
    assert other.summary_version == 1


@pytest.mark.parametrize("reader", ["m at here", "another"])
async def test_one_that_was_made_ahead_is_taken_by_its_reader_only(reader):
    storage, provider, history = Storage(), Provider(), talk(12)
    made = manager(Estimator().total(history) + 200, summarizer=provider, storage=storage)
    assert (await sent(made, history)).outcome == "skipped"
    for _ in range(200):
        if storage.checkpoints:
            break
        await asyncio.sleep(0.01)
    (prepared,) = storage.checkpoints["s"]
    assert prepared.opaque is not None
    due = await sent(made, [*history, *talk(2)], call=replace(CALL, reader=reader))
    assert due.outcome == "compacted"
    assert sealed(due.messages)
    assert len(provider.asked) == (1 if reader == CALL.reader else 2)
    assert (due.messages[0] == prepared.opaque.items[0]) == (reader == CALL.reader)


async def test_another_process_finds_it_in_the_storage():
    storage, history = Storage(), talk(12)
    first = await sent(manager(900, summarizer=Provider(), storage=storage), history)
    again = await sent(manager(900, summarizer=Provider(), storage=storage), history)
    assert (again.outcome, again.messages) == ("replayed", first.messages)
    other = manager(900, summarizer=Summarizer(), storage=storage)
    result = await sent(other, history, call=replace(CALL, reader="another"), native=None)
    assert result.outcome == "compacted"
    assert "opaque" not in {name for _, _, made in storage.summaries for name in made if made[name]}


async def test_by_hand_nothing_is_sealed_since_the_result_may_go_anywhere():
    made, history = manager(900, summarizer=Provider()), talk(12)
    assert sealed((await sent(made, history)).messages)
    by_hand = await made.amanual_compact("s", history)
    assert by_hand.outcome == "compacted"
    assert not sealed(by_hand.messages)


async def test_in_a_window_that_is_too_small_for_it_the_call_begins_anew():
    storage, history = Storage(), talk(30)
    large = Provider(size=1400)
    first = await sent(manager(2000, summarizer=large, storage=storage), history)
    assert sealed(first.messages)
    small = manager(300, summarizer=Summarizer(), storage=storage, keep_recent_turns=1)
    result = await sent(small, history, native=None)
    assert result.outcome == "compacted"
    assert not sealed(result.messages)
    assert result.tokens_after <= 300
