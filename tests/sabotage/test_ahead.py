"""The stages that also run in the background: broken there, they delay nobody either."""

import pytest

from compact_otel.core import making, policy
from tests.sabotage.parts import HANGS_S, Writer, ahangs, araises, raises, sabotaged
from tests.sabotage.program import BOUND_S, converse, timed

AHEAD = {"soft_trigger_pct": 0.5}


class Asking(Writer):
    async def summarize(self, request):
        return super().summarize(request)


def ahead(bench):
    return [
        span for span in bench.spans if span.attributes.get("compact.trigger.type") == "background"
    ]


@pytest.mark.parametrize("writer", [Writer, Asking])
async def test_a_plan_that_hangs_in_the_background_does_not_hold_up_the_loop(writer, api, bench):
    """Also where the summariser is a coroutine, so that the preparation runs in the loop."""
    real = policy.make_plan

    def hangs(*args, **options):
        if options["trigger"] == "background":
            bench.hang()
        return real(*args, **options)

    bench.monkeypatch.setattr(making, "make_plan", hangs)
    bench.hurry("step")
    bench.switch_on(AHEAD, summarizer=writer())
    _, seconds = await timed(converse(api, turns=3))
    assert bench.hang.calls >= 1
    assert seconds < BOUND_S, f"the loop was held up, and may be for up to {HANGS_S} s"


@pytest.mark.parametrize("fault", [raises(), araises()], ids=["thread", "loop"])
async def test_a_summariser_that_fails_in_the_background_is_asked_again_when_it_is_due(
    fault, api, bench
):
    bench.switch_on(AHEAD, summarizer=sabotaged(Writer, summarize=fault))
    await converse(api)
    assert {span.attributes["compact.outcome"] for span in ahead(bench)} == {"error"}
    assert bench.compactions == 2
    assert "summarize: RuntimeError" in bench.said
    for span in ahead(bench):
        told = [event.attributes for event in span.events if event.name == "compact.error"]
        assert [one["compact.failure.stage"] for one in told] == ["summarize"], "told once"


@pytest.mark.parametrize("where", ["thread", "loop"])
async def test_a_summariser_that_hangs_in_the_background_is_waited_for_once(where, api, bench):
    bench.hurry("summarizer")
    fault = bench.hang if where == "thread" else ahangs
    bench.switch_on(AHEAD, summarizer=sabotaged(Writer, summarize=fault))
    _, seconds = await timed(converse(api))
    assert seconds < BOUND_S
    assert ahead(bench)
    assert bench.compactions == 2
    assert len([said for said in bench.said if "summarizer writer took" in said]) == 1
