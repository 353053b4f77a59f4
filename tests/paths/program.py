"""What the tests of the paths share: a user's program, its ways to run an agent, what to see of it.

On every path the same has to hold: one decision for each call of a model, below the program's own
span; every request legal and inside the window; the program's objects as they were; and history
too long for the window compacted.
"""

import asyncio
import contextlib
import copy

from agents import Runner, function_tool

from compact_otel.summarizers.extractive import ExtractiveSummarizer
from compact_otel.testing import Step

WINDOW = 6000
MODEL = "gpt-4.1-mini"
QUESTION = "What do you know of customer 7"


def talk(rounds=16, question=QUESTION):
    """Return a history of about 410 tokens a round, and a question behind it."""
    earlier = [
        {"role": role, "content": f"{role} {n}: order #{n} " + "word " * 200}
        for n in range(rounds)
        for role in ("user", "assistant")
    ]
    return [*earlier, {"role": "user", "content": question}]


@function_tool
def look_up(question: str) -> str:
    """Return the record."""
    return f"the record of {question}"


@function_tool(needs_approval=True)
def pay(amount: int) -> str:
    """Pay an amount."""
    return f"paid {amount}"


def looks_up_then_answers(request):
    """Play a model that calls a tool after each question and answers from its output."""
    newest = request.items[-1]
    if newest.get("role") == "user":
        return Step(calls=[("look_up", {"question": request.newest_user_text})], reasoning=True)
    text = newest.get("output") or newest.get("content")
    return Step(f"I found {text}", reasoning=True)


async def run(agent, input, **options):
    result = await Runner.run(agent, input, **options)
    await closed(agent)
    return result


async def run_streamed(agent, input, **options):
    result = Runner.run_streamed(agent, input, **options)
    async for _ in result.stream_events():
        pass
    await closed(agent)
    return result


async def run_sync(agent, input, **options):
    """Call `Runner.run_sync` where it can be called: in a thread that has no running loop."""

    def in_thread():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            result = Runner.run_sync(agent, input, **options)
            loop.run_until_complete(closed(agent))
            return result
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    return await asyncio.to_thread(in_thread)


WAYS = {"run": run, "run_sync": run_sync, "run_streamed": run_streamed}


async def closed(agent):
    """Close a model's connections in the loop that opened them; only the websocket keeps one."""
    if not isinstance(agent.model, str | None):
        await agent.model.close()


class CountingSummarizer:
    """Counts how often it is asked, says when it is, and may take its time."""

    name = "counting"

    def __init__(self, seconds=0.0):
        self.calls = 0
        self.asked = asyncio.Event()
        self.seconds = seconds
        self._inner = ExtractiveSummarizer()

    async def summarize(self, request):
        self.calls += 1
        self.asked.set()
        await asyncio.sleep(self.seconds)
        return self._inner.summarize(request)


@contextlib.contextmanager
def unchanged(history):
    """Check that a list holds the same objects in the same order afterwards, with their values."""
    objects, values = list(history), copy.deepcopy(history)
    yield history
    assert history == values
    assert all(now is then for now, then in zip(history, objects, strict=True))


class Observed:
    """What a program's tracing shows of us.

    Attributes:
        provider: Where spans go.
        application: The program's own span, while it runs and afterwards.
    """

    def __init__(self, provider, exporter):
        self.provider = provider
        self.application = None
        self._exporter = exporter
        self._tracer = provider.get_tracer("application")

    @contextlib.contextmanager
    def program(self, name="application"):
        """Be the program: what runs inside runs below its span."""
        with self._tracer.start_as_current_span(name) as span:
            self.application = self.application or span
            yield span

    @property
    def decisions(self):
        spans = self._exporter.get_finished_spans()
        return [span for span in spans if span.name == "compact_context"]

    @property
    def outcomes(self):
        """What came of each call; of one that was cancelled while it waited, `CancelledError`."""
        read = [span.attributes for span in self.decisions]
        return [told.get("compact.outcome") or told["error.type"] for told in read]

    def values(self, attribute):
        return [span.attributes.get(attribute) for span in self.decisions]

    def check(self, *apis, below=None):
        """Check what has to hold on every path; `below` is the parent if not the application."""
        requests = [request for api in apis for request in api.requests]
        assert [request.error for request in requests] == [None] * len(requests)
        calls = [request for request in requests if request.path != "/v1/responses/compact"]
        assert len(self.decisions) == len(calls)
        self.check_parents(below)
        assert "compacted" in self.outcomes

    def check_parents(self, below=None):
        expected = (below or self.application).get_span_context()
        for span in self.decisions:
            assert span.context.trace_id == expected.trace_id
            assert span.parent.span_id == expected.span_id
