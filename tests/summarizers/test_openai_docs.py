"""What docs/SUMMARIES.md says is so: its tables are the code's."""

import inspect
import re
from typing import get_args

import compact_otel
from compact_otel.core.events import FailureFallback
from compact_otel.core.settings import CompactPolicy, Strategy
from compact_otel.summarizers import openai, openai_call
from compact_otel.summarizers.prompts import PROMPTS
from tests.docs.pages import blocks, text_of
from tests.histories import manager, talk

TEXT = text_of("docs/SUMMARIES.md")


def test_the_summariser_in_five_lines_is_the_one_that_writes():
    names = {}
    exec(blocks("docs/SUMMARIES.md", languages=("python",))[-1].text, names)
    writer = names["FirstWords"]()
    policy = {"keep_recent_turns": 1, "keep_user_tokens": 0, "summary_max_tokens": 1_000}
    made = manager(2_000, summarizer=writer, **policy)
    result = made.preflight("s", talk(10, 100))
    assert result.outcome == "compacted"
    assert result.summary.startswith("question 0 why")


def test_strategies_with_their_sections_and_steps_are_those_of_the_code():
    rows = dict(re.findall(r"^\| `(\w+)`[^|]*\| ([^|]+) \| [^|]+ \|$", TEXT, re.MULTILINE))
    assert set(rows) == set(get_args(Strategy))
    for strategy, told in rows.items():
        headings = re.findall(r"^## (.*)$", PROMPTS.sections[strategy], re.MULTILINE)
        assert told == ", ".join(headings) or strategy == "brief"
    assert f"`{CompactPolicy().strategy}` (default)" in TEXT
    steps = set(re.findall(r"\| `(\w+)` \|$", TEXT, re.MULTILINE))
    assert steps
    assert steps <= set(get_args(FailureFallback))


def test_every_reason_is_listed():
    source = inspect.getsource(openai) + inspect.getsource(openai_call)
    used = set(re.findall(r'reason="(\w+)"|reason = "(\w+)"', source))
    reasons = {word for pair in used for word in pair if word} | set(openai_call._REASONS.values())
    table = TEXT.partition("| `error.type` | |")[2].partition("\n## ")[0]
    assert reasons <= set(re.findall(r"`(\w+)`", table))


def test_the_limits_are_those_of_the_code():
    signature = inspect.signature(openai.OpenAISummarizer)
    seconds = signature.parameters["timeout"].default
    assert f"`timeout` seconds ({seconds:.0f})" in TEXT
    configured = compact_otel.CompactConfig().summarizer.timeout
    assert f"`summarizer.timeout` ({configured:.0f})" in TEXT
    assert seconds < configured
