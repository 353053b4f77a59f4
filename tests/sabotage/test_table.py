"""Whatever part is broken in whatever way: the run is as without us, and somebody names it."""

import pytest
from openai import BadRequestError

from compact_otel.testing import LocalOpenAI
from tests.paths.program import WAYS
from tests.sabotage.program import (
    BOUND_S,
    EARLY,
    WINDOW,
    answer,
    converse,
    looks_up_then_answers,
    timed,
)
from tests.sabotage.table import MAIN, TABLE, WITH_FALLBACK

EVERY_WAY = [
    pytest.param(sabotage, way, id=f"{sabotage}-{way}")
    for sabotage in TABLE
    for way in (WAYS if sabotage in MAIN else ["run"])
]


@pytest.fixture(scope="module")
def without_us():
    """What a run gives without us, by way; each is run once."""
    known = {}

    async def wanted(way):
        if way not in known:
            with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api:
                known[way] = await answer(api, way), len(api.requests)
        return known[way]

    return wanted


@pytest.mark.parametrize(("sabotage", "way"), EVERY_WAY)
async def test_a_run_is_as_without_us(sabotage, way, api, without_us, bench):
    row = TABLE[sabotage]
    expected, requests = await without_us(way)
    bench.hurry(*row.hurry)
    bench.switch_on(EARLY, **row.options(bench))
    with_us, seconds = await timed(answer(api, way))
    assert with_us == expected
    assert len(api.requests) == requests
    assert seconds < BOUND_S
    assert any(row.said in said for said in bench.said), bench.said


async def test_without_us_a_session_of_many_turns_dies_of_its_window():
    with (
        LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api,
        pytest.raises(BadRequestError),
    ):
        await converse(api)


@pytest.fixture(scope="module")
def without_end():
    """What the session gives where there is no window; it is run once."""
    known = []

    async def wanted():
        if not known:
            with LocalOpenAI(looks_up_then_answers) as api:
                known.append(await converse(api))
        return known[0]

    return wanted


@pytest.mark.parametrize("sabotage", [name for name in MAIN if name in WITH_FALLBACK])
async def test_a_session_of_many_turns_lives(sabotage, api, without_end, bench):
    row = WITH_FALLBACK[sabotage]
    expected = await without_end()
    bench.hurry(*row.hurry)
    bench.switch_on(**row.options(bench))
    with_us, seconds = await timed(converse(api))
    assert with_us == expected
    assert seconds < BOUND_S
    assert any(row.said in said for said in bench.said), bench.said
