"""A file with settings that somebody else wrote: it neither runs code, nor hangs, nor grows."""

import os
import time
from pathlib import Path

import pytest

from compact_otel import CompactConfig, ConfigError
from compact_otel.config.file import MAX_BYTES

SOON_S = 3


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(text, name="evil.yaml"):
    """Return what is said of a file, which must be said soon."""
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    began = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        CompactConfig.load(config=name)
    assert time.monotonic() - began < SOON_S
    assert len(str(caught.value)) < 3_000
    return str(caught.value)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_a_bomb_of_aliases_is_refused_at_its_first_alias():
    assert refused(BOMB) == ("evil.yaml:2:8: the alias *a: aliases are not read here, write it out")


def test_an_alias_of_itself_is_refused():
    assert "the alias *a" in refused("models: &a\n  x: *a")


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch owned']",
        "!!python/object/new:os.system ['touch owned']",
        "!!python/name:os.system",
        "!<tag:yaml.org,2002:python/object/apply:os.system> ['touch owned']",
        "!!set {a}",
        "!!binary aGk=",
        "!!timestamp 2001-01-01",
    ],
)
def test_a_tag_makes_nothing(tag):
    assert "tags are not read here" in refused(f"model: {tag}")
    assert not Path("owned").exists()


def test_code_cannot_be_named():
    assert "redaction.custom cannot be set in a file" in refused("redaction: {custom: os.system}")


@pytest.mark.parametrize("nested", ["[" * 100_000, "{a: " * 100_000, "\n " + "- " * 100_000])
def test_what_is_deep_is_refused_before_it_needs_a_stack(nested):
    assert "20 lists and mappings in each other" in refused(f"a: {nested}")


def test_what_is_deep_is_refused_as_json_too():
    assert "lists and mappings in each other" in refused('{"a":' * 100_000, "evil.json")


def test_a_large_file_is_not_read():
    said = refused(b"model: " + b"x" * MAX_BYTES)
    assert said == "evil.yaml is larger than 1 MiB: settings are shorter"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_an_endless_device_is_not_read():
    with pytest.raises(ConfigError, match="no regular file"):
        CompactConfig.load(config="/dev/zero")


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"k{n}: {n}" for n in range(40_000)),
        "models:\n" + "\n".join(f"  k{n}: {{triger_pct: 1}}" for n in range(8_000)),
        "redaction:\n  patterns:\n" + "\n".join("  - '('" for _ in range(40_000)),
        f"{'k' * 500_000}: 1",
        f"model: [{'x' * 500_000}]",
        f"policy: {{hard_cap_buffer: {'9' * 500_000}}}",
        f"policy: {{hard_cap_buffer: 0x{'f' * 500_000}}}",
        "mode: >\n" + "  x\n" * 100_000,
        "x: [" + "a, " * 300_000 + "]",
    ],
    ids=range(9),
)
def test_a_file_of_full_size_is_refused_soon_and_in_few_words(text):
    assert refused(text)


def test_a_text_from_a_file_cannot_write_to_the_terminal():
    said = refused('mode: "\\e[2Jowned\\r"\n"\\e[31mname": 1')
    assert "\x1b" not in said
    assert "\r" not in said


def test_a_pipe_that_nobody_writes_to_is_not_waited_for():
    os.mkfifo("compact.yaml")
    began = time.monotonic()
    with pytest.raises(ConfigError, match="no regular file"):
        CompactConfig.load()
    assert time.monotonic() - began < SOON_S
