"""What a user's summariser says of its own steps stands in the events, in order and in time."""

import asyncio
import threading
import time

import pytest

from compact_otel.core.types import Summary
from tests.ahead.program import DUE, SOFT, Watch, wait_until
from tests.histories import Exporter, manager, talk

LONG = talk(12)


class Trying:
    """Says twice that it tries something else, then answers."""

    name = "trying"

    def summarize(self, request):
        request.tell("too_long", "retry_shorter")
        request.tell("refused", "retry_model")
        return Summary("what was", model="second")


class AsyncTrying(Trying):
    async def summarize(self, request):
        await asyncio.sleep(0)
        return super().summarize(request)


class InAThread(Trying):
    """Works in a thread of its own, like a pool of an SDK."""

    def summarize(self, request):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(Trying.summarize(self, request)))
        thread.start()
        thread.join()
        return answers[0]


def told(exporter):
    return [
        (event["error.type"], event["compact.failure.fallback"])
        for event in exporter.named("error")
    ]


@pytest.mark.parametrize("kind", [Trying, AsyncTrying, InAThread])
@pytest.mark.parametrize("waits", [False, True], ids=["in a loop", "in a thread"])
def test_steps_stand_in_their_order_before_the_summary(kind, waits):
    exporter = Exporter()
    made = manager(900, summarizer=kind(), exporters=[exporter])
    result = made.preflight("s", LONG) if waits else asyncio.run(made.apreflight("s", LONG))
    assert result.outcome == "compacted"
    assert told(exporter) == [("too_long", "retry_shorter"), ("refused", "retry_model")]
    decided = exporter.names.index("trigger_decision")
    assert exporter.names[decided + 1 : decided + 4] == ["error", "error", "summary_created"]
    assert exporter.named("error")[0]["compact.failure.message"] == (
        "a summariser gave nothing usable"
    )


def test_a_step_has_the_time_at_which_it_was_taken():
    class Slow:
        def summarize(self, request):
            request.tell("timeout", "retry_model")
            time.sleep(0.3)
            return "what was"

    exporter = Exporter()
    manager(900, summarizer=Slow(), exporters=[exporter]).preflight("s", LONG)
    (step,), (made,) = exporter.named("error"), exporter.named("summary_created")
    assert step["ts"] < made["ts"]
    assert made["compact.summary.duration"] >= 0.3


def test_exporters_hear_of_steps_in_the_thread_of_the_call():
    class Where(Exporter):
        def export(self, event):
            super().export({**event, "thread": threading.get_ident()})

    exporter = Where()
    manager(900, summarizer=InAThread(), exporters=[exporter]).preflight("s", LONG)
    assert {event["thread"] for event in exporter.events} == {threading.get_ident()}


def test_steps_of_a_summary_that_is_written_ahead_stand_on_its_own_span():
    with Watch() as watch:
        made = watch.manager(Trying())
        made.preflight("s", SOFT)
        wait_until(lambda: watch.preparations)
        assert made.preflight("s", DUE).outcome == "compacted"
        (ahead,), (_, due) = watch.preparations, watch.decisions
    steps = [
        [
            event.attributes["compact.failure.fallback"]
            for event in span.events
            if "error" in event.name
        ]
        for span in (ahead, due)
    ]
    assert steps == [["retry_shorter", "retry_model"], []]


def test_what_is_said_after_the_end_is_heard_by_nobody():
    requests = []

    class Late:
        def summarize(self, request):
            requests.append(request)
            return "what was"

    exporter = Exporter()
    made = manager(900, summarizer=Late(), exporters=[exporter])
    made.preflight("s", LONG)
    requests[0].tell("timeout", "retry_model")
    made.preflight("s", [*LONG, *talk(30)])
    assert told(exporter) == []


def test_steps_of_one_that_fails_stand_before_its_failure():
    class Failing:
        def summarize(self, request):
            request.tell("refused", "retry_brief")
            raise KeyError

    exporter = Exporter()
    assert manager(900, summarizer=Failing(), exporters=[exporter]).preflight("s", LONG)
    assert told(exporter) == [("refused", "retry_brief"), ("KeyError", "extractive")]


def test_one_that_says_too_much_does_not_fill_the_trace():
    class Endless:
        def summarize(self, request):
            for _ in range(1000):
                request.tell("too_long", "retry_shorter")
            return "what was"

    exporter = Exporter()
    manager(900, summarizer=Endless(), exporters=[exporter]).preflight("s", LONG)
    assert 1 < len(told(exporter)) < 30


@pytest.mark.parametrize(
    "words", [("the order A-17 of Ann", "retry_brief"), ("", "retry_brief"), (7, "retry_brief")]
)
def test_a_reason_is_one_word_so_that_no_conversation_is_told(words):
    raised = []

    class Chatty:
        def summarize(self, request):
            try:
                request.tell(*words)
            except ValueError as error:
                raised.append(str(error))
                raise
            return "what was"

    exporter = Exporter()
    result = manager(900, summarizer=Chatty(), exporters=[exporter]).preflight("s", LONG)
    assert result.outcome == "fallback"
    assert raised == ["need one word in `reason`, such as `too_long`"]
    assert told(exporter) == [("ValueError", "extractive")]


def test_a_step_that_nobody_knows_is_an_error_that_lists_those_there_are():
    raised = []

    class Inventive:
        def summarize(self, request):
            try:
                request.tell("refused", "ask_the_user")
            except ValueError as error:
                raised.append(str(error))
            return "what was"

    manager(900, summarizer=Inventive()).preflight("s", LONG)
    assert raised[0].startswith("need `fallback` to be one of retry_shorter, retry_brief,")
