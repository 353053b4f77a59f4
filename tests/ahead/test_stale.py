"""A history that changed meanwhile never gets the summary of what it was; it pays for a new one."""

import pytest

from compact_otel.core.items import protect
from compact_otel.core.types import CallContext, FixedTokens
from compact_otel.overflow import Overflow
from tests.ahead.program import (
    DUE,
    KINDS,
    SOFT,
    WAYS,
    WINDOW,
    Gated,
    awaited,
    summary_in,
    until,
    was_prepared,
)
from tests.histories import (
    Estimator,
    Storage,
    complaints,
    is_summary,
    talk,
    user,
)

kinds = pytest.mark.parametrize("kind", list(KINDS))

# What an application does to a history of which the first 20 items are to be summarised.
EDITS = {
    "an item in place": lambda items: [items[0], {**items[1], "content": "no " * 30}, *items[2:]],
    "a name added to one": lambda items: [*items[:10], {**items[10], "name": "Ann"}, *items[11:]],
    "the last one covered": lambda items: [*items[:19], {**items[19], "content": ""}, *items[20:]],
    "one removed from the middle": lambda items: [*items[:7], *items[8:]],
    "two swapped": lambda items: [*items[:4], items[5], items[4], *items[6:]],
    "one put in front": lambda items: [user("by the way"), *items],
    "the oldest dropped": lambda items: items[2:],
    "a fork": lambda items: [*items[:12], *talk(20, 48)[12:]],
    "another conversation": lambda items: talk(20, 44),
    "a mark on what is dropped": lambda items: [*items[:3], protect(items[3]), *items[4:]],
}


async def prepared(watch, manager, history=SOFT, **options):
    """Ask with a history that is long enough to prepare for, and wait for what is prepared."""
    count = len(watch.preparations) + 1
    assert (await awaited(manager, history, **options)).outcome in ("skipped", "replayed")
    await until(lambda: len(watch.preparations) == count)
    assert watch.preparations[-1].attributes["compact.outcome"] == "prepared"


@pytest.mark.parametrize("edit", list(EDITS))
@kinds
@pytest.mark.parametrize("way", list(WAYS))
async def test_an_edited_history_gets_a_summary_of_its_own(way, kind, edit, watch):
    summarizer, ask = KINDS[kind](), WAYS[way]
    manager = watch.manager(summarizer)
    await prepared(watch, manager)
    edited = EDITS[edit](DUE)
    result = await ask(manager, edited)
    assert result.outcome == "compacted"
    assert not was_prepared(watch.decisions[-1])
    assert summary_in(result).startswith("summary 2 ")
    assert "summary 1 " not in str(result.messages)
    given = [item for item in result.messages if not is_summary(item)]
    assert all(any(item is mine for mine in edited) for item in given)
    assert [item for item in edited if "meta" in item] == [item for item in given if "meta" in item]

    again = await ask(manager, edited)
    assert (again.outcome, again.messages) == ("replayed", result.messages)
    assert len(summarizer.requests) == 2


@kinds
async def test_while_it_is_being_made_an_edited_history_does_not_wait_for_it(kind, watch):
    class First(KINDS[kind]):
        """Never ends the first summary."""

        def _hear(self, request):
            answer = super()._hear(request)
            if len(self.requests) > 1:
                self.released.set()
            return answer

    summarizer = First(closed=True)
    manager = watch.manager(summarizer)
    await awaited(manager, SOFT)
    await until(summarizer.asked.is_set)
    result = await awaited(manager, EDITS["an item in place"](DUE))
    assert result.summary.startswith("summary 2 ")
    assert not was_prepared(watch.decisions[-1])
    assert len(summarizer.requests) == 2


@kinds
async def test_edited_back_it_is_of_use_after_all(kind, watch):
    """An edit that costs nothing yet spoils nothing."""
    summarizer = KINDS[kind]()
    manager = watch.manager(summarizer)
    await prepared(watch, manager)
    assert (await awaited(manager, EDITS["an item in place"](SOFT))).outcome == "skipped"
    assert (await awaited(manager, DUE)).outcome == "compacted"
    assert was_prepared(watch.decisions[-1])


async def test_a_note_that_stands_at_the_end_for_one_call_only_costs_no_second_summary(watch):
    """Applications remind the model of things, or tell it the time, at the end of each call."""
    summarizer = Gated()
    manager = watch.manager(summarizer)
    await prepared(watch, manager, [*SOFT, user("it is 12:00")])
    result = await awaited(manager, [*DUE, user("it is 12:05")])
    assert was_prepared(watch.decisions[-1])
    assert result.messages[-1] == user("it is 12:05")
    assert "12:00" not in str(result.messages)
    assert len(summarizer.requests) == 1


