"""Summaries by a model of OpenAI, or of a server that speaks one of its APIs.

Nothing that a model writes is used unseen. What is empty, refused, cut off, no shorter than its
source, in another script than the users', copied from the example, or over the length is rejected,
and the next of these is tried, as long as there is time:

    too long, or cut off   -> the same at half the length, at most twice
    no good behind a call  -> a transcript, where the shape was `prefix`
    refused, unusable      -> the strategy `brief`
    no answer, or still no -> the next of `fallback_models`
    none of them           -> SummaryError; the extractive summariser takes over

A remainder that is larger than the model's window is summarised in parts, each with the note of
those before it as its basis.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from opentelemetry.trace import TracerProvider

from compact_otel.core import events
from compact_otel.core.errors import ConfigError, SummaryError
from compact_otel.core.items import role_of, text_parts
from compact_otel.core.settings import Strategy
from compact_otel.core.types import Summary, SummaryRequest, Usage, Window
from compact_otel.summarizers.openai_call import (
    ApiName,
    Caller,
    Question,
    Reply,
    Told,
    WindowError,
    output_room,
)
from compact_otel.summarizers.prefix import prefix_of
from compact_otel.summarizers.prompts import PROMPTS, Prompts
from compact_otel.summarizers.scripts import is_foreign
from compact_otel.summarizers.transcript import Entry, clipped, harmless, transcript, turns_in
from compact_otel.windows import Windows

if TYPE_CHECKING:
    from openai import AsyncOpenAI

Shape = Literal["transcript", "prefix"]

_log = logging.getLogger("compact_otel")

_SHORTER = 2  # times
_SMALLER = 4  # times that a part is halved because the window did not hold it
_BRIEF = 0.5  # of the length, for the strategy that comes after one that failed
_PATIENCE = 0.65  # of the time left, for a step that has others behind it
_TOO_LONG = frozenset({"too_long", "truncated"})
# Other words would not help: the server is in trouble, or it does not know us or the model.
_NO_ANSWER = frozenset(
    {
        "bad_request",
        "connection",
        "insufficient_quota",
        "malformed",
        "model_not_found",
        "no_room",
        "rate_limited",
        "server_error",
        "unauthorized",
        "window_exceeded",
    }
)
_SETUP = {
    "unauthorized": "`%s` cannot be asked for summaries: set OPENAI_API_KEY to a key that may use"
    " it, or hand over a `client`",
    "model_not_found": "`%s` cannot be asked for summaries, as the server knows no such model: look"
    " at its name, the `api` and OPENAI_BASE_URL",
    "insufficient_quota": "`%s` cannot be asked for summaries: the account has no quota left",
}
# The server is in trouble: the same in another shape would not help.
_TROUBLE = (_NO_ANSWER | {"timeout"}) - {"bad_request", "model_not_found", "window_exceeded"}
_SAFE = 0.9  # of the window: our count is an estimate
_LEAST_ROOM = 64
_WINDOW = "`summarizer.window` (COMPACT_SUMMARIZER_WINDOW), or `window` of an `OpenAISummarizer`,"
_CHARS_PER_TOKEN = 128
_BYTES_PER_TOKEN = 2  # fewer has no text of any length but encoded data
_SHORT = 400
_REFUSAL = re.compile(
    r"(?:I['\u2019]?m|I am) (?:very |so )?(?:sorry|unable|not able)|Sorry, (?:but )?I"
    r"|I (?:can['\u2019]?t|cannot|won['\u2019]?t|will not)"
    r" (?:assist|help|comply|provide|summari[sz]e)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One way to ask.

    Attributes:
        number: Of the model.
        strategy: What the note is like.
        share: Of the longest note that may be had, what is asked for.
        shorter: How often the length was halved for this model.
        smaller: How often the part was halved for this model.
        behind: Whether the note is asked for behind the agent's own call.
    """

    strategy: Strategy
    number: int = 0
    share: float = 1.0
    shorter: int = 0
    smaller: int = 0
    behind: bool = False


