"""A model writes the summaries because a setting names it, and no line of the program does."""

import logging
import subprocess
import sys

import pytest

import compact_otel
from compact_otel.config import CompactConfig
from compact_otel.manager import CompactManager
from compact_otel.prices import TABLE
from compact_otel.testing import LocalOpenAI, Step
from tests.histories import Summarizer, talk
from tests.integration.test_zero_code import plain_program, run_instrumented, spans_in
from tests.summarizers.openai_bench import RawServer, by_model

__all__ = ["plain_program"]  # a fixture

NOTE = "Goal: answers to twelve questions.\nquestion 3: why"
LONG = talk(12, 60)
KEY = "OPENAI_API_KEY"


@pytest.fixture
def server(monkeypatch):
    """A server that writes the note, found by the environment as any client of OpenAI finds it."""
    with LocalOpenAI(lambda _: Step(NOTE)) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.base_url)
        monkeypatch.setenv(KEY, "local")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield served


def made(*, writer=None, tracer_provider=None, **summarizer):
    """Return a manager that has to compact LONG; settings of the summariser as keywords."""
    config = CompactConfig.load(
        max_context_tokens=1500,
        hard_cap_buffer=0,
        keep_recent_turns=1,
        storage={"adapter": "none"},
        summarizer=summarizer,
    )
    return CompactManager(config, summarizer=writer, tracer_provider=tracer_provider)


def test_the_model_that_is_named_writes_the_summary(server):
    result = made(model="gpt-4.1-mini").preflight("s", LONG)
    assert result.outcome == "compacted"
    assert NOTE in result.summary
    (asked,) = server.requests
    assert asked.body["model"] == "gpt-4.1-mini"
    assert asked.path == "/v1/responses"


def test_the_environment_names_it_as_well(server, monkeypatch):
    monkeypatch.setenv("COMPACT_SUMMARIZER_MODEL", "large")
    monkeypatch.setenv("COMPACT_SUMMARIZER_FALLBACK_MODELS", "small, tiny")
    monkeypatch.setenv("COMPACT_SUMMARIZER_API", "chat")
    assert made().preflight("s", LONG).outcome == "compacted"
    (asked,) = server.requests
    assert (asked.body["model"], asked.path) == ("large", "/v1/chat/completions")


def test_a_program_without_a_line_of_ours_has_its_summaries_written_by_a_model(
    server, plain_program, tmp_path
):
    done = run_instrumented(
        plain_program, tmp_path, COMPACT_SUMMARIZER_MODEL="gpt-4.1-mini", COMPACT_MODE="compact"
    )
    assert done.returncode == 0, done.stderr
    assert "48 model calls" in done.stdout
    spans = spans_in(done.stdout)
    names = {
        event["attributes"]["compact.summarizer.name"]
        for span in spans
        for event in span["events"]
        if event["name"] == "compact.summary_created"
    }
    assert names == {"openai"}
    chats = [span for span in spans if span["name"] == "chat gpt-4.1-mini"]
    assert len(chats) == len(server.requests) >= 1
    ours = {span["context"]["span_id"] for span in spans if span["name"] == "compact_context"}
    assert {chat["parent_id"] for chat in chats} <= ours


def test_without_a_name_no_model_is_asked(server):
    assert made().preflight("s", LONG).outcome == "compacted"
    assert not server.requests


def test_a_summariser_that_is_handed_over_wins(server):
    own = Summarizer()
    assert made(writer=own, model="m").preflight("s", LONG).outcome == "compacted"
    assert own.requests
    assert not server.requests


def test_without_a_key_a_program_starts_and_is_told_once_what_is_missing(
    server, monkeypatch, caplog, tracer_provider, exporter
):
    monkeypatch.delenv(KEY)
    manager = made(model="gpt-4.1-mini", tracer_provider=tracer_provider)
    for words in (60, 61):
        assert manager.preflight("s", talk(12, words)).outcome == "fallback"
    assert not server.requests
    told = [record for record in caplog.records if KEY in record.getMessage()]
    assert [record.levelno for record in told] == [logging.WARNING]
    assert "gpt-4.1-mini" in told[0].getMessage()
    for span in exporter.get_finished_spans():
        (error,) = [event for event in span.events if event.name == "compact.error"]
        assert error.attributes["error.type"] == "unauthorized"
        assert error.attributes["compact.failure.fallback"] == "extractive"


