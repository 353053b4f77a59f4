"""What a model's name says, however it is spelled: with a provider in front, fine-tuned, dated.

Who sends a request through Azure, LiteLLM, Bedrock or OpenRouter writes more than the model's name,
and tiktoken's own table knows none of these forms, nor models that came after its release. Only how
a name begins counts, so a dated or coming variant is what its elder was; a name that nobody knows
is taken for a model of OpenAI, of the `gpt` family.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

EncodingName = Literal["o200k_base", "cl100k_base"]
Family = Literal["harmony", "gpt", "claude", "claude-new", "gemini", "open"]

# `openai:gpt-5` as AnyLLM has it, `openai-gpt-5` as Snowflake, and Bedrock's
# `us.anthropic.claude-...`, also in an ARN.
_PROVIDER = re.compile(
    r"(?:openai|azure|anthropic|bedrock|vertexai|google[a-z-]*):|openai-(?=gpt-|o\d)"
    r"|(?:[a-z-]+\.)?(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshot"
    r"|moonshotai|nvidia|openai|qwen|writer|zai)\."
)
_REVISION = re.compile(r"(?:-v?\d+)?:\d+$")  # as in Bedrock's `claude-sonnet-4-5-20250929-v1:0`
_LATER = re.compile(r"@.*|:(?:free|nitro|floor|online|beta|extended|thinking|latest)$")

_CL100K = re.compile(r"gpt-3\.?5|gpt-4(?:-|$)|(?:davinci|babbage)-002|text-embedding-")
_CLAUDE_VERSION = re.compile(r"(?:claude-|[a-z]-)(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?")
_NEW_CLAUDE = (4, 7)

_FAMILIES: tuple[tuple[re.Pattern[str], Family], ...] = (
    # `gpt-oss` and whatever reasons: https://github.com/openai/harmony
    (re.compile(r"o\d|gpt-[5-9]|gpt-1\d|gpt-oss|codex-"), "harmony"),
    (re.compile(r"gemini"), "gemini"),
    (
        re.compile(
            r"(?:meta-)?llama|(?:open-)?mi[sx]tral|ministral|magistral|codestral|devstral|pixtral"
            r"|deepseek|qwen|qwq|kimi|moonshot|(?:zai-)?glm|grok|command|c4ai|nova|phi-?\d|gemma|yi-|jamba"
            r"|minimax|olmo|granite|nemotron|falcon|palmyra"
        ),
        "open",
    ),
)


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model's name, understood.

    Attributes:
        base: The name in lower case without providers, `ft:`, owner and revision; '' if unknown.
        encoding: The vocabulary of OpenAI that counts its texts best.
        family: Models that wrap and count a request alike: `harmony` (OpenAI's `o1`, `gpt-5` and
            all later ones), `gpt` (OpenAI's others), `claude` and, from 4.7 on, `claude-new` with
            another tokeniser, `gemini`, `open` (known models of others).
    """

    base: str
    encoding: EncodingName
    family: Family


def base_name(model: str) -> str:
    """Return a model's name as its maker writes it, in lower case, with its date if it has one.

    `azure/ft:gpt-4o:org::id` is `gpt-4o`, `bedrock/us.anthropic.claude-opus-4-v1:0` is
    `claude-opus-4`. What is only wrapped into other words stays: `a-gpt-4o` may be anything.
    """
    name = model.strip().lower().rpartition("/")[2]
    name = _PROVIDER.sub("", name, count=1) if _PROVIDER.match(name) else name
    if name.startswith("ft:"):
        return name[3:].partition(":")[0]
    return _LATER.sub("", _REVISION.sub("", name))


@lru_cache(maxsize=1024)
def understood(model: str | None) -> ModelName:
    """Return what a name as given to the SDK says; None and unknown names are `gpt` with o200k."""
    name = base_name(model or "")
    return ModelName(name, "cl100k_base" if _CL100K.match(name) else "o200k_base", _family(name))


def _family(name: str) -> Family:
    if "claude" in name:
        return _claude(name)
    return next((family for pattern, family in _FAMILIES if pattern.match(name)), "gpt")


def _claude(name: str) -> Family:
    """Tell the generations apart by their number: `claude-3-5-sonnet`, `claude-opus-5`."""
    found = _CLAUDE_VERSION.search(name[name.index("claude") :])
    if found is None:
        return "claude"
    major, minor = int(found[1]), int(found[2] or 0)
    return "claude-new" if (major, minor) >= _NEW_CLAUDE else "claude"
