"""`compactctl dry-run`, `diff` and `compact` as a person types and sees them."""

import json
import os
import pty
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.cli.manual import KEY, recorded, shop

COMPACTCTL = Path(sys.executable).with_name("compactctl")
ALL = ["dry-run", "diff", "compact"]


def flat(text):
    return " ".join(text.split())


@pytest.fixture
def call():
    """Write a session into the folder of the test, and return its name."""
    Path("call.json").write_text(json.dumps(recorded()[0]))
    return "call.json"


def completed(command):
    return [command, "-o", "out"] if command == "compact" else [command]


SLIPS = {
    "no file": ([], 2, "Missing argument 'FILE'"),
    "a file that is not there": (["cal.json"], 1, "did you mean `call.json`?"),
    "no JSON": (["words.txt"], 1, "`words.txt` is not JSON"),
    "a wrong option": (["--tagret", "9", "call.json"], 2, "No such option", "--target"),
    "a target of nothing": (["--target", "0", "call.json"], 2, "need a share", "got '0'"),
    "a target with a unit": (["--target", "12k", "call.json"], 2, "0.4 or 40%", "12000", "'12k'"),
    "a target that is no number": (["--target", "half", "call.json"], 2, "got 'half'"),
    "a target over the trigger": (["--target", "90%", "call.json"], 2, "below 0.85", "got 0.9"),
    "a target that saves nothing": (
        ["--target", "29000", "call.json"], 2, "need fewer than 25,4", "got 29,000"
    ),
    "an unknown strategy": (["--strategy", "breif", "call.json"], 2, "'brief', 'decision_log'"),
    "a window of nothing": (["--window", "0", "call.json"], 2, "'--window'", "got 0"),
    "a window of letters": (["--window", "big", "call.json"], 2, "not a valid integer"),
    "a session of a database that has others": (
        ["--session", "adda", "sessions.db"], 2, "did you mean 'ada'?", "`--session`"
    ),
    "two sessions and none named": (["sessions.db"], 2, "holds 2 sessions"),
    "what must stay is too large": (
        ["--window", "3000", "long.json"], 1, "what must stay does not fit",
        "In the way: item 0 (user, newest question) has 5,", "use a larger window",
    ),
}  # fmt: skip


@pytest.mark.parametrize("command", ALL)
@pytest.mark.parametrize("slip", SLIPS)
def test_what_goes_wrong_says_why_and_the_way_out(ctl, call, command, slip):
    from tests.cli.manual import stored

    arguments, code, *words = SLIPS[slip]
    Path("words.txt").write_text("hello")
    Path("long.json").write_text(json.dumps([{"role": "user", "content": "word " * 5000}]))
    if "sessions.db" in arguments:
        stored("sessions.db", [{"role": "user", "content": "hi"}], "ada", "bob")

    result = ctl(*completed(command), *arguments, code=code)

    for word in words:
        assert word in flat(result.stderr), result.stderr
    assert "Traceback" not in result.output
    assert not Path("out").exists()


COMMANDS = {
    "a command that is misspelt": (["dryrun", "call.json"], "Did you mean 'dry-run'?"),
    "no output": (["compact", "call.json"], "Missing option '-o'"),
    "an output in no folder": (["compact", "call.json", "-o", "no/out"], "No such file"),
    "an output that is a folder": (["compact", "call.json", "-o", "."], "Is a directory"),
    "items and figures in one": (["compact", "call.json", "-o", "-", "--json"], "both write to"),
    "a page in no folder": (["diff", "call.json", "--html", "no/page"], "No such file"),
    "a page and figures in one": (["diff", "call.json", "--html", "-", "--json"], "both write to"),
    "a session of one call": (["dry-run", "--session", "x", "call.json"], "is one call"),
}


@pytest.mark.parametrize("slip", COMMANDS)
def test_an_impossible_command_says_so_before_anything_is_done(ctl, call, slip):
    arguments, words = COMMANDS[slip]

    assert words in flat(ctl(*arguments, code=2).stderr)
    assert not Path(".compact").exists()


def test_an_environment_that_makes_no_sense_is_named(ctl, call):
    for command in ALL:
        result = ctl(*completed(command), call, code=2, COMPACT_TRIGGER_PCT="high")
        assert "got 'high' (COMPACT_TRIGGER_PCT)" in flat(result.stderr)


@pytest.mark.parametrize(
    ("target", "expected"),
    [("0.4", 10_653), (".4", 10_653), ("40%", 10_653), ("40 %", 10_653), ("12000", 12_000)],
)
def test_a_target_is_a_share_or_tokens(ctl, call, target, expected):
    told = json.loads(ctl("dry-run", "--json", "--target", target, call).stdout)

    assert told["target"] == expected
    assert told["tokens_after"] <= expected


def test_a_target_that_cannot_be_reached_is_told(ctl, call):
    said = flat(ctl("dry-run", "--target", "300", call).stdout)

    assert re.search(r"the target of 300 tokens is missed by \d+", said)
    assert "reduced from 6 and 4" in said


def test_a_plan_says_what_stays_what_goes_and_why(ctl, call):
    said = flat(ctl("dry-run", call, COLUMNS="120").stdout)

    for words in (
        "217 items, planned for gpt-4o",
        "of the last 4 tool calls",
        "of the last 6 turns",
        "what users said earlier and there is room for",
        "the newest question",
        "not of the last 4 tool calls",
        "summary v1",
        "by extractive",
        "Keep counts: 6 turns, 4 tool calls, as set",
        "An agent would not compact this call by itself yet",
    ):
        assert words in said, words


def test_whether_an_agent_would_compact_by_itself_is_said(ctl, call):
    said = flat(ctl("dry-run", "--window", "20000", call).stdout)

    assert "An agent would compact this call by itself (window_exceeded)." in said