class OpenAISummarizer:
    """Asks a model for the summary, through a client of its own and not the application's model.

    Takes `OPENAI_API_KEY` and `OPENAI_BASE_URL` from the environment like any client of OpenAI.
    Every request is a span `chat {model}` below `compact_context`, with the tokens it cost.

    Args:
        model: Who is asked. A small model does: facts that it drops are put back afterwards.
        fallback_models: Who is asked next, in this order.
        api: `responses`, or `chat` for servers that know Chat Completions only.
        shape: `transcript` quotes what goes as data. `prefix` asks behind the agent's own call,
            which the provider has in its prompt cache; only where the agent's model is `model`, and
            only `model` is asked so. Where that cannot be done it is a transcript.
        client: A client to use instead of an own one, such as an `AsyncAzureOpenAI`, which then
            has to live in one event loop; or a function that makes one, which is called and its
            client closed for each summary.
        prompts: The templates.
        language: Language of the summaries, as a word for the model; None for the users' own.
        timeout: Seconds for all of it. Stay below `summarizer.timeout` of the configuration, or a
            slow answer counts as one that hangs.
        max_retries: How often the client sends a request again after 429, 5xx or a lost
            connection.
        seed: Sent where the API takes one (Chat Completions).
        window: Context window of the models in tokens; None for what is known of each.
        tracer_provider: Where spans go; None for the global provider.

    Raises:
        ConfigError: If a value is impossible.
    """

    name = "openai"

    def __init__(
        self,
        model: str = "gpt-4.1-mini",
        *,
        fallback_models: Sequence[str] = (),
        api: ApiName = "responses",
        shape: Shape = "transcript",
        client: AsyncOpenAI | Callable[[], AsyncOpenAI] | None = None,
        prompts: Prompts = PROMPTS,
        language: str | None = None,
        timeout: float = 50.0,
        max_retries: int = 2,
        seed: int | None = 42,
        window: int | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        _check_models(model, fallback_models)
        _check_form(api, shape)
        _check_limits(timeout, max_retries, window)
        self._models = (model, *fallback_models)
        self._shape = shape
        self._client = client
        self._prompts = prompts
        self._language = language
        self._timeout = timeout
        self._max_retries = max_retries
        self._seed = seed
        self._window = window
        self._windows = Windows(_WINDOW)
        self._complained: set[tuple[str, str]] = set()
        self._caller = Caller(api, tracer_provider)

    async def summarize(self, request: SummaryRequest) -> Summary:
        """Return a note of at most `request.max_tokens` by `request.count_text`.

        Raises:
            SummaryError: If none of the models gives one that can be used; `reason` is that of
                the last.
        """
        prefix = prefix_of(request, self._models[0]) if self._shape == "prefix" else None
        writing = _Writing(request, prefix)
        if not writing.entries and not request.previous_summary:
            raise SummaryError("nothing readable in the items", reason="empty")
        try:
            async with self._connected() as client:
                return await self._written(client, writing)
        except SummaryError as error:
            error.usage = writing.usage
            raise

    async def _written(self, client: AsyncOpenAI, writing: _Writing) -> Summary:
        until = asyncio.get_running_loop().time() + self._timeout
        behind = writing.prefix is not None
        step = _Step(strategy=writing.request.strategy, behind=behind)
        while True:
            try:
                stop = len(writing.entries) if step.behind else self._fill(writing, step)
            except SummaryError as error:  # another model may have a larger window
                following, fallback = self._after(step, error.reason)
                if following is None:
                    raise
                if fallback is not None:
                    writing.request.tell(error.reason, fallback)
                step = following
                continue
            answer = await self._tried(client, writing, step, until)
            if isinstance(answer, _Step):
                step = answer
            elif writing.advance(stop, answer.text):
                return Summary(answer.text, model=answer.model, usage=writing.usage)

    def _complain(self, reason: str, model: str) -> None:
        """Say once in the log what no later summary will change."""
        if reason in _SETUP and (reason, model) not in self._complained:
            self._complained.add((reason, model))
            _log.warning(_SETUP[reason], model)

    async def _tried(
        self, client: AsyncOpenAI, writing: _Writing, step: _Step, until: float
    ) -> Reply | _Step:
        """Return an answer that can be used, or the next way to ask.

        Raises:
            SummaryError: If there is no other way.
        """
        left = until - asyncio.get_running_loop().time()
        more = self._after(step, "timeout")[0] is not None
        limit = max(0.0, left * _PATIENCE if more else left)
        question = self._question(writing, step, limit)
        with self._caller.span(client, question.model) as told:
            try:
                reply = await self._answer(client, question, told, limit)
                writing.pay(reply)
                return self._checked(reply, writing)
            except SummaryError as error:
                if isinstance(error, WindowError) and question.prefix is None:
                    self._windows.learn(question.model, writing.cost(question), error.refused)
                if not step.behind:  # or what is not known may be an item
                    self._complain(error.reason, question.model)
                following, fallback = self._after(step, error.reason)
                if until <= asyncio.get_running_loop().time():
                    following = None
                if following is None:
                    raise
                told.fails(error)
                told.goes_on(error.reason, fallback)
                if fallback is not None:
                    writing.request.tell(error.reason, fallback)
        return following

    async def _answer(
        self, client: AsyncOpenAI, question: Question, told: Told, limit: float
    ) -> Reply:
        try:
            async with asyncio.timeout(limit):
                return await self._caller.ask(client, question, told)
        except TimeoutError as error:
            raise SummaryError(
                f"no answer within {limit:.1f} s: raise `timeout` or take a faster model",
                reason="timeout",
            ) from error

    def _after(
        self, step: _Step, reason: str
    ) -> tuple[_Step | None, events.FailureFallback | None]:
        """Return the next way to ask, None if there is none, and what telemetry calls it."""
        if step.behind and reason not in _TOO_LONG | _TROUBLE:
            return replace(step, behind=False), "retry_transcript"
        if reason == "window_exceeded" and step.smaller < _SMALLER:
            return replace(step, smaller=step.smaller + 1), None
        if reason in _TOO_LONG and step.shorter < _SHORTER:
            shorter = replace(step, shorter=step.shorter + 1, share=step.share / 2)
            return shorter, "retry_shorter"
        has_more = step.number + 1 < len(self._models)
        in_vain = reason in _NO_ANSWER or (reason == "timeout" and has_more)
        if step.strategy != "brief" and not in_vain:
            return replace(step, strategy="brief", share=_BRIEF), "retry_brief"
        if has_more:
            return _Step(strategy=step.strategy, number=step.number + 1), "retry_model"
        return None, None

    def _fill(self, writing: _Writing, step: _Step) -> int:
        """Choose the items that are summarised next; return the index behind them.

        Raises:
            SummaryError: If the window has no room for any.
        """
        model, tokens = self._models[step.number], _tokens(writing.request, step)
        window = self._windows.of(model) if self._window is None else Window(size=self._window)
        room = min(window.input_aim, window.size - output_room(model, tokens))
        empty = self._question(writing, step, limit=0.0, entries=())
        room = int((room * _SAFE - writing.cost(empty)) / 2**step.smaller)
        if room < _LEAST_ROOM:
            raise SummaryError(
                f"the window of {model} leaves {room} tokens for what is to be summarised",
                reason="no_room",
            )
        return writing.fill(room)

    def _question(
        self,
        writing: _Writing,
        step: _Step,
        limit: float,
        entries: Sequence[Entry] | None = None,
    ) -> Question:
        request, tokens = writing.request, _tokens(writing.request, step)
        if step.behind and writing.prefix is not None:
            return Question(
                model=self._models[step.number],
                instructions="",
                message=self._prompts.behind_the_call(
                    request, step.strategy, tokens=tokens, language=self._language
                ),
                tokens=tokens,
                seed=self._seed,
                timeout=limit,
                prefix=writing.prefix,
            )
        return Question(
            model=self._models[step.number],
            instructions=self._prompts.instructions(step.strategy),
            message=self._prompts.message(
                request,
                writing.part if entries is None else entries,
                previous=writing.anchor,
                tokens=tokens,
                language=self._language,
            ),
            tokens=tokens,
            seed=self._seed,
            timeout=limit,
        )

    def _checked(self, reply: Reply, writing: _Writing) -> Reply:
        """Return an answer that can be used.

        Raises:
            SummaryError: If it cannot.
        """
        request, text = writing.request, harmless(reply.text).strip()
        if reply.refusal or reply.finish == "content_filter":
            raise SummaryError("the model refused", reason="refused")
        if reply.finish != "stop":
            raise SummaryError("the answer was cut off", reason="truncated")
        if not text:
            raise SummaryError("the answer is empty", reason="empty")
        if len(text) < _SHORT and _REFUSAL.match(text):
            raise SummaryError("the model refused", reason="refused")
        if len(text) >= writing.source_length:
            raise SummaryError(
                f"the summary has {len(text)} characters, its source {writing.source_length}",
                reason="inflated",
            )
        if any(mark in text and not writing.says(mark) for mark in self._prompts.marks):
            raise SummaryError("the summary copies the example", reason="copied")
        if self._language is None and is_foreign(text, _users_words(request)):
            raise SummaryError("the summary is not in the users' language", reason="language")
        if (
            len(text) > request.max_tokens * _CHARS_PER_TOKEN  # to count it could take minutes
            or request.count_text(text) > request.max_tokens
        ):
            raise SummaryError(
                f"the summary is over {request.max_tokens} tokens", reason="too_long"
            )
        return replace(reply, text=text)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncOpenAI]:
        """Have a client for one summary.

        An own one is made each time: its connections belong to the event loop, and an application
        may run several, one after the other or at once. Summaries are rare.
        """
        import openai

        given = self._client
        if given is not None and not callable(given):
            yield given.with_options(max_retries=self._max_retries)
            return
        try:
            made = openai.AsyncOpenAI() if given is None else given()
        except openai.OpenAIError as error:
            self._complain("unauthorized", self._models[0])
            raise SummaryError(
                "no client could be made: set OPENAI_API_KEY or hand over `client`",
                reason="unauthorized",
            ) from error
        async with made:
            yield made.with_options(max_retries=self._max_retries)


