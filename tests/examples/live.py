"""Each example with `--live`, against a server that it takes for OpenAI.

    uv run pytest tests/examples/live.py

Not part of the test command, as it takes a minute; `.ci/run examples` runs it. The model says what
the example's own `play` does, so tools, handoffs and questions are those it was written for.
"""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import compact_otel
from compact_otel.testing import LocalOpenAI

EXAMPLES = Path(__file__).parents[2] / "examples"
TYPED = "Read src/orders.py. From now on answer in British English.\n/compact\n/quit\n"
RUNS = {
    "agents_sdk_minimal.py": [],
    "coding_session.py": [],
    "custom_parts.py": [],
    "long_research.py": ["--papers", "6"],
    "multi_agent.py": [],
    "service.py": [],
    "zero_code/run.py": [],
}
ELSEWHERE = {"real_model.py"}  # brings a model of its own


def test_every_example_is_run_live():
    found = {path.name for path in EXAMPLES.glob("*.py")}
    found |= {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.glob("*/run.py")}
    assert found == RUNS.keys() | ELSEWHERE


@pytest.mark.parametrize("name", RUNS)
def test_an_example_asks_the_server_that_the_environment_names(name, tmp_path):
    play = runpy.run_path(str(EXAMPLES / name), run_name="example")["play"]
    compact_otel.uninstrument()
    with LocalOpenAI(play, context_window=16_384) as api:
        done = subprocess.run(
            [sys.executable, EXAMPLES / name, "--live", *RUNS[name]],
            cwd=tmp_path,
            env={
                **os.environ,
                "OPENAI_BASE_URL": api.base_url,
                "OPENAI_API_KEY": "local",
                "OPENAI_DEFAULT_MODEL": "gpt-4",
            },
            input=TYPED,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    assert api.requests
    assert not [request.error for request in api.requests if request.error]
    assert not api.missing
