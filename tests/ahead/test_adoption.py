"""What was written ahead of time is what the call that is due sends, and it has paid once."""

import json

import pytest

from tests.ahead.program import (
    DUE,
    KINDS,
    SOFT,
    TARGET,
    TRIGGER,
    WAYS,
    Gated,
    awaited,
    summary_in,
    told,
    until,
    was_prepared,
)
from tests.histories import Estimator, Storage, complaints, is_summary, session, talk

kinds = pytest.mark.parametrize("kind", list(KINDS))
ways = pytest.mark.parametrize("way", list(WAYS))


async def prepared(watch, ask, manager, history=SOFT, count=1):
    """Ask with a history that is long enough to prepare for, and wait for what is prepared."""
    result = await ask(manager, history)
    await until(lambda: len(watch.preparations) == count)
    return result


@kinds
@ways
async def test_the_call_that_is_due_sends_what_was_written_ahead(kind, way, watch):
    summarizer, ask = KINDS[kind](), WAYS[way]
    manager = watch.manager(summarizer)
    calm = await prepared(watch, ask, manager)
    assert (calm.outcome, calm.messages) == ("skipped", SOFT)

    result = await ask(manager, DUE)
    assert result.outcome == "compacted"
    assert len(summarizer.requests) == 1
    assert summary_in(result) == result.summary == "summary 1 of 20 items"

    (ahead,), (_, due) = watch.preparations, watch.decisions
    assert ahead.attributes["compact.outcome"] == "prepared"
    assert ahead.attributes["compact.trigger.reason"] == "soft_trigger_reached"
    assert due.attributes["compact.trigger.reason"] == "trigger_reached"
    assert not was_prepared(ahead)
    assert was_prepared(due)
    assert due.attributes["compact.summary.id"] == ahead.attributes["compact.summary.id"]
    assert due.attributes["compact.tokens.after"] == result.tokens_after
    assert due.attributes["compact.messages.pruned"] == 20


@kinds
@ways
async def test_its_span_stands_where_that_of_the_call_stands(kind, way, watch):
    manager, ask = watch.manager(KINDS[kind]()), WAYS[way]
    start = watch.tracer.start_as_current_span
    with start("root"), start("agent") as agent:
        await prepared(watch, ask, manager)
    (ahead,), (call,) = watch.preparations, watch.decisions
    here = agent.get_span_context()
    assert ahead.context.trace_id == call.context.trace_id == here.trace_id
    assert ahead.parent.span_id == call.parent.span_id == here.span_id


@kinds
async def test_a_call_does_not_wait_for_what_is_written_for_a_later_one(kind, watch):
    summarizer = KINDS[kind](closed=True)
    manager = watch.manager(summarizer)
    try:
        for turns in (16, 17):
            result = await awaited(manager, talk(turns))
            assert (result.outcome, result.messages) == ("skipped", talk(turns))
        await until(summarizer.asked.is_set)
        assert watch.preparations == []
    finally:
        summarizer.released.set()
    await until(lambda: watch.preparations)
    assert len(summarizer.requests) == 1


@kinds
async def test_what_came_in_between_stays_word_for_word(kind, watch):
    manager, soft, due = watch.manager(KINDS[kind](), window=4000), session(23), session(27)
    await prepared(watch, awaited, manager, soft)
    result = await awaited(manager, due)
    assert was_prepared(watch.decisions[-1])
    newer = due[len(soft) :]
    assert len(newer) > 10
    kept = result.messages[-len(newer) :]
    assert all(now is then for now, then in zip(kept, newer, strict=True))
    assert complaints(result.messages) == set()


class Verbose(Gated):
    """Uses all the tokens it may."""

    def summarize(self, request):
        self._hear(request)
        text = ""
        while request.count_text(f"{text} word") <= request.max_tokens:
            text += " word"
        return text


