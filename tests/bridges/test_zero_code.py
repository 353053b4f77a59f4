"""`opentelemetry-instrument` switches on the bridge and us, in whatever order it finds them."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.bridges.bridges import BRIDGES, CHOSEN
from tests.integration.test_zero_code import run_instrumented, spans_in

PROGRAM = Path(__file__).with_name("plain_program.py")
WITH_ENTRY_POINT = [name for name in CHOSEN if BRIDGES[name].entry_point]


@pytest.mark.parametrize("bridge", WITH_ENTRY_POINT, indirect=True)
def test_without_a_line_of_code_our_spans_are_beside_the_model_spans(bridge, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)  # the SDK uploads its own traces with it
    done = run_instrumented(PROGRAM, tmp_path)
    assert done.returncode == 0, done.stderr
    spans = spans_in(done.stdout)
    ours = [span for span in spans if span["name"] == "compact_context"]
    served = [
        span
        for span in spans
        if span not in ours and re.match(bridge.model_span, span["name"]) is not None
    ]
    assert len(ours) == 4
    assert len({span["context"]["trace_id"] for span in ours}) == 2, "one trace a run"
    assert Counter(span["parent_id"] for span in ours) == Counter(
        span["parent_id"] for span in served
    )
