import logging
import threading
from types import SimpleNamespace
from typing import get_args

import openai
import pytest
from openai.types import AllModels, ChatModel, ResponsesModel

from compact_otel import windows
from compact_otel.core.policy import limits
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import Window
from compact_otel.overflow import Overflow
from compact_otel.prices import TABLE

UNPUBLISHED = {"gpt-rosalind-research"}
"""Models of which OpenAI does not say what they take in."""


def names_in(hint):
    """Return all names in a type of the `openai` package."""
    if isinstance(hint, str):
        return {hint}
    return {name for part in get_args(hint) for name in names_in(part)}


LISTED = names_in(ChatModel) | names_in(ResponsesModel) | names_in(AllModels)


@pytest.fixture
def book():
    return windows.Windows()


class Prices:
    """A table like that of `genai-prices`."""

    Usage = SimpleNamespace

    def __init__(self, **sizes):
        self.sizes = {name.replace("_", "-"): size for name, size in sizes.items()}

    def calc_price(self, usage, model_ref):
        return SimpleNamespace(model=SimpleNamespace(context_window=self.sizes[model_ref]))


@pytest.fixture
def prices(monkeypatch):
    """Return what puts a table in the place of the one that is installed."""

    def put(**sizes):
        table, done = Prices(**sizes), threading.Thread()
        monkeypatch.setattr(TABLE, "load", lambda: done)
        monkeypatch.setattr(TABLE, "module", table)
        return table

    return put


@pytest.mark.parametrize(
    ("model", "size", "input_limit"),
    [
        ("gpt-5", 400_000, 272_000),
        ("gpt-5-mini-2025-08-07", 400_000, 272_000),
        ("gpt-5-pro", 400_000, 128_000),
        ("gpt-5.3-codex", 400_000, 272_000),
        ("gpt-5.3-codex-spark", 128_000, 96_000),
        ("gpt-5.4-nano", 400_000, 272_000),
        ("gpt-5-chat-latest", 128_000, 111_616),
        ("chat-latest", 400_000, 272_000),
        ("gpt-4.1-mini", 1_047_576, 1_014_808),
        ("gpt-4o-2024-08-06", 128_000, 111_616),
        ("gpt-4o-2024-05-13", 128_000, 123_904),
        ("gpt-audio-mini", 128_000, 111_616),
        ("chatgpt-4o-latest", 128_000, 111_616),
        ("GPT-4o", 128_000, 111_616),
        ("gpt-4.5-preview", 128_000, 111_616),
        ("o4-mini", 200_000, 100_000),
        ("o4-mini-deep-research", 200_000, 100_000),
        ("codex-mini-latest", 200_000, 100_000),
        ("o1-preview", 128_000, 95_232),
        ("gpt-oss-120b", 131_072, 98_304),
        ("gpt-4-turbo", 128_000, 123_904),
        ("gpt-4-32k", 32_768, 28_672),
        ("gpt-4-0613", 8_192, 6_144),
        ("gpt-3.5-turbo", 16_385, 12_289),
        ("gpt-35-turbo", 16_385, 12_289),
        ("computer-use-preview", 8_192, 7_168),
        ("ft:gpt-4o:org::id", 128_000, 111_616),
        ("azure/gpt-4o", 128_000, 111_616),
        ("azure/ft:gpt-4o:org::id", 128_000, 111_616),
        ("litellm/anthropic/claude-sonnet-4-20250514", 200_000, 136_000),
        ("anthropic/claude-opus-4-1-20250805", 200_000, 168_000),
        ("anthropic/claude-opus-4-5", 200_000, 136_000),
        ("anthropic/claude-3-5-sonnet-20241022", 200_000, 191_808),
        ("openrouter/anthropic/claude-sonnet-4.6", 1_000_000, 872_000),
        ("bedrock/us.anthropic.claude-opus-4-6-v1:0", 1_000_000, 872_000),
        ("claude-opus-5-5", 1_000_000, 872_000),
        ("gemini/gemini-2.5-flash", 1_048_576, 983_040),
        ("mistral/mistral-large-latest", 262_144, 245_760),
        ("mistral/open-mistral-nemo", 128_000, 111_616),
        ("mistral/ministral-8b-latest", 128_000, 111_616),
        ("deepseek-ai/DeepSeek-R1", 65_536, 57_344),
        ("deepseek/deepseek-v4-pro", 1_000_000, 616_000),
        ("together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo", 128_000, 123_904),
        ("bedrock/us.meta.llama3-1-70b-instruct-v1:0", 128_000, 123_904),
        ("groq/llama3-70b-8192", 8_192, 6_144),
        ("openrouter/qwen/qwen3-coder", 262_144, 196_608),
        ("xai/grok-code-fast-1", 256_000, 226_000),
        ("openrouter/moonshotai/kimi-k2-thinking", 262_144, 245_760),
        ("cerebras/zai-glm-4.7", 200_000, 68_928),
    ],
)
def test_a_model_is_known_by_the_beginning_of_its_name(book, model, size, input_limit):
    window = book.of(model)
    assert (window.size, window.input_limit, window.source) == (size, input_limit, "catalog")