class _Writing:
    """How far the summary of one request has come.

    Args:
        request: The request.
        prefix: As below.

    Attributes:
        request: The request.
        prefix: The agent's own call, to ask behind; None to quote what goes.
        entries: All that is to be summarised.
        part: What of it is summarised now.
        anchor: The note so far.
        source_length: Characters of all that the note stands for.
        usage: What all answers so far have cost, None if no server said so.
    """

    def __init__(self, request: SummaryRequest, prefix: Mapping[str, Any] | None) -> None:
        self.request = request
        self.prefix = prefix
        self.anchor = request.previous_summary
        turns_before = turns_in(self.anchor or "")
        self.entries = transcript(request.items, turns_before=turns_before)
        self.source_length = sum(len(entry.body) for entry in self.entries) + len(self.anchor or "")
        self.part: Sequence[Entry] = ()
        self.usage: Usage | None = None
        self._start = 0
        self._costs: list[int] | None = None
        self._sizes = [len(entry.text.encode("utf-8", "replace")) for entry in self.entries]

    def says(self, text: str) -> bool:
        """Say whether a text stands in the material."""
        return any(text in entry.body for entry in self.entries) or text in (self.anchor or "")

    def cost(self, question: Question) -> int:
        """Return the tokens of a question, about."""
        return self.request.count_text(f"{question.instructions}\n{question.message}")

    def pay(self, reply: Reply) -> None:
        """Add what an answer has cost, whatever it is worth."""
        if reply.usage is not None:
            self.usage = reply.usage + self.usage

    def fill(self, room: int) -> int:
        """Take as many entries as there is room for, at least one; return the index behind."""
        if sum(self._sizes[self._start :]) <= room * _BYTES_PER_TOKEN:
            self.part = self.entries[self._start :]
            return len(self.entries)
        if self._costs is None:
            self._costs = [self.request.count_text(entry.text) for entry in self.entries]
        stop = self._start
        for cost in self._costs[self._start :]:
            room -= cost
            if room < 0:
                break
            stop += 1
        self.part = self.entries[self._start : stop]
        if not self.part:  # one text is larger than the window
            entry, cost = self.entries[stop], self._costs[stop]
            share = (room + cost) / max(1, cost) * _SAFE
            self.part = [replace(entry, body=clipped(entry.body, int(len(entry.body) * share)))]
            stop += 1
        return stop

    def advance(self, stop: int, note: str) -> bool:
        """Take the note for the part that ends at an index; say whether it was the last."""
        self.anchor, self._start = note, stop
        return stop == len(self.entries)


