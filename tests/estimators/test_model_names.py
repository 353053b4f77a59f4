"""A model is what it is, however its name is written."""

from typing import get_args

import pytest
from openai.types import ChatModel
from tiktoken.model import MODEL_PREFIX_TO_ENCODING, MODEL_TO_ENCODING

from compact_otel.model_names import base_name, understood


@pytest.mark.parametrize(
    ("model", "base"),
    [
        ("gpt-5", "gpt-5"),
        ("GPT-4o", "gpt-4o"),
        (" gpt-4o ", "gpt-4o"),
        ("openai/gpt-5-mini", "gpt-5-mini"),
        ("openai:gpt-5-mini", "gpt-5-mini"),
        ("openai-gpt-4.1", "gpt-4.1"),
        ("azure/gpt-4o", "gpt-4o"),
        ("openrouter/openai/gpt-4o-mini:free", "gpt-4o-mini"),
        ("ft:gpt-4o-mini-2024-07-18:org::id", "gpt-4o-mini-2024-07-18"),
        ("azure/ft:gpt-4o:org::id", "gpt-4o"),
        ("litellm/anthropic/claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929"),
        ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
        ("bedrock/anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku-20240307"),
        (
            "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-opus-4-v1:0",
            "claude-opus-4",
        ),
        ("bedrock/openai.gpt-oss-120b-1:0", "gpt-oss-120b"),
        ("vertex_ai/claude-sonnet-4@20250514", "claude-sonnet-4"),
        ("vertex_ai/gemini-2.5-pro", "gemini-2.5-pro"),
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("ollama/llama3:8b", "llama3:8b"),
        ("a-gpt-4o", "a-gpt-4o"),
        ("x/", ""),
        ("", ""),
    ],
)
def test_a_name_is_found_in_what_providers_put_around_it(model, base):
    assert base_name(model) == base


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("o1", "harmony"),
        ("o3-mini", "harmony"),
        ("o9-pro", "harmony"),
        ("gpt-5.6-luna", "harmony"),
        ("gpt-6.2-sol", "harmony"),
        ("gpt-10", "harmony"),
        ("ft:gpt-5-mini:acme::1", "harmony"),
        ("groq/openai/gpt-oss-20b", "harmony"),
        ("codex-mini-latest", "harmony"),
        ("gpt-4o", "gpt"),
        ("gpt-35-turbo", "gpt"),
        ("ft:gpt-4.1-2025-04-14:acme::1", "gpt"),
        ("my-deployment", "gpt"),
        ("a-gpt-5", "gpt"),
        (None, "gpt"),
        ("", "gpt"),
        ("claude-2.1", "claude"),
        ("claude-3-5-sonnet-20241022", "claude"),
        ("claude-3-7-sonnet-latest", "claude"),
        ("litellm/anthropic/claude-sonnet-4-6", "claude"),
        ("claude-opus-4-20250514", "claude"),
        ("claude-instant", "claude"),
        ("bedrock/us.anthropic.claude-opus-4-7-v1:0", "claude-new"),
        ("openrouter/anthropic/claude-opus-4.8", "claude-new"),
        ("claude-sonnet-5", "claude-new"),
        ("claude-5-haiku-20260801", "claude-new"),
        ("models/gemini-3-pro", "gemini"),
        ("google-gla:gemini-2.5-flash", "gemini"),
        ("groq/meta-llama/llama-4-scout-17b", "open"),
        ("mistral-large-latest", "open"),
        ("deepseek/deepseek-chat", "open"),
        ("bedrock/meta.llama3-1-70b-instruct-v1:0", "open"),
        ("litellm/ollama/olmo-2", "open"),
    ],
)
def test_a_model_belongs_to_the_family_that_counts_like_it(model, family):
    assert understood(model).family == family


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4", "cl100k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("azure/gpt-35-turbo-16k", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("ft:gpt-3.5-turbo-0125:acme::1", "cl100k_base"),
        ("davinci-002", "cl100k_base"),
        ("text-embedding-3-large", "cl100k_base"),
        ("gpt-4o", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-4.5-preview", "o200k_base"),
        ("ft:gpt-4.1-2025-04-14:acme::1", "o200k_base"),
        ("gpt-6.2-astra", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("claude-sonnet-4", "o200k_base"),
        (None, "o200k_base"),
    ],
)
def test_a_model_is_counted_with_the_vocabulary_it_was_made_with(model, encoding):
    assert understood(model).encoding == encoding


# tiktoken takes a fine-tuned gpt-4.1 for a gpt-4, as it looks at `ft:gpt-4` only.
_WRONG_IN_TIKTOKEN = {"ft:gpt-4"}


def test_no_chat_model_is_given_another_vocabulary_than_tiktoken_gives_it():
    known = {**MODEL_TO_ENCODING, **MODEL_PREFIX_TO_ENCODING}
    base = {"o200k_base": "o200k_base", "o200k_harmony": "o200k_base", "cl100k_base": "cl100k_base"}
    differing = [
        (name, encoding)
        for name, encoding in known.items()
        if encoding in base
        and name not in _WRONG_IN_TIKTOKEN
        and not name.startswith("text-similarity")
        and understood(name).encoding != base[encoding]
    ]
    assert differing == []


def test_every_model_that_the_openai_package_names_is_one_of_openais():
    families = {understood(model).family for model in get_args(ChatModel)}
    assert families == {"gpt", "harmony"}