@pytest.mark.parametrize(
    ("model", "size", "step"),
    [
        ("gpt-5.4", 1_050_000, 272_000),
        ("gpt-5.6-luna", 1_050_000, 272_000),
        ("gpt-6.2-sol", 1_050_000, 272_000),
        ("models/gemini-2.5-pro", 1_048_576, 200_000),
        ("xai/grok-4.5", 500_000, 200_000),
    ],
)
def test_a_model_is_compacted_before_its_whole_input_costs_double(book, model, size, step):
    window = book.of(model)
    assert window.size == size
    assert limits(CompactPolicy(), window).trigger == int(step * CompactPolicy().trigger_pct)
    assert limits(CompactPolicy(), book.of(model, size)).trigger > step


def test_what_cannot_be_brought_below_that_step_is_still_no_error(book):
    window = book.of("gpt-5.4")
    assert limits(CompactPolicy(), window).budget == 922_000 - CompactPolicy().hard_cap_buffer


def test_what_the_user_says_wins_and_is_all_input(book):
    assert book.of("gpt-4o", 5000) == Window(size=5000, source="config")
    assert book.of(None, 5000).input_limit == 5000
    assert book.of("gpt-5.4", 900_000) == Window(size=900_000, source="config")


def test_a_refusal_of_less_is_believed_more_than_anybody(book):
    book.learn("gpt-4o", 70_000, Overflow(limit=64_000, used=70_000))
    assert book.of("gpt-4o") == Window(size=64_000, source="learned")
    assert book.of("gpt-4o", 100_000) == Window(size=64_000, source="learned")
    assert book.of("gpt-4o", 60_000) == Window(size=60_000, source="config")
    assert book.of("gpt-4o-mini").source == "catalog"


@pytest.mark.parametrize("model", ["gpt-4o", "llama-of-mine", None])
def test_a_refusal_that_names_a_larger_window_corrects_the_list_but_not_the_user(book, model):
    book.learn(model, 300_000, Overflow(limit=262_144, used=310_000))
    assert book.of(model) == Window(size=262_144, output_reserve=16_384, source="learned")
    assert book.of(model, 5000) == Window(size=5000, source="config")


def test_a_refusal_without_numbers_does_not_prove_a_larger_window(book):
    book.learn("gpt-4o", 300_000, Overflow())
    assert book.of("gpt-4o").input_limit == 111_616


def test_a_refusal_is_forgotten_once_more_was_taken(book):
    book.accept("gpt-4o", 9_000)
    book.learn("gpt-4o", 9_000, Overflow(limit=700))
    assert book.of("gpt-4o").input_limit == 700
    book.accept("gpt-4o", 700)
    assert book.of("gpt-4o").input_limit == 700
    book.accept("gpt-4o", 701)
    assert book.of("gpt-4o").source == "catalog"


def test_one_empty_answer_proves_nothing_and_the_second_one_does(book):
    book.suspect("gpt-4o", 70_000)
    assert book.of("gpt-4o").source == "catalog"
    book.suspect("gpt-4o", 80_000)
    assert book.of("gpt-4o") == Window(size=70_000, source="learned")