def _tokens(request: SummaryRequest, step: _Step) -> int:
    return max(1, int(request.max_tokens * step.share))


def _users_words(request: SummaryRequest) -> Iterator[str]:
    """Yield what users wrote, newest first."""
    for items in (request.kept, request.items):
        for item in reversed(items):
            if role_of(item) == "user":
                yield from text_parts(item.get("content"))


def _check_models(model: str, fallback_models: Sequence[str]) -> None:
    if isinstance(fallback_models, str):
        raise ConfigError(f"need a list of names in `fallback_models`, got {fallback_models!r}")
    for name in (model, *fallback_models):
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f"need names in `model` and `fallback_models`, got {name!r}")


def _check_form(api: str, shape: str) -> None:
    for name, value, kind in (("api", api, ApiName), ("shape", shape, Shape)):
        if value not in get_args(kind):
            valid = ", ".join(get_args(kind))
            raise ConfigError(f"need `{name}` to be one of {valid}, got {value!r}")
    if shape == "prefix" and api != "responses":
        raise ConfigError(
            f"need `api` to be responses for the `shape` prefix, got {api!r}: "
            "use the shape transcript"
        )


def _check_limits(timeout: float, max_retries: int, window: int | None) -> None:
    if isinstance(timeout, bool) or not 0 < timeout < math.inf:
        raise ConfigError(f"need seconds > 0 in `timeout`, got {timeout!r}")
    if isinstance(max_retries, bool) or max_retries < 0:
        raise ConfigError(f"need a whole `max_retries` >= 0, got {max_retries!r}")
    if window is not None and (isinstance(window, bool) or window < 1):
        raise ConfigError(f"need a whole `window` > 0, got {window!r}")
