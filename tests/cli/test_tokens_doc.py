"""What docs/TOKENS.md says is so."""

import json
import re
from pathlib import Path

import pytest

from compact_otel import CompactConfig, CompactManager
from compact_otel.config import StorageConfig
from compact_otel.core.types import CallContext
from compact_otel.schema import SCHEMA
from tests.cli.calls import ITEMS, TRAINS
from tests.histories import Exporter

DOC = (Path(__file__).parents[2] / "docs" / "TOKENS.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)


@pytest.fixture
def example(tmp_path, monkeypatch):
    """What the example leaves behind."""
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(EXAMPLE, "docs/TOKENS.md", "exec"), names)
    return names


def test_an_estimator_has_five_lines(example):
    of_class = EXAMPLE.partition("class CharsOverFour:")[2].partition("\n\n\n")[0]

    assert len(re.findall(r"\S.*\n?", of_class)) <= 5


def test_the_estimator_of_the_example_is_the_one_that_counts(example, capsys):
    exporter = Exporter()
    manager = CompactManager(
        CompactConfig(storage=StorageConfig(adapter="none")),
        estimator=example["CharsOverFour"](),
        exporters=[exporter],
    )

    manager.preflight("s", ITEMS, call=CallContext(model="gpt-4o", instructions="Be kind." * 2))

    (event,) = exporter.named("token_estimate")
    assert event["compact.estimator.name"] == "CharsOverFour"
    assert event["compact.tokens.before"] == sum(len(str(item)) // 4 for item in ITEMS) + 4


def test_the_example_of_the_terminal_is_what_is_printed_but_for_a_token_here_or_there(
    count, tmp_path
):
    (tmp_path / "request.json").write_text(json.dumps(TRAINS))
    shown = DOC.partition("```console\n$ compactctl tokens request.json\n")[2].partition("```")[0]

    printed = count("request.json", COLUMNS="100").stdout

    assert without_figures(shown) == without_figures(printed)
    totals = (re.search(r"^total +([\d,]+)", text, re.MULTILINE)[1] for text in (shown, printed))
    said, now = (int(total.replace(",", "")) for total in totals)
    assert said == pytest.approx(now, rel=0.02)


def without_figures(text):
    """Return what a line says beside its numbers, bars and columns."""
    return [re.sub(r"[\d,.% ▀-▟]+", " ", line).strip() for line in text.splitlines()]


def test_every_attribute_that_is_named_is_told():
    told = {use.name for event in SCHEMA.values() for use in event.fields.values()}
    named = set(re.findall(r"`(compact\.(?:tokens|estimate)\.[a-z_]+)`", DOC))

    assert len(named) > 3
    assert named <= told
