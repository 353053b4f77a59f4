"""`opentelemetry-instrument` with what users set: each does what they expect, and calls go on."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from compact_otel import CompactManager

history = [
    {"role": role, "content": f"{role} {turn}: " + "word " * 200}
    for turn in range(16)
    for role in ("user", "assistant")
]
manager = CompactManager()
for length in (2, 32):
    print(manager.preflight("s", history[:length]).outcome)
"""


def run(folder, **environment):
    """Run a program in which one call is let through and one compacted; return its output."""
    silent = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
    ours = {"COMPACT_MAX_CONTEXT_TOKENS": "5000", "COMPACT_STORAGE_ADAPTER": "none"}
    done = subprocess.run(
        [Path(sys.executable).with_name("opentelemetry-instrument"), sys.executable, "-c", PROGRAM],
        cwd=folder,
        env={**os.environ, **silent, **ours, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.findall("^[a-z]+$", done.stdout, re.MULTILINE) == ["skipped", "compacted"]
    return done


def exported(output):
    """Return the JSON objects that the console exporters printed among a program's own output."""
    decoder = json.JSONDecoder()
    starts = re.finditer(r"^\{", output, re.MULTILINE)
    return [decoder.raw_decode(output[match.start() :])[0] for match in starts]


def test_a_disabled_sdk_leaves_compaction_on_and_telemetry_off(tmp_path):
    done = run(
        tmp_path,
        OTEL_SDK_DISABLED="true",
        OTEL_TRACES_EXPORTER="console",
        OTEL_METRICS_EXPORTER="console",
        OTEL_LOGS_EXPORTER="console",
        COMPACT_EVENTS="both",
    )
    assert "compact." not in done.stdout
    assert "Traceback" not in done.stderr


def test_without_traces_there_are_metrics_and_log_records(tmp_path):
    done = run(
        tmp_path,
        OTEL_METRICS_EXPORTER="console",
        OTEL_LOGS_EXPORTER="console",
        COMPACT_EVENTS="log",
    )
    found = exported(done.stdout)
    names = [record.get("event_name") for record in found]
    assert names.count("compact.trigger_decision") == 2
    assert names.count("compact.summary_created") == 1
    (metrics,) = [each for each in found if "resource_metrics" in each]
    counted = {
        metric["name"]: sum(point.get("value", 0) for point in metric["data"]["data_points"])
        for resource in metrics["resource_metrics"]
        for scope in resource["scope_metrics"]
        for metric in scope["metrics"]
    }
    assert counted["compact.decisions"] == 2
    assert counted["compact.tokens.removed"] > 0


def test_an_exporter_that_nobody_knows_is_named_by_opentelemetry(tmp_path):
    """It gives up on all instrumentations then, ours too; the program runs as without it."""
    done = run(tmp_path, OTEL_TRACES_EXPORTER="ariadn")
    assert "'ariadn' not found" in done.stderr
