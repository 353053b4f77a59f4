"""The estimator for tests: sizes that can be told by looking."""

import subprocess
import sys

import pytest

from compact_otel.core.errors import ConfigError
from compact_otel.core.types import CallContext, FixedTokens
from compact_otel.estimators.noop import NoopEstimator

CALL = CallContext(model="any", instructions="x" * 40)


def test_a_token_is_four_characters_of_text():
    items = [
        {"role": "user", "content": "x" * 400},
        {"type": "function_call", "call_id": "call_1", "name": "find", "arguments": "y" * 36},
        {"type": "function_call_output", "call_id": "call_1", "output": [{"text": "z" * 5}]},
        {"role": "user", "content": [{"type": "input_image", "image_url": "data:" + "A" * 4000}]},
    ]
    assert NoopEstimator().count_items(items, CALL) == [100, 10, 2, 0]
    assert NoopEstimator().count_fixed(CALL) == FixedTokens(instructions=10)


def test_a_token_is_as_long_as_one_says():
    assert NoopEstimator(chars_per_token=1).count_text("seven !") == 7
    assert NoopEstimator(chars_per_token=2.5).count_text("x" * 10) == 4


@pytest.mark.parametrize("length", [0, -1, float("nan")])
def test_a_token_has_a_length(length):
    with pytest.raises(ConfigError, match="`chars_per_token` > 0"):
        NoopEstimator(chars_per_token=length)


def test_it_needs_no_tokeniser():
    program = """
import sys
sys.modules["tiktoken"] = None
from compact_otel.estimators.noop import NoopEstimator
print(NoopEstimator().count_text("12345678"))
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "2\n"
