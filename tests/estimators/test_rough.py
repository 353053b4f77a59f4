"""Small calls are counted without a vocabulary, and none is loaded for them."""

import json
import subprocess
import sys

import pytest

from compact_otel.core.types import CallContext
from compact_otel.estimators.rough import RoughEstimator
from compact_otel.estimators.tiktoken import TiktokenEstimator

ROUGH, EXACT = RoughEstimator(), TiktokenEstimator()
PROSE = """The committee met on Tuesday to consider the proposal. It decided, after a long debate,
to postpone the vote until more figures are available; two members objected and asked for their
reasons to be recorded in the minutes. Nobody mentioned the budget of 4,250,000 euros."""
CODE = """def mean(values: list[float]) -> float:
    \"\"\"Return the mean; raises ValueError for an empty list.\"\"\"
    if not values:
        raise ValueError("need at least one value")
    return sum(values) / len(values)
"""
DATA = json.dumps(
    [{"order_id": f"#W{n:07}", "status": "pending", "total": n * 1.5} for n in range(30)]
)
TEXTS = {"prose": PROSE * 4, "code": CODE * 6, "data": DATA}


@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
def test_a_page_of_text_is_guessed_nearly_right(text):
    tokens = EXACT.count_text(text)
    (rough,) = ROUGH.count_items([{"role": "user", "content": text}], CallContext())
    assert rough == pytest.approx(tokens, rel=0.2)


@pytest.mark.parametrize(
    "text",
    [
        *TEXTS.values(),
        "\U0001f600" * 50,
        "\ud800" * 20,
        "中文" * 100,
        "a b c d e f g " * 30,
        "<|im_end|>",
    ],
)
@pytest.mark.parametrize("model", ["gpt-5", "gpt-4", "claude-opus-5"])
def test_no_call_has_more_than_its_most(text, model):
    call = CallContext(
        model=model,
        instructions=text,
        tools=[{"type": "function", "name": "look", "description": text, "parameters": {}}],
    )
    items = [
        {"role": "user", "content": text},
        {"type": "function_call", "name": "look", "arguments": text, "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": text},
    ]
    exact = EXACT.count_fixed(call).total + sum(EXACT.count_items(items, call))
    assert ROUGH.most(items, call) >= exact


PROGRAM = """
import json, sys
from compact_otel import CompactConfig, CompactManager
from compact_otel.config import StorageConfig
from compact_otel.core.types import CallContext, Usage

class Events:
    told = []
    def export(self, event):
        self.told.append(event)

config = CompactConfig(max_context_tokens=10_000, storage=StorageConfig(adapter="none"))
manager = CompactManager(config, exporters=[Events()])
call = CallContext(model="gpt-4o")
history, loaded = [], []
for turn in range(30):
    history.append({"role": "user", "content": "why " * 60})
    history.append({"role": "assistant", "content": "so " * 60})
    result = manager.preflight("s", history, call=call)
    manager.heard("s", result.history_key, Usage(input_tokens=140 + turn * 130))
    loaded.append("tiktoken" in sys.modules)
estimates = [event for event in Events.told if event["event"] == "compact.token_estimate"]
print(json.dumps([[event["compact.estimator.name"] for event in estimates], loaded]))
"""


def test_the_vocabulary_is_loaded_when_the_window_comes_nearer():
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    names, loaded = json.loads(answer.stdout)
    assert names[0] == "pieces"
    assert names[-1] == "tiktoken:o200k_base"
    exact = [name != "pieces" for name in names]
    assert 5 <= exact.index(True) <= 25
    assert loaded[exact.index(True)]
    assert loaded.index(True) >= 3


AHEAD = """
import json, time
from compact_otel import CompactConfig, CompactManager
from compact_otel.core.types import CallContext
from compact_otel.estimators.vocabulary import is_loaded

config = CompactConfig.load(max_context_tokens=10_000, storage={"adapter": "none"})
manager = CompactManager(config)
for size in (2_000, 5_000):  # below half of the bytes at which anything may be done, and above it
    history = [{"role": "user", "content": "a" * size}]
    manager.preflight("s", history, call=CallContext(model="gpt-4o"))
    print(is_loaded(), "tiktoken" in __import__("sys").modules, flush=True)
until = time.monotonic() + 30
while not is_loaded() and time.monotonic() < until:
    time.sleep(0.01)
print(is_loaded())
"""


def test_the_vocabulary_is_loaded_in_a_thread_before_a_call_needs_it():
    answer = subprocess.run(
        [sys.executable, "-c", AHEAD], capture_output=True, text=True, check=True
    )
    small, near, later = answer.stdout.splitlines()
    assert small == "False False"
    assert near.startswith("False"), "the call itself has not waited for it"
    assert later == "True"
