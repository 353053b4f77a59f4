import logging

import pytest

from compact_otel import windows
from compact_otel.core.types import Window


@pytest.mark.parametrize(
    ("model", "size", "input_limit"),
    [
        ("gpt-5", 400_000, 272_000),
        ("gpt-5-mini-2025-08-07", 400_000, 272_000),
        ("gpt-5.3-codex", 400_000, 272_000),
        ("gpt-5.4-nano", 400_000, 272_000),
        ("gpt-5.6-luna", 1_050_000, 922_000),
        ("gpt-5-chat-latest", 128_000, 111_616),
        ("gpt-4.1-mini", 1_047_576, 1_014_808),
        ("gpt-4o-2024-08-06", 128_000, 111_616),
        ("chatgpt-4o-latest", 128_000, 111_616),
        ("GPT-4o", 128_000, 111_616),
        ("o4-mini", 200_000, 100_000),
        ("o1-preview", 128_000, 62_464),
        ("gpt-oss-120b", 131_072, 98_304),
        ("gpt-4-turbo", 128_000, 123_904),
        ("gpt-4-32k", 32_768, 28_672),
        ("gpt-4-0613", 8_192, 6_144),
        ("gpt-3.5-turbo", 16_385, 12_289),
        ("gpt-35-turbo", 16_385, 12_289),
        ("ft:gpt-4o:org::id", 128_000, 111_616),
        ("azure/gpt-4o", 128_000, 111_616),
        ("azure/ft:gpt-4o:org::id", 128_000, 111_616),
        ("litellm/anthropic/claude-sonnet-4", 200_000, 168_000),
        ("models/gemini-2.5-pro", 1_000_000, 934_464),
    ],
)
def test_a_model_is_known_by_the_beginning_of_its_name(model, size, input_limit):
    window = windows.Windows().of(model)
    assert (window.size, window.input_limit, window.source) == (size, input_limit, "catalog")


def test_what_the_user_says_wins_and_is_all_input():
    assert windows.Windows().of("gpt-4o", 5000) == Window(size=5000, source="config")
    assert windows.Windows().of(None, 5000).input_limit == 5000


@pytest.mark.parametrize("model", ["llama-of-mine", None, "", "x/", "a-gpt-4o"])
def test_an_unknown_model_gets_a_safe_window_and_one_warning(model, caplog):
    book = windows.Windows()
    with caplog.at_level(logging.WARNING, "compact_otel"):
        found = [book.of(model) for _ in range(3)]
    assert found == [Window(size=128_000, output_reserve=16_384, source="default")] * 3
    (record,) = caplog.records
    assert f"{model!r}: assuming 128000 tokens" in record.getMessage()
    assert "COMPACT_MAX_CONTEXT_TOKENS" in record.getMessage()
