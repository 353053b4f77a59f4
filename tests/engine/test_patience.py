"""Patience with listeners, by a clock of the test's own."""

import logging

import pytest

from compact_otel.patience import SLOW, Patience

MINUTE_S = 60


class Clock:
    """Stands still until it is moved."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def patience(clock):
    return Patience(clock)


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.WARNING, "compact_otel")
    return lambda: [record.getMessage() for record in caplog.records]


class Listener:
    """Takes its time by the clock, and may fail."""

    def __init__(self, clock, seconds=0.0, error=None):
        self.calls = 0
        self._clock, self._seconds, self._error = clock, seconds, error

    def __call__(self):
        self.calls += 1
        self._clock.now += self._seconds
        if self._error is not None:
            raise self._error
        return "heard"


def test_who_does_well_is_called_each_time_and_nothing_is_said(patience, clock, said):
    listener = Listener(clock, SLOW)
    assert [patience.call("it", listener) for _ in range(3)] == ["heard"] * 3
    assert said() == []


def test_who_fails_is_called_again_and_named_once_without_the_text_of_its_error(
    patience, clock, said
):
    listener = Listener(clock, error=ValueError("a word of the conversation"))
    assert [patience.call("it", listener) for _ in range(3)] == [None] * 3
    assert listener.calls == 3
    assert said() == ["it failed with ValueError; calls go on without it"]


def test_each_is_named(patience, clock, said):
    for who in ("one", "two", "one"):
        patience.call(who, Listener(clock, error=ValueError()))
    assert [line.split()[0] for line in said()] == ["one", "two"]


def test_who_is_slow_is_left_out_for_a_minute_and_then_called_again(patience, clock, said):
    listener = Listener(clock, SLOW + 0.1)
    assert patience.call("it", listener) == "heard", "what it gives after all is taken"
    assert patience.is_resting("it")
    clock.now += MINUTE_S - 1
    assert patience.call("it", listener) is None
    assert listener.calls == 1
    clock.now += 2
    assert patience.call("it", listener) == "heard"
    assert said() == ["it took 1.1 s; it is left out for 60 s each time"]


def test_nobody_is_left_out_for_another(patience, clock):
    patience.call("slow", Listener(clock, SLOW + 0.1))
    assert patience.call("quick", Listener(clock)) == "heard"


def test_who_is_slow_and_fails_is_left_out_too(patience, clock, said):
    patience.call("it", Listener(clock, SLOW + 0.1, ValueError()))
    assert patience.is_resting("it")
    assert len(said()) == 2


def test_who_was_late_elsewhere_is_left_out_here(patience, clock):
    listener = Listener(clock)
    patience.rest("it", 10.0)
    assert patience.call("it", listener) is None
    assert listener.calls == 0


def test_what_ends_the_program_is_not_swallowed(patience, clock):
    with pytest.raises(KeyboardInterrupt):
        patience.call("it", Listener(clock, error=KeyboardInterrupt()))