def test_what_a_model_took_is_no_longer_suspected(book):
    book.accept("gpt-4o", 75_000)
    for _ in range(3):
        book.suspect("gpt-4o", 70_000)
    book.suspect("gpt-4o", 80_000)
    assert book.of("gpt-4o").source == "catalog"
    book.suspect("gpt-4o", 90_000)
    assert book.of("gpt-4o") == Window(size=80_000, source="learned")
    book.accept("gpt-4o", 85_000)
    assert book.of("gpt-4o").source == "catalog"


@pytest.mark.parametrize("model", ["llama-of-mine", None, "", "x/", "a-gpt-4o"])
def test_an_unknown_model_gets_a_safe_window_and_one_warning(book, model, caplog):
    TABLE.load().join()
    with caplog.at_level(logging.WARNING, "compact_otel"):
        found = [book.of(model) for _ in range(3)]
    assert found == [Window(size=128_000, output_reserve=16_384, source="default")] * 3
    (record,) = caplog.records
    assert f"{model!r}: assuming 128000 tokens" in record.getMessage()
    assert "COMPACT_MAX_CONTEXT_TOKENS" in record.getMessage()


def test_a_model_that_only_the_price_table_knows_has_its_window_from_there(book, prices, caplog):
    prices(sparrow_2=64_000)
    found = book.of("someone/sparrow-2")
    assert found == Window(size=64_000, output_reserve=8_000, source="catalog")
    assert not caplog.records


def test_the_own_table_is_asked_before_the_price_table(book, prices):
    prices(gpt_5_chat_latest=400_000)
    assert book.of("gpt-5-chat-latest").size == 128_000


@pytest.mark.parametrize("size", [None, 0, "many"])
def test_a_model_without_a_size_in_the_price_table_stays_unknown(book, prices, caplog, size):
    prices(sparrow_2=size)
    assert book.of("sparrow-2").source == "default"
    assert len(caplog.records) == 1


def test_no_call_waits_for_the_price_table_and_nobody_is_warned_before_it_has_been_asked(
    book, prices, caplog, monkeypatch
):
    table, come = prices(sparrow_2=64_000), threading.Event()
    loading = threading.Thread(target=come.wait)
    loading.start()
    monkeypatch.setattr(TABLE, "load", lambda: loading)
    monkeypatch.setattr(TABLE, "module", None)
    assert book.of("sparrow-2").source == "default"
    monkeypatch.setattr(TABLE, "module", table)
    come.set()
    loading.join()
    assert book.of("sparrow-2").size == 64_000
    assert not caplog.records


def test_every_model_that_the_openai_package_lists_is_in_the_table():
    unknown = sorted(name for name in LISTED - UNPUBLISHED if windows.catalogued(name) is None)
    assert len(LISTED) > 50
    assert not unknown, (
        f"openai {openai.__version__} lists {unknown}: look up their context window and longest "
        "output in OpenAI's model pages and add a row to `_CATALOG` in compact_otel/windows.py "
        "(and to `framing` and `media` of the estimators what is new about them); if OpenAI does "
        "not say, add them to `UNPUBLISHED` here"
    )


def test_what_a_new_release_adds_to_a_known_family_has_the_window_of_that_family():
    genai_prices = pytest.importorskip("genai_prices")
    wrong = {}
    for name in sorted(LISTED):
        ours = windows.catalogued(name)
        try:
            usage = genai_prices.Usage(input_tokens=1)
            theirs = genai_prices.calc_price(usage, model_ref=name).model.context_window
        except LookupError:
            continue
        if ours is None or not theirs or name.endswith("-chat-latest"):  # where it errs
            continue
        if abs(ours.size - theirs) > 0.05 * theirs:  # it rounds 1,047,576 and 1,050,000
            wrong[name] = (ours.size, theirs)
    assert not wrong, (
        f"compact_otel/windows.py and genai-prices differ about {wrong}: look them up in OpenAI's "
        "model pages, and give them a row of their own in `_CATALOG` before that of their family"
    )
