"""The table of token accuracy says what is so: it is run here on requests written for it."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench" / "tokens.py"

ASKED = [{"role": "user", "content": "Hello"}]
ANSWERED = [*ASKED, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Hello"}]


def row(messages, tokens, *, api="chat", exclude=(), **beside):
    """Return a row; with gpt-4o a request costs 3 tokens, and a message 4 and its text."""
    name = "messages" if api == "chat" else "input"
    request = {"model": "gpt-4o", name: messages, **beside}
    return {
        "source": "written",
        "api": api,
        "model": "gpt-4o",
        "input_tokens": tokens,
        "exclude": list(exclude),
        "request": request,
    }


CLEAN = [
    row(ASKED, 8),
    row(ANSWERED, 18),
    row("Hello", 13, api="responses", instructions="Hello"),
]


@pytest.fixture
def bench(tmp_path):
    """Return what runs the benchmark on rows, and what it prints."""

    def run(rows, *options, name="rows.jsonl"):
        path, lines = tmp_path / name, "".join(json.dumps(line) + "\n" for line in rows)
        opened = gzip.open if name.endswith(".gz") else open
        with opened(path, "wt", encoding="utf-8") as file:
            file.write(lines)
        command = [sys.executable, str(BENCH), "--data", str(path), *options]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)

    return run


def tables(done):
    """Return the rows of each table of a run with `--json`."""
    assert done.returncode == 0, done.stderr
    found = {}
    for line in map(json.loads, done.stdout.splitlines()):
        found.setdefault(line["section"], []).append(line)
    return found


def test_requests_that_are_counted_right_are_shown_right(bench):
    found = tables(bench(CLEAN, "--json"))
    by_rows = {line["rows"]: line for line in found["accuracy"]}
    assert by_rows["all clean rows"]["n"] == 3
    assert by_rows["api: responses"]["n"] == by_rows["instructions"]["n"] == 1
    assert {line["mean"] for line in found["accuracy"]} == {0}
    assert all(line["holds"] for line in found["bars"] if "all clean rows" in line["bar"])
    assert "excluded" not in found
    assert "failed" not in found


def test_requests_that_are_counted_wrong_miss_the_bars(bench):
    found = tables(bench([row(ASKED, 10), row(ANSWERED, 18)], "--json"))
    (everything,) = [line for line in found["accuracy"] if line["rows"] == "all clean rows"]
    assert everything["mean"] == pytest.approx(10)
    assert everything["bias"] == pytest.approx(-10)
    assert everything["under"] == 50
    assert not any(line["holds"] for line in found["bars"] if line["at most"] in (4, 5))


def test_every_naive_estimator_stands_beside_ours(bench):
    naive = [line for line in tables(bench(CLEAN, "--json"))["naive"] if line["n"] == 3]
    assert len(naive) == 6
    ours, *others = naive
    assert ours["estimator"] == "compact_otel"
    assert ours["mean"] < min(line["mean"] for line in others if "+ 4" not in line["estimator"])


def test_later_calls_are_also_counted_with_what_the_provider_counted_before(bench):
    ways = {(line["usage"], line["way"]): line for line in tables(bench(CLEAN, "--json"))["anchor"]}
    assert {line["n"] for line in ways.values()} == {1}
    assert ways["clean rows, as it is", "anchor"]["mean"] == 0
    claude = "clean rows, x 1.4 + 500"
    assert ways[claude, "no anchor"]["mean"] > 90
    assert ways[claude, "anchor"]["mean"] < 2


def test_rows_that_are_not_clean_come_apart(bench):
    hosted = row(ASKED, 900, exclude=["hosted_or_custom_tool:web_search"])
    unanswered = row(ASKED, 0)
    found = tables(bench([*CLEAN, hosted, unanswered], "--json"))
    assert found["accuracy"][0]["n"] == 3
    assert [(line["rows"], line["n"]) for line in found["excluded"]] == [
        ("hosted_or_custom_tool", 1)
    ]


def test_a_request_that_cannot_be_counted_is_as_wrong_as_can_be(bench):
    found = tables(bench([*CLEAN, row([17], 8)], "--json"))
    assert found["accuracy"][0]["n"] == 4
    assert found["accuracy"][0]["mean"] == 25
    assert found["failed"] == [{"section": "failed", "raised": "AttributeError", "n": 1}]


def test_the_tables_are_markdown_and_packed_rows_are_read_as_well(bench):
    done = bench(CLEAN, name="rows.jsonl.gz")
    assert done.returncode == 0, done.stderr
    assert "## accuracy" in done.stdout
    assert "rows.jsonl.gz: 3 rows with usage, 3 of them clean." in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if "all clean rows: p95" in line]
    assert line.split()[-2] == "pass"


def test_without_rows_it_says_where_they_would_be_and_ends_with_2(bench, tmp_path):
    command = [sys.executable, str(BENCH), "--data", str(tmp_path / "none.jsonl")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "none.jsonl: no such file" in done.stderr
    assert "--data FILE" in done.stderr
    assert bench([]).returncode == 2


def test_a_row_that_lacks_something_is_named(bench):
    done = bench([*CLEAN, {"api": "chat", "request": {}}])
    assert done.returncode == 2
    assert "rows.jsonl:4: a row needs input_tokens" in done.stderr
