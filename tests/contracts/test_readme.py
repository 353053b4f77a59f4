"""What the README says is so: its Python runs, its table is the code's."""

import re
from pathlib import Path

import pytest

import compact_otel
from compact_otel.config import (
    CompactConfig,
    EstimatorConfig,
    RedactionConfig,
    StorageConfig,
    SummarizerConfig,
    TelemetryConfig,
)

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SETTINGS = [
    (name, default)
    for names, default in re.findall(r"^\| (`[\w.]+`[^|]*)\| ([^|]+?) \|", README, re.MULTILINE)
    for name in re.findall(r"`([a-z][\w.]+)`", names)
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    compact_otel.uninstrument()


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_python_block_of_the_readme_runs(block):
    exec(compile(block, "README.md", "exec"), {})


def test_the_readme_lists_every_setting_with_its_default():
    config = CompactConfig()
    sections = {
        "telemetry": TelemetryConfig(),
        "estimator": EstimatorConfig(),
        "summarizer": SummarizerConfig(),
        "storage": StorageConfig(),
        "redaction": RedactionConfig(),
    }
    names = {name for name, _ in SETTINGS}
    policy = set(config.policy.__slots__)
    nested = {f"{name}.{field}" for name, part in sections.items() for field in part.__slots__}
    top = set(config.__slots__) - {"policy", "model", *sections}
    assert names == policy | nested | top
    for name, shown in SETTINGS:
        section, _, field = name.rpartition(".")
        holder = sections.get(section) or (config.policy if field in policy else config)
        value = getattr(holder, field)
        if name != "max_context_tokens":
            written = (",".join(value) or "none") if isinstance(value, tuple) else str(value)
            assert shown.strip("`") == written, name


def test_every_link_of_the_readme_leads_to_a_file():
    for target in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / target).exists(), target