# Another compaction in between.


@kinds
async def test_after_a_compaction_by_hand_it_is_not_used(kind, watch):
    summarizer = KINDS[kind]()
    manager = watch.manager(summarizer)
    await prepared(watch, manager)
    by_hand = await manager.amanual_compact("s", talk(17))
    assert by_hand.outcome == "compacted"
    result = await awaited(manager, talk(34))
    assert result.outcome == "compacted"
    assert not was_prepared(watch.decisions[-1])
    assert len(summarizer.requests) == 3
    assert summarizer.requests[2].previous_summary == by_hand.summary
    assert (result.summary_version, summary_in(result)) == (2, result.summary)


@kinds
async def test_after_a_rescue_it_is_not_used(kind, watch):
    summarizer = KINDS[kind]()
    manager = watch.manager(summarizer)
    model = CallContext(model="m")
    await prepared(watch, manager, call=model)
    rescued = await manager.arescue(
        "s", talk(17), call=model, estimate=1586, refused=Overflow(limit=WINDOW)
    )
    assert rescued.outcome == "compacted"
    result = await awaited(manager, talk(34), call=model)
    assert result.outcome == "compacted"
    assert not was_prepared(watch.decisions[-1])
    assert summarizer.requests[2].previous_summary == rescued.summary
    assert len(summarizer.requests) == 3


async def test_what_another_process_has_compacted_is_not_compacted_again(watch):
    storage, ours, theirs = Storage(), Gated(), Gated()
    here = watch.manager(ours, storage=storage)
    there = watch.manager(theirs, storage=storage)
    await prepared(watch, here)
    done = await awaited(there, DUE)
    result = await awaited(here, DUE)
    assert (done.outcome, result.outcome) == ("compacted", "replayed")
    assert result.messages == done.messages
    assert len(ours.requests) + len(theirs.requests) <= 2


# What stands beside the history, and the rules.


class Attentive(Estimator):
    """Counts instructions, too."""

    def count_fixed(self, call):
        return FixedTokens(instructions=len(call.instructions or "") // 4)


@kinds
async def test_the_agent_that_takes_over_sends_it_if_it_fits_beside_its_instructions(kind, watch):
    summarizer = KINDS[kind]()
    manager = watch.manager(summarizer, estimator=Attentive())
    clerk = CallContext(agent="clerk", instructions="Be quick.")
    await prepared(watch, manager, call=clerk)
    expert = CallContext(agent="expert", instructions="Be exact. " * 40)
    result = await awaited(manager, DUE, call=expert)
    assert was_prepared(watch.decisions[-1])
    assert result.tokens_after < 1400
    assert len(summarizer.requests) == 1


@kinds
async def test_beside_instructions_for_which_it_is_too_large_there_is_a_smaller_one(kind, watch):
    summarizer = KINDS[kind]()
    manager = watch.manager(summarizer, estimator=Attentive())
    await prepared(watch, manager, call=CallContext(instructions="Be quick."))
    heavy = CallContext(instructions="Be exact. " * 340)
    result = await awaited(manager, DUE, call=heavy)
    assert result.outcome == "compacted"
    assert not was_prepared(watch.decisions[-1])
    assert result.tokens_after < 1700
    assert len(summarizer.requests) == 2


@kinds
async def test_a_policy_that_keeps_more_gets_a_summary_of_its_own(kind, watch):
    summarizer = KINDS[kind]()
    strict = {"roles_never_prune": ("system", "user"), "trigger_pct": 0.8}
    manager = watch.manager(summarizer, agents={"strict": strict})
    await prepared(watch, manager, call=CallContext(agent="clerk"))
    result = await awaited(manager, DUE, call=CallContext(agent="strict"))
    assert result.outcome == "compacted"
    assert not was_prepared(watch.decisions[-1])
    users = [item for item in DUE if item["role"] == "user"]
    assert [item for item in result.messages if item["role"] == "user"] == users
    assert complaints(result.messages) == set()
    assert len(summarizer.requests) == 2


@kinds
async def test_in_a_window_that_turned_out_smaller_there_is_a_smaller_one(kind, watch):
    summarizer = KINDS[kind]()
    manager = watch.manager(summarizer)
    model = CallContext(model="m")
    await prepared(watch, manager, call=model)
    # The provider refuses a call of another session, and says what it takes.
    await manager.arescue(
        "other", talk(19, 41), call=model, estimate=1800, refused=Overflow(limit=1000)
    )
    result = await awaited(manager, DUE, call=model)
    assert result.outcome == "compacted"
    assert not was_prepared(watch.decisions[-1])
    assert result.tokens_after <= 850
    assert len(summarizer.requests) == 3
