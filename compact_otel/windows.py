"""From a model's name to what it takes in.

The context window counts input and output together; what a request may hold is the window minus
the model's longest output. Who is asked, the first that knows: the user; what a refusal has proved;
the table below; `genai-prices` where that is installed; a guess, with one warning. What a user says
gives way to one thing only, a refusal of less: to insist would mean to be refused again and again.

Many models of a million tokens charge twice for the whole request once its input passes a step.
There compaction aims at this *soft cap* instead of the input limit, as Codex does, unless the user
sets `max_context_tokens`; what cannot be brought below it still goes out, for it is accepted.

Figures of OpenAI, Anthropic, Google and xAI: their model pages; all compared with genai-prices
0.2.3, LiteLLM 1.109.1 and models.dev 1.0.398 (2026-11). Where hosts of an open model differ, the
smallest usual figure; where its output has no limit of its own, `_USUAL_OUTPUT`.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from functools import lru_cache
from typing import Any

from compact_otel.core.types import Window
from compact_otel.forks import mutex
from compact_otel.model_names import base_name
from compact_otel.overflow import Overflow
from compact_otel.prices import TABLE

_log = logging.getLogger("compact_otel")

_USUAL_OUTPUT = 16_384

_UNKNOWN = Window(size=128_000, output_reserve=_USUAL_OUTPUT, source="default")

_PROOF = 2
"""Empty answers after which a window is taken to be smaller than it was said to be."""

# Pattern, context window, longest output, and the step in the price if there is one. The first
# pattern that fits the beginning of the name decides.
_CATALOG: tuple[tuple[str, int, int, int | None], ...] = (
    # OpenAI. genai-prices has 400,000 for gpt-5-chat-latest and its like: that is wrong.
    (r".*-chat-latest$|gpt-5(\.\d)?-chat$", 128_000, 16_384, None),
    (r"(gpt-)?chat-latest$", 400_000, 128_000, None),
    (r"gpt-5\.4-(mini|nano)", 400_000, 128_000, None),
    (r"gpt-(5\.[456]|6)", 1_050_000, 128_000, 272_000),
    (r"gpt-5-pro", 400_000, 272_000, None),
    (r"gpt-5\.3-codex-spark", 128_000, 32_000, None),
    (r"gpt-5", 400_000, 128_000, None),
    (r"gpt-daybreak-blue", 1_050_000, 128_000, 272_000),
    (r"gpt-daybreak", 400_000, 128_000, None),
    (r"gpt-4\.1", 1_047_576, 32_768, None),
    (r"gpt-4o-mini-realtime", 16_000, 4_096, None),
    (r"gpt-4o-realtime|gpt-realtime(-1\.5|-mini|-20|$)", 32_000, 4_096, None),
    (r"gpt-realtime", 128_000, 32_000, None),
    (r"gpt-4o-2024-05-13", 128_000, 4_096, None),
    (r"gpt-4o|chatgpt-4o|gpt-4\.5|gpt-audio", 128_000, 16_384, None),
    (r"o1-mini", 128_000, 65_536, None),
    (r"o1-preview", 128_000, 32_768, None),
    (r"o[134]|codex-mini", 200_000, 100_000, None),
    (r"gpt-oss", 131_072, 32_768, None),
    (r"gpt-4-(turbo|1106|0125|vision)", 128_000, 4_096, None),
    (r"gpt-4-32k", 32_768, 4_096, None),
    (r"gpt-4", 8_192, 2_048, None),
    (r"gpt-3\.5|gpt-35", 16_385, 4_096, None),
    (r"computer-use", 8_192, 1_024, None),
    # Anthropic. LiteLLM asks for the longest output by default, and the API adds it to the input.
    (r".*claude-haiku-5[-.]5", 1_000_000, 128_000, 100_000),
    (r".*claude-(opus|sonnet)-4[-.][6-9]", 1_000_000, 128_000, None),
    (r".*claude-([a-z]+-[5-9](?!\d)|fable|mythos)", 1_000_000, 128_000, None),
    (r".*claude-(v1|v?2|instant)", 100_000, 8_192, None),
    (r".*claude-3-(opus|sonnet|haiku)", 200_000, 4_096, None),
    (r".*claude-3[-.]5", 200_000, 8_192, None),
    (r".*claude-opus-4(?![-.]5)", 200_000, 32_000, None),
    (r".*claude", 200_000, 64_000, None),
    # Google
    (r"gemini-(1\.5-flash|2\.0)", 1_048_576, 8_192, None),
    (r"gemini-1\.5-pro", 1_048_576, 8_192, 128_000),
    (r"gemini-[\d.]+-pro", 1_048_576, 65_536, 200_000),
    (r"gemini-.*(computer-use|omni|robotics|live)", 128_000, 64_000, None),
    (r"gemini", 1_048_576, 65_536, None),
    (r"gemma-4", 262_144, 32_768, None),
    (r"gemma-3-(4|12|27)b", 131_072, 8_192, None),
    # xAI
    (r"grok-4(\.20|\.3)", 1_000_000, 30_000, 200_000),
    (r"grok-4\.[5-9]", 500_000, 30_000, 200_000),
    (r"grok-4(-1)?-fast", 2_000_000, 30_000, None),
    (r"grok-(4|code|build)", 256_000, 30_000, None),
    (r"grok-3", 131_072, _USUAL_OUTPUT, None),
    # Mistral
    (r"mistral-large-4", 1_048_576, _USUAL_OUTPUT, None),
    (r"mistral-large-(latest|2512|3)", 262_144, _USUAL_OUTPUT, None),
    (r"mistral-(medium|small)-(latest|26)|mistral-medium-3[-.]5", 256_000, _USUAL_OUTPUT, None),
    (r"devstral-(2512|medium-latest|latest)", 256_000, _USUAL_OUTPUT, None),
    (r"(open-)?(mixtral-8x7b|mistral-7b)|mistral-tiny|mistral-small$", 32_000, 4_096, None),
    (r"(open-)?mixtral-8x22b", 64_000, 8_192, None),
    (
        r"mistral-(large|medium|small)|(open-)?mistral-nemo|(minis|magis|pix|codes|devs)tral",
        128_000,
        _USUAL_OUTPUT,
        None,
    ),
    # Others, by whoever hosts them
    (r"deepseek-(v4|flash)", 1_000_000, 384_000, None),
    (r"deepseek-(chat|reasoner|v3[.-]|r1-distill)", 131_072, 8_192, None),
    (r"deepseek-(r1|v3)", 65_536, 8_192, None),
    (r"(meta-)?llama-?v?(3[p.-][123]|4)", 128_000, 4_096, None),
    (r"(meta-)?llama-?3(-\d+b|$)", 8_192, 2_048, None),
    (r"muse-", 1_048_576, _USUAL_OUTPUT, None),
    (r"qwen-?3-(coder|max)|qwen-?3\.[5-9]", 262_144, 65_536, None),
    (r"qwen-?3-(next|235b)", 131_072, _USUAL_OUTPUT, None),
    (r"kimi-k([3-9])", 1_048_576, _USUAL_OUTPUT, None),
    (r"kimi-k2(\.[5-9]|-thinking|-0905)", 262_144, _USUAL_OUTPUT, None),
    (r"kimi-k2", 131_072, _USUAL_OUTPUT, None),
    (r"(zai-)?glm-5\.[2-9]", 1_000_000, 131_072, None),
    (r"(zai-)?glm-4\.6v", 128_000, 32_768, None),
    (r"(zai-)?glm-(4\.[67]|5)", 200_000, 131_072, None),
    (r"minimax-m3", 1_000_000, 128_000, 512_000),
    (r"minimax-m2", 196_000, 8_192, None),
    (r"command-a", 256_000, 8_000, None),
    (r"command-r", 128_000, 4_096, None),
)
_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE), size, output, step)
    for pattern, size, output, step in _CATALOG
)


class Windows:
    """What each model takes in, and what refusals have taught about it.

    Args:
        setting: What a user sets where nothing is known of a model, as the warning names it.
    """

    def __init__(self, setting: str = "`max_context_tokens` (COMPACT_MAX_CONTEXT_TOKENS)") -> None:
        self._setting = setting
        self._learned: dict[str | None, int] = {}
        self._stated: dict[str | None, int] = {}
        self._accepted: dict[str | None, int] = {}
        self._suspected: dict[str | None, tuple[int, int]] = {}  # tokens, how often
        self._warned: set[str | None] = set()
        self._lock = mutex()

    def of(self, model: str | None, max_context_tokens: int | None = None) -> Window:
        """Return what a model takes in; of an unknown one 128,000 tokens, with one warning.

        Args:
            model: Name as given to the SDK; None if a stored prompt chooses the model.
            max_context_tokens: What the user says of the input; None for the list.
        """
        window = self.said(model, max_context_tokens)
        learned = self._learned_of(model)
        if learned is None or learned >= window.input_limit:
            return window
        return Window(size=learned, source="learned")

    def _learned_of(self, model: str | None) -> int | None:
        known, accepted = self._learned.get(model), self._accepted.get(model, 0)
        if known is not None and known < accepted:
            known = None  # it has taken more since
        suspected, times = self._suspected.get(model, (0, 0))
        if times < _PROOF or suspected <= accepted:
            return known
        return suspected if known is None else min(known, suspected)

    def said(self, model: str | None, said: int | None) -> Window:
        """Return what a model takes in by all but the refusals of less; otherwise as `of`."""
        if said is not None:
            return Window(size=said, source="config")
        listed = None if model is None else catalogued(model)
        stated = self._stated.get(model)
        if stated is not None and stated > (listed or _UNKNOWN).size:
            # Whoever serves it allows more; of its longest output nothing new is known.
            return replace(listed or _UNKNOWN, size=stated, source="learned")
        if listed is not None:
            return listed
        if model is not None and TABLE.load().is_alive():
            return _UNKNOWN  # and no warning before the table of prices is there to be asked
        found = None if model is None or TABLE.module is None else _priced(TABLE.module, model)
        if found is not None:
            return found
        if model not in self._warned:
            self._warned.add(model)
            _log.warning(
                "no context window is known for model %r: assuming %d tokens. "
                "Set %s to its real size.",
                model,
                _UNKNOWN.size,
                self._setting,
            )
        return _UNKNOWN

    def learn(self, model: str | None, estimate: int, refused: Overflow) -> None:
        """Remember the largest input that a model can have, going by what it refused.

        Args:
            model: The model.
            estimate: Tokens of the refused call, as it was taken to have; 0 if unknown.
            refused: What the provider says.
        """
        limit = refused.limit or estimate
        if not refused.used and estimate > 0:
            limit = min(limit, estimate)  # of its own count nothing is known
        if limit > 0:
            with self._lock:
                self._learned[model] = min(limit, self._learned.get(model, limit))
                self._accepted.pop(model, None)  # who serves it now takes less
                if refused.limit and refused.used:
                    self._stated[model] = self._learned[model]

    def accept(self, model: str | None, tokens: int) -> None:
        """Remember how much a model took: its window cannot be less, whatever was said before."""
        if tokens > self._accepted.get(model, 0):
            with self._lock:
                self._accepted[model] = max(tokens, self._accepted.get(model, 0))

    def suspect(self, model: str | None, tokens: int) -> None:
        """Note that a call got an empty answer, and a smaller one in its place a real one.

        Some servers answer so what is too large, and any may in an outage. So it takes two calls,
        both larger than all that the model ever took, to be believed; and one of their size that
        it takes is the end of it.

        Args:
            model: The model.
            tokens: Of the call with the empty answer.
        """
        with self._lock:
            accepted = self._accepted.get(model, 0)
            suspected, times = self._suspected.get(model, (tokens, 0))
            if suspected <= accepted:
                suspected, times = tokens, 0
            if tokens > accepted:
                self._suspected[model] = min(suspected, tokens), times + 1


@lru_cache(maxsize=256)
def catalogued(model: str) -> Window | None:
    """Return what the own table says of a model, None if the model is not in it.

    Args:
        model: Name as given to the SDK, a provider prefix included.
    """
    name = base_name(model)
    for pattern, size, output, step in _PATTERNS:
        if pattern.match(name):
            return Window(size=size, output_reserve=output, source="catalog", soft_cap=step)
    return None


@lru_cache(maxsize=256)
def _priced(table: Any, model: str) -> Window | None:
    """Return the window that `genai-prices` has for a model; it knows no longest output."""
    try:
        known = table.calc_price(table.Usage(input_tokens=1), model_ref=base_name(model))
        size = known.model.context_window
        if not isinstance(size, int) or size <= 0:
            return None
        return Window(size=size, output_reserve=min(_USUAL_OUTPUT, size // 8), source="catalog")
    except Exception:  # noqa: BLE001 - unknown there, or a table of another make
        return None
