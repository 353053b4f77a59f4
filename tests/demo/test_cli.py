"""compactctl: options, errors, exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from compact_otel import __version__
from compact_otel.cli import main
from compact_otel.demo.model import RecordedModel
from compact_otel.demo.recording import bundled
from compact_otel.demo.settings import SettingError, session_tokens
from compact_otel.testing import LocalOpenAI
from tests.demo.runs import settings

COMPACTCTL = Path(sys.executable).with_name("compactctl")


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    """Run compactctl in a folder of its own, without a key."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, **environment):
        env = {"OPENAI_API_KEY": None, "COLUMNS": "80", **environment}
        return CliRunner().invoke(main, arguments, env=env)

    return run


def test_it_says_its_version(invoke):
    assert invoke("--version").output == f"compactctl, version {__version__}\n"


def test_help_names_the_commands_and_every_option_with_its_default(invoke):
    assert "demo See an agent die" in " ".join(invoke("--help").output.split())
    text = invoke("demo", "-h").output
    for option in ("--window TOKENS", "--turns N", "--archive DIR", "--model NAME", "--live"):
        assert option in text
    for default in ("10000", "(all)", "no-stream", "gpt-4o-mini"):
        assert f"[default: {default}]" in " ".join(text.split())


def test_help_waits_for_no_heavy_import():
    code = (
        "import sys, compact_otel.cli\n"
        "heavy = {'agents', 'openai', 'tiktoken', 'opentelemetry', 'rich', 'uvicorn'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )

    checked = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert checked.stdout.strip() == b"[]"


@pytest.mark.parametrize(
    ("arguments", "option", "expected"),
    [
        (["--window", "-5"], "--window", "-5 tokens are too few"),
        (["--window", "0"], "--window", "0 tokens are too few"),
        (["--window", "4000"], "--window", "4,000 tokens are too few"),
        (["--window", "100000"], "--window", "100,000 tokens hold the whole session"),
        (["--window", "many"], "--window", "'many' is not a valid integer"),
        (["--turns", "0"], "--turns", "0 turns cannot be played: the session has 53"),
        (["--turns", "-1"], "--turns", "-1 turns cannot be played"),
        (["--turns", "54"], "--turns", "54 turns cannot be played"),
        (["--turns", "5"], "--turns", "5 turns (5,471 tokens) fit into the window of 10,000"),
        (["--api", "realtime"], "--api", "'realtime' is not one of 'responses', 'chat'"),
        (["--live"], "--live", "OPENAI_API_KEY is not set. Set it, or leave --live away"),
    ],
)
def test_an_impossible_value_names_option_value_and_way_out(invoke, arguments, option, expected):
    result = invoke("demo", *arguments)

    assert result.exit_code == 2
    assert f"Invalid value for '{option}': " in result.stderr
    assert expected in result.stderr


def test_the_fewest_turns_it_offers_are_enough(invoke, tmp_path):
    refusal = invoke("demo", "--turns", "5", "--window", "9000").stderr

    enough = int(refusal.partition("Use ")[2].partition(" ")[0])

    assert session_tokens(settings(tmp_path, window=9_000, turns=enough), bundled()) > 9_000
    with pytest.raises(SettingError):
        session_tokens(settings(tmp_path, window=9_000, turns=enough - 1), bundled())


def test_an_archive_that_is_a_file_is_refused(invoke, tmp_path):
    file = tmp_path / "archive"
    file.write_text("mine")

    result = invoke("demo", "--archive", str(file))

    assert result.exit_code == 2
    assert "'--archive'" in result.stderr
    assert file.read_text() == "mine"


def test_an_archive_that_cannot_be_made_is_refused_before_anything_is_played(invoke, tmp_path):
    (tmp_path / "file").write_text("")

    result = invoke("demo", "--archive", str(tmp_path / "file" / "archive"))

    assert result.exit_code == 2
    assert "cannot be made (Not a directory). Use a folder you may write to." in result.stderr


def test_a_live_run_asks_the_api_of_the_environment_and_plays_the_second_part_only(invoke):
    with LocalOpenAI(RecordedModel(bundled(18).responses), context_window=8_500) as api:
        result = invoke(
            *("demo", "--live", "--json"),
            *("--model", "gpt-5-mini", "--window", "8500", "--turns", "18"),
            OPENAI_API_KEY="a key",
            OPENAI_BASE_URL=api.base_url,
        )

    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert told["survived_with"] == 18
    assert told["survived_without"] is None
    assert told["compactions"]
    assert {request.body["model"] for request in api.requests} == {"gpt-5-mini"}


def test_a_session_that_dies_with_compact_otel_is_a_failure(invoke):
    # The API's window is smaller than what compact_otel was told.
    with LocalOpenAI(RecordedModel(bundled(17).responses), context_window=2_000) as api:
        result = invoke(
            *("demo", "--live", "--turns", "17"),
            OPENAI_API_KEY="a key",
            OPENAI_BASE_URL=api.base_url,
        )

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "Survived 0 of 17 turns with compact_otel."


@pytest.mark.slow
def test_the_command_alone_shows_the_whole_session(tmp_path):
    offline = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    environment = {**os.environ, **offline}
    for name in ("OPENAI_API_KEY", "NO_PROXY", "no_proxy"):
        environment.pop(name, None)

    done = subprocess.run(
        [COMPACTCTL, "demo", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["session_tokens"] > 3 * told["window"]
    assert told["model_calls"] >= 40
    assert told["survived_without"] < told["survived_with"] == told["turns"]
    assert told["error"]["code"] == "context_length_exceeded"
    assert told["overflow_errors"] == 0
    assert told["facts_kept"] > told["facts_needed"] - told["facts_compacted"]
    assert len(told["compactions"]) < told["model_calls"] / 4
    assert (tmp_path / told["archive"] / "transcript-pre-compact-001.jsonl").is_file()