@pytest.mark.parametrize("columns", ["60", "100"])
def test_a_plan_fits_the_terminal(ctl, call, columns):
    for options in ([], ["--preview"]):
        text = ctl("dry-run", *options, call, COLUMNS=columns).stdout
        assert max(map(len, text.splitlines())) <= int(columns)


def test_a_plan_shows_words_only_when_asked_for(ctl):
    Path("call.json").write_text(json.dumps(shop()))

    for options in ([], ["--json"]):
        assert "Shoe" not in ctl("dry-run", *options, "call.json").stdout
    shown = ctl("dry-run", "--preview", "call.json").stdout
    items = json.loads(ctl("dry-run", "--preview", "--json", "call.json").stdout)["items"]
    assert "Shoe 11, please" in shown
    assert items[1]["preview"] == "Order 4711 first."


def test_a_diff_has_a_sign_for_each_thing_that_can_happen(ctl):
    Path("call.json").write_text(json.dumps(shop()))

    lines = ctl("diff", "--target", "4000", "call.json").stdout.splitlines()

    assert re.match(r"--- call.json: 98 items, [\d,]+ tokens", lines[1])
    assert re.match(r"\+\+\+ compacted: \d+ items, [\d,]+ tokens", lines[2])
    body = lines[3:-1]
    assert {line[0] for line in body} == set("-~+ ")
    (summary,) = [line for line in body if line.startswith("+ summary v1")]
    assert all(line[0] == "+" for line in body[body.index(summary) :][:3])
    assert any(re.match(r"~ \[\d+\] function_call_output look, \d+ -> \d+ tokens", n) for n in body)
    assert any("the same call was made again later" in line for line in body if line[0] == "~")
    assert lines[-1].endswith("%)")


def test_a_diff_cuts_what_goes_and_says_how_much_unless_it_is_to_be_full(ctl):
    Path("call.json").write_text(json.dumps(shop()))

    cut, full = (ctl("diff", *options, "call.json").stdout for options in ([], ["--full"]))

    assert "... (28 lines more)" in cut
    assert "line 25 of the file" not in cut
    assert "line 25 of the file" in full
    assert "more)" not in full


def test_nothing_secret_and_no_escape_reaches_the_terminal_or_the_page(ctl):
    Path("call.json").write_text(json.dumps(shop()))
    shown = [
        ctl(*command, "call.json").stdout
        for command in (
            ["dry-run", "--preview"],
            ["dry-run", "--preview", "--json"],
            ["diff", "--full"],
            ["diff", "--json"],
            ["diff", "--html", "-"],
        )
    ]

    for text in shown:
        assert KEY not in text
        assert "\x1b" not in text
        assert "<REDACTED>" in text or "&lt;REDACTED&gt;" in text


def test_patterns_of_the_settings_are_taken_out_as_well(ctl):
    Path("call.json").write_text(json.dumps(shop()))

    said = ctl("diff", "--full", "call.json", COMPACT_REDACTION_PATTERNS="for 7 EUR").stdout

    assert "Shoe 7 is <b>there</b> <REDACTED>" in said
    assert "for 8 EUR" in said


class Page(HTMLParser):
    """Collects what stands in a page: tags, their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.open = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attribute) for attribute in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_page_is_whole_safe_and_loads_nothing(ctl):
    Path("call.json").write_text(json.dumps(shop()))

    said = ctl("diff", "--target", "4000", "--html", "page.html", "call.json").stdout
    text = Path("page.html").read_text()
    page = Page(text)

    assert said.startswith("page.html: ")
    assert not page.open
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes
    assert not {"script", "link", "img", "b", "iframe"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name in ("src", "href", "style")]
    assert not re.search(r"https?://|url\(|@import", text.partition("<body>")[0])
    assert "Shoe 3 is <b>there</b>" in page.text
    assert "the same call was made again later" in page.text
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    for words in ("tool outputs", "summary v1", "saved"):
        assert words in page.text


def test_help_says_what_a_person_needs(ctl):
    for command in ALL:
        said = flat(ctl(command, "--help").stdout)
        for words in ("Keys of the JSON object", "Examples", "The exit code is 0", "--target SIZE"):
            assert words in said, (command, words)


@pytest.mark.parametrize("command", ALL)
def test_every_key_of_the_json_object_is_documented(ctl, call, command):
    told = json.loads(ctl(*completed(command), "--json", call).stdout)
    keys = set(told) | set(told["summary"]) | set(told["policy"]) | set(told["trigger"])
    keys |= set(told["items"][0]) | set(told["layers"][0])
    keys |= set(told["changes"][0]) if "changes" in told else set()

    said = "".join(ctl(each, "--help").stdout for each in ("dry-run", command))

    assert keys <= set(re.findall(r"\w+", said))


def typed(arguments, environment):
    """Run a command on a terminal; return its exit code and what the terminal was sent."""
    main, terminal = pty.openpty()
    run = subprocess.Popen(
        [COMPACTCTL, *arguments], stdout=terminal, stderr=terminal, env=environment
    )
    os.close(terminal)
    sent = b""
    while True:
        try:
            more = os.read(main, 65536)
        except OSError:  # how Linux says that nobody has the other end any more
            break
        if not more:
            break
        sent += more
    os.close(main)
    return run.wait(60), sent.decode()


def test_a_person_at_a_terminal_sees_colours_and_progress(ctl, call):
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}

    code, diff = typed(["diff", call], environment)
    assert code == 0
    assert "\x1b[32m+ summary v1" in diff
    assert "\x1b[31m- [1] assistant" in diff
    code, done = typed(["compact", call, "-o", "out.json"], environment)
    assert code == 0
    assert "counting" in done
    assert "written: out.json" in done
    assert json.loads(Path("out.json").read_text())
