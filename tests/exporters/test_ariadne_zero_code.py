"""`OTEL_TRACES_EXPORTER=ariadne opentelemetry-instrument python app.py`: the viewer has it."""

import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from tests.exporters.ariadne_server import AriadneServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "agents_sdk_minimal.py"


def run(folder, exporters, **environment):
    return subprocess.run(
        [Path(sys.executable).with_name("opentelemetry-instrument"), sys.executable, EXAMPLE],
        cwd=folder,
        env={
            **os.environ,
            "OTEL_TRACES_EXPORTER": exporters,
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_program_is_shown_without_a_line_changed(tmp_path):
    with AriadneServer() as server:
        done = run(
            tmp_path,
            "console,ariadne",
            COMPACT_ARIADNE_URL=server.endpoint,
            OTEL_BSP_SCHEDULE_DELAY="3600000",  # so that only what goes ahead comes before the end
        )
    assert done.returncode == 0, done.stderr
    assert server.complaints == []
    spans = server.spans()
    assert len({row["span_id"] for row in spans}) == len(spans)
    assert len([row for row in spans if row["kind"].startswith("compaction")]) >= 48
    assert len(server.named("⟲ compact ")) >= 1
    ended = max(datetime.fromisoformat(row["ended_at"]).timestamp() for row in spans)
    assert server.named("· trigger_decision compact")[0]["received"] < ended
    compacted = server.named("⟲ compact ")[0]["span_id"]
    below = {row["name"].split()[1] for row in spans if row.get("parent_id") == compacted}
    assert {"token_estimate", "trigger_decision", "summary_created", "pruned_messages"} <= below
    assert "compact_context" in done.stdout  # who else listens still hears it
    assert "the budget of department" not in str(server.rows)
    # Also at the very end, when meters are shut down before the last spans are sent.
    assert not re.search("shutdown|Meter|Traceback|Ariadne", done.stderr), done.stderr


@pytest.mark.parametrize("wrong", ["nobody", "hang"])
def test_without_a_viewer_the_program_runs_as_ever_and_says_so_once(wrong, tmp_path):
    with AriadneServer(otherwise=None if wrong == "nobody" else wrong) as server:
        endpoint = "http://127.0.0.1:9" if wrong == "nobody" else server.endpoint
        done = run(
            tmp_path,
            "ariadne",
            COMPACT_ARIADNE_URL=endpoint,
            COMPACT_ARIADNE_TIMEOUT="0.5",
        )
    assert done.returncode == 0, done.stderr
    assert "48 model calls" in done.stdout
    assert done.stderr.count("[Ariadne]") == 1
    assert not re.search("shutdown|Meter|Traceback", done.stderr), done.stderr
