"""A program that ends while a summary is being written; run by `test_exit.py`.

    python ending.py WAY

It says `ending` on its last line, and has nothing to do from then on.
"""

import asyncio
import sys
import threading
import time

import compact_otel
from tests.ahead.program import SOFT, AsyncGated, Gated, Watch, until, wait_until

FOR_EVER = 300.0


class Hanging(Gated):
    def summarize(self, request):
        self._hear(request)
        time.sleep(FOR_EVER)


class AsyncHanging(AsyncGated):
    async def summarize(self, request):
        self._hear(request)
        await asyncio.sleep(FOR_EVER)


def a_thread_is_asked(watch):
    summarizer = Hanging()
    watch.manager(summarizer, timeout=FOR_EVER).preflight("s", SOFT)
    return summarizer


def asyncio_run_is_over(watch):
    return _in_a_loop(watch, AsyncHanging())


def asyncio_run_is_over_with_a_thread(watch):
    return _in_a_loop(watch, Hanging())


def a_call_waits_for_it(watch):
    summarizer = Hanging()
    manager = watch.manager(summarizer, timeout=FOR_EVER)
    manager.preflight("s", SOFT)
    due = threading.Thread(target=manager.preflight, args=("s", [*SOFT, *SOFT]), daemon=True)
    wait_until(summarizer.asked.is_set)  # or the call that is due might be asked before it
    due.start()
    time.sleep(0.2)
    return summarizer


def _in_a_loop(watch, summarizer):
    manager = watch.manager(summarizer, timeout=FOR_EVER)

    async def main():
        await manager.apreflight("s", SOFT)
        await until(summarizer.asked.is_set)

    asyncio.run(main())
    return summarizer


def run_sync_has_returned(watch):
    summarizer = AsyncHanging()
    # Here, as the other programs end sooner without them.
    from agents import Agent, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled

    from compact_otel.testing import LocalOpenAI, Step
    from tests.paths.program import talk

    @function_tool
    def look_up() -> str:
        """Look something up."""
        return "found " * 20

    def looks_up_twice(request):
        looked = sum(item.get("type") == "function_call_output" for item in request.items)
        if looked < 2:
            return Step(calls=[("look_up", {})], delay_s=0.2)
        return Step("It is there.")

    set_tracing_disabled(True)
    compact_otel.instrument(
        max_context_tokens=9000,
        summarizer=summarizer,
        storage={"adapter": "none"},
        tracer_provider=watch.provider,
    )
    with LocalOpenAI(looks_up_twice, context_window=9000) as api:
        model = OpenAIResponsesModel("gpt-4.1-mini", api.client())
        agent = Agent("clerk", model=model, tools=[look_up])
        assert Runner.run_sync(agent, talk(16)).final_output == "It is there."
    return summarizer


if __name__ == "__main__":
    watching = Watch()
    asked = globals()[sys.argv[1]](watching)
    wait_until(asked.asked.is_set)
    assert watching.preparations == [] or sys.argv[1].startswith("asyncio_run")
    sys.stdout.write("ending\n")
    sys.stdout.flush()