@pytest.mark.parametrize("turns", [15, 16, 17])
@pytest.mark.parametrize("later", [19, 20, 22])
async def test_the_result_is_at_the_target_although_the_history_has_grown(turns, later, watch):
    manager = watch.manager(Verbose())
    soft = await prepared(watch, awaited, manager, talk(turns))
    result = await awaited(manager, talk(later))
    assert was_prepared(watch.decisions[-1])
    before = Estimator().total(talk(later))
    assert soft.tokens_before < TRIGGER <= before
    # What came after the trigger was reached could not be foreseen.
    assert result.tokens_after <= TARGET + before - TRIGGER
    assert result.tokens_after >= TARGET / 2


@kinds
async def test_what_is_sent_only_grows_at_its_end_until_a_summary_is_taken(kind, watch):
    """Or the provider's prompt cache would be lost while a summary is being written."""
    summarizer, history = KINDS[kind](), session(60)
    manager = watch.manager(summarizer)
    sent, summaries = [], []
    for length in range(1, len(history) + 1):
        result = await awaited(manager, history[:length])
        if result.outcome == "compacted":
            summaries.append(result.summary)
        else:
            assert result.messages[: len(sent)] == sent
        sent = result.messages
        due = result.tokens_after >= 1400
        await until(lambda: not due or len(watch.preparations) > len(summaries))  # noqa: B023 - waited for here
    taken = [span for span in watch.decisions if was_prepared(span)]
    assert len(taken) == len(summaries) >= 3
    assert len(summarizer.requests) == len(watch.preparations) <= len(taken) + 1
    folded = [request.previous_summary for request in summarizer.requests]
    assert folded[: len(taken)] == [None, *summaries][: len(taken)]


async def test_nothing_is_archived_and_nothing_is_in_force_before_it_is_taken(watch):
    storage = Storage()
    manager = watch.manager(Gated(), storage=storage)
    await prepared(watch, awaited, manager)
    assert (storage.transcripts, storage.summaries) == ([], [])
    for asked in (manager, watch.manager(Gated(), storage=storage)):
        assert asked.status("s").summary is None
        again = await awaited(asked, SOFT)
        assert (again.outcome, again.messages) == ("skipped", SOFT)

    result = await awaited(manager, DUE)
    assert manager.status("s").summary == result.summary
    ((_, transcript),), ((_, _, summary),) = storage.transcripts, storage.summaries
    assert transcript == DUE
    assert summary["summary_id"] == watch.decisions[-1].attributes["compact.summary.id"]
    created = [event for _, event in storage.events if event["event"] == "compact.summary_created"]
    assert created[-1]["compact.summary.prepared"] is True


async def test_what_was_taken_is_replayed_here_and_in_another_process(watch):
    storage, summarizer = Storage(), Gated()
    first = watch.manager(summarizer, storage=storage)
    await prepared(watch, awaited, first)
    result = await awaited(first, DUE)
    for manager in (first, watch.manager(summarizer, storage=storage)):
        again = await awaited(manager, DUE)
        assert (again.outcome, again.messages) == ("replayed", result.messages)
    assert len(summarizer.requests) == 1


async def test_the_events_of_an_adoption_tell_what_is_sent(watch):
    manager, soft, due = watch.manager(Gated(), window=4000), session(23), session(27)
    await prepared(watch, awaited, manager, soft)
    result = await awaited(manager, due)
    span = watch.decisions[-1]
    (applied,), (pruned,) = told(span, "policy_applied"), told(span, "pruned_messages")
    assert was_prepared(span)
    assert applied["compact.messages.before"] == pruned["compact.messages.before"] == len(due)
    assert applied["compact.messages.after"] == len(result.messages)
    assert pruned["compact.messages.pruned"] == result.dropped
    assert pruned["compact.tokens.removed"] == result.tokens_before - result.tokens_after
    outputs = [item for item in result.messages if item.get("type") == "function_call_output"]
    assert pruned["compact.kept.tool_pairs"] == len(outputs)
    system = [item for item in result.messages if item.get("role") == "system"]
    users = [item for item in result.messages if item.get("role") == "user" if not is_summary(item)]
    assert pruned["compact.kept.pinned"] == len(system) + 1 <= len(users) + 1
    assert "please" not in json.dumps([dict(event.attributes) for event in span.events])
