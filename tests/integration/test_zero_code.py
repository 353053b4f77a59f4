"""`opentelemetry-instrument` alone: no line of the program changes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "agents_sdk_minimal.py"
BEGIN, END = "# --- the integration: begin ---", "# --- the integration: end ---"


def run_instrumented(program, folder, **environment):
    """Run a program under opentelemetry-instrument; return the finished process."""
    command = Path(sys.executable).with_name("opentelemetry-instrument")
    exporters = ["--traces_exporter", "console", "--metrics_exporter", "none"]
    return subprocess.run(
        [command, *exporters, "--logs_exporter", "none", sys.executable, program],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def spans_in(output):
    """Return the spans that the console exporter printed among a program's own output."""
    decoder, found = json.JSONDecoder(), []
    for match in re.finditer(r"^\{$", output, re.MULTILINE):
        span, _ = decoder.raw_decode(output[match.start() :])
        found.append(span)
    return found


@pytest.fixture
def plain_program(tmp_path):
    """The example without its integration."""
    before, rest = EXAMPLE.read_text().split(BEGIN)
    program = tmp_path / "plain.py"
    source = before.replace("import compact_otel\n", "") + rest.split(END)[1]
    assert "instrument(" not in source.split('"""')[2]
    program.write_text(source)
    return program


def test_the_integration_in_the_example_has_at_most_ten_lines():
    lines = EXAMPLE.read_text().split(BEGIN)[1].split(END)[0].strip().splitlines()
    assert 1 <= len(lines) + len(["import compact_otel"]) <= 10


def test_a_program_without_a_line_of_ours_is_compacted_and_traced(plain_program, tmp_path):
    done = run_instrumented(plain_program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "48 model calls" in done.stdout
    spans = [span for span in spans_in(done.stdout) if span["name"] == "compact_context"]
    assert len(spans) == 48
    compacted = [s for s in spans if s["attributes"]["compact.outcome"] == "compacted"]
    assert compacted
    assert [event["name"] for event in compacted[0]["events"]] == [
        "compact.token_estimate",
        "compact.trigger_decision",
        "compact.summary_created",
        "compact.policy_applied",
        "compact.pruned_messages",
        "compact.token_estimate",
        "compact.cache_effect",
        "compact.archival",
    ]
    assert (tmp_path / ".compact" / "archive" / "report" / "summary-001.json").exists()


def test_without_us_the_same_program_dies(plain_program, tmp_path):
    done = run_instrumented(
        plain_program, tmp_path, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="compact_otel"
    )
    assert done.returncode != 0
    assert "Your input exceeds the context window of this model" in done.stderr


def test_a_typo_in_the_environment_is_told_and_the_program_runs_as_without_us(
    plain_program, tmp_path
):
    done = run_instrumented(plain_program, tmp_path, COMPACT_KEEP_RECENT_TURNS="six")
    assert "compact_otel stays off: policy.keep_recent_turns must be a whole number" in done.stderr
    assert "COMPACT_KEEP_RECENT_TURNS" in done.stderr
    assert "Your input exceeds the context window of this model" in done.stderr


def test_a_file_beside_the_program_is_read_and_what_is_wrong_with_it_is_told(
    plain_program, tmp_path
):
    (tmp_path / "compact.yaml").write_text("policy:\n  trigger_pct: 1.7\n")
    done = run_instrumented(plain_program, tmp_path)
    assert (
        "compact_otel stays off: policy.trigger_pct must be > 0 and <= 1, got 1.7 (compact.yaml:2)"
    ) in done.stderr
    assert "Your input exceeds the context window of this model" in done.stderr


def test_the_example_runs_as_it_is(tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLE], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert {event["session_id"] for event in events} == {"report"}
    assert "compact.summary_created" in {event["event"] for event in events}
