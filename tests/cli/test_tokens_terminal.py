"""`compactctl tokens` on a terminal: options, notes, widths, and a process of its own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.calls import ITEMS, PICTURE, REQUEST

COMPACTCTL = Path(sys.executable).with_name("compactctl")


def shown(count, value, *arguments, **environment):
    result = count(*arguments, "-", given=json.dumps(value), **environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def flat(text):
    return " ".join(text.split())


def test_help_names_every_kind_of_file_every_option_and_examples(count):
    text = count("--help").output

    for words in (
        "--model NAME", "--window TOKENS", "--session ID", "--preview", "--json",
        "JSON Lines", "SQLiteSession", "archive", "- for stdin",
        "compactctl tokens request.json", "exit code is 0", "COMPACT_MODEL",
    ):  # fmt: skip
        assert words in text


def test_the_table_shows_the_figures_of_the_json(count, counted):
    figures, text = counted(REQUEST), shown(count, REQUEST)

    for part, tokens in figures["parts"].items():
        assert re.search(rf"^{part} +{tokens:,} +\d", text, re.MULTILINE), part
    assert re.search(rf"^total +{figures['tokens']:,} +100.0% +{len(ITEMS)}", text, re.MULTILINE)
    for label in ("user", "tool outputs", "images and files", "summaries", "protected", "framing"):
        assert re.search(rf"^  {label} +[\d,]+ ", text, re.MULTILINE), label
    assert "Window of 128,000 tokens, 16,384 of them for the answer" in text
    for limit in ("trigger", "target", "input_limit"):
        assert f"{figures['window'][limit]:,}" in text
    left = figures["window"]["trigger"] - figures["tokens"]
    assert f"No compaction is due: {left:,} tokens are left until the trigger." in flat(text)
    assert "function_call_output get_weather" in text


def test_layers_without_anything_are_left_out(count):
    text = shown(count, [{"role": "user", "content": "hello"}])

    assert "reasoning" not in text
    assert "tool outputs" not in text


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_nothing_is_wider_than_the_terminal_or_cut_off(count, columns):
    history = [*ITEMS, *({"role": "user", "content": "word " * 99} for _ in range(90))]
    for window in ("9000", "200000"):
        text = shown(count, history, "--window", window, "--preview", COLUMNS=str(columns))
        assert max(map(len, text.splitlines())) <= columns
        for words in ("summaries", "input limit", "▲ trigger", "function_call_output"):
            assert words in text


def test_a_pipe_gets_no_colour(count):
    assert "\x1b" not in shown(count, REQUEST)


def test_a_call_over_the_limit_shows_where_the_limit_is(count):
    history = [{"role": "user", "content": "word " * 99} for _ in range(200)]

    text = flat(shown(count, history, "--window", "9000"))

    assert "A compaction is due (window_exceeded). At least " in text
    assert "the policy would drop" in text
    assert "▲ input limit" in text


def test_content_is_shown_only_when_asked_for_and_then_without_secrets_and_escapes(count):
    text = "[bold]my key[/bold]\nis api_key=sk-abcdefghijklmnop1234 \x1b[31m\u202e"
    items = [{"role": "user", "content": text}]

    assert "my key" not in shown(count, items)
    preview = shown(count, items, "--preview")
    assert "[bold]my key[/bold] is api_key=<REDACTED>" in preview
    assert not {"\x1b", "\u202e"} & set(preview)


def test_names_in_a_file_reach_the_terminal_as_text(count):
    call = {"type": "function_call", "call_id": "c", "name": "\x1b[2Jx", "arguments": "{}"}
    text = shown(count, {"model": "\x1b]0;me\x07", "input": [call]}, "--window", "9000")

    assert not {"\x1b", "\x07"} & set(text)


@pytest.mark.parametrize(
    ("value", "arguments", "note"),
    [
        (ITEMS[3:4], [], "no model is named, so this is for gpt-4o, with its window"),
        (ITEMS[3:4], ["--model", "wizard-9"], "no window is known for wizard-9: 128,000 tokens"),
        ({**REQUEST, "input": "hi"}, ["--model", "gpt-5"], "the request itself names gpt-4o"),
        (
            {"model": "gpt-4o", "input": "hi", "previous_response_id": "resp_1"},
            [],
            "what the server adds by `previous_response_id` is not in the file",
        ),
        (
            {"model": "gpt-4o", "prompt": {"id": "pmpt_1"}},
            [],
            "what the server adds by `prompt` is not in the file",
        ),
        (
            {"model": "gpt-4o", "input": [{"role": "user", "content": [PICTURE]}]},
            [],
            "files, in 1 item, are estimated by size",
        ),
    ],
)
def test_what_one_must_know_to_trust_the_figures_is_said_once(count, value, arguments, note):
    text = shown(count, value, *arguments)

    assert flat(text).count(note) == 1
    assert text.count("Note: ") == 1


def test_a_plain_call_of_a_known_model_needs_no_note(count):
    assert "Note" not in shown(count, {"model": "gpt-4o", "input": "hi"})


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["--window", "many"], {}, "'many' is not a valid integer"),
        (["--window", "-5"], {}, "max_context_tokens must be a whole number > 0, got -5"),
        (["--window", "0"], {}, "got 0"),
        (["--window", "1000"], {}, "lower the buffer for a window this small"),
        (["--modle", "x"], {}, "No such option"),
        ([], {"COMPACT_TRIGGER_PCT": "high"}, "policy.trigger_pct must be a number"),
    ],
)
def test_an_impossible_setting_names_its_value_and_a_way_out(
    count, arguments, environment, expected
):
    result = count(*arguments, "-", given="[]", **environment)

    assert result.exit_code == 2
    assert expected in flat(result.stderr)


def test_a_file_is_needed(count):
    assert count().exit_code == 2


def test_the_installed_command_counts_without_the_network_and_without_utf8(tmp_path):
    path = tmp_path / "request.json"
    path.write_text(json.dumps(REQUEST))
    blocked = tmp_path / "sitecustomize.py"
    blocked.write_text(
        "import socket\n"
        "def refuse(*args, **kwargs): raise SystemExit('the network was asked')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("COMPACT_")}
    env |= {"PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": "ascii", "COLUMNS": "60"}

    run = subprocess.run(
        [COMPACTCTL, "tokens", path, "--preview"],
        check=False,
        capture_output=True,
        env=env,
        timeout=60,
    )

    assert (run.returncode, run.stderr) == (0, b"")
    assert b"total" in run.stdout
    assert b"####" in run.stdout
    assert run.stdout.isascii()
    assert b"\x1b" not in run.stdout