def test_a_misspelt_model_is_told_once_also_where_another_one_writes(monkeypatch, caplog):
    unknown = Step(status=404, error={"code": "model_not_found"})
    with LocalOpenAI(by_model(lagre=unknown, small=Step(NOTE))) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.base_url)
        monkeypatch.setenv(KEY, "local")
        manager = made(model="lagre", fallback_models=["small"])
        for words in (60, 61):
            assert manager.preflight("s", talk(12, words)).outcome == "compacted"
    said = [record.getMessage() for record in caplog.records]
    assert sum("`lagre` cannot be asked for summaries" in message for message in said) == 1


def test_a_chain_ends_by_itself_and_is_asked_again_the_next_time(monkeypatch):
    """It has less time than a summariser may take, or it would be left out for a minute."""
    monkeypatch.setenv(KEY, "local")
    with RawServer(TimeoutError()) as hanging:
        base_url = f"http://127.0.0.1:{hanging._server.server_address[1]}/v1"
        monkeypatch.setenv("OPENAI_BASE_URL", base_url)
        manager = made(model="m", timeout=2.0)
        for words in (60, 61):
            asked = hanging.calls
            assert manager.preflight("s", talk(12, words)).outcome == "fallback"
            assert hanging.calls > asked


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"fallback_models": ["m"]}, "`summarizer.fallback_models`"),
        ({"api": "chat"}, "`summarizer.api`"),
        ({"shape": "prefix"}, "`summarizer.shape`"),
        ({"window": 4096, "api": "chat"}, "`summarizer.api`, `summarizer.window`"),
    ],
)
def test_settings_of_a_model_without_a_model_are_warned_about(settings, named, caplog):
    assert made(**settings).preflight("s", LONG).outcome == "compacted"
    (record,) = caplog.records
    assert record.getMessage() == f"nobody reads {named}: set `summarizer.model`, too"


def test_settings_that_mean_something_without_a_model_are_no_reason_to_warn(caplog):
    made(timeout=5.0, verify=False, facts_floor=0.0).preflight("s", LONG)
    assert not caplog.records


def test_a_window_that_is_set_decides_how_much_a_model_is_asked_at_once(server):
    asked = {}
    for window in (None, 3000):
        result = made(model="gpt-4.1-mini", window=window).preflight("s", LONG)
        assert result.outcome == "compacted"
        asked[window] = [len(str(request.body)) for request in server.requests]
        server.clear()
    assert len(asked[None]) == 1
    assert len(asked[3000]) > 1
    assert max(asked[3000]) < asked[None][0]


def test_of_an_unknown_model_the_warning_names_the_setting_that_helps_there(server, caplog):
    TABLE.load().join()
    said = []
    for window in (None, 4096):
        made(model="llama-of-mine", window=window).preflight("s", LONG)
        said.append([r.getMessage() for r in caplog.records if "llama-of-mine" in r.getMessage()])
        caplog.clear()
    (warning,), with_window = said
    assert "`summarizer.window` (COMPACT_SUMMARIZER_WINDOW)" in warning
    assert "max_context_tokens" not in warning.lower()
    assert not with_window


def test_a_program_starts_and_makes_small_calls_without_loading_the_client():
    program = (
        "import sys, compact_otel\n"
        "manager = compact_otel.instrument(summarizer={'model': 'gpt-4.1-mini'})\n"
        "ours = 'compact_otel.summarizers.openai'\n"
        "assert not {'openai', ours, 'opentelemetry.trace'} & set(sys.modules)\n"
        "manager.preflight('s', [{'role': 'user', 'content': 'hi'}])\n"
        "assert ours in sys.modules and 'openai' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_switch_takes_the_setting_as_part_of_its_section():
    manager = compact_otel.instrument(summarizer={"model": "m", "fallback_models": ["n"]})
    assert manager.config.summarizer.model == "m"
    assert manager.config.summarizer.fallback_models == ("n",)
