"""The formula against the usage that OpenAI and Azure have reported for real requests.

The requests are recorded material of other projects and not part of this repository.
"""

import gzip
import json
import statistics
from pathlib import Path

import pytest

from compact_otel.core.types import CallContext
from compact_otel.estimators.tiktoken import TiktokenEstimator

USAGE = Path(__file__).parents[3] / "shared/data/tokens/usage.jsonl.gz"

pytestmark = pytest.mark.skipif(
    not USAGE.is_file(), reason="needs the recorded requests in ../shared/data/tokens"
)


def to_call(row):
    """Return items and context of a recorded request as the hook would give them."""
    request = row["request"]
    chat = row["api"] == "chat"
    items = request.get("messages" if chat else "input") or []
    items = [{"role": "user", "content": items}] if isinstance(items, str) else list(items)
    instructions = request.get("instructions")
    first = items[0] if chat and items else {}
    if first.get("role") in ("system", "developer") and isinstance(first["content"], str):
        instructions = items.pop(0)["content"]  # as the Agents SDK sends an agent's instructions
    tools = [
        {"type": "function", **tool["function"]} if "function" in tool else tool
        for tool in request.get("tools") or map(as_tool, request.get("functions", []))
    ]
    form = (request.get("response_format") if chat else request.get("text", {}).get("format")) or {}
    choice = request.get("tool_choice")
    if isinstance(choice, dict):
        choice = choice.get("function", choice).get("name", "required")
    return items, CallContext(
        model=row["request_model"] or row["model"],
        api=row["api"],
        instructions=instructions,
        tools=tools,
        output_schema=form.get("json_schema", form).get("schema"),
        tool_choice=choice,
    )


def as_tool(function):
    return {"type": "function", "function": function}


@pytest.fixture(scope="module")
def errors():
    """(features of a request, its error as a share of the truth, its tokens) of every clean one."""
    estimator = TiktokenEstimator()
    found = []
    with gzip.open(USAGE, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            truth = row["input_tokens"]
            if row["exclude"] or truth <= 0:
                continue
            items, call = to_call(row)
            estimate = sum(estimator.count_items(items, call)) + estimator.count_fixed(call).total
            found.append((set(row["features"]), (estimate - truth) / truth, truth))
    return found


def percentile_95(shares):
    return sorted(map(abs, shares))[int(0.95 * (len(shares) - 1))]


def mean(shares):
    return statistics.mean(map(abs, shares))


def test_half_of_all_requests_are_counted_to_the_token(errors):
    shares = [error for _, error, _ in errors]
    assert len(shares) > 500
    assert statistics.median(map(abs, shares)) == 0
    assert mean(shares) <= 0.025
    assert percentile_95(shares) <= 0.06


def test_hardly_any_request_is_counted_too_low(errors):
    low = sum(error < -0.05 for _, error, _ in errors)
    assert low / len(errors) <= 0.04


@pytest.mark.parametrize(
    ("features", "at_most", "p95"),
    [
        ({"tool:function"}, 0.035, 0.06),
        ({"tool_calls", "in:function_call"}, 0.02, 0.06),
        ({"fmt:json_schema"}, 0.025, 0.1),
        ({"in:reasoning"}, 0.08, 0.17),
        ({"image"}, 0.02, 0.06),
    ],
    ids=["tools", "calls", "output schema", "reasoning", "pictures"],
)
def test_each_part_of_a_request_is_counted_well(errors, features, at_most, p95):
    shares = [error for found, error, _ in errors if found & features]
    assert len(shares) > 10
    assert mean(shares) <= at_most
    assert percentile_95(shares) <= p95


def test_longer_requests_are_counted_best(errors):
    shares = [error for found, error, tokens in errors if tokens >= 500 and "image" not in found]
    assert len(shares) > 40
    assert mean(shares) <= 0.01
    assert percentile_95(shares) <= 0.03
