"""What a model says of a refusal is read by us; whatever it says, the program hears what it was."""

import pytest
from agents import Agent, Model

from tests.paths.program import WAYS
from tests.sabotage.parts import raises
from tests.sabotage.program import earlier


class UnreadableError(Exception):
    """An error of a model that cannot be read."""

    def __str__(self):
        raise RuntimeError("broken")

    @property
    def code(self):
        raise RuntimeError("broken")


class Refusing(Model):
    """Refuses, with an error, before the first event."""

    def __init__(self, error):
        self._error = error

    async def get_response(self, *args, **kwargs):
        raise self._error

    async def stream_response(self, *args, **kwargs):
        raise self._error
        yield


@pytest.mark.parametrize("way", list(WAYS))
async def test_an_error_that_cannot_be_read_reaches_the_program(way, bench):
    bench.switch_on()
    error = UnreadableError()
    with pytest.raises(UnreadableError) as caught:
        await WAYS[way](Agent("clerk", model=Refusing(error)), earlier())
    assert caught.value is error


@pytest.mark.parametrize("what", ["overflow_in", "_says_nothing"])
@pytest.mark.parametrize("way", list(WAYS))
async def test_the_program_hears_of_a_refusal_that_we_cannot_judge(way, what, bench):
    bench.monkeypatch.setattr(f"compact_otel.hooks.{what}", raises())
    bench.switch_on()
    error = ValueError("no such model")
    with pytest.raises(ValueError, match="no such model") as caught:
        await WAYS[way](Agent("clerk", model=Refusing(error)), earlier())
    assert caught.value is error
    assert bench.said
