"""Exporters and span processors run on the spot: one that hangs costs its delay once."""

import time

import pytest
from opentelemetry.sdk.trace import SpanProcessor

from compact_otel.adapters import MemoryStorage
from tests.sabotage.parts import Listener, Sleep, gives, sabotaged
from tests.sabotage.program import EARLY, answer, converse


async def test_an_exporter_that_hangs_is_called_once_and_the_others_hear_all(api, bench):
    sleep, listener = Sleep(), Listener()
    bench.hurry("slow")
    bench.switch_on(exporters=[sabotaged(Listener, export=sleep), listener])
    await converse(api)
    assert sleep.calls == 1
    assert len(listener.events) == sum(len(span.events) for span in bench.spans)


@pytest.mark.parametrize("method", ["on_start", "on_end"])
async def test_a_span_processor_that_hangs_is_called_once(method, api, bench):
    """By us, that is: the program's own spans are its own affair."""
    sleep = Sleep()
    bench.provider.add_span_processor(sabotaged(SpanProcessor, **{method: sleep}))
    bench.hurry("slow")
    bench.switch_on()
    await converse(api)
    assert sleep.calls == 1


async def test_who_was_slow_is_called_again_after_its_rest(api, bench):
    sleep = Sleep(0.5)
    bench.hurry("slow")
    bench.monkeypatch.setattr("compact_otel.patience._REST", 0.01)
    bench.switch_on(EARLY, exporters=[sabotaged(Listener, export=sleep)])
    await answer(api)
    first = sleep.calls
    time.sleep(0.02)  # noqa: ASYNC251 - nothing else is to run meanwhile
    await answer(api)
    assert first >= 1
    assert sleep.calls > first
    assert len([said for said in bench.said if "took" in said]) == 1, "said once"


@pytest.mark.parametrize(
    "value", [7, object(), b"x", StopIteration()], ids=lambda value: type(value).__name__
)
async def test_what_an_exporter_gives_back_is_nobodys_affair(value, api, bench):
    listener = Listener()
    bench.switch_on(EARLY, exporters=[sabotaged(Listener, export=gives(value)), listener])
    await answer(api)
    assert bench.compactions == 1
    assert len(listener.events) == sum(len(span.events) for span in bench.spans)
    assert bench.said == []


async def test_what_an_exporter_does_to_an_event_reaches_nobody_else(api, bench):
    def export(event):
        event.clear()

    storage, listener = MemoryStorage(), Listener()
    bench.switch_on(
        EARLY, storage=storage, exporters=[sabotaged(Listener, export=export), listener]
    )
    await answer(api)
    [session] = storage.sessions()
    assert all("event" in event for event in listener.events)
    assert all("event" in event for event in storage.load_events(session))
