"""Whatever becomes of the model that writes the summaries: the run ends, and the trace says how.

An agent of the real SDK runs over a history that has to be compacted. The model that is named in
the settings, and the one behind it, fail in every way that a server knows.
"""

import contextlib
import socket
import threading
import time

import pytest
from agents import Agent, OpenAIResponsesModel, Runner

import compact_otel
from compact_otel.testing import LocalOpenAI, Step
from tests.sabotage.program import EARLY, QUESTION, WINDOW, client_of, earlier
from tests.summarizers.openai_bench import RawServer, by_model

BUDGET = WINDOW - 1500  # the buffer that always stays free
SLACK_S = 10.0  # for a busy machine; the servers that hang do so for half a minute and more
NOTE = "Goal: which orders are paid.\norder #0: paid\norder #1: paid\norder #2: paid"
PAID = "They are all paid."

SOON = [("retry-after-ms", "1")]  # or the client would wait by its own clock
STORM = b'{"error": {"code": "rate_limit_exceeded", "message": "Slow down."}}'
HALF = b'{"id": "r", "output": [{"type": "mess'


@contextlib.contextmanager
def nobody():
    """Serve nothing at an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield f"http://127.0.0.1:{port}/v1"


@contextlib.contextmanager
def dripping():
    """Serve answers that never end: a byte now and then, so that no read takes long."""
    over = threading.Event()
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    )

    def drip(connection):
        with contextlib.suppress(OSError), connection:
            connection.sendall(head)
            while not over.wait(0.05):
                connection.sendall(b"1\r\n \r\n")

    def serve(listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, args=(listener,), daemon=True)
        serving.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
    serving.join()


@contextlib.contextmanager
def raw(body, **options):
    with RawServer(body, **options) as server:
        yield f"http://127.0.0.1:{server._server.server_address[1]}/v1"


@contextlib.contextmanager
def playing(behave):
    with LocalOpenAI(behave) as server:
        yield server.base_url


def both(step):
    """Let either model answer with one step."""
    return playing(lambda asked: step)


def after(large):
    """Let the first model answer with one step, and the second one write the note."""
    return playing(by_model(large=large, small=Step(NOTE)))


def ends(reason, *steps):
    """Return the story of a chain in which each step fails for the same reason."""
    return [(reason, step) for step in (*steps, "extractive")]


SHORTER = ("retry_shorter", "retry_shorter")
FOREIGN = "好的一切都很顺利没有任何问题需要解决。" * 3
FAILING = {
    "429 storm": (
        lambda: raw(STORM, status=429, headers=SOON),
        ends("rate_limited", "retry_model"),
    ),
    "500s": (lambda: raw(b"{}", status=500, headers=SOON), ends("server_error", "retry_model")),
    "hanging": (lambda: raw(TimeoutError()), ends("timeout", "retry_model", "retry_brief")),
    "dripping": (dripping, ends("timeout", "retry_model", "retry_brief")),
    "refusals": (
        lambda: both(Step("I cannot help with that.")),
        ends("refused", "retry_brief", "retry_model"),
    ),
    "empty answers": (lambda: both(Step("")), ends("empty", "retry_brief", "retry_model")),
    "endless answers": (
        lambda: both(Step("order #1 is paid, and " * 60, incomplete="max_output_tokens")),
        ends("truncated", *SHORTER, "retry_brief", "retry_model", *SHORTER),
    ),
    "longer than its source": (
        lambda: both(Step("order #1 is paid, and " * 5000)),
        ends("inflated", "retry_brief", "retry_model"),
    ),
    "wrong language": (lambda: both(Step(FOREIGN)), ends("language", "retry_brief", "retry_model")),
    "broken JSON": (lambda: raw(HALF), ends("malformed", "retry_model")),
    "a page of HTML": (
        lambda: raw(b"<html>502</html>", content_type="text/html"),
        ends("malformed", "retry_model"),
    ),
    "nobody there": (nobody, ends("connection", "retry_model")),
    "closed connections": (lambda: raw(None), ends("connection", "retry_model")),
    "no such model": (
        lambda: both(Step(status=404, error={"code": "model_not_found"})),
        ends("model_not_found", "retry_model"),
    ),
    "another key": (lambda: both(Step(status=401)), ends("unauthorized", "retry_model")),
}
SAVED = {
    "429 storm": (Step(status=429, error={"code": "rate_limit_exceeded"}), ["rate_limited"]),
    "500s": (Step(status=500), ["server_error"]),
    "hanging": (Step(NOTE, delay_s=60), ["timeout"]),
    "refusals": (Step("I cannot help with that."), ["refused", "refused"]),
}
QUICK = {"hanging", "dripping"}  # how soon they are given up is the setting's to say


@pytest.fixture
def ask(monkeypatch, tracer_provider, exporter):
    """Return what runs the agent with models as summarisers, and returns the compaction's span."""

    async def asked(base_url, *, run=Runner.run, limit=10.0, **summarizer):
        monkeypatch.setenv("OPENAI_BASE_URL", base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "local")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        compact_otel.instrument(
            **EARLY,
            max_context_tokens=WINDOW,
            storage={"adapter": "none"},
            summarizer={
                "model": "large",
                "fallback_models": ["small"],
                "timeout": limit,
                **summarizer,
            },
            tracer_provider=tracer_provider,
        )
        began = time.monotonic()
        with LocalOpenAI(lambda _: Step(PAID), context_window=WINDOW) as api:
            async with client_of(api.base_url) as client:
                model = OpenAIResponsesModel("gpt-4.1", client)
                result = await run(Agent("clerk", model=model), earlier())
        assert time.monotonic() - began < limit + SLACK_S
        assert result.final_output == PAID
        (sent,) = api.requests
        assert sent.error is None, "legal"
        assert sent.tokens <= BUDGET
        assert sent.items[-1]["content"] == QUESTION
        assert "<COMPACT-SUMMARY v1" in str(sent.items)
        assert "order #0" in str(sent.items)
        (span,) = [span for span in exporter.get_finished_spans() if span.name == "compact_context"]
        return span

    return asked


