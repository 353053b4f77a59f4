"""Where nothing is gained, or somebody has said no, nothing is written ahead of time."""

import asyncio

import pytest

from compact_otel.summarizers.extractive import ExtractiveSummarizer
from tests.ahead.program import DUE, KINDS, SOFT, WAYS, Gated, awaited, until
from tests.histories import system, talk

kinds = pytest.mark.parametrize("kind", list(KINDS))


async def asked_up_to_the_trigger(manager, ask=awaited):
    """Make the calls of a conversation up to one that is due; return its result."""
    for turns in range(13, 19):
        await ask(manager, talk(turns))
    await asyncio.sleep(0.1)
    return await ask(manager, DUE)


@pytest.mark.parametrize("soft", [0, 0.0, 0.85, 0.9, 1.0])
@pytest.mark.parametrize("way", list(WAYS))
@kinds
async def test_switched_off_by_its_share(kind, way, soft, watch):
    summarizer = KINDS[kind]()
    manager = watch.manager(summarizer, soft_trigger_pct=soft)
    result = await asked_up_to_the_trigger(manager, WAYS[way])
    assert (result.outcome, len(summarizer.requests)) == ("compacted", 1)
    assert watch.preparations == []


@pytest.mark.parametrize("soft", [0.3, 0.5, 0.7, 0.84])
@kinds
async def test_it_begins_at_its_share_and_not_before(kind, soft, watch):
    manager = watch.manager(KINDS[kind](), soft_trigger_pct=soft)
    for turns in range(1, 19):
        calm = await awaited(manager, talk(turns))
        await asyncio.sleep(0.02)
        if calm.tokens_before < 2000 * soft:
            assert watch.preparations == []
        elif calm.tokens_before < 1700:
            await until(lambda: len(watch.preparations) == 1)


class Immediate(Gated):
    """Needs no model, as it says."""

    immediate = True


@pytest.mark.parametrize("summarizer", [None, ExtractiveSummarizer(), Immediate()])
async def test_a_summariser_that_needs_no_model_is_not_asked_ahead(summarizer, watch):
    manager = watch.manager(summarizer)
    result = await asked_up_to_the_trigger(manager)
    assert result.outcome == "compacted"
    assert watch.preparations == []


class Forgetful(Gated):
    immediate = False


@pytest.mark.parametrize("summarizer", [Forgetful(), Gated()])
async def test_one_that_does_not_say_so_is(summarizer, watch):
    manager = watch.manager(summarizer)
    await awaited(manager, SOFT)
    await until(lambda: watch.preparations)
    assert len(summarizer.requests) == 1


@pytest.mark.parametrize("way", list(WAYS))
@kinds
async def test_who_only_watches_pays_for_nothing(kind, way, watch):
    summarizer = KINDS[kind]()
    manager = watch.manager(summarizer, mode="observe")
    result = await asked_up_to_the_trigger(manager, WAYS[way])
    await asyncio.sleep(0.1)
    assert result.messages == DUE
    assert (summarizer.requests, watch.preparations) == ([], [])


@pytest.mark.parametrize("way", list(WAYS))
@kinds
async def test_who_has_switched_us_off_pays_for_nothing(kind, way, watch):
    summarizer = KINDS[kind]()
    manager = watch.manager(summarizer, mode="off")
    result = await asked_up_to_the_trigger(manager, WAYS[way])
    await asyncio.sleep(0.1)
    assert (result.outcome, result.messages) == ("skipped", DUE)
    assert (summarizer.requests, watch.spans) == ([], [])


@kinds
async def test_a_history_that_the_server_keeps_is_left_alone(kind, watch):
    summarizer = KINDS[kind]()
    manager = watch.manager(summarizer)
    await manager.apreflight("s", SOFT, stand_back="server_managed")
    await asyncio.sleep(0.1)
    assert (summarizer.requests, watch.preparations) == ([], [])


@kinds
async def test_where_dropping_gains_nothing_nobody_is_asked(kind, watch):
    """Everything that there is may not be dropped."""
    summarizer = KINDS[kind]()
    manager = watch.manager(summarizer)
    history = [system("rules " * 950), *talk(1)]
    calm = await awaited(manager, history)
    assert 1400 <= calm.tokens_before < 1700
    await until(lambda: watch.preparations)
    assert watch.preparations[0].attributes["compact.outcome"] == "noop"
    assert summarizer.requests == []
