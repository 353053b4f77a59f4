"""A real server refuses what a session has grown to; with compact_otel the session goes on."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "real_model.py"


def test_a_session_goes_on_where_a_real_server_would_have_refused_it(weights, note):
    done = subprocess.run(
        [sys.executable, EXAMPLE], capture_output=True, text=True, timeout=540, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    refusals = re.findall(
        r"REFUSED, request \((\d+) tokens\) exceeds .* \((\d+) tokens\)", done.stdout
    )
    assert len(refusals) == 1, "once, and that without us"
    ((asked, window),) = refusals
    assert int(asked) > int(window)
    told = re.search(r"survived (\d+) of (\d+) turns without compact_otel, (\d+) with", done.stdout)
    without, turns, with_us = map(int, told.groups())
    assert without < with_us == turns
    sizes = [int(size.replace(",", "")) for size in re.findall(r": +([\d,]+) tokens", done.stdout)]
    assert len(sizes) == without + with_us
    assert max(sizes) <= int(window)
    note(f"window of {window}: {told.group()} it")