def story(span):
    """Return why each step was taken, and the step; all of them before the summary."""
    names = [event.name for event in span.events]
    steps = [event.attributes for event in span.events if event.name == "compact.error"]
    first, made = (
        names.index("compact.trigger_decision") + 1,
        names.index("compact.summary_created"),
    )
    assert names[first:made] == ["compact.error"] * len(steps), "in their order, and nowhere else"
    assert {step["compact.failure.stage"] for step in steps} <= {"summarize"}
    times = [event.timestamp for event in span.events]
    assert times == sorted(times)
    return [(step["error.type"], step["compact.failure.fallback"]) for step in steps]


def created(span):
    (event,) = [event for event in span.events if event.name == "compact.summary_created"]
    return event.attributes


@pytest.mark.parametrize("fault", FAILING)
async def test_two_models_that_fail_cost_their_summary_only(fault, ask):
    serve, told = FAILING[fault]
    with serve() as base_url:
        span = await ask(base_url, limit=3.0 if fault in QUICK else 10.0)
    assert story(span) == told
    assert created(span)["compact.summarizer.name"] == "extractive"
    assert span.attributes["compact.outcome"] == "fallback"
    assert span.attributes["error.type"] == told[-1][0]


@pytest.mark.parametrize("fault", SAVED)
async def test_the_second_model_writes_where_the_first_one_fails(fault, ask):
    step, reasons = SAVED[fault]
    with after(step) as base_url:
        span = await ask(base_url, limit=5.0 if fault in QUICK else 15.0)
    steps = ["retry_brief", "retry_model"] if len(reasons) > 1 else ["retry_model"]
    assert story(span) == list(zip(reasons, steps, strict=True))
    assert created(span)["compact.summarizer.name"] == "openai"
    assert created(span)["compact.summary.model"] == "small"
    assert span.attributes["compact.outcome"] == "compacted"
    assert "error.type" not in span.attributes


async def test_a_stream_tells_the_same_story(ask):
    async def streamed(agent, history):
        result = Runner.run_streamed(agent, history)
        async for _ in result.stream_events():
            pass
        return result

    with both(Step("")) as base_url:
        span = await ask(base_url, run=streamed)
    assert story(span) == ends("empty", "retry_brief", "retry_model")


async def test_servers_with_chat_completions_only_are_asked_in_their_way(ask):
    with after(Step("")) as base_url:
        span = await ask(base_url, api="chat")
    assert story(span) == [("empty", "retry_brief"), ("empty", "retry_model")]
    assert created(span)["compact.summary.model"] == "small"


async def test_what_was_asked_in_vain_is_paid_for_too(ask, exporter):
    with both(Step("I cannot help with that.")) as base_url:
        span = await ask(base_url)
    chats = [span for span in exporter.get_finished_spans() if span.name.startswith("chat ")]
    assert len(chats) == 3
    paid = sum(chat.attributes["gen_ai.usage.input_tokens"] for chat in chats)
    assert created(span)["compact.summary.prompt_tokens"] == paid > 1000
    assert span.attributes["compact.summary.prompt_tokens"] == paid
    assert span.attributes["compact.summary.completion_tokens"] > 0
    assert span.attributes["compact.summary.duration"] > 0
